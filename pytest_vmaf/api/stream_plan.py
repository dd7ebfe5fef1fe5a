"""What is expected of an encode's stream: the part of `vmaf.check` and `vmaf.stream` that plans, reads and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.api.context import Context, stream_key
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import Gate, parse_gate
from pytest_vmaf.gates.metrics import PACKET_METRICS, STREAM_METRICS
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.settings import Layer, resolve

if TYPE_CHECKING:
    from pytest_vmaf.bitstream.stream import Stream
    from pytest_vmaf.gates.expectations import Check, Expectation

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
    expected: Mapping[str, Expectation] = {}
    if any(layer.stream for layer in layers):
        from pytest_vmaf.gates.expectations import in_force

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


def note_checked(context: Context, layers: Sequence[Layer]) -> None:
    """Remember which expectations were checked, or taken back, so that the marker's are not missed."""
    context.records.checked.update(stream_key(each.name) for layer in layers for each in layer.stream)


def is_stream_gate(gate: Gate) -> bool:
    """Whether a gate limits a number of a stream."""
    return gate.metric in STREAM_METRICS
