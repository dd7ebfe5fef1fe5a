"""Results of searches as plain data for JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.bisection import Answer, Bisection
from pytest_vmaf.search.comparison import Comparison, Delta
from pytest_vmaf.search.probe import Metric, Probe
from pytest_vmaf.search.recommend import Recommendation

#: One JSON object.
Record = dict[str, Any]

#: The part of a result's provenance that two runs must share to be comparable, and that repeats them.
MADE_WITH = ("pytest_vmaf", "model", "neg_model", "generation", "clip", "scorer", "scorer_version", "ffmpeg", "libvmaf")


def bisection_record(bisection: Bisection) -> Record:
    """One search; `answers` in the targets' order, `probes` in the order they were made."""
    sample, speed = bisection.sample, bisection.speed
    return {
        "encoder": bisection.encoder.name,
        "name": bisection.name,
        "arguments": list(bisection.arguments),
        "reference": bisection.reference,
        "metric": metric_text(bisection.metric),
        "neg": bisection.metric.name == "neg",
        "ceiling": bisection.ceiling,
        "sample": sample and {"start": sample[0], "frames": sample[1]},
        "met": bisection.met,
        "answers": [_answer_record(answer) for answer in bisection.answers.values()],
        "speed": speed and {"crf": speed.crf, "encode": speed.encode, "decode": speed.decode},
        "probes": [probe_record(probe) for probe in bisection.probes],
        "made_with": made_with(bisection.probes),
    }


def probe_record(probe: Probe) -> Record:
    """One trial encode and its scores; `command` repeats both."""
    result, encode = probe.result, probe.encode
    return {
        "crf": probe.crf,
        "score": probe.score,
        "vmaf": float(result.vmaf),
        "neg": float(result.neg),
        "gap": float(result.gap),
        "bitrate": encode.bitrate,
        "size": encode.size,
        "frames": encode.frames,
        "duration": encode.duration,
        "path": encode.path and str(encode.path),
        "command": result.provenance["command"],
    }


def comparison_record(comparison: Comparison) -> Record:
    """A comparison: every search by source and label, and the differences from the first encoder."""
    anchor, *others = comparison.labels
    return {
        "metric": metric_text(comparison.metric),
        "neg": comparison.metric.name == "neg",
        "targets": list(comparison.targets),
        "encoders": list(comparison.labels),
        "anchor": anchor,
        "met": comparison.met,
        "bd_rate": {label: _delta_record(comparison.bd_rate, label, anchor=anchor) for label in others},
        "bd_quality": {label: _delta_record(comparison.bd_quality, label, anchor=anchor) for label in others},
        "neg_penalty": {
            label: {f"{target:g}": _delta_record(comparison.penalty, label, target) for target in comparison.targets}
            for label in comparison.labels
        },
        "lost_wins": _lost_wins(comparison),
        "sources": {
            source: {label: bisection_record(bisection) for label, bisection in by_label.items()}
            for source, by_label in comparison.bisections.items()
        },
    }


def recommendation_record(recommendation: Recommendation) -> Record:
    """A recommendation from a corpus; `row` is the row to use, None if no row reaches the target."""
    setup, row = recommendation.setup, recommendation.row
    return {
        "source": setup.source,
        "encoder": setup.encoder,
        "preset": setup.preset,
        "arguments": list(setup.arguments),
        "pix_fmt": setup.pix_fmt,
        "metric": metric_text(recommendation.metric),
        "model": setup.model,
        "neg_model": setup.neg_model,
        "met": recommendation.met,
        "why": recommendation.why,
        "row": row and json.loads(row.to_json()),
    }


def metric_text(metric: Metric) -> str:
    """The metric as users write it: "neg", "neg.p5"."""
    return metric.name if metric.pool == "mean" else f"{metric.name}.{metric.pool}"


def made_with(probes: tuple[Probe, ...]) -> Record:
    """The models and tools behind the trial encodes; empty if there are none."""
    return {name: probes[0].result.provenance.get(name) for name in MADE_WITH} if probes else {}


def _answer_record(answer: Answer) -> Record:
    record: Record = {"target": answer.target, "outcome": answer.outcome, "met": answer.met, "why": answer.why}
    if answer.met and answer.probe:
        record |= {**probe_record(answer.probe), "next_score": answer.next_score}
        del record["command"]
    return record


def _lost_wins(comparison: Comparison) -> list[list[str]] | None:
    """None if they are not known for every pair of encoders."""
    try:
        return [list(pair) for pair in comparison.lost_wins]
    except MeasurementError:
        return None


def _delta_record(difference: Callable[..., Delta], *arguments: object, **named: object) -> Record:
    try:
        delta = difference(*arguments, **named)
    except MeasurementError as error:
        return {"value": None, "why": str(error)}
    interval = list(delta.interval) if delta.interval else None
    return {"value": float(delta), "unit": delta.unit, "interval": interval, "per_source": dict(delta.per_source)}
