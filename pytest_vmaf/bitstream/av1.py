"""Headers and pictures of AV1 (AV1 Bitstream & Decoding Process Specification)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pytest_vmaf.bitstream.bits import Bits, HeaderError
from pytest_vmaf.bitstream.header import Colour, Header, Picture, named_colour, pix_fmt_of, rate_of, size_of

NAMES = ("Main", "High", "Professional")
LEVELS = tuple(f"{major}.{minor}" for major in range(2, 8) for minor in range(4))
SEQUENCE, FRAME_HEADER, FRAME = 1, 3, 6
KEY, INTRA, SWITCH = 0, 2, 3
#: What stands for "decided by each frame", and the code points of RGB.
BY_FRAME, RGB = 2, (1, 13, 0)
#: Bytes of a frame that contain what is read of its header.
FRAME_HEAD = 64


@dataclass(frozen=True)
class Sequence:
    """What a sequence header says about the headers of frames."""

    header: Header
    reduced: bool = False
    screen_content: int = BY_FRAME
    integer_vectors: int = BY_FRAME
    order_bits: int = 0
    id_bits: int = 0
    #: The bits of a presentation time, and of a removal time; 0 if frames have none.
    presentation_bits: int = 0
    removal_bits: int = 0
    #: For each operating point, its layers, and whether it has removal times.
    operating_points: tuple[tuple[int, bool], ...] = ()


class Av1Reader:
    """Reads the packets of a stream in order.

    Args:
        extradata: The decoder configuration: an av1C record, a sequence header, or nothing.
    """

    codec = "av1"

    def __init__(self, extradata: bytes) -> None:
        self.headers: list[Header] = []
        self._sequence: Sequence | None = None
        #: Whether each of the eight reference frames is a key frame that has not been shown.
        self._hidden_keys = [False] * 8
        record = extradata[4:] if extradata[:1] == b"\x81" else extradata
        for kind, body in units_of(record):
            if kind == SEQUENCE:
                self._read_sequence(body)

    def read(self, packet: bytes) -> Picture:
        """Read the frames of a temporal unit, of which one is shown. Raises HeaderError.

        A key frame that is shown later than it is decoded counts where it is shown: frames before it may follow.
        """
        is_key = is_shown = is_late = False
        frames = 0
        for kind, body in units_of(packet):
            if kind == SEQUENCE:
                self._read_sequence(body)
            elif kind in (FRAME_HEADER, FRAME):
                frames += 1
                key, visible, late = self._read_frame(body)
                is_key, is_shown, is_late = is_key or key, is_shown or visible, is_late or late
        if not frames:
            raise HeaderError("it contains no frame")
        return Picture(is_key or is_late, is_shown, needs_earlier=is_late)

    def _read_sequence(self, body: bytes) -> None:
        self._sequence = read_sequence(body)
        if self._sequence.header not in self.headers[-1:]:
            self.headers.append(self._sequence.header)

    def _read_frame(self, body: bytes) -> tuple[bool, bool, bool]:
        """Whether a frame is a shown key frame, is shown, and shows an earlier key frame (5.9.2)."""
        sequence = self._sequence
        if sequence is None:
            raise HeaderError("no sequence header comes before it")
        if sequence.reduced:
            return True, True, False
        bits = Bits(body[:FRAME_HEAD], "frame header")
        if bits.flag():
            place = bits.read(3)
            late, self._hidden_keys[place] = self._hidden_keys[place], False
            if late:
                # It is then in every reference.
                self._hidden_keys = [False] * 8
            return False, True, late
        kind, is_shown = bits.read(2), bits.flag()
        if is_shown and sequence.presentation_bits:
            bits.read(sequence.presentation_bits)
        if not is_shown:
            bits.read(1)
        if kind == KEY and is_shown:
            self._hidden_keys = [False] * 8
            return True, True, False
        refreshed = 0xFF if kind == SWITCH else self._refreshed(bits, sequence, kind)
        for place in range(8):
            if refreshed >> place & 1:
                self._hidden_keys[place] = kind == KEY
        return False, is_shown, False

    def _refreshed(self, bits: Bits, sequence: Sequence, kind: int) -> int:
        """The references that a frame replaces, after the flags of its kind."""
        is_resilient = bits.flag()
        bits.read(1)
        screen = bits.read(1) if sequence.screen_content == BY_FRAME else sequence.screen_content
        if screen and sequence.integer_vectors == BY_FRAME:
            bits.read(1)
        bits.read(sequence.id_bits)
        bits.read(1)
        bits.read(sequence.order_bits)
        if kind not in (KEY, INTRA) and not is_resilient:
            bits.read(3)
        if sequence.removal_bits and bits.flag():
            # Without an extension, a frame belongs to every operating point.
            for _, has_model in sequence.operating_points:
                bits.read(sequence.removal_bits if has_model else 0)
        return bits.read(8)


def units_of(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """The types and bodies of a packet's OBUs (5.3). Raises HeaderError if one does not fit."""
    at = 0
    while at < len(packet):
        head = packet[at]
        if head & 0x80:
            raise HeaderError("an OBU begins with a forbidden bit")
        begin = at + (2 if head & 4 else 1)
        size = len(packet) - begin
        if head & 2:
            size, begin = _read_size(packet, begin)
        at = begin + size
        if size < 0 or at > len(packet):
            raise HeaderError("an OBU is longer than its packet")
        yield head >> 3 & 15, packet[begin:at]


