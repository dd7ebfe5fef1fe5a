"""Uncompressed video: whether the size of a raw or y4m file is that of whole frames."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from itertools import product
from pathlib import Path

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.pixel_formats import raw_pixel_format

#: The header of a y4m file; its fields are in any order.
Y4M_HEADER = re.compile(rb"YUV4MPEG2 (?=[^\n]*\bW(?P<w>\d{1,5})\b)(?=[^\n]*\bH(?P<h>\d{1,5})\b)[^\n]*\n")
Y4M_CHROMA = re.compile(
    rb" C(?:(?P<chroma>420|422|444|411)(?:jpeg|paldv|mpeg2)?(?P<alpha>alpha)?(?:p(?P<depth>\d\d?))?|"
    rb"mono(?P<grey>\d\d?)?)(?= |\n)"
)
#: Width and height, and frames per second, in the name of a raw file.
SIZE_IN_NAME = re.compile(r"(?<!\d)(\d{2,4}|[1-5]\d{4})x(\d{2,4}|[1-5]\d{4})(?!\d)")
RATE_IN_NAME = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3})?) ?fps", re.IGNORECASE)
#: A frame's header: its parameters follow, for example ` Ip`. No writer makes longer ones.
FRAME = re.compile(rb"FRAME(?: [^\n]*)?\n")
LONGEST_HEADER = 256
CUT_OFF = "cut off: its last frame is incomplete"


def check_raw_size(clip: Clip) -> None:
    """Raise ClipError if a raw file is not a whole number of frames."""
    size, frame = clip.path.stat().st_size, clip.frame_bytes()
    if size % frame:
        raise ClipError(
            f"{clip}: {size} bytes are not a whole number of frames of {frame} bytes ({size / frame:.3f} frames).\n"
            "  The width, height or pix_fmt is wrong, or the file is cut off."
        )


def suggest_geometry(clip: Clip, usual: str) -> str:
    """How to state the geometry of a raw clip: as its name has it, if the file is then a whole number of frames.

    Args:
        clip: A raw file without a geometry.
        usual: The pixel format that files with its suffix usually have.
    """
    words = re.split(r"[_\-. ]", clip.path.stem)
    named = [each.name for word in words if (each := raw_pixel_format(word.lower()))]
    width, height, form = 1920, 1080, usual
    for pix_fmt, size in product((*named, usual), SIZE_IN_NAME.findall(clip.path.stem)):
        frame = Clip(clip.path, width=int(size[0]), height=int(size[1]), pix_fmt=pix_fmt).frame_bytes()
        if clip.path.stat().st_size % frame == 0:
            width, height, form = int(size[0]), int(size[1]), pix_fmt
            break
    rate = match[1] if (match := RATE_IN_NAME.search(clip.path.stem)) else "24"
    flags = f"--width={width} --height={height} --pix-fmt={form} --frame-rate={rate}"
    call = f'Clip({str(clip.path)!r}, width={width}, height={height}, pix_fmt="{form}", frame_rate={rate})'
    return f"{call}\n  or, in the pytest-vmaf command, {flags}"


def check_y4m_size(clip: Clip, head: bytes) -> None:
    """Raise ClipError if a y4m file ends within a frame, or continues with something else.

    ffmpeg silently drops a frame that is cut off, and both clips may be cut at the same place.
    """
    header = Y4M_HEADER.match(head)
    if header is None:
        return
    frame = _frame_bytes(header)
    if frame:
        stat = clip.path.stat()
        if problem := _walk(clip.path, stat.st_size, stat.st_mtime_ns, header.end(), frame):
            raise ClipError(f"{clip.name} is {problem}.")


def _frame_bytes(header: re.Match[bytes]) -> int:
    """The size of a frame without its header; 0 if the chroma format is unknown."""
    width, height = int(header["w"]), int(header["h"])
    chroma = Y4M_CHROMA.search(header[0])
    if chroma is None:
        # 4:2:0 if it is not stated.
        return _plane(width, height) + 2 * _plane(width, height, 2, 2) if b" C" not in header[0] else 0
    depth = int(chroma["depth"] or chroma["grey"] or 8)
    luma = _plane(width, height)
    across, down = {b"420": (2, 2), b"422": (2, 1), b"411": (4, 1)}.get(chroma["chroma"] or b"", (1, 1))
    planes = luma + 2 * _plane(width, height, across, down) if chroma["chroma"] else luma
    return (planes + (luma if chroma["alpha"] else 0)) * (2 if depth > 8 else 1)


def _plane(width: int, height: int, across: int = 1, down: int = 1) -> int:
    return -(-width // across) * -(-height // down)


@lru_cache(maxsize=256)
def _walk(path: Path, size: int, mtime: int, position: int, frame: int) -> str:
    """What is wrong with the frames of a y4m file, or "". Their headers may have parameters of any length."""
    with path.open("rb") as file:
        number = 0
        while position < size:
            file.seek(position, os.SEEK_SET)
            header = FRAME.match(file.read(LONGEST_HEADER))
            if header is None:
                whole = size - position >= LONGEST_HEADER
                return f"damaged: frame {number} has no frame header" if whole else CUT_OFF
            position += header.end() + frame
            if position > size:
                return CUT_OFF
            number += 1
    return ""
