"""XPSNR beside a score: against its formula, in every scorer, in parts, and where it cannot be measured."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.scoring.features import XPSNR_COLUMNS
from pytest_vmaf.scoring.result import Result

from .xpsnr_formula import xpsnr

Y, U, V = XPSNR_COLUMNS


def frames_of(result: Result) -> list[list[float]]:
    """The XPSNR of each frame, plane by plane."""
    return [list(row) for row in zip(*(result[column].frames for column in XPSNR_COLUMNS), strict=True)]


@pytest.fixture(scope="session")
def raw(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Clip, Clip]]:
    """raw(width, height, pix_fmt): Netflix's pair of three frames in this form, as raw video."""
    folder = tmp_path_factory.mktemp("xpsnr")

    def make(width: int, height: int, pix_fmt: str, frame_rate: int = 25) -> tuple[Clip, Clip]:
        clips = []
        for number in (0, 1):
            path = folder / f"{number}-{width}x{height}-{pix_fmt}.yuv"
            if not path.exists():
                source = golden / f"src01_hrc0{number}_576x324_yuv420p10le.yuv"
                form = ["-f", "rawvideo", "-video_size", "576x324", "-pixel_format", "yuv420p10le"]
                argv = [find_ffmpeg().path, "-v", "error", *form, "-i", str(source), "-vf", f"scale={width}:{height}"]
                subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", pix_fmt, str(path)], check=True)
            clips.append(Clip(path, width=width, height=height, pix_fmt=pix_fmt, frame_rate=frame_rate))
        return clips[0], clips[1]

    return make


def planes(clip: Clip, chroma: tuple[int, int]) -> list[list[np.ndarray]]:
    """The planes of each frame of raw video."""
    width, height = clip.width or 0, clip.height or 0
    small = -(-height // chroma[1]), -(-width // chroma[0])
    values = np.fromfile(clip.path, np.uint8 if clip.pix_fmt in ("yuv420p", "yuv422p", "yuv444p") else "<u2")
    sizes = [(height, width), small, small]
    frames = values.reshape(-1, sum(a * b for a, b in sizes))
    starts = np.cumsum([a * b for a, b in sizes])[:-1]
    return [[part.reshape(size) for part, size in zip(np.split(f, starts), sizes, strict=True)] for f in frames]


CHROMA = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}


@pytest.mark.every_python
@pytest.mark.parametrize(
    ("width", "height", "pix_fmt", "rate"),
    [
        (576, 324, "yuv420p10le", 25),
        (576, 324, "yuv420p10le", 50),
        (176, 144, "yuv420p", 25),
        # Lines of these are padded in ffmpeg, whose filter takes the padding for pixels.
        (176, 144, "yuv420p10le", 25),
        pytest.param(90, 66, "yuv422p10le", 50, marks=pytest.mark.slow),
        pytest.param(90, 66, "yuv422p", 50, marks=pytest.mark.slow),
        pytest.param(180, 101, "yuv444p12le", 25, marks=pytest.mark.slow),
        pytest.param(180, 102, "yuv444p", 25, marks=pytest.mark.slow),
        pytest.param(64, 48, "yuv420p12le", 25, marks=pytest.mark.slow),
    ],
)
def test_formula(width, height, pix_fmt, rate, raw, score):
    clips = raw(width, height, pix_fmt, rate)
    depth, chroma = int(pix_fmt[7:].removesuffix("le") or 8), CHROMA[pix_fmt[3:6]]
    expected = xpsnr(*(planes(clip, chroma) for clip in clips), depth, rate)
    found = frames_of(score(*clips, features=("xpsnr",)))
    assert found == [pytest.approx(row, abs=2e-5) for row in expected]


def test_reference_is_the_first_input(raw, score):
    pair = raw(576, 324, "yuv420p10le")
    result = score(*pair, features=("xpsnr",))
    assert result[Y].frames == pytest.approx((37.0562, 31.0359, 30.0897), abs=1e-4)
    # As the filter's help names its inputs, this would be 29.7222 dB.
    assert "xpsnr_y 32.2285, xpsnr_u 39.0647, xpsnr_v 41.2308" in "\n".join(result.provenance["notes"])
    assert score(*reversed(pair), features=("xpsnr",))[Y].frames != result[Y].frames
