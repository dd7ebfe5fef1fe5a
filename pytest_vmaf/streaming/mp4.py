"""Boxes of an MP4 file (ISO/IEC 14496-12), as far as packages need them. The bytes are untrusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pytest_vmaf.errors import ClipError

#: How many bytes of a file or a pipe are read. The required boxes precede the pictures.
LARGEST_HEAD = 4 << 20


class Box(NamedTuple):
    """A box: its type, and the offsets of its header, of its content and of its end, in bytes."""

    kind: bytes
    begin: int
    body: int
    end: int


class Segment(NamedTuple):
    """A run of frames that begins with a key frame.

    Attributes:
        size: In bytes.
        duration: In seconds.
    """

    size: int
    duration: float


class Index(NamedTuple):
    """The segment index (`sidx`) of a fragmented file.

    What initialises a decoder (`ftyp`, `moov`) precedes the index, and the segments follow it without gaps.

    Attributes:
        begin: The offset of the index in bytes.
        end: The offset of its end, where the first segment begins.
        segments: The segments in order.
    """

    begin: int
    end: int
    segments: tuple[Segment, ...]

    @property
    def duration(self) -> float:
        """Seconds of all segments together."""
        return sum(segment.duration for segment in self.segments)


def walk(data: bytes, begin: int, end: int) -> Iterator[Box]:
    """Iterate over the boxes between two offsets.

    Raises:
        ClipError: If one does not fit into its parent.
    """
    while begin < end:
        size, body = int.from_bytes(data[begin : begin + 4]), begin + 8
        if size == 1:
            size, body = int.from_bytes(data[begin + 8 : begin + 16]), begin + 16
        elif size == 0:
            # To the end of the parent.
            size = end - begin
        # A box is at least as long as its header, so the loop ends.
        if body > end or not body - begin <= size <= end - begin:
            raise ClipError(f"The box at byte {begin} must fit into {end - begin} bytes, but has {size}.")
        yield Box(data[begin + 4 : begin + 8], begin, body, begin + size)
        begin += size


def find_box(data: bytes, *path: bytes) -> Box:
    """Find the first box at a path from the top, for example `b"moov", b"trak"`.

    Raises:
        ClipError: If there is none.
    """
    box = Box(b"", 0, 0, len(data))
    for kind in path:
        child = next((child for child in walk(data, box.body, box.end) if child.kind == kind), None)
        if child is None:
            raise ClipError(f"The file has no box {kind.decode('latin-1')!r}.")
        box = child
    return box


def read_index(head: bytes, size: int) -> Index:
    """Read the segment index (`sidx`, ISO/IEC 14496-12 8.16.3) of a file.

    Args:
        head: The first bytes of the file.
        size: The size of the file in bytes.

    Raises:
        ClipError: If there is no index, or its segments do not end where the file ends.
    """
    box = find_box(head, b"sidx")
    body = head[box.body : box.end]
    wide = body[:1] == b"\1"
    first = 32 if wide else 24
    timescale, count = int.from_bytes(body[8:12]), int.from_bytes(body[first - 2 : first])
    if len(body) != first + 12 * count or not timescale or not count:
        raise ClipError(f"The segment index has {len(body)} bytes for {count} segments.")
    gap = int.from_bytes(body[20:28] if wide else body[16:20])
    entries = [body[at : at + 8] for at in range(first, len(body), 12)]
    segments = tuple(Segment(int.from_bytes(e[:4]), int.from_bytes(e[4:]) / timescale) for e in entries)
    # The topmost bit of a size marks an index of indexes.
    if gap or any(segment.size >> 31 or not segment.size or not segment.duration for segment in segments):
        raise ClipError("The segment index is not a plain list of segments.")
    end = box.end + sum(segment.size for segment in segments)
    if end != size:
        raise ClipError(f"The file is cut off or damaged: it has {size} bytes, but its segments end at byte {end}.")
    return Index(box.begin, box.end, segments)
