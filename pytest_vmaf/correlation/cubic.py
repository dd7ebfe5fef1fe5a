"""The third-order polynomial of ITU-T P.1401 (2020, 7.3.2), which maps a metric to opinion scores.

The polynomial is the one with the smallest squared error among those that never fall between the lowest and the highest
value of the metric. It is exact, without iterations over the data: its derivative is a quadratic that is not negative
on [-1, 1], to which the metric is scaled. So the minimum is that without the condition; or the derivative is zero at
one end or at both ends; or it is k(t - τ)² with a τ in between. The best of these that is feasible is the minimum,
since the problem is convex.
"""

from __future__ import annotations

import numpy as np

from pytest_vmaf.correlation.coefficients import Floats, Variable

#: Coefficients of the polynomial, which the errors' degrees of freedom count.
COEFFICIENTS = 4
#: The derivative may be negative by this part of its size: rounding.
TOLERANCE = 1e-9
#: How many τ are tried in a round, and how many rounds divide the interval around the best again, for the clips and for
#: resamples.
GRID, ROUNDS, ROUNDS_OF_RESAMPLES = 33, 6, 3
#: Polynomials a + bt + ct² + dt³ whose derivative is zero at t = -1, at t = 1 and at both, as columns.
_AT_LOW = np.array([[1, 0, 0], [0, 2, -3], [0, 1, 0], [0, 0, 1]], dtype=np.float64)
_AT_HIGH = np.array([[1, 0, 0], [0, -2, -3], [0, 1, 0], [0, 0, 1]], dtype=np.float64)
_AT_BOTH = np.array([[1, 0], [0, -3], [0, 0], [0, 1]], dtype=np.float64)


def fit_cubics(weights: Floats, t: Floats, y: Floats) -> Floats:
    """Fit a polynomial to each resample.

    Args:
        weights: One row per resample: how often it contains each clip.
        t: The values of the metric, scaled to [-1, 1], of which more is better.
        y: The opinion scores.

    Returns:
        The coefficients of 1, t, t² and t³, a row per resample. NaN for resamples with fewer than four different
        values.
    """
    design = np.vander(t, COEFFICIENTS, increasing=True)
    # In this basis the equations are well conditioned, however the values are distributed.
    basis, change = np.linalg.qr(design)
    shift = float(y.mean())
    gram = (weights @ (basis[:, :, None] * basis[:, None, :]).reshape(len(t), -1)).reshape(-1, 4, 4)
    right = weights @ (basis * (y - shift)[:, None])
    few = Variable.of(weights, t).distinct() < COEFFICIENTS
    gram[few], right[few] = np.eye(COEFFICIENTS), 0.0
    count = weights.sum(axis=1)
    polynomials, _ = _solve(np.eye(COEFFICIENTS), change, gram, right)
    bad = np.flatnonzero(~_rises(polynomials))
    if bad.size:
        polynomials[bad] = _constrained(change, gram[bad], right[bad], count[bad], weights[bad], design, y - shift)
    polynomials[:, 0] += shift
    polynomials[few] = np.nan
    return polynomials


def evaluate(coefficients: Floats, t: Floats) -> Floats:
    """The value of each polynomial at each t."""
    values: Floats = coefficients @ np.vander(t, COEFFICIENTS, increasing=True).T
    return values


def _constrained(
    change: Floats, gram: Floats, right: Floats, count: Floats, weights: Floats, design: Floats, y: Floats
) -> Floats:
    mean = weights @ y / count
    best = np.zeros((len(gram), 4))
    best[:, 0] = mean
    gain = mean * mean * count
    tau = _double_root(weights, count, design, y, mean)
    one, zero = np.ones_like(tau), np.zeros_like(tau)
    ray = np.stack([one, zero, zero, zero, zero, tau**2, -tau, one / 3], axis=1).reshape(-1, 2, 4).transpose(0, 2, 1)
    for space in (_AT_LOW, _AT_HIGH, _AT_BOTH, ray):
        each, gained = _solve(space, change, gram, right)
        better = _rises(each) & (gained > gain)
        best[better], gain[better] = each[better], gained[better]
    return best


def _solve(space: Floats, change: Floats, gram: Floats, right: Floats) -> tuple[Floats, Floats]:
    """The least squares within a space of polynomials: their coefficients, and by how much the error is reduced."""
    into = change @ space
    back = np.swapaxes(into, -1, -2)
    reduced = np.einsum("...ji,...j->...i", into, right)
    inner = back @ gram @ into
    # Nearly equal values are nearly singular.
    ridge = 1e-15 * np.trace(inner, axis1=1, axis2=2)[:, None, None] * np.eye(inner.shape[-1])
    part = np.linalg.solve(inner + ridge, reduced[..., None])[..., 0]
    return np.einsum("...ij,...j->...i", space, part), (reduced * part).sum(axis=1)


def _rises(coefficients: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether each polynomial never falls on [-1, 1]."""
    b, c, d = coefficients[:, 1], 2 * coefficients[:, 2], 3 * coefficients[:, 3]
    with np.errstate(invalid="ignore", divide="ignore"):
        lowest = np.where((d > 0) & (np.abs(c) < 2 * d), b - c * c / (4 * d), np.inf)
    lowest = np.minimum(lowest, np.minimum(b - c + d, b + c + d))
    rises: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = lowest >= -TOLERANCE * (abs(b) + abs(c) + abs(d))
    return rises


def _double_root(weights: Floats, count: Floats, design: Floats, y: Floats, mean: Floats) -> Floats:
    """For each resample, the τ for which k(t - τ)² is the best derivative with a k that is not negative.

    The error falls by cov(φ, y)² / var(φ), where φ is the integral of (t - τ)².
    """
    powers = design[:, 1:] / np.array([1.0, 1.0, 3.0])
    centre = weights @ powers / count[:, None]
    products = (weights @ (powers[:, :, None] * powers[:, None, :]).reshape(len(y), -1)).reshape(-1, 3, 3)
    spread = products / count[:, None, None] - centre[:, :, None] * centre[:, None, :]
    common = weights @ (powers * y[:, None]) / count[:, None] - centre * mean[:, None]
    quartic = (
        spread[:, 0, 0],
        -2 * spread[:, 0, 1],
        spread[:, 1, 1] + 2 * spread[:, 0, 2],
        -2 * spread[:, 1, 2],
        spread[:, 2, 2],
    )
    low, high = np.full(len(count), -1.0), np.full(len(count), 1.0)
    best = np.zeros(len(count))
    for _ in range(ROUNDS if len(count) == 1 else ROUNDS_OF_RESAMPLES):
        taus = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, GRID)
        covariance = (common[:, :1] * taus - common[:, 1:2]) * taus + common[:, 2:]
        variance = np.zeros_like(taus)
        for factor in quartic:
            variance = variance * taus + factor[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            score = np.where((covariance > 0) & (variance > 0), covariance**2 / variance, 0.0)
        best = np.take_along_axis(taus, score.argmax(axis=1)[:, None], axis=1)[:, 0]
        step = (high - low) / (GRID - 1)
        low, high = np.maximum(best - step, -1.0), np.minimum(best + step, 1.0)
    return best
