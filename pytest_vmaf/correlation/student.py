"""Quantiles of Student's t, and tails of the normal distribution."""

from __future__ import annotations

import math


def interval_factor(votes: int) -> float:
    """How many standard errors are half of a 95 % confidence interval of a mean of so many votes (P.1401, 7.4)."""
    freedom = votes - 1
    low, high = 1.9, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def two_sided(z: float) -> float:
    """The probability that a normal variable is at least this many standard deviations from its mean."""
    return math.erfc(abs(z) / math.sqrt(2))


def tail(t: float, freedom: int) -> float:
    """The probability that a variable of Student's t is at least this far from zero."""
    return max(0.0, 1.0 - _within(abs(t), freedom))


def _within(t: float, freedom: int) -> float:
    """P(|T| < t) for a whole number of degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    theta = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(theta), math.sin(theta)
    term, total = (cosine, 0.0) if freedom % 2 else (1.0, 0.0)
    for step in range(3 if freedom % 2 else 2, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (step - 1) / step
    if freedom % 2:
        return 2 / math.pi * (theta + sine * total)
    return sine * total
