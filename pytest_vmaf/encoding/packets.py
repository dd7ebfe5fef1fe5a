"""Packet: one coded frame of a video stream, read without decoding."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run

#: A line of ffmpeg's framecrc: dts, pts, duration, size. The flags are missing if they are those of a plain key frame.
PACKET = re.compile(r"0, *(-?\d+), *(-?\d+), *(\d+), *(\d+), 0x([0-9a-f]{8})(?:, F=0x([0-9A-F]+))?")
TIMEBASE = re.compile(r"#tb 0: (\d+)/(\d+)$")
NO_TIME = -(1 << 63)


@dataclass(frozen=True)
class Packet:
    """One coded frame.

    Attributes:
        dts: When it is decoded, in seconds.
        pts: When it is displayed, in seconds; None if the stream does not state it.
        duration: How long it is displayed, in seconds.
        size: Its size in bytes.
        is_key: Whether decoding can start here.
        checksum: The Adler-32 of its bytes, in hexadecimal digits.
    """

    dts: float
    pts: float | None
    duration: float
    size: int
    is_key: bool
    checksum: str = ""

    @property
    def time(self) -> float:
        """When it is displayed, as far as the stream states it."""
        return self.dts if self.pts is None else self.pts


def read_packets(clip: Clip, ffmpeg: str, timeout: float | None = None, *, strict: bool = True) -> list[Packet]:
    """List the packets of a clip's first video stream in the order in which they are stored.

    Args:
        clip: The clip.
        ffmpeg: Path of the ffmpeg.
        timeout: Time limit in seconds.
        strict: Whether decoding times that do not increase are an error. Players tolerate them.

    Raises:
        ClipError: If the packets cannot be read.
    """
    tick = 0.0
    packets: list[Packet] = []

    def on_line(line: str) -> None:
        nonlocal tick
        if match := PACKET.match(line):
            dts, pts, duration, size = map(int, match.groups()[:4])
            is_key = match[6] is None or bool(int(match[6], 16) & 1)
            time = None if pts == NO_TIME else pts * tick
            packets.append(Packet(dts * tick, time, duration * tick, size, is_key, match[5]))
        elif match := TIMEBASE.match(line):
            tick = int(match[1]) / int(match[2])

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning"]
    argv += [*(["-xerror"] if strict else []), *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-c", "copy", "-f", "framecrc", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), on_stdout=on_line), timeout)
    if end.returncode != 0 or not packets:
        raise ClipError(f"The frames of {clip} cannot be listed.\n{end.explain()}")
    return packets


def displayed_seconds(packets: Sequence[Packet]) -> float:
    """How long packets are displayed, by their time stamps; the last one as long as the others on average.

    A single packet gives 0, packets without time stamps give NaN.
    """
    times = [packet.pts for packet in packets if packet.pts is not None]
    return (max(times) - min(times)) * len(times) / max(1, len(times) - 1) if times else math.nan
