"""Repeated encodes: their mean as one entry, and how much of a difference is the encoder's own noise. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from pytest_vmaf.baselines.entry import DIGITS, Entry, frames_entry, frames_of
from pytest_vmaf.baselines.judge import ToleranceVerdict, refuse_incomparable, says
from pytest_vmaf.errors import BaselineError

#: A difference of two means is noise within so many of its standard errors: about 95 of 100 of those by chance are.
ERRORS = 2.0
Deviations = dict[str, dict[str, dict[str, float]]]


def mean_entry(entries: Sequence[Entry]) -> Entry:
    """The means of the entries of repeated encodes, with the sample standard deviation of each number.

    Raises BaselineError where they are not of one thing.
    """
    first = entries[0]
    if len(entries) == 1:
        return first
    for other in entries[1:]:
        refuse_incomparable(first, other, "(They are to be repeated encodes of one source with one encoder.)")
    deviations: Deviations = {"": _deviations([each["values"] for each in entries])}
    mean = {**first, **_mean(entries)}
    for name in first.get("regions") or {}:
        parts = [each["regions"][name] for each in entries if name in (each.get("regions") or {})]
        if len(parts) < len(entries):
            raise BaselineError(f"The region {name!r} is not in each of the {len(entries)} repeated measurements.")
        mean["regions"] = {**mean["regions"], name: {**parts[0], **_mean(parts)}}
        deviations[name] = _deviations([part["values"] for part in parts])
    return {**mean, "noise": noise_entry(deviations, len(entries))}


def noise_entry(deviations: Deviations, n: int) -> Entry:
    """What an entry keeps of the spread of ``n`` repeats."""
    return {"n": n, "stdev": deviations}


def with_margins(held: Sequence[ToleranceVerdict], old: Entry, new: Entry) -> list[ToleranceVerdict]:
    """Each with the margin 2 · sqrt(s_old²/n_old + s_new²/n_new), in its tolerance's unit; 0 without repeats.

    Raises BaselineError where a margin is larger than its tolerance and decides: then nothing can be said.
    """
    found = []
    for each in held:
        tolerance = each.tolerance
        error = math.hypot(*(_standard_error(entry, each) for entry in (old, new)))
        margin = ERRORS * error
        if tolerance.relative and each.old:
            margin = 100 * margin / abs(each.old)
        limit = tolerance.limit or 0.0
        # Far beyond the noise on either side it is clear all the same.
        if margin > limit and limit - margin < each.worse <= limit + margin:
            unit = " %" if tolerance.relative else ""
            raise BaselineError(
                f"nothing can be said: {margin:.3g}{unit} are noise, and {tolerance.name} is {tolerance.shown}: "
                f"{says(each)}\n"
                "  Repeated encodes differ by more among themselves than the tolerance allows. Repeat more often (four "
                "times as many\n  halve the noise), or allow more."
            )
        found.append(replace(each, margin=margin))
    return found


def _standard_error(entry: Entry, held: ToleranceVerdict) -> float:
    noise = entry.get("noise")
    if not noise or noise["n"] < 2:
        return 0.0
    metric, pool = held.tolerance.metric, held.tolerance.pool
    deviation: float = noise["stdev"].get(held.where, {}).get(metric, {}).get(pool, 0.0)
    return deviation / math.sqrt(noise["n"])


def _mean(entries: Sequence[Mapping[str, Any]]) -> Entry:
    values = {
        metric: {pool: round(fmean(numbers), DIGITS) for pool, numbers in pools.items()}
        for metric, pools in _together([each["values"] for each in entries]).items()
    }
    frames = [frames_of(each) for each in entries]
    means = [fmean(column) for column in zip(*(each for each, _ in frames), strict=True)]
    return {"values": values, "frames": {**frames_entry(means), "span": frames[0][1]}}


def _deviations(values: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        metric: {pool: round(stdev(numbers), 2 * DIGITS) for pool, numbers in pools.items()}
        for metric, pools in _together(values).items()
    }


def _together(values: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, list[float]]]:
    """The numbers that all have, by metric and pool."""
    return {
        metric: {
            pool: [each[metric][pool] for each in values]
            for pool in pools
            if all(pool in each.get(metric, {}) for each in values)
        }
        for metric, pools in values[0].items()
    }
