"""One encode: made by ffmpeg, by a program or by a function, and looked at for what its stream really holds."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pytest_vmaf.cache import Cache
from pytest_vmaf.encoding.encoders import BRACES, Encoder
from pytest_vmaf.encoding.packets import read_packets
from pytest_vmaf.errors import ClipError, EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.demux import input_arguments, is_known
from pytest_vmaf.media.ffmpeg import OUTPUT, FfmpegCommand, by_hand
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.process import run, run_together
from pytest_vmaf.text import printable

#: Of ffmpeg's y4m writer: pixel formats beyond 8 bit are its extension.
Y4M = ("-strict", "-1", "-f", "yuv4mpegpipe")


@dataclass(frozen=True)
class EncodeJob:
    """What stays the same from one encode to the next: the source as ffmpeg sees it, the encoder and its settings.

    ``arguments`` are the user's own, after the encoder's: of ffmpeg's output, or of the program.
    """

    encoder: Encoder
    source: Video
    ffmpeg: str
    preset: str | None = None
    arguments: tuple[str, ...] = ()
    pix_fmt: str | None = None
    timeout: float | None = None
    cache: Cache | None = None
    #: Which of several encodes that are to show how much they differ; what one wrote is not another's.
    attempt: int = 0

    @property
    def name(self) -> str:
        """Encoder and preset, as people write it."""
        return " ".join(filter(None, (self.encoder.name, self.preset)))


@dataclass(frozen=True)
class Encode:
    """What an encoder wrote. ``size`` in bytes and ``frames`` are those of the video stream without its container,
    ``duration`` in seconds by the stream's time stamps, ``bitrate`` in bit/s. ``path`` is None where the file was not
    kept. ``seconds`` is what the encoding took, None where it was scored in the same process. ``command`` repeats it.
    """

    name: str
    crf: int
    path: Path | None
    size: int
    frames: int
    duration: float
    seconds: float | None
    command: str

    @property
    def bitrate(self) -> float:
        """Mean bit/s of the video stream."""
        return self.size * 8 / self.duration

    @property
    def clip(self) -> Clip:
        """The encode as a clip, for `vmaf.check(source, encode)`.

        Raises:
            ClipError: If the file was not stored.
        """
        if self.path is None:
            raise ClipError(
                f"The encode of {self.name} at CRF {self.crf} was not stored. Pass keep=FOLDER to the search, or encode "
                "it with vmaf.encode()."
            )
        # A bare stream states no frame rate.
        return Clip(self.path) if is_known(self.path) else Clip(self.path, frame_rate=self.frames / self.duration)


def make_encode(job: EncodeJob, crf: int, path: Path) -> Encode:
    """Encode the source at this CRF to ``path``, and look at what came out.

    Raises EncodeError with the encoder's own last lines when it fails, or writes nothing; whatever it had begun to
    write is removed then.
    """
    if job.source.frame_rate is None and (job.source.clip.is_raw or job.source.is_picture):
        raise EncodeError(_no_rate(job))
    begun = time.monotonic()
    try:
        if job.encoder.function is not None:
            _call(job, crf, path)
        elif job.encoder.command:
            _run_program(job, crf, path)
        else:
            argv = _encoding(job, crf, path)
            outputs: set[int] = set()
            heard = partial(_hear_outputs, outputs)
            _refuse(job, crf, run(FfmpegCommand(argv, display_argv=_by_name(argv, path), on_stderr=heard), job.timeout))
            if len(outputs) != 1:
                raise EncodeError(f"The arguments make ffmpeg write {len(outputs)} files; a search knows one of them.")
        seconds = time.monotonic() - begun
        if path.is_symlink() or path.stat().st_nlink > 1:
            raise EncodeError(f"{job.name} linked its output at CRF {crf} to another file, which may change; write it.")
        return describe(job, crf, path, command_of(job, crf, path), seconds)
    except BaseException:
        remove(path)
        raise


def command_of(job: EncodeJob, crf: int, path: Path) -> str:
    """The shell command that encodes at this CRF to a file of this name in the folder it is run in."""
    if job.encoder.function is not None:
        return printable(f"{job.encoder.name}({str(job.source.clip.path.absolute())!r}, {path.name!r}, {crf})")
    if not job.encoder.command:
        return printable(shlex.join(_by_name(_encoding(job, crf, path), path)))
    piped = shlex.join([*by_hand(_decoding(job)), "-"]) + " | " if job.encoder.reads_stdin else ""
    into = "" if _names_output(job) else f" > {path.name}"
    program = (*filled(job, crf, job.encoder.command, path), *job.arguments)
    return printable(piped + shlex.join(_without_folder(program, path)) + into)


def _encoding(job: EncodeJob, crf: int, path: Path) -> tuple[str, ...]:
    """The arguments of the ffmpeg that encodes."""
    argv = [job.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror", "-nostats"]
    argv += [*input_arguments(job.source.clip), "-map", "0:V:0", "-fps_mode", "passthrough"]
    return (*argv, *ffmpeg_arguments(job, crf), "-y", f"file:{path.absolute()}")


def _decoding(job: EncodeJob) -> tuple[str, ...]:
    """The arguments, but for the output, of the ffmpeg that decodes for a program."""
    argv = [job.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror", "-nostats"]
    argv += [*input_arguments(job.source.clip), "-map", "0:V:0", "-fps_mode", "passthrough"]
    return (*argv, *(["-pix_fmt", job.pix_fmt] if job.pix_fmt else []), *Y4M)


def _by_name(argv: Sequence[str], path: Path) -> tuple[str, ...]:
    return (*by_hand(argv)[:-1], path.name)


def _without_folder(argv: Sequence[str], path: Path) -> tuple[str, ...]:
    return tuple(part.replace(str(path.absolute()), path.name) for part in argv)


def _names_output(job: EncodeJob) -> bool:
    return any("{output}" in part for part in job.encoder.command)


def _hear_outputs(outputs: set[int], line: str) -> None:
    if match := OUTPUT.match(line):
        outputs.add(int(match[1]))


def remove(path: Path) -> None:
    """Remove an encode that may have been begun. A folder, which no encode is, stays for who made the one around it."""
    if not path.is_dir():
        path.unlink(missing_ok=True)


def ffmpeg_arguments(job: EncodeJob, crf: int) -> tuple[str, ...]:
    """The output arguments that make ffmpeg encode at this CRF, without the file."""
    chosen = filled(job, crf, job.encoder.arguments)
    pix_fmt = ["-pix_fmt", job.pix_fmt] if job.pix_fmt else []
    return ("-c:v", job.encoder.name, *chosen, *pix_fmt, *job.arguments)


def check_arguments(encoder: Encoder, arguments: tuple[str, ...]) -> None:
    """Raise SettingsError for arguments that would take back the quality that the search sets."""
    if encoder.function is not None and arguments:
        raise SettingsError(f"{encoder.name} is a function; arguments={' '.join(arguments)!r} would not reach it.")
    if not encoder.arguments:
        return
    # With or without the stream that they are for, as -crf:v.
    options = {part.partition(":")[0] for part in ("-c", "-codec", "-vcodec", *encoder.arguments) if part[:1] == "-"}
    options -= {"-row-mt", "-deadline", "-tune"}
    # Where the encode goes, what it is of, and that it is one, is not for arguments to say.
    options |= {"-i", "-f", "-y", "-n", "-map", "-dec", "-filter_complex", "-lavfi"}
    taken = [part for part in arguments if part.partition(":")[0] in options]
    if taken:
        raise SettingsError(
            f"The argument {taken[0]} is {encoder.name}'s own here: the search sets the quality, the input and the "
            "output, preset= the preset, encoder= the encoder."
        )


def describe(job: EncodeJob, crf: int, path: Path, command: str, seconds: float | None) -> Encode:
    """Read the packets of the encode's video stream. Raises EncodeError where there are none."""
    clip = encoded_clip(job, path)
    try:
        packets = read_packets(clip, job.ffmpeg, job.timeout, strict=False)
    except ClipError as error:
        raise EncodeError(f"What {job.name} wrote at CRF {crf} holds no video that can be read.\n{error}") from None
    size = sum(packet.size for packet in packets)
    if not size:
        raise EncodeError(f"What {job.name} wrote at CRF {crf} are {len(packets)} empty packets.")
    # A bare stream may have packets without a time.
    times = [packet.shown for packet in packets if packet.shown is not None]
    span = max(times) - min(times) if len(times) == len(packets) else 0.0
    rate = job.source.frame_rate
    if span > 0:
        # The last frame is shown as long as the others are on average.
        duration = span * len(times) / (len(times) - 1)
    elif rate:
        duration = float(len(packets) / rate)
    else:
        raise EncodeError(_no_rate(job))
    _check_duration(job, crf, len(packets), duration)
    return Encode(job.name, crf, path, size, len(packets), duration, seconds, command)


