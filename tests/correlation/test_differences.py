"""Differences between metrics, and the distributions behind them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_vmaf.correlation.differences import bootstrap_p, compare_metrics, dependent_p
from pytest_vmaf.correlation.measure import interval
from pytest_vmaf.correlation.statistics import STATISTICS
from pytest_vmaf.correlation.student import interval_factor, tail, two_sided


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
    random = np.random.default_rng(0)
    noise = random.normal(size=4000)
    noise = np.r_[0, (noise - noise.mean()) / noise.std(ddof=1)]
    samples = {"a": 0.9 + 0 * noise, "b": 0.87 + 0.01 * noise, "c": 0.88 + 0.01 * noise}
    values = {metric: dict.fromkeys(STATISTICS, each) for metric, each in samples.items()}
    for statistics in values.values():
        statistics["plcc"] = np.full(4001, np.nan)
    # Three and two standard errors, and one difference that every resample has.
    found = {(each.first, each.second): each for each in compare_metrics(values, {}, 50, 10_000)}
    p = {pair: each.p for pair, each in found.items()}
    expected = {("a", "b"): two_sided(3), ("a", "c"): two_sided(2), ("b", "c"): 0}
    assert p == pytest.approx(expected, rel=0.01, abs=1e-9)
    adjusted = {pair: each.adjusted_p for pair, each in found.items()}
    assert adjusted == pytest.approx({("a", "b"): 2 * p["a", "b"], ("a", "c"): p["a", "c"], ("b", "c"): 0}, abs=1e-9)
    assert {pair: each.better for pair, each in found.items()} == {("a", "b"): "b", ("a", "c"): "c", ("b", "c"): "b"}
    assert found["a", "b"].to_dict()["test"] == "paired bootstrap"


def test_equal_metrics() -> None:
    values = {metric: dict.fromkeys(STATISTICS, np.linspace(0.8, 0.9, 201)) for metric in ("a", "b")}
    predicted = dict.fromkeys(values, np.arange(50.0))
    for each in compare_metrics(values, predicted, 50, 50):
        assert (each.value, each.p, each.better, each.low, each.high) == (0, 1, "", 0, 0)


def test_interval() -> None:
    samples = np.linspace(0, 1, 1001)
    assert interval(0.5, samples) == pytest.approx((0.025, 0.975), abs=1e-3)
    # Resamples that are too high move the interval down.
    assert interval(0.4, samples) == pytest.approx((-0.075, 0.875), abs=1e-3)
    assert interval(0.4, samples, (0, 0.8)) == (0, 0.8)
    assert interval(1.0, np.ones(100)) == (1, 1)
    assert interval(0.5, np.r_[np.full(200, np.nan), samples]) == (None, None)
    assert interval(0.5, np.array([])) == (None, None)


def test_few_sources() -> None:
    samples = 0.1 + 0.02 * np.random.default_rng(1).normal(size=2000)
    # The fewer sources, the less certain are five standard errors.
    p = [bootstrap_p(0.1, samples, blocks) for blocks in (2, 3, 6, 50)]
    assert p == sorted(p, reverse=True)
    assert p[1] > 0.05 > p[2]
    # Three sources that agree are no more than three throws of a coin.
    assert bootstrap_p(0.1, np.full(500, 0.1), 3) == 0.25
    assert bootstrap_p(0.0, samples, 50) == bootstrap_p(0.1, samples[:1], 50) == bootstrap_p(0.1, samples, 1) == 1


@pytest.mark.parametrize(("t", "freedom", "p"), [(12.706, 1, 0.05), (2.571, 5, 0.05), (3.169, 10, 0.01), (0, 7, 1)])
def test_tails_of_tables(t: float, freedom: int, p: float) -> None:
    assert tail(t, freedom) == tail(-t, freedom) == pytest.approx(p, abs=2e-4)
