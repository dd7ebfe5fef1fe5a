"""RawDecoder: an ffmpeg that decodes a clip into raw video, for scorers that read frames from a pipe."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import diagnose
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, READ, FfmpegCommand, on_progress
from pytest_vmaf.media.process import run
from pytest_vmaf.scoring.scorer import ScoreRequest, Source
from pytest_vmaf.text import printable

#: The pixel formats that libvmaf reads without a conversion.
PLANAR = re.compile(r"yuv(?P<chroma>420|422|444)p(?:(?P<depth>10|12|16)le)?")
DELIVERED = re.compile(
    r"^(?:\[out#\d+[^]]*\] )?  Output stream #0:0 \(video\): \d+ frames encoded; (\d+) packets muxed"
)
#: ffmpeg would continue, and scale the rest of the clip to the size of its beginning.
RECONFIGURED = re.compile(r"^\[vf#[^]]*\] Reconfiguring filter graph because (.*)")
#: The exit code of a process that run_together() stopped (SIGKILL), through no fault of its own.
STOPPED = -9


class RawDecoder:
    """An ffmpeg that decodes one source into raw video, and what its log reports."""

    def __init__(self, what: str, source: Source, ffmpeg: str, pix_fmt: str, timeout: float | None = None) -> None:
        self.clip, self.timeout = source.clip, timeout
        self.what, self.filters, self.ffmpeg = what, source.chain, ffmpeg
        self.input, self.stream = input_arguments(source.clip), video_stream(source.clip)
        # Raw, not y4m: the tool refuses interlaced y4m and 16 bits, and crashes on 4:2:2 in 8.
        self.output = ("-f", "rawvideo", "-pix_fmt", pix_fmt)
        self.delivered = self.errors = 0
        self.packets = 0, 0
        self.reconfigured = self.damaged = ""
        self.broken_pipe = False

    def argv(self, loglevel: str, *output: str) -> list[str]:
        """The argument list; `output` are the options and the name of the output."""
        argv = [self.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", loglevel, "-xerror", "-nostats", *self.input]
        return [*argv, "-map", self.stream, "-vf", self.filters, "-fps_mode", "passthrough", *output]

    def command(self, fd: int, progress: Callable[[int], None] | None) -> Command:
        """The process that writes the frames to an open file descriptor."""
        output = ("-stats_period", "0.5", "-progress", "pipe:1", *self.output, f"pipe:{fd}")
        argv = tuple(self.argv("verbose", *output))
        return FfmpegCommand(argv, on_stderr=self.read_line, on_stdout=on_progress(progress), pass_fds=(fd,))

    def read_line(self, line: str) -> None:
        """Read a line of the verbose log. Statistics come last, so no clip's metadata can imitate them."""
        if match := DELIVERED.search(line):
            self.delivered = int(match[1])
        elif match := DECODED.search(line):
            self.errors = int(match[3])
            packets = READ.search(line)
            self.packets = int(packets[2]) if packets else 0, int(match[2])
        elif DAMAGED.match(line):
            self.damaged = printable(line)
        elif match := RECONFIGURED.match(line):
            self.reconfigured = match[1]
        elif line.startswith("[") and "Broken pipe" in line:
            self.broken_pipe = True

    def check(self, end: Finished) -> None:
        """Raise ScorerError if this clip is the reason of a failure, rather than the tool that reads it."""
        if self.reconfigured or self.damaged or (end.returncode > 0 and not self.broken_pipe):
            lines = [*([self.damaged] if self.damaged else ()), *end.tail]
            if self.reconfigured:
                lines = [f"Reconfiguring filter graph because {self.reconfigured}"]
            if reasons := diagnose([self.clip], lines, self.ffmpeg, self.timeout):
                raise ScorerError(f"{reasons}\n  command: {end.command}")
        if self.reconfigured:
            raise ScorerError(
                f"The size or pixel format changes within the {self.what} ({self.reconfigured}); it cannot be scored.\n"
                f"  command: {end.command}"
            )
        if self.damaged:
            raise ScorerError(f"The {self.what} is cut off or damaged. ffmpeg reports: {self.damaged}")
        if self.errors:
            raise ScorerError(f"The {self.what} has {self.errors} decoding errors; its file is damaged.")
        if end.returncode not in (0, STOPPED) and not self.broken_pipe:
            raise ScorerError(self._failed(end))

    def recount(self, timeout: float | None) -> None:
        """Count all frames again, because the pipe was closed before the last one."""
        self.delivered = 0
        end = run(FfmpegCommand(tuple(self.argv("verbose", "-f", "null", "-")), on_stderr=self.read_line), timeout)
        if end.returncode != 0:
            raise ScorerError(self._failed(end))

    def _failed(self, end: Finished) -> str:
        return f"ffmpeg could not decode the {self.what}.\n{end.explain()}"


def decoders_of(request: ScoreRequest) -> tuple[RawDecoder, RawDecoder]:
    """The decoders of the reference and of the distorted clip of a request."""
    ffmpeg, timeout = request.tools.ffmpeg.path, request.timeout
    return (
        RawDecoder("reference", request.reference, ffmpeg, request.pix_fmt, timeout),
        RawDecoder("distorted clip", request.distorted, ffmpeg, request.pix_fmt, timeout),
    )


def shell_pipes(request: ScoreRequest) -> tuple[str, str]:
    """The decoders as process substitutions of bash, for a command that repeats a run."""
    reference, distorted = (
        f"<({shlex.join(decoder.argv('error', *decoder.output, '-'))})" for decoder in decoders_of(request)
    )
    return reference, distorted
