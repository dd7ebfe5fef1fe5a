"""What the tests of encoders share: fast presets, and a job without a clip."""

from __future__ import annotations

from fractions import Fraction

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import Video

#: A fast preset of each software encoder, and a number in the middle of its scale.
FAST = {
    "libx264": ("veryfast", 30),
    "libx265": ("ultrafast", 30),
    "libsvtav1": ("12", 40),
    "libaom-av1": ("8", 40),
    "libvpx-vp9": ("5", 40),
    "libvvenc": ("faster", 32),
    "librav1e": ("10", 120),
}
VIDEO = Video(
    Clip("a.mkv"), 192, 128, "yuv420p", Fraction(25), "tv", "bt709", "bt709", "bt709", False, False, b"", duration=0.48
)


def paper_job(encoder: Encoder | str, **settings: object) -> EncodeJob:
    """A job whose source does not exist: for what is decided before anything runs."""
    chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
    return EncodeJob(chosen, VIDEO, "ffmpeg", **settings)  # type: ignore[arg-type]
