"""Headers and pictures of HEVC (ITU-T H.265)."""

from __future__ import annotations

from fractions import Fraction

from pytest_vmaf.bitstream.bits import Bits, HeaderError
from pytest_vmaf.bitstream.header import Colour, Header, Picture, name_of, pix_fmt_of, rate_of, read_colour, size_of
from pytest_vmaf.bitstream.nal import hevc_configuration, unescape, units_of

PROFILES = {
    1: "Main",
    2: "Main 10",
    3: "Main Still Picture",
    5: "High Throughput",
    6: "Multiview Main",
    7: "Scalable Main",
    8: "3D Main",
    9: "Screen Extended",
    10: "Scalable Range Extensions",
    11: "High Throughput Screen Extended",
}
RANGE_EXTENSIONS = 4
NAMES = (
    *("Main", "Main 10", "Main Still Picture", "Main 12", "Monochrome", "Monochrome 10", "Monochrome 12"),
    *("Main 4:2:2 10", "Main 4:2:2 12", "Main 4:4:4", "Main 4:4:4 10", "Main 4:4:4 12", "Main Intra"),
    *("Main 10 Intra", "Main 12 Intra", "Main 4:2:2 10 Intra", "Main 4:2:2 12 Intra", "Main 4:4:4 Intra"),
    *("Main 4:4:4 10 Intra", "Main 4:4:4 12 Intra", "Main 4:4:4 16 Intra", "High Throughput", "Screen Extended"),
    *("Multiview Main", "Scalable Main", "3D Main"),
)
LEVELS = ("1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2", "8.5")
#: Types of NAL units (table 7-1): pictures are those below 32, key frames 16 to 21.
RADL, RASL, KEYS, FIRST_SET, SPS = (6, 7), (8, 9), range(16, 22), 32, 33


class HevcReader:
    """Reads the packets of a stream in order.

    Args:
        extradata: The decoder configuration: an hvcC record, parameter sets with start codes, or nothing.
    """

    codec = "hevc"

    def __init__(self, extradata: bytes) -> None:
        self.headers: list[Header] = []
        self._length, units = 0, list(units_of(extradata, 0))
        if extradata and not extradata.startswith(b"\0\0"):
            self._length, units = hevc_configuration(extradata)
        for unit in units:
            if len(unit) > 2 and unit[0] >> 1 == SPS:
                self._read_set(unit)

    def read(self, packet: bytes) -> Picture:
        """Read the parameter sets and the first slice of a packet. Raises HeaderError."""
        for unit in units_of(packet, self._length):
            if len(unit) < 3 or unit[0] & 1 or unit[1] >> 3:
                # Other layers are for decoders that know them.
                continue
            kind = unit[0] >> 1
            if kind == SPS:
                self._read_set(unit)
            elif kind < FIRST_SET:
                is_leading = kind in (*RADL, *RASL)
                return Picture(kind in KEYS, is_leading=is_leading, needs_earlier=kind in RASL)
        raise HeaderError("it contains no picture")

    def _read_set(self, unit: bytes) -> None:
        header = read_sequence(unescape(unit[2:]))
        if header not in self.headers[-1:]:
            self.headers.append(header)


