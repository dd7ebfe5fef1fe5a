"""Interval: a median with its confidence interval. Medians of what was measured in turn, and the order of turns.

The interval is that of order statistics, which assumes nothing about the form of the noise: the k-th smallest and the
k-th largest of n values enclose the median with the probability 1 - 2 P(B < k), where B is binomial with n trials of
probability 1/2 (David and Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1; it inverts the sign test).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

#: The probability with which an interval encloses the true median, at least.
CONFIDENCE = 0.99
#: That of wall seconds. What disturbs them comes in bursts, so that a run is not independent of the one before.
WALL_CONFIDENCE = 0.999
#: Fewer values have no interval of these confidences: 8 enclose the median with a probability of 1 - 2 / 2**8.
FEWEST, FEWEST_WALL = 8, 12


@dataclass(frozen=True)
class Interval:
    """A median and the interval around it.

    Attributes:
        estimate: The median.
        low: The lower end; minus infinity for too few values.
        high: The upper end; infinity for too few values.
    """

    estimate: float
    low: float
    high: float

    @property
    def noise(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The median of values with its interval."""
    ordered = sorted(values)
    rank = interval_rank(len(ordered), confidence)
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (-math.inf, math.inf)
    return Interval(median(ordered), low, high)


def interval_rank(count: int, confidence: float = CONFIDENCE) -> int:
    """The largest k for which the k-th smallest and largest of so many values are such an interval; 0 if none is."""
    rank, tail = 0, 0
    for below in range(count // 2):
        tail += math.comb(count, below)
        if 2 * tail > (1 - confidence) * 2**count:
            break
        rank = below + 1
    return rank


def slowdown(candidate: Sequence[float], base: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """By how many percent the candidate's speed is below the base's, as the median over pairs of runs.

    A pair is measured in turn, so that what slows the machine down for a while affects both.

    Args:
        candidate: What each run of the candidate took.
        base: What the run of the base took that belongs to each.
        confidence: That of the interval.
    """
    pairs = zip(candidate, base, strict=True)
    return median_interval([100 * (1 - theirs / ours) for ours, theirs in pairs], confidence)


def slowdown_range(candidate: Sequence[float], base: Sequence[float]) -> Interval:
    """As `slowdown`, for counts that hardly vary: the median, and the range over all pairs of a count of each."""
    everything = [100 * (1 - theirs / ours) for ours in candidate for theirs in base]
    pairs = [100 * (1 - theirs / ours) for ours, theirs in zip(candidate, base, strict=True)]
    return Interval(median(pairs), min(everything), max(everything))


def candidate_first(pair: int) -> bool:
    """Whether the candidate is the first of a pair. Every second pair is reversed (ABBA), so that drift cancels out."""
    return pair % 2 == 0
