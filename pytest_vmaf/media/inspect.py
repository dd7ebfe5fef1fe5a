"""Inspection of clips by ffmpeg: geometry, tags, early frames and frame counts, cached by content."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from pytest_vmaf.cache import Cache, get_or_compute, key_of
from pytest_vmaf.errors import ClipError
from pytest_vmaf.json_shapes import Fitting, Optional, Text, conform
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.media.clip import Clip, Stream
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments, is_picture
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged, decoding_content
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable

#: Width and height of a thumbnail in pixels: 8-bit luma, enough to tell one frame from its neighbours.
THUMBNAIL = (64, 36)
#: How ffmpeg's names of YUV formats begin: planar, semi-planar, packed.
YUV = ("yuv", "nv", "p0", "p2", "p4", "uyvy", "uyyvyy", "yuyv", "yvyu", "y2", "xv", "v30", "vuy", "vyu", "ayuv", "uyva")
#: The input chain, the first frame and the colour line that ffmpeg prints at -loglevel info. The colour line is printed
#: in pieces between which another thread may print its own: a line with more than four words is not read.
CONFIG = re.compile(r"^\[Parsed_showinfo_0 @ [^]]*\] config in time_base: \S+, frame_rate: (\d+)/(\d+)$")
FRAME = re.compile(
    r"^\[Parsed_showinfo_0 @ [^]]*\] n: *\d+ .*?fmt:(?P<fmt>\S+) .*?s:(?P<w>\d+)x(?P<h>\d+) i:(?P<field>[PTB?])"
)
COLOUR = re.compile(
    r"^\[Parsed_showinfo_0 @ [^]]*\] color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)$"
)
STREAM = re.compile(r"^  Stream #0:(\d+).*?: Video: ")
#: In the metadata of a stream, not of the file, which names the muxer.
ENCODER = re.compile(r"^ {6}encoder +: (.{1,100})", re.IGNORECASE)
DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d\.\d+)")


@dataclass(frozen=True)
class Video:
    """What the ffmpeg that scores finds in a clip.

    Attributes:
        clip: The clip.
        width: In pixels, as displayed (rotation applied).
        height: In pixels, as displayed.
        pix_fmt: ffmpeg's name of the first frame's pixel format.
        frame_rate: In frames/s; None if neither the file nor the user states one.
        color_range: ffmpeg's name, or "unknown"; likewise `matrix`, `primaries` and `transfer`.
        interlaced: Whether one of the first frames is interlaced.
        is_picture: Whether the clip is a still picture, or a sequence of them.
        thumbnails: A 64x36 picture of 8-bit luma for each of the first frames, one after the other.
        duration: In seconds, as the file states it.
        streams: The number of video streams.
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

    @property
    def frames_expected(self) -> int | None:
        """The number of frames by the file's own duration: good for a progress bar, not for a check."""
        return round(self.duration * self.frame_rate) if self.duration and self.frame_rate else None

    @property
    def is_rgb(self) -> bool:
        """Whether the samples are not YUV with chroma: RGB, palette or grey."""
        return not self.pix_fmt.startswith(YUV)


def inspect(clip: Clip, ffmpeg: str, frames: int, timeout: float | None = None, cache: Cache | None = None) -> Video:
    """Decode the first frames as the scorer will, and describe them.

    Args:
        clip: The clip.
        ffmpeg: The path of the ffmpeg that scores.
        frames: How many frames to decode.
        timeout: In seconds; 120 by default.
        cache: With a cache, the same content is inspected only once by the same ffmpeg.

    Raises:
        ClipError: If the clip has no picture that this ffmpeg can decode.
        ScorerError: If the time limit is exceeded.
    """
    unchanged = Unchanged(clip)
    key = clip_key("look", clip, ffmpeg, cache, frames=frames)
    compute = partial(_inspect, clip, ffmpeg, frames, timeout)
    return get_or_compute(cache, "look", key, compute, _to_json, partial(_from_json, clip), unchanged)


def count_frames(clip: Clip, ffmpeg: str, timeout: float | None = None, cache: Cache | None = None) -> int:
    """Decode the whole clip and count its frames.

    With a `cache`, the same content is counted only once by the same ffmpeg.

    Raises:
        ClipError: If the clip cannot be decoded without errors.
        ScorerError: If the time limit is exceeded.
    """
    unchanged = Unchanged(clip)
    key = clip_key("count", clip, ffmpeg, cache)
    return get_or_compute(cache, "look", key, partial(_count, clip, ffmpeg, timeout), int, _read_count, unchanged)


def clip_key(kind: str, clip: Clip, ffmpeg: str, cache: Cache | None, **parts: object) -> str | None:
    """The cache's key for something that an ffmpeg makes from a clip.

    Returns:
        The key. None if there is no cache, or the content or the build of ffmpeg is unknown.
    """
    if cache is None or isinstance(clip, Stream):
        return None
    build = build_of(ffmpeg, cache)
    try:
        return key_of(kind, clip=decoding_content(clip, cache), build=build, **parts) if build else None
    except OSError:
        return None