def _check_duration(job: EncodeJob, crf: int, frames: int, duration: float) -> None:
    """A bitrate is worth what its duration is: that of so many frames of the source, by its rate or its time stamps."""
    rate = job.source.frame_rate
    by_rate = None if rate is None else float(frames / rate)
    tolerance = max(0.002 * duration, 1.5 * duration / frames)
    if by_rate is not None and abs(duration - by_rate) <= tolerance:
        return
    times = [packet.shown for packet in read_packets(job.source.clip, job.ffmpeg, job.timeout, strict=False)]
    known = [time for time in times if time is not None]
    by_times = (max(known) - min(known)) * len(known) / max(1, len(known) - 1) if known else math.nan
    if not abs(duration - by_times) <= tolerance:
        raise EncodeError(
            f"What {job.name} wrote at CRF {crf} lasts {duration:.3f} s by its time stamps, and its {frames} frames "
            f"{by_times if by_rate is None else by_rate:.3f} s in {job.source.clip.name}: a bitrate of it would be "
            "wrong."
        )


def _no_rate(job: EncodeJob) -> str:
    return f"{job.source.clip.name} states no frame rate, so no bitrate can be built; say Clip(..., frame_rate=24)."


def encoded_clip(job: EncodeJob, path: Path) -> Clip:
    """The encode as a clip; a bare stream states no frame rate, and has the source's."""
    return Clip(path) if is_known(path) else Clip(path, frame_rate=job.source.frame_rate)


