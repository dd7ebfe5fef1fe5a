"""NAL units of H.264, HEVC and VVC, with start codes or lengths, and the configuration records of containers."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_vmaf.bitstream.bits import Bits, HeaderError

START = b"\0\0\1"


def unescape(unit: bytes) -> bytes:
    """The unit without the bytes that prevent start codes."""
    return unit.replace(b"\0\0\3", b"\0\0")


def units_of(packet: bytes, length: int) -> Iterator[bytes]:
    """The NAL units of a packet.

    Args:
        packet: The packet.
        length: The bytes of the length before each unit; 0 for start codes.

    Raises:
        HeaderError: If a unit does not fit into the packet.
    """
    if length:
        at = 0
        while at < len(packet):
            begin = at + length
            at = begin + int.from_bytes(packet[at:begin])
            if at > len(packet) or begin > len(packet):
                raise HeaderError("a NAL unit is longer than its packet")
            yield packet[begin:at]
        return
    begin = packet.find(START)
    while begin >= 0:
        end = packet.find(START, begin + 3)
        yield packet[begin + 3 : end if end >= 0 else len(packet)]
        begin = end


def avc_configuration(record: bytes) -> tuple[int, list[bytes]]:
    """The length's size and the parameter sets of an avcC record (ISO/IEC 14496-15 5.3.3.1)."""
    bits = Bits(record, "configuration avcC")
    bits.read(38)
    length = bits.read(2) + 1
    units = [_take(bits) for _ in range(bits.read(8) & 31)]
    return length, [*units, *(_take(bits) for _ in range(bits.read(8)))]


def hevc_configuration(record: bytes) -> tuple[int, list[bytes]]:
    """The length's size and the parameter sets of an hvcC record (ISO/IEC 14496-15 8.3.3.1)."""
    bits = Bits(record, "configuration hvcC")
    for _ in range(21):
        bits.read(8)
    length, units = (bits.read(8) & 3) + 1, list[bytes]()
    for _ in range(bits.read(8)):
        bits.read(8)
        units += [_take(bits) for _ in range(bits.read(16))]
    return length, units


def vvc_configuration(record: bytes) -> tuple[int, list[bytes]]:
    """The length's size and the parameter sets of a vvcC record (ISO/IEC 14496-15 11.2.4.2)."""
    bits = Bits(record, "configuration vvcC")
    bits.read(5)
    length, units = bits.read(2) + 1, list[bytes]()
    if bits.flag():
        bits.read(9)
        layers = bits.read(3)
        bits.read(2 + 2 + 8 + 2)
        constraints = bits.read(6)
        bits.read(8 + 8)
        for _ in range(constraints):
            bits.read(8)
        if layers > 1:
            stated = sum(bits.flag() for _ in range(layers - 1))
            bits.align()
            for _ in range(stated):
                bits.read(8)
        for _ in range(bits.read(8)):
            bits.read(32)
        bits.read(16 * 3)
    for _ in range(bits.read(8)):
        kind = bits.read(8) & 31
        # An operating point or a decoding capability comes alone, without a number.
        units += [_take(bits) for _ in range(1 if kind in (12, 13) else bits.read(16))]
    return length, units


def _take(bits: Bits) -> bytes:
    size = bits.read(16)
    return bits.read(8 * size).to_bytes(size)
