"""Headers and pictures of VP9 (VP9 Bitstream & Decoding Process Specification, version 0.6)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_vmaf.bitstream.bits import Bits, HeaderError
from pytest_vmaf.bitstream.header import UNKNOWN, Colour, Header, Picture, pix_fmt_of, size_of

NAMES = ("Profile 0", "Profile 1", "Profile 2", "Profile 3")
#: The stream does not state a level.
LEVELS: tuple[str, ...] = ()
MATRICES = (UNKNOWN, "bt470bg", "bt709", "smpte170m", "smpte240m", "bt2020nc", UNKNOWN, "gbr")
RGB, SYNC = 7, 0x498342


class Vp9Reader:
    """Reads the packets of a stream in order. The decoder configuration says nothing that frames do not."""

    codec = "vp9"

    def __init__(self, extradata: bytes) -> None:
        self.headers: list[Header] = []

    def read(self, packet: bytes) -> Picture:
        """Read the frames of a packet, of which only one is shown. Raises HeaderError."""
        is_key = is_shown = False
        for frame in frames_of(packet):
            header, key, visible = _read_frame(frame)
            if header is not None and header not in self.headers[-1:]:
                self.headers.append(header)
            is_key, is_shown = is_key or key, is_shown or visible
        return Picture(is_key, is_shown)


def frames_of(packet: bytes) -> Iterator[bytes]:
    """The frames of a superframe (annex B), or the packet's only one. Raises HeaderError."""
    if not packet:
        raise HeaderError("it is empty")
    marker = packet[-1]
    count, size = (marker & 7) + 1, (marker >> 3 & 3) + 1
    length = 2 + count * size
    if marker >> 5 != 0b110 or len(packet) < length or packet[-length] != marker:
        yield packet
        return
    at, index = 0, len(packet) - length + 1
    for number in range(count):
        place = index + number * size
        frame = int.from_bytes(packet[place : place + size], "little")
        if at + frame > len(packet) - length:
            raise HeaderError("a frame is longer than its superframe")
        if frame:
            yield packet[at : at + frame]
        at += frame


def _read_frame(frame: bytes) -> tuple[Header | None, bool, bool]:
    """The sequence's header if it is a key frame, whether it is one, and whether it is shown (7.2)."""
    bits = Bits(frame[:32], "frame header")
    if bits.read(2) != 2:
        raise HeaderError("a frame does not begin with the marker of VP9")
    profile = bits.read(1) + 2 * bits.read(1)
    if profile == 3 and bits.read(1):
        raise HeaderError("a frame has a reserved profile")
    if bits.flag():
        return None, False, True
    is_key, is_shown = not bits.flag(), bits.flag()
    bits.read(1)
    if not is_key:
        return None, False, is_shown
    if bits.read(24) != SYNC:
        raise HeaderError("a key frame lacks the sync code of VP9")
    depth = (12 if bits.flag() else 10) if profile >= 2 else 8
    space, across, down, color_range = bits.read(3), 1, 1, "pc"
    if space != RGB:
        color_range = "pc" if bits.flag() else "tv"
    if profile in (1, 3):
        across, down = (0, 0) if space == RGB else (bits.read(1), bits.read(1))
        bits.read(1)
    elif space == RGB:
        raise HeaderError("a key frame has RGB in a profile without it")
    width, height = size_of(bits.read(16) + 1, bits.read(16) + 1, "frame header")
    chroma = 3 if not across else 1 if down else 2
    pix_fmt = "" if down and not across else pix_fmt_of(chroma, depth, MATRICES[space])
    colour = Colour(color_range, MATRICES[space])
    return Header(NAMES[profile], "", "", width, height, pix_fmt, colour), True, is_shown
