"""Parts of clips in time: what a user may state, and the ffmpeg filter that selects the frames."""

from __future__ import annotations

import math
import re

from pytest_vmaf.errors import ClipError
from pytest_vmaf.text import plural

SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?s")
#: More frames than any clip has; ffmpeg counts them in 31 bits.
MOST_FRAMES = 2**31 - 2
#: More seconds than that, at the highest frame rate.
MOST_SECONDS = 1e7


def read_start(value: object, name: str) -> int | float:
    """The first frame of a part: an int is its number, a float or a text such as "1.5s" its time in seconds.

    Raises:
        ClipError: If it is neither.
    """
    number = _number(value)
    if number is None or number < 0:
        raise ClipError(
            f'{name}: start must be the number of a frame, from 0 on, or seconds such as 1.5 or "1.5s", '
            f"not {value!r:.80}."
        )
    return number or 0


def read_length(value: object, name: str) -> int | float | None:
    """The length of a part: an int is a number of frames, a float or a text such as "2s" is in seconds.

    Raises:
        ClipError: If it is neither, or nothing.
    """
    number = None if value is None else _number(value)
    if value is not None and (number is None or number <= 0):
        raise ClipError(
            f'{name}: frames must be a number of frames, from 1 on, or seconds such as 2.0 or "2s", not {value!r:.80}.'
        )
    return number


def trim_filter(start: int, frames: int | None) -> str:
    """The ffmpeg filter that passes these frames and ends the decoding after them; "" for the whole clip.

    It counts decoded frames. Seeking by time is not exact: after it, a decoder leaves out frames of open GOPs, and
    times of variable rates are not those of frames.
    """
    if not start and frames is None:
        return ""
    return f"trim=start_frame={start}" + ("" if frames is None else f":end_frame={start + frames}")


def describe_part(start: int | float, frames: int | float | None) -> str:
    """A part in words; "" for the whole clip."""
    if not start and frames is None:
        return ""
    if isinstance(start, int) and isinstance(frames, int):
        return f"frames {start} to {start + frames - 1}" if frames > 1 else f"frame {start}"
    begin = f"from frame {start}" if isinstance(start, int) else f"from {start:g} s"
    if frames is None:
        return f"{begin} on"
    return f"{begin} on, {plural(frames, 'frame') if isinstance(frames, int) else f'{frames:g} s'}"


def refuse_outside(name: str, start: float, frames: float | None, count: int) -> None:
    """Raise ClipError if a clip of `count` frames lacks frames of its part."""
    if start + (frames or 1) > count:
        wanted = f"frame {start}" if frames in (None, 1) else f"part of {frames} frames from frame {start} on"
        raise ClipError(f"{name} has {plural(count, 'frame')}, 0 to {count - 1}, and no {wanted}.")


def time_limit(start: float, timeout: float | None, usual: float) -> float | None:
    """The time limit of an inspection in seconds: none by default where all frames before `start` are decoded first."""
    return timeout or (None if start else usual)


def frames_of_part(name: str, start: float, frames: float | None, count: int) -> int:
    """How many frames a part of a clip of `count` frames has. Raises ClipError if the clip lacks some of them."""
    refuse_outside(name, start, frames, count)
    return count - int(start) if frames is None else int(frames)


def _number(value: object) -> int | float | None:
    """A count of frames (int) or seconds (float); None for everything else."""
    if isinstance(value, str) and (match := SECONDS.fullmatch(value)):
        value = float(match[1])
    if type(value) is int and value <= MOST_FRAMES:
        return value
    return float(value) if isinstance(value, float) and math.isfinite(value) and value <= MOST_SECONDS else None
