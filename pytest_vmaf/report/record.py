"""The JSON-safe record of one measurement; the only thing that crosses processes. `schema` documents its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from pytest_vmaf.baselines.judge import ToleranceVerdict
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.baselines.outcome import Outcome
    from pytest_vmaf.gates.gate import Gate, Verdict
    from pytest_vmaf.scoring.result import Result

SCHEMA = 1
#: Characters of a command that a record holds.
LONGEST_COMMAND = 16_000


def measurement_record(result: Result, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What a measurement found: pooled scores, each gate with value and margin, thinned frames, clips, provenance."""
    from pytest_vmaf.report.series import frame_data

    return {
        "schema": SCHEMA,
        "status": "passed" if all(verdict.passed for verdict in verdicts) else "failed",
        "reference": result.context.reference,
        "distorted": result.context.distorted,
        "vmaf": float(result.vmaf),
        "neg": float(result.neg),
        "gap": float(result.gap),
        "above_100": len(result.above_100),
        "features": {name: float(score) for name, score in result.features.items()},
        "gates": [_gate(verdict) for verdict in verdicts],
        **frame_data(result, verdicts),
        "provenance": plain({name: _cut(name, value) for name, value in result.provenance.items()}),
    }


def with_gates(record: dict[str, Any], gates: Sequence[dict[str, Any]], *, failed: bool = False) -> dict[str, Any]:
    """A measurement's record with gates of another kind beside its own, which may make it a failed one."""
    failed = failed or not all(gate["passed"] for gate in gates) or record["status"] == "failed"
    return {**record, "gates": [*record["gates"], *gates], "status": "failed" if failed else "passed"}


def _cut(name: str, value: Any) -> Any:
    """A command as records hold it: with long tracks it has a step for each frame, and each region holds it all."""
    if name != "command" or len(value) <= LONGEST_COMMAND:
        return value
    return f"{value[:LONGEST_COMMAND]} … ({len(value)} characters; result.provenance['command'] has them all)"


def error_record(reference: str, distorted: str, error: Exception, gates: Sequence[Gate] = ()) -> dict[str, Any]:
    """What could not be measured, and why. The names have been through no check, so they may hold anything."""
    from pytest_vmaf.text import printable

    return {
        "schema": SCHEMA,
        "status": "error",
        "reference": printable(reference),
        "distorted": printable(distorted),
        "error": str(error),
        "gates": [{"name": gate.name, "limit": gate.limit, "origin": gate.origin} for gate in gates],
    }


def plain(value: Any) -> Any:
    """The value in exact JSON types: execnet, which xdist sends reports with, refuses subclasses of them."""
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
    """A plain text that can be sent: with half characters, as names of files may have them, as escapes."""
    return str(value) if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def sendable(value: Any) -> Any:
    """The value as it is where a report may hold it, else made plain; for what others have put into a report."""
    if type(value) is str:
        return _text(value)
    if type(value) in (type(None), bool, int, float, bytes):
        return value
    if type(value) in (list, tuple):
        return type(value)(sendable(each) for each in value)
    if type(value) is dict:
        return {sendable(key): sendable(each) for key, each in value.items()}
    return plain(value)


def _gate(verdict: Verdict) -> dict[str, Any]:
    gate = verdict.gate
    return {
        "name": gate.name,
        "metric": gate.metric,
        "pool": gate.pool,
        "bound": gate.bound,
        "limit": gate.limit,
        "origin": gate.origin,
        "value": verdict.value,
        "margin": verdict.margin,
        "passed": verdict.passed,
    }


def _tolerance_gate(held: ToleranceVerdict, named: bool) -> dict[str, Any]:
    """As a gate upon the change: what may drop by 0.5 has a change of at least -0.5."""
    tolerance = held.tolerance
    drop = tolerance.direction == "drop"
    sign = -1 if drop else 1
    limit = (tolerance.limit or 0.0) + held.margin
    metric = f"change of {label(tolerance.metric)}{' in %' if tolerance.relative else ''}"
    # An infinite share, of what was 0 before, is no number of a report.
    worse = max(-1e12, min(1e12, held.worse))
    return {
        "name": tolerance.name,
        "metric": f"{metric} at {printable(held.where)}" if named and held.where else metric,
        "pool": tolerance.pool,
        "bound": "min" if drop else "max",
        "limit": sign * limit + 0.0,
        "origin": tolerance.origin,
        "value": sign * worse + 0.0,
        "margin": limit - worse,
        "passed": held.passed,
    }


def outcome_gates(outcome: Outcome, where: str | None) -> list[dict[str, Any]]:
    """The tolerances of one place, or of all (None), as gates of a record.

    A comparison that was impossible has no number; it appears as a failed gate named "baseline".
    """
    if outcome.failed and outcome.old is None and not where:
        missing = {"name": "baseline", "metric": "entries of the baseline", "pool": "mean", "origin": "call"}
        return [{**missing, "bound": "min", "limit": 1.0, "value": 0.0, "margin": -1.0, "passed": False}]
    chosen = [each for each in outcome.verdicts if where in (None, each.where) and not each.why]
    return [_tolerance_gate(each, where is None) for each in chosen]
