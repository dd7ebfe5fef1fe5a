"""The boxes of an MP4 file (ISO/IEC 14496-12), as far as a delivery package needs them. The bytes are untrusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pytest_vmaf.errors import ClipError

#: What is read of a file or a pipe in bytes. The boxes that are asked for stand before the pictures.
LARGEST_HEAD = 4 << 20


class Box(NamedTuple):
    """One box: its type, and where it begins, where its content begins, and where it ends, in bytes."""

    kind: bytes
    begin: int
    body: int
    end: int


class Segment(NamedTuple):
    """A run of frames that begins with a key frame: how many bytes it has, how many seconds it lasts."""

    size: int
    duration: float


@dataclass(frozen=True)
class Index:
    """Where a fragmented file keeps what: the ``sidx`` box is bytes ``begin`` to ``end`` (exclusive).

    Before it stands what initialises a decoder (``ftyp``, ``moov``), after it the segments, one behind the other.
    """

    begin: int
    end: int
    segments: tuple[Segment, ...]

    @property
    def duration(self) -> float:
        """Seconds of all segments together."""
        return sum(segment.duration for segment in self.segments)


def walk(data: bytes, begin: int, end: int) -> Iterator[Box]:
    """The boxes between two places, in order. Raises ClipError where one does not fit into its parent."""
    while begin < end:
        size, body = int.from_bytes(data[begin : begin + 4]), begin + 8
        if size == 1:
            size, body = int.from_bytes(data[begin + 8 : begin + 16]), begin + 16
        elif size == 0:
            # To the end of what it stands in.
            size = end - begin
        # A box is never shorter than its own header, so that every turn goes on.
        if body > end or not body - begin <= size <= end - begin:
            raise ClipError(f"The box at byte {begin} has {size} bytes, of {end - begin} that are there.")
        yield Box(data[begin + 4 : begin + 8], begin, body, begin + size)
        begin += size


def find(data: bytes, *path: bytes) -> Box:
    """The first box at a path from the top, as ``b"moov", b"trak"``. Raises ClipError when it is not there."""
    begin, end, found = 0, len(data), None
    for kind in path:
        found = next((box for box in walk(data, begin, end) if box.kind == kind), None)
        if found is None:
            raise ClipError(f"There is no box {kind.decode('latin-1')!r} in it.")
        begin, end = found.body, found.end
    if found is None:
        raise ValueError("a path has at least one box")
    return found


def read_index(head: bytes, size: int) -> Index:
    """The segment index (``sidx``, ISO/IEC 14496-12 8.16.3) of a file of ``size`` bytes that begins with ``head``.

    Raises ClipError when there is none, or when its segments do not end exactly where the file does.
    """
    box = find(head, b"sidx")
    body = head[box.body : box.end]
    wide = body[:1] == b"\1"
    listed = 32 if wide else 24
    timescale, count = int.from_bytes(body[8:12]), int.from_bytes(body[listed - 2 : listed])
    if len(body) != listed + 12 * count or not timescale or not count:
        raise ClipError(f"Its segment index has {len(body)} bytes for {count} segments.")
    gap = int.from_bytes(body[20:28] if wide else body[16:20])
    entries = [body[at : at + 8] for at in range(listed, len(body), 12)]
    segments = tuple(Segment(int.from_bytes(e[:4]), int.from_bytes(e[4:]) / timescale) for e in entries)
    # The topmost bit of a size stands for an index of indices.
    if gap or any(segment.size >> 31 or not segment.size or not segment.duration for segment in segments):
        raise ClipError("Its segment index is not a plain list of segments.")
    ends = box.end + sum(segment.size for segment in segments)
    if ends != size:
        raise ClipError(f"It has {size} bytes, but its segments end at byte {ends}; it is cut off or damaged.")
    return Index(box.begin, box.end, segments)