def _inspect(clip: Clip, ffmpeg: str, frames: int, timeout: float | None) -> Video:
    matches: dict[str, re.Match[str]] = {}
    fields: set[str] = set()
    streams: set[str] = set()
    others: list[str] = []

    def on_line(line: str) -> None:
        if match := FRAME.match(line):
            fields.add(match["field"])
        elif (match := STREAM.match(line)) and "(attached pic)" not in line:
            streams.add(match[1])
        elif len(streams) == 1 and not others and (match := ENCODER.match(line)):
            matches.setdefault("encoder", match)
        elif streams and line.startswith(("  Stream #", "Stream mapping:", "Output #")):
            others.append(line)
        # The first frame's line of each kind; the others repeat it.
        for kind, form in (("config", CONFIG), ("frame", FRAME), ("colour", COLOUR), ("duration", DURATION)):
            if kind not in matches and (match := form.match(line)):
                matches[kind] = match

    width, height = THUMBNAIL
    thumbnails = bytearray()
    # Nothing more than info, and no statistics, lest threads print into each other's lines.
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-frames:v", str(frames), "-fps_mode", "passthrough"]
    argv += ["-vf", f"showinfo=checksum=0,scale={width}:{height}:flags=area,format=gray", "-f", "rawvideo", "pipe:1"]
    command = FfmpegCommand(tuple(argv), on_stderr=on_line, stdout_bytes=thumbnails.extend)
    end = run(command, timeout or INSPECT_TIMEOUT)
    if end.returncode != 0 or "frame" not in matches or not thumbnails:
        raise ClipError(_why_unreadable(clip, end))
    frame, colour, config, length = (matches.get(kind) for kind in ("frame", "colour", "config", "duration"))
    assert frame is not None  # noqa: S101  (for the type checker)
    rate = clip.frame_rate
    # A picture has no rate of its own; ffmpeg states 25 for want of a better one.
    if rate is None and not clip.is_raw and not is_picture(clip) and config and config[2] != "0":
        rate = Fraction(int(config[1]), int(config[2])) or None
    tags = [tag.removesuffix(",") for tag in colour.groups()] if colour else ["unknown"] * 4
    return Video(
        clip=clip,
        width=int(frame["w"]),
        height=int(frame["h"]),
        pix_fmt=frame["fmt"],
        frame_rate=rate,
        color_range="pc" if frame["fmt"].startswith("yuvj") else tags[0],
        matrix=tags[1],
        primaries=tags[2],
        transfer=tags[3],
        interlaced=bool(fields & {"T", "B"}),
        is_picture=is_picture(clip),
        thumbnails=bytes(thumbnails),
        duration=int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None,
        streams=len(streams),
        encoder=printable(matches["encoder"][1].strip()) if "encoder" in matches else "",
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
    argv += ["-map", "0:V:0", "-fps_mode", "passthrough", "-c:v", "wrapped_avframe", "-f", "null", "-"]
    end = run(FfmpegCommand(tuple(argv), on_stderr=on_line), timeout)
    if end.returncode != 0 or not counts:
        raise ClipError(_why_unreadable(clip, end))
    if damages:
        raise ClipError(f"{clip} is cut off or damaged. ffmpeg reports: {damages[0]}")
    return counts[-1]


def _why_unreadable(clip: Clip, end: Finished) -> str:
    text = "\n".join(end.tail)
    if "not on whitelist" in text.lower() or "format not on" in text.lower():
        reason = "is a playlist, a script or in an unsupported format; clips are read from their own file alone"
    elif "corrupt decoded frame" in text or "error while decoding" in text:
        reason = "is damaged: it has frames that cannot be decoded"
    elif "matches no streams" in text:
        reason = "has no video stream"
    elif "Decoder" in text and "not found" in text:
        reason = "is coded in a format that this ffmpeg cannot decode"
    else:
        reason = "cannot be decoded as video"
    return f"{clip} {reason}.\n{end.explain()}"


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
        **dict.fromkeys(("width", "height", "streams"), int),
        **dict.fromkeys(("pix_fmt", "color_range", "matrix", "primaries", "transfer", "encoder", "thumbnails"), str),
        **dict.fromkeys(("interlaced", "is_picture"), bool),
        "frame_rate": Optional(Text(re.compile(r"\d{1,20}(?:/\d{1,20})?"))),
        "duration": Optional(float),
    },
    _misfit,
)


def _to_json(video: Video) -> dict[str, object]:
    data = {name: value for name, value in vars(video).items() if name != "clip"}
    rate = str(video.frame_rate) if video.frame_rate else None
    return {**data, "frame_rate": rate, "thumbnails": base64.b64encode(video.thumbnails).decode()}


def _from_json(clip: Clip, data: dict[str, Any]) -> Video:
    conform(data, VIDEO, "inspection")
    data = {name: printable(value) if isinstance(value, str) else value for name, value in data.items()}
    rate = data["frame_rate"] and Fraction(data["frame_rate"])
    return Video(**{**data, "clip": clip, "frame_rate": rate, "thumbnails": base64.b64decode(data["thumbnails"])})


def _read_count(data: object) -> int:
    conform(data, int, "count")
    assert isinstance(data, int)  # noqa: S101  (for the type checker)
    if data < 0:
        raise ValueError(f"count must not be negative, but is {data}")
    return data
