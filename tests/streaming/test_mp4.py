"""MP4 boxes and segment indexes, complete and damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import ClipError
from pytest_vmaf.streaming.mp4 import Index, Segment, find_box, read_index, walk


def box(kind: bytes, body: bytes = b"") -> bytes:
    return (8 + len(body)).to_bytes(4) + kind + body


def sidx(*segments: tuple[int, int], version: int = 0, timescale: int = 1000, gap: int = 0) -> bytes:
    """A segment index of (bytes, ticks)."""
    moment = 8 if version else 4
    body = bytes([version, 0, 0, 0]) + (1).to_bytes(4) + timescale.to_bytes(4) + bytes(moment) + gap.to_bytes(moment)
    body += bytes(2) + len(segments).to_bytes(2)
    return box(b"sidx", body + b"".join(a.to_bytes(4) + b.to_bytes(4) + b"\x90\0\0\0" for a, b in segments))


names = st.binary(min_size=4, max_size=4)
boxes = st.lists(st.tuples(names, st.binary(max_size=20)), max_size=6)


@settings(max_examples=30)
@given(boxes)
def test_walk(content):
    data = b"".join(box(kind, body) for kind, body in content)
    assert [(each.kind, data[each.body : each.end]) for each in walk(data, 0, len(data))] == content


@settings(max_examples=30)
@given(boxes, st.binary(min_size=1, max_size=40))
def test_walk_ends_on_any_bytes(content, rest):
    data = b"".join(box(kind, body) for kind, body in content) + rest
    try:
        walked = list(walk(data, 0, len(data)))
    except ClipError:
        return
    assert [each.begin for each in walked[1:]] == [each.end for each in walked[:-1]]
    assert walked[-1].end == len(data)


def test_box_of_size_0():
    data = box(b"moov", bytes(4) + b"trak" + b"12") + box(b"mdat")
    assert find_box(data, b"moov", b"trak") == (b"trak", 8, 16, 18)


def test_box_of_64_bit_size():
    data = (1).to_bytes(4) + b"moov" + (19).to_bytes(8) + b"abc"
    assert find_box(data, b"moov") == (b"moov", 0, 16, 19)
    with pytest.raises(ClipError, match="The box at byte 0 must fit into 19 bytes, but has 15"):
        find_box((1).to_bytes(4) + b"moov" + (15).to_bytes(8) + b"abc", b"moov")


@pytest.mark.parametrize("size", [2, 7, 9, 1 << 31])
def test_box_beyond_its_parent(size):
    with pytest.raises(ClipError, match=rf"The box at byte 8 must fit into 8 bytes, but has {size}"):
        find_box(box(b"ftyp") + size.to_bytes(4) + b"moov", b"moov")


def test_box_missing():
    with pytest.raises(ClipError, match="The file has no box 'trak'"):
        find_box(box(b"moov", box(b"free")) + box(b"trak"), b"moov", b"trak")


@pytest.mark.parametrize("version", [0, 1])
def test_index(version):
    data = sidx((1000, 500), (2000, 1500), version=version)
    head = box(b"ftyp") + data
    index = read_index(head, len(head) + 3000)
    assert index == Index(8, len(head), (Segment(1000, 0.5), Segment(2000, 1.5)))
    assert index.duration == 2


@pytest.mark.parametrize("off", [-1, 1])
def test_index_of_another_size(off):
    head = sidx((1000, 500), (2000, 1500))
    with pytest.raises(
        ClipError, match=rf"has {len(head) + 3000 + off} bytes, but its segments end at byte {len(head) + 3000}"
    ):
        read_index(head, len(head) + 3000 + off)


@pytest.mark.parametrize(
    "head",
    [sidx((1 << 31 | 10, 5)), sidx((0, 5)), sidx((10, 0)), sidx((10, 5), gap=1), sidx((10, 5), version=1, gap=1)],
)
def test_index_of_indexes(head):
    with pytest.raises(ClipError, match="not a plain list of segments"):
        read_index(head, len(head) + 10)


@pytest.mark.parametrize(
    "head", [sidx(), sidx((10, 5), timescale=0), box(b"sidx", b"\0"), sidx((10, 5))[:24] + bytes(20)]
)
def test_index_cut_off(head):
    with pytest.raises(ClipError, match=r"segment index has \d+ bytes for \d+ segments|must fit into"):
        read_index(head, len(head) + 10)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=4), st.data())
def test_index_damaged(segments, data):
    head = bytearray(sidx(*segments))
    size = len(head) + sum(length for length, _ in segments)
    at = data.draw(st.integers(0, len(head) - 1))
    head[at] = data.draw(st.integers(0, 255))
    try:
        index = read_index(bytes(head), size)
    except ClipError:
        return
    assert index.end + sum(segment.size for segment in index.segments) == size
    assert all(segment.duration > 0 for segment in index.segments)
