"""Headers and pictures of H.264 (ITU-T H.264)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pytest_vmaf.bitstream.bits import Bits, HeaderError
from pytest_vmaf.bitstream.header import Colour, Header, Picture, name_of, pix_fmt_of, rate_of, read_colour, size_of
from pytest_vmaf.bitstream.nal import avc_configuration, unescape, units_of

PROFILES = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4 Predictive",
    44: "CAVLC 4:4:4 Intra",
}
NAMES = (
    *("Baseline", "Constrained Baseline", "Main", "Extended", "High", "Progressive High", "Constrained High"),
    *("High 10", "High 10 Intra", "High 4:2:2", "High 4:2:2 Intra", "High 4:4:4 Predictive", "High 4:4:4 Intra"),
    "CAVLC 4:4:4 Intra",
)
LEVELS = (
    *("1", "1b", "1.1", "1.2", "1.3", "2", "2.1", "2.2", "3", "3.1", "3.2", "4", "4.1", "4.2", "5", "5.1", "5.2"),
    *("6", "6.1", "6.2"),
)
#: Profiles whose parameter sets state chroma and depth.
WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
SLICE, IDR, SEI, SPS, PPS = 1, 5, 6, 7, 8
RECOVERY_POINT = 6
#: Bytes of a slice that contain what is read of its header.
SLICE_HEAD = 48


@dataclass(frozen=True)
class Order:
    """What a sequence parameter set says about the order of pictures; what slices need to be read."""

    poc_type: int
    frame_bits: int
    poc_bits: int
    frames_only: bool
    separate_planes: bool


class H264Reader:
    """Reads the packets of a stream in order.

    Args:
        extradata: The decoder configuration: an avcC record, parameter sets with start codes, or nothing.
    """

    codec = "h264"

    def __init__(self, extradata: bytes) -> None:
        self.headers: list[Header] = []
        self._orders: dict[int, Order] = {}
        self._pictures: dict[int, int] = {}
        #: The order count of the key frame if it is not an IDR picture: then others may come before it. And that of the
        #: last picture that others refer to.
        self._key_count: int | None = None
        self._last_count = 0
        self._length, units = 0, list(units_of(extradata, 0))
        if extradata and not extradata.startswith(b"\0\0"):
            self._length, units = avc_configuration(extradata)
        for unit in units:
            self._read_set(unit)

    def read(self, packet: bytes) -> Picture:
        """Read the parameter sets and the first slice of a packet. Raises HeaderError."""
        recovers = False
        for unit in units_of(packet, self._length):
            kind = unit[0] & 31 if unit else 0
            if kind in (SPS, PPS):
                self._read_set(unit)
            elif kind == SEI:
                recovers |= _is_recovery_point(unescape(unit[1:]))
            elif kind == IDR:
                self._key_count = None
                return Picture(is_key=True)
            elif SLICE <= kind < IDR:
                return self._picture(unit, recovers)
        raise HeaderError("it contains no picture")

    def _picture(self, unit: bytes, recovers: bool) -> Picture:
        if not recovers and self._key_count is None:
            return Picture(is_key=False)
        low, bits = self._order_count(unit)
        if self._key_count is None or recovers:
            self._key_count = self._last_count = low
            return Picture(is_key=True)
        # Only the low bits are in the stream: the count is the one nearest to the last reference's (8.2.1.1).
        half = (1 << bits) // 2
        count = self._last_count + (low - self._last_count + half) % (2 * half) - half if bits else self._key_count
        if unit[0] >> 5:
            self._last_count = count
        leads = count < self._key_count
        return Picture(is_key=False, is_leading=leads, needs_earlier=leads)

    def _order_count(self, unit: bytes) -> tuple[int, int]:
        """The low bits of a slice's picture order count, and how many they are; 0 if pictures come in their order."""
        bits = Bits(unescape(unit[1:SLICE_HEAD]), "slice header")
        bits.unsigned()
        bits.unsigned()
        number = self._pictures.get(bits.unsigned(), -1)
        order = self._orders.get(number)
        if order is None:
            raise HeaderError("a slice names a parameter set that the stream does not contain")
        if order.poc_type == 2:
            return 0, 0
        if order.poc_type == 1:
            raise HeaderError("its pictures are ordered by pic_order_cnt_type 1, which is not read")
        if order.separate_planes:
            bits.read(2)
        bits.read(order.frame_bits)
        if not order.frames_only and bits.flag():
            bits.read(1)
        return bits.read(order.poc_bits), order.poc_bits

    def _read_set(self, unit: bytes) -> None:
        if not unit:
            return
        kind, body = unit[0] & 31, unescape(unit[1:])
        if kind == PPS:
            bits = Bits(body, "picture parameter set")
            self._pictures[bits.at_most(255, "number")] = bits.at_most(31, "sequence parameter set")
        elif kind == SPS:
            number, order, header = read_sequence(body)
            self._orders[number] = order
            if header not in self.headers[-1:]:
                self.headers.append(header)


