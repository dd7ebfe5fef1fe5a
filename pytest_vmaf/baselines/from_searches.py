"""What baselines keep of searches: a bitrate for each target, a BD-rate for each encoder. Plain numbers, pure."""

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


def rates_at_target(found: Bisection, answer: Answer) -> list[float]:
    """The bitrate in bit/s at the target itself, log-linear between the crossing and its neighbour below the target.

    The bitrate at the crossing jumps by some 5 % from one CRF to the next; this one moves as little as the encoder did.
    One for each time that the crossing was encoded; a repeat may score a little below the target.
    """
    following, rates = answer.next_probe, []
    for bitrate, score in [(answer.bitrate, answer.score), *_repeats(found, answer)]:
        if following is None or not following.score < min(answer.target, score):
            rates.append(bitrate)
            continue
        share = (score - answer.target) / (score - following.score)
        rates.append(math.exp((1 - share) * math.log(bitrate) + share * math.log(following.bitrate)))
    return rates


def _repeats(found: Bisection, answer: Answer) -> list[tuple[float, float]]:
    return [(probe.bitrate, probe.score) for probe in found.repeats.get(answer.crf, ())]


def bisect_values(found: Bisection) -> Values:
    """The numbers of each target; none of one that is not met."""
    return {
        f"{found.metric} {target:g}": {
            "bitrate": fmean(rates_at_target(found, answer)),
            "crf": float(answer.crf),
            "score": answer.score,
        }
        if answer.met
        else {}
        for target, answer in found.answers.items()
    }


def bisect_deviations(found: Bisection) -> dict[str, float]:
    """The sample standard deviation of each target's bitrate over its repeated encodes."""
    rates = {
        f"{found.metric} {target:g}": rates_at_target(found, answer)
        for target, answer in found.answers.items()
        if answer.met
    }
    return {where: stdev(each) for where, each in rates.items() if len(each) > 1}


def bisect_match(found: Bisection) -> dict[str, str]:
    """What has to be the same for two searches to be compared, beside how they are scored."""
    return {
        "encoder": encoder_text(found),
        "metric": str(found.metric),
        "sample": "all" if found.sample is None else f"{found.sample[1]} frames from {found.sample[0]}",
    }


def encoder_text(found: Bisection) -> str:
    """The encoder with its preset and arguments; a command as it is run."""
    command = shlex.join(found.encoder.command) if found.encoder.command else found.name
    return " ".join([command, *found.arguments])


def compare_values(found: Comparison) -> Values:
    """Each encoder's BD-rate against the first one, in percent; none where the curves hardly overlap.

    Raises SettingsError where there is one encoder alone.
    """
    anchor, *others = found.labels
    if not others:
        raise SettingsError(f"There is one encoder, {anchor}, and a BD-rate is that of two; use vmaf.bisect.")
    values: Values = {}
    for label in others:
        try:
            values[label] = {"bd_rate": float(found.bd_rate(label, anchor=anchor))}
        except MeasurementError:
            values[label] = {}
    return values


def compare_match(found: Comparison) -> dict[str, str]:
    """As :func:`bisect_match`; a BD-rate is one between these targets."""
    first = next(iter(found.bisections.values()))
    return {
        **{f"encoder {label}": encoder_text(one) for label, one in first.items()},
        "anchor": found.labels[0],
        "metric": str(found.metric),
        "targets": ", ".join(f"{target:g}" for target in found.targets),
        "sources": str(len(found.bisections)),
    }


def start_of(entry: Mapping[str, Any]) -> dict[float, int]:
    """Where a search may begin: each target's CRF of last time. What an entry does not say is left out."""
    start = {}
    for where, values in entry["values"].items():
        try:
            start[float(where.rpartition(" ")[2])] = int(values["crf"])
        except (ValueError, KeyError):
            continue
    return start
