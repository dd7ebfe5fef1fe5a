"""An MP4 file with two sample entries: its decoder configuration changes without a trace in the packets."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
STABLE = [*PARENTS, b"stsd"]


def with_two_entries(first: bytes, second: bytes, change: int) -> bytes:
    """The file `first` with the sample entry of `second`, too, which applies from one sample on.

    The index of `first` must follow its samples.
    """
    begin, size = _find(second, STABLE)
    entry = second[begin + 16 : begin + size]
    begin, _ = _find(first, [*PARENTS, b"stsz"])
    (count,) = struct.unpack_from(">I", first, begin + 16)
    sizes = struct.unpack_from(f">{count}I", first, begin + 20)
    return _rebuilt(first, 0, len(first), entry, change, sum(sizes[:change]))


def _rebuilt(data: bytes, begin: int, end: int, entry: bytes, change: int, place: int) -> bytes:
    parts = []
    for kind, at, size in _boxes(data, begin, end):
        box = data[at : at + size]
        if kind in PARENTS:
            box = _box(kind, _rebuilt(data, at + 8, at + size, entry, change, place))
        elif kind == b"stsd":
            box = _box(kind, struct.pack(">II", 0, 2), box[16:], entry)
        elif kind == b"stsc":
            box = _box(kind, struct.pack(">8I", 0, 2, 1, change, 1, 2, change, 2))
        elif kind == b"stco":
            (offset,) = struct.unpack_from(">I", box, 16)
            box = _box(kind, struct.pack(">IIII", 0, 2, offset, offset + place))
        parts.append(box)
    return b"".join(parts)


def _find(data: bytes, path: list[bytes], begin: int = 0, end: int | None = None) -> tuple[int, int]:
    for kind, at, size in _boxes(data, begin, len(data) if end is None else end):
        if kind == path[0]:
            return (at, size) if len(path) == 1 else _find(data, path[1:], at + 8, at + size)
    raise AssertionError(path)


def _boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while begin < end:
        (size,) = struct.unpack_from(">I", data, begin)
        yield data[begin + 4 : begin + 8], begin, size
        begin += size


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body
