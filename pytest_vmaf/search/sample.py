"""Samples: some seconds from the middle of a source, to search or to sweep in place of all of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from pytest_vmaf.encoding.cut import centre, cut
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import count_frames, inspect
from pytest_vmaf.media.part import frames_of_part
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect_request import invalid


def cut_sample(
    scoring: MeasureRequest, seconds: float | None, ffmpeg: str, folder: Path
) -> tuple[Clip, tuple[int, int] | None]:
    """Cut a sample from the middle of the reference without loss.

    Args:
        scoring: Names the reference.
        seconds: The duration of the sample, None for the whole reference.
        ffmpeg: The path of ffmpeg.
        folder: Where the sample is written.

    Returns:
        The clip, and the first frame and number of frames of the sample (None for the whole reference).

    Raises:
        SettingsError: If `seconds` is not a number above 0, or the reference states no frame rate.
    """
    if seconds is None:
        return scoring.reference, None
    window = sample_window(scoring, seconds, ffmpeg)
    return cut(scoring.reference, [window], folder, ffmpeg, timeout=scoring.timeout, cache=scoring.cache)[0], window


def sample_window(scoring: MeasureRequest, seconds: float, ffmpeg: str) -> tuple[int, int]:
    """The first frame and the number of frames of a sample from the middle of the reference.

    Raises:
        SettingsError: If `seconds` is not a number above 0, or the reference states no frame rate.
    """
    reference, timeout = scoring.reference, scoring.timeout
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise invalid("sample", "a number of seconds above 0", seconds)
    video = inspect(reference, ffmpeg, 1, timeout, scoring.cache)
    if video.frame_rate is None:
        raise SettingsError(
            f"{reference.name} states no frame rate, so it has no seconds. Use Clip(..., frame_rate=24)."
        )
    count = count_frames(reference, ffmpeg, timeout, scoring.cache)
    count = frames_of_part(reference.name, reference.start, reference.frames, count)
    return centre(count, video.frame_rate, seconds)


def middle(scoring: MeasureRequest, seconds: float) -> MeasureRequest:
    """The request for so many seconds from the middle of its source, which a sweep encodes without a cut.

    Raises:
        SettingsError: As `sample_window`.
    """
    start, frames = sample_window(scoring, seconds, find_ffmpeg(scoring.ffmpeg, scoring.cache).path)
    clip = replace(scoring.reference, start=int(scoring.reference.start) + start, frames=frames)
    return replace(scoring, reference=clip, distorted=clip)
