"""pytest_vmaf.media.inspect."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pytest_vmaf.cache import Cache, key_of, remembered
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.media.clip import Clip, Stream
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments, is_picture
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged, content_of
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable


def look(clip: Clip, ffmpeg: str, frames: int, timeout: float | None = None, cache: Cache | None = None) -> Video:
    """As :func:`~pytest_vmaf.media.ffmpeg.inspect`, of the same content by the same ffmpeg only once."""
    unchanged = Unchanged(clip)
    key = clip_key("look", clip, ffmpeg, cache, frames=frames)

    def read(data: Any) -> Video:
        return _video(data, clip)

    return remembered(cache, "look", key, lambda: inspect(clip, ffmpeg, frames, timeout), _packed, read, unchanged)


def count(clip: Clip, ffmpeg: str, timeout: float | None = None, cache: Cache | None = None) -> int:
    """As :func:`~pytest_vmaf.media.ffmpeg.count_frames`, of the same content by the same ffmpeg only once."""
    unchanged = Unchanged(clip)
    key = clip_key("count", clip, ffmpeg, cache)
    return remembered(cache, "look", key, lambda: count_frames(clip, ffmpeg, timeout), int, _whole, unchanged)


def clip_key(what: str, clip: Clip, ffmpeg: str, cache: Cache | None, **parts: object) -> str | None:
    """The name of what an ffmpeg makes of a clip; ``parts`` say how. None where that cannot be said, or kept."""
    if cache is None or isinstance(clip, Stream):
        return None
    build = build_of(ffmpeg, cache)
    try:
        return key_of(what, clip=_content(clip, cache), build=build, **parts) if build else None
    except OSError:
        return None


def _content(clip: Clip, cache: Cache | None) -> list[str]:
    # How a name ends may tell ffmpeg what is in a file.
    return [content_of(clip, cache), clip.path.suffix.lower()]


def _packed(video: Video) -> dict[str, Any]:
    data = {name: value for name, value in vars(video).items() if name not in ("clip", "thumbnails", "frame_rate")}
    rate = str(video.frame_rate) if video.frame_rate else None
    return {**data, "frame_rate": rate, "thumbnails": base64.b64encode(video.thumbnails).decode()}


def _video(data: Mapping[str, Any], clip: Clip) -> Video:
    rate = Fraction(data["frame_rate"]) if data["frame_rate"] else None
    thumbnails = base64.b64decode(data["thumbnails"])
    for name in ("width", "height", "streams"):
        if not _whole(data[name]) or data[name] > 1 << 20:
            raise ValueError(f"{name} is {data[name]!r:.80}")
    if not all(type(data[name]) is bool for name in ("interlaced", "is_picture")) or (rate is not None and rate <= 0):
        raise ValueError("a look that no clip gives")
    if not thumbnails or len(thumbnails) % (THUMBNAIL[0] * THUMBNAIL[1]):
        raise ValueError(f"{len(thumbnails)} bytes are no thumbnails")
    for name in ("pix_fmt", "color_range", "matrix", "primaries", "transfer", "encoder"):
        if not isinstance(data[name], str):
            raise TypeError(f"{name} is {data[name]!r:.80}")
        data = {**data, name: printable(data[name])}
    duration = data["duration"] if data["duration"] is None else float(data["duration"])
    return Video(**{**data, "clip": clip, "frame_rate": rate, "thumbnails": thumbnails, "duration": duration})


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.80} is no count")
    return value


#: Shape of a thumbnail, in pixels: 8-bit luma, enough to tell one frame from its neighbours.
THUMBNAIL = (64, 36)


#: How ffmpeg's names of YUV formats begin: planar, semi-planar, packed.
YUV = ("yuv", "nv", "p0", "p2", "p4", "uyvy", "uyyvyy", "yuyv", "yvyu", "y2", "xv", "v30", "vuy", "vyu", "ayuv", "uyva")


#: Which input chain, first frame and colour lines ffmpeg prints at -loglevel info. The colour line is printed in pieces
#: between which another thread may print its own: one that has more to say than four words is not read.
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
    """What the ffmpeg that scores sees in a clip: the first frame's geometry and tags, and small early frames.

    ``width`` and ``height`` in pixels as displayed (rotation applied); colour tags by ffmpeg's names or "unknown";
    ``thumbnails`` holds one 64x36 8-bit luma picture for each of the first frames.
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
    #: What the file says wrote its video stream, as "Lavc61.3.100 libx264"; nobody has checked it.
    encoder: str = ""

    @property
    def frames_expected(self) -> int | None:
        """How many frames the file says it has; good for a progress bar, not for a check."""
        return round(self.duration * self.frame_rate) if self.duration and self.frame_rate else None

    @property
    def is_rgb(self) -> bool:
        """Whether the samples are not YUV with chroma: RGB, palette or grey."""
        return not self.pix_fmt.startswith(YUV)