def read_sequence(body: bytes) -> Header:
    """Read a sequence parameter set (7.3.2.2.1) without its NAL header."""
    bits = Bits(body, "sequence parameter set")
    bits.read(4)
    layers = bits.read(3)
    bits.read(1)
    profile, tier, level = _profile_tier_level(bits, layers)
    bits.at_most(15, "number")
    chroma = bits.at_most(3, "chroma format")
    separate = chroma == 3 and bits.flag()
    width, height = bits.unsigned(), bits.unsigned()
    if bits.flag():
        crop = [bits.unsigned() for _ in range(4)]
        width -= sum(crop[:2]) * (2 if chroma in (1, 2) else 1)
        height -= sum(crop[2:]) * (2 if chroma == 1 else 1)
    width, height = size_of(width, height, "sequence parameter set")
    depth = 8 + bits.at_most(8, "bit depth")
    bits.at_most(8, "bit depth of chroma")
    count_bits = 4 + bits.at_most(12, "log2_max_pic_order_cnt_lsb")
    for _ in range(layers + 1 if bits.flag() else 1):
        for _ in range(3):
            bits.unsigned()
    for _ in range(6):
        bits.unsigned()
    if bits.flag() and bits.flag():
        _skip_scaling_lists(bits)
    bits.read(2)
    if bits.flag():
        bits.read(8)
        bits.unsigned()
        bits.unsigned()
        bits.read(1)
    _skip_reference_sets(bits)
    if bits.flag():
        for _ in range(bits.at_most(32, "long-term references")):
            bits.read(count_bits + 1)
    bits.read(2)
    colour, rate = _usability(bits) if bits.flag() else (Colour(), None)
    pix_fmt = pix_fmt_of(0 if separate else chroma, depth, colour.matrix)
    return Header(profile, level, tier, width, height, pix_fmt, colour, rate)


def _profile_tier_level(bits: Bits, layers: int) -> tuple[str, str, str]:
    """Profile, tier and level (7.3.3), and what follows about `layers` further temporal layers."""
    bits.read(2)
    tier, number = "High" if bits.flag() else "Main", bits.read(5)
    bits.read(32 + 4)
    constraints = bits.read(9)
    bits.read(35)
    level = bits.read(8)
    if layers:
        stated = [(bits.flag(), bits.flag()) for _ in range(8)][:layers]
        for has_profile, has_level in stated:
            bits.read(88 * has_profile + 8 * has_level)
    profile = _extended_profile(constraints) if number == RANGE_EXTENSIONS else name_of(PROFILES, number)
    return profile, tier, f"{level / 30:g}"


def _extended_profile(constraints: int) -> str:
    """The name of a format range extensions profile (A.3.5) by its nine constraint flags, the first one highest."""
    twelve, ten, eight, chroma_422, chroma_420, grey, intra = (
        bool(constraints >> place & 1) for place in range(8, 1, -1)
    )
    depth = "" if eight else " 10" if ten else " 12" if twelve else " 16"
    if grey:
        return f"Monochrome{depth}"
    chroma = "" if chroma_420 else " 4:2:2" if chroma_422 else " 4:4:4"
    return f"Main{chroma}{depth}{' Intra' if intra else ''}"


def _skip_scaling_lists(bits: Bits) -> None:
    """Scaling list data (7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():
                bits.unsigned()
                continue
            if size > 1:
                bits.signed()
            for _ in range(min(64, 1 << (4 + 2 * size))):
                bits.signed()


def _skip_reference_sets(bits: Bits) -> None:
    """The short-term reference picture sets (7.3.7). A predicted one has as many flags as its source has pictures."""
    pictures = 0
    for number in range(bits.at_most(64, "short-term reference picture sets")):
        if number and bits.flag():
            bits.read(1)
            bits.unsigned()
            used = 0
            for _ in range(pictures + 1):
                used += bits.flag() or bits.flag()
            pictures = used
            continue
        pictures = bits.at_most(16, "pictures before") + bits.at_most(16, "pictures after")
        for _ in range(pictures):
            bits.unsigned()
            bits.read(1)


def _usability(bits: Bits) -> tuple[Colour, Fraction | None]:
    """The VUI (E.2.1) up to the timing: the colour tags and the frame rate."""
    if bits.flag() and bits.read(8) == 255:
        bits.read(32)
    if bits.flag():
        bits.read(1)
    colour = read_colour(bits) if bits.flag() else Colour()
    if bits.flag():
        bits.unsigned()
        bits.unsigned()
    bits.read(3)
    if bits.flag():
        for _ in range(4):
            bits.unsigned()
    if not bits.flag():
        return colour, None
    units, ticks = bits.read(32), bits.read(32)
    return colour, rate_of(ticks, units)
