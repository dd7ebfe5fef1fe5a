"""Steps of series with and without noise."""

from __future__ import annotations

import random
from itertools import combinations, pairwise
from statistics import fmean

import pytest

from history.builders import a_line, a_series
from pytest_vmaf.history.levels import find_changes, noise_of, penalty_of
from pytest_vmaf.history.series import make_history
from pytest_vmaf.history.steps import find_steps


@pytest.mark.parametrize(
    ("numbers", "places"),
    [
        ([93.0], []),
        ([93, 93.5], []),
        ([93, 92.4], [1]),
        ([93.0, 93.1, 93.0, 90.0, 90.1, 90.0, 93.0], [3, 6]),
        # Small changes add up.
        ([93.0, 92.8, 92.6, 92.4, 92.2], [3]),
        ([93.0] * 20 + [95.0] * 20, [20]),
    ],
)
def test_tolerance(numbers: list[float], places: list[int]) -> None:
    steps = find_steps(a_series(numbers))
    assert [step.index for step in steps] == places
    assert all(step.beyond and not step.noise for step in steps)


def test_step() -> None:
    [step] = find_steps(a_series([93.0, 93.1, 90.0]))
    assert (step.before, step.after, step.is_worse, step.at, step.since) == (93.0, 90.0, True, 2, 1)
    [step] = find_steps(a_series([90.0, 93.0]))
    assert not step.is_worse
    assert step.weight == 6


def test_direction_and_percentage() -> None:
    """A bitrate is worse if it rises, and its tolerance is a share of it."""
    lines = [a_line(number, values={"bitrate": rate}) for number, rate in enumerate((1e6, 1.015e6, 1.03e6, 0.9e6))]
    steps = [step for series in make_history(lines).series for step in find_steps(series)]
    assert [(step.series.metric, step.index, step.is_worse) for step in steps] == [
        ("bitrate", 2, True),
        ("bitrate", 3, False),
    ]


def test_search() -> None:
    """The answers of a search are compared by their bitrates: their scores depend on which CRF reaches the target."""
    lines = [a_line(at, 95.0 - at, target="NEG 90", values={"bitrate": 1e6 * (at + 1), "crf": at}) for at in range(2)]
    steps = [step for series in make_history(lines).series for step in find_steps(series)]
    assert [(step.series.metric, step.is_worse) for step in steps] == [("bitrate", True)]


def test_tolerance_of_baseline() -> None:
    numbers = [93.0, 92.0, 92.0]
    assert find_steps(a_series(numbers, tolerances={"neg": 2.0})) == []
    lines = [a_line(index, neg, tolerances={"neg": 2.0}) for index, neg in enumerate(numbers)]
    [series] = make_history(lines, tolerances={"neg": 0.5}).series
    assert len(find_steps(series)) == 1
    assert find_steps(a_series(numbers, tolerances={"neg": "1%"}))[0].index == 1


def noisy(count: int, seed: int, *levels: tuple[int, float], deviation: float = 0.4) -> list[float]:
    """Noise about a level that changes at some places."""
    source = random.Random(seed)
    return [
        round(93 + sum(by for at, by in levels if index >= at) + source.gauss(0, deviation), 4)
        for index in range(count)
    ]


def test_noise() -> None:
    """Differences beyond the tolerance that are noise are no steps, and the level of the noise does not hide one."""
    numbers = noisy(60, 1)
    assert max(abs(a - b) for a, b in pairwise(numbers)) > 1
    assert find_steps(a_series(numbers)) == []
    [step] = find_steps(a_series(noisy(60, 1, (40, -2.0))))
    assert (step.index, step.beyond, step.is_worse) == (40, True, True)
    assert step.noise == pytest.approx(0.4, abs=0.15)
    assert step.change == pytest.approx(-2.0, abs=0.3)
    # Certain, but within the tolerance.
    [step] = find_steps(a_series(noisy(200, 2, (90, -0.4), deviation=0.2)))
    assert (abs(step.index - 90) < 5, step.beyond) == (True, False)


def test_few_numbers() -> None:
    """Noise may have few numbers: rounded ones, or those of an encoder that has a handful of outcomes."""
    assert find_steps(a_series([93.0, 94.0] * 10)) == []
    assert find_steps(a_series([round(number, 1) for number in noisy(60, 1)])) == []
    [step] = find_steps(a_series([93.0, 93.5] * 10 + [91.0, 91.5] * 10))
    assert (step.index, step.beyond) == (20, True)


