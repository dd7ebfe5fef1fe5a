"""`vmaf.stream`, and the part of `vmaf.check` that reads the stream: read, judge, record."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_vmaf.api.context import Context, stream_key
from pytest_vmaf.api.stream_keywords import StreamSettings
from pytest_vmaf.baselines.judge import Outcome
from pytest_vmaf.bitstream.stream import Stream
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import GateViolation, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.gates.expectations import FIELDS, Check, Expectation, in_force, judge_stream, parse_expectations
from pytest_vmaf.gates.gate import Gate, effective, parse_gate
from pytest_vmaf.gates.messages import describe_stream
from pytest_vmaf.gates.metrics import PACKET_METRICS, STREAM_METRICS
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import ClipLike, as_clip, clip_name, own_cause
from pytest_vmaf.report.record import error_record, outcome_gates, stream_record
from pytest_vmaf.report.section_makers import section_maker
from pytest_vmaf.settings import Layer, make_layer, resolve
from pytest_vmaf.text import did_you_mean, printable

# pytest shows the caller's line, not ours.
__tracebackhide__ = True
#: The default gate of a buffer: it lacks no bit at any packet.
UNDERFLOW = "max_vbv_underflow"


@dataclass(frozen=True)
class StreamPlan:
    """What is expected of a stream.

    Attributes:
        gates: Gates on its numbers.
        expected: Expectations by name.
        ffmpeg: The path of the ffmpeg that the user set.
        timeout: Time limit in seconds.
        cache: The cache of inspections.
    """

    gates: tuple[Gate, ...] = ()
    expected: Mapping[str, Expectation] = field(default_factory=dict)
    ffmpeg: str | None = None
    timeout: float | None = None
    cache: Cache | None = None

    @property
    def same_bitstream(self) -> bool:
        """Whether the packets must be the baseline's."""
        return "bitstream" in self.expected

    @property
    def needs_packets(self) -> bool:
        """Whether the packets must be read at all."""
        return bool(self.expected) or any(gate.metric in PACKET_METRICS for gate in self.gates)


def plan_stream(layers: Sequence[Layer], gates: Sequence[Gate]) -> StreamPlan:
    """Plan what to read of a stream.

    Args:
        layers: Settings and expectations, the nearest layer first.
        gates: The gates in force, of which those on streams count.

    Raises:
        SettingsError: If an expectation needs another that is not there, or no baseline is requested.
    """
    expected = in_force(layer.stream for layer in layers)
    own = [gate for gate in gates if gate.metric in STREAM_METRICS]
    if "vbv_size" in expected and not any(gate.metric == "vbv_underflow" for gate in own):
        own.append(parse_gate(UNDERFLOW, 0, expected["vbv_size"].origin))
    baseline = next((layer.baseline for layer in layers if layer.baseline is not None), None)
    if "bitstream" in expected and not baseline:
        raise SettingsError('bitstream="same" compares with a baseline, but none is requested. Add baseline=True.')
    values = resolve(layers).values
    folder, size = values["cache_dir"], values["cache_size"]
    cache = Cache(Path(folder), size) if values["cache"] and folder else None
    return StreamPlan(tuple(own), expected, values["ffmpeg"], values["timeout"], cache)


def read(plan: StreamPlan, clip: Clip) -> Stream:
    """Read the packets and headers of an encode. Raises as `read_stream`."""
    from pytest_vmaf.bitstream.read_stream import Buffer, read_stream
    from pytest_vmaf.gates.expectations import initial_share
    from pytest_vmaf.media.ffmpeg import find_ffmpeg

    values = {name: each.value for name, each in plan.expected.items()}
    buffer = None
    if "vbv_size" in values:
        buffer = Buffer(values["vbv_size"], values["vbv_rate"], initial_share(plan.expected))
    return read_stream(
        clip,
        find_ffmpeg(plan.ffmpeg, plan.cache).path,
        window=values.get("window", 1.0),
        buffer=buffer,
        rate=values.get("frame_rate"),
        timeout=plan.timeout,
    )


def check(plan: StreamPlan, stream: Stream, clip: Clip, reference: Clip | None) -> list[Check]:
    """Check the expectations on a stream. Raises SettingsError or MeasurementError if one cannot be checked."""
    from pytest_vmaf.gates.expectations import check_expectations

    def tags_of(clip: Clip) -> Mapping[str, str]:
        from pytest_vmaf.gates.expectations import COLOUR_TAGS
        from pytest_vmaf.media.ffmpeg import find_ffmpeg
        from pytest_vmaf.media.inspect import inspect

        video = inspect(clip, find_ffmpeg(plan.ffmpeg, plan.cache).path, 1, plan.timeout, plan.cache)
        return {name: getattr(video, name) for name in COLOUR_TAGS}

    def tags() -> tuple[Mapping[str, str], Mapping[str, str]]:
        if reference is None and plan.expected["colour_tags"].value == "same":
            raise SettingsError(
                'colour_tags="same" compares with a reference. Pass reference=, or the tags that are required, for '
                'example colour_tags={"primaries": "bt709"}.'
            )
        return tags_of(clip), tags_of(reference) if reference else {}

    return check_expectations(stream, plan.expected, tags)


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


def note_checked(context: Context, layers: Sequence[Layer]) -> None:
    """Remember which expectations were checked, or taken back, so that the marker's are not missed."""
    context.records.checked.update(stream_key(each.name) for layer in layers for each in layer.stream)


def is_stream_gate(gate: Gate) -> bool:
    """Whether a gate limits a number of a stream."""
    return gate.metric in STREAM_METRICS


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
