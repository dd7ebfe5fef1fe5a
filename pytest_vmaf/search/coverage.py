"""Which CRF to measure next, for a second score to be known around the targets of a search for the first. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

#: Two neighbours whose sizes differ by no more than this ratio are near enough to interpolate bitrates between them.
#: On 15 measured curves, the bitrate ratio between NEG and VMAF was then off by 0.4 % on average; without this rule
#: by 18 % at worst.
NEAR = 1.2
#: The largest step beyond what was measured, as a share of the scale; `LEAST_STRIDE` on short scales.
STRIDE, LEAST_STRIDE = 1 / 5, 4


def next_crf(
    points: Sequence[tuple[int, float, int]], target: float, finest: int, coarsest: int, near: float = NEAR
) -> int | None:
    """The CRF to measure next, for the score to be known closely on both sides of the target.

    Args:
        points: (CRF, score, bytes) of the encodes so far, at least one, in any order; a larger CRF is coarser.
        target: The score to surround.
        finest: The smallest CRF.
        coarsest: The largest CRF.
        near: The ratio of sizes between two encodes that are near enough; 1 for neighbouring CRFs only.

    Returns:
        The CRF; None if both sides are known, or if an end of the range is on the wrong side of the target.
    """
    points = sorted(points)
    last = max((place for place, (_, score, _) in enumerate(points) if score >= target), default=None)
    if last is None:
        return _outwards(points[1::-1], target, finest, coarsest)
    if last == len(points) - 1:
        return _outwards(points[-2:], target, coarsest, finest)
    (fine, above, larger), (coarse, below, smaller) = points[last : last + 2]
    if coarse - fine < 2 or larger <= smaller * near:
        return None
    return min(max(fine + round((coarse - fine) * (above - target) / (above - below)), fine + 1), coarse - 1)


def _outwards(last: Sequence[tuple[int, float, int]], target: float, end: int, other_end: int) -> int | None:
    """Extrapolate the slope between the last two points, but not all the way at once: curves bend at their ends."""
    crf, score, _ = last[-1]
    if crf == end:
        return None
    longest = max(LEAST_STRIDE, math.ceil(abs(end - other_end) * STRIDE))
    slopes = [abs(b[1] - a[1]) / abs(b[0] - a[0]) for a, b in pairwise(last)]
    step = math.ceil(abs(score - target) / slopes[0]) if slopes and slopes[0] > 0 else longest
    step = min(max(step, 1), longest, abs(end - crf))
    return crf + (step if end > crf else -step)
