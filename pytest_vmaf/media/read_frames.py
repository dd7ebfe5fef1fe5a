"""Decode clips to NumPy arrays, frame by frame. Imported where it is used."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import why_unreadable
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.frame_layout import Frame, FrameLayout, layout_of
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.media.process import run_together, thread_refusals

#: How YUV becomes RGB, and depths become others.
CONVERT = "scale=flags=bicubic+accurate_rnd+full_chroma_int"


class _Abandoned(Exception):
    """Nobody reads the frames any more."""


@dataclass
class _Decoding:
    """The progress of the thread that decodes."""

    end: Finished | None = None
    error: BaseException | None = None
    abandoned: bool = False
    #: Whether somebody waits for a frame.
    awaited: threading.Event = field(default_factory=threading.Event)


def read_frames(
    clip: Clip,
    ffmpeg: str,
    *,
    pix_fmt: str,
    size: tuple[int, int] | None = None,
    filters: str = "",
    timeout: float | None = None,
) -> Iterator[Frame]:
    """Decode a clip frame by frame. Closing the iterator ends ffmpeg.

    Args:
        clip: The clip. Its crop and its part are applied, unless there are `filters`.
        ffmpeg: The path of ffmpeg.
        pix_fmt: ffmpeg's name of the pixel format: RGB, grey or planar YUV.
        size: Width and height of the frames after the filters. By default those of the clip.
        filters: The ffmpeg filters between decoder and output, in place of those of the clip itself, for example a
            `Source.chain`.
        timeout: In seconds, for the whole clip and what is done with its frames.

    Yields:
        Each frame: an array [H,W,3] of RGB (bgr24 is in the order of its name), [H,W] of grey, or a tuple of planes
        (Y, U, V). Samples are uint8, uint16, or float32 from 0 to 1 (gbrpf32le).

    Raises:
        ClipError: If the clip cannot be decoded, or `pix_fmt` is another one.
        ScorerError: If the time limit is exceeded.
    """
    # The format is checked here, and not when the first frame is read.
    layout = layout_of(pix_fmt, *(size or (1, 1)))
    if size is None:
        video = inspect(clip, ffmpeg, 1, timeout)
        layout = layout_of(pix_fmt, video.width, video.height)
    chain = filters or ",".join(filter(None, (clip.trimming, clip.cropping, CONVERT)))
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-nostats", *input_arguments(clip)]
    argv += ["-filter_complex", f"[{video_stream(clip)}]{chain},format={layout.form.name}[frames]", "-map", "[frames]"]
    argv += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", layout.form.name, "pipe:1"]
    return _decoded(clip, argv, layout, timeout)


def _decoded(clip: Clip, argv: list[str], layout: FrameLayout, timeout: float | None) -> Iterator[Frame]:
    decoding = _Decoding()
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as file:
        command = FfmpegCommand(tuple(argv), stdout=write_end)
        thread = threading.Thread(target=_decode, args=(command, timeout, decoding), name="pytest-vmaf", daemon=True)
        try:
            with thread_refusals():
                thread.start()
        except BaseException:
            os.close(write_end)
            raise
        try:
            while True:
                content = bytearray(layout.frame_bytes)
                decoding.awaited.set()
                length = file.readinto(content)
                decoding.awaited.clear()
                if length < len(content):
                    break
                yield layout.read(content)
        finally:
            decoding.abandoned = True
            # A decoder that still writes gets a broken pipe.
            file.close()
            thread.join()
    if decoding.error is not None:
        raise decoding.error
    if decoding.end is None or decoding.end.returncode != 0 or length:
        assert decoding.end is not None  # noqa: S101  (for the type checker: the thread has ended without an error)
        raise ClipError(why_unreadable(clip, decoding.end))


def _decode(command: FfmpegCommand, timeout: float | None, decoding: _Decoding) -> None:
    def is_waited_for() -> bool:
        if decoding.abandoned:
            raise _Abandoned
        return decoding.awaited.is_set()

    try:
        with contextlib.suppress(_Abandoned):
            decoding.end = run_together([command], timeout, is_waited_for)[0]
    except BaseException as error:  # carried to the reader
        decoding.error = error
