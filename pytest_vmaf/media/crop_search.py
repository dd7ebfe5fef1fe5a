"""Search for the crop that one clip of a pair has and the other has not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.alignment import FLOOR_DB, MARGIN_DB
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.geometry import same_shape, thumbnail_psnr
from pytest_vmaf.media.inspect import FIRST_FRAMES, Video
from pytest_vmaf.media.part import time_limit
from pytest_vmaf.media.pixel_formats import WITHOUT_MATRIX
from pytest_vmaf.media.process import run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Crop = tuple[int, int, int, int]
#: How many frames are looked at for black bars.
FRAMES = 48
BARS = re.compile(r"^\[Parsed_cropdetect_\d+ @ [^]]*\] .*\bcrop=(\d+):(\d+):(\d+):(\d+)")


def find_crop(ref: Video, dis: Video, inspect: Callable[[Clip], Video], ffmpeg: str, timeout: float | None) -> str:
    """Look for the part of one clip that the other shows, in sentences; "" if none matches.

    Each crop that is offered was tried: its first frames match those of the other clip.
    """
    for video, other, what in ((ref, dis, "reference"), (dis, ref, "distorted clip")):
        before = thumbnail_psnr(video.thumbnails, other.thumbnails)
        bars = _find_bars(video, ffmpeg, timeout)
        tried: list[tuple[float, Crop]] = []
        located = _locate(video, other, ffmpeg, timeout)
        sides = (video.width, video.height), (other.width, other.height)
        for crop in dict.fromkeys([*filter(None, [located]), *_candidates(*sides, bars)]):
            try:
                part = inspect(replace(video.clip, crop=_within(video.clip.crop, crop)))
            except ClipError:
                continue
            tried.append((thumbnail_psnr(part.thumbnails, other.thumbnails), crop))
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


def _locate(video: Video, other: Video, ffmpeg: str, timeout: float | None) -> Crop | None:
    """Where a picture of the other clip is in a larger one of this clip, if it was not scaled: by least squares."""
    import numpy as np

    if (width := other.width) > video.width or (height := other.height) > video.height:
        return None
    picture, part = (_picture(each, ffmpeg, timeout) for each in (video, other))
    if picture is None or part is None:
        return None
    shape = picture.shape
    products = np.fft.irfft2(np.fft.rfft2(picture) * np.fft.rfft2(part, shape).conj(), shape)
    sums = np.pad(picture**2, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    windows = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    error = windows - 2 * products[: windows.shape[0], : windows.shape[1]]
    y, x = np.unravel_index(int(error.argmin()), error.shape)
    return int(x), int(y), width, height


def _picture(video: Video, ffmpeg: str, timeout: float | None) -> NDArray[np.float64] | None:
    """The luma of the last of the first frames, without its mean; None if it cannot be decoded."""
    import numpy as np

    pixels = bytearray()
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", *input_arguments(video.clip)]
    argv += ["-map", video_stream(video.clip), "-frames:v", str(FIRST_FRAMES), "-fps_mode", "passthrough"]
    chain = [video.clip.trimming, WITHOUT_MATRIX, video.clip.cropping, "format=gray"]
    argv += ["-vf", ",".join(filter(None, chain)), "-f", "rawvideo", "pipe:1"]
    limit = time_limit(video.clip.start, timeout, INSPECT_TIMEOUT)
    run(FfmpegCommand(tuple(argv), stdout_bytes=pixels.extend), limit)
    size = video.width * video.height
    if not pixels or len(pixels) % size:
        return None
    last: NDArray[np.float64] = np.frombuffer(bytes(pixels[-size:]), np.uint8).astype(np.float64)
    centred: NDArray[np.float64] = (last - last.mean()).reshape(video.height, video.width)
    return centred


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
    chain = [video.clip.trimming, video.clip.cropping, "cropdetect=limit=0.094:round=2:reset=0:skip=0"]
    argv += ["-map", video_stream(video.clip), "-frames:v", str(FRAMES), "-fps_mode", "passthrough"]
    argv += ["-vf", ",".join(filter(None, chain)), "-f", "null", "-"]
    run(FfmpegCommand(tuple(argv), on_stderr=on_line), time_limit(video.clip.start, timeout, INSPECT_TIMEOUT))
    whole = (0, 0, video.width, video.height)
    return boxes[-1] if boxes and boxes[-1] != whole and min(boxes[-1][2:]) > 0 else None
