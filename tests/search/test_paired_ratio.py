"""Medians with their intervals, and slowdowns of pairs, on given numbers."""

from __future__ import annotations

import math
import random

import pytest

from pytest_vmaf.search.paired_ratio import (
    CONFIDENCE,
    FEWEST,
    FEWEST_WALL,
    WALL_CONFIDENCE,
    candidate_first,
    interval_rank,
    median_interval,
    slowdown,
    slowdown_range,
)


def test_ranks() -> None:
    """As in the tables of the sign test at 1 % (two-sided): for example 3 of 15, 7 of 25."""
    ranks = {7: 0, 8: 1, 10: 1, 11: 1, 12: 2, 15: 3, 20: 4, 25: 6, 40: 12}
    assert {count: interval_rank(count) for count in ranks} == ranks
    assert interval_rank(FEWEST) == 1
    assert interval_rank(FEWEST - 1) == 0
    assert interval_rank(1000) == 459
    assert interval_rank(FEWEST_WALL, WALL_CONFIDENCE) == 1
    # With 95 %, six values are enough.
    assert [interval_rank(count, 0.95) for count in (5, 6, 9, 20)] == [0, 1, 2, 6]


@pytest.mark.parametrize("count", [8, 12, 40, 101])
def test_confidence(count: int) -> None:
    """The probability of the interval is that of its definition, and the next one inside of it has less."""

    def probability(rank: int) -> float:
        return 1 - 2 * sum(math.comb(count, below) for below in range(rank)) / 2**count

    rank = interval_rank(count)
    assert probability(rank) >= CONFIDENCE > probability(rank + 1)


def test_interval() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 7.0, 8.0]
    interval = median_interval(values)
    assert (interval.estimate, interval.low, interval.high, interval.noise) == (4.5, 1.0, 9.0, 4.0)
    few = median_interval(values[:7])
    assert (few.low, few.high) == (-math.inf, math.inf)


def test_coverage() -> None:
    """The interval encloses the median of skewed values, of which some are far off, as often as it promises."""
    generator = random.Random(3)

    def value() -> float:
        return generator.expovariate(1.0) * (30 if generator.random() < 0.1 else 1)

    median = sorted(value() for _ in range(40_001))[20_000]
    enclosed = sum(
        (interval := median_interval([value() for _ in range(12)])).low <= median <= interval.high for _ in range(1500)
    )
    assert enclosed / 1500 > 0.985


def test_slowdown() -> None:
    base = [1.0, 2.0, 1.0, 4.0, 1.0, 1.0, 3.0, 1.0]
    # Drift of the whole machine cancels out in each pair: every ratio is that of 10 % more time.
    slower = [1.1 * seconds for seconds in base]
    drop = slowdown(slower, base)
    assert drop.estimate == pytest.approx(100 * (1 - 1 / 1.1))
    assert drop.noise == pytest.approx(0)
    assert slowdown(base, slower).estimate == pytest.approx(-10)
    assert slowdown(base, base).estimate == 0


def test_range_of_counts() -> None:
    drop = slowdown_range([1010.0, 1020.0, 1010.0], [1000.0, 1000.0, 1001.0])
    assert drop.low == pytest.approx(100 * (1 - 1001 / 1010))
    assert drop.high == pytest.approx(100 * (1 - 1000 / 1020))
    assert drop.low <= drop.estimate <= drop.high


def test_order() -> None:
    assert [candidate_first(pair) for pair in range(4)] == [True, False, True, False]
