"""Decode clips to NumPy arrays, frame by frame. Imported where it is used."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import ClipLike, as_clip
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import why_unreadable
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, FfmpegCommand, find_ffmpeg
from pytest_vmaf.media.frame_layout import Frame, FrameLayout, layout_of
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.media.process import run_together, thread_refusals
from pytest_vmaf.media.seconds import in_frames, with_usual_rate
from pytest_vmaf.text import printable

#: Pixel formats by what their frames are, for type checkers.
Array8 = Literal["rgb24", "bgr24", "gbrp", "gray"]
Array16 = Literal["rgb48le", "bgr48le", "gbrp10le", "gbrp12le", "gray10le", "gray12le", "gray16le"]
Planes8 = Literal["yuv420p", "yuv422p", "yuv444p"]
Size = tuple[int, int]

#: How YUV becomes RGB, and depths become others.
CONVERT = "scale=flags=bicubic+accurate_rnd+full_chroma_int"


class ReadOptions(TypedDict, total=False):
    """Options of `read_frames`.

    Attributes:
        size: Width and height of the frames, with `filters` that change them. By default those of the clip.
        filters: ffmpeg filters in place of the clip's own crop and part.
        timeout: In seconds, for the whole clip and what is done with its frames.
        turned: Whether a display matrix of the clip is applied, as it is by default.
    """

    size: Size | None
    filters: str
    timeout: float | None
    turned: bool


class _Abandoned(Exception):
    """The caller closed the iterator."""


@dataclass
class _Decoding:
    """The progress of the thread that decodes."""

    end: Finished | None = None
    error: BaseException | None = None
    abandoned: bool = False
    #: Whether the caller waits for a frame.
    awaited: threading.Event = field(default_factory=threading.Event)
    #: What ffmpeg says of frames that it left out or made up.
    damage: str = ""

    def notice(self, line: str) -> None:
        """Read a line of ffmpeg's log."""
        found = DECODED.search(line)
        if DAMAGED.match(line) or (found and found[3] != "0"):
            self.damage = self.damage or printable(line.strip())


@overload
def read_frames(
    clip: ClipLike, ffmpeg: str | None = None, *, pix_fmt: Array8 = "rgb24", **options: Unpack[ReadOptions]
) -> Iterator[NDArray[np.uint8]]: ...
@overload
def read_frames(
    clip: ClipLike, ffmpeg: str | None = None, *, pix_fmt: Array16, **options: Unpack[ReadOptions]
) -> Iterator[NDArray[np.uint16]]: ...
@overload
def read_frames(
    clip: ClipLike, ffmpeg: str | None = None, *, pix_fmt: Planes8, **options: Unpack[ReadOptions]
) -> Iterator[tuple[NDArray[np.uint8], ...]]: ...
@overload
def read_frames(
    clip: ClipLike, ffmpeg: str | None = None, *, pix_fmt: str, **options: Unpack[ReadOptions]
) -> Iterator[Frame]: ...
def read_frames(
    clip: ClipLike, ffmpeg: str | None = None, *, pix_fmt: str = "rgb24", **options: Unpack[ReadOptions]
) -> Iterator[Frame]:
    """Decode a clip to NumPy arrays, frame by frame. Few are in memory at a time.

    Closing the iterator ends ffmpeg.

    Args:
        clip: The clip. Its crop and its part are applied.
        ffmpeg: The path of ffmpeg. By default the one that scores.
        pix_fmt: ffmpeg's name of the pixel format: RGB, grey or planar YUV. YUV becomes RGB by the matrix and range of
            the clip's tags; without tags these are BT.601 and limited range, as in scores.
        **options: `ReadOptions`, for example `timeout=60`.

    Returns:
        An iterator. Each frame is an array [H,W,3] of RGB ("rgb24", "rgb48le", "gbrp10le"; "bgr24" in the order of its
        name), [H,W] of grey ("gray", "gray10le"), or a tuple of the planes Y, U and V ("yuv420p", "yuv420p10le").
        Samples are uint8, uint16, or float32 from 0 to 1 ("gbrpf32le", "grayf32le").

    Raises:
        ClipError: If the clip cannot be decoded, or `pix_fmt` is another one.
        ScorerError: If the time limit is exceeded, or there is no ffmpeg.
    """
    # Invalid arguments are reported here, not when the first frame is read.
    for name in options.keys() - ReadOptions.__annotations__.keys():
        raise TypeError(f"read_frames() got an unexpected keyword argument {name!r}")
    size, timeout = options.get("size"), options.get("timeout")
    layout = layout_of(pix_fmt, *(size or (1, 1)))
    path = ffmpeg or find_ffmpeg().path
    whole = in_frames(with_usual_rate(as_clip(clip)), path, timeout)
    if size is None:
        video = inspect(whole, path, 1, timeout)
        layout = layout_of(pix_fmt, video.width, video.height)
    chain = options.get("filters") or ",".join(filter(None, (whole.trimming, whole.cropping, CONVERT)))
    argv = [path, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror", "-nostats"]
    argv += [*([] if options.get("turned", True) else ["-noautorotate"]), *input_arguments(whole)]
    argv += ["-filter_complex", f"[{video_stream(whole)}]{chain},format={layout.form.name}[frames]", "-map", "[frames]"]
    argv += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", layout.form.name, "pipe:1"]
    return _decoded(whole, argv, layout, timeout)


def _decoded(clip: Clip, argv: list[str], layout: FrameLayout, timeout: float | None) -> Iterator[Frame]:
    decoding = _Decoding()
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as file:
        command = FfmpegCommand(tuple(argv), on_stderr=decoding.notice, stdout=write_end)
        thread = threading.Thread(target=_decode, args=(command, timeout, decoding), name="pytest-vmaf", daemon=True)
        try:
            with thread_refusals():
                thread.start()
        except BaseException:
            os.close(write_end)
            raise
        at_end = False
        try:
            while True:
                content = bytearray(layout.frame_bytes)
                decoding.awaited.set()
                length = file.readinto(content)
                if length < len(content):
                    # The decoder still has to end, which is waited for.
                    at_end = True
                    break
                decoding.awaited.clear()
                yield layout.read(content)
        finally:
            decoding.abandoned = not at_end
            # A decoder that still writes gets a broken pipe.
            file.close()
            thread.join()
    if decoding.error is not None:
        raise decoding.error
    if decoding.damage:
        raise ClipError(f"{clip} is cut off or damaged. ffmpeg reports: {decoding.damage}")
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
