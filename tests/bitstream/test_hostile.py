"""Damaged and made-up streams: errors that name the place, never a traceback, a hang or a wrong number."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bitstream.mp4_entries import with_two_entries
from pytest_vmaf.bitstream.bits import Bits, HeaderError
from pytest_vmaf.bitstream.gops import GopReader
from pytest_vmaf.bitstream.header import Picture
from pytest_vmaf.bitstream.packets import list_packets, read_payload
from pytest_vmaf.bitstream.read_stream import READERS, read_stream
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("x265-open.mkv", "vvc-open.mp4")]
ONE_EACH = ["x264-open.mp4", "svt.mp4", "vp9.webm", *SLOW]
IVF_HEAD, IVF_FRAME = 32, 12


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes cut somewhere, with some of them replaced, or others altogether."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(80))
    cut = bytearray(data[: chance.choice([len(data), 200, 60, 20])])
    for _ in range(chance.randrange(6)):
        if cut:
            cut[chance.randrange(min(len(cut), chance.choice([8, 40, 4000])))] = chance.randrange(256)
    return bytes(cut[: chance.randrange(len(cut) + 1)]) if chance.random() < 0.2 else bytes(cut)


@pytest.mark.parametrize("name", ONE_EACH)
def test_headers(name: str, stream_encode: Callable[[str], Path], ffmpeg: str) -> None:
    """Damaged headers are read as others, or are a HeaderError."""
    clip, packets, chance, refused = Clip(stream_encode(name)), list[bytes](), random.Random(name), 0
    listed, extradata = list_packets(clip, ffmpeg)
    read_payload(clip, listed, packets.append, ffmpeg)
    for _ in range(400):
        try:
            reader = READERS[listed.codec](damaged(extradata, chance) if chance.random() < 0.5 else extradata)
            for packet in chance.sample(packets, 2):
                reader.read(damaged(packet, chance))
        except HeaderError:
            refused += 1
    assert refused > 100


def test_numbers() -> None:
    with pytest.raises(HeaderError, match="the x is cut off"):
        Bits(b"\1", "x").read(9)
    with pytest.raises(HeaderError, match="more than 32 bits"):
        Bits(bytes(100), "x").unsigned()
    with pytest.raises(HeaderError, match="the x has depth 6, and at most 4 is allowed"):
        Bits(b"\x38", "x").at_most(4, "depth")


def test_no_first_key() -> None:
    """A stream that begins without a key frame has an open group, and a run without a key frame, at its beginning."""
    gops = GopReader()
    for is_key in (False, False, True, False):
        gops.add(Picture(is_key))
    assert gops.open_gop is not None
    assert gops.open_gop.why == "the stream does not begin with a key frame"
    assert [*gops.key_frames] == [2]


def frames_of(data: bytes) -> Iterator[tuple[int, int]]:
    """The places of an IVF file's frame headers, and the bytes of each frame."""
    at = IVF_HEAD
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield at, size
        at += IVF_FRAME + size


@pytest.fixture(scope="session")
def ivf(stream_encode: Callable[[str], Path], remux: Callable[..., Path]) -> bytes:
    return remux(stream_encode("vp9.webm"), "vp9.ivf").read_bytes()


def test_backwards(ivf: bytes, tmp_path: Path, ffmpeg: str) -> None:
    """Times that run backwards would make any bitrate."""
    data, path = bytearray(ivf), tmp_path / "backwards.ivf"
    at = list(frames_of(ivf))[20][0]
    struct.pack_into("<Q", data, at + 4, 3)
    path.write_bytes(data)
    with pytest.raises(ClipError, match=r"run backwards: packet 20 is decoded at .* Write the file again"):
        read_stream(Clip(path), ffmpeg)


def test_no_duration(ivf: bytes, tmp_path: Path, ffmpeg: str) -> None:
    """Equal times give no bitrate, and not an infinite or a small one."""
    data, path = bytearray(ivf), tmp_path / "zero.ivf"
    for at, _ in frames_of(ivf):
        struct.pack_into("<Q", data, at + 4, 0)
    path.write_bytes(data)
    stream = read_stream(Clip(path), ffmpeg)
    assert (stream.frame_rate, stream.peak, stream.frames) == (None, None, 30)


