"""`vmaf.stream`: read an encode's stream, judge and record it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from pytest_vmaf.api.context import Context
from pytest_vmaf.api.stream_keywords import StreamSettings
from pytest_vmaf.api.stream_plan import check, is_stream_gate, note_checked, plan_stream, read
from pytest_vmaf.baselines.judge import Outcome
from pytest_vmaf.bitstream.stream import Stream
from pytest_vmaf.errors import GateViolation, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.gates.expectations import FIELDS, judge_stream, parse_expectations
from pytest_vmaf.gates.gate import Gate, effective
from pytest_vmaf.gates.messages import describe_stream
from pytest_vmaf.gates.metrics import STREAM_METRICS
from pytest_vmaf.media.clip_like import ClipLike, as_clip, clip_name, own_cause
from pytest_vmaf.report.record import error_record, outcome_gates, stream_record
from pytest_vmaf.report.section_makers import section_maker
from pytest_vmaf.settings import Layer, make_layer
from pytest_vmaf.text import did_you_mean, printable

# pytest shows the caller's line, not ours.
__tracebackhide__ = True


def run_stream(
    context: Context, encode: ClipLike, reference: ClipLike | None, keywords: Mapping[str, object]
) -> Stream:
    """Read an encode's stream, check its gates, expectations and baseline, and record all of it.

    Raises:
        GateViolation: If one fails, unless in report-only mode.
        MeasurementError: If the stream cannot be read.
        SettingsError: If an argument is not valid.
    """
    started = time.time()
    gates: tuple[Gate, ...] = ()
    try:
        layers = (_own_layer(keywords), *context.layers)
        gates = _gates(layers)
        plan = plan_stream(layers, gates)
        clip, other = as_clip(encode, "encoded"), None if reference is None else as_clip(reference, "reference")
        baseline = context.baselines.prepare_check(layers, "stream", ("bitrate",).__contains__, f"{clip.title}: stream")
        stream = read(plan, clip)
        verdicts = judge_stream(stream, plan.gates)
        checks = check(plan, stream, clip, other)
        outcome = Outcome()
        if baseline is not None:
            from pytest_vmaf.baselines.from_streams import entry_of_stream

            outcome = baseline.compare(entry_of_stream(stream), stream.frame_rate, same_bitstream=plan.same_bitstream)
    except (MeasurementError, SettingsError, OSError) as caught:
        error: MeasurementError | SettingsError = (
            ScorerError(f"The system refused what reading the stream needs: {printable(str(caught))}.")
            if isinstance(caught, OSError)
            else caught
        )
        names = clip_name(reference) if reference is not None else "", clip_name(encode)
        context.records.add({**error_record(*names, error, gates), "started": started})
        raise error.with_traceback(None) from own_cause(error)
    context.records.checked.update(gate.key for layer in layers for gate in layer.gates if is_stream_gate(gate))
    note_checked(context, layers)
    first = len(context.records.measurements)
    name = str(other) if other else ""
    record = stream_record(name, stream, verdicts, checks, outcome_gates(outcome, None), failed=bool(outcome.failed))
    context.records.add({**record, "started": started, "gated": True, "every_gate": False})
    if maker := section_maker(outcome):
        context.records.section_makers.append(maker)
    if record["status"] == "failed":
        violation = GateViolation(describe_stream(stream, verdicts, checks, outcome))
        violation.result = stream
        context.violate(violation, [first])
    return stream


def _own_layer(keywords: Mapping[str, object]) -> Layer:
    """The layer of the call: its expectations, and what `make_layer` reads."""
    expected = {name: value for name, value in keywords.items() if name in FIELDS}
    known = (*FIELDS, *StreamSettings.__annotations__, "cache", "cache_dir", "cache_size")
    for name in keywords:
        if name not in known and not name.startswith(("min_", "max_")):
            raise SettingsError(f"{name!r} is not an argument of vmaf.stream().{did_you_mean(name, known)}")
    layer = make_layer("call", {name: value for name, value in keywords.items() if name not in FIELDS})
    for gate in layer.gates:
        if not is_stream_gate(gate):
            names = ", ".join(f"max_{metric}" for metric in STREAM_METRICS)
            raise SettingsError(
                f"{gate.name} is not a gate of vmaf.stream(), which reads packets and scores nothing. Its gates are "
                f"{names}. For scores, use vmaf.check()."
            )
    return layer._replace(stream=(*parse_expectations(expected, "call"), *layer.stream))


def _gates(layers: Sequence[Layer]) -> tuple[Gate, ...]:
    """The gates on streams of all layers, the nearest of each."""
    return effective([gate for gate in layer.gates if is_stream_gate(gate)] for layer in layers)
