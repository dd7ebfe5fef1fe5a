"""Repeated encodes: the entry of their means, and the margin that their noise adds to a tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from pytest_vmaf.baselines.entry import DIGITS, Entry, frames_entry, frames_of
from pytest_vmaf.baselines.judge import ToleranceVerdict, refuse_incomparable
from pytest_vmaf.baselines.messages import verdict_text
from pytest_vmaf.errors import BaselineError

#: A difference of two means counts as noise within this many standard errors, which 95 of 100 by chance are.
ERRORS = 2.0


def mean_entry(entries: Sequence[Entry]) -> Entry:
    """Average the entries of repeated encodes, and add the sample standard deviation of each number.

    Raises:
        BaselineError: If they were not measured under the same conditions.
    """
    first = entries[0]
    if len(entries) == 1:
        return first
    for other in entries[1:]:
        refuse_incomparable(first, other, lambda: "(Repeated encodes must be of one source and by one encoder.)")
    deviations = {"": _combine(entries, stdev, 2 * DIGITS)}
    mean = {**first, **_mean(entries)}
    for name in first.get("regions") or {}:
        parts = [each["regions"][name] for each in entries if name in (each.get("regions") or {})]
        if len(parts) < len(entries):
            raise BaselineError(f"The region {name!r} must be in each of the {len(entries)} repeated measurements.")
        mean["regions"] = {**mean["regions"], name: {**parts[0], **_mean(parts)}}
        deviations[name] = _combine(parts, stdev, 2 * DIGITS)
    return {**mean, "noise": {"n": len(entries), "stdev": deviations}}


def with_margins(verdicts: Sequence[ToleranceVerdict], old: Entry, new: Entry) -> list[ToleranceVerdict]:
    """Add to each verdict the margin 2 · sqrt(s_old²/n_old + s_new²/n_new), in its tolerance's unit; 0 without repeats.

    Raises:
        BaselineError: If a margin is larger than its tolerance and would decide.
    """
    return [replace(each, margin=_margin(each, old, new)) for each in verdicts]


def _margin(verdict: ToleranceVerdict, old: Entry, new: Entry) -> float:
    tolerance, limit = verdict.tolerance, verdict.tolerance.limit or 0.0
    margin = ERRORS * math.hypot(*(_standard_error(entry, verdict) for entry in (old, new)))
    if tolerance.relative and verdict.old:
        margin = 100 * margin / abs(verdict.old)
    # Far beyond the noise on either side the verdict is clear all the same.
    if margin > limit and limit - margin < verdict.worse <= limit + margin:
        unit = " %" if tolerance.relative else ""
        raise BaselineError(
            f"too noisy to decide: repeated encodes vary by {margin:.3g}{unit}, more than {tolerance.name}="
            f"{tolerance.limit_text}: {verdict_text(verdict)}\n"
            "  Encode more often (four times as many encodes halve the noise), or allow more."
        )
    return margin


def _standard_error(entry: Entry, verdict: ToleranceVerdict) -> float:
    noise = entry.get("noise")
    if not noise or noise["n"] < 2:
        return 0.0
    metric, pool = verdict.tolerance.metric, verdict.tolerance.pool
    deviation: float = noise["stdev"].get(verdict.where, {}).get(metric, {}).get(pool, 0.0)
    return deviation / math.sqrt(noise["n"])


def _mean(entries: Sequence[Mapping[str, Any]]) -> Entry:
    frames = [frames_of(each) for each in entries]
    means = [fmean(column) for column in zip(*(each for each, _ in frames), strict=True)]
    return {
        "values": _combine(entries, fmean, DIGITS),
        "frames": {**frames_entry(means), "span": frames[0][1]},
    }


def _combine(
    entries: Sequence[Mapping[str, Any]], statistic: Callable[[Iterable[float]], float], digits: int
) -> dict[str, dict[str, float]]:
    """A statistic of each number that all entries have, by metric and pool."""
    values = [each["values"] for each in entries]
    return {
        metric: {
            pool: round(statistic([each[metric][pool] for each in values]), digits)
            for pool in pools
            if all(pool in each.get(metric, {}) for each in values)
        }
        for metric, pools in values[0].items()
    }
