"""JSON-safe records of measurements, the only data that crosses processes. `schema` documents their shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from pytest_vmaf.gates.metrics import BASE_METRICS, label, metrics, note_metric
from pytest_vmaf.report.schema import DROP, IN_PERCENT, NO_BASELINE, RISE, SCHEMA, Record, RecordDict
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.baselines.judge import Outcome, ToleranceVerdict
    from pytest_vmaf.bitstream.stream import Stream
    from pytest_vmaf.gates.expectations import Check
    from pytest_vmaf.gates.gate import Gate, Verdict
    from pytest_vmaf.scoring.result import Result
    from pytest_vmaf.search.disagreement_gate import DisagreementVerdict

#: The longest command of a record, in characters.
LONGEST_COMMAND = 16_000
#: The largest change of a record. JSON has no infinity, the relative change of what was 0 before.
LARGEST_CHANGE = 1e12


def measurement_record(result: Result, verdicts: Sequence[Verdict]) -> RecordDict:
    """Record a measurement as `schema.MEASUREMENT`: scores, gates, frames reduced to a bounded size, and provenance.

    Args:
        result: What was measured.
        verdicts: The gates that were checked.
    """
    from pytest_vmaf.report.series import frame_data

    return {
        "schema": SCHEMA,
        "status": "passed" if all(verdict.passed for verdict in verdicts) else "failed",
        "reference": result.context.reference,
        "distorted": result.context.distorted,
        **{name: float(result[name]) for name in BASE_METRICS},
        "above_100": len(result.above_100),
        "features": {name: float(score) for name, score in result.features.items()},
        "signs": {name: float(score.pooled(metrics()[name].pool)) for name, score in result.signs.items()},
        "gates": [_verdict(each) for each in verdicts],
        **frame_data(result, verdicts),
        "provenance": plain({name: _shorten(name, value) for name, value in result.provenance.items()}),
    }


def note_metrics(measurement: Record) -> None:
    """Remember how the metrics of plugins in a record are printed, since this process may lack the plugins."""
    for name, metric in ((measurement.get("provenance") or {}).get("metrics") or {}).items():
        higher = metric["higher_is_better"]
        note_metric(name, printable(metric["label"]), printable(metric["unit"]), higher_is_better=higher)


def unscored_record(reference: str, subject: str, about: str, verdicts: Sequence[Verdict]) -> RecordDict:
    """Record a measurement of something else than the picture, such as an encoder's speed.

    Args:
        reference: The name of the clip.
        subject: What was measured, in place of a distorted clip.
        about: The measurement in a sentence.
        verdicts: The gates that were checked.
    """
    return {
        "schema": SCHEMA,
        "status": "passed" if all(verdict.passed for verdict in verdicts) else "failed",
        "reference": printable(reference),
        "distorted": printable(subject),
        "about": printable(about),
        "gates": [_verdict(each) for each in verdicts],
    }


def stream_record(
    reference: str,
    stream: Stream,
    verdicts: Sequence[Verdict],
    checks: Sequence[Check],
    gates: Sequence[Record] = (),
    *,
    failed: bool = False,
) -> RecordDict:
    """Record the reading of a stream: its values, its gates and expectations, and the gates of its baseline."""
    record = unscored_record(reference, stream.clip, str(stream), verdicts)
    return {**with_gates(record, [*check_gates(checks), *gates], failed=failed), "stream": stream_data(stream)}


def stream_data(stream: Stream) -> RecordDict:
    """Convert a stream to plain data of the shape `schema.STREAM`."""
    names = (
        "codec profile level tier pix_fmt width height frames packets size digest color_range matrix primaries transfer"
    )
    return {
        **{name: plain(getattr(stream, name)) for name in names.split()},
        "frame_rate": stream.frame_rate and str(stream.frame_rate),
        "bitrate": stream.bitrate if stream.frame_rate else None,
        "peak_bitrate": stream.peak and stream.peak_bitrate,
        "peak_time": stream.peak and stream.peak.time,
        "window": stream.window,
        "keyframe_distance": stream.keyframe_distance,
        "closed_gops": stream.closed_gops,
        "changes": len(stream.changes),
    }


def check_gates(checks: Sequence[Check]) -> list[RecordDict]:
    """Turn expectations on a stream into gates of a record, in words. 1 is required, and 0 is what failed."""
    return [_worded_gate(check.name, check.origin, check.text, passed=check.passed) for check in checks]


def _worded_gate(name: str, origin: str, text: str, *, passed: bool) -> RecordDict:
    value, margin = (1.0, 0.0) if passed else (0.0, -1.0)
    return {
        **dict.fromkeys(("name", "metric"), name),
        "pool": "mean",
        "bound": "min",
        "limit": 1.0,
        "origin": origin,
        "value": value,
        "margin": margin,
        "passed": passed,
        "text": printable(text),
    }


def _verdict(verdict: Verdict) -> RecordDict:
    return {**_gate(verdict.gate), "value": verdict.value, "margin": verdict.margin, "passed": verdict.passed}


def _gate(gate: Gate) -> RecordDict:
    names = ("name", "metric", "pool", "bound", "limit", "origin")
    return {name: getattr(gate, name) for name in names}


def _shorten(name: str, value: object) -> object:
    """Cut a long command. With a moving region it has a step for each frame, and each region records all of it."""
    if name != "command" or not isinstance(value, str) or len(value) <= LONGEST_COMMAND:
        return value
    return f"{value[:LONGEST_COMMAND]} … ({len(value)} characters; result.provenance['command'] has them all)"


def error_record(reference: str, distorted: str, error: Exception, gates: Sequence[Gate] = ()) -> RecordDict:
    """Record a failed measurement.

    Args:
        reference: The name of the reference. Nothing has checked it, so it may contain anything.
        distorted: The name of the distorted clip, likewise.
        error: Why nothing was measured.
        gates: The gates that could not be checked.
    """
    return {
        "schema": SCHEMA,
        "status": "error",
        "reference": printable(reference),
        "distorted": printable(distorted),
        "error": str(error),
        "gates": [{"name": gate.name, "limit": gate.limit, "origin": gate.origin} for gate in gates],
    }


def with_gates(record: Record, gates: Sequence[Record], *, failed: bool = False) -> RecordDict:
    """Add gates of another kind to a measurement's record. A failed gate, or `failed`, makes the measurement fail."""
    failed = failed or not all(gate["passed"] for gate in gates) or record["status"] == "failed"
    return {**record, "gates": [*record["gates"], *gates], "status": "failed" if failed else "passed"}