def filled(job: EncodeJob, crf: int, parts: Sequence[str], path: Path | None = None) -> list[str]:
    """The parts with what their placeholders stand for; a part stays one argument, whatever is filled in."""
    source = job.source
    values = {
        "crf": crf,
        "preset": job.preset,
        "input": source.clip.path.absolute(),
        "output": path and path.absolute(),
        "width": source.width,
        "height": source.height,
        "frame_rate": source.frame_rate,
        "frames": source.frames_expected,
        "pix_fmt": job.pix_fmt or source.pix_fmt,
    }

    def value(match: re.Match[str]) -> str:
        if values[match[1]] is None:
            raise EncodeError(f"{job.name} asks for {match[0]}, which {source.clip.name} does not say.")
        return str(values[match[1]])

    return [BRACES.sub(value, part) for part in parts]


def _call(job: EncodeJob, crf: int, path: Path) -> None:
    assert job.encoder.function is not None  # noqa: S101
    source = job.source.clip.path.absolute()
    try:
        job.encoder.function(source, path, crf)
    except (MeasurementError, SettingsError):
        raise
    except (Exception, SystemExit) as error:
        raise EncodeError(f"The encoder {job.name} raised {type(error).__name__} at CRF {crf}: {error}") from error
    _refuse_nothing(job, crf, path, "")


def _run_program(job: EncodeJob, crf: int, path: Path) -> None:
    argv = (*filled(job, crf, job.encoder.command, path), *job.arguments)
    if shutil.which(argv[0]) is None:
        where = f"in {printable(os.path.dirname(os.path.abspath(argv[0])))}" if os.sep in argv[0] else "on PATH"
        raise EncodeError(
            f"The encoder {printable(argv[0])} does not exist or cannot be run; it was looked for {where}."
        )
    shown = _without_folder(argv, path)
    if _names_output(job):
        end = _run_with_input(job, FfmpegCommand(argv, display_argv=shown))
    else:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        end = _run_with_input(job, FfmpegCommand(argv, display_argv=shown, stdout=file))
    _refuse(job, crf, end)
    _refuse_nothing(job, crf, path, end.explain())


def _run_with_input(job: EncodeJob, program: Command) -> Finished:
    """Run the program; where it reads standard input, ffmpeg writes the source there."""
    if not job.encoder.reads_stdin:
        return run(program, job.timeout)
    refused: list[str] = []

    def heard(line: str) -> None:
        if "ERROR: yuv4mpeg can only handle" in line:
            refused.append(line)

    out, into = os.pipe()
    writer = FfmpegCommand((*_decoding(job), f"pipe:{into}"), on_stderr=heard, pass_fds=(into,), may_fail=True)
    wrote, ended = run_together([writer, replace(program, stdin=out)], job.timeout)
    if refused:
        what = job.pix_fmt or job.source.pix_fmt
        raise EncodeError(f"y4m cannot carry {what}, and a conversion must be asked for: say pix_fmt=, as yuv420p.")
    # A program may close its input after the last frame it wants; whether that was all of them the scoring tells.
    if wrote.returncode not in (0, -9) and not any("Broken pipe" in line for line in wrote.tail):
        raise EncodeError(f"ffmpeg could not decode {job.source.clip.name} for {job.name}.\n{wrote.explain()}")
    return ended


def _refuse(job: EncodeJob, crf: int, end: Finished) -> None:
    if end.returncode != 0:
        needs = f"  It needs {job.encoder.needs}.\n" if job.encoder.needs else ""
        if any("not divisible by 2" in line for line in end.tail):
            size = f"{job.source.width}x{job.source.height}"
            needs = f"  It takes no odd sides in this pixel format, and the source is {size}: pad or crop it first.\n"
        raise EncodeError(f"{job.name} failed at CRF {crf}: it {end.how}.\n{needs}{end.explain()}")


def _refuse_nothing(job: EncodeJob, crf: int, path: Path, said: str) -> None:
    if not path.is_file() or path.stat().st_size == 0:
        wrong = f"{job.name} ended well at CRF {crf} but wrote nothing to the output file that it was given."
        raise EncodeError(f"{wrong}\n{said}".rstrip())
