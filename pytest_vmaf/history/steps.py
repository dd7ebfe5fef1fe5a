"""Steps of a series: the commits at which a metric changed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise

from pytest_vmaf.history.series import Series

#: From this many commits on, a series that changes at most of them counts as noisy.
ENOUGH = 8
#: A change of a noisy series below this share of the tolerance is no step, however certain it is.
SMALLEST = 0.2
#: A series flickers if it has a step at more than one of so many commits, and so many of them only undo the one before.
FLICKER, UNDONE = 6, 4
#: What a search is about. The scores of its answers are wherever a whole CRF reaches the target.
OF_SEARCH = ("bitrate", "size")


@dataclass(frozen=True)
class Step:
    """A change of a series.

    Attributes:
        series: The series.
        index: The first point after the change, in the series.
        before: The level before the change.
        after: The level from this point on.
        beyond: Whether the change is larger than the tolerance. Of a noisy series, smaller ones are steps, too, if they
            are no noise.
        noise: The standard deviation of one run; 0 for a series without noise.
    """

    series: Series
    index: int
    before: float
    after: float
    beyond: bool
    noise: float = 0.0

    @property
    def change(self) -> float:
        """The difference, positive for a rise."""
        return self.after - self.before

    @property
    def is_worse(self) -> bool:
        """Whether the metric became worse."""
        return (self.change < 0) == self.series.about.higher_is_better

    @property
    def at(self) -> int:
        """The index of the revision that the change is seen at."""
        return self.series.at[self.index]

    @property
    def since(self) -> int:
        """The index of the revision that was measured before it."""
        return self.series.at[self.index - 1]

    @property
    def weight(self) -> float:
        """The change in units of the tolerance."""
        limit = self.series.limit(self.before)
        return abs(self.change) / limit if limit else float("inf")

    @property
    def other_tools(self) -> tuple[str, ...]:
        """What measured with another version than before, which may be the reason."""
        if not self.series.tools:
            return ()
        before, after = (self.series.tools[index] for index in (self.index - 1, self.index))
        return tuple(sorted(name for name in {*before, *after} - {"encoder"} if before.get(name) != after.get(name)))


def find_steps(series: Series) -> list[Step]:
    """Find the steps of a series, in their order.

    A series that mostly repeats the number before has no noise: a step is where it differs from the level by more than
    the tolerance, also after several small changes. In a noisy one, levels are fitted, and also where the number often
    leaves the level and returns to it. That another run of a commit gives the same number is no sign: it may come from
    the cache.
    """
    if series.target and series.metric not in OF_SEARCH:
        return []
    if len(series.values) < ENOUGH:
        return _beyond_tolerance(series)
    # numpy is imported where it is needed.
    from pytest_vmaf.history.levels import find_changes, noise_of, noise_of_all

    noise = noise_of(series.values, series.runs)
    changes = find_changes(series.values, series.runs, noise) if noise else []
    steps = _fitted(series, changes, noise) if noise else _beyond_tolerance(series)
    if not _flickers(steps, len(series.values)):
        return steps
    noise = noise_of_all(series.values, series.runs)
    return _fitted(series, find_changes(series.values, series.runs, noise), noise)


def _flickers(steps: list[Step], commits: int) -> bool:
    """Whether there are so many steps back and forth that they are noise."""
    beyond = [step for step in steps if step.beyond]
    undone = sum(abs(step.after - last.before) <= step.series.limit(last.before) for last, step in pairwise(beyond))
    return undone >= UNDONE and len(beyond) * FLICKER > commits


def _beyond_tolerance(series: Series) -> list[Step]:
    steps, level = [], series.values[0]
    for index, value in enumerate(series.values):
        # Values have up to six decimals, and so has a difference of two.
        if round(abs(value - level), 6) > series.limit(level):
            steps.append(Step(series, index, level, value, beyond=True))
            level = value
    return steps


def _fitted(series: Series, changes: list[int], noise: float) -> list[Step]:
    ends = [0, *changes, len(series.values)]
    levels = [_mean(series, *part) for part in pairwise(ends)]
    steps, level = [], levels[0]
    for index, before, after in zip(changes, levels[:-1], levels[1:], strict=True):
        # Small changes add up here, too: since the last step beyond the tolerance, or with this one alone.
        start = max(level, before, key=lambda each: abs(after - each) - series.limit(each))
        if round(abs(after - start), 6) > series.limit(start):
            steps.append(Step(series, index, start, after, beyond=True, noise=noise))
            level = after
        elif round(abs(after - before), 6) > SMALLEST * series.limit(before):
            steps.append(Step(series, index, before, after, beyond=False, noise=noise))
    return steps


def _mean(series: Series, start: int, end: int) -> float:
    return statistics.fmean(series.values[start:end], series.runs[start:end])
