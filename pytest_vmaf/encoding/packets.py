"""The packets of an encode's video stream: sizes and times from the stream itself, without decoding."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run

#: A packet in ffmpeg's framecrc: dts, pts, duration and size; flags stand where it is no plain key frame.
PACKET = re.compile(r"0, *(-?\d+), *(-?\d+), *(\d+), *(\d+), 0x[0-9a-f]{8}(?:, F=0x([0-9A-F]+))?")
TIMEBASE = re.compile(r"#tb 0: (\d+)/(\d+)$")
NO_TIME = -(1 << 63)


@dataclass(frozen=True)
class Packet:
    """One frame as it is coded: when it is decoded and shown (None: not said) and how long, in s; its size in bytes."""

    decoded: float
    shown: float | None
    duration: float
    size: int
    is_key: bool

    @property
    def time(self) -> float:
        """When it is shown, as far as that is said."""
        return self.decoded if self.shown is None else self.shown


def read_packets(clip: Clip, ffmpeg: str, timeout: float | None = None, *, strict: bool = True) -> list[Packet]:
    """List the packets of the first video stream as they are stored. Raises ClipError where that cannot be.

    Unless it is ``strict``, packets whose decoding times do not rise are listed too; players put up with them.
    """
    tick = 0.0
    packets: list[Packet] = []

    def heard(line: str) -> None:
        nonlocal tick
        if match := PACKET.match(line):
            decoded, shown, duration, size = map(int, match.groups()[:4])
            when = None if shown == NO_TIME else shown * tick
            is_key = match[5] is None or bool(int(match[5], 16) & 1)
            packets.append(Packet(decoded * tick, when, duration * tick, size, is_key))
        elif match := TIMEBASE.match(line):
            tick = int(match[1]) / int(match[2])

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning"]
    argv += [*(["-xerror"] if strict else []), *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-c", "copy", "-f", "framecrc", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), on_stdout=heard), timeout)
    if end.returncode != 0 or not packets:
        raise ClipError(f"The frames of {clip} cannot be listed.\n{end.explain()}")
    return packets
