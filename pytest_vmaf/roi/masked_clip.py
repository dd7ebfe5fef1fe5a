"""The masked clip on its way to the scorer: decoded, blended and written into a named pipe, frame by frame."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_vmaf.errors import MaskError, MeasurementError, ScorerError
from pytest_vmaf.media.clip import Stream
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.pair import BY_INDEX, UNTAGGED
from pytest_vmaf.media.process import run_together
from pytest_vmaf.roi.blending import Layout, Planes, Weights, blend, layout_of, planes_of
from pytest_vmaf.scoring.prepare import PreparedScoring
from pytest_vmaf.scoring.scorer import ScoreRequest, Source
from pytest_vmaf.text import printable

#: Linux gives a pipe 64 KiB, and up to this many bytes if it is asked.
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031

#: A frame of the reference, and the same frame at the size asked for (None where none was), to weights.
Masking = Callable[[Planes, Planes | None], Weights]


@dataclass
class Feed:
    """What a feeding thread has done, and what went wrong in it."""

    frames: int = 0
    error: BaseException | None = None
    ends: list[Finished] = field(default_factory=list)


@contextlib.contextmanager
def masked_stream(
    prepared: PreparedScoring, masking: Masking, small: tuple[int, int] | None
) -> Iterator[tuple[Source, Feed]]:
    """The source of the masked clip, which is made as long as the body of the ``with`` reads it.

    ``masking`` gets the planes of each frame of the reference and, where ``small`` (width, height) is given, of the
    same frame at that size in 4:4:4. On leaving, every process and thread has ended; what went wrong in them is raised
    (MaskError, ScorerError), before what the body raised, which it has caused.
    """
    if not hasattr(os, "mkfifo"):
        raise MaskError("Masked frames are streamed through a named pipe, which this system does not have.")
    job, feed = prepared.job, Feed()
    with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
        pipe = Path(folder, "masked.yuv")
        os.mkfifo(pipe)
        feeder = threading.Thread(target=_run, args=(prepared, masking, small, pipe, feed), daemon=True)
        feeder.start()
        try:
            yield masked_source(job, pipe), feed
        except MeasurementError:
            _stop(pipe, feeder)
            # That nobody reads on is no cause, but what a scorer that failed leaves behind.
            if feed.error is not None and not isinstance(feed.error, BrokenPipeError):
                raise _cause(feed.error) from None
            raise
        finally:
            _stop(pipe, feeder)
    if feed.error is not None:
        raise _cause(feed.error) from feed.error


def masked_source(job: ScoreRequest, pipe: Path) -> Source:
    """The masked clip, as it comes out of a pipe."""
    # Frames go by their number; but ffmpeg holds back an input that seems to be seconds ahead.
    clip = Stream(pipe, width=job.width, height=job.height, pix_fmt=job.pix_fmt, frame_rate=1000)
    return Source(clip, ",".join((*BY_INDEX, UNTAGGED)))


def _cause(error: BaseException) -> MeasurementError:
    """What went wrong in a feeding thread, as what is raised."""
    if isinstance(error, MeasurementError):
        return error
    return ScorerError(f"The masked frames could not be made: {type(error).__name__}: {printable(str(error))}.")


def _stop(pipe: Path, feeder: threading.Thread) -> None:
    """Wait for a feeder; one whose pipe nobody reads finds that out."""
    while feeder.is_alive():
        with contextlib.suppress(FileNotFoundError):
            # A feeder that waits for a reader gets one, and with it the news that it is gone.
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        feeder.join(timeout=0.1)


def _run(prepared: PreparedScoring, masking: Masking, small: tuple[int, int] | None, pipe: Path, feed: Feed) -> None:
    """Decode both clips, blend, and write. Runs in a thread of its own."""
    job = prepared.job
    ended, decoding = 0, threading.Thread()
    try:
        with contextlib.ExitStack() as stack:
            # Opened when the scorer opens its end; where it scores one after the other, that is later.
            out = stack.enter_context(open(pipe, "wb", buffering=0))
            # Who opened it once more, to count its frames again, would wait for ever.
            pipe.unlink()
            _widen(out.fileno())
            layout = layout_of(job.pix_fmt, job.width, job.height)
            little = small_layout(prepared, small) if small else None
            reads, writes = zip(*(_pipe() for _ in range(3 if small else 2)), strict=True)
            files = [stack.enter_context(open(fd, "rb", buffering=0)) for fd in reads]
            with contextlib.ExitStack() as unused:
                # A clip may have gone since it was looked at; nobody else closes these then.
                for fd in writes:
                    unused.callback(os.close, fd)
                commands = [
                    _decoder(prepared, job.reference, small, writes[:1] + writes[2:]),
                    _decoder(prepared, job.distorted, None, writes[1:2]),
                ]
                unused.pop_all()
            decoding = threading.Thread(target=_decode, args=(commands, job.timeout, feed), daemon=True)
            decoding.start()
            ended = _blend_all(files, out, masking, layout, little, feed)
    except BaseException as error:  # carried to the thread that waits
        feed.error = feed.error or error
    finally:
        if decoding.ident is not None:
            decoding.join()
    # Only the decoder whose frames ended first: the other may have had more to write, and nobody who reads it. Of a
    # clip that is shorter the scorer says so, with its frames.
    if feed.error is None and feed.ends[ended].returncode != 0:
        failed = feed.ends[ended]
        if failed.returncode < 0:
            # One that failed has the other killed, whose frames may end before.
            failed = max(feed.ends, key=lambda end: end.returncode)
        undecoded = ScorerError(f"ffmpeg could not decode a clip for its mask.\n{failed.explain()}")
        undecoded.exit_code, feed.error = failed.returncode, undecoded


def _blend_all(files: list[Any], out: Any, masking: Masking, layout: Layout, little: Layout | None, feed: Feed) -> int:
    """Write masked frames until a clip ends: 0 if that is the reference, 1 for the distorted one."""
    layouts = [layout, layout, *([little] if little else [])]
    frames = [np.empty(each.frame_bytes, np.uint8) for each in layouts]
    planes = [planes_of(frame, each) for frame, each in zip(frames, layouts, strict=True)]
    while (ended := _ended(files, frames)) is None:
        weights = masking(planes[0], planes[2] if little else None)
        blend(planes[0], planes[1], weights, planes[0])
        view = memoryview(frames[0].data)
        while view:
            view = view[out.write(view) :]
        feed.frames += 1
    # The third file, if there is one, is the reference again.
    return ended % 2


def _ended(files: list[Any], frames: list[Any]) -> int | None:
    """Read the next frame of each; which file has none any more, if one has not."""
    for number, (file, frame) in enumerate(zip(files, frames, strict=True)):
        view = memoryview(frame)
        while view:
            read = file.readinto(view)
            if not read:
                return number
            view = view[read:]
    return None


def _decode(commands: list[Command], timeout: float | None, feed: Feed) -> None:
    try:
        feed.ends = run_together(commands, timeout)
    except BaseException as error:
        feed.error = feed.error or error


def small_layout(prepared: PreparedScoring, size: tuple[int, int]) -> Layout:
    """How frames of the pair lie in memory when they are small (width, height), in 4:4:4."""
    return layout_of(_in_444(prepared.job.pix_fmt), *size)


def small_decoder(prepared: PreparedScoring, size: tuple[int, int], only: int | None = None) -> Command:
    """An ffmpeg that writes the reference's frames, made small, to its stdout; ``only`` one of them, by its number."""
    chain = _small(prepared, size)
    if only is not None:
        chain = f"trim=start_frame={only}:end_frame={only + 1},{chain}"
    return _ffmpeg(prepared, prepared.job.reference, f"{chain}[small]", _output("small", prepared.job, "pipe:1"))


