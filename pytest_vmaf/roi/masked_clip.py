"""The masked clip: decoded, blended and streamed to the scorer through a named pipe, frame by frame."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BufferedReader, FileIO
from pathlib import Path

from pytest_vmaf.errors import MaskError, MeasurementError, ScorerError
from pytest_vmaf.media.clip import Stream
from pytest_vmaf.media.colour import UNTAGGED
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.pair import BY_INDEX
from pytest_vmaf.media.process import run_together, thread_refusals
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.roi.blending import Layout, Planes, Weights, blend, layout_of, planes_of
from pytest_vmaf.scoring.prepare import PreparedScoring
from pytest_vmaf.scoring.scorer import ScoreRequest, Source
from pytest_vmaf.text import printable

#: The size that is requested for pipes, in bytes. Linux gives them 64 KiB otherwise.
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031

#: Width and height in pixels.
Size = tuple[int, int]
#: Makes weights from a frame of the reference, at the requested size if there is one.
FrameMask = Callable[[Planes], Weights]


@dataclass
class Feed:
    """The progress of the thread that streams the masked clip.

    Attributes:
        frames: How many frames were written.
        error: What went wrong.
        ends: How the decoders of the reference and of the distorted clip ended.
    """

    frames: int = 0
    error: BaseException | None = None
    ends: list[Finished] = field(default_factory=list)


@contextlib.contextmanager
def masked_stream(
    prepared: PreparedScoring, frame_mask: FrameMask, small: Size | None
) -> Iterator[tuple[Source, Feed]]:
    """The source of the masked clip, which is made while the body of the `with` statement reads it.

    On leaving, every process and thread has ended. An error in them is raised in preference to the body's own error,
    which is its consequence.

    Args:
        prepared: The pair's scoring.
        frame_mask: Makes the weights of each frame of the reference.
        small: The size at which `frame_mask` gets each frame, in 4:4:4; None for the frame as it is.

    Raises:
        MaskError: If this system has no named pipes, or a mask cannot be made.
        ScorerError: If a clip cannot be decoded, or a thread cannot be started.
    """
    if not hasattr(os, "mkfifo"):
        raise MaskError("Masked frames are streamed through a named pipe, which this system does not have.")
    job, feed = prepared.job, Feed()
    with scratch_folder() as folder:
        pipe = Path(folder, "masked.yuv")
        os.mkfifo(pipe)
        feeder = _start_thread(_feed, prepared, frame_mask, small, pipe, feed)
        try:
            yield masked_source(job, pipe), feed
        except MeasurementError:
            _stop(pipe, feeder)
            # A broken pipe is not a cause: it is what a failed scorer leaves behind.
            if feed.error is not None and not isinstance(feed.error, BrokenPipeError):
                raise _cause(feed.error) from None
            raise
        finally:
            _stop(pipe, feeder)
    if feed.error is not None:
        raise _cause(feed.error) from feed.error


def masked_source(job: ScoreRequest, pipe: Path) -> Source:
    """The masked clip as a scorer reads it from a pipe."""
    # Frames are paired by index, but ffmpeg holds back an input that seems to be seconds ahead.
    clip = Stream(pipe, width=job.width, height=job.height, pix_fmt=job.pix_fmt, frame_rate=1000)
    return Source(clip, ",".join((*BY_INDEX, UNTAGGED)))


def _start_thread(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    with thread_refusals():
        thread.start()
    return thread


def _cause(error: BaseException) -> MeasurementError:
    """An error in the feeding thread as the error that is raised."""
    if isinstance(error, MeasurementError):
        return error
    return ScorerError(f"The masked frames could not be made: {type(error).__name__}: {printable(str(error))}.")


def _stop(pipe: Path, feeder: threading.Thread) -> None:
    """Wait for the feeder. If nothing reads its pipe, let it notice."""
    while feeder.is_alive():
        with contextlib.suppress(FileNotFoundError):
            # A feeder that waits for a reader gets one, and then a broken pipe.
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        feeder.join(timeout=0.1)


def _feed(prepared: PreparedScoring, frame_mask: FrameMask, small: Size | None, pipe: Path, feed: Feed) -> None:
    """Decode both clips, blend them and write the frames. Runs in its own thread."""
    job, decoding = prepared.job, None
    try:
        with contextlib.ExitStack() as stack:
            # Blocks until the scorer opens its end, which may be after it has scored another clip.
            out = stack.enter_context(open(pipe, "wb", buffering=0))
            # Opening it again, for example to count its frames, would block forever.
            pipe.unlink()
            layout = layout_of(job.pix_fmt, job.width, job.height)
            layouts = [layout, layout, *([small_layout(prepared, small)] if small else [])]
            reads, writes = zip(*(os.pipe() for _ in layouts), strict=True)
            _widen(out.fileno(), *writes)
            files = [stack.enter_context(open(fd, "rb")) for fd in reads]
            with contextlib.ExitStack() as unused:
                # The decoders close these. If they cannot be started, for example because a clip is gone, this does.
                for fd in writes:
                    unused.callback(os.close, fd)
                commands = [
                    _decoder(prepared, job.reference, small, (writes[0], *writes[2:])),
                    _decoder(prepared, job.distorted, None, (writes[1],)),
                ]
                decoding = _start_thread(_decode, commands, job.timeout, feed)
                unused.pop_all()
            ended = _blend_all(files, out, frame_mask, layouts, feed)
    except BaseException as error:  # carried to the waiting thread
        feed.error = feed.error or error
    finally:
        if decoding is not None:
            decoding.join()
    # Only the decoder whose frames ended first matters: the other one may have had more to write and no reader. A clip
    # that is merely shorter is refused by the scorer.
    if feed.error is None and feed.ends[ended].returncode != 0:
        failed = feed.ends[ended]
        if failed.returncode < 0:
            # A decoder that fails has the other one killed, whose frames may end before.
            failed = max(feed.ends, key=lambda end: end.returncode)
        feed.error = ScorerError(f"ffmpeg could not decode a clip for its mask.\n{failed.explain()}")
        feed.error.exit_code = failed.returncode


def _blend_all(
    files: Sequence[BufferedReader], out: FileIO, frame_mask: FrameMask, layouts: Sequence[Layout], feed: Feed
) -> int:
    """Write masked frames until a clip ends: 0 if that is the reference, 1 for the distorted clip."""
    frames = [memoryview(bytearray(layout.frame_bytes)) for layout in layouts]
    planes = [planes_of(frame, layout) for frame, layout in zip(frames, layouts, strict=True)]
    while (ended := _read_frames(files, frames)) is None:
        blend(planes[0], planes[1], frame_mask(planes[2 if planes[2:] else 0]), planes[0])
        rest = frames[0]
        while rest:
            rest = rest[out.write(rest) :]
        feed.frames += 1
    # The third file, if there is one, is the reference as well.
    return ended % 2


def _read_frames(files: Sequence[BufferedReader], frames: Sequence[memoryview]) -> int | None:
    """Read the next frame of each file. Returns the number of a file that has ended."""
    for number, (file, frame) in enumerate(zip(files, frames, strict=True)):
        if file.readinto(frame) < len(frame):
            return number
    return None


def _decode(commands: Sequence[Command], timeout: float | None, feed: Feed) -> None:
    try:
        feed.ends = run_together(commands, timeout)
    except BaseException as error:
        feed.error = feed.error or error


def small_layout(prepared: PreparedScoring, size: Size) -> Layout:
    """The layout of the pair's frames at another size, in 4:4:4."""
    return layout_of(_in_444(prepared.job.pix_fmt), *size)


