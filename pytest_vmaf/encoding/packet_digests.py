"""PacketDigests: a digest of each packet of a video stream, without the container around them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pytest_vmaf.encoding.packets import NO_TIME, TIMEBASE
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run

#: Lines of ffmpeg's framehash: dts, pts, duration, size, digest; and the decoder's configuration.
LINE = re.compile(r"0, *-?\d+, *(-?\d+), *\d+, *\d+, ([0-9a-f]{64})")
CONFIGURATION = re.compile(r"#extradata 0, *\d+, ([0-9a-f]{64})")


@dataclass(frozen=True)
class PacketDifference:
    """The first packet in which two streams differ.

    Attributes:
        packet: Its index in the order of decoding; None if only the configuration of the decoder differs.
        frame: The index of its frame in the order of display; None if the stream states no times.
        seconds: When the frame is displayed, likewise.
        count: How many packets differ in all.
        packets: How many packets there are.
    """

    packet: int | None
    frame: int | None
    seconds: float | None
    count: int
    packets: int

    def __str__(self) -> str:
        if self.packet is None:
            return "the configuration of the decoder"
        where = "" if self.frame is None or self.seconds is None else f" (frame {self.frame}, {self.seconds:.3f} s)"
        return f"packet {self.packet}{where}, and {self.count} of {self.packets} packets in all"


@dataclass(frozen=True)
class PacketDigests:
    """The digests (SHA-256) of a stream.

    Attributes:
        configuration: That of the decoder's configuration, "" if the container has none.
        packets: Those of the packets, in the order of decoding.
        times: When each packet's frame is displayed, in seconds; None if the stream does not state it.
    """

    configuration: str
    packets: tuple[str, ...]
    times: tuple[float | None, ...]

    @property
    def digest(self) -> str:
        """One digest of all of them. Times are not part of it: they belong to the container."""
        return hashlib.sha256("\n".join((self.configuration, *self.packets)).encode()).hexdigest()

    def difference(self, other: PacketDigests) -> PacketDifference | None:
        """Where another stream begins to differ from this one; None if it does not."""
        if self.digest == other.digest:
            return None
        shorter, longer = sorted((len(self.packets), len(other.packets)))
        differing = [n for n in range(shorter) if self.packets[n] != other.packets[n]] + [*range(shorter, longer)]
        if not differing:
            return PacketDifference(None, None, None, 0, longer)
        first, times = differing[0], max(self.times, other.times, key=len)
        time, known = times[first], [each for each in times if each is not None]
        frame = sorted(known).index(time) if time is not None and len(known) == len(times) else None
        seconds = None if time is None else time - min(known)
        return PacketDifference(first, frame, seconds, len(differing), longer)


def read_digests(clip: Clip, ffmpeg: str, timeout: float | None = None) -> PacketDigests:
    """Read the packets of a clip's video stream.

    Raises:
        ClipError: If they cannot be read.
    """
    tick, configuration = 0.0, ""
    packets: list[str] = []
    times: list[float | None] = []

    def on_line(line: str) -> None:
        nonlocal tick, configuration
        if match := LINE.match(line):
            pts = int(match[1])
            times.append(None if pts == NO_TIME else pts * tick)
            packets.append(match[2])
        elif match := TIMEBASE.match(line):
            tick = int(match[1]) / int(match[2])
        elif match := CONFIGURATION.match(line):
            configuration = match[1]

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-c", "copy", "-f", "framehash", "-hash", "sha256", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), on_stdout=on_line), timeout)
    if end.returncode != 0 or not packets:
        raise ClipError(f"The packets of {clip} cannot be read.\n{end.explain()}")
    return PacketDigests(configuration, tuple(packets), tuple(times))
