"""Series of a history: the numbers of one metric of one measurement over commits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pytest_vmaf.gates.metrics import (
    ABOVE,
    BD_RATE,
    ENCODE_METRICS,
    SPEED_METRICS,
    STREAM_METRICS,
    Metric,
    decimals,
    metric_of,
)
from pytest_vmaf.gates.tolerance import DEFAULTS
from pytest_vmaf.history.line import HistoryLine, Labels
from pytest_vmaf.report.numbers import read_number
from pytest_vmaf.report.overview import COMMIT
from pytest_vmaf.report.wording import short_id
from pytest_vmaf.text import printable

#: Where no baseline states a tolerance: points of a mean and of the worst frames, the share of a small value such as
#: SSIM that counts as a point, the percentages of a rate and of a speed, and less than one of what is counted.
POINTS, POINTS_OF_WORST = (float(DEFAULTS["score"][name]) for name in ("max_drop", "max_drop_p5"))
SMALL, RATE, OF_SPEED, OF_COUNT = 0.01, "2%", "5%", 0.5
#: The metrics that come first.
FIRST = ("neg", "vmaf", "gap", "bitrate", "size")


@dataclass(frozen=True)
class Revision:
    """A commit, or the time of a run that does not name its commit.

    Attributes:
        commit: The commit; "" if it is not known.
        time: When it was first measured.
        branch: The branch of that run.
        build: The CI job of that run.
        url: The page of that job. It may be anything.
    """

    commit: str
    time: str
    branch: str = ""
    build: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """The commit in short, or the time."""
        return printable(self.commit[:COMMIT]) or self.time[:16].replace("T", " ")


@dataclass(frozen=True)
class Series:
    """The numbers of one metric of one measurement.

    Attributes:
        test: The test's id.
        of: What tells this series from others of the test: the clip or encoder, the target, the run, the platform and
            the model, as far as they differ; else "".
        metric: The metric, with its pool if that is not the usual one.
        at: For each number, the index of its revision.
        values: The numbers; of several runs of one commit, their mean.
        runs: How many runs each number is the mean of.
        tolerance: The limit on a change, a number or a percentage.
        tools: For each number, the versions that measured it.
        target: What a search looked for; "" if there was no search.
    """

    test: str
    of: str
    metric: str
    at: tuple[int, ...]
    values: tuple[float, ...]
    runs: tuple[int, ...]
    tolerance: float | str
    tools: tuple[Mapping[str, str], ...] = ()
    target: str = ""

    @property
    def name(self) -> str:
        """The test in short, and what tells the series from others of it."""
        return " · ".join(filter(None, (short_id(self.test), self.of)))

    @property
    def pool(self) -> str:
        """The pool that is a part of the metric's name; "" if there is none."""
        number = read_number(self.metric, 0.0)
        return number.pool if number.name != number.metric else ""

    @property
    def about(self) -> Metric:
        """The metric's label, unit and direction."""
        return metric_of(read_number(self.metric, 0.0).metric)

    @property
    def label(self) -> str:
        """The metric in words, for example "NEG p5"."""
        return f"{self.about.label} {self.pool}".rstrip()

    @property
    def digits(self) -> int:
        """The decimals of printed values."""
        return decimals(self.about.name, max(map(abs, self.values)), *self.values)

    def limit(self, value: float) -> float:
        """The tolerance in the metric's unit, for a change of this value."""
        if isinstance(self.tolerance, str):
            return abs(value) * float(self.tolerance.rstrip("%")) / 100
        return self.tolerance


@dataclass(frozen=True)
class History:
    """Series over the same revisions.

    Attributes:
        revisions: The commits, the oldest first.
        series: The series, by test and metric.
        branch: The branch they are of; "" for any.
        others: Other branches, whose lines were left out.
    """

    revisions: tuple[Revision, ...]
    series: tuple[Series, ...]
    branch: str = ""
    others: tuple[str, ...] = ()


def select(
    lines: Iterable[HistoryLine], *, tests: Sequence[str] = (), branches: Sequence[str] = (), last: int | None = None
) -> list[HistoryLine]:
    """The lines of some tests and branches, in the order of their times.

    Args:
        lines: The lines.
        tests: Patterns with `*` and `?`, of which a test's id, or its end after `::`, must match one.
        branches: Such patterns of branches.
        last: The number of commits, counted from the newest.
    """
    ordered = sorted(lines, key=lambda line: line.time)
    chosen = [
        line for line in ordered if matches(tests, line.test, short_id(line.test)) and matches(branches, line.branch)
    ]
    if last is None:
        return chosen
    names = list(dict.fromkeys(line.commit or line.time for line in chosen))
    newest = {*names[max(0, len(names) - last) :]}
    return [line for line in chosen if (line.commit or line.time) in newest]


def matches(patterns: Sequence[str], *names: str) -> bool:
    """Whether one of the names is one of the patterns or matches it, or there is no pattern.

    The brackets of a parametrized test are a part of its name, although they have a meaning in a pattern.
    """
    return not patterns or any(name == each or fnmatchcase(name, each) for name in names for each in patterns)