def test_contradiction(stream_encode: Callable[[str], Path], tmp_path: Path, ffmpeg: str) -> None:
    """A last frame that is shown an hour later would make the mean bitrate small. Packets are decoded as before."""
    data, path = bytearray(stream_encode("x264-open.mp4").read_bytes()), tmp_path / "late.mp4"
    offsets = data.find(b"ctts")
    (count,) = struct.unpack_from(">I", data, offsets + 8)
    struct.pack_into(">I", data, offsets + 12 + 8 * (count - 1) + 4, 12288 * 3600)
    path.write_bytes(data)
    with pytest.raises(ClipError, match=r"contradict each other: its packets are decoded within 1\.\d+ s, and shown"):
        read_stream(Clip(path), ffmpeg)


def test_cut_off(ivf: bytes, stream_encode: Callable[[str], Path], tmp_path: Path, ffmpeg: str) -> None:
    at, size = list(frames_of(ivf))[20]
    mkv, mp4 = (stream_encode(name).read_bytes() for name in ("vp9.webm", "x264-open.mp4"))
    files = {
        "cut.ivf": ivf[: at + size // 2],
        "cut.webm": mkv[: len(mkv) * 2 // 3],
        "cut.mp4": mp4[: len(mp4) * 2 // 3],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ClipError, match=r"is cut off or damaged|cannot be listed"):
            read_stream(Clip(tmp_path / name), ffmpeg)


def test_random(tmp_path: Path, ffmpeg: str) -> None:
    noise = random.Random(3).randbytes(3000)
    for name, data in {
        "x.h264": b"\0\0\0\1\x67" + noise + b"\0\0\0\1\x65" + noise,
        "x.obu": b"\x12\0\x0a\x0b" + noise,
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ClipError):
            read_stream(Clip(tmp_path / name), ffmpeg)


def test_change(
    stream_encode: Callable[[str], Path],
    remux: Callable[..., Path],
    make: Callable[..., Path],
    tmp_path: Path,
    ffmpeg: str,
) -> None:
    """A stream whose parameters change midway: the change is in the result, with its place."""
    first = remux(stream_encode("x264-open.mp4"), "first.h264")
    second = make("-i", stream_encode("x264-open.mp4"), "-frames:v", 6, "-vf", "scale=64:48", "-c:v", "libx264",
                  "-profile:v", "main", tmp_path / "second.h264")  # fmt: skip
    path = tmp_path / "change.h264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    stream = read_stream(Clip(path), ffmpeg)
    [change] = stream.changes
    assert (change.packet, change.time, change.values["profile"]) == (30, 1.25, "Main")
    assert "width 128 → 64" in change.what


def test_two_entries(stream_encode: Callable[[str], Path], tmp_path: Path, ffmpeg: str) -> None:
    """The second half of the frames has the other encode's parameter sets, which no packet contains."""
    path = tmp_path / "two.mp4"
    names = "x264-closed.mp4", "x264-open.mp4"
    path.write_bytes(with_two_entries(*(stream_encode(name).read_bytes() for name in names), 15))
    with pytest.raises(ClipError, match=r"changes its decoder configuration at packet 15 .* ffmpeg -i IN.mp4 -c copy"):
        read_stream(Clip(path), ffmpeg)


@pytest.mark.slow
def test_tiny_packets(ivf: bytes, tmp_path: Path, ffmpeg: str) -> None:
    """Packets of one byte that show the first frame again. Their number is bounded by memory alone, 300 bytes each."""
    count, size = 50_000, next(frames_of(ivf))[1]
    again = b"\x88"
    parts = [ivf[:24], struct.pack("<I", count), ivf[28 : IVF_HEAD + IVF_FRAME + size]]
    parts += [struct.pack("<IQ", 1, number) + again for number in range(1, count)]
    path = tmp_path / "tiny.ivf"
    path.write_bytes(b"".join(parts))
    stream = read_stream(Clip(path), ffmpeg)
    assert (stream.packets, stream.frames, stream.keyframe_distance) == (count, count, count)
    assert stream.size == size + count - 1
    assert len(stream.part_digests) <= 256
