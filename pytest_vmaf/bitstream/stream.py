"""Stream: what the packets and headers of an encode say, as one immutable value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from pytest_vmaf.bitstream.gops import Gop, OpenGop
from pytest_vmaf.bitstream.header import level_number
from pytest_vmaf.bitstream.rates import Underflow, Window
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.json_shapes import Each, Optional, Text, conform

CODEC_NAMES = {"h264": "H.264", "hevc": "HEVC", "av1": "AV1", "vp9": "VP9", "vvc": "VVC"}
RATE = re.compile(r"[1-9]\d{0,18}(?:/[1-9]\d{0,18})?")
_TEXTS = "clip codec profile level tier pix_fmt color_range matrix primaries transfer rate_source digest"
#: The shape of `Stream.to_dict`.
STREAM = {
    **dict.fromkeys(_TEXTS.split(), str),
    **dict.fromkeys(["width", "height", "packets", "frames", "size", "part_packets"], int),
    "frame_rate": Optional(Text(RATE)),
    "uneven": Optional({"frame": int, "time": float, "late": float}),
    "peak": Optional({"first": int, "packets": int, "time": float, "bits": int}),
    "window": float,
    "key_frames": [int],
    "longest_gop": {"frame": int, "frames": int},
    "open_gop": Optional({"frame": int, "packet": int, "why": str}),
    "changes": [{"packet": int, "time": Optional(float), "what": str, "values": Each(str)}],
    "vbv": Optional({"packet": int, "time": float, "packets": int, "missing": float}),
    "part_digests": [str],
}


@dataclass(frozen=True)
class Change:
    """A sequence header that differs from the one before it.

    Attributes:
        packet: The index of the packet that contains it.
        time: When that packet is decoded, in seconds from the first; None if the stream has no times.
        what: The fields that differ, for example "width 176 → 88".
        values: Their new values.
    """

    packet: int
    time: float | None
    what: str
    values: Mapping[str, str] = field(hash=False)


class Uneven(NamedTuple):
    """The first frame that is not shown when it would be at an even rate.

    Attributes:
        frame: The frame, in the order in which frames are shown.
        time: When it is shown, in seconds from the first.
        late: How much later than at an even rate, in seconds.
    """

    frame: int
    time: float
    late: float


@dataclass(frozen=True)
class Stream:
    """The video stream of an encode, as its packets and headers describe it. No picture is decoded.

    Attributes:
        clip: The encode.
        codec: "h264", "hevc", "av1", "vp9" or "vvc".
        profile: The profile's usual name, for example "High" or "Main 10".
        level: The level's usual name, for example "4.1"; "" if the codec does not state it (VP9).
        tier: "Main" or "High"; "" for codecs without tiers.
        width: In pixels.
        height: In pixels.
        pix_fmt: ffmpeg's name of the samples, for example "yuv420p10le"; "" if it is not read.
        color_range: "tv", "pc" or "unknown". The four tags are those of the stream's header, not of the container; ""
            for VVC, of whose headers they are not read.
        matrix: As ffmpeg names it, or "unknown".
        primaries: Likewise.
        transfer: Likewise.
        frame_rate: In frames/s, on average; None if the stream states no times and no rate.
        rate_source: Where it is from: "times", "header", or "user" (`Clip(frame_rate=)`); "" for none.
        uneven: The first frame that is not shown at an even rate; None if all are, or if the stream has no times.
        packets: How many packets there are.
        frames: How many frames are shown.
        size: The bytes of all packets.
        peak: The window with the most bits; None if the stream has no times, or is shorter than the window.
        window: The length of that window, in seconds.
        key_frames: The key frames, at which decoding can start, in the order in which frames are shown.
        longest_gop: The longest run of frames without a key frame.
        open_gop: The first group with frames that need others from before its key frame; None if all are closed.
        changes: Sequence headers that differ from the one before, in order.
        vbv: How a decoder's buffer of a given size fills and empties, if one was given.
        digest: SHA-256 of the packets and of the decoder configuration, without times. It identifies the stream in one
            container: others store the same stream with other bytes.
        part_packets: How many packets each of `part_digests` is of.
        part_digests: Short digests of the packets in order, which tell where two streams differ.
    """

    clip: str
    codec: str
    profile: str
    level: str
    tier: str
    width: int
    height: int
    pix_fmt: str
    color_range: str
    matrix: str
    primaries: str
    transfer: str
    frame_rate: Fraction | None
    rate_source: str
    packets: int
    frames: int
    size: int
    uneven: Uneven | None
    peak: Window | None
    window: float
    key_frames: tuple[int, ...] = field(repr=False)
    longest_gop: Gop
    open_gop: OpenGop | None
    changes: tuple[Change, ...]
    vbv: Underflow | None
    digest: str
    part_packets: int = field(repr=False)
    part_digests: tuple[str, ...] = field(repr=False)

    @property
    def duration(self) -> float:
        """In seconds. Raises MeasurementError if the stream states no times and no rate."""
        if not self.frame_rate:
            raise MeasurementError(no_rate(self.clip))
        return float(self.frames / self.frame_rate)

    @property
    def bitrate(self) -> float:
        """The mean bitrate in bit/s. Raises as `duration`."""
        return 8 * self.size / self.duration

    @property
    def peak_bitrate(self) -> float:
        """The bitrate of the window with the most bits, in bit/s. Raises MeasurementError if there is none."""
        if self.peak is None:
            seconds = self.duration
            raise MeasurementError(
                f"{self.clip} has no peak bitrate: it is {seconds:.3f} s long, and the window is {self.window:g} s. "
                "Give a shorter window=."
            )
        return self.peak.bits / self.window

    @property
    def highest_level(self) -> float:
        """The highest level of all headers, as a number. Raises MeasurementError if the stream states none."""
        if not self.level:
            raise MeasurementError(
                f"{self.clip} states no level: {CODEC_NAMES[self.codec]} has none in its headers, so max_level cannot "
                "be checked. Gate width, bitrate and frame rate instead."
            )
        levels = (self.level, *(change.values.get("level", "0") for change in self.changes))
        if "unlimited" in levels:
            raise MeasurementError(
                f"{self.clip} keeps to no level (seq_level_idx 31), so max_level cannot be checked. Set one in the "
                "encoder."
            )
        return max(map(level_number, levels))

    @property
    def keyframe_distance(self) -> int:
        """The most frames from one key frame to the next, or to the end."""
        return self.longest_gop.frames

    @property
    def closed_gops(self) -> bool:
        """Whether no frame needs others from before the key frame that it follows."""
        return self.open_gop is None

    def __str__(self) -> str:
        level = f"@{self.level}" if self.level else ""
        rate = f", {self.bitrate / 1000:,.1f} kbit/s" if self.frame_rate else ""
        return (
            f"{CODEC_NAMES[self.codec]} {self.profile}{level}, {self.pix_fmt} {self.width}x{self.height}, "
            f"{self.frames} frames{rate}, key frames at most {self.keyframe_distance} frames apart"
        )

    def to_dict(self) -> dict[str, Any]:
        """All values as JSON data, for `from_dict`."""
        data = dict(vars(self))
        for name in ("uneven", "peak", "longest_gop", "open_gop", "vbv"):
            data[name] = data[name] and data[name]._asdict()
        for name in ("key_frames", "part_digests"):
            data[name] = list(data[name])
        data["changes"] = [{**vars(change), "values": dict(change.values)} for change in self.changes]
        return {**data, "frame_rate": self.frame_rate and str(self.frame_rate)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Stream:
        """Read the data of `to_dict`. Raises ValueError if it is not a stream."""
        conform(data, STREAM, "stream")
        parts: dict[str, Any] = {
            "frame_rate": data["frame_rate"] and Fraction(data["frame_rate"]),
            "uneven": data["uneven"] and Uneven(**data["uneven"]),
            "peak": data["peak"] and Window(**data["peak"]),
            "key_frames": tuple(data["key_frames"]),
            "longest_gop": Gop(**data["longest_gop"]),
            "open_gop": data["open_gop"] and OpenGop(**data["open_gop"]),
            "changes": tuple(Change(**change) for change in data["changes"]),
            "vbv": data["vbv"] and Underflow(**data["vbv"]),
            "part_digests": tuple(data["part_digests"]),
        }
        return cls(**{**data, **parts})


def no_rate(clip: str) -> str:
    """The message for a stream whose rate nothing states."""
    return (
        f"{clip} states neither times nor a frame rate, so bitrates and seconds are unknown. State it: "
        "Clip(path, frame_rate=24), or --frame-rate 24."
    )
