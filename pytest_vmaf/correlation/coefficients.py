"""Correlation coefficients of many resamples at once.

A resample is a row of weights: how often it contains each clip. Coefficients of a resample are those of the clips, each
repeated as often as its weight says. Undefined ones are NaN here, and nowhere else.
"""

from __future__ import annotations

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


def ranks(weights: Floats, x: Floats) -> Floats:
    """The ranks of the clips in each resample. Equal values share the mean of their ranks."""
    group, sums = _groups(weights, x)
    below = np.cumsum(sums, axis=1) - sums
    mean: Floats = (below + (sums + 1) / 2)[:, group]
    return mean


def tau_b(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Kendall's tau-b of each resample, which accounts for ties in both variables."""
    total = np.zeros(len(weights))
    # Sums of products of small whole numbers are exact in single precision up to 2**24.
    single = weights.astype(np.float32)
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        signs = np.sign(x[rows, None] - x) * np.sign(y[rows, None] - y)
        total += ((single @ signs.astype(np.float32).T).astype(np.float64) * weights[:, rows]).sum(axis=1)
    count = weights.sum(axis=1)
    pairs = count * (count - 1) / 2
    untied = [pairs - (sums * (sums - 1) / 2).sum(axis=1) for sums in (_groups(weights, x)[1], _groups(weights, y)[1])]
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = total / 2 / np.sqrt(untied[0] * untied[1])
    return np.where((untied[0] <= 0) | (untied[1] <= 0), np.nan, np.clip(tau, -1.0, 1.0))


def distinct(weights: Floats, x: Floats) -> NDArray[np.int64]:
    """How many different values each resample contains."""
    count: NDArray[np.int64] = (_groups(weights, x)[1] > 0).sum(axis=1)
    return count


def _groups(weights: Floats, x: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The group of equal values to which each clip belongs, and the weights of the groups from the lowest value on."""
    _, group = np.unique(x, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return group, np.add.reduceat(weights[:, order], starts, axis=1)


def _size(values: Floats) -> float:
    return float(np.max(np.abs(values), initial=0.0)) or 1.0
