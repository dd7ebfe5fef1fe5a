"""Correlation coefficients of many resamples at once.

A resample is a row of weights: how often it contains each clip. Coefficients of a resample are those of the clips, each
repeated as often as its weight says. Undefined ones are NaN here, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Rows of a matrix of pairs that are in memory at once.
BLOCK = 1024
#: A spread below this, relative to the values, is rounding.
FLAT = 1e-12


def pearson(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r of each resample.

    Args:
        weights: One row per resample, one column per clip.
        x: The values of the clips, or a row of them per resample.
        y: The same of the other variable.
    """
    count = weights.sum(axis=1)
    x, y = x - x.mean(), y - y.mean()
    dx = x - ((weights * x).sum(axis=1) / count)[:, None]
    dy = y - ((weights * y).sum(axis=1) / count)[:, None]
    xx, yy = (weights * dx * dx).sum(axis=1), (weights * dy * dy).sum(axis=1)
    flat = (xx <= (FLAT * _size(x)) ** 2 * count) | (yy <= (FLAT * _size(y)) ** 2 * count)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (weights * dx * dy).sum(axis=1) / np.sqrt(xx * yy)
    return np.where(flat, np.nan, np.clip(r, -1.0, 1.0))


@dataclass(frozen=True)
class Variable:
    """The values of the clips, and how often each resample contains equal ones.

    Attributes:
        values: The values.
        group: The group of equal values to which each clip belongs, from the lowest value on.
        sums: How many clips each resample has of each group.
    """

    values: Floats
    group: NDArray[np.int64]
    sums: Floats

    @classmethod
    def of(cls, weights: Floats, values: Floats) -> Variable:
        """Group equal values."""
        _, group = np.unique(values, return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        sums = weights[:, order]
        return cls(values, group, sums if len(starts) == len(values) else np.add.reduceat(sums, starts, axis=1))

    def ranks(self) -> Floats:
        """The ranks of the clips in each resample. Equal values share the mean of their ranks."""
        below = np.cumsum(self.sums, axis=1) - self.sums
        mean: Floats = (below + (self.sums + 1) / 2)[:, self.group]
        return mean

    def untied(self) -> Floats:
        """How many pairs of clips each resample has whose values differ."""
        count = self.sums.sum(axis=1)
        pairs: Floats = (count * (count - 1) - (self.sums * (self.sums - 1)).sum(axis=1)) / 2
        return pairs

    def distinct(self) -> NDArray[np.int64]:
        """How many different values each resample contains."""
        count: NDArray[np.int64] = (self.sums > 0).sum(axis=1)
        return count


def tau_b(weights: Floats, x: Variable, y: Variable) -> Floats:
    """Kendall's tau-b of each resample, which accounts for ties in both variables."""
    total = np.zeros(len(weights))
    # Sums of products of small whole numbers are exact in single precision up to 2**24.
    single = weights.astype(np.float32)
    for start in range(0, len(x.values), BLOCK):
        rows = slice(start, start + BLOCK)
        signs = (np.sign(each.values[rows, None] - each.values).astype(np.float32) for each in (x, y))
        total += ((single @ (next(signs) * next(signs)).T).astype(np.float64) * weights[:, rows]).sum(axis=1)
    untied = x.untied(), y.untied()
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = total / 2 / np.sqrt(untied[0] * untied[1])
    return np.where((untied[0] <= 0) | (untied[1] <= 0), np.nan, np.clip(tau, -1.0, 1.0))


def _size(values: Floats) -> float:
    return float(np.max(np.abs(values), initial=0.0)) or 1.0
