"""Searches as plain data, for JSON: what was asked, every answer, every probe, and with what it was measured."""

from __future__ import annotations

import json
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.comparison import Comparison, Delta
from pytest_vmaf.search.probe import Metric, Probe
from pytest_vmaf.search.recommend import Recommendation

#: Of a result's provenance: what two runs must share to be compared, and what one repeats them with.
MADE_WITH = ("pytest_vmaf", "model", "neg_model", "generation", "clip", "scorer", "scorer_version", "ffmpeg", "libvmaf")


def bisection_record(found: Bisection) -> dict[str, Any]:
    """One search; ``answers`` in the targets' order, ``probes`` in the order they were made."""
    return {
        "encoder": found.encoder.name,
        "name": found.name,
        "arguments": list(found.arguments),
        "reference": found.reference,
        "metric": written(found.metric),
        "neg": found.metric.name == "neg",
        "ceiling": found.ceiling,
        "sample": found.sample and {"start": found.sample[0], "frames": found.sample[1]},
        "met": found.met,
        "answers": [
            {
                "target": answer.target,
                "outcome": answer.outcome,
                "met": answer.met,
                "why": answer.why,
                **(_reached(answer.probe, answer.next_score) if answer.met and answer.probe else {}),
            }
            for answer in found.answers.values()
        ],
        "speed": found.speed and {"crf": found.speed.crf, "encode": found.speed.encode, "decode": found.speed.decode},
        "probes": [probe_record(probe) for probe in found.probes],
        "made_with": made_with(found.probes),
    }


def probe_record(probe: Probe) -> dict[str, Any]:
    """One encode and its scores; ``command`` repeats both."""
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


def comparison_record(found: Comparison) -> dict[str, Any]:
    """A comparison: every search by source and label, and what differs against the first encoder."""
    anchor = found.labels[0]
    return {
        "metric": written(found.metric),
        "neg": found.metric.name == "neg",
        "targets": list(found.targets),
        "encoders": list(found.labels),
        "anchor": anchor,
        "met": found.met,
        "bd_rate": {
            label: _tried(lambda: found.bd_rate(label, anchor=anchor))  # noqa: B023
            for label in found.labels
            if label != anchor
        },
        "bd_quality": {
            label: _tried(lambda: found.bd_quality(label, anchor=anchor))  # noqa: B023
            for label in found.labels
            if label != anchor
        },
        "neg_penalty": {
            label: {f"{t:g}": _tried(lambda: found.penalty(label, t)) for t in found.targets}  # noqa: B023
            for label in found.labels
        },
        "lost_wins": _lost_wins(found),
        "sources": {
            source: {label: bisection_record(one) for label, one in by_label.items()}
            for source, by_label in found.bisections.items()
        },
    }


def recommendation_record(found: Recommendation) -> dict[str, Any]:
    """A recommendation from a corpus; ``row`` is the line of it to use, None where none holds what was asked."""
    setup = found.setup
    return {
        "source": setup.source,
        "encoder": setup.encoder,
        "preset": setup.preset,
        "arguments": list(setup.arguments),
        "pix_fmt": setup.pix_fmt,
        "metric": written(found.metric),
        "model": setup.model,
        "neg_model": setup.neg_model,
        "met": found.met,
        "why": found.why,
        "row": found.row and json.loads(found.row.to_json()),
    }


def written(metric: Metric) -> str:
    """The metric as it is asked for: "neg", "neg.p5"."""
    return metric.name if metric.pool == "mean" else f"{metric.name}.{metric.pool}"


def made_with(probes: tuple[Probe, ...]) -> dict[str, Any]:
    """The models and tools behind the probes; empty where there are none."""
    return {name: probes[0].result.provenance.get(name) for name in MADE_WITH} if probes else {}


def _reached(probe: Probe, next_score: float | None) -> dict[str, Any]:
    record = probe_record(probe)
    del record["command"]
    return {**record, "next_score": next_score}


def _lost_wins(found: Comparison) -> list[list[str]] | None:
    """None where that is not known of every pair."""
    try:
        return [list(pair) for pair in found.lost_wins]
    except MeasurementError:
        return None


def _tried(delta: Any) -> dict[str, Any]:
    try:
        found: Delta = delta()
    except MeasurementError as error:
        return {"value": None, "why": str(error)}
    interval = list(found.interval) if found.interval else None
    return {"value": float(found), "unit": found.unit, "interval": interval, "per_source": dict(found.per_source)}
