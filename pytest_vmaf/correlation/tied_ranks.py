"""Ranks of opinion scores in which scores that viewers cannot tell apart are tied.

After Naderi and Möller, "Transformation of Mean Opinion Scores to Avoid Misleading of Ranked based Statistical
Techniques", QoMEX 2020 (arXiv 2004.11490). Kendall's tau-b against these ranks is called tau-b 95.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Ends of intervals that differ by less are equal: they come from decimal numbers. In parts of the scale.
ROUNDING = 1e-9


def tied_ranks(
    mos: Sequence[float] | NDArray[np.float64], intervals: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rank opinion scores from the lowest, 1, on; scores that are tied share the mean of their ranks.

    Two scores are tied if either lies within the 95 % confidence interval of the other. From the lowest on, a score
    joins the group before it if it is tied with its neighbour. If it is not tied with all of the group, it begins a new
    one, into which those scores move that are nearer to it than to the rest of their group.

    Args:
        mos: Mean opinion scores.
        intervals: Half the width of the confidence interval of each, in the same unit.

    Returns:
        The ranks, in the order of the scores.
    """
    means, halves = np.asarray(mos, dtype=np.float64), np.asarray(intervals, dtype=np.float64)
    # By the interval, too, so that the order of equal scores in a file does not matter.
    order = np.lexsort((halves, means))
    slack = ROUNDING * max(1.0, float(np.max(np.abs(means), initial=0.0)))

    def tied(a: int, b: int) -> bool:
        return bool(abs(means[a] - means[b]) <= max(halves[a], halves[b]) + slack)

    groups: list[list[int]] = []
    for index in map(int, order):
        if not groups or not tied(groups[-1][-1], index):
            groups.append([index])
            continue
        last = groups[-1]
        if all(tied(other, index) for other in last):
            last.append(index)
            continue
        new = [index]
        # The distance to the new group's lowest score, against that to the neighbour below.
        while (
            len(last) > 1
            and means[new[0]] - means[last[-1]] < means[last[-1]] - means[last[-2]]
            and all(tied(last[-1], other) for other in new)
        ):
            new.insert(0, last.pop())
        groups.append(new)
    ranks = np.empty(len(means))
    below = 0
    for group in groups:
        ranks[group] = below + (len(group) + 1) / 2
        below += len(group)
    return ranks
