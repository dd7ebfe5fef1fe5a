"""Pools: the values of all frames in one number, and windows of frames. No input or output."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import TypeAlias

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.text import plural

#: The usual pools, which records and tables list.
POOLS = ("mean", "min", "max", "median", "p1", "p5", "p10", "harmonic_mean", "stdev")
PERCENTILE = re.compile(r"p([1-9]\d?)")
#: The worst part of the clip of this length, in seconds or frames.
WINDOW = re.compile(r"worst_(?P<length>[1-9]\d{0,4})(?P<unit>[sf])")
#: The worst shot of the reference.
SHOT = "worst_shot"
#: What messages say beside `POOLS`.
OTHER_POOLS = "p1 to p99, windows such as worst_1s or worst_24f, and worst_shot"
#: The first frame and the number of frames of each shot, in order.
Shots: TypeAlias = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Window:
    """A part of a clip.

    Attributes:
        first: Its first frame.
        frames: How many frames it has.
        value: The mean over them.
    """

    first: int
    frames: int
    value: float


def is_pool(name: str) -> bool:
    """Whether this is the name of a pool: one of `POOLS`, a percentile from p1 to p99, or a window."""
    return name in POOLS or PERCENTILE.fullmatch(name) is not None or is_window(name)


def is_window(name: str) -> bool:
    """Whether this pool is the worst window of a length, for example "worst_1s", or the worst shot."""
    return WINDOW.fullmatch(name) is not None or name == SHOT


def pooled(
    frames: tuple[float, ...],
    pool: str,
    *,
    frame_rate: Fraction | None = None,
    lowest: bool = True,
    shots: Shots = (),
) -> float:
    """Pool one value per frame into one number.

    Args:
        frames: The frames' values.
        pool: "mean", "min", "max", "median", a percentile ("p1" to "p99"; linear interpolation between the two nearest
            ranks, as `numpy.percentile`), "harmonic_mean" (n / Σ 1/(s+1) − 1, as libvmaf), "stdev" (of the
            population), or a window ("worst_1s", "worst_24f", "worst_shot"; see `worst_window`).
        frame_rate: Frames per second, for windows in seconds.
        lowest: Whether the lowest window is the worst.
        shots: As in `worst_window`.

    Raises:
        MeasurementError: If the harmonic mean does not exist, or as `worst_window`.
        ValueError: If the pool is unknown.
    """
    n = len(frames)
    if pool == "mean":
        # fsum: the same bits in any order. The division rounds once more, at worst past the frames' own bounds.
        return min(max(math.fsum(frames) / n, min(frames)), max(frames))
    if pool == "min":
        return min(frames)
    if pool == "max":
        return max(frames)
    if pool == "harmonic_mean":
        if min(frames) <= -1:
            raise MeasurementError("The harmonic mean n / Σ 1/(s+1) − 1 does not exist for scores of −1 and below.")
        return n / math.fsum(1 / (frame + 1) for frame in frames) - 1
    if is_window(pool):
        return worst_window(frames, pool, frame_rate, lowest=lowest, shots=shots).value
    import numpy as np

    if pool == "stdev":
        return float(np.std(frames))
    if not is_pool(pool):
        raise ValueError(f"pool must be one of {', '.join(POOLS)}, {OTHER_POOLS}, not {pool!r}")
    return float(np.percentile(frames, 50 if pool == "median" else int(pool[1:])))


def worst_window(
    frames: tuple[float, ...], pool: str, frame_rate: Fraction | None, *, lowest: bool = True, shots: Shots = ()
) -> Window:
    """The window of consecutive frames, or the shot, with the worst mean; of equal ones the first.

    Args:
        frames: The frames' values.
        pool: The window's length: "worst_2s", or "worst_24f" for frames. Seconds are rounded to whole frames. Or
            "worst_shot".
        frame_rate: Frames per second, for seconds.
        lowest: Whether the lowest mean is the worst.
        shots: The shots of the reference, for "worst_shot".

    Raises:
        MeasurementError: If the window is longer than the clip, or in seconds and the frame rate is unknown; or if
            the shots are unknown.
    """
    if pool == SHOT:
        return _worst_shot(frames, shots, lowest=lowest)
    length = window_frames(pool, frame_rate)
    if length > len(frames):
        counted = "" if pool.endswith("f") else f" ({plural(length, 'frame')})"
        raise MeasurementError(
            f"{pool}{counted} is longer than the clip of {plural(len(frames), 'frame')}. Take a shorter window."
        )
    sums = [0.0, *accumulate(frames)]
    means = [(sums[first + length] - sums[first]) / length for first in range(len(frames) - length + 1)]
    first = means.index(min(means) if lowest else max(means))
    return Window(first, length, pooled(frames[first : first + length], "mean"))


def _worst_shot(frames: tuple[float, ...], shots: Shots, *, lowest: bool) -> Window:
    if not shots:
        raise MeasurementError(
            "worst_shot needs the shots of the reference, which are only looked for where a gate, a tolerance or the "
            "metric of a search names it, for example min_neg_worst_shot=0."
        )
    means = [pooled(frames[first : first + count], "mean") for first, count in shots]
    worst = means.index(min(means) if lowest else max(means))
    return Window(*shots[worst], means[worst])


def window_frames(pool: str, frame_rate: Fraction | None) -> int:
    """How many frames a window has. Raises MeasurementError if it is in seconds and the frame rate is unknown."""
    match = WINDOW.fullmatch(pool)
    if match is None:
        raise ValueError(f"{pool!r} is not a window")
    length = int(match["length"])
    if match["unit"] == "f":
        return length
    if frame_rate is None:
        raise MeasurementError(
            f"{pool} needs a frame rate, and the clip states none. Use Clip(..., frame_rate=25), or frames: worst_25f."
        )
    return max(1, round(length * frame_rate))
