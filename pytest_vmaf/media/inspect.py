"""Inspection of clips by ffmpeg: geometry, tags, early frames and frame counts, cached by content."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

from pytest_vmaf.cache.entries import Cache, get_or_compute
from pytest_vmaf.errors import ClipError
from pytest_vmaf.json_shapes import Fitting, Optional, Text, conform
from pytest_vmaf.media.builds import clip_key
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments, is_picture, video_stream
from pytest_vmaf.media.diagnosis import describe_change, describe_restart, find_change, why_unreadable
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.first_frames import decode_first_frames
from pytest_vmaf.media.frame_rate import SUSPECT_RATE, average_rate
from pytest_vmaf.media.inspection_log import InspectionLog
from pytest_vmaf.media.part import refuse_outside
from pytest_vmaf.media.pixel_formats import PixelFormat, pixel_format
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable

#: Width and height of a thumbnail in pixels: 8-bit luma, enough to tell one frame from its neighbours.
THUMBNAIL = (64, 36)
#: How many frames show whether the frame rate is variable.
FIRST_FRAMES = 16
#: From 8-bit samples of limited range to full range.
EXPANDED = bytes(min(255, max(0, round((sample - 16) * 255 / 219))) for sample in range(256))


@dataclass(frozen=True)
class Video:
    """What the ffmpeg that scores finds in a clip.

    Attributes:
        clip: The clip.
        width: In pixels, with the rotation that the file states and the crop of the clip applied.
        height: In pixels, likewise.
        pix_fmt: ffmpeg's name of the first frame's pixel format.
        frame_rate: In frames/s, on average if the rate is variable; None if neither the file nor the user states one.
        color_range: ffmpeg's name, or "unknown"; likewise `matrix`, `primaries` and `transfer`.
        interlaced: Whether one of the first frames is interlaced.
        is_picture: Whether the clip is a still picture, or a sequence of them.
        thumbnails: A 64x36 picture of 8-bit luma for each of the first frames, one after the other.
        duration: In seconds, as the file states it.
        streams: The number of video streams.
        stream: Which of them is read, counted from 0.
        tracks: The video streams in words.
        sample_aspect: Width by height of a pixel as it is displayed; None if the file does not state it.
        rotation: The counterclockwise rotation of the file's display matrix in degrees, which also mirrors if it is -0
            (upside down); None without a matrix. ffmpeg applies the matrix.
        has_variable_rate: Whether the file shows its frames for different times.
        states_clock: Whether the file states the clock of its time stamps for a frame rate, for example 1000.
        film_grain: Whose film grain decoders add: "AV1" or "H.274"; "VVC" if ffmpeg does not add it; "" for none.
        encoder: What the file names as the writer of its video stream, for example "Lavc61.3.100 libx264". Unchecked.
    """

    clip: Clip
    width: int
    height: int
    pix_fmt: str
    frame_rate: Fraction | None
    color_range: str
    matrix: str
    primaries: str
    transfer: str
    interlaced: bool
    is_picture: bool
    thumbnails: bytes
    duration: float | None = None
    streams: int = 1
    encoder: str = ""
    stream: int = 0
    tracks: str = ""
    sample_aspect: Fraction | None = None
    rotation: float | None = None
    film_grain: str = ""
    has_variable_rate: bool = False
    states_clock: bool = False

    @property
    def frames_expected(self) -> int | None:
        """The number of frames by the file's own duration: good for a progress bar, not for a check."""
        if isinstance(self.clip.frames, int):
            return self.clip.frames
        expected = round(self.duration * self.frame_rate) if self.duration and self.frame_rate else None
        return expected and max(1, expected - int(self.clip.start))

    @property
    def format(self) -> PixelFormat:
        """What the name of the pixel format says."""
        return pixel_format(self.pix_fmt)


