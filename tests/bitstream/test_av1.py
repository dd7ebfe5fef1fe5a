"""Frame headers of AV1 that the bundled encoders do not write: key frames that are shown later than decoded."""

from __future__ import annotations

import pytest

from pytest_vmaf.bitstream.av1 import Av1Reader
from pytest_vmaf.bitstream.bits import HeaderError
from pytest_vmaf.bitstream.gops import GopReader


def bits(text: str) -> bytes:
    text = text.replace(" ", "")
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8))


def unit(kind: int, body: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(body)]) + body


#: No timing, one operating point of level 2.0, 8 bits for each side, 176x144, no frame numbers, flags, order hints of 7
#: bits, and 8-bit 4:2:0.
HEADER = unit(
    1,
    bits(
        "000 0 0 0 0 00000 000000000000 00000 0111 0111 10101111 10001111 0 000 0000 1 00 1 1 110 000 0 0 0 0 00 0 0 1"
    ),
)
#: show_existing_frame, frame_type, show_frame, then as the specification orders them.
SHOWN_KEY = unit(6, bits("0 00 1 0 0 0 0000000") + b"x")
#: showable, resilient, no cdf update, no screen content, no override, order hint 8, refreshes the last reference.
HIDDEN_KEY = unit(6, bits("0 00 0 1 1 0 0 0 0001000 10000000") + b"x")
INTER = unit(6, bits("0 01 1 0 0 0 0 0000100 000 00000001") + b"x")
SHOW_LAST = unit(3, bits("1 111"))
SHOW_FIRST = unit(3, bits("1 000"))


def test_forward_key_frame() -> None:
    """A key frame that is decoded early is a key frame where it is shown, and its group is open."""
    reader, gops = Av1Reader(b""), GopReader()
    packets = [HEADER + SHOWN_KEY, INTER, HIDDEN_KEY + INTER, SHOW_FIRST, SHOW_LAST, INTER]
    for packet in packets:
        gops.add(reader.read(packet))
    assert [*gops.key_frames] == [0, 4]
    assert gops.open_gop is not None
    assert (gops.open_gop.frame, gops.open_gop.packet) == (4, 4)
    assert gops.open_gop.why == "the key frame is decoded before frames that are shown earlier"
    # Shown once more, it is a frame like others.
    assert not reader.read(SHOW_LAST).is_key
    [header] = reader.headers
    assert (header.profile, header.level, header.width, header.height, header.pix_fmt) == (
        *("Main", "2.0", 176, 144, "yuv420p"),
    )


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "it contains no frame"),
        (b"\x80", "forbidden bit"),
        (b"\x32\xff\xff\xff\xff\xff\xff\xff\xff", "the size of an OBU is cut off"),
        (b"\x32\x05x", "an OBU is longer than its packet"),
        (SHOWN_KEY, "no sequence header comes before it"),
        (unit(1, bits("011") + bytes(20)), "reserved profile 3"),
    ],
)
def test_refused(packet: bytes, why: str) -> None:
    with pytest.raises(HeaderError, match=why):
        Av1Reader(b"").read(packet)
