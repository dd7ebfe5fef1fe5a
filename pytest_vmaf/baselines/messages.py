"""Texts about baselines: verdicts, failures with their remedy, and drift by frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pytest_vmaf.baselines.drift import drift_lines, drift_of
from pytest_vmaf.baselines.entry import DIGITS, Entry, paired_frames
from pytest_vmaf.baselines.judge import ToleranceVerdict, tool_differences
from pytest_vmaf.gates.metrics import BD_RATE, decimals, label, metric_of
from pytest_vmaf.text import printable


def verdict_text(verdict: ToleranceVerdict) -> str:
    """A verdict in words, numbers first: "NEG 92.10 is 0.90 below the baseline's 93.00; max_drop is 0.5"."""
    if verdict.why or verdict.old is None or verdict.new is None:
        return verdict.why
    tolerance, metric = verdict.tolerance, verdict.tolerance.metric
    unit, digits = f" {metric_of(metric).unit}".rstrip(), decimals(metric, verdict.old, verdict.new)
    value, base = (f"{number:,.{digits}f}".replace("-", "−") for number in (verdict.new, verdict.old))
    name = "" if metric == "bitrate" else f"{label(metric)} "
    pool = "" if tolerance.pool == "mean" else f"{tolerance.pool} "
    where = f"{printable(verdict.where)}: " if verdict.where else ""
    limit = f"{tolerance.name} is {tolerance.limit_text}"
    if not verdict.worse:
        return f"{where}{name}{pool}{value}{unit} is the baseline's; {limit}"
    side = "above" if (verdict.worse > 0) == (tolerance.direction == "rise") else "below"
    noise = f", within the encoder's own noise of {verdict.margin:.3g} beyond it" if verdict.by_noise else ""
    far = _distance(verdict, digits)
    return f"{where}{name}{pool}{value}{unit} is {far} {side} the baseline's {base}{unit}; {limit}{noise}"


def failure_lines(failed: Sequence[ToleranceVerdict], old: Entry, new: Entry, rate: Fraction | None) -> list[str]:
    """The details of failed verdicts: how much is missing, which frames lost, and which tools differ."""
    lines = [_missed(each) for each in failed]
    for where in dict.fromkeys(each.where for each in failed):
        lines += _drift(old, new, where, rate)
    differences = tool_differences(old, new)
    return [*lines, f"different tools: {'; '.join(differences)}"] if differences else lines


def _distance(verdict: ToleranceVerdict, digits: int) -> str:
    tolerance, worse = verdict.tolerance, abs(verdict.worse)
    places = 2 if tolerance.relative else digits
    # What missed the limit by a hair must not look as if it met it.
    while places < DIGITS and round(worse, places) == (tolerance.limit or 0.0) != worse:
        places += 1
    unit = " %" if tolerance.relative else " points" if tolerance.metric == BD_RATE else ""
    return f"{worse:,.{places}f}{unit}"


def _missed(verdict: ToleranceVerdict) -> str:
    tolerance = verdict.tolerance
    name = f"{tolerance.name} in {printable(verdict.where)}" if verdict.where else tolerance.name
    unit = " %" if tolerance.relative else ""
    text = verdict.why or f"missed by {verdict.worse - (tolerance.limit or 0.0):.3g}{unit}"
    return f"{name}: {text} (set by the {tolerance.origin})"


def _drift(old: Entry, new: Entry, where: str, rate: Fraction | None) -> list[str]:
    frames = paired_frames(old, new, where)
    drift = drift_of(*frames[:2]) if frames else None
    of = f"{printable(where)}: " if where else ""
    return [f"{of}NEG by frame: {line}" for line in drift_lines(drift, rate, frames[2])] if frames and drift else []
