"""`MosCurve`: the mapping from a metric to opinion scores, fitted to the clips or to many resamples of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pytest_vmaf.correlation import cubic, logistic
from pytest_vmaf.correlation.coefficients import Floats

MappingName = Literal["cubic", "logistic"]
#: Coefficients of both functions.
COEFFICIENTS = 4


@dataclass(frozen=True)
class MosCurve:
    """A function from the values of a metric to opinion scores.

    It never falls as the metric gets better, within the metric's range.

    Attributes:
        kind: "cubic", a + bx + cx² + dx³, or "logistic", a + b / (1 + exp(-(x - c) / d)).
        coefficients: a, b, c and d.
        low: The lowest value of the metric.
        high: The highest.
    """

    kind: MappingName
    coefficients: tuple[float, float, float, float]
    low: float
    high: float

    def predict(self, value: float) -> float:
        """The opinion score that a value of the metric predicts. Beyond the range of the metric, that of its end."""
        a, b, c, d = self.coefficients
        x = min(max(value, self.low), self.high)
        if self.kind == "cubic":
            return a + x * (b + x * (c + x * d))
        return float(a + b * (1 + np.tanh((x - c) / d / 2)) / 2)

    def to_dict(self) -> dict[str, Any]:
        """The curve as plain data."""
        return {"kind": self.kind, "coefficients": list(self.coefficients), "range": [self.low, self.high]}


def predictions(kind: MappingName, weights: Floats, t: Floats, y: Floats) -> Floats:
    """Fit a curve to each resample, and return what it predicts for each clip, a row per resample."""
    if kind == "cubic":
        return cubic.evaluate(cubic.fit_cubics(weights, t, y), t)
    return logistic.evaluate(logistic.fit_logistics(weights, t, y), t)


def fit_curve(kind: MappingName, x: Floats, y: Floats, *, falls: bool, mos_falls: bool = False) -> MosCurve | None:
    """Fit a curve to the clips.

    Args:
        kind: The function.
        x: The values of the metric.
        y: The opinion scores.
        falls: Whether a lower value of the metric is better.
        mos_falls: Whether a lower opinion score is better.

    Returns:
        The curve, or None if the metric has fewer than four different values.
    """
    low, high = float(x.min()), float(x.max())
    if len(np.unique(x)) < COEFFICIENTS:
        return None
    sign = -1.0 if mos_falls else 1.0
    scale, shift = (-2 if falls else 2) / (high - low), (low + high) / 2
    t = unit_scale(x, falls=falls)
    one = np.ones((1, len(x)))
    if kind == "cubic":
        [polynomial] = cubic.fit_cubics(one, t, sign * y)
        powers = np.polynomial.Polynomial(sign * polynomial)(np.polynomial.Polynomial([-shift * scale, scale])).coef
        a, b, c, d = (float(each) for each in np.concatenate([powers, np.zeros(4)])[:4])
    else:
        [(a, b, c, d)] = logistic.fit_logistics(one, t, sign * y).tolist()
        a, b, c, d = sign * a, sign * b, c / scale + shift, d / scale
    return MosCurve(kind, (a, b, c, d), low, high)


def unit_scale(x: Floats, *, falls: bool) -> Floats:
    """The values on a scale from -1, the worst, to 1, the best. All are 0 if they are equal."""
    low, high = float(x.min()), float(x.max())
    if not high > low:
        return np.zeros_like(x)
    t = np.clip((2 * x - low - high) / (high - low), -1.0, 1.0)
    return -t if falls else t