def small_decoder(prepared: PreparedScoring, size: Size) -> Command:
    """An ffmpeg that writes the reference's frames at another size, in 4:4:4, to its stdout."""
    return _ffmpeg(prepared, prepared.job.reference, f"{_scale(prepared, size)}[small]", small="pipe:1")


def colours(prepared: PreparedScoring) -> tuple[str, str]:
    """The colour matrix and range ("tv", "pc") of the pair's samples. An unknown matrix is chosen as in players."""
    matrix, color_range = (prepared.pair.matrix, prepared.pair.color_range) if prepared.pair else ("unknown", "tv")
    # By the lines of the clip, not of the resized frames for a network.
    return ("bt709" if prepared.job.height > 576 else "bt601") if matrix == "unknown" else matrix, color_range


def _decoder(prepared: PreparedScoring, source: Source, small: Size | None, fds: tuple[int, ...]) -> Command:
    """An ffmpeg that writes frames to an open file descriptor and, at another size, to a second one."""
    outputs = {name: f"pipe:{fd}" for name, fd in zip(("whole", "small"), fds, strict=False)}
    graph = f"split[whole][large];[large]{_scale(prepared, small)}[small]" if small else "null[whole]"
    return replace(_ffmpeg(prepared, source, graph, **outputs), pass_fds=fds)


def _ffmpeg(prepared: PreparedScoring, source: Source, graph: str, **outputs: str) -> Command:
    """An ffmpeg that writes raw frames of the outputs of a filter graph: `whole` as scored, `small` in 4:4:4."""
    job = prepared.job
    argv = [job.tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-nostats"]
    # Frames are blended one by one, and one thread takes less time in all than several.
    graph = f"[{video_stream(source.clip)}]{source.chain},{graph}"
    argv += ["-threads", "1", *input_arguments(source.clip), "-filter_complex", graph]
    for name, target in outputs.items():
        pix_fmt = job.pix_fmt if name == "whole" else _in_444(job.pix_fmt)
        argv += ["-map", f"[{name}]", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pix_fmt, target]
    return FfmpegCommand(tuple(argv))


def _scale(prepared: PreparedScoring, size: Size) -> str:
    return f"scale={size[0]}:{size[1]}:flags=area+accurate_rnd,format={_in_444(prepared.job.pix_fmt)}"


def _in_444(pix_fmt: str) -> str:
    return re.sub("42[02]", "444", pix_fmt)


def _widen(*fds: int) -> None:
    """Enlarge pipes, so that processes switch less often. Not every system can."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        for fd in fds:
            fcntl.fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES)
