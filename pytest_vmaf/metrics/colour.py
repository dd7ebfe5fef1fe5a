"""Pictures for metrics: decoded YUV in 4:4:4 to RGB or luma as floats, black 0 and white 1.

The matrices are those of ITU-T H.273, table 4. The range is that of BT.709 and BT.2100: in n bit, limited luma is from
16·2^(n−8) to 235·2^(n−8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Kr and Kb of each matrix, by ffmpeg's name.
COEFFICIENTS = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "bt601": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
}

#: The rows that are converted at a time.
BLOCK_ROWS = 64

Samples = NDArray[np.generic]


@dataclass(frozen=True)
class Colours:
    """How samples are coded.

    Attributes:
        matrix: ffmpeg's name of the matrix; an unknown one counts as BT.709.
        color_range: "tv" (limited) or "pc" (full).
        depth: The bits of a sample.
    """

    matrix: str
    color_range: str
    depth: int


def to_luma(plane: Samples, colours: Colours) -> NDArray[np.float32]:
    """The luma [H,W] of a plane of samples: 0 is black and 1 is white, and samples outside stay outside."""
    scale, offset = _luma_scale(colours)
    return plane.astype(np.float32) * np.float32(scale) + np.float32(offset)


def to_rgb(planes: Sequence[Samples], colours: Colours, *, planar: bool) -> NDArray[np.float32]:
    """RGB of the planes Y, Cb and Cr, all [H,W].

    Args:
        planes: The planes.
        colours: How they are coded.
        planar: For [3,H,W], which is not clipped, so that luma made of it is that of the clip. Otherwise [H,W,3],
            clipped to 0 and 1 as a display does: code that makes integers of it would wrap around.
    """
    matrix, offset = _rgb_matrix(colours)
    height, width = planes[0].shape
    rgb = np.empty((3, height, width) if planar else (height, width, 3), np.float32)
    channels = rgb if planar else rgb.transpose(2, 0, 1)
    # In blocks, whose arrays stay in the processor's cache: eight times as fast as the whole picture at once.
    for top in range(0, height, BLOCK_ROWS):
        rows = slice(top, top + BLOCK_ROWS)
        y, cb, cr = (plane[rows].astype(np.float32) for plane in planes)
        y *= matrix[0, 0]
        for channel, factors in enumerate(matrix):
            value = cb * factors[1]
            value += cr * factors[2]
            value += y
            value += offset[channel]
            channels[channel][rows] = value if planar else np.clip(value, 0, 1, out=value)
    return rgb


def _luma_scale(colours: Colours) -> tuple[float, float]:
    if colours.color_range == "pc":
        return 1 / ((1 << colours.depth) - 1), 0.0
    step = 1 << (colours.depth - 8)
    return 1 / (219 * step), -16 / 219


def _rgb_matrix(colours: Colours) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What Y, Cb and Cr are multiplied with, and what is added."""
    kr, kb = COEFFICIENTS.get(colours.matrix, COEFFICIENTS["bt709"])
    kg = 1 - kr - kb
    luma, black = _luma_scale(colours)
    full = colours.color_range == "pc"
    chroma = 1 / (((1 << colours.depth) - 1) if full else 224 * (1 << (colours.depth - 8)))
    zero = 1 << (colours.depth - 1)
    red, blue = 2 * (1 - kr), 2 * (1 - kb)
    by_chroma = np.array([[0, red], [-blue * kb / kg, -red * kr / kg], [blue, 0]]) * chroma
    matrix = np.column_stack([np.full(3, luma), by_chroma])
    offset = black - by_chroma.sum(axis=1) * zero
    return matrix.astype(np.float32), offset.astype(np.float32)
