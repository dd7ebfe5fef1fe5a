"""The numbers of a stream that gates limit, and where in the stream each comes from."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.text import plural, time_code

if TYPE_CHECKING:
    from pytest_vmaf.bitstream.stream import Stream


def result_number(result: Result, name: str, metric: str, limit: float) -> float:
    """The number of a result's stream that a gate limits. Raises as `stream_number`, and without a stream."""
    if metric in ("bitrate", "size"):
        return result.bitrate if metric == "bitrate" else float(result.size)
    if result.stream is None:
        raise MeasurementError(f"{name} requires the packets of the stream, which were not read.")
    return stream_number(result.stream, name, metric, limit)


def stream_number(stream: Stream, name: str, metric: str, limit: float) -> float:
    """The number of a stream that a gate limits.

    Args:
        stream: The stream.
        name: The gate's name.
        metric: Its metric.
        limit: Its limit.

    Raises:
        MeasurementError: If the stream has no such number.
        SettingsError: If the limit is a level that the codec does not have.
    """
    from pytest_vmaf.bitstream.profiles import LEVELS
    from pytest_vmaf.bitstream.stream import CODEC_NAMES, no_rate

    if metric == "vbv_underflow":
        if stream.vbv is None:
            if not stream.frame_rate:
                raise MeasurementError(no_rate(stream.clip))
            raise MeasurementError(f"{name} requires vbv_size= in bits and vbv_rate= in bit/s.")
        return stream.vbv.missing
    if metric == "level":
        levels = LEVELS[stream.codec]
        if levels and limit not in levels.values():
            codec, listed = CODEC_NAMES[stream.codec], ", ".join(levels)
            raise SettingsError(f"The limit of {name} must be a level of {codec}, not {limit:g}. Levels: {listed}.")
        return stream.highest_level
    if metric in ("size", "keyframe_distance"):
        return float(stream.size if metric == "size" else stream.keyframe_distance)
    return stream.bitrate if metric == "bitrate" else stream.peak_bitrate


def place_of(stream: Stream, metric: str) -> list[str]:
    """Where in a stream the number of a metric comes from, as lines of a message."""
    if metric == "peak_bitrate" and (peak := stream.peak):
        span = span_text(peak.time, peak.time + stream.window)
        return [f"worst window: {span}, {_packets(peak.first, peak.packets)}"]
    if metric == "keyframe_distance":
        gop = stream.longest_gop
        if not (rate := stream.frame_rate):
            return [f"longest run without a key frame: {plural(gop.frames, 'frame')} from frame {gop.frame} on"]
        start, end = gop.frame / rate, (gop.frame + gop.frames) / rate
        seconds = f"{float(gop.frames / rate):.3f} s"
        return [f"longest run without a key frame: {seconds}, frame {gop.frame} on, {span_text(start, end)}"]
    if metric == "vbv_underflow" and (vbv := stream.vbv) and vbv.packets:
        late = f"{plural(vbv.packets, 'packet')} of {stream.packets} come too late"
        return [f"first underflow: packet {vbv.packet} at {time_code(vbv.time)}; {late}"]
    if metric == "level":
        changed = [change for change in stream.changes if "level" in change.values]
        return [f"packet {change.packet}{at_time(change.time)}: {change.what}" for change in changed[:3]]
    return []


def at_time(seconds: float | None) -> str:
    """The end of a sentence about a packet: " at 0:01.240", or "" if its time is unknown."""
    return "" if seconds is None else f" at {time_code(seconds)}"


def span_text(start: float | Fraction, end: float | Fraction) -> str:
    """Two times, for example "0:00.500 to 0:01.958"."""
    return f"{time_code(start)} to {time_code(end)}"


def _packets(first: int, count: int) -> str:
    return f"packet {first}" if count == 1 else f"packets {first} to {first + count - 1}"
