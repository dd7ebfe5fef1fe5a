"""The boxes of an MP4 file: read where they are whole, refused where they are not, and never walked without end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vmaf.errors import ClipError
from pytest_vmaf.streaming.mp4 import Index, Segment, find, read_index, walk


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


@given(boxes)
def test_every_box_is_found_where_it_was_put(content):
    data = b"".join(box(kind, body) for kind, body in content)
    assert [(found.kind, data[found.body : found.end]) for found in walk(data, 0, len(data))] == content


@given(boxes, st.binary(min_size=1, max_size=40))
def test_bytes_of_any_kind_come_to_an_end(content, rest):
    data = b"".join(box(kind, body) for kind, body in content) + rest
    try:
        found = list(walk(data, 0, len(data)))
    except ClipError:
        return
    assert [one.begin for one in found[1:]] == [one.end for one in found[:-1]]
    assert found[-1].end == len(data)


def test_a_size_of_0_goes_to_the_end_of_the_parent():
    data = box(b"moov", bytes(4) + b"trak" + b"12") + box(b"mdat")
    assert find(data, b"moov", b"trak") == (b"trak", 8, 16, 18)


def test_a_size_of_1_stands_for_a_size_of_64_bits():
    data = (1).to_bytes(4) + b"moov" + (19).to_bytes(8) + b"abc"
    assert find(data, b"moov") == (b"moov", 0, 16, 19)
    with pytest.raises(ClipError, match="The box at byte 0 has 15 bytes, of 19 that are there"):
        find((1).to_bytes(4) + b"moov" + (15).to_bytes(8) + b"abc", b"moov")


@pytest.mark.parametrize("size", [2, 7, 9, 1 << 31])
def test_a_box_that_does_not_fit_is_refused(size):
    with pytest.raises(ClipError, match=rf"The box at byte 8 has {size} bytes, of 8 that are there"):
        find(box(b"ftyp") + size.to_bytes(4) + b"moov", b"moov")


def test_a_missing_box_is_named():
    with pytest.raises(ClipError, match="There is no box 'trak' in it"):
        find(box(b"moov", box(b"free")) + box(b"trak"), b"moov", b"trak")


@pytest.mark.parametrize("version", [0, 1])
def test_an_index_says_where_the_segments_are(version):
    listed = sidx((1000, 500), (2000, 1500), version=version)
    head = box(b"ftyp") + listed
    index = read_index(head, len(head) + 3000)
    assert index == Index(8, len(head), (Segment(1000, 0.5), Segment(2000, 1.5)))
    assert index.duration == 2


@pytest.mark.parametrize("off", [-1, 1])
def test_segments_that_do_not_end_with_the_file_are_refused(off):
    head = sidx((1000, 500), (2000, 1500))
    with pytest.raises(ClipError, match=rf"has {len(head) + 3000 + off} bytes, but its segments end at byte"):
        read_index(head, len(head) + 3000 + off)


@pytest.mark.parametrize(
    "head",
    [sidx((1 << 31 | 10, 5)), sidx((0, 5)), sidx((10, 0)), sidx((10, 5), gap=1), sidx((10, 5), version=1, gap=1)],
)
def test_an_index_that_is_no_plain_list_is_refused(head):
    with pytest.raises(ClipError, match="not a plain list of segments"):
        read_index(head, len(head) + 10)


@pytest.mark.parametrize(
    "head", [sidx(), sidx((10, 5), timescale=0), box(b"sidx", b"\0"), sidx((10, 5))[:24] + bytes(20)]
)
def test_an_index_that_is_cut_off_or_empty_is_refused(head):
    with pytest.raises(ClipError, match=r"Its segment index has \d+ bytes for \d+ segments|has \d+ bytes, of"):
        read_index(head, len(head) + 10)


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=4), st.data())
def test_a_damaged_index_is_refused_or_adds_up_to_the_file(segments, data):
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
