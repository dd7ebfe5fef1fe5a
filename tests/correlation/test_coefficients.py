"""Correlation coefficients of resamples, against definitions."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import correlation as pearson_of

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.correlation.coefficients import BLOCK, Variable, pearson, tau_b

# Few different values, so that many are tied.
clips = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=14)


def mean_ranks(values: list[int]) -> list[float]:
    return [sum(other < each for other in values) + (values.count(each) + 1) / 2 for each in values]


def tau_of(x: list[int], y: list[int]) -> float:
    pairs = list(combinations(range(len(x)), 2))
    signs = [np.sign(x[a] - x[b]) * np.sign(y[a] - y[b]) for a, b in pairs]
    untied = [sum(values[a] != values[b] for a, b in pairs) for values in (x, y)]
    return float(sum(signs)) / math.sqrt(untied[0] * untied[1])


@given(clips)
@settings(max_examples=25, deadline=None)
def test_against_definitions(drawn: list[tuple[int, int, int]]) -> None:
    x, y, weight = (np.array(each, dtype=float) for each in zip(*drawn, strict=True))
    repeated = [(int(a), int(b)) for a, b, times in drawn for _ in range(times)]
    weights = np.stack([weight, np.ones(len(x))])
    if not repeated:
        return
    xs, ys = (list(each) for each in zip(*repeated, strict=True))
    a, b = Variable.of(weights, x), Variable.of(weights, y)
    assert a.distinct()[0] == len(set(xs))
    # The second resample has nothing to do with the first.
    measured = [
        (pearson(weights, x, y)[0], pearson_of, (xs, ys)),
        (pearson(weights, a.ranks(), b.ranks())[0], pearson_of, (mean_ranks(xs), mean_ranks(ys))),
        (tau_b(weights, a, b)[0], tau_of, (xs, ys)),
    ]
    for value, definition, values in measured:
        if len(set(xs)) > 1 and len(set(ys)) > 1:
            assert value == pytest.approx(definition(*values), abs=1e-12)
        else:
            assert math.isnan(value)


def test_tau_b_in_blocks() -> None:
    x = np.arange(BLOCK + 40.0)
    y = np.where(x < 20, -x, x)
    one = np.ones((1, len(x)))
    [tau] = tau_b(one, Variable.of(one, x), Variable.of(one, y))
    reversed_pairs = 20 * 19 / 2
    assert tau == pytest.approx(1 - 2 * reversed_pairs / (len(x) * (len(x) - 1) / 2))


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e12])
def test_values_far_from_zero(offset: float) -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    one = np.ones((1, 4))
    assert pearson(one, x + offset, x)[0] == pytest.approx(1)
    assert math.isnan(pearson(one, np.full(4, 0.1 + offset), x)[0])
