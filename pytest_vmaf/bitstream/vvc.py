"""Headers and pictures of VVC (ITU-T H.266)."""

from __future__ import annotations

from pytest_vmaf.bitstream.bits import Bits, HeaderError
from pytest_vmaf.bitstream.header import Header, Picture, name_of, pix_fmt_of, size_of
from pytest_vmaf.bitstream.nal import unescape, units_of, vvc_configuration

PROFILES = {
    1: "Main 10",
    2: "Main 12",
    10: "Main 12 Intra",
    17: "Multilayer Main 10",
    33: "Main 10 4:4:4",
    34: "Main 12 4:4:4",
    36: "Main 16 4:4:4",
    42: "Main 12 4:4:4 Intra",
    44: "Main 16 4:4:4 Intra",
    49: "Multilayer Main 10 4:4:4",
    65: "Main 10 Still Picture",
    66: "Main 12 Still Picture",
    97: "Main 10 4:4:4 Still Picture",
    98: "Main 12 4:4:4 Still Picture",
    100: "Main 16 4:4:4 Still Picture",
}
NAMES = tuple(PROFILES.values())
LEVELS = ("1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2", "6.3", "15.5")
#: Types of NAL units (table 5): pictures are those below 12, and 7 to 9 are key frames.
RADL, RASL, KEYS, FIRST_OTHER, SPS = 2, 3, range(7, 10), 12, 15


class VvcReader:
    """Reads the packets of a stream in order.

    Args:
        extradata: The decoder configuration: a vvcC record, parameter sets with start codes, or nothing.
    """

    codec = "vvc"

    def __init__(self, extradata: bytes) -> None:
        self.headers: list[Header] = []
        self._length, units = 0, list(units_of(extradata, 0))
        if extradata and not extradata.startswith(b"\0\0"):
            self._length, units = vvc_configuration(extradata)
        for unit in units:
            if len(unit) > 2 and unit[1] >> 3 == SPS:
                self._read_set(unit)

    def read(self, packet: bytes) -> Picture:
        """Read the parameter sets and the first slice of a packet. Raises HeaderError."""
        for unit in units_of(packet, self._length):
            if len(unit) < 3 or unit[0] & 63:
                # Other layers are for decoders that know them.
                continue
            kind = unit[1] >> 3
            if kind == SPS:
                self._read_set(unit)
            elif kind < FIRST_OTHER:
                return Picture(kind in KEYS, is_leading=kind in (RADL, RASL), needs_earlier=kind == RASL)
        raise HeaderError("it contains no picture")

    def _read_set(self, unit: bytes) -> None:
        header = read_sequence(unescape(unit[2:]))
        if header not in self.headers[-1:]:
            self.headers.append(header)


def read_sequence(body: bytes) -> Header:
    """Read the beginning of a sequence parameter set (7.3.2.4) without its NAL header.

    The colour tags at its end are not read.
    """
    bits = Bits(body, "sequence parameter set")
    bits.read(8)
    layers, chroma = bits.read(3), bits.read(2)
    bits.read(2)
    if not bits.flag():
        raise HeaderError("the sequence parameter set states no profile and level")
    profile, tier, level = _profile_tier_level(bits, layers)
    bits.read(1)
    if bits.flag():
        bits.read(1)
    width, height = bits.unsigned(), bits.unsigned()
    if bits.flag():
        crop = [bits.unsigned() for _ in range(4)]
        width -= sum(crop[:2]) * (2 if chroma in (1, 2) else 1)
        height -= sum(crop[2:]) * (2 if chroma == 1 else 1)
    width, height = size_of(width, height, "sequence parameter set")
    # The depth follows what is said about subpictures.
    pix_fmt = "" if bits.flag() else pix_fmt_of(chroma, 8 + bits.at_most(8, "bit depth"))
    return Header(profile, level, tier, width, height, pix_fmt, None)


def _profile_tier_level(bits: Bits, layers: int) -> tuple[str, str, str]:
    """Profile, tier and level (7.3.3.1), and what follows about `layers` further temporal layers."""
    number, tier, level = bits.read(7), "High" if bits.flag() else "Main", bits.read(8)
    bits.read(2)
    if bits.flag():
        bits.read(71)
        bits.read(bits.read(8))
    bits.align()
    stated = sum(bits.flag() for _ in range(layers))
    bits.align()
    bits.read(8 * stated)
    bits.read(32 * bits.read(8))
    # Levels are sixteen times the first number, plus three times the second.
    return name_of(PROFILES, number), tier, f"{level // 16}.{level % 16 // 3}".removesuffix(".0")