def colours(prepared: PreparedScoring) -> tuple[str, str]:
    """The matrix and the range ("tv", "pc") by which a pair's samples are colours, as players take what is not said."""
    matrix, color_range = (prepared.pair.matrix, prepared.pair.color_range) if prepared.pair else ("unknown", "tv")
    # By the lines of the clip, not of what a network is shown.
    return ("bt709" if prepared.job.height > 576 else "bt601") if matrix == "unknown" else matrix, color_range


def _decoder(prepared: PreparedScoring, source: Source, small: tuple[int, int] | None, fds: tuple[int, ...]) -> Command:
    """An ffmpeg that writes raw frames to an open file descriptor, and small ones to another."""
    job = prepared.job
    outputs = _output("whole", job, f"pipe:{fds[0]}")
    if small is None:
        return replace(_ffmpeg(prepared, source, "null[whole]", outputs), pass_fds=fds)
    outputs += _output("small", job, f"pipe:{fds[1]}")
    graph = f"split[whole][large];[large]{_small(prepared, small)}[small]"
    return replace(_ffmpeg(prepared, source, graph, outputs), pass_fds=fds)


def _ffmpeg(prepared: PreparedScoring, source: Source, graph: str, outputs: list[str]) -> Command:
    argv = [prepared.job.tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-nostats"]
    # One frame at a time is soon enough for what is blended one by one, and takes less than several at once.
    argv += [
        "-threads",
        "1",
        *input_arguments(source.clip),
        "-filter_complex",
        f"[0:V:0]{source.chain},{graph}",
        *outputs,
    ]
    return FfmpegCommand(tuple(argv))


def _small(prepared: PreparedScoring, size: tuple[int, int]) -> str:
    return f"scale={size[0]}:{size[1]}:flags=area+accurate_rnd,format={_in_444(prepared.job.pix_fmt)}"


def _output(name: str, job: ScoreRequest, to: str) -> list[str]:
    form = job.pix_fmt if name == "whole" else _in_444(job.pix_fmt)
    return ["-map", f"[{name}]", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", form, to]


def _in_444(pix_fmt: str) -> str:
    return re.sub("42[02]", "444", pix_fmt)


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    _widen(write)
    return read, write


def _widen(fd: int) -> None:
    """A larger pipe has fewer changes from process to process. Not every system gives one."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES)
