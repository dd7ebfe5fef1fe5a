"""Readings: the numbers of runs by test, clip and commit, as trackers take them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.history.file import read_history
from pytest_vmaf.history.from_reports import history_lines
from pytest_vmaf.history.line import HEAD, HistoryLine, Labels
from pytest_vmaf.report.document import read as read_report
from pytest_vmaf.report.numbers import Number, read_number
from pytest_vmaf.text import printable

#: The beginning of a sweep's file.
SWEEP = b'{"schema": 1, "source": "'


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of one measurement at one commit.

    Attributes:
        name: The test's id and what it measured, unique within the export: "tests/test_it.py::test_x::out.mp4".
        number: The metric and its value; of several runs of the commit, their mean.
        low: The lowest value of these runs.
        high: The highest value of these runs.
        line: The line of the last of these runs.
    """

    name: str
    number: Number
    low: float
    high: float
    line: HistoryLine

    @property
    def runs_differ(self) -> bool:
        """Whether several runs gave different numbers."""
        return self.low < self.high


def read_lines(paths: Iterable[Path]) -> list[HistoryLine]:
    """Read reports (`--vmaf-json`) and histories (`--vmaf-history`), in the order of their times.

    Raises:
        MeasurementError: For a file that is neither.
    """
    lines = [line for path in paths for line in _read(path)]
    return sorted(lines, key=lambda line: line.time)


def newest_lines(lines: Sequence[HistoryLine]) -> list[HistoryLine]:
    """The lines of the commit that was measured last; without a commit, those of the run that was."""
    last = max(lines, key=lambda line: line.time, default=None)
    return [line for line in lines if last is not None and _revision(line) == _revision(last)]


def readings(lines: Sequence[HistoryLine], metrics: Sequence[str] = ()) -> Iterator[Reading]:
    """The numbers of lines, in the order of their commits; one for each metric, measurement and commit.

    Args:
        lines: The lines.
        metrics: Patterns of metrics; none for all.
    """
    names = _names(lines)
    groups: dict[tuple[str, str, Labels], list[HistoryLine]] = defaultdict(list)
    for line in lines:
        groups[*_revision(line), line.labels].append(line)
    wanted: dict[str, Number | None] = {}
    for (*_, labels), group in groups.items():
        for metric in dict.fromkeys(metric for line in group for metric in line.values):
            if metric not in wanted:
                chosen = not metrics or any(fnmatchcase(metric, each) for each in metrics)
                wanted[metric] = read_number(metric, 0.0) if chosen else None
            if (number := wanted[metric]) is not None:
                values = [line.values[metric] for line in group if metric in line.values]
                low, high = min(values), max(values)
                mean = low if low == high else fmean(values)
                yield Reading(names[labels], Number(number.metric, number.pool, mean), low, high, group[-1])


def _read(path: Path) -> Sequence[HistoryLine]:
    try:
        with path.open("rb") as file:
            head = file.read(max(len(HEAD), len(SWEEP)))
    except OSError:
        head = b"?"
    # A history may be empty; a report never is.
    if head.startswith(HEAD) or HEAD.startswith(head):
        return read_history(path)
    if head.startswith(SWEEP):
        raise MeasurementError(f"{printable(str(path))} is a sweep. `pytest-vmaf benchmark` ranks its encoders.")
    lines = history_lines(read_report(path))
    # Without a commit, the shards of one report belong together nevertheless.
    end = max((line.time for line in lines), default="")
    return [line if line.commit else replace(line, time=end) for line in lines]


def _revision(line: HistoryLine) -> tuple[str, str]:
    return line.branch, line.commit or line.time


def _names(lines: Iterable[HistoryLine]) -> dict[Labels, str]:
    """A name for each measurement, with its run, platform and model where these tell measurements apart."""
    groups: dict[str, list[Labels]] = defaultdict(list)
    for labels in dict.fromkeys(line.labels for line in lines):
        what = f"{labels.subject} at {labels.target}" if labels.target else labels.subject
        groups["::".join(filter(None, (labels.test, what)))].append(labels)
    names: dict[Labels, str] = {}
    for name, group in groups.items():
        first = Labels._fields.index("run")
        differ = [part for part in range(first, len(Labels._fields)) if len({labels[part] for labels in group}) > 1]
        for labels in group:
            more = ", ".join(filter(None, (labels[part] for part in differ)))
            names[labels] = f"{name} [{more}]" if more else name
    return names
