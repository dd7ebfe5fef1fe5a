"""Mappings from a metric to opinion scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from pytest_vmaf.correlation.cubic import evaluate, fit_cubics
from pytest_vmaf.correlation.curve import fit_curve, predictions

Floats = NDArray[np.float64]
#: What a metric may look like: straight, saturated, falling, bent at one end or in the middle, or unrelated.
SHAPES = {
    "line": lambda t: t,
    "saturated": lambda t: np.tanh(4 * t),
    "falling": lambda t: -t,
    "parabola": lambda t: t * t,
    "dome": lambda t: -t * t,
    "dip": lambda t: t**3 - 0.6 * t,
    "flat": lambda t: 0 * t,
    "wave": lambda t: np.sin(4 * t),
}


def check_optimal(t: Floats, y: Floats, found: Floats) -> None:
    """Check that no polynomial that rises on [-1, 1] has a smaller squared error.

    These are a constant plus integrals of (s - τ)² and of 1 - s², with factors that are not negative. The problem is
    convex, so it is enough that none of these directions improves, and that no change of size does.
    """
    taus = np.linspace(-1, 1, 401)[:, None]
    s = np.linspace(-1, 1, 1001)
    scale = float(np.abs(y - y.mean()).sum() + 1)
    derivative = found[1] + 2 * found[2] * s + 3 * found[3] * s * s
    assert derivative.min() >= -1e-7 * scale
    error = evaluate(found[None], t)[0] - y
    assert abs(error.sum()) <= 1e-8 * scale
    assert abs(error @ evaluate(found[None], t)[0] - error.sum() * y.mean()) <= 1e-6 * scale**2
    assert ((t - taus) ** 3 @ error).min() >= -1e-6 * scale
    assert (t - t**3 / 3) @ error >= -1e-6 * scale


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("clips", [5, 40])
def test_cubic_is_optimal(shape: str, clips: int) -> None:
    random = np.random.default_rng([clips, len(shape)])
    for crowded in (False, True):
        t = np.sort(random.uniform(-1, 1, clips))
        t = np.where(t > t[0], 0.9 + t / 10, t) if crowded else t
        t = 2 * (t - t.min()) / np.ptp(t) - 1
        y = 3 + SHAPES[shape](t) + random.normal(0, 0.3, clips)
        check_optimal(t, y, fit_cubics(np.ones((1, clips)), t, y)[0])


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(10, 50)), min_size=5, max_size=20))
@settings(max_examples=30, deadline=None)
def test_cubic_of_any_clips(pairs: list[tuple[int, int]]) -> None:
    t, y = np.array(pairs, dtype=float).T / [[20], [10]]
    [found] = fit_cubics(np.ones((1, len(t))), t, y)
    if len(set(t)) < 4:
        assert np.isnan(found).all()
    else:
        check_optimal(t, y, found)


def test_resamples_are_repeated_clips() -> None:
    random = np.random.default_rng(1)
    t = np.linspace(-1, 1, 25)
    y = np.tanh(3 * t) + random.normal(0, 0.2, 25)
    weights = random.multinomial(25, np.full(25, 0.04), size=30).astype(float)
    for row, found in zip(weights, fit_cubics(weights, t, y), strict=True):
        chosen = np.repeat(np.arange(25), row.astype(int))
        [alone] = fit_cubics(np.ones((1, 25)), t[chosen], y[chosen])
        assert evaluate(found[None], t)[0] == pytest.approx(evaluate(alone[None], t)[0], abs=1e-6)


@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize("mos_falls", [False, True])
@pytest.mark.parametrize("kind", ["cubic", "logistic"])
def test_curve_in_its_own_units(kind: str, falls: bool, mos_falls: bool) -> None:
    x = np.linspace(20, 100, 30)
    sign = (-1 if falls else 1) * (-1 if mos_falls else 1)
    logistic = 1 + 4 / (1 + np.exp(-sign * (x - 70) / 12))
    y = logistic if kind == "logistic" else 3 + sign * ((x - 60) / 40) ** 3
    curve = fit_curve(kind, x, y, falls=falls, mos_falls=mos_falls)  # type: ignore[arg-type]
    assert curve is not None
    assert [curve.predict(each) for each in x] == pytest.approx(list(y), abs=1e-3)
    assert curve.predict(1000) == pytest.approx(y[-1], abs=1e-3)
    assert curve.to_dict()["range"] == [20, 100]


def test_logistic_of_resamples() -> None:
    t = np.linspace(-1, 1, 40)
    y = 1 + 4 / (1 + np.exp(-(t - 0.2) / 0.2))
    rows = predictions("logistic", np.ones((2, 40)), t, y)
    # Those of resamples are on a grid.
    assert np.abs(rows - y).max() < 0.1
    [falling] = predictions("logistic", np.ones((1, 40)), t, -y)
    assert falling == pytest.approx(np.full(40, -y.mean()))


def test_too_few_values() -> None:
    x = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0])
    assert fit_curve("cubic", x, x, falls=False) is None
    assert fit_curve("logistic", x, x, falls=False) is None
