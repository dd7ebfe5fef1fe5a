"""Run an encoder once: ffmpeg, a program, a function, or a codec."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

from pytest_vmaf.encoding.job import EncodeJob, without_folder
from pytest_vmaf.encoding.pass_statistics import Statistics, read_statistics
from pytest_vmaf.encoding.rate_modes import rate_control
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.diagnosis import describe_restart, diagnose
from pytest_vmaf.media.ffmpeg import OUTPUT, FfmpegCommand, by_hand
from pytest_vmaf.media.frame_rate import average_rate
from pytest_vmaf.media.guard import noted_start
from pytest_vmaf.media.inspection_log import RESTARTED
from pytest_vmaf.media.process import run, run_together
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.media.stopwatch import Stopwatch
from pytest_vmaf.text import printable

#: What encoders and muxers print about two frames with one time stamp.
CLASHING_TIMES = re.compile(r"non-strictly-monotonic PTS|Non-monotonic DTS")
#: What x264 prints if a second pass cannot come down to a bitrate. It rounds down.
LOWEST_RATE = re.compile(r"estimated minimum is (\d{1,9}) kbps")


def run_first_pass(job: EncodeJob, crf: float, prefix: Path) -> Statistics:
    """Run the first of two passes.

    Args:
        job: The job.
        crf: The bitrate in kbit/s.
        prefix: How the names of its statistics begin.

    Raises:
        EncodeError: If the encoder fails, or writes no statistics.
    """
    watch = Stopwatch()
    _run_ffmpeg(job, crf, job.pass_argv(crf, None, str(prefix)), "in the first pass ")
    control = rate_control(job.encoder.name, "2pass")
    statistics = read_statistics(prefix, control.statistics, watch.read())
    if statistics is None:
        raise EncodeError(
            f"{job.name} wrote no statistics in the first pass at {crf} kbit/s: this ffmpeg cannot run two passes with "
            f"{job.encoder.name}. Use mode='bitrate', or another ffmpeg."
        )
    return statistics


def run_encoder(job: EncodeJob, crf: float, path: Path) -> int | None:
    """Encode the source of a job to a file with ffmpeg, a program, a function or a codec. Raises as `make_encode`.

    Returns:
        The number of frames, if a codec wrote a bitstream, and None if there are packets to count.
    """
    if job.encoder.codec is not None:
        from pytest_vmaf.encoding.run_codec import write_bitstream

        return write_bitstream(job, crf, path)
    if job.encoder.function is not None:
        _call_function(job, crf, path)
    elif job.encoder.command:
        _run_program(job, crf, path)
    elif job.has_two_passes:
        _run_passes(job, crf, path)
    else:
        _run_ffmpeg(job, crf, job.ffmpeg_argv(crf, path))
    return None


def _run_passes(job: EncodeJob, crf: float, path: Path) -> None:
    """Run both passes, or the second one if there are statistics."""
    if job.statistics is not None:
        _run_ffmpeg(job, crf, job.pass_argv(crf, path, str(job.statistics.prefix)), "in the second pass ")
        return
    with scratch_folder(path.absolute().parent) as folder:
        statistics = run_first_pass(job, crf, Path(folder, "pass"))
        _run_passes(replace(job, statistics=statistics), crf, path)


def _call_function(job: EncodeJob, crf: float, path: Path) -> None:
    assert job.encoder.function is not None  # noqa: S101
    try:
        with noted_start():
            job.encoder.function(job.source.clip.path.absolute(), path, cast("int", crf))
    except (MeasurementError, SettingsError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        raise EncodeError(f"The encoder {job.name} raised {type(error).__name__} at {job.at(crf)}: {error}") from error
    _check_written(job, crf, path, "")


def _run_ffmpeg(job: EncodeJob, crf: float, argv: tuple[str, ...], which: str = "") -> None:
    """Run ffmpeg. `which` names the pass, for messages."""
    outputs: set[int] = set()
    restarts: list[str] = []

    def on_line(line: str) -> None:
        if match := OUTPUT.match(line):
            outputs.add(int(match[1]))
        elif RESTARTED.match(line):
            restarts.append(line)

    name = Path(argv[-1]).name
    command = FfmpegCommand((*job.counted_by, *argv), display_argv=(*by_hand(argv)[:-1], name), on_stderr=on_line)
    end = run(command, job.timeout)
    _check_restarts(job, restarts)
    _check_end(job, crf, end, which)
    if len(outputs) != 1:
        raise EncodeError(f"The arguments make ffmpeg write {len(outputs)} output files; exactly one is expected.")


def _run_program(job: EncodeJob, crf: float, path: Path) -> None:
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


def _check_end(job: EncodeJob, crf: float, end: Finished, which: str = "") -> None:
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
        if lowest := next(filter(None, map(LOWEST_RATE.search, end.tail)), None):
            least = int(lowest[1]) + 1
            needs = f"{job.encoder.name} needs {least} kbit/s or more for this clip"
            hint = f"  {needs}. A search can begin there: bitrate=({least}, None).\n"
        what = f"{end.disk_full}{job.name} failed {which}at {job.at(crf)}: it {end.how}."
        raise EncodeError(f"{what}\n{hint}{end.explain(how=False)}")


def _check_written(job: EncodeJob, crf: float, path: Path, output: str) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        raise EncodeError(f"{job.name} exited normally at {job.at(crf)} but wrote no output.\n{output}".rstrip())
