"""Encode: what an encoder wrote. Make one with ffmpeg, a program or a function, and read its packets."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.job import EncodeJob, without_folder
from pytest_vmaf.encoding.packets import displayed_seconds, read_packets
from pytest_vmaf.errors import ClipError, EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.demux import is_known
from pytest_vmaf.media.diagnosis import describe_restart, diagnose
from pytest_vmaf.media.ffmpeg import OUTPUT, FfmpegCommand, by_hand
from pytest_vmaf.media.frame_rate import average_rate
from pytest_vmaf.media.guard import noted_start
from pytest_vmaf.media.inspection_log import RESTARTED
from pytest_vmaf.media.process import run, run_together
from pytest_vmaf.media.stopwatch import Spent, Stopwatch
from pytest_vmaf.text import printable

#: What encoders and muxers print about two frames with one time stamp.
CLASHING_TIMES = re.compile(r"non-strictly-monotonic PTS|Non-monotonic DTS")


@dataclass(frozen=True)
class TrialEncode:
    """What an encoder wrote in a search. The file is gone unless the search was given a folder to keep it in.

    `size`, `frames`, `duration` and `bitrate` describe the video stream without its container. An encode can be passed
    to `vmaf.score()` and `vmaf.check()` in place of a clip.

    Attributes:
        name: The encoder and its preset, for example "libx264 slow".
        crf: The CRF, or the number of another scale of constant quality. On most scales, a larger number means lower
            quality; see `Encoder.larger_is_finer`.
        path: The file, or None if it was removed after scoring.
        size: Bytes of all packets.
        frames: The number of packets, one for each frame.
        duration: Seconds, by the time stamps of the stream.
        seconds: How long encoding took, in seconds; None if the encode was scored in the same process.
        command: A shell command that makes the encode again.
        checksum: A digest of the sizes and checksums of all packets; "" if it is not known.
    """

    name: str
    crf: int
    path: Path | None
    size: int
    frames: int
    duration: float
    seconds: float | None
    command: str
    checksum: str = ""

    @property
    def bitrate(self) -> float:
        """The mean bitrate in bit/s."""
        return self.size * 8 / self.duration

    def without_file(self) -> TrialEncode:
        """The same encode, of which no file is left."""
        return TrialEncode(**{**vars(self), "path": None})

    def to_dict(self) -> dict[str, Any]:
        """The encode as plain data."""
        return {**asdict(self), "path": self.path and str(self.path), "bitrate": self.bitrate}

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @property
    def clip(self) -> Clip:
        """The encode as a clip, for `vmaf.check(source, encode)`.

        Raises:
            ClipError: If the file was removed after scoring.
        """
        if self.path is None:
            raise ClipError(
                f"The encode of {self.name} at CRF {self.crf} was not stored. "
                "Pass keep=FOLDER to the search, or encode it with vmaf.encode()."
            )
        # A bare stream states no frame rate.
        return Clip(self.path) if is_known(self.path) else Clip(self.path, frame_rate=self.frames / self.duration)


@dataclass(frozen=True)
class Encode(TrialEncode):
    """What an encoder wrote, with its file. The attributes are those of `TrialEncode`, but `path` is always set."""

    path: Path


def make_encode(job: EncodeJob, crf: int, path: Path) -> Encode:
    """Encode the source at a CRF and read the packets of the encode. A file that is incomplete is removed.

    Args:
        job: The source, the encoder and its settings.
        crf: The CRF.
        path: The file to write.

    Raises:
        EncodeError: If the encoder fails, or writes no video or a video of another duration. The message contains the
            last lines of its output.
        ScorerError: If the time limit is exceeded.
    """
    return make_timed_encode(job, crf, path)[0]


def make_timed_encode(job: EncodeJob, crf: int, path: Path) -> tuple[Encode, Spent]:
    """As `make_encode`, with what the encoder took, which is exact if nothing else runs in this process."""
    if job.source.frame_rate is None and (job.source.clip.is_raw or job.source.is_picture):
        raise EncodeError(_no_rate(job))
    # A function's work is done in this process.
    watch = Stopwatch(own=job.encoder.function is not None)
    try:
        if job.encoder.function is not None:
            _call_function(job, crf, path)
        elif job.encoder.command:
            _run_program(job, crf, path)
        else:
            _run_ffmpeg(job, crf, path)
        spent = watch.read()
        if path.is_symlink() or path.stat().st_nlink > 1:
            raise EncodeError(
                f"{job.name} created a link instead of a file at CRF {crf}. The encoder must write its own output file."
            )
        return describe(job, crf, path, job.command(crf, path), spent.wall), spent
    except BaseException:
        remove(path)
        raise


def describe(job: EncodeJob, crf: int, path: Path, command: str, seconds: float | None) -> Encode:
    """Read the packets of an encode's video stream.

    Raises:
        EncodeError: If there are none, or if their duration is not that of as many frames of the source.
    """
    try:
        packets = read_packets(job.clip(path), job.ffmpeg, job.timeout, strict=False)
    except ClipError as error:
        raise EncodeError(f"{job.name} wrote no readable video at CRF {crf}.\n{error}") from None
    size = sum(packet.size for packet in packets)
    if not size:
        raise EncodeError(f"{job.name} wrote {len(packets)} empty packets at CRF {crf}.")
    # In a bare stream, packets may have no time stamps.
    duration = displayed_seconds(packets) if all(packet.pts is not None for packet in packets) else 0.0
    if duration == 0:
        if not job.source.frame_rate:
            raise EncodeError(_no_rate(job))
        duration = float(len(packets) / job.source.frame_rate)
    _check_duration(job, crf, len(packets), duration)
    checksum = hashlib.sha256(" ".join(f"{each.size}:{each.checksum}" for each in packets).encode()).hexdigest()
    return Encode(job.name, crf, path, size, len(packets), duration, seconds, command, checksum)


def remove(path: Path) -> None:
    """Remove a file that may be incomplete. A folder is not an encode and stays."""
    if not path.is_dir():
        path.unlink(missing_ok=True)


def _check_duration(job: EncodeJob, crf: int, frames: int, duration: float) -> None:
    """A bitrate is only right if the encode lasts as long as its frames do in the source, by rate or by time stamps."""
    rate = job.source.frame_rate
    by_rate = None if rate is None else float(frames / rate)
    tolerance = max(0.002 * duration, 1.5 * duration / frames)
    if by_rate is not None and abs(duration - by_rate) <= tolerance:
        return
    by_times = displayed_seconds(read_packets(job.source.clip, job.ffmpeg, job.timeout, strict=False))
    if not abs(duration - by_times) <= tolerance:
        raise EncodeError(
            f"The encode of {job.name} at CRF {crf} lasts {duration:.3f} s by its time stamps, but its {frames} frames "
            f"last {by_times if by_rate is None else by_rate:.3f} s in {job.source.clip.name}. Its bitrate would be "
            "wrong."
        )


def _no_rate(job: EncodeJob) -> str:
    return (
        f"{job.source.clip.name} states no frame rate, so bitrates are unknown. Set it: Clip(..., frame_rate=24), "
        "or --frame-rate=24 in the pytest-vmaf command."
    )


def _call_function(job: EncodeJob, crf: int, path: Path) -> None:
    assert job.encoder.function is not None  # noqa: S101
    try:
        with noted_start():
            job.encoder.function(job.source.clip.path.absolute(), path, crf)
    except (MeasurementError, SettingsError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        raise EncodeError(f"The encoder {job.name} raised {type(error).__name__} at CRF {crf}: {error}") from error
    _check_written(job, crf, path, "")


def _run_ffmpeg(job: EncodeJob, crf: int, path: Path) -> None:
    outputs: set[int] = set()
    restarts: list[str] = []

    def on_line(line: str) -> None:
        if match := OUTPUT.match(line):
            outputs.add(int(match[1]))
        elif RESTARTED.match(line):
            restarts.append(line)

    argv = job.ffmpeg_argv(crf, path)
    command = FfmpegCommand((*job.counted_by, *argv), display_argv=(*by_hand(argv)[:-1], path.name), on_stderr=on_line)
    end = run(command, job.timeout)
    _check_restarts(job, restarts)
    _check_end(job, crf, end)
    if len(outputs) != 1:
        raise EncodeError(f"The arguments make ffmpeg write {len(outputs)} output files; exactly one is expected.")


def _run_program(job: EncodeJob, crf: int, path: Path) -> None:
    argv = job.program_argv(crf, path)
    if shutil.which(argv[0]) is None:
        where = f"in {printable(os.path.dirname(os.path.abspath(argv[0])))}" if os.sep in argv[0] else "on PATH"
        raise EncodeError(f"The encoder {printable(argv[0])} was not found {where}, or is not executable.")
    # A program may wait for another machine.
    display = without_folder(argv, path)
    command: Command = FfmpegCommand(
        (*job.counted_by, *argv), display_argv=display, starts_others=True, stall_limit=None
    )
    if job.encoder.writes_stdout:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        command = replace(command, stdout=file)
    end = _run_with_input(job, command) if job.encoder.reads_stdin else run(command, job.timeout)
    _check_end(job, crf, end)
    _check_written(job, crf, path, end.explain())


def _run_with_input(job: EncodeJob, program: Command) -> Finished:
    """Run a program while ffmpeg writes the source to its standard input."""
    refusals: list[str] = []
    restarts: list[str] = []

    def on_line(line: str) -> None:
        if "ERROR: yuv4mpeg can only handle" in line:
            refusals.append(line)
        elif RESTARTED.match(line):
            restarts.append(line)

    reader, writer = os.pipe()
    decoder = FfmpegCommand(job.decoder_argv(f"pipe:{writer}"), on_stderr=on_line, pass_fds=(writer,), may_fail=True)
    decoder_end, program_end = run_together([decoder, replace(program, stdin=reader)], job.timeout)
    _check_restarts(job, restarts)
    if refusals:
        raise EncodeError(
            f'y4m cannot carry {job.pix_fmt or job.source.pix_fmt}. Choose a conversion, for example pix_fmt="yuv420p".'
        )
    # A program may close its input after the last frame that it needs. Scoring tells whether these were all.
    if decoder_end.returncode not in (0, -9) and not any("Broken pipe" in line for line in decoder_end.tail):
        reasons = diagnose([job.source.clip], decoder_end.tail, job.ffmpeg, job.timeout)
        what = reasons or f"ffmpeg could not decode {job.source.clip.name} for {job.name}."
        raise EncodeError(f"{what}\n{decoder_end.explain()}")
    return program_end


def _check_restarts(job: EncodeJob, restarts: list[str]) -> None:
    """Refuse a part in which the frames change: the filter that selects it then counts from 0 again."""
    if restarts and job.source.clip.is_part:
        raise EncodeError(describe_restart(job.source.clip, job.ffmpeg, job.timeout))


def _check_end(job: EncodeJob, crf: int, end: Finished) -> None:
    if end.returncode != 0:
        hint = f"  It needs {job.encoder.requires}.\n" if job.encoder.requires else ""
        if reasons := diagnose([job.source.clip], end.tail, job.ffmpeg, job.timeout):
            hint = f"{reasons}\n"
        if any("not divisible by 2" in line for line in end.tail):
            size = f"{job.source.width}x{job.source.height}"
            hint = f"  Width and height must be even in this pixel format, not {size}: pad or crop the source first.\n"
        if any(CLASHING_TIMES.search(line) for line in end.tail):
            rate = average_rate(job.source.clip, job.ffmpeg, job.timeout) or 25
            hint = (
                "  The source has a variable frame rate, and two of its frames share a tick of the encoder's clock. "
                f"State its average rate: {job.source.clip.spelled(frame_rate=round(float(rate), 3))}.\n"
            )
        raise EncodeError(f"{job.name} failed at CRF {crf}: it {end.how}.\n{hint}{end.explain(how=False)}")


def _check_written(job: EncodeJob, crf: int, path: Path, output: str) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        raise EncodeError(f"{job.name} exited normally at CRF {crf} but wrote no output.\n{output}".rstrip())
