"""Shapes of curves: what is expected of an encoder's scores over its scale before anything is encoded.

The shapes are those of measured curves of natural clips by x264, x265 and SVT-AV1. Encoders with the same quantisers
share them: each step of H.264, HEVC and VVC is coarser by the same factor; VP9 and AV1 have one table, with larger
steps at both ends. Clips differ so much in height and slope that the curves of other clips tell no more than that: with
them as a prior, a search took more encodes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: How steep a curve is, by position on the scale: (0 for the finest number to 1 for the coarsest, multiple of the
#: encoder's slope), with straight lines in between.
Steepness = tuple[tuple[float, float], ...]

STRAIGHT: Steepness = ((0.0, 1.0), (1.0, 1.0))
#: Steeper at both ends. The divisor is the mean.
S_SHAPED: Steepness = tuple((place / 16, (1 + 1.8 * (place / 8 - 1) ** 2) / 1.6046875) for place in range(17))
H26X: Steepness = ((0.0, 0.48), (1.0, 1.5))
AV1: Steepness = (
    *((0.0, 1.33), (0.065, 1.0), (0.13, 0.87), (0.18, 0.69), (0.26, 0.53), (0.37, 0.49)),
    *((0.47, 0.61), (0.63, 0.67), (0.79, 0.71), (0.89, 1.04), (0.935, 1.33), (0.985, 2.93), (1.0, 2.93)),
)


@dataclass(frozen=True)
class Shape:
    """What is expected of the logits of score over asymptote.

    Attributes:
        bends: How steep they may fall; several at once if it is not known.
        anchor: A position on the scale, from 0 to 1, whose logit is known best.
        height: The logit there: 2 is 88 % of the asymptote.
        spread: Its standard deviation.
    """

    bends: tuple[Steepness, ...] = (STRAIGHT, S_SHAPED)
    anchor: float = 0.5
    height: float = 2.0
    spread: float = 1.2


ANY = Shape()
#: By what the name of an encoder contains and where its scale ends.
KNOWN = (
    (re.compile(r"av1|aom|vp9"), (63, 255), Shape((AV1,), 0.32, 3.1, 1.0)),
    (re.compile(r"26[456]|hevc|avc|vvc|vvenc"), (51, 63), Shape((H26X, STRAIGHT))),
)


def asymptote(ceiling: float, unclipped: float) -> float:
    """The score that a curve approaches, of which its scores are shares.

    The frames of a clip with much motion score up to 115 against themselves, which is clipped to 100. As shares of the
    clipped ceiling, its scores fall up to five times as steeply as those of other clips. But the scores are clipped,
    too: the middle fits better than the unclipped ceiling (measured with 11 contents).

    Args:
        ceiling: The reference's score against itself.
        unclipped: The same without the clip to the model's range.
    """
    return (ceiling + max(ceiling, unclipped)) / 2


def shape_of(name: str, scale: Sequence[float]) -> Shape:
    """The expected shape for an encoder.

    Args:
        name: The encoder's name.
        scale: The numbers of its constant quality, the finest first.
    """
    shapes = (shape for words, ends, shape in KNOWN if words.search(name.lower()) and scale[-1] in ends)
    return next(shapes, ANY)
