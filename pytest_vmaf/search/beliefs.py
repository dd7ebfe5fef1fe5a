"""What is believed about a curve of scores over the CRFs while only a few of them are measured. Pure mathematics.

A score, as a share of the ceiling, is nearly a logistic function of log2 of the quantiser's step, and so of the CRF:
`logit(score / ceiling)` falls nearly along a straight line. A belief is a Gaussian process around that line
(Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, chapters 2.2 and 2.7): a wide prior for
its height and slope, a smooth departure from it, and unevenness from one CRF to the next.

How straight and how even a curve is differs between encoders and clips, so several beliefs are held at once and
weighted by how well they foretold the probes (chapter 5.2): bent or not, and smooth, rougher or rough.

This module needs numpy; import it where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Keeps the logit finite at a score of 0 and at the ceiling, where rounding and clipping rule, not the encoder.
SOFTNESS = 0.005
#: The line's logit in the middle of the range: 88 % of the ceiling, give or take 70 to 96 %.
MIDDLE, MIDDLE_SPREAD = 2.0, 1.2
#: How far off the prior slope may be: one standard deviation, as a share of it.
SLOPE_SPREAD = 0.3
#: The cubic share of the line. AV1's quantiser table is steeper at both ends of the CRFs; x264's is exponential.
BENDS = (0.0, 0.6)
#: Departure from the line and unevenness between neighbours (logits, standard deviation) of the smoothest curves,
#: how many times rougher others are, and the stretch (in logits along the line) over which a departure persists.
DEPARTURE, UNEVENNESS, ROUGHNESS, STRETCH = 0.2, 0.012, (1.0, 2.0, 4.0), 1.5
#: The chance that a crossing is anywhere in its bracket, whatever is believed.
DOUBT = 0.01


@dataclass(frozen=True, eq=False)
class Belief:
    """One Gaussian belief: the mean (crfs,) and covariance (crfs, crfs) of the logits, and the log of its evidence."""

    mean: Array
    covariance: Array
    evidence: float = 0.0

    def after(self, at: int, logit: float | None = None) -> Belief:
        """The belief once the CRF of index `at` is measured; None: under way, so that only the doubt shrinks."""
        variance = self.covariance[at, at]
        weight = self.covariance[at] / variance
        covariance = self.covariance - np.outer(weight, self.covariance[at])
        if logit is None:
            return Belief(self.mean, covariance, self.evidence)
        surprise = logit - self.mean[at]
        evidence = self.evidence - 0.5 * (surprise**2 / variance + math.log(variance))
        return Belief(self.mean + weight * surprise, covariance, float(evidence))

    def crossing(self, level: float, low: int, high: int) -> Array:
        """The chances (high - low,) that the last CRF at or above `level` has index low, low + 1, … high - 1.

        Index `low` is known to reach the level and `high` is known not to; -1 and the number of CRFs stand for the
        ends of the range.
        """
        inside = slice(low + 1, high)
        spread = np.sqrt(np.maximum(np.diag(self.covariance)[inside], 1e-12))
        # The logistic stands in for the normal distribution: within 0.01 of it, and with more faith in surprises.
        reached = 1 / (1 + np.exp(np.clip(1.702 * (level - self.mean[inside]) / spread, -500, 500)))
        reached = np.minimum.accumulate(np.concatenate(([1.0], reached, [0.0])))
        return reached[:-1] - reached[1:]

    def information(self, level: float, low: int, high: int, step: float) -> Array:
        """How much each CRF (crfs,) would tell of the crossing, in nats; less than `step` logits is no news."""
        middle = np.searchsorted(np.cumsum(self.crossing(level, low, high)), 0.5)
        at = low + min(int(middle) + 1, high - low - 1)
        before = self.covariance[at, at]
        after = before - self.covariance[at] ** 2 / np.maximum(np.diag(self.covariance), 1e-12)
        nats: Array = 0.5 * np.log((before + step**2) / (np.maximum(after, 0.0) + step**2))
        return nats


def logit(share: float) -> float:
    """The logit of a score's share of the ceiling; finite for any share, those below 0 and above 1 included."""
    share = min(max(share, 0.0), 1.0)
    return math.log((share + SOFTNESS) / (1 - share + SOFTNESS))


def priors(crfs: int, slope: float) -> list[Belief]:
    """What is believed before any probe of a curve over so many CRFs that falls by about `slope` (logits) per CRF."""
    half = max(crfs - 1, 1) / 2
    position = np.arange(crfs) / half - 1 if crfs > 1 else np.zeros(1)
    beliefs = []
    for bend in BENDS:
        line = slope * half * (position + bend * position**3) / (1 + bend)
        apart = np.abs(line[:, None] - line[None, :]) / STRETCH * math.sqrt(5)
        smooth = (1 + apart + apart**2 / 3) * np.exp(-apart)  # Matérn 5/2
        for rough in ROUGHNESS:
            covariance = MIDDLE_SPREAD**2 + SLOPE_SPREAD**2 * np.outer(line, line)
            covariance += (rough * DEPARTURE) ** 2 * smooth + (rough * UNEVENNESS) ** 2 * np.eye(crfs)
            beliefs.append(Belief(MIDDLE + line, covariance))
    return beliefs


def weights(beliefs: Sequence[Belief]) -> Array:
    """How much each belief counts, by its evidence; they sum to 1."""
    evidence = np.array([belief.evidence for belief in beliefs])
    share = np.exp(evidence - evidence.max())
    return np.asarray(share / share.sum())


def needed(beliefs: Sequence[Belief], level: float, low: int, high: int) -> Array:
    """The chance (crfs,) that the answer needs a CRF measured: as the crossing or its neighbour. See `crossing`."""
    chances = np.full(high - low, DOUBT / (high - low))
    for belief, weight in zip(beliefs, weights(beliefs), strict=True):
        chances += (1 - DOUBT) * weight * belief.crossing(level, low, high)
    need = np.zeros(len(beliefs[0].mean))
    need[low + 1 : high] = chances[:-1] + chances[1:]
    return need


def told(beliefs: Sequence[Belief], level: float, low: int, high: int, step: float) -> Array:
    """How much measuring each CRF (crfs,) would tell of where the crossing is, in nats. See `information`."""
    news = zip(beliefs, weights(beliefs), strict=True)
    return np.asarray(sum(weight * belief.information(level, low, high, step) for belief, weight in news))
