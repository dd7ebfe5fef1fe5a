"""First frames: what ffmpeg says of them, and small pictures of their luma."""

from __future__ import annotations

from dataclasses import replace

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.inspection_log import InspectionLog
from pytest_vmaf.media.part import time_limit
from pytest_vmaf.media.pixel_formats import WITHOUT_MATRIX
from pytest_vmaf.media.process import run


def decode_first_frames(
    clip: Clip, ffmpeg: str, frames: int, size: tuple[int, int], timeout: float | None, luma: str, *options: str
) -> tuple[InspectionLog, bytes, Finished]:
    """Decode the first frames of a clip.

    Args:
        clip: The clip.
        ffmpeg: The path of ffmpeg.
        frames: How many frames.
        size: Width and height of the pictures.
        timeout: In seconds.
        luma: The scaler's name of the matrix by which they are made of RGB; "" for BT.601.
        *options: Further options of ffmpeg's input.

    Returns:
        The log; the pictures in 8 bits, one after the other; and how ffmpeg ended.
    """
    selected = video_stream(clip)
    log = InspectionLog(int(selected.rpartition(":")[2]))
    pictures = bytearray()
    # Nothing more than info, and no statistics, lest threads print into each other's lines.
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-xerror", *options]
    # Film grain is only described if it is exported, and then not applied.
    argv += [*input_arguments(replace(clip, film_grain=False)), "-map", selected]
    argv += ["-frames:v", str(frames), "-fps_mode", "passthrough"]
    chain = [*filter(None, [clip.trimming]), "showinfo=checksum=0", WITHOUT_MATRIX, *_fitting_crop(clip)]
    chain.append(_scaled(size))
    if luma:
        # Without its tag, luma stays what it is when it becomes grey.
        chain[-1] += f":out_color_matrix={luma},format=yuv444p,{WITHOUT_MATRIX}"
    chain.append("format=gray")
    argv += ["-vf", ",".join(chain), "-f", "rawvideo", "pipe:1"]
    command = FfmpegCommand(tuple(argv), on_stderr=log, stdout_bytes=pictures.extend)
    end = run(command, time_limit(clip.start, timeout, INSPECT_TIMEOUT))
    return log, bytes(pictures), end


def small_grey(size: tuple[int, int]) -> str:
    """The filters that make such pictures of YUV, of the width and height of `size`."""
    return f"{WITHOUT_MATRIX},{_scaled(size)},format=gray"


def _scaled(size: tuple[int, int]) -> str:
    return f"scale={size[0]}:{size[1]}:flags=area"


def _fitting_crop(clip: Clip) -> list[str]:
    """The crop of a clip as a filter that never fails. What it cuts is checked afterwards, by the size before it."""
    if clip.crop is None:
        return []
    x, y, width, height = clip.crop
    return [f"crop=w='min({width},iw)':h='min({height},ih)':x={x}:y={y}:exact=1"]