def main_branch(lines: Iterable[HistoryLine]) -> str:
    """The branch with the most commits; the one that was measured first of several; "" if no line names its branch."""
    commits = dict.fromkeys((line.branch, line.commit or line.time) for line in lines if line.branch)
    counts = Counter(branch for branch, _ in commits)
    return max(counts, key=lambda branch: counts[branch], default="")


def make_history(
    lines: Sequence[HistoryLine],
    *,
    order: Sequence[str] = (),
    metrics: Sequence[str] = (),
    tolerances: dict[str, float | str] | None = None,
) -> History:
    """Put lines into series.

    Args:
        lines: The lines, of one branch or of several.
        order: Commits, the oldest first; others are left out. Default: as they were measured first.
        metrics: Patterns of the metrics. Default: all.
        tolerances: Limits on changes by metric, before those of baselines.
    """
    indexes: dict[str, int] = {}
    revisions: list[Revision] = []
    for line in _in_order(sorted(lines, key=lambda line: line.time), order):
        if (name := line.commit or line.time) not in indexes:
            indexes[name] = len(revisions)
            revisions.append(Revision(line.commit, line.time, line.branch, line.build, line.url))
    subjects = _several_subjects(lines)
    points: dict[tuple[Labels, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    limits: dict[tuple[Labels, str], float | str] = {}
    tools: dict[Labels, dict[int, Mapping[str, str]]] = defaultdict(dict)
    wanted: dict[str, bool] = {}
    for line in lines:
        at = indexes.get(line.commit or line.time)
        if at is None:
            continue
        key = line.labels if line.test in subjects else line.labels._replace(subject="")
        tools[key][at] = line.tools
        for metric, value in line.values.items():
            if metric not in wanted:
                wanted[metric] = matches(metrics, metric)
            if wanted[metric]:
                points[key, metric][at].append(value)
        if line.tolerances:
            limits.update({(key, metric): limit for metric, limit in line.tolerances.items()})
    names = _names({key for key, _ in points})
    series = []
    for (key, metric), values in points.items():
        means = {at: each[0] if len(each) == 1 else sum(each) / len(each) for at, each in sorted(values.items())}
        made = Series(
            key.test,
            names[key],
            metric,
            tuple(means),
            tuple(means.values()),
            tuple(len(values[at]) for at in means),
            0.0,
            tuple(tools[key][at] for at in means),
            key.target,
        )
        limit = (tolerances or {}).get(metric, limits.get((key, metric)))
        series.append(replace(made, tolerance=_usual_tolerance(made) if limit is None else limit))
    return History(tuple(revisions), tuple(sorted(series, key=_place)))


def _in_order(lines: Sequence[HistoryLine], order: Sequence[str]) -> Iterable[HistoryLine]:
    if not order:
        return lines
    exact = {commit: rank for rank, commit in enumerate(order)}
    ranks = {}
    for commit in {line.commit for line in lines if line.commit}:
        # A list of git has full commits, a server may name a short one, or the other way round.
        near = (rank for each, rank in exact.items() if each.startswith(commit) or commit.startswith(each))
        if (rank := exact.get(commit, next(near, None))) is not None:
            ranks[commit] = rank
    return sorted((line for line in lines if line.commit in ranks), key=lambda line: ranks[line.commit])


def _place(series: Series) -> tuple[str, str, int, str]:
    """The sort key of a series: by test, NEG first."""
    rank = FIRST.index(series.metric) if series.metric in FIRST else len(FIRST)
    return series.test, series.of, rank, series.metric


def _several_subjects(lines: Iterable[HistoryLine]) -> set[str]:
    """The tests that measure several things in a run. For others, the name of a clip need not stay the same."""
    subjects: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for line in lines:
        subjects[line.test, line.time, line.run, line.platform, line.commit].add(line.subject)
    return {key[0] for key, names in subjects.items() if len(names) > 1}


def _names(keys: Iterable[Labels]) -> dict[Labels, str]:
    """For each key, what of it differs from key to key of the same test."""
    names: dict[Labels, str] = {}
    by_test: dict[str, list[Labels]] = defaultdict(list)
    for key in keys:
        by_test[key.test].append(key)
    for group in by_test.values():
        parts = [part for part in range(1, len(Labels._fields)) if len({key[part] for key in group}) > 1]
        names |= {key: " · ".join(key[part] for part in parts if key[part]) for key in group}
    return names


def _usual_tolerance(series: Series) -> float | str:
    name = series.about.name
    if name in ("crf", ABOVE, "keyframe_distance", "level"):
        return OF_COUNT
    if name in (*ENCODE_METRICS, *STREAM_METRICS):
        return RATE
    if name in SPEED_METRICS:
        return OF_SPEED
    if name == BD_RATE:
        return float(DEFAULTS["compare"]["max_bd_rate_rise"])
    points = POINTS if not series.pool else POINTS_OF_WORST
    return points * SMALL if series.digits > 2 else points
