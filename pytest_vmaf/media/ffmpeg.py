"""The ffmpeg that decodes, and by default scores: where it is, what it can do, and the lines of its log."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from pytest_vmaf.cache.entries import Cache, get_or_compute, key_of
from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.process import run
from pytest_vmaf.media.spool import without_spools
from pytest_vmaf.text import printable

#: Seconds for the inspection of a few frames, if the user sets no time limit.
INSPECT_TIMEOUT = 120.0
#: Seconds after which an ffmpeg that neither computes nor prints is killed. One was seen hanging at its start for nine
#: minutes, on an overloaded machine.
STALL_LIMIT = 60.0
#: Options of ffmpeg, with a value each, that guard or watch a run and do not change its result.
GUARDS = ("-protocol_whitelist", "-format_whitelist", "-loglevel", "-stats_period", "-progress")
PROGRESS = re.compile(r"frame=\s*(\d+)")
#: End-of-run lines, at -loglevel verbose. Anchored, because ffmpeg prints file names between these lines, and a name
#: may look like one.
DECODED = re.compile(
    r"^(?:\[in#\d+[^]]*\] )?  Input stream #(\d+):\d+ \(video\): .*?(\d+) frames decoded; (\d+) decode errors"
)
#: The part of such a line about the packets of the stream.
READ = re.compile(r"(\d+) packets read \((\d+) bytes\)")
#: Printed at the end, by one thread; the lines about the start of outputs may be mixed with others.
OUTPUT = re.compile(r"^(?:\[out#\d+[^]]*\] )?Output file #(\d+) \(")
ENCODED = re.compile(r"^(?:\[out#\d+[^]]*\] )?  Output stream #(\d+):0 \(video\): (\d+) frames encoded")
#: What ffmpeg prints about a file that is cut off or damaged, although it goes on, makes something up and ends well.
#: Threads print into each other's lines, so it may follow the beginning of another message. Metadata is indented.
DAMAGED = re.compile(r"^(?:\[.*?)?(File ended prematurely|slice CRC mismatch|concealing \d+ DC).*")

#: The variables that make ffmpeg print without colours.
ENVIRONMENT = (("AV_LOG_FORCE_COLOR", None), ("AV_LOG_FORCE_NOCOLOR", "1"))
#: What ffmpeg's verbose log begins with, and what it ends with after any failure, whose reason is printed between.
#: Only complete lines match, with their prefix, for example "[vf#0:0 @ 0x55c3] ", so that no line that says more is
#: taken for one of these.
NOISE = re.compile(
    # First, since nearly all lines are of this form.
    r"\[Parsed_showinfo_\d+ @ \w+\] [^@]*|"
    r"(?:\[[^\[\]@]* @ \w+\] )*"
    r"(?:Terminating thread with return code -?\d+ \([^()]*\)|Task finished with error code: -?\d+ \([^()]*\)|"
    r"(?:Encoder|Decoder|Filtering|Muxer) thread received EOF(?: packet)?|Decoder returned EOF, finishing|"
    r"EOF while reading input|All (?:consumers|streams) [\w ]+|"
    r"Could not open encoder before EOF|Cannot initialize a standalone decoder|"
    r"Nothing was written into output file, because [^@]*|"
    r"Statistics: \d+ bytes [^@]*|(?:In|Out)put file #\d+ \([^@]*\):|\s*(?:In|Out)put stream #\d+:\d+ [^@]*|"
    r"\s*Total: \d+ packets \(\d+ bytes\) (?:de)?muxed|video:\d+KiB [^@]* muxing overhead: [^@]*|frame= *\d[^@]*|"
    r"Conversion failed!|Exiting with exit code -?\d+|\s*|"
    r"Input #\d+, [\w,]+, from '[^@]*':|Starting thread\.\.\.|"
    r"Stream mapping:|\s+Stream #\d+:\d+[^@]*|\s+Duration: [^@]*, bitrate: [^@]*|"
    r"\s+(?:Metadata|Side data):|\s+[\w-]+ +: [^@]*|Adding streams from explicit maps\.\.\.|"
    r"Created \w+ stream from input stream \d+:\d+|w:\d+ h:\d+ pixfmt:\w+ tb:[^@]*|"
    r"video frame properties congruent with link at pts_time: \S+|Nvenc unloaded|"
    # The banner, which an ffmpeg in a command of the user's prints without -hide_banner.
    r"ffmpeg version \S+ Copyright [^@]*|  built with [^@]*|  configuration: [^@]*|  lib[a-z]+ +\d+\.[\d. /]+)"
)

INSTALL = (
    "  Name one with --vmaf-ffmpeg=PATH (ini: vmaf_ffmpeg), install the wheel `imageio-ffmpeg` for this platform,\n"
    "  or put an ffmpeg built with --enable-libvmaf on PATH. `pytest-vmaf doctor` shows what is available."
)


@dataclass(frozen=True)
class Ffmpeg:
    """One ffmpeg binary.

    Attributes:
        path: Where it is.
        version: Its own version string.
        has_libvmaf: Whether it was built with libvmaf.
        origin: "named", "embedded" (imageio-ffmpeg) or "PATH".
    """

    path: str
    version: str
    has_libvmaf: bool
    origin: str


@dataclass(frozen=True)
class FfmpegCommand(Command):
    """A child process that is an ffmpeg. Messages print the command that one would type."""

    environment: tuple[tuple[str, str | None], ...] = ENVIRONMENT
    noise: re.Pattern[str] | None = NOISE
    stall_limit: float | None = STALL_LIMIT

    def __str__(self) -> str:
        return without_spools(printable(shlex.join(self.display_argv or by_hand(self.argv))))


def find_ffmpeg(explicit: str | None = None, cache: Cache | None = None) -> Ffmpeg:
    """Find the ffmpeg to use: the one that is named, else the embedded one (imageio-ffmpeg), else the one on PATH.

    Of the last two, the first with libvmaf is used. One without it still decodes for other scorers.

    Args:
        explicit: The path or name that the user set.
        cache: With a cache, a known build is not asked for its version again.

    Raises:
        ScorerError: If there is none, or the one that is named does not run.
    """
    if explicit:
        path = shutil.which(os.path.expanduser(explicit))
        if path is None:
            raise ScorerError(f"The ffmpeg {printable(explicit)!r} does not exist or cannot be run.\n{INSTALL}")
        return _identify(os.path.abspath(path), "named", cache)
    fallback: Ffmpeg | None = None
    failure = ScorerError(f"No ffmpeg was found.\n{INSTALL}")
    for path, origin in ((_embedded(), "embedded"), (shutil.which("ffmpeg"), "PATH")):
        try:
            ffmpeg = _identify(os.path.abspath(path), origin, cache) if path is not None else None
        except ScorerError as error:
            # One that does not run must not stand in the way of the other.
            failure = error
            continue
        if ffmpeg is not None and ffmpeg.has_libvmaf:
            return ffmpeg
        fallback = fallback or ffmpeg
    if fallback is None:
        raise failure
    return fallback


def has_loopback(ffmpeg: str) -> bool:
    """Whether this ffmpeg can decode its own encodes in the same process (``-dec``, from 7.1 on)."""
    stat = Path(ffmpeg).stat()
    return _has_loopback(ffmpeg, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _has_loopback(path: str, mtime_ns: int, size: int) -> bool:
    # An ffmpeg that knows the option misses its value; one that does not reports an unrecognised option.
    end = run(FfmpegCommand((path, "-nostdin", "-hide_banner", "-dec")), INSPECT_TIMEOUT)
    return any("Missing argument for option 'dec'" in line for line in end.tail)


def has_filter(ffmpeg: str, name: str) -> bool:
    """Whether this ffmpeg has a filter, for example "xpsnr"."""
    stat = Path(ffmpeg).stat()
    return _has_filter(ffmpeg, name, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _has_filter(path: str, name: str, mtime_ns: int, size: int) -> bool:
    lines: list[str] = []
    end = run(
        FfmpegCommand((path, "-nostdin", "-hide_banner", "-h", f"filter={name}"), on_stdout=lines.append),
        INSPECT_TIMEOUT,
    )
    return end.returncode == 0 and any(line.strip() == f"Filter {name}" for line in lines)


def by_hand(argv: Sequence[str]) -> tuple[str, ...]:
    """The arguments that one would type: without those that guard or watch a run."""
    arguments, rest = [], iter(argv)
    for argument in rest:
        if argument in GUARDS:
            next(rest)
        elif argument != "-nostats":
            arguments.append(argument)
    return tuple(arguments)


def on_progress(progress: Callable[[int], None] | None) -> Callable[[str], None]:
    """A listener for the lines of `-progress pipe:1` that passes on the number of frames."""

    def on_line(line: str) -> None:
        if progress is not None and (match := PROGRESS.match(line)):
            progress(int(match[1]))

    return on_line


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
    return get_or_compute(
        cache,
        "look",
        key_of("ffmpeg", build=build) if build else None,
        lambda: _version(path, stat.st_mtime_ns, stat.st_size, origin),
        lambda ffmpeg: [ffmpeg.version, ffmpeg.has_libvmaf],
        lambda data: Ffmpeg(path, str(data[0]), data[1] is True, origin),
    )


@lru_cache(maxsize=16)
def _version(path: str, mtime_ns: int, size: int, origin: str) -> Ffmpeg:
    """Ask a binary once in a process, and again if it was replaced."""
    try:
        end = subprocess.run([path, "-version"], capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScorerError(f"{printable(path)} -version cannot be run: {error}.\n{INSTALL}") from error
    text = end.stdout.decode("utf-8", "replace")
    match = re.match(r"ffmpeg version (\S+)", text)
    if end.returncode != 0 or match is None:
        raise ScorerError(f"{printable(path)} does not answer -version like an ffmpeg.\n{INSTALL}")
    return Ffmpeg(path, match[1], "--enable-libvmaf" in text, origin)
