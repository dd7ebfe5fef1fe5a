"""A baseline's frames and those of now, one by one: has the whole clip shifted, or are a few frames bad? Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

#: Baselines have two decimals; less than this is no difference.
LEAST = 0.005
#: Frames that together make up this share of the loss, and are no larger a share of the clip, are a few bad ones.
MOST_OF_THE_LOSS, A_FEW = 0.8, 0.25
#: From this share of lower frames on the whole clip has shifted.
NEARLY_ALL = 0.8
MOST_RUNS, WORST = 3, 3


@dataclass(frozen=True)
class Drift:
    """How the frames of two encodes of one clip differ.

    ``lower`` is the share (0 to 1) of frames that lost, ``median`` the median difference (new minus old). ``runs`` are
    (first, last) of the few frames that make up ``share`` of the whole loss, empty where no few do. ``worst`` holds
    (frame, old, new), the largest loss first.
    """

    lower: float
    median: float
    runs: tuple[tuple[int, int], ...]
    share: float
    worst: tuple[tuple[int, float, float], ...]


def drift_of(old: Sequence[float], new: Sequence[float]) -> Drift | None:
    """Compare frame by frame; None where they are not as many, or none lost."""
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
    """The drift in words; ``span`` is how many frames each of its values stands for."""
    at = _moments(rate)
    lower = f"{100 * drift.lower:.0f} % of the frames are lower, median {_signed(drift.median)}"
    if drift.runs:
        places = ", ".join(_place(first * span, (last + 1) * span - 1, at) for first, last in drift.runs)
        alone = span == 1 and len(drift.runs) == 1 and drift.runs[0][0] == drift.runs[0][1]
        what = f"{places} {'makes' if alone else 'make'} up"
        lines = [f"a few bad frames: {what} {100 * drift.share:.0f} % of the loss; {lower}"]
    elif drift.lower >= NEARLY_ALL:
        lines = [f"a uniform shift: {lower}"]
    else:
        lines = [lower]
    worst = [f"{_place(index * span, (index + 1) * span - 1, at)} {a:.2f} → {b:.2f}" for index, a, b in drift.worst]
    return [*lines, f"lost most: {'; '.join(worst)}"]


def _runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Frames in a row as (first, last); one frame between two that lost counts with them."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and frame - runs[-1][1] <= 2:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _place(first: int, last: int, at: Callable[[int], str]) -> str:
    if first == last:
        return f"frame {first}{at(first)}"
    # One moment tells where to look; the last would only repeat what the numbers say.
    return f"frames {first}–{last}{at(first)}"


def _moments(rate: Fraction | None) -> Callable[[int], str]:
    def at(frame: int) -> str:
        if not rate:
            return ""
        ms = round(frame / rate * 1000)
        return f" ({ms // 3600000}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d})"

    return at


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
