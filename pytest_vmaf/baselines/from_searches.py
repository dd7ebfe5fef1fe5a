"""Baseline numbers of searches: a bitrate for each target, a BD-rate for each encoder."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from statistics import fmean, stdev
from typing import Any

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.bisection import Answer, Bisection
from pytest_vmaf.search.comparison import Comparison

Values = dict[str, dict[str, float]]


def rates_at_target(bisection: Bisection, answer: Answer) -> list[float]:
    """The bitrate in bit/s at the target itself, one for each time that the answer's CRF was encoded.

    The bitrate is log-linear between the answer and the next coarser encode, which is below the target. The bitrate of
    the answer alone would jump by some 5 % from one CRF to the next; this one changes only as much as the encoder.
    """
    following, rates = answer.next_probe, []
    for bitrate, score in [(answer.bitrate, answer.score), *_repeats(bisection, answer)]:
        if following is None or not following.score < min(answer.target, score):
            rates.append(bitrate)
            continue
        share = (score - answer.target) / (score - following.score)
        rates.append(math.exp((1 - share) * math.log(bitrate) + share * math.log(following.bitrate)))
    return rates


def _repeats(bisection: Bisection, answer: Answer) -> list[tuple[float, float]]:
    return [(probe.bitrate, probe.score) for probe in bisection.repeats.get(answer.crf, ())]


def bisect_values(bisection: Bisection) -> Values:
    """The numbers of each target; none for a target that is not reached."""
    return {
        f"{bisection.metric} {target:g}": {
            "bitrate": fmean(rates_at_target(bisection, answer)),
            "crf": float(answer.crf),
            "score": answer.score,
        }
        if answer.met
        else {}
        for target, answer in bisection.answers.items()
    }


def bisect_deviations(bisection: Bisection) -> dict[str, float]:
    """The sample standard deviation of each target's bitrate over its repeated encodes."""
    rates = {
        f"{bisection.metric} {target:g}": rates_at_target(bisection, answer)
        for target, answer in bisection.answers.items()
        if answer.met
    }
    return {where: stdev(each) for where, each in rates.items() if len(each) > 1}


def bisect_match(bisection: Bisection) -> dict[str, str]:
    """What must be equal in two bisections that are compared, in addition to the scoring."""
    return {
        "encoder": encoder_text(bisection),
        "metric": str(bisection.metric),
        "sample": "all" if bisection.sample is None else f"{bisection.sample[1]} frames from {bisection.sample[0]}",
    }


def encoder_text(bisection: Bisection) -> str:
    """The encoder with its preset and arguments; the command of a command encoder."""
    command = shlex.join(bisection.encoder.command) if bisection.encoder.command else bisection.name
    return " ".join([command, *bisection.arguments])


def compare_values(comparison: Comparison) -> Values:
    """Each encoder's BD-rate against the first one, in percent; none if the curves hardly overlap.

    Raises:
        SettingsError: If there is only one encoder.
    """
    anchor, *others = comparison.labels
    if not others:
        raise SettingsError(
            f"A baseline of vmaf.compare requires at least two encoders, not only {anchor}. Use vmaf.bisect for one."
        )
    values: Values = {}
    for label in others:
        try:
            values[label] = {"bd_rate": float(comparison.bd_rate(label, anchor=anchor))}
        except MeasurementError:
            values[label] = {}
    return values


def compare_match(comparison: Comparison) -> dict[str, str]:
    """What must be equal in two comparisons that are compared; a BD-rate depends on the targets."""
    first = next(iter(comparison.bisections.values()))
    return {
        **{f"encoder {label}": encoder_text(one) for label, one in first.items()},
        "anchor": comparison.labels[0],
        "metric": str(comparison.metric),
        "targets": ", ".join(f"{target:g}" for target in comparison.targets),
        "sources": str(len(comparison.bisections)),
    }


def start_of(entry: Mapping[str, Any]) -> dict[float, int]:
    """Where a bisection may begin: the CRF of each target that the entry contains."""
    start = {}
    for where, values in entry["values"].items():
        try:
            start[float(where.rpartition(" ")[2])] = int(values["crf"])
        except (ValueError, KeyError):
            continue
    return start
