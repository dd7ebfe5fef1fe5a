"""Where a clip cuts from one shot to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pytest_vmaf.cache import Cache, get_or_compute
from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.inspect import THUMBNAIL, clip_key
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable

#: Mean absolute difference of luma, in percent of its range, as ffmpeg's scdet counts. On 64x36 thumbnails of real
#: footage cuts were 12 and more, and no frame without a cut stood out by more than 1.
THRESHOLD = 6.0
#: In frames, since it is frames that encoders plan ahead by: the smallest group of pictures of SVT-AV1 and its like.
SHORTEST = 16
#: How many frames on either side tell what the usual motion is.
AROUND = 8


@dataclass(frozen=True)
class Shot:
    """A part of a clip between two cuts: the index of its first decoded frame, and how many frames it has."""

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
    """The shots of a clip, which cover it in order, without gap or overlap; one shot where it has no cut.

    Found are hard cuts; a fade or dissolve stays inside a shot. ``threshold`` in percent, above 0 to 100, is how far
    the luma of a cut's first frame departs from the frame before, on average, beyond the motion around it. No shot has
    fewer than ``shortest`` frames, unless the clip has; what looks as before within so many frames (a flash) is no cut.
    ``timeout`` in seconds. What is in the ``cache`` is not looked for again. Takes 2.3 kB of memory a frame.
    Raises SettingsError for numbers that cannot be, ClipError for a clip that cannot be decoded without errors.
    """
    if not 0 < threshold <= 100:
        raise SettingsError(f"threshold is {threshold!r}; it is a percentage of the luma range, above 0 to 100.")
    if shortest < 1:
        raise SettingsError(f"shortest is {shortest!r}; a shot has one frame or more.")

    def detect() -> tuple[Shot, ...]:
        thumbnails = _thumbnails(clip, ffmpeg, timeout)
        frames = len(thumbnails) // (THUMBNAIL[0] * THUMBNAIL[1])
        return split(frames, find_cuts(thumbnails, threshold, shortest), shortest)

    unchanged = Unchanged(clip)
    key = clip_key("shots", clip, ffmpeg, cache, threshold=threshold, shortest=shortest)
    return get_or_compute(
        cache,
        "look",
        key,
        detect,
        lambda shots: [(shot.start, shot.frames) for shot in shots],
        _read_shots,
        unchanged,
    )


def _read_shots(data: Any) -> tuple[Shot, ...]:
    shots = tuple(Shot(start, frames) for start, frames in data)
    ends = [0, *(shot.start + shot.frames for shot in shots)]
    if not shots or any(shot.frames < 1 or shot.start != end for shot, end in zip(shots, ends, strict=False)):
        raise ValueError("shots that cover no clip")
    return shots


def split(frames: int, cuts: Iterable[int], shortest: int) -> tuple[Shot, ...]:
    """The shots of a clip of ``frames`` frames that is cut before these ones; cuts too near to the last one kept, or to
    either end of the clip, are none."""
    starts = [0]
    for cut in sorted(cuts):
        if cut - starts[-1] >= shortest and frames - cut >= shortest:
            starts.append(cut)
    return tuple(Shot(start, end - start) for start, end in pairwise([*starts, frames]))


def find_cuts(thumbnails: bytes, threshold: float, reach: int) -> list[int]:
    """Indexes of frames that begin something new, from 64x36 8-bit luma thumbnails of all frames."""
    # ffmpeg's two detectors are one measure (select's scene score is scdet's times 2.55, and saturates at 39). Looking
    # at neighbours alone, they take every flash for a cut, and every start of noise after a still. So the measure is
    # scdet's, with what it lacks. Thumbnails show the same cuts as whole frames do, and average the noise away.
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


def _difference(a: Any, b: Any) -> Any:
    """Mean absolute difference of 8-bit pictures, in percent of their range; of one with each where there are more."""
    import numpy as np

    return np.abs(np.subtract(a, b, dtype=np.int16)).mean(axis=-1) * (100 / 255)


def _thumbnails(clip: Clip, ffmpeg: str, timeout: float | None) -> bytes:
    pictures = bytearray()
    seen: dict[str, str] = {}

    def heard(line: str) -> None:
        if match := DECODED.match(line):
            seen["decoded"], seen["errors"] = match[2], match[3]
        elif DAMAGED.match(line):
            seen.setdefault("damaged", printable(line))

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-nostats", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-fps_mode", "passthrough"]
    argv += ["-vf", f"scale={THUMBNAIL[0]}:{THUMBNAIL[1]}:flags=area,format=gray", "-f", "rawvideo", "pipe:1"]
    command = FfmpegCommand(tuple(argv), on_stderr=heard, stdout_bytes=pictures.extend)
    end = run(command, timeout)
    if "damaged" in seen:
        raise ClipError(f"{clip} is cut off or damaged; ffmpeg says: {seen['damaged']}")
    if end.returncode != 0 or not pictures or int(seen.get("errors", 1)):
        raise ClipError(f"{clip} cannot be decoded as video without errors.\n{end.explain()}")
    got, rest = divmod(len(pictures), THUMBNAIL[0] * THUMBNAIL[1])
    if rest or got != int(seen["decoded"]):
        raise ClipError(f"{clip}: ffmpeg decoded {seen['decoded']} frames and handed over {got}.\n{end.explain()}")
    return bytes(pictures)
