"""Differences between metrics, and the distributions behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_vmaf.correlation.differences import compare_metrics, dependent_p
from pytest_vmaf.correlation.measure import interval
from pytest_vmaf.correlation.statistics import STATISTICS
from pytest_vmaf.correlation.student import interval_factor, two_sided


@pytest.mark.parametrize(
    ("votes", "factor"), [(2, 12.706), (3, 4.303), (4, 3.182), (16, 2.131), (24, 2.069), (31, 2.042), (10_001, 1.960)]
)
def test_factors_of_tables(votes: int, factor: float) -> None:
    assert interval_factor(votes) == pytest.approx(factor, abs=6e-4)


def test_two_sided() -> None:
    assert two_sided(1.959964) == pytest.approx(0.05, abs=1e-6)
    assert two_sided(-1.959964) == two_sided(1.959964)


def test_dependent_correlations() -> None:
    # With r² = (0.6² + 0.5²) / 2, f = 0.4 / (2 (1 - r²)) and h = (1 - f r²) / (1 - r²), worked out by hand.
    mean = 0.305
    f = 0.4 / (2 * (1 - mean))
    h = (1 - f * mean) / (1 - mean)
    z = (math.atanh(0.6) - math.atanh(0.5)) * math.sqrt(100 / (2 * 0.4 * h))
    assert dependent_p(0.6, 0.5, 0.6, 103) == pytest.approx(two_sided(z))
    assert dependent_p(0.5, 0.6, 0.6, 103) == pytest.approx(two_sided(z))
    # The more alike two metrics are, the less is due to chance.
    assert dependent_p(0.6, 0.5, 0.9, 103) < dependent_p(0.6, 0.5, 0.6, 103) < dependent_p(0.6, 0.5, 0.0, 103)
    assert dependent_p(0.5, 0.5, 0.9, 50) == 1


@pytest.mark.slow
def test_level_of_dependent_correlations() -> None:
    random = np.random.default_rng(0)
    rejected = 0
    for _ in range(2000):
        truth = random.normal(size=80)
        common = random.normal(size=80)
        metrics = [truth + 0.5 * common + 0.7 * random.normal(size=80) for _ in range(2)]
        table = np.corrcoef([truth, *metrics])
        rejected += dependent_p(table[0, 1], table[0, 2], table[1, 2], 80) < 0.05
    assert 0.035 < rejected / 2000 < 0.065


def test_holm() -> None:
    # Resamples of which 0, 1 and 30 of 999 have the other sign.
    samples = {
        "a": np.r_[0.9, np.full(999, 0.9)],
        "b": np.r_[0.8, np.full(998, 0.8), 0.95],
        "c": np.r_[0.7, np.full(969, 0.7), np.full(30, 0.85)],
    }
    values = {metric: dict.fromkeys(STATISTICS, each) for metric, each in samples.items()}
    for metric in values:
        values[metric] = {**values[metric], "plcc": np.full(1000, np.nan)}
    found = {(each.first, each.second): each for each in compare_metrics(values, {}, 50) if each.statistic == "srcc"}
    p = {pair: each.p for pair, each in found.items()}
    assert p == pytest.approx({("a", "b"): 2 * 2 / 1000, ("a", "c"): 2 * 1 / 1000, ("b", "c"): 2 * 30 / 1000}, rel=0.04)
    adjusted = {pair: each.adjusted_p for pair, each in found.items()}
    assert adjusted["a", "c"] == pytest.approx(3 * p["a", "c"])
    assert adjusted["a", "b"] == pytest.approx(2 * p["a", "b"])
    assert adjusted["b", "c"] == pytest.approx(p["b", "c"])
    assert [each.better for each in found.values()] == ["a", "a", ""]
    assert found["a", "b"].to_dict()["test"] == "paired bootstrap"


def test_equal_metrics() -> None:
    values = {metric: dict.fromkeys(STATISTICS, np.linspace(0.8, 0.9, 201)) for metric in ("a", "b")}
    predicted = dict.fromkeys(values, np.arange(50.0))
    for each in compare_metrics(values, predicted, 50):
        assert (each.value, each.p, each.better, each.low, each.high) == (0, 1, "", 0, 0)


def test_interval() -> None:
    samples = np.linspace(0, 1, 1001)
    assert interval(0.5, samples) == pytest.approx((0.025, 0.975), abs=1e-3)
    # Resamples that are too high move the interval down.
    low, high = interval(0.4, samples)
    assert low is not None
    assert high is not None
    assert low < 0.01
    assert high < 0.93
    assert interval(1.0, np.ones(100)) == (1, 1)
    assert interval(0.5, np.r_[np.full(200, np.nan), samples]) == (None, None)
    assert interval(0.5, np.array([])) == (None, None)
