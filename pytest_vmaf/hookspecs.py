"""The plugin API of pytest-vmaf: hooks that conftest files and plugins may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import pytest

    from pytest_vmaf.quality.scorer import Scorer

hookspec = pluggy.HookspecMarker("pytest")


@hookspec(firstresult=True)
def pytest_vmaf_scorer(config: pytest.Config | None, name: str) -> Scorer | None:
    """Return the scorer backend of this name, or None when the name is not yours.

    A scorer has two methods, ``capabilities(tools)`` and ``score(request)``; ``pytest_vmaf.quality.scorer`` says what
    goes in and what must come out. Its log is verified: every asked column, every frame, finite numbers.

    Implement it in a ``conftest.py``, in any pytest plugin, or in a module that an installed package names in the
    entry-point group ``pytest_vmaf.scorers``; the last is imported only when its name is first asked for::

        # conftest.py
        def pytest_vmaf_scorer(config, name):
            if name == "farm":
                return FarmScorer(config.getini("farm_url"))

    ``config`` is None where there is no pytest: under ``pytest_vmaf.Vmaf()`` and the ``pytest-vmaf`` command. Marked
    with ``pluggy.HookimplMarker("pytest")``, one module serves both.
    """
