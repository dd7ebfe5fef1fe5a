"""Frame-by-frame comparison with a baseline: a uniform shift, or a few bad frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from pytest_vmaf.text import time_code

#: Smaller differences are rounding: baselines store two decimals.
LEAST = 0.005
#: A few frames are bad if they cause this share of the loss and are at most this share of the clip.
MOST_OF_THE_LOSS, A_FEW = 0.8, 0.25
#: The whole clip has shifted if at least this share of the frames is lower.
NEARLY_ALL = 0.8
MOST_RUNS, WORST = 3, 3


@dataclass(frozen=True)
class Drift:
    """How the frames of two encodes of one clip differ.

    Attributes:
        lower: The share (0 to 1) of the frames that lost.
        median: The median difference, new minus old.
        runs: First and last frame of the few runs that cause most of the loss; empty if no few frames do.
        share: The share (0 to 1) of the loss that those runs cause.
        worst: Frame, old and new score, the largest loss first.
    """

    lower: float
    median: float
    runs: tuple[tuple[int, int], ...]
    share: float
    worst: tuple[tuple[int, float, float], ...]


def drift_of(old: Sequence[float], new: Sequence[float]) -> Drift | None:
    """Compare frame by frame; None if the numbers of frames differ or no frame lost."""
    if len(old) != len(new) or not old:
        return None
    changes = [b - a for a, b in zip(old, new, strict=True)]
    order = sorted((index for index, change in enumerate(changes) if change < -LEAST), key=lambda i: (changes[i], i))
    if not order:
        return None
    loss = sum(-changes[index] for index in order)
    few: list[int] = []
    lost = 0.0
    for index in order:
        if lost >= MOST_OF_THE_LOSS * loss:
            break
        few.append(index)
        lost -= changes[index]
    runs = tuple(_runs(sorted(few))) if len(few) <= max(1, A_FEW * len(old)) and len(old) > 1 else ()
    worst = tuple((index, old[index], new[index]) for index in order[:WORST])
    return Drift(len(order) / len(old), median(changes), runs if len(runs) <= MOST_RUNS else (), lost / loss, worst)


def drift_lines(drift: Drift, rate: Fraction | None, span: int = 1) -> list[str]:
    """The drift in words.

    Args:
        drift: The drift.
        rate: The frame rate, for time codes.
        span: How many frames each of its values stands for.
    """
    lower = f"{100 * drift.lower:.0f} % of the frames are lower, median {_signed(drift.median)}"
    if drift.runs:
        places = ", ".join(_place(first * span, (last + 1) * span - 1, rate) for first, last in drift.runs)
        alone = span == 1 and len(drift.runs) == 1 and drift.runs[0][0] == drift.runs[0][1]
        what = f"{places} {'makes' if alone else 'make'} up"
        lines = [f"a few bad frames: {what} {100 * drift.share:.0f} % of the loss; {lower}"]
    elif drift.lower >= NEARLY_ALL:
        lines = [f"a uniform shift: {lower}"]
    else:
        lines = [lower]
    worst = [f"{_place(index * span, (index + 1) * span - 1, rate)} {a:.2f} → {b:.2f}" for index, a, b in drift.worst]
    return [*lines, f"lost most: {'; '.join(worst)}"]


def _runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Consecutive frames as (first, last); a single frame between two that lost counts as lost."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and frame - runs[-1][1] <= 2:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _place(first: int, last: int, rate: Fraction | None) -> str:
    # The time code of the first frame is enough to find them.
    at = f" ({time_code(first / rate, hours=True)})" if rate else ""
    return f"frame {first}{at}" if first == last else f"frames {first}–{last}{at}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