def inspect(
    clip: Clip,
    ffmpeg: str,
    frames: int,
    timeout: float | None = None,
    cache: Cache | None = None,
    luma: str = "",
    look: Callable[[Clip], Video | None] = lambda clip: None,
) -> Video:
    """Decode the first frames as the scorer will, and describe them.

    Args:
        clip: The clip.
        ffmpeg: The path of the ffmpeg that scores.
        frames: How many frames to decode.
        timeout: In seconds; 120 by default.
        cache: With a cache, the same content is inspected only once by the same ffmpeg.
        luma: The scaler's name of the matrix by which thumbnails are made of RGB. By default they are BT.601.
        look: Asked first, for what another run of ffmpeg found out about as many frames.

    Raises:
        ClipError: If the clip has no picture that this ffmpeg can decode.
        ScorerError: If the time limit is exceeded.
    """
    unchanged = Unchanged(clip)
    key = clip_key("inspect", clip, ffmpeg, cache, frames=frames, luma=luma, version=1)
    compute = partial(_look, clip, ffmpeg, frames, timeout, luma, look=look)
    return get_or_compute(cache, "look", key, compute, _to_json, partial(_from_json, clip), unchanged)


def count_frames(clip: Clip, ffmpeg: str, timeout: float | None = None, cache: Cache | None = None) -> int:
    """Decode the whole clip, also where only a part of it is read, and count its frames.

    With a `cache`, the same content is counted only once by the same ffmpeg.

    Raises:
        ClipError: If the clip cannot be decoded without errors.
        ScorerError: If the time limit is exceeded.
    """
    clip = replace(clip, start=0, frames=None) if clip.is_part else clip
    unchanged = Unchanged(clip)
    key = clip_key("count", clip, ffmpeg, cache)
    return get_or_compute(cache, "look", key, partial(_count, clip, ffmpeg, timeout), int, _read_count, unchanged)


def _look(
    clip: Clip, ffmpeg: str, frames: int, timeout: float | None, luma: str, look: Callable[[Clip], Video | None]
) -> Video:
    return look(clip) or _inspect(clip, ffmpeg, frames, timeout, luma)


def _inspect(clip: Clip, ffmpeg: str, frames: int, timeout: float | None, luma: str) -> Video:
    # A display matrix that is applied is not described any more.
    decode = partial(decode_first_frames, clip, ffmpeg, frames, THUMBNAIL, timeout, luma)
    log, thumbnails, end = decode("-noautorotate")
    if clip.is_part and log.restarted:
        raise ClipError(describe_restart(clip, ffmpeg, timeout))
    if any(turn is not None for turn in log.turns):
        if len(set(log.turns)) > 1 and (change := find_change(clip, ffmpeg, timeout)):
            raise ClipError(change)
        turns = log.turns
        log, thumbnails, end = decode()
        log.turns = turns
    for number, form in enumerate(log.forms):
        if form != log.forms[0]:
            raise ClipError(describe_change(clip, number, log.forms[0], form))
    if log.tracks and log.stream >= len(log.tracks):
        raise ClipError(f"{clip} has no video stream {log.stream}. Its video streams are {log.listed_tracks}.")
    if clip.is_part and end.returncode == 0 and not log.forms:
        refuse_outside(clip.name, clip.start, clip.frames, count_frames(clip, ffmpeg, timeout))
    if end.returncode != 0 or not log.forms or not thumbnails:
        raise ClipError(why_unreadable(clip, end))
    if not clip.film_grain and log.decoder == "libaom-av1":
        raise ClipError(
            f"{clip}: film_grain=False needs an ffmpeg with libdav1d; libaom, which decodes it here, always adds grain."
        )
    rate, has_variable_rate, states_clock = clip.frame_rate, False, False
    # A picture has no rate of its own; ffmpeg states 25 for want of a better one.
    if rate is None and not clip.is_raw and not is_picture(clip):
        rate = stated = log.frame_rate
        if stated and (log.has_variable_rate or stated >= SUSPECT_RATE):
            rate = average_rate(clip, ffmpeg, timeout) or stated
            states_clock = stated >= SUSPECT_RATE and abs(rate - stated) > stated / 100
            has_variable_rate = log.has_variable_rate or states_clock
    video = describe(clip, log, thumbnails)
    return replace(video, frame_rate=rate, has_variable_rate=has_variable_rate, states_clock=states_clock)


