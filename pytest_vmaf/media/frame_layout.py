"""FrameLayout: raw frames in one of ffmpeg's pixel formats as NumPy arrays. Imported where it is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.pixel_formats import CHROMA_SHIFT, PixelFormat, raw_pixel_format
from pytest_vmaf.text import printable

Array = NDArray[Any]
#: One frame: an array [H,W,3] of RGB, [H,W] of grey, or the planes Y, U and V.
Frame = Array | tuple[Array, ...]
#: Formats whose raw frames are arrays.
PACKED_RGB = re.compile(r"(?:rgb|bgr)(?:24|48le)")
PLANAR_RGB = re.compile(r"gbrp(?:(?:9|10|12|14|16|f32)le)?")
GREY = re.compile(r"gray(?:(?:9|10|12|14|16|f32)le)?")
YUV = re.compile(r"yuvj?4(?:10|11|20|22|40|44)p(?:(?:9|10|12|14|16)le)?")
EXAMPLES = "rgb24, rgb48le, bgr24, gbrp10le, gray, gray10le, yuv420p or yuv420p10le"


@dataclass(frozen=True)
class FrameLayout:
    """The arrays of a raw frame.

    Attributes:
        form: The pixel format: interleaved or planar RGB, grey, or planar YUV, without transparency.
        width: In pixels.
        height: In pixels.
    """

    form: PixelFormat
    width: int
    height: int

    @property
    def is_float(self) -> bool:
        """Whether samples are 32-bit floats."""
        return "f32" in self.form.name

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a sample."""
        if self.is_float:
            return np.dtype("<f4")
        return np.dtype(np.uint8 if self.form.depth == 8 else "<u2")

    @property
    def maximum(self) -> int:
        """The largest sample of integers."""
        return (1 << self.form.depth) - 1

    @property
    def is_planar_rgb(self) -> bool:
        """Whether green, blue and red have a plane each, in this order."""
        return self.form.name.startswith("gbrp")

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the planes, in the order of the file."""
        size = self.height, self.width
        if self.form.kind == "grey":
            return (size,)
        if self.form.kind == "rgb":
            return (size, size, size) if self.is_planar_rgb else ((*size, 3),)
        across, down = CHROMA_SHIFT[self.form.chroma]
        chroma = -(-self.height >> down), -(-self.width >> across)
        return size, chroma, chroma

    @property
    def frame_bytes(self) -> int:
        """The size of a frame in bytes."""
        return sum(int(np.prod(shape)) for shape in self.shapes) * self.dtype.itemsize

    def read(self, content: bytearray) -> Frame:
        """A frame as views of its bytes. That of planar RGB is one array [H,W,3] in the order red, green, blue."""
        samples, planes, begin = np.frombuffer(content, self.dtype), [], 0
        for shape in self.shapes:
            end = begin + int(np.prod(shape))
            planes.append(samples[begin:end].reshape(shape))
            begin = end
        if self.is_planar_rgb:
            green, blue, red = planes
            return np.stack((red, green, blue), axis=-1)
        return planes[0] if len(planes) == 1 else tuple(planes)


def frame_format(pix_fmt: object) -> PixelFormat:
    """The pixel format of frames that are arrays, by ffmpeg's name.

    Raises:
        ClipError: If it is another one.
    """
    form = raw_pixel_format(pix_fmt) if isinstance(pix_fmt, str) else None
    patterns = (PACKED_RGB, PLANAR_RGB, GREY, YUV)
    if form is None or not any(pattern.fullmatch(form.name) for pattern in patterns):
        raise ClipError(
            "pix_fmt of frames must be RGB, grey or planar YUV without transparency, by ffmpeg's name and little-"
            f"endian: for example {EXAMPLES}, not {printable(f'{pix_fmt!r:.80}')}."
        )
    return form


def layout_of(pix_fmt: object, width: int, height: int) -> FrameLayout:
    """The layout of frames in one of ffmpeg's pixel formats. Raises ClipError as `frame_format` does."""
    return FrameLayout(frame_format(pix_fmt), width, height)
