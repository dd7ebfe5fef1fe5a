"""The logistic function a + b / (1 + exp(-(t - c) / d)) of ITU-T J.149 (appendix III), which maps a metric to opinion
scores.

For a given c and d, a and b are linear least squares. So c and d are searched on a grid, which cannot end in a local
minimum between two of its points.
"""

from __future__ import annotations

import numpy as np

from pytest_vmaf.correlation.coefficients import Floats, Variable

COEFFICIENTS = 4
#: c on a scale on which the metric is from -1 to 1, and d. Wide ones are nearly straight lines.
CENTRES, WIDTHS = np.linspace(-2.5, 2.5, 51), np.geomspace(0.02, 3.0, 16)
#: How often the grid around the best point is divided again, for the clips themselves. For resamples it is not.
ROUNDS, POINTS = 14, 9


def fit_logistics(weights: Floats, t: Floats, y: Floats) -> Floats:
    """Fit a logistic function that rises to each resample.

    Args:
        weights: One row per resample: how often it contains each clip.
        t: The values of the metric, scaled to [-1, 1], of which more is better.
        y: The opinion scores.

    Returns:
        a, b, c and d, a row per resample. Where more of the metric never means a better score, b is 0. NaN for
        resamples with fewer than four different values. Resamples have the c and d of the grid.
    """
    centres, widths = (each.ravel() for each in np.meshgrid(CENTRES, WIDTHS, indexing="ij"))
    functions = _best(weights, t, y, centres, widths)
    if len(weights) == 1:
        step, ratio = CENTRES[1] - CENTRES[0], WIDTHS[1] / WIDTHS[0]
        for _ in range(ROUNDS):
            around = np.linspace(-1, 1, POINTS)
            grid = np.meshgrid(functions[0, 2] + step * around, functions[0, 3] * ratio**around, indexing="ij")
            near = _best(weights, t, y, grid[0].ravel(), np.maximum(grid[1].ravel(), WIDTHS[0]))
            functions = near
            step, ratio = step / 2, ratio**0.5
    functions[Variable.of(weights, t).distinct() < COEFFICIENTS] = np.nan
    return functions


def evaluate(coefficients: Floats, t: Floats) -> Floats:
    """The value of each function at each t."""
    a, b, c, d = (coefficients[:, [column]] for column in range(4))
    return np.asarray(a + b * _curve((t - c) / d))


def _best(weights: Floats, t: Floats, y: Floats, centres: Floats, widths: Floats) -> Floats:
    curves = _curve((t - centres[:, None]) / widths[:, None])
    count = weights.sum(axis=1, keepdims=True)
    shift = float(y.mean())
    mean, mean_y = weights @ curves.T / count, weights @ (y - shift)[:, None] / count
    covariance = weights @ (curves * (y - shift)).T / count - mean * mean_y
    variance = weights @ (curves * curves).T / count - mean * mean
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.where((covariance > 0) & (variance > 1e-14), covariance**2 / variance, 0.0)
    best = gain.argmax(axis=1)[:, None]
    slope = np.take_along_axis(covariance, best, axis=1) / np.take_along_axis(variance, best, axis=1).clip(1e-300)
    slope = np.where(np.take_along_axis(gain, best, axis=1) > 0, slope, 0.0)
    start = mean_y + shift - slope * np.take_along_axis(mean, best, axis=1)
    return np.hstack([start, slope, centres[best], widths[best]])


def _curve(z: Floats) -> Floats:
    # 1 / (1 + exp(-z)) without an overflow.
    return np.asarray((1 + np.tanh(z / 2)) / 2)
