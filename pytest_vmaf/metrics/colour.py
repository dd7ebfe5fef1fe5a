"""Pictures for metrics: decoded YUV in 4:4:4 to RGB or luma as floats, black 0 and white 1.

The matrices are those of ITU-T H.273, table 4. The range is that of BT.709 and BT.2100: in n bit, limited luma is from
16·2^(n−8) to 235·2^(n−8).
"""

from __future__ import annotations

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


def to_rgb(planes: Samples, colours: Colours) -> NDArray[np.float32]:
    """RGB [3,H,W] of the planes Y, Cb and Cr [3,H,W]. It is not clipped: luma that is made of it is the clip's."""
    matrix, offset = _rgb_matrix(colours)
    rgb = matrix @ planes.reshape(3, -1).astype(np.float32)
    rgb += offset
    return rgb.reshape(planes.shape)


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
    return matrix.astype(np.float32), offset.astype(np.float32)[:, None]
