"""The documentation: `sphinx-build -W docs docs/_build/html`."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pytest-vmaf"
author = "the pytest-vmaf developers"
copyright = "the pytest-vmaf developers"
version = release = version_of("pytest-vmaf")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "reference_tables",
]
default_role = "code"
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Without a network, names of other projects are not linked. That must not fail a build with -W.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "pytest": ("https://docs.pytest.org/en/stable", None),
    "pluggy": ("https://pluggy.readthedocs.io/en/stable", None),
    "numpy": ("https://numpy.org/doc/stable", None),
}
intersphinx_timeout = 10
logging.getLogger("sphinx.sphinx.ext.intersphinx").addFilter(lambda record: "failed to reach" not in str(record.msg))

copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "pytest-vmaf"
html_show_sourcelink = False
html_sidebars = {"getting-started": [], "changelog": []}
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
}
