"""Fewer lines: what of a history is removed, and several histories in one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_vmaf.history.line import HistoryLine
from pytest_vmaf.history.series import matches
from pytest_vmaf.report.wording import short_id


@dataclass(frozen=True)
class Pruning:
    """Which lines are removed: those of the tests and branches for which any of the other conditions is true.

    Attributes:
        tests: Patterns of tests, by their ids or the ends of them; none for all.
        branches: Patterns of branches; none for all.
        keep: Remove all but the newest commits of each branch, this many.
        before: Remove what was measured before this day, such as "2026-01-31".
        unchanged: Remove lines whose numbers are those of the line before and of the line after.
    """

    tests: Sequence[str] = ()
    branches: Sequence[str] = ()
    keep: int | None = None
    before: str = ""
    unchanged: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing, so that it would remove all lines."""
        return not (self.tests or self.branches or self.before or self.unchanged) and self.keep is None


def prune(lines: Sequence[HistoryLine], pruning: Pruning) -> list[HistoryLine]:
    """The lines that stay, in their order."""
    newest = _newest(lines, pruning.keep) if pruning.keep is not None else set()
    repeated = _repeated(lines) if pruning.unchanged else set()
    always = pruning.keep is None and not (pruning.before or pruning.unchanged)
    return [
        line
        for index, line in enumerate(lines)
        if not (
            _matches(line, pruning)
            and (
                always
                or (pruning.keep is not None and (line.branch, _revision(line)) not in newest)
                or line.time[:10] < pruning.before
                or index in repeated
            )
        )
    ]


def merge_lines(histories: Iterable[Iterable[HistoryLine]]) -> list[HistoryLine]:
    """The lines of several histories in the order of their times. Of equal lines one stays."""
    distinct = {line.to_json(): line for lines in histories for line in lines}
    return sorted(distinct.values(), key=lambda line: line.time)


def _matches(line: HistoryLine, pruning: Pruning) -> bool:
    return matches(pruning.tests, line.test, short_id(line.test)) and matches(pruning.branches, line.branch)


def _newest(lines: Iterable[HistoryLine], keep: int) -> set[tuple[str, str]]:
    """The newest revisions of each branch, each by the last time it was measured."""
    by_branch: dict[str, dict[str, str]] = defaultdict(dict)
    for line in lines:
        times = by_branch[line.branch]
        times[_revision(line)] = max(line.time, times.get(_revision(line), ""))
    newest = {branch: sorted(times, key=lambda name: times[name], reverse=True) for branch, times in by_branch.items()}
    return {(branch, name) for branch, names in newest.items() for name in names[:keep]}


def _repeated(lines: Sequence[HistoryLine]) -> set[int]:
    """The indexes of lines whose numbers are those of both neighbours in the same branch and series."""
    series: dict[object, list[int]] = defaultdict(list)
    for index in sorted(range(len(lines)), key=lambda index: lines[index].time):
        series[_place(lines[index])].append(index)

    def same(one: int, other: int) -> bool:
        names = ("values", "status", "tolerances", "tools")
        return all(getattr(lines[one], name) == getattr(lines[other], name) for name in names)

    return {
        middle
        for indexes in series.values()
        for before, middle, after in zip(indexes, indexes[1:], indexes[2:], strict=False)
        if same(before, middle) and same(middle, after)
    }


def _place(line: HistoryLine) -> tuple[str, ...]:
    return tuple(getattr(line, name) for name in ("branch", "test", "subject", "target", "run", "platform", "model"))


def _revision(line: HistoryLine) -> str:
    return line.commit or line.time
