"""The levels of a noisy series: a piecewise-constant fit with a penalty on each change."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

#: Up to this many points every place of a change is tried. In longer series, changes are found between groups of points
#: first, and moved to the exact point then.
EXACT = 600
#: From the median absolute difference of two values to the standard deviation of one.
TO_DEVIATION = 1.4826 / math.sqrt(2)
#: The penalty of a change in units of variance times log(n). The Schwarz criterion (BIC) has 2, a parameter each for
#: the place and the level; a third one pays for the choice among all places, and short series, whose noise is less
#: certain, pay more.
PENALTY, SHORT = 3.0, 10.0

Array = npt.NDArray[np.float64]


def noise_of(values: Sequence[float], runs: Sequence[int]) -> float:
    """The standard deviation of one run, from the differences of neighbours, so that steps do not count as noise.

    It is 0 where most neighbours are equal.
    """
    if len(values) < 2:
        return 0.0
    return float(TO_DEVIATION * np.median(np.abs(_differences(values, runs))))


def noise_of_all(values: Sequence[float], runs: Sequence[int]) -> float:
    """The same from all differences, for series whose noise is in a few of them. Steps count as noise, too."""
    return float(np.sqrt(np.mean(np.square(_differences(values, runs))) / 2))


def _differences(values: Sequence[float], runs: Sequence[int]) -> Array:
    """The differences of neighbours as those of single runs."""
    n = np.asarray(runs, float)
    scaled: Array = np.diff(np.asarray(values, float)) / np.sqrt((1 / n[1:] + 1 / n[:-1]) / 2)
    return scaled


def penalty_of(points: int, noise: float) -> float:
    """What a change costs, in squares of the metric's unit."""
    return PENALTY * (1 + SHORT / points) * noise**2 * math.log(points)


def find_changes(values: Sequence[float], runs: Sequence[int], noise: float) -> list[int]:
    """Fit levels by penalised least squares, and return where each new level begins.

    Args:
        values: The numbers.
        runs: How many runs each is the mean of.
        noise: The standard deviation of one run.
    """
    x, n = np.asarray(values, float), np.asarray(runs, float)
    penalty = penalty_of(len(x), noise)
    # Without the mean, the squares of large numbers such as bitrates lose no digits.
    x = x - np.median(x)
    size = math.ceil(len(x) / EXACT)
    sums, counts = _running(n * x), _running(n)
    bounds = np.append(np.arange(0, len(x), size), len(x))
    changes = [int(bounds[at]) for at in _optimum(sums[bounds], counts[bounds], penalty)]
    return changes if size == 1 else _refine(sums, counts, changes, size, penalty)


def _optimum(sums: Array, counts: Array, penalty: float) -> list[int]:
    """The changes with the least cost, by dynamic programming over the last one (optimal partitioning)."""
    points = len(sums) - 1
    best = np.zeros(points + 1)
    best[0] = -penalty
    last = np.zeros(points + 1, int)
    for end in range(1, points + 1):
        # The sum of squares about the mean, but for the squares themselves, which are the same for all partitions.
        costs = best[:end] - (sums[end] - sums[:end]) ** 2 / (counts[end] - counts[:end])
        last[end] = costs.argmin()
        best[end] = costs[last[end]] + penalty
    changes = []
    while points := int(last[points]):
        changes.append(points)
    return changes[::-1]


def _refine(sums: Array, counts: Array, changes: Sequence[int], size: int, penalty: float) -> list[int]:
    """Move each change to the best point near it. Those that do not pay are removed: a group may have two for one."""
    ends = [0, *changes, len(sums) - 1]

    def gain(index: int, places: npt.NDArray[np.int64]) -> Array:
        """How much less the squares are with a change at each of these places, between its neighbours."""
        before, after = ends[index - 1], ends[index + 1]
        left = (sums[places] - sums[before]) ** 2 / (counts[places] - counts[before])
        right = (sums[after] - sums[places]) ** 2 / (counts[after] - counts[places])
        both: Array = left + right - (sums[after] - sums[before]) ** 2 / (counts[after] - counts[before])
        return both

    while len(ends) > 2:
        gains = []
        for index in range(1, len(ends) - 1):
            near = max(ends[index - 1] + 1, ends[index] - size), min(ends[index + 1], ends[index] + size + 1)
            places = np.arange(*near)
            each = gain(index, places)
            ends[index] = int(places[each.argmax()])
            gains.append(float(each.max()))
        if min(gains) >= penalty:
            break
        del ends[1 + gains.index(min(gains))]
    return ends[1:-1]


def _running(values: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(values)])
