"""The ffmpeg that decodes, and by default scores: which one, what it can, what it sees in a clip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from pytest_vmaf.quality.cache import Cache, key_of, remembered
from pytest_vmaf.quality.clip import Clip
from pytest_vmaf.quality.errors import ClipError, ScorerError
from pytest_vmaf.quality.process import Command, Finished, printable, run
from pytest_vmaf.quality.programs import build_of
from pytest_vmaf.quality.reading import input_arguments, is_picture

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
#: Seconds for a look at a few frames, where the user sets no time limit.
LOOK_TIMEOUT = 120.0
STREAM = re.compile(r"^  Stream #0:(\d+).*?: Video: ")
#: In the metadata of a stream, not of the file, which names the muxer.
ENCODER = re.compile(r"^ {6}encoder +: (.{1,100})", re.IGNORECASE)
#: ffmpeg's options, with a value each, that guard a run or watch it and change nothing about its result.
WATCHING = ("-protocol_whitelist", "-format_whitelist", "-loglevel", "-stats_period", "-progress")
PROGRESS = re.compile(r"frame=\s*(\d+)")
DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d\.\d+)")
#: End-of-run lines, at -loglevel verbose. Anchored, since ffmpeg prints the names of files between these lines, and a
#: name may look like one.
DECODED = re.compile(
    r"^(?:\[in#\d+[^]]*\] )?  Input stream #(\d+):\d+ \(video\): .*?(\d+) frames decoded; (\d+) decode errors"
)
#: Said at the end, by one thread; the lines that say where outputs begin may stand within others.
OUTPUT = re.compile(r"^(?:\[out#\d+[^]]*\] )?Output file #(\d+) \(")
ENCODED = re.compile(r"^(?:\[out#\d+[^]]*\] )?  Output stream #(\d+):0 \(video\): (\d+) frames encoded")
#: What ffmpeg says of a file that is cut off or damaged, although it goes on, makes something up and ends well.
DAMAGED = re.compile(r"^\[[^]]*\] (File ended prematurely|slice CRC mismatch|concealing \d+ DC).*")

INSTALL = (
    "  Say which with --vmaf-ffmpeg=PATH (ini: vmaf_ffmpeg), install the wheel `imageio-ffmpeg` for this platform,\n"
    "  or put an ffmpeg built with --enable-libvmaf on PATH. `pytest-vmaf doctor` shows what is found."
)


@dataclass(frozen=True)
class Ffmpeg:
    """One ffmpeg binary: its path, its own version string, and whether it was built with libvmaf."""

    path: str
    version: str
    has_libvmaf: bool
    origin: str


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


def find_ffmpeg(explicit: str | None = None, cache: Cache | None = None) -> Ffmpeg:
    """The ffmpeg to use: the one named, else the embedded one (imageio-ffmpeg), else PATH's.

    Of the last two the first with libvmaf; one without it still decodes for other scorers. With a ``cache`` a build
    that is known is not asked again. Raises ScorerError when there is none.
    """
    if explicit:
        path = shutil.which(os.path.expanduser(explicit))
        if path is None:
            raise ScorerError(f"The ffmpeg {printable(explicit)!r} does not exist or cannot be run.\n{INSTALL}")
        return _identify(os.path.abspath(path), "named", cache)
    places = ((_embedded(), "embedded"), (shutil.which("ffmpeg"), "PATH"))
    found: list[Ffmpeg] = []
    broken = ScorerError(f"No ffmpeg was found.\n{INSTALL}")
    for path, origin in places:
        try:
            if path is not None:
                found.append(_identify(os.path.abspath(path), origin, cache))
        except ScorerError as error:
            # One that does not run must not stand in the way of the other.
            broken = error
        if found and found[-1].has_libvmaf:
            return found[-1]
    if not found:
        raise broken
    return found[0]


def has_loopback(ffmpeg: str) -> bool:
    """Whether this ffmpeg can decode its own encodes in the same process (``-dec``, from 7.1 on)."""
    stat = Path(ffmpeg).stat()
    return _has_loopback(ffmpeg, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _has_loopback(path: str, mtime_ns: int, size: int) -> bool:
    # One that knows the option misses its value; one that does not says that it is not recognised.
    end = run(Command((path, "-nostdin", "-hide_banner", "-dec")), LOOK_TIMEOUT)
    return any("Missing argument for option 'dec'" in line for line in end.tail)


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
    command = Command(tuple(argv), shown=by_hand(argv), on_stderr=heard, stdout_bytes=thumbnails.extend)
    end = run(command, timeout or LOOK_TIMEOUT)
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
    end = run(Command(tuple(argv), shown=by_hand(argv), on_stderr=heard), timeout)
    if end.returncode != 0 or not counts:
        raise ClipError(_why_unreadable(clip, end))
    if damaged:
        raise ClipError(f"{clip} is cut off or damaged; ffmpeg says: {damaged[0]}")
    return counts[-1]


def by_hand(argv: Sequence[str]) -> tuple[str, ...]:
    """The arguments that somebody would type: without those that guard a run and watch it."""
    kept, rest = [], iter(argv)
    for argument in rest:
        if argument in WATCHING:
            next(rest)
        elif argument != "-nostats":
            kept.append(argument)
    return tuple(kept)


def on_progress(progress: Callable[[int], None] | None) -> Callable[[str], None]:
    """What to do with the lines of ``-progress pipe:1``: tell the number of frames."""

    def heard(line: str) -> None:
        if progress is not None and (match := PROGRESS.match(line)):
            progress(int(match[1]))

    return heard


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


def _embedded() -> str | None:
    spec = None if os.environ.get("IMAGEIO_FFMPEG_EXE") else find_spec("imageio_ffmpeg")
    for folder in (spec and spec.submodule_search_locations) or ():
        # The file in the wheel; its own function runs it first, only to see whether it runs.
        for path in sorted(Path(folder, "binaries").glob("ffmpeg-*")):
            return str(path)
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def _identify(path: str, origin: str, cache: Cache | None) -> Ffmpeg:
    stat = Path(path).stat()
    build = build_of(path, cache) if cache else None
    return remembered(
        cache,
        "look",
        key_of("ffmpeg", build=build) if build else None,
        lambda: _version(path, stat.st_mtime_ns, stat.st_size, origin),
        lambda found: [found.version, found.has_libvmaf],
        lambda data: Ffmpeg(path, str(data[0]), data[1] is True, origin),
    )


@lru_cache(maxsize=16)
def _version(path: str, mtime_ns: int, size: int, origin: str) -> Ffmpeg:
    """Asked once a process and binary; a binary that was replaced is asked again."""
    try:
        said = subprocess.run(
            [path, "-version"],
            capture_output=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScorerError(f"{printable(path)} -version cannot be run: {error}.\n{INSTALL}") from error
    text = said.stdout.decode("utf-8", "replace")
    match = re.match(r"ffmpeg version (\S+)", text)
    if said.returncode != 0 or match is None:
        raise ScorerError(f"{printable(path)} does not answer -version as an ffmpeg does.\n{INSTALL}")
    return Ffmpeg(path, match[1], "--enable-libvmaf" in text, origin)
