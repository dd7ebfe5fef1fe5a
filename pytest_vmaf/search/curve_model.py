"""Beliefs: a statistical model of the scores at all CRFs, while only a few of them are measured. Pure mathematics.

As a share of its asymptote, a score is nearly a logistic function of log2 of the quantiser step. The CRF is nearly
linear in that, so `logit(score / asymptote)` falls nearly along a line. A `Belief` is a Gaussian process around it
(Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, chapters 2.2 and 2.7). It has a wide prior
for height and slope of the line, a smooth departure from it, and unevenness from one CRF to the next.

Encoders and clips differ in how straight and how even their curves are. Several beliefs therefore exist at once: for
each way in which the line may bend (`curve_shapes`), and smooth, rough or rougher. Each is weighted by how well it
predicted the trial encodes (chapter 5.2).

This module imports numpy; import it where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.search.curve_shapes import ANY, Shape, Steepness

Array = NDArray[np.float64]

#: Keeps the logit finite at a score of 0 and at the asymptote, where rounding matters more than the encoder.
SOFTNESS = 0.005
#: The standard deviation of the slope, as a share of it.
SLOPE_SPREAD = 0.3
#: How probable it is that a curve is like a similar one, the standard deviations of its height and departure from it,
#: in logits, and that of its slope as a share. Measured with x264 and x265 on 15 clips.
LIKENESS, NEAR, NEAR_DEPARTURE, NEAR_SLOPE = 0.6, 0.25, 0.1, 0.15
#: Standard deviations, in logits, of the departure from the line and of the unevenness between neighbours, for the
#: smoothest curves; how many times rougher others are; the stretch, in logits, over which a departure persists.
DEPARTURE, UNEVENNESS, ROUGHNESS, STRETCH = 0.2, 0.012, (1.0, 2.0, 4.0), 1.5
#: The probability that a crossing is anywhere in its bracket, whatever the beliefs.
DOUBT = 0.01


@dataclass(frozen=True, eq=False)
class Belief:
    """One Gaussian belief about the logits of the scores.

    Attributes:
        mean: Their means, shape (crfs,).
        covariance: Their covariance, shape (crfs, crfs).
        evidence: The logarithm of the marginal likelihood of the measured scores, without its constant.
    """

    mean: Array
    covariance: Array
    evidence: float = 0.0

    def after(self, at: int, logit: float | None = None) -> Belief:
        """The belief once the CRF of index `at` is measured.

        Args:
            at: The index of the CRF.
            logit: The measured logit; None while the encode is under way, which only reduces the uncertainty.
        """
        variance = self.covariance[at, at]
        weight = self.covariance[at] / variance
        covariance = self.covariance - np.outer(weight, self.covariance[at])
        if logit is None:
            return Belief(self.mean, covariance, self.evidence)
        surprise = logit - self.mean[at]
        evidence = self.evidence - 0.5 * (surprise**2 / variance + math.log(variance))
        return Belief(self.mean + weight * surprise, covariance, float(evidence))

    def crossing(self, level: float, low: int, high: int) -> Array:
        """The probabilities that the last CRF at or above a level has index low, low + 1, … high - 1.

        Args:
            level: The logit of the target.
            low: The largest index known to reach the level, -1 if there is none.
            high: The smallest index known not to reach it, the number of CRFs if there is none.

        Returns:
            Shape (high - low,).
        """
        inside = slice(low + 1, high)
        spread = np.sqrt(np.maximum(np.diag(self.covariance)[inside], 1e-12))
        # The logistic distribution is within 0.01 of the normal one, and gives surprises more weight.
        reached = 1 / (1 + np.exp(np.clip(1.702 * (level - self.mean[inside]) / spread, -500, 500)))
        reached = np.minimum.accumulate(np.concatenate(([1.0], reached, [0.0])))
        return reached[:-1] - reached[1:]

    def information(self, level: float, low: int, high: int, step: float) -> Array:
        """How much the measurement of each CRF would tell about the crossing.

        Args:
            level: As for `crossing`.
            low: As for `crossing`.
            high: As for `crossing`.
            step: The resolution, in logits; finer knowledge does not count.

        Returns:
            The information in nats, shape (crfs,).
        """
        middle = np.searchsorted(np.cumsum(self.crossing(level, low, high)), 0.5)
        at = low + min(int(middle) + 1, high - low - 1)
        before = self.covariance[at, at]
        after = before - self.covariance[at] ** 2 / np.maximum(np.diag(self.covariance), 1e-12)
        nats: Array = 0.5 * np.log((before + step**2) / (np.maximum(after, 0.0) + step**2))
        return nats


def logit(share: float) -> float:
    """The logit of a score's share of the asymptote. Finite for every share, even below 0 and above 1."""
    share = min(max(share, 0.0), 1.0)
    return math.log((share + SOFTNESS) / (1 - share + SOFTNESS))