def inspect(clip: Clip, ffmpeg: str, frames: int, timeout: float | None = None) -> Video:
    """Decode the first ``frames`` frames as the scorer will, and say what they are.

    Raises ClipError when the clip holds no picture that this ffmpeg can decode.
    """
    seen: dict[str, re.Match[str]] = {}
    fields: set[str] = set()
    streams: set[str] = set()
    others: list[str] = []

    def heard(line: str) -> None:
        if match := FRAME.match(line):
            fields.add(match["field"])
        elif (match := STREAM.match(line)) and "(attached pic)" not in line:
            streams.add(match[1])
        elif len(streams) == 1 and not others and (match := ENCODER.match(line)):
            seen.setdefault("encoder", match)
        elif streams and line.startswith(("  Stream #", "Stream mapping:", "Output #")):
            others.append(line)
        # The first frame's line of each kind; the others say the same again.
        for kind, form in (("config", CONFIG), ("frame", FRAME), ("colour", COLOUR), ("duration", DURATION)):
            if kind not in seen and (match := form.match(line)):
                seen[kind] = match

    width, height = THUMBNAIL
    thumbnails = bytearray()
    # Nothing more than info, and no statistics, lest threads print into each other's lines.
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-frames:v", str(frames), "-fps_mode", "passthrough"]
    argv += ["-vf", f"showinfo=checksum=0,scale={width}:{height}:flags=area,format=gray", "-f", "rawvideo", "pipe:1"]
    command = FfmpegCommand(tuple(argv), on_stderr=heard, stdout_bytes=thumbnails.extend)
    end = run(command, timeout or INSPECT_TIMEOUT)
    if end.returncode != 0 or "frame" not in seen or not thumbnails:
        raise ClipError(_why_unreadable(clip, end))
    frame, colour = seen["frame"], seen.get("colour")
    rate = clip.frame_rate
    # A picture has no rate of its own; ffmpeg says 25 for want of a better one.
    if rate is None and not clip.is_raw and not is_picture(clip) and "config" in seen and seen["config"][2] != "0":
        rate = Fraction(int(seen["config"][1]), int(seen["config"][2])) or None
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
        duration=_seconds(seen.get("duration")),
        streams=len(streams),
        encoder=printable(seen["encoder"][1].strip()) if "encoder" in seen else "",
    )


def _seconds(duration: re.Match[str] | None) -> float | None:
    return int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None


def count_frames(clip: Clip, ffmpeg: str, timeout: float | None = None) -> int:
    """Decode the whole clip and count its frames. Raises ClipError when it cannot be decoded without errors."""
    counts: list[int] = []

    damaged: list[str] = []

    def heard(line: str) -> None:
        if match := DECODED.search(line):
            counts.append(int(match[2]))
        elif DAMAGED.match(line):
            damaged.append(printable(line))

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror", *input_arguments(clip)]
    argv += ["-map", "0:V:0", "-fps_mode", "passthrough", "-c:v", "wrapped_avframe", "-f", "null", "-"]
    end = run(FfmpegCommand(tuple(argv), on_stderr=heard), timeout)
    if end.returncode != 0 or not counts:
        raise ClipError(_why_unreadable(clip, end))
    if damaged:
        raise ClipError(f"{clip} is cut off or damaged; ffmpeg says: {damaged[0]}")
    return counts[-1]


def _why_unreadable(clip: Clip, end: Finished) -> str:
    said = "\n".join(end.tail)
    if "not on whitelist" in said.lower() or "format not on" in said.lower():
        reason = "is a playlist, a script or in a format that is not read; clips are read from their own file alone"
    elif "corrupt decoded frame" in said or "error while decoding" in said:
        reason = "is damaged: it has frames that cannot be decoded"
    elif "matches no streams" in said:
        reason = "has no video stream"
    elif "Decoder" in said and "not found" in said:
        reason = "is coded in a format that this ffmpeg cannot decode"
    else:
        reason = "cannot be decoded as video"
    return f"{clip} {reason}.\n{end.explain()}"
