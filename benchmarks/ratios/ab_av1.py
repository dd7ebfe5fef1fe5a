"""The algorithm of ab-av1's `crf-search` (version 0.11.7, MIT), written anew after its source, for whole CRFs.

An interpolated bisection for one target: the middle of the range, then a point at 40 % of the way from the end of the
range towards it, then linear interpolation between the neighbours. It stops at a score slightly above the target, or
when the next coarser CRF is known to be below it.
"""

from __future__ import annotations

import math
from collections.abc import Callable


class NoGoodCrf(Exception):
    """The finest CRF does not reach the target."""


def crf_search(score: Callable[[int], float], crf_range: tuple[int, int], target: float, *, thorough: bool) -> int:
    """Find a CRF whose score is above the target.

    Args:
        score: The score of the encode at a CRF.
        crf_range: The finest and the coarsest CRF.
        target: The score to exceed.
        thorough: Whether to stop only within 0.05 of the target. By default this tolerance is 0.1, 0.2, 0.4 and so on.

    Raises:
        NoGoodCrf: If there is none.
    """
    finest, coarsest = crf_range
    scores: dict[int, float] = {}
    crf = (finest + coarsest) // 2
    while True:
        tolerance = 0.05 if thorough else 0.1 * 2 ** len(scores)
        first = not scores
        scores[crf] = score(crf)
        if scores[crf] > target:
            if scores[crf] < target + tolerance or crf == coarsest:
                return crf
            coarser = min((each for each in scores if each > crf), default=None)
            if coarser == crf + 1:
                return crf
            if coarser is not None:
                crf = _interpolate(target, coarser, crf, scores)
            else:
                crf = _round(0.4 * crf + 0.6 * coarsest) if first and crf + 1 < coarsest else coarsest
        else:
            if crf == finest:
                raise NoGoodCrf
            finer = max((each for each in scores if each < crf), default=None)
            if finer is not None and finer + 1 == crf:
                return finer
            if finer is not None:
                crf = _interpolate(target, crf, finer, scores)
            else:
                crf = _round(0.4 * crf + 0.6 * finest) if first and crf > finest + 1 else finest


def _interpolate(target: float, worse: int, better: int, scores: dict[int, float]) -> int:
    """The CRF strictly between two others at which a straight line reaches the target."""
    share = (target - scores[worse]) / (scores[better] - scores[worse])
    return min(max(_round(worse - (worse - better) * share), better + 1), worse - 1)


def _round(value: float) -> int:
    """Round half away from zero, as Rust does."""
    return math.floor(value + 0.5)