def test_flicker() -> None:
    """A series that often leaves its level for a commit has no pair of steps each time, but it has the real one."""
    source = random.Random(5)
    numbers = [93.0 if source.random() < 0.8 else 93 - source.uniform(0.6, 3) for _ in range(60)]
    assert noise_of(numbers, [1] * 60) == 0
    assert find_steps(a_series(numbers)) == []
    [step] = find_steps(a_series([number - 4 * (at >= 40) for at, number in enumerate(numbers)]))
    assert (step.index, step.beyond, step.noise > 0) == (40, True, True)
    # Regressions that were mended are steps.
    mended = ([93.0] * 5 + [91.0] * 5) * 6
    assert [step.index for step in find_steps(a_series(mended))] == [*range(5, 60, 5)]


def test_creep() -> None:
    """Small changes of a series that changes with every commit add up, too."""
    steps = find_steps(a_series([93 - number / 20 for number in range(40)]))
    beyond = [step for step in steps if step.beyond]
    assert len(beyond) >= 2
    assert all(0.5 < step.before - step.after < 1 for step in beyond)
    assert len(steps) > len(beyond)


def test_false_alarms() -> None:
    """Pure noise has steps in a few series of a hundred, whatever its length."""
    for count, seeds, most in ((8, 100, 8), (30, 60, 3), (200, 20, 1)):
        found = [seed for seed in range(seeds) if find_steps(a_series(noisy(count, seed, deviation=2.0)))]
        assert len(found) <= most, (count, found)


def test_long_series() -> None:
    """Beyond `EXACT` points, changes are found among groups and moved to their point."""
    numbers = noisy(2000, 3, (411, -2.5), (1202, 3.0))
    ones = [1] * len(numbers)
    assert find_changes(numbers, ones, noise_of(numbers, ones)) == [411, 1202]


def test_repeated_runs() -> None:
    """The mean of several runs has less noise. Equal runs, perhaps from the cache, do not prove that there is none."""
    numbers = noisy(30, 4, (20, -1.6))
    lines = [a_line(index, neg) for index, neg in enumerate(numbers) for _ in range(2)]
    [series] = make_history(lines).series
    assert (series.runs, series.values) == ((2,) * 30, tuple(numbers))
    [step] = find_steps(series)
    assert step.index == 20
    # The noise is that of one run.
    assert step.noise == pytest.approx(noise_of(numbers, [1] * 30) * 2**0.5)


def test_other_tools() -> None:
    """A step at which libvmaf changed says so."""
    lines = [a_line(number, 93.0 - number, tools={"libvmaf": str(number), "ffmpeg": "9"}) for number in range(2)]
    [step] = find_steps(make_history(lines).series[0])
    assert step.other_tools == ("libvmaf",)


def cost_of(cuts: tuple[int, ...], numbers: list[float], runs: list[int], noise: float) -> float:
    total = penalty_of(len(numbers), noise) * len(cuts)
    for start, end in pairwise((0, *cuts, len(numbers))):
        mean = fmean(numbers[start:end], runs[start:end])
        total += sum(runs[at] * (numbers[at] - mean) ** 2 for at in range(start, end))
    return total


def test_optimum() -> None:
    """No other partition of a short series costs less."""
    runs = [1, 2, 1, 1, 3, 1, 1, 1, 1]
    for seed in range(4):
        numbers = noisy(9, seed, (4, -1.5))
        noise = noise_of(numbers, runs) / 3
        partitions = (cuts for count in range(9) for cuts in combinations(range(1, 9), count))
        costs = {cuts: cost_of(cuts, numbers, runs, noise) for cuts in partitions}
        assert tuple(find_changes(numbers, runs, noise)) == min(costs, key=costs.__getitem__)


def test_ruptures() -> None:
    """An independent implementation of the same fit finds the same changes."""
    ruptures = pytest.importorskip("ruptures", reason="needs ruptures")
    import numpy as np

    for seed in range(20):
        numbers = noisy(150, seed, (40, -1.0), (90, 0.7))
        ones = [1] * len(numbers)
        noise = noise_of(numbers, ones)
        ours = find_changes(numbers, ones, noise)
        theirs = ruptures.Pelt(model="l2", min_size=1, jump=1).fit(np.array(numbers)).predict(penalty_of(150, noise))
        assert ours == theirs[:-1], seed