def outcome_gates(outcome: Outcome, where: str | None) -> list[RecordDict]:
    """Turn the tolerances of a baseline comparison into gates of a record.

    A comparison without a baseline has no numbers. It becomes one failed gate named "baseline".

    Args:
        outcome: What the comparison found.
        where: The region, target or encoder whose tolerances to take, "" for the whole picture, None for all.
    """
    if outcome.failed and outcome.old is None and not where:
        missing = {"name": "baseline", "metric": NO_BASELINE, "pool": "mean", "origin": "call"}
        return [{**missing, "bound": "min", "limit": 1.0, "value": 0.0, "margin": -1.0, "passed": False}]
    verdicts = [each for each in outcome.verdicts if where in (None, each.where)]
    gates = [_incomparable_gate(each) if each.why else _tolerance_gate(each, where is None) for each in verdicts]
    if not where:
        gates += [_worded_gate("agree", "call", each.text, passed=each.passed) for each in outcome.equal_rates]
    if outcome.packets and not where:
        text, passed = outcome.packets
        gates.append(_worded_gate("bitstream", "call", text, passed=passed))
    return gates


def _incomparable_gate(verdict: ToleranceVerdict) -> RecordDict:
    """A tolerance without numbers, in words. Only a target that is not reached now is a verdict."""
    gate = _worded_gate(verdict.tolerance.name, verdict.tolerance.origin, verdict.why, passed=False)
    return gate if verdict.worse else {**gate, "metric": NO_BASELINE}


def disagreement_gates(verdicts: Sequence[DisagreementVerdict]) -> list[RecordDict]:
    """Turn the verdicts of `max_disagreement` into gates of a record."""
    return [
        {
            "name": "max_disagreement",
            "metric": f"spread of BD-rates of {printable(each.agreement.encoder)} in points",
            "pool": "mean",
            "bound": "max",
            "limit": each.limit,
            "origin": "call",
            "value": each.agreement.disagreement,
            "margin": each.limit - each.agreement.disagreement,
            "passed": each.passed,
        }
        for each in verdicts
    ]


def _tolerance_gate(verdict: ToleranceVerdict, named: bool) -> RecordDict:
    """A tolerance as a gate on the drop or rise: a `max_drop` of 0.5 requires a drop of at most 0.5."""
    tolerance = verdict.tolerance
    limit = (tolerance.limit or 0.0) + verdict.margin
    where = f" at {printable(verdict.where)}" if named and verdict.where else ""
    change = DROP if tolerance.direction == "drop" else RISE
    metric = f"{change}{label(tolerance.metric)}{where}{IN_PERCENT if tolerance.relative else ''}"
    worse = max(-LARGEST_CHANGE, min(LARGEST_CHANGE, verdict.worse))
    return {
        "name": tolerance.name,
        "metric": metric,
        "pool": tolerance.pool,
        "bound": "max",
        "limit": limit,
        "origin": tolerance.origin,
        # Adding 0.0 turns -0.0 into 0.0.
        "value": worse + 0.0,
        "margin": limit - worse,
        "passed": verdict.passed,
    }


def plain(value: object) -> Any:
    """Convert a value to exact JSON types. execnet, which sends xdist's reports, refuses subclasses of them."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return _text(value)
    for kind in (float, int):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, PathLike):
        return plain(fspath(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [plain(each) for each in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain(item())
    return str(value)


def _text(value: str) -> str:
    """An exact `str`. Surrogates, which names of files may contain, become escapes."""
    return str(value) if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def sendable(value: Any) -> Any:
    """Convert what others put into a test report, so that xdist can send it. What already can be sent stays."""
    if type(value) is str:
        return _text(value)
    if type(value) in (type(None), bool, int, float, bytes):
        return value
    if type(value) in (list, tuple):
        return type(value)(sendable(each) for each in value)
    if type(value) is dict:
        return {sendable(key): sendable(each) for key, each in value.items()}
    return plain(value)