def priors(crfs: int, slope: float, shape: Shape = ANY, part: tuple[float, float] = (0.0, 1.0)) -> list[Belief]:
    """The beliefs before any trial encode.

    Args:
        crfs: The number of CRFs.
        slope: The expected slope of the curve, in logits per CRF (negative).
        shape: What is expected beside the slope.
        part: The positions of the first and the last CRF on the encoder's scale, from 0 to 1.
    """
    first, last = part
    # On the whole scale.
    fall = slope * max(crfs - 1, 1) / max(last - first, 1e-9)
    positions = np.linspace(first, last, crfs)
    beliefs = []
    for steepness in shape.bends:
        line = fall * (_integral(steepness, positions) - _integral(steepness, np.array([shape.anchor])))
        smooth = _smooth(line)
        for rough in ROUGHNESS:
            covariance = shape.spread**2 + SLOPE_SPREAD**2 * np.outer(line, line)
            covariance += (rough * DEPARTURE) ** 2 * smooth + (rough * UNEVENNESS) ** 2 * np.eye(crfs)
            beliefs.append(Belief(shape.height + line, covariance))
    return beliefs


def beside(beliefs: Sequence[Belief], similar: Sequence[tuple[int, float]], anchor: int) -> list[Belief]:
    """The beliefs, and beside them that the curve is like a similar one, for example of the same clip by x264 for x265.

    Args:
        beliefs: The beliefs before any trial encode.
        similar: The index of each measured CRF of the similar curve, and its logit.
        anchor: The index around which the slope may differ.
    """
    known = list(beliefs)
    for at, value in similar:
        known = [belief.after(at, value) for belief in known]
    line = np.asarray(sum(weight * belief.mean for belief, weight in zip(known, weights(known), strict=True)))
    turned = line - line[anchor]
    smooth = _smooth(line)
    more = []
    for rough in ROUGHNESS:
        covariance = NEAR**2 + NEAR_SLOPE**2 * np.outer(turned, turned) + (rough * NEAR_DEPARTURE) ** 2 * smooth
        more.append(Belief(line, covariance + (rough * UNEVENNESS) ** 2 * np.eye(len(line)), math.log(LIKENESS)))
    return [*(Belief(each.mean, each.covariance, math.log(1 - LIKENESS)) for each in beliefs), *more]


def _smooth(line: Array) -> Array:
    """The covariance of a smooth departure from a line: Matérn 5/2 in logits."""
    apart = np.abs(line[:, None] - line[None, :]) / STRETCH * math.sqrt(5)
    return np.asarray((1 + apart + apart**2 / 3) * np.exp(-apart))


def _integral(steepness: Steepness, positions: Array) -> Array:
    """The integral of the steepness from 0 to each position."""
    grid = np.linspace(0.0, 1.0, 1025)
    places, multiples = np.array(steepness).T
    values = np.interp(grid, places, multiples)
    sums = np.concatenate(([0.0], np.cumsum((values[1:] + values[:-1]) / 2)))
    return np.asarray(np.interp(positions, grid, sums * grid[1]))


def weights(beliefs: Sequence[Belief]) -> Array:
    """The weight of each belief by its evidence. The weights sum to 1."""
    evidence = np.array([belief.evidence for belief in beliefs])
    share = np.exp(evidence - evidence.max())
    return np.asarray(share / share.sum())


def needed(beliefs: Sequence[Belief], level: float, low: int, high: int) -> Array:
    """The probability, for each CRF, that the answer needs it: as the crossing or its neighbour. Shape (crfs,)."""
    chances = np.full(high - low, DOUBT / (high - low))
    for belief, weight in zip(beliefs, weights(beliefs), strict=True):
        chances += (1 - DOUBT) * weight * belief.crossing(level, low, high)
    need = np.zeros(len(beliefs[0].mean))
    need[low + 1 : high] = chances[:-1] + chances[1:]
    return need


def information(beliefs: Sequence[Belief], level: float, low: int, high: int, step: float) -> Array:
    """The mean of `Belief.information` over the beliefs, in nats. Shape (crfs,)."""
    weighted = zip(beliefs, weights(beliefs), strict=True)
    return np.asarray(sum(weight * belief.information(level, low, high, step) for belief, weight in weighted))
