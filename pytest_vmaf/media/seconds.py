"""Parts that are stated in seconds, in frames."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import USUAL_RATE, Clip
from pytest_vmaf.media.inspect import FIRST_FRAMES, inspect

if TYPE_CHECKING:
    from pytest_vmaf.cache.entries import Cache


def in_seconds(clip: Clip) -> bool:
    """Whether a part of the clip is stated in seconds."""
    return isinstance(clip.start, float) or isinstance(clip.frames, float)


def with_usual_rate(clip: Clip) -> Clip:
    """The clip; of frames in memory without a frame rate, with 25 frames/s, which ffmpeg encodes such frames with."""
    return replace(clip, frame_rate=USUAL_RATE) if clip.in_memory and clip.frame_rate is None else clip


def with_rate_of(clip: Clip, other: Clip, ffmpeg: str, timeout: float | None, cache: Cache | None) -> Clip:
    """The clip; of frames in memory without a frame rate, with that of the other clip, else 25 frames/s."""
    if not clip.in_memory or clip.frame_rate is not None:
        return clip
    whole = replace(other, start=0, frames=None)
    rate = other.frame_rate or inspect(whole, ffmpeg, FIRST_FRAMES, timeout, cache).frame_rate
    return replace(clip, frame_rate=rate) if rate else with_usual_rate(clip)


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
