"""What changed between two reports, for example those of a pull request and of the branch it goes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report.delta_pairs import Pair, pairs
from pytest_vmaf.report.numbers import Number, numbers_of
from pytest_vmaf.report.order import is_quiet, rank, scale
from pytest_vmaf.report.schema import DROP, IN_PERCENT, RISE, Record

#: The largest change that counts as none, in points of VMAF and what weighs as much: a decibel, a hundredth of SSIM, a
#: percent of a bitrate or of a speed.
TOLERANCE = 0.01
#: Numbers that are compared although no gate limits them: the size where the bitrate is not known.
HEADLINE = ("neg", "bitrate", "size")
#: Features that every scoring measures.
ALWAYS = ("psnr_y", "psnr_cb", "psnr_cr")


@dataclass(frozen=True)
class Change:
    """One number of one measurement, before and after.

    Attributes:
        run: The name of the run, "" where a report has only one.
        test: The id of the test.
        clip: The distorted clip, or what else was measured.
        number: The number in the new report; of what is gone, the one in the base report.
        before: The value in the base report, None for a new measurement.
        after: The value in the new report, None for one that is gone.
        gate: The gate on this number with the smallest margin in the new report.
        is_verdict: Whether the values are 1 for a gate that passed and 0 for one that failed.
    """

    run: str
    test: str
    clip: str
    number: Number
    before: float | None
    after: float | None
    gate: Record | None = None
    is_verdict: bool = False

    @property
    def difference(self) -> float | None:
        """After minus before, None if one of them is missing."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def weight(self) -> float:
        """How much worse the number is, in points of VMAF and what weighs as much; negative if it is better."""
        if self.is_verdict or not self.difference:
            return -(self.difference or 0.0)
        share = self.difference / scale({"metric": self.number.metric, "limit": self.before})
        return -share if self.number.higher_is_better else share

    @property
    def fails(self) -> bool:
        """Whether the gate on the number fails in the new report."""
        return self.gate is not None and not self.gate["passed"]


@dataclass(frozen=True)
class Delta:
    """What changed between two reports.

    Attributes:
        worse: The numbers that got worse, failed gates first, then the worst.
        better: The numbers that got better, the best first.
        new: The measurements that the base report lacks, each by its first number.
        gone: The measurements that the new report lacks, likewise.
        incomparable: What was not measured, or with another model or other settings.
        unchanged: How many measurements did not change.
        notes: What else differs, such as versions of tools.
    """

    worse: tuple[Change, ...]
    better: tuple[Change, ...]
    new: tuple[Change, ...]
    gone: tuple[Change, ...]
    incomparable: tuple[Pair, ...]
    unchanged: int
    notes: tuple[str, ...]


def compare(base: Record, new: Record, tolerance: float = TOLERANCE) -> Delta:
    """Compare the measurements of two documents.

    Args:
        base: The document to compare with.
        new: The document.
        tolerance: The largest change that counts as none, in points of VMAF and what weighs as much.
    """
    incomparable, compared, new_ones, gone = [], list[list[Change]](), list[Change](), list[Change]()
    notes: dict[str, None] = {}
    for pair in pairs(base, new):
        if pair.obstacle:
            incomparable.append(pair)
        elif pair.before is None or pair.after is None:
            (gone if pair.after is None else new_ones).append(_first(pair))
        else:
            notes |= dict.fromkeys(pair.tools)
            compared.append([each for each in _changes(pair) if abs(each.weight) > tolerance or _falls(each)])
    changes = [change for each in compared for change in each]
    return Delta(
        worse=tuple(sorted((each for each in changes if each.weight > 0), key=_worst_first)),
        better=tuple(sorted((each for each in changes if each.weight < 0), key=lambda each: each.weight)),
        new=tuple(sorted(new_ones, key=_worst_first)),
        gone=tuple(gone),
        incomparable=tuple(incomparable),
        unchanged=sum(not each for each in compared),
        notes=tuple(notes),
    )


def _falls(change: Change) -> bool:
    """Whether a small change matters all the same, because a gate fails."""
    return change.fails and change.weight > 0


def _worst_first(change: Change) -> tuple[bool, float]:
    return not change.fails, -change.weight


def _changes(pair: Pair) -> Iterator[Change]:
    """Every number that both measurements have and that is compared, and the gates without a number."""
    before, after = pair.before or {}, pair.after or {}
    old, new = numbers_of(before), numbers_of(after)
    names = _compared(before, old) | _compared(after, new)
    place = (pair.run, pair.test, pair.clip)
    used = []
    for name, number in new.items():
        if name in names and name in old:
            gate = _gate_on(after, number)
            used.append(gate)
            yield Change(*place, number, old[name].value, number.value, gate)
    verdicts = {gate["name"]: gate for gate in before["gates"] if gate.get("passed") is not None}
    for gate in after["gates"]:
        # A number that is in a row shows its gate there.
        if (gate.get("text") or " " in gate["metric"]) and not any(gate is each for each in used):
            passed, passes = float(verdicts.get(gate["name"], {"passed": True})["passed"]), float(gate["passed"])
            yield Change(*place, Number(gate["name"], "mean", passes), passed, passes, gate, is_verdict=True)


def _first(pair: Pair) -> Change:
    """The first number of a measurement that only one report has; its verdict, if it has no number."""
    measurement = pair.after or pair.before or {}
    passed = float(measurement["status"] == "passed")
    numbers = numbers_of(measurement)
    number = numbers.get("neg") or next(iter(numbers.values()), None) or Number("gates", "mean", passed)
    failed = min((gate for gate in measurement["gates"] if gate.get("passed") is False), key=rank, default=None)
    place, is_verdict = (pair.run, pair.test, pair.clip), number.metric == "gates"
    if pair.after is None:
        return Change(*place, number, number.value, None, is_verdict=is_verdict)
    return Change(*place, number, None, number.value, failed or _gate_on(measurement, number), is_verdict=is_verdict)


def _compared(measurement: Record, numbers: Mapping[str, Number]) -> set[str]:
    """The names of the numbers that are compared: NEG, the bitrate or the size, features, and what a gate limits."""
    gates = [gate for gate in measurement["gates"] if gate.get("passed") is not None and not is_quiet(gate)]
    gated = {Number(gate["metric"], gate["pool"], 0.0).name for gate in gates if not gate.get("text")}
    features = (name for name in measurement.get("features") or () if name not in ALWAYS)
    headline = HEADLINE[:2] if "bitrate" in numbers else HEADLINE
    return {*headline, *features, *gated}


def _gate_on(measurement: Record, number: Number) -> Record | None:
    """The gate on a number, or on its change since a baseline, with the smallest margin."""
    name = label(number.metric)
    metrics = {number.metric, *(f"{change}{name}{unit}" for change in (DROP, RISE) for unit in ("", IN_PERCENT))}
    gates = [
        gate
        for gate in measurement["gates"]
        if gate.get("margin") is not None and gate["metric"] in metrics and not gate.get("text")
    ]
    same = (gate for gate in gates if Number(number.metric, gate["pool"], 0.0).name == number.name)
    return min(same, key=rank, default=None)