def describe(clip: Clip, log: InspectionLog, thumbnails: bytes) -> Video:
    """What the log of an inspection tells of a clip with a constant frame rate. `thumbnails` are as ffmpeg made them.

    Raises:
        ClipError: If the clip's crop does not fit.
    """
    width, height, pix_fmt = int(log.forms[0][0]), int(log.forms[0][1]), log.forms[0][2]
    if clip.crop:
        x, y, cropped_width, cropped_height = clip.crop
        if x + cropped_width > width or y + cropped_height > height:
            raise ClipError(f"{clip}: crop must lie in the picture, which is {width}x{height}.")
        width, height = cropped_width, cropped_height
    color_range, matrix, primaries, transfer = log.tags
    if clip.is_raw and pixel_format(pix_fmt).kind == "grey":
        # ffmpeg states full range for all raw grey, whatever is in the file.
        color_range = "unknown"
    is_limited_grey = color_range == "tv" and pixel_format(pix_fmt).kind == "grey"
    return Video(
        clip=clip,
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        frame_rate=clip.frame_rate or (None if clip.is_raw or is_picture(clip) else log.frame_rate),
        color_range="pc" if pix_fmt.startswith("yuvj") else color_range,
        matrix=matrix,
        primaries=primaries,
        transfer=transfer,
        interlaced=log.interlaced,
        is_picture=is_picture(clip),
        # The scaler expands limited range to full range, but not that of grey.
        thumbnails=thumbnails.translate(EXPANDED if is_limited_grey else None),
        duration=log.duration,
        streams=max(1, len(log.tracks)),
        encoder=log.encoder,
        stream=log.stream,
        tracks=log.listed_tracks,
        sample_aspect=log.sample_aspect,
        rotation=log.rotation,
        film_grain=log.film_grain,
    )


def _count(clip: Clip, ffmpeg: str, timeout: float | None) -> int:
    counts: list[int] = []
    damages: list[str] = []

    def on_line(line: str) -> None:
        if match := DECODED.search(line):
            counts.append(int(match[2]))
        elif DAMAGED.match(line):
            damages.append(printable(line))

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-fps_mode", "passthrough", "-c:v", "wrapped_avframe", "-f", "null", "-"]
    end = run(FfmpegCommand(tuple(argv), on_stderr=on_line), timeout)
    if end.returncode != 0 or not counts:
        raise ClipError(why_unreadable(clip, end))
    if damages:
        raise ClipError(f"{clip} is cut off or damaged. ffmpeg reports: {damages[0]}")
    return counts[-1]


def _misfit(data: Mapping[str, Any]) -> str:
    if not all(0 < data[name] <= 1 << 20 for name in ("width", "height", "streams")):
        return "has a size that no clip has"
    if data["frame_rate"] and not Fraction(data["frame_rate"]):
        return "has a frame rate of 0"
    size = len(base64.b64decode(data["thumbnails"]))
    return f"has {size} bytes of thumbnails" if not size or size % (THUMBNAIL[0] * THUMBNAIL[1]) else ""


#: A Video without its clip, as the cache stores it.
VIDEO = Fitting(
    {
        **dict.fromkeys(("width", "height", "streams", "stream"), int),
        **dict.fromkeys(("pix_fmt", "color_range", "matrix", "primaries", "transfer"), str),
        **dict.fromkeys(("encoder", "thumbnails", "tracks", "film_grain"), str),
        **dict.fromkeys(("interlaced", "is_picture", "has_variable_rate", "states_clock"), bool),
        "frame_rate": Optional(Text(re.compile(r"\d{1,20}(?:/\d{1,20})?"))),
        **dict.fromkeys(("duration", "rotation"), Optional(float)),
        "sample_aspect": Optional(Text(re.compile(r"[1-9]\d{0,19}(?:/[1-9]\d{0,19})?"))),
    },
    _misfit,
)


#: Fields of a Video that JSON holds as text.
FRACTIONS = ("frame_rate", "sample_aspect")


def _to_json(video: Video) -> dict[str, object]:
    data = {name: value for name, value in vars(video).items() if name != "clip"}
    fractions = {name: data[name] and str(data[name]) for name in FRACTIONS}
    return {**data, **fractions, "thumbnails": base64.b64encode(video.thumbnails).decode()}


def _from_json(clip: Clip, data: dict[str, Any]) -> Video:
    conform(data, VIDEO, "inspection")
    data = {name: printable(value) if isinstance(value, str) else value for name, value in data.items()}
    fractions = {name: data[name] and Fraction(data[name]) for name in FRACTIONS}
    return Video(**{**data, "clip": clip, **fractions, "thumbnails": base64.b64decode(data["thumbnails"])})


def _read_count(data: object) -> int:
    conform(data, int, "count")
    assert isinstance(data, int)  # noqa: S101  (for the type checker)
    if data < 0:
        raise ValueError(f"count must not be negative, but is {data}")
    return data
