"""Agreement with a baseline: the rate-quality points of an entry, and whether metrics fall where another one gains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_vmaf.baselines.entry import Entry
from pytest_vmaf.errors import BaselineError, MeasurementError
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.equal_rate import (
    BITRATE,
    GAIN,
    LOSS,
    EqualRateVerdict,
    Points,
    judge_equal_rate,
    rate_of_target,
    sorted_points,
)
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe

#: Decimals of stored points. libvmaf logs six, and bitrates are large.
RATE_DIGITS, VALUE_DIGITS = 4, 6
#: By place (a target, in comparisons with the encoder's label before it), the points on each source.
StoredPoints = dict[str, list[dict[str, list[float]]]]
#: What counts as a change, for the details of a failure.
NOISE_LINE = f"agree: a gain counts from {GAIN:g} % of bitrate on, a loss from {LOSS:g} %"


@dataclass(frozen=True)
class EqualRateCheck:
    """What `agree=` compares.

    Attributes:
        metric: The metric of the targets.
        judges: The independent metrics.
        targets: The targets.
        searches: By label ("" for a bisection), the bisection of each source; none before the search.
    """

    metric: Metric
    judges: tuple[Metric, ...]
    targets: tuple[float, ...]
    searches: Mapping[str, Sequence[Bisection]]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metric of the targets first."""
        return tuple(dict.fromkeys((self.metric, *self.judges)))

    def points(self) -> StoredPoints:
        """The answer and its coarser neighbour of each target that is met on every source, for the entry."""
        stored: StoredPoints = {}
        for label, bisections in self.searches.items():
            for target in self.targets:
                answers = [bisection.answers[target] for bisection in bisections]
                if all(answer.met for answer in answers):
                    pairs = [[each for each in (answer.probe, answer.next_probe) if each] for answer in answers]
                    stored[place(label, self.metric, target)] = [_points(probes, self.metrics) for probes in pairs]
        return stored

    def rates(self, entry: Entry, label: str, source: int) -> tuple[float, ...]:
        """The bitrates of an entry that a new search must surround, in bit/s."""
        stored = entry.get("points") or {}
        places = {place(label, self.metric, target): target for target in self.targets}
        return tuple(
            rate_of_target(stored[where][source], self.metric.text, target)
            for where, target in places.items()
            if source < len(stored.get(where, ()))
        )

    def require_points(self, entry: Entry, update: str) -> None:
        """Check that an entry has points of every metric.

        Raises:
            BaselineError: If it has not. The message names the command that renews it.
        """
        stored = entry.get("points")
        every = [points for each in (stored or {}).values() for points in each]
        lacking = [metric.text for metric in self.metrics if any(metric.text not in points for points in every)]
        if stored is None or lacking:
            of = f" of {', '.join(lacking)}" if lacking else ""
            raise BaselineError(
                f"agree compares at equal bitrate, and the baseline has no rate-quality points{of}.\n"
                f"  Renew it with an encoder that is known to be good: {update}"
            )

    def judge(self, entry: Entry) -> tuple[EqualRateVerdict, ...]:
        """Compare the metrics at the bitrates of an entry, for each target that was met then and is met now.

        Raises:
            BaselineError: If the new encodes do not surround these bitrates.
        """
        stored: Mapping[str, Sequence[Points]] = entry.get("points") or {}
        verdicts = []
        for label, bisections in self.searches.items():
            places = {place(label, self.metric, target): target for target in self.targets}
            before = {where: stored[where] for where in places if where in stored}
            if not all(bisection.points for bisection in bisections):
                continue
            now = [_points(bisection.points, self.metrics) for bisection in bisections]
            if strange := [where for where, points in before.items() if len(points) != len(now)]:
                raise BaselineError(
                    f"agree cannot compare {strange[0]}: the baseline has points of {len(before[strange[0]])} sources, "
                    f"not of {len(now)}. Was it edited? Write it again."
                )
            judges = [(metric, _higher_is_better(metric, bisections)) for metric in self.metrics]
            for where, points in before.items():
                every = [[each[source] for each in before.values()] for source in range(len(points))]
                try:
                    pairs = list(zip(points, every, strict=True))
                    verdicts.append(judge_equal_rate(where, places[where], pairs, now, judges))
                except MeasurementError as error:
                    raise BaselineError(f"agree cannot compare {error}") from None
        return tuple(verdicts)


def place(label: str, metric: Metric, target: float) -> str:
    """The place of a target in an entry: "NEG 93", or "candidate: NEG 93" for an encoder of a comparison."""
    return f"{label}: {metric} {target:g}" if label else f"{metric} {target:g}"


#: What a baseline compares with `agree=`, None without it.
Agree = EqualRateCheck | None


def equal_rates_of(check: Agree, entry: Entry) -> tuple[tuple[EqualRateVerdict, ...], str]:
    """The comparison with an entry at equal bitrate, or why there is none."""
    try:
        return (check.judge(entry) if check else ()), ""
    except BaselineError as error:
        return (), str(error)


def failures_of(verdicts: Sequence[EqualRateVerdict], why: str, name: str, failures: Sequence[str]) -> list[str]:
    """The gains that do not count, in words. Nothing to compare is a failure, too.

    Args:
        verdicts: The verdicts at each target.
        why: Why there is none, "" if there are any.
        name: The name of the baseline.
        failures: What failed besides.

    Raises:
        BaselineError: If the bitrates of the baseline were not reached, and nothing else failed.
    """
    if why and not failures:
        raise BaselineError(why)
    if why:
        return [why.partition("\n")[0]]
    if not verdicts:
        return [f"agree compared nothing for {name}: its baseline has no target that was met"]
    return [each.text for each in verdicts if not each.passed]


def points_misfit(entry: Entry) -> str:
    """What is wrong with the points of an entry, "" if nothing is."""
    stored = entry.get("points")
    if stored is None:
        return ""
    if entry["kind"] not in ("bisect", "compare"):
        return f"has points, which the kind {entry['kind']} does not have"
    every = [points for each in stored.values() for points in each]
    if not all(stored.values()):
        return "has points of no source"
    rates = [points.get(BITRATE) or () for points in every]
    if not all(each and each[0] > 0 and list(each) == sorted(set(each)) for each in rates):
        return "has points whose bitrates do not rise from above 0"
    if any(len(values) != len(points[BITRATE]) for points in every for values in points.values()):
        return "has points without a value for each bitrate"
    return ""


def _points(probes: Iterable[Probe], metrics: Sequence[Metric]) -> dict[str, list[float]]:
    rows = [
        (
            round(probe.bitrate, RATE_DIGITS),
            {metric.text: round(float(metric.of(probe.result)), VALUE_DIGITS) for metric in metrics},
        )
        for probe in probes
    ]
    return sorted_points(rows)


def _higher_is_better(metric: Metric, bisections: Sequence[Bisection]) -> bool:
    return metric.of(bisections[0].points[0].result).scale.higher_is_better
