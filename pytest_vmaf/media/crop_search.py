"""Search for the crop that one clip of a pair has and the other has not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.alignment import FLOOR_DB, MARGIN_DB
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.geometry import same_shape
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.process import run

Crop = tuple[int, int, int, int]
#: How many frames are looked at for black bars.
FRAMES = 48
BARS = re.compile(r"^\[Parsed_cropdetect_\d+ @ [^]]*\] .*\bcrop=(\d+):(\d+):(\d+):(\d+)")


def find_crop(ref: Video, dis: Video, inspect: Callable[[Clip], Video], ffmpeg: str, timeout: float | None) -> str:
    """Look for the part of one clip that the other shows, in sentences; "" if none matches.

    Each crop that is offered was tried: its first frames match those of the other clip.
    """
    for video, other, what in ((ref, dis, "reference"), (dis, ref, "distorted clip")):
        before = _psnr(video.thumbnails, other.thumbnails)
        bars = _find_bars(video, ffmpeg, timeout)
        tried: list[tuple[float, Crop]] = []
        for crop in dict.fromkeys(_candidates((video.width, video.height), (other.width, other.height), bars)):
            try:
                part = inspect(replace(video.clip, crop=_within(video.clip.crop, crop)))
            except ClipError:
                continue
            tried.append((_psnr(part.thumbnails, other.thumbnails), crop))
        if tried and (best := max(tried))[0] >= max(FLOOR_DB, before + MARGIN_DB):
            crop = _within(video.clip.crop, best[1])
            sentence = (
                f"The {what} has black bars, and without them it matches"
                if best[1] == bars
                else f"A part of the {what} matches"
            )
            flag = f"--{what.split()[0]}-crop {','.join(map(str, crop))}"
            size = (other.width, other.height)
            also = "" if best[1][2:] == size else ' and scale="bicubic"'
            return f"{sentence} the other clip: pass {video.clip.spelled(crop=crop)} ({flag}){also}."
    return ""


def _candidates(size: tuple[int, int], other: tuple[int, int], bars: Crop | None) -> Iterator[Crop]:
    """Crops of the shape of the other clip: within the bars, in the middle, or at an edge, where encoders pad."""
    if bars and same_shape(bars[2:], other):
        yield bars
    for x, y, width, height in filter(None, (bars, (0, 0, *size))):
        for part in (other, (width, round(width * other[1] / other[0])), (round(height * other[0] / other[1]), height)):
            spare = width - part[0], height - part[1]
            if min(*spare, *(side - 1 for side in part)) >= 0 and part != size:
                # On even pixels, where chroma may have its samples.
                for left, top in ((spare[0] // 2, spare[1] // 2), (0, 0), spare):
                    yield (x + left) // 2 * 2, (y + top) // 2 * 2, *part


def _within(outer: Crop | None, crop: Crop) -> Crop:
    return (crop[0] + outer[0], crop[1] + outer[1], *crop[2:]) if outer else crop


def _find_bars(video: Video, ffmpeg: str, timeout: float | None) -> Crop | None:
    """What is left of the picture without its black bars; None if it has none."""
    boxes: list[Crop] = []

    def on_line(line: str) -> None:
        if match := BARS.match(line):
            width, height, x, y = map(int, match.groups())
            boxes.append((x, y, width, height))

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", *input_arguments(video.clip)]
    # A part of the range, because clips have 8 to 16 bits. Without reset, the box grows with every frame.
    chain = [video.clip.cropping, "cropdetect=limit=0.094:round=2:reset=0:skip=0"]
    argv += ["-map", video_stream(video.clip), "-frames:v", str(FRAMES), "-fps_mode", "passthrough"]
    argv += ["-vf", ",".join(filter(None, chain)), "-f", "null", "-"]
    run(FfmpegCommand(tuple(argv), on_stderr=on_line), timeout or INSPECT_TIMEOUT)
    whole = (0, 0, video.width, video.height)
    return boxes[-1] if boxes and boxes[-1] != whole and min(boxes[-1][2:]) > 0 else None


def _psnr(reference: bytes, distorted: bytes) -> float:
    """The mean PSNR of the thumbnails that both clips have, in dB."""
    import numpy as np

    count = min(len(reference), len(distorted))
    a, b = (np.frombuffer(data[:count], np.uint8).astype(np.float32) for data in (reference, distorted))
    return float(10 * np.log10(255**2 / max(0.25, float(((a - b) ** 2).mean()))))
