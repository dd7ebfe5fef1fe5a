"""Average frame rate: of clips with a variable rate, and of those that state the clock of their time stamps instead."""

from __future__ import annotations

import re
from fractions import Fraction

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.process import run

#: A stated rate from here on, in frames/s, is compared with the time stamps: it may be their clock. Files of browsers'
#: recorders state 1000.
SUSPECT_RATE = 200
#: A line of ffmpeg's framecrc: dts, pts.
PACKET = re.compile(r"0, *-?\d+, *(-?\d+), ")
TIMEBASE = re.compile(r"#tb 0: (\d+)/(\d+)$")
NO_TIME = -(1 << 63)


def average_rate(clip: Clip, ffmpeg: str, timeout: float | None = None) -> Fraction | None:
    """Frames per second by the time stamps of all packets, read without decoding; None for fewer than two."""
    tick = Fraction(0)
    times: list[int] = []

    def on_line(line: str) -> None:
        nonlocal tick
        if (match := PACKET.match(line)) and (time := int(match[1])) != NO_TIME:
            times.append(time)
        elif match := TIMEBASE.match(line):
            tick = Fraction(int(match[1]), int(match[2]))

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-c", "copy", "-f", "framecrc", "pipe:1"]
    run(FfmpegCommand(tuple(argv), on_stdout=on_line), timeout or INSPECT_TIMEOUT)
    length = (max(times) - min(times)) * tick if times else Fraction(0)
    return ((len(times) - 1) / length).limit_denominator(1001) or None if length else None
