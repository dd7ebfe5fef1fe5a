"""Telecine: film at 24 frames/s in interlaced video at 30, four frames in five (3:2 pulldown)."""

from __future__ import annotations

import re

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.part import time_limit
from pytest_vmaf.media.process import run

#: How many frames show the pattern.
FRAMES = 240
#: A field is a repetition if it differs from the last of its kind so much less than the other field does. Coding noise
#: allows no more: real repetitions in encodes are found from 1.8 down, none in interlaced video from 1.4 up.
THRESHOLD = 1.4
REPEATED = re.compile(r"^\[Parsed_idet_\d+ @ [^]]*\] Repeated Fields: Neither: *(\d+) Top: *(\d+) Bottom: *(\d+)")

ORDER = re.compile(r"^\[Parsed_idet_\d+ @ [^]]*\] Multi frame detection: TFF: *(\d+) BFF: *(\d+)")


def inverse_telecine(clip: Clip, ffmpeg: str, timeout: float | None = None) -> str:
    """The filters that restore the frames of telecined film; "" if the fields of the clip do not repeat in that way.

    Of ten frames of such film, two repeat the top field, and two the bottom one. Pictures that hardly move have no
    fields to compare, and count as not telecined.
    """
    repeated, orders = [0, 0, 0], [0, 0]

    def on_line(line: str) -> None:
        if match := REPEATED.match(line):
            repeated[:] = map(int, match.groups())
        elif match := ORDER.match(line):
            orders[:] = map(int, match.groups())

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-frames:v", str(FRAMES), "-fps_mode", "passthrough"]
    chain = ",".join(filter(None, [clip.trimming, f"idet=rep_thres={THRESHOLD}"]))
    argv += ["-vf", chain, "-f", "null", "-"]
    run(FfmpegCommand(tuple(argv), on_stderr=on_line), time_limit(clip.start, timeout, INSPECT_TIMEOUT))
    total, (_, top, bottom) = sum(repeated), repeated
    if total < 10 or min(top, bottom) <= 0.1 * total or not 0.25 * total < top + bottom < 0.45 * total:
        return ""
    # The flags of single frames may differ, although the order of the fields is the same in all.
    return f"fieldmatch=order={'tff' if orders[0] >= orders[1] else 'bff'},decimate"