def read_sequence(body: bytes) -> tuple[int, Order, Header]:
    """Read a sequence parameter set (7.3.2.1.1) without its NAL header: its number, and what it says."""
    bits = Bits(body, "sequence parameter set")
    profile, constraints, level = bits.read(8), bits.read(8), bits.read(8)
    number = bits.at_most(31, "number")
    chroma, depth, separate = 1, 8, False
    if profile in WITH_CHROMA:
        chroma = bits.at_most(3, "chroma format")
        separate = chroma == 3 and bits.flag()
        depth = 8 + bits.at_most(6, "bit depth")
        bits.at_most(6, "bit depth of chroma")
        bits.read(1)
        if bits.flag():
            for place in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if place < 6 else 64)
    frame_bits = 4 + bits.at_most(12, "log2_max_frame_num")
    poc_type, poc_bits = bits.at_most(2, "pic_order_cnt_type"), 0
    if poc_type == 0:
        poc_bits = 4 + bits.at_most(12, "log2_max_pic_order_cnt_lsb")
    elif poc_type == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.at_most(255, "num_ref_frames_in_pic_order_cnt_cycle")):
            bits.signed()
    bits.unsigned()
    bits.read(1)
    width, height = 16 * (1 + bits.unsigned()), 16 * (1 + bits.unsigned())
    frames_only = bits.flag()
    if not frames_only:
        height *= 2
        bits.read(1)
    bits.read(1)
    if bits.flag():
        crop = [bits.unsigned() for _ in range(4)]
        width -= sum(crop[:2]) * (2 if chroma in (1, 2) else 1)
        height -= sum(crop[2:]) * (2 if chroma == 1 else 1) * (1 if frames_only else 2)
    colour, rate = _usability(bits) if bits.flag() else (Colour(), None)
    width, height = size_of(width, height, "sequence parameter set")
    header = Header(
        _profile(profile, constraints),
        _level(profile, constraints, level),
        "",
        width,
        height,
        pix_fmt_of(chroma, depth, colour.matrix),
        colour,
        rate,
    )
    return number, Order(poc_type, frame_bits, poc_bits, frames_only, separate), header


def _usability(bits: Bits) -> tuple[Colour, Fraction | None]:
    """The VUI (E.1.1) up to the timing: the colour tags and the frame rate."""
    if bits.flag() and bits.read(8) == 255:
        bits.read(32)
    if bits.flag():
        bits.read(1)
    colour = read_colour(bits) if bits.flag() else Colour()
    if bits.flag():
        bits.unsigned()
        bits.unsigned()
    if not bits.flag():
        return colour, None
    units, ticks = bits.read(32), bits.read(32)
    # A tick is a field.
    return colour, rate_of(ticks, 2 * units)


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _profile(number: int, constraints: int) -> str:
    """Set 1 is 0x40, set 3 is 0x10, set 4 is 0x08, set 5 is 0x04 (A.2)."""
    name = name_of(PROFILES, number)
    if number == 66 and constraints & 0x40:
        return f"Constrained {name}"
    if number == 100 and constraints & 0x08:
        return f"{'Constrained' if constraints & 0x04 else 'Progressive'} {name}"
    if number in (110, 122, 244) and constraints & 0x10:
        return f"{name.removesuffix(' Predictive')} Intra"
    return name


def _level(profile: int, constraints: int, level: int) -> str:
    if level == 9 or (level == 11 and constraints & 0x10 and profile in (66, 77, 88)):
        return "1b"
    return f"{level / 10:g}"


def _is_recovery_point(body: bytes) -> bool:
    """Whether an SEI unit says that decoding can start at its picture, at once and not gradually (D.1.8)."""
    at = 0
    while at + 2 < len(body):
        numbers = []
        for _ in range(2):
            number = 0
            while at < len(body) and body[at] == 255:
                number, at = number + 255, at + 1
            numbers.append(number + (body[at] if at < len(body) else 0))
            at += 1
        kind, size = numbers
        if kind == RECOVERY_POINT:
            return Bits(body[at : at + size], "recovery point").unsigned() == 0
        at += size
    return False
