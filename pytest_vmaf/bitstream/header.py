"""Header: what a sequence header says about the video, whatever its codec; the names of its code points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from pytest_vmaf.bitstream.bits import Bits, HeaderError

#: Names of code points (ISO/IEC 23091-2), as ffmpeg prints them. Others are "unknown".
PRIMARIES: Mapping[int, str] = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
TRANSFERS: Mapping[int, str] = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
MATRICES: Mapping[int, str] = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}
UNKNOWN = "unknown"
#: Levels whose names are not numbers: H.264's 1b is between 1 and 1.1.
LEVEL_NUMBERS: Mapping[str, float] = {"1b": 1.05}
CHROMA = ("gray", "yuv420p", "yuv422p", "yuv444p")


def level_name(number: float) -> str:
    """The name of a level, for example "4.1"."""
    return next((name for name, value in LEVEL_NUMBERS.items() if value == number), f"{number:g}")


class Colour(NamedTuple):
    """Names as ffmpeg prints them, or "unknown"."""

    color_range: str = UNKNOWN
    matrix: str = UNKNOWN
    primaries: str = UNKNOWN
    transfer: str = UNKNOWN


@dataclass(frozen=True)
class Header:
    """What a sequence header says.

    Attributes:
        profile: Its usual name, for example "High" or "Main 10"; "unknown (37)" for a number without a name.
        level: Its usual name, for example "4.1"; "" if the codec does not state it in the stream.
        tier: "Main" or "High"; "" for codecs without tiers.
        width: In pixels, cropped.
        height: In pixels, cropped.
        pix_fmt: As ffmpeg names it; "" if it is not read.
        colour: Range, matrix, primaries and transfer; None if they are not read.
        frame_rate: In frames/s; None if it is not stated.
    """

    profile: str
    level: str
    tier: str
    width: int
    height: int
    pix_fmt: str
    colour: Colour | None
    frame_rate: Fraction | None = None


class Picture(NamedTuple):
    """What a packet contains.

    Attributes:
        is_key: Whether decoding can start here.
        is_shown: Whether it shows a frame.
        is_leading: Whether it is shown before the key frame that it follows in the stream.
        needs_earlier: Whether it can refer to frames before the key frame that it follows.
    """

    is_key: bool
    is_shown: bool = True
    is_leading: bool = False
    needs_earlier: bool = False


def level_number(level: str) -> float:
    """Convert a level to a number that can be compared; NaN for text that does not name a level."""
    try:
        return LEVEL_NUMBERS.get(level) or float(level)
    except ValueError:
        return math.nan


def name_of(names: Mapping[int, str], number: int) -> str:
    """The name of a profile's number."""
    return names.get(number, f"unknown ({number})")


def pix_fmt_of(chroma: int, depth: int, matrix: str = UNKNOWN) -> str:
    """ffmpeg's name of planar samples.

    Args:
        chroma: 0 for grey, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
        depth: Bits of a sample.
        matrix: The name of the matrix; with "gbr", 4:4:4 is RGB.
    """
    name = "gbrp" if chroma == 3 and matrix == "gbr" else CHROMA[chroma]
    return name if depth == 8 else f"{name}{depth}le"


def size_of(width: int, height: int, what: str) -> tuple[int, int]:
    """A width and a height, checked. Raises HeaderError for a size that no picture has."""
    if not (0 < width <= 1 << 16 and 0 < height <= 1 << 16):
        raise HeaderError(f"the {what} has a size of {width}x{height}")
    return width, height


def rate_of(ticks: int, units: int) -> Fraction | None:
    """The frame rate of a clock; None if it is none."""
    return Fraction(ticks, units) if ticks and units else None


def read_colour(bits: Bits) -> Colour:
    """The video signal type of a VUI (ITU-T H.264 E.1.1, H.265 E.2.1), after its flag."""
    bits.read(3)
    color_range = "pc" if bits.flag() else "tv"
    if not bits.flag():
        return Colour(color_range)
    return named_colour(color_range, bits.read(8), bits.read(8), bits.read(8))


def named_colour(color_range: str, primaries: int, transfer: int, matrix: int) -> Colour:
    """The names of code points."""
    return Colour(
        color_range,
        MATRICES.get(matrix, UNKNOWN),
        PRIMARIES.get(primaries, UNKNOWN),
        TRANSFERS.get(transfer, UNKNOWN),
    )
