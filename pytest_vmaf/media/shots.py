"""Shot: a part of a clip between two cuts. Detect the cuts of a clip."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_vmaf.cache.entries import Cache, get_or_compute
from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.media.builds import clip_key
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import diagnose
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.inspect import THUMBNAIL
from pytest_vmaf.media.log_lines import LogLines
from pytest_vmaf.media.part import frames_of_part
from pytest_vmaf.media.pixel_formats import WITHOUT_MATRIX
from pytest_vmaf.media.process import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Mean absolute difference of luma, in percent of its range, as ffmpeg's scdet computes it. On 64x36 thumbnails of real
#: footage, cuts were 12 and more, and no frame without a cut exceeded the motion around it by more than 1.
THRESHOLD = 6.0
#: In frames, because encoders plan ahead by frames: the smallest group of pictures of SVT-AV1 and similar encoders.
SHORTEST = 16
#: How many frames on either side define the usual motion.
AROUND = 8


class Shot(NamedTuple):
    """A part of a clip between two cuts.

    Attributes:
        start: The index of its first decoded frame.
        frames: The number of its frames.
    """

    start: int
    frames: int


def detect_shots(
    clip: Clip,
    ffmpeg: str,
    *,
    threshold: float = THRESHOLD,
    shortest: int = SHORTEST,
    timeout: float | None = None,
    cache: Cache | None = None,
) -> tuple[Shot, ...]:
    """Find the hard cuts of a clip. A fade or dissolve stays inside a shot. Takes 2.3 kB of memory for each frame.

    Args:
        clip: The clip.
        ffmpeg: Path of the ffmpeg.
        threshold: How much the mean luma difference to the previous frame must exceed the motion around it, in percent
            of the luma range, above 0 to 100.
        shortest: The smallest number of frames of a shot, unless the clip is shorter. A picture that looks as before
            within this many frames, such as a flash, is not a cut.
        timeout: Time limit in seconds.
        cache: Where shots are cached.

    Returns:
        Shots that cover the clip in order, without gap or overlap; one shot for a clip without a cut.

    Raises:
        SettingsError: If `threshold` or `shortest` is invalid.
        ClipError: If the clip cannot be decoded without errors.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 100:
        raise SettingsError(f"threshold must be a percentage of the luma range, above 0 to 100, not {threshold!r:.80}.")
    if type(shortest) is not int or shortest < 1:
        raise SettingsError(f"shortest must be a whole number of frames from 1, not {shortest!r:.80}.")

    def detect() -> tuple[Shot, ...]:
        thumbnails = _thumbnails(clip, ffmpeg, timeout)
        frames = len(thumbnails) // (THUMBNAIL[0] * THUMBNAIL[1])
        return split(frames, find_cuts(thumbnails, threshold, shortest), shortest)

    unchanged = Unchanged(clip)
    key = clip_key("shots", clip, ffmpeg, cache, threshold=threshold, shortest=shortest)
    return get_or_compute(cache, "look", key, detect, list, _read_shots, unchanged)


def _read_shots(data: Any) -> tuple[Shot, ...]:
    shots = tuple(Shot(start, frames) for start, frames in data)
    ends = [0, *(shot.start + shot.frames for shot in shots)]
    if not shots or any(shot.frames < 1 or shot.start != end for shot, end in zip(shots, ends, strict=False)):
        raise ValueError("the shots do not cover a clip")
    return shots


def split(frames: int, cuts: Iterable[int], shortest: int) -> tuple[Shot, ...]:
    """Split a clip at cuts into shots of at least `shortest` frames.

    Args:
        frames: The number of frames of the clip.
        cuts: The frames before which it is cut. Those too near to the previous cut or to either end are ignored.
        shortest: The smallest number of frames of a shot.
    """
    starts = [0]
    for cut in sorted(cuts):
        if cut - starts[-1] >= shortest and frames - cut >= shortest:
            starts.append(cut)
    return tuple(Shot(start, end - start) for start, end in pairwise([*starts, frames]))


def find_cuts(thumbnails: bytes, threshold: float, reach: int) -> list[int]:
    """Find the frames that begin something new.

    Args:
        thumbnails: 64x36 pixels of 8-bit luma for each frame.
        threshold: In percent of the luma range.
        reach: How many frames before a cut must differ from how many after it.

    Returns:
        The indexes of these frames.
    """
    # ffmpeg's two detectors are one measure (select's scene score is scdet's times 2.55, and saturates at 39). They
    # compare neighbours alone, so they take every flash for a cut, and every start of noise after a still. Here the
    # measure is scdet's, with these two checks. Thumbnails have the same cuts as frames, and average the noise away.
    import numpy as np

    pictures = np.frombuffer(thumbnails, np.uint8).reshape(-1, THUMBNAIL[0] * THUMBNAIL[1])
    change = np.array([0.0, *(_difference(a, b) for a, b in pairwise(pictures))])

    def stands_out(k: int) -> bool:
        sides = (change[max(0, k - AROUND) : k], change[k + 1 : k + 1 + AROUND])
        motion = max((float(np.median(side)) for side in sides if len(side)), default=0.0)
        return bool(change[k] - motion >= threshold)

    def is_new(k: int) -> bool:
        after = pictures[k : k + reach]
        return all(_difference(before, after).min() >= threshold for before in pictures[max(0, k - reach) : k])

    return [k for k in np.flatnonzero(change >= threshold).tolist() if stands_out(k) and is_new(k)]


def _difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute difference of two 8-bit pictures in percent of their range, or of one picture with each of many."""
    import numpy as np

    difference: NDArray[np.float64] = np.abs(np.subtract(a, b, dtype=np.int16)).mean(axis=-1) * (100 / 255)
    return difference


def _thumbnails(clip: Clip, ffmpeg: str, timeout: float | None) -> bytes:
    pictures = bytearray()
    log = LogLines()
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-nostats", "-xerror", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-fps_mode", "passthrough"]
    chain = [
        clip.trimming,
        clip.cropping,
        WITHOUT_MATRIX,
        f"scale={THUMBNAIL[0]}:{THUMBNAIL[1]}:flags=area",
        "format=gray",
    ]
    argv += ["-vf", ",".join(filter(None, chain)), "-f", "rawvideo", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), on_stderr=log, stdout_bytes=pictures.extend), timeout)
    log.check_damage(clip)
    if end.returncode != 0 or not pictures or "decoded" not in log or log.errors:
        why = diagnose([clip], end.tail, ffmpeg, timeout) or f"{clip} cannot be decoded as video without errors."
        raise ClipError(f"{why}\n{end.explain()}")
    frames, rest = divmod(len(pictures), THUMBNAIL[0] * THUMBNAIL[1])
    expected = frames_of_part(clip.name, clip.start, clip.frames, log.frames)
    if rest or frames != expected:
        raise ClipError(f"{clip}: ffmpeg decoded {expected} frames but passed on {frames}.\n{end.explain()}")
    return bytes(pictures)
