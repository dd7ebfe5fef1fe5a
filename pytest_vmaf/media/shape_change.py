"""Shape changes: sample aspect ratios that change within streams without a container that states one.

ffmpeg gives all frames the ratio that the file states, which for bare streams is that of the first frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import partial

from pytest_vmaf.cache.entries import Cache, get_or_compute
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.media.builds import clip_key
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import TRANSPORT_STREAM
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.frame_lines import SHOWINFO, FrameLines
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.process import run
from pytest_vmaf.media.timing import field_problems

#: How bare streams begin, and program streams: with a start code.
START_CODE = re.compile(rb"\x00\x00\x00?\x01")
#: The units of a stream that state the ratio, by ffmpeg's name of the codec and the numbers of the standards.
UNITS = {"h264": 7, "hevc": 33, "vvc": 15, "mpeg2video": 179}
#: What ffmpeg's bitstream filter trace_headers prints of a ratio.
RATIO = re.compile(r"\] \d+ +(?:vui_)?(aspect_ratio_(?:idc|information)|sar_(?:width|height)) .* = (\d+)$")
HEADER = re.compile(r"\] (?:Sequence Parameter Set|Sequence Header)$")


def shape_changes(
    ref: Video, dis: Video, allow: Collection[str], ffmpeg: str, timeout: float | None, cache: Cache | None
) -> list[str]:
    """Where the sample aspect ratio of a clip changes, and not that of the other, a sentence for each clip.

    Args:
        ref: The reference.
        dis: The distorted clip.
        allow: Properties that are not a problem: "display".
        ffmpeg: The path of ffmpeg.
        timeout: In seconds, for each process.
        cache: Stores the answers.
    """
    if "display" in allow:
        return []
    look = partial(_look, ffmpeg=ffmpeg, timeout=timeout, cache=cache)
    changes = {"reference": look(ref), "distorted clip": look(dis)}
    if len(set(changes.values())) == 1:
        # Players show both alike.
        return []
    return [text.replace("of the reference", f"of the {what}") for what, text in changes.items() if text]


def _look(video: Video, ffmpeg: str, timeout: float | None, cache: Cache | None) -> str:
    codec = next((name for name in UNITS if re.search(rf"\b{name}\b", video.tracks)), None)
    if codec is None or not _is_bare(video.clip):
        return ""
    compute = partial(_find, video.clip, UNITS[codec], ffmpeg, timeout)
    key = clip_key("shape change", video.clip, ffmpeg, cache)
    return get_or_compute(cache, "look", key, compute, str, _read, Unchanged(video.clip))


def _is_bare(clip: Clip) -> bool:
    with clip.path.open("rb") as file:
        head = file.read(400)
    return not clip.is_raw and (START_CODE.match(head) or TRANSPORT_STREAM.match(head)) is not None


def _find(clip: Clip, unit: int, ffmpeg: str, timeout: float | None) -> str:
    headers: list[list[tuple[str, str]]] = []

    def on_line(line: str) -> None:
        if HEADER.search(line):
            headers.append([])
        elif headers and (match := RATIO.search(line)):
            headers[-1].append((match[1], match[2]))

    units = ("-c", "copy", "-bsf:v", f"filter_units=pass_types={unit},trace_headers")
    _run(clip, ffmpeg, timeout, units, on_line)
    if all(header == headers[0] for header in headers):
        return ""
    frames = FrameLines()

    def on_frame(line: str) -> None:
        frames(line)

    # Without a look at the stream, ffmpeg knows no ratio that it could state for all frames.
    chain = ",".join(filter(None, (clip.trimming, SHOWINFO)))
    _run(clip, ffmpeg, timeout, ("-fps_mode", "passthrough", "-vf", chain), on_frame, "-nofind_stream_info")
    [flags] = list(frames.flags.values()) or [[]]
    return "".join(field_problems(flags, (), ["interlaced"]))


def _run(
    clip: Clip,
    ffmpeg: str,
    timeout: float | None,
    output: tuple[str, ...],
    on_line: Callable[[str], None],
    *options: str,
) -> None:
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", *options, *input_arguments(clip)]
    argv += ["-map", video_stream(clip), *output, "-f", "null", "-"]
    run(FfmpegCommand(tuple(argv), on_stderr=on_line), timeout or INSPECT_TIMEOUT)


def _read(data: object) -> str:
    conform(data, str, "shape change")
    return str(data)
