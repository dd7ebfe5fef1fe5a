"""Parts that are stated in seconds, in frames."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import FIRST_FRAMES, inspect

if TYPE_CHECKING:
    from pytest_vmaf.cache.entries import Cache


def in_seconds(clip: Clip) -> bool:
    """Whether a part of the clip is stated in seconds."""
    return isinstance(clip.start, float) or isinstance(clip.frames, float)


def in_frames(clip: Clip, ffmpeg: str, timeout: float | None = None, cache: Cache | None = None) -> Clip:
    """The clip, with a part in frames: seconds times the frame rate, rounded.

    Args:
        clip: The clip.
        ffmpeg: The path of the ffmpeg that reads the frame rate.
        timeout: Time limit in seconds.
        cache: Where inspections are cached.

    Raises:
        ClipError: If the clip states no frame rate, or shows its frames for different times.
    """
    if not in_seconds(clip):
        return clip
    rate = clip.frame_rate
    if rate is None:
        whole = inspect(replace(clip, start=0, frames=None), ffmpeg, FIRST_FRAMES, timeout, cache)
        rate = whole.frame_rate
        if rate is None or whole.has_variable_rate:
            why = "states no frame rate" if rate is None else "has a variable frame rate"
            raise ClipError(
                f"{whole.clip} {why}, so seconds are not frames. Give start and frames as numbers of frames, or state "
                "the rate: Clip(path, frame_rate=25)."
            )
    start, frames = clip.start, clip.frames
    if isinstance(start, float):
        start = round(Fraction(str(start)) * rate)
    if isinstance(frames, float):
        frames = max(1, round(Fraction(str(frames)) * rate))
    return replace(clip, start=start, frames=frames)