def _read_size(packet: bytes, at: int) -> tuple[int, int]:
    """A leb128 number (4.10.5), and the place after it."""
    number = 0
    for place in range(8):
        if at >= len(packet):
            break
        byte, at = packet[at], at + 1
        number |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return number, at
    raise HeaderError("the size of an OBU is cut off")


def read_sequence(body: bytes) -> Sequence:
    """Read a sequence header OBU (5.5.1)."""
    bits = Bits(body, "sequence header")
    profile = bits.read(3)
    if profile > 2:
        raise HeaderError(f"the sequence header has the reserved profile {profile}")
    bits.read(1)
    if bits.flag():
        level = _level(bits.read(5))
        header = _read_picture(bits, profile, level, "Main", None, reduced=True)[0]
        return Sequence(header, reduced=True)
    rate: Fraction | None = None
    presentation = removal = delay = 0
    if bits.flag():
        units, ticks = bits.read(32), bits.read(32)
        is_equal = bits.flag()
        if is_equal:
            rate = rate_of(ticks, units * (bits.unsigned() + 1))
        if bits.flag():
            delay = bits.read(5) + 1
            bits.read(32)
            removal, presentation = bits.read(5) + 1, bits.read(5) + 1
            presentation = 0 if is_equal else presentation
    has_display_delay = bits.flag()
    points, level, tier = list[tuple[int, bool]](), "", ""
    for number in range(bits.read(5) + 1):
        idc, index = bits.read(12), bits.read(5)
        is_high = index > 7 and bits.flag()
        if not number:
            level, tier = _level(index), "High" if is_high else "Main"
        has_model = bool(delay) and bits.flag()
        if has_model:
            bits.read(2 * delay + 1)
        if has_display_delay and bits.flag():
            bits.read(4)
        points.append((idc, has_model))
    header, fields = _read_picture(bits, profile, level, tier, rate, reduced=False)
    return Sequence(header, False, *fields, presentation, removal, tuple(points))


def _read_picture(
    bits: Bits, profile: int, level: str, tier: str, rate: Fraction | None, *, reduced: bool
) -> tuple[Header, tuple[int, int, int, int]]:
    """The rest of a sequence header: the header, and what frame headers need of it."""
    across, down = bits.read(4) + 1, bits.read(4) + 1
    width, height = size_of(bits.read(across) + 1, bits.read(down) + 1, "sequence header")
    id_bits = 0
    if not reduced and bits.flag():
        delta = bits.read(4) + 2
        id_bits = bits.read(3) + delta + 1
    bits.read(3)
    screen = integer = BY_FRAME
    order_bits = 0
    if not reduced:
        bits.read(4)
        has_order = bits.flag()
        if has_order:
            bits.read(2)
        screen = BY_FRAME if bits.flag() else bits.read(1)
        if screen:
            integer = BY_FRAME if bits.flag() else bits.read(1)
        if has_order:
            order_bits = bits.read(3) + 1
    bits.read(3)
    pix_fmt, colour = _read_colour(bits, profile)
    header = Header(NAMES[profile], level, tier, width, height, pix_fmt, colour, rate)
    return header, (screen, integer, order_bits, id_bits)


def _read_colour(bits: Bits, profile: int) -> tuple[str, Colour]:
    """The colour configuration (5.5.2): the pixel format and the tags."""
    depth = 8
    if bits.flag():
        depth = (12 if bits.flag() else 10) if profile == 2 else 10
    is_grey = profile != 1 and bits.flag()
    codes = (bits.read(8), bits.read(8), bits.read(8)) if bits.flag() else (2, 2, 2)
    if not is_grey and codes == RGB:
        return pix_fmt_of(3, depth, "gbr"), named_colour("pc", *codes)
    colour = named_colour("pc" if bits.flag() else "tv", *codes)
    if is_grey:
        return pix_fmt_of(0, depth), colour
    if profile == 2 and depth == 12:
        across = bits.flag()
        return pix_fmt_of((1 if bits.flag() else 2) if across else 3, depth, colour.matrix), colour
    return pix_fmt_of((1, 3, 2)[profile], depth, colour.matrix), colour


def _level(index: int) -> str:
    """The name of seq_level_idx (A.3)."""
    return "unlimited" if index == 31 else f"{2 + (index >> 2)}.{index & 3}"
