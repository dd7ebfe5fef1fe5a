"""What the headers and packets say, compared with ffmpeg's own reading of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from stream_encodes import ENCODES, KINDS

from pytest_vmaf.bitstream.read_stream import Buffer, read_stream
from pytest_vmaf.bitstream.stream import Stream
from pytest_vmaf.bitstream.vvc import PROFILES
from pytest_vmaf.errors import ClipError, MeasurementError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.streaming.codec_strings import codec_string

#: Two codecs are read in the quick suite, and all of them in the slow one.
QUICK = ("x264-open.mp4", "svt.mp4")
EVERY = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in ENCODES if name not in QUICK)]
#: The fields that state the level, and its name by their value.
LEVELS = {
    "h264": ("level_idc", lambda idc: f"{idc / 10:g}"),
    "hevc": ("general_level_idc", lambda idc: f"{idc / 30:g}"),
    "av1": ("seq_level_idx[0]", lambda idx: f"{2 + idx // 4}.{idx % 4}"),
    "vvc": ("general_level_idc", lambda idc: f"{idc // 16}.{idc % 16 // 3}".removesuffix(".0")),
}
LINE = re.compile(
    r"Stream #0:0.*: Video: (?P<codec>\w+)(?: \(lib\w+\))?(?: \((?P<profile>(?!\w+ / )[^()]+)\))?.*?, "
    r"(?P<pix_fmt>\w+)\((?P<tags>[^)]*)\), (?P<size>\d+x\d+).*?, (?P<rate>[\d.]+) fps"
)


@pytest.fixture(scope="session")
def read(stream_encode: Callable[[str], Path], ffmpeg: str) -> Callable[[str], Stream]:
    return cache(lambda name: read_stream(Clip(stream_encode(name)), ffmpeg))


@pytest.fixture(scope="session")
def traced(stream_encode: Callable[[str], Path], ffmpeg: str) -> Callable[[str], str]:
    """What ffmpeg prints about an encode: its stream, the fields of its headers, and every decoded frame."""

    def trace(name: str) -> str:
        argv = [ffmpeg, "-nostdin", "-loglevel", "trace", "-i", stream_encode(name)]
        argv += ["-map", "0:v", "-c", "copy", "-bsf:v", "trace_headers", "-frames:v", "1", "-f", "null", "-"]
        decode = [ffmpeg, "-nostdin", "-i", stream_encode(name), "-vf", "showinfo", "-f", "null", "-"]
        ends = [subprocess.run(each, capture_output=True, text=True, check=True) for each in (argv, decode)]
        return "".join(end.stderr for end in ends)

    return cache(trace)


def key_frames(log: str) -> tuple[int, ...]:
    frames = re.findall(r"Parsed_showinfo.* n: *(\d+) .* iskey:([01]) type:(\w)", log)
    assert len(frames) > 10
    return tuple(int(number) for number, is_key, _ in frames if is_key == "1")


@pytest.mark.parametrize("name", EVERY)
def test_headers(name: str, read: Callable[[str], Stream], traced: Callable[[str], str]) -> None:
    stream, log = read(name), traced(name)
    line = LINE.search(log)
    assert line is not None
    assert stream.codec == line["codec"]
    profile = line["profile"]
    if stream.codec == "vvc":
        # Its profile is not in that line.
        number = re.search(r" general_profile_idc +[01]+ = (\d+)", log)
        assert number is not None
        profile = PROFILES[int(number[1])]
    assert stream.profile == profile
    assert f"{stream.width}x{stream.height}" == line["size"]
    assert stream.pix_fmt == line["pix_fmt"]
    assert stream.frame_rate == float(line["rate"])
    if stream.codec in LEVELS:
        field, name_of = LEVELS[stream.codec]
        traced_level = re.search(rf" {re.escape(field)} +[01]+ = (\d+)", log)
        assert traced_level is not None
        assert stream.level == name_of(int(traced_level[1]))
    else:
        assert stream.level == ""
        with pytest.raises(MeasurementError, match="states no level"):
            _ = stream.highest_level


@pytest.mark.parametrize("name", EVERY)
def test_key_frames(name: str, read: Callable[[str], Stream], traced: Callable[[str], str]) -> None:
    stream, log = read(name), traced(name)
    assert stream.key_frames == key_frames(log)
    assert stream.frames == ENCODES[name][0]
    ends = [0, *stream.key_frames, stream.frames]
    assert stream.keyframe_distance == max(b - a for a, b in pairwise(ends))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_kinds(name: str, stream_encode: Callable[[str], Path], ffmpeg: str) -> None:
    """Other kinds of groups have the decoder's frames and key frames, too."""
    path = stream_encode(name)
    decode = [ffmpeg, "-nostdin", "-i", path, "-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null", "-"]
    log = subprocess.run(decode, capture_output=True, text=True, check=True).stderr
    stream = read_stream(Clip(path), ffmpeg)
    assert stream.key_frames == key_frames(log)
    assert stream.frames == KINDS[name][0]
    assert stream.closed_gops == (name != "x264-long.mkv")


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("x264-closed.mp4", ("tv", "bt709", "bt709", "bt709")),
        pytest.param("x265-open.mkv", ("tv", "bt2020nc", "bt2020", "smpte2084"), marks=pytest.mark.slow),
        ("x264-open.mp4", ("unknown",) * 4),
    ],
)
def test_colour(name: str, tags: tuple[str, ...], read: Callable[[str], Stream]) -> None:
    stream = read(name)
    assert (stream.color_range, stream.matrix, stream.primaries, stream.transfer) == tags


@pytest.mark.parametrize("name", EVERY)
def test_tier(name: str, read: Callable[[str], Stream], stream_encode: Callable[[str], Path], ffmpeg: str) -> None:
    """The tier is that of the CODECS string, which another module reads from the container."""
    tier = {"": "", "H": "High", "L": "Main", "M": "Main"}
    text = re.search(r"\.(?:([HL])\d+|\d\d([MH])\.)", codec_string(stream_encode(name), ffmpeg))
    assert read(name).tier == (tier[text[1] or text[2]] if text else "")


#: By encode with open groups: the first open one's key frame and its packet, and how many frames come before it.
OPEN = {"x264-open.mp4": (12, 9, 3), "x265-open.mkv": (12, 9, 3), "vvc-open.mp4": (31, 16, 15)}


@pytest.mark.parametrize("name", EVERY)
def test_gops(name: str, read: Callable[[str], Stream]) -> None:
    """Groups are open where the encoder was told so: the second one is the first with frames that need the first."""
    gop = read(name).open_gop
    if name in OPEN:
        assert gop is not None
        *place, leading = OPEN[name]
        assert [gop.frame, gop.packet] == place
        assert gop.why == f"{leading} frames before it can need earlier ones"
    else:
        assert gop is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x264.ts", "x264.mkv", "x264.h264"])
def test_containers(
    name: str,
    read: Callable[[str], Stream],
    stream_encode: Callable[[str], Path],
    remux: Callable[..., Path],
    ffmpeg: str,
) -> None:
    """The same stream in other containers has the same headers, frames and groups."""
    stream, other = read("x264-open.mp4"), read_stream(Clip(remux(stream_encode("x264-open.mp4"), name)), ffmpeg)
    for field in ("profile", "level", "pix_fmt", "frames", "key_frames", "open_gop", "longest_gop", "frame_rate"):
        assert getattr(stream, field) == getattr(other, field)
    assert stream.bitrate == pytest.approx(other.bitrate, rel=0.02)


@pytest.mark.slow
def test_times_of_matroska(
    read: Callable[[str], Stream], stream_encode: Callable[[str], Path], remux: Callable[..., Path], ffmpeg: str
) -> None:
    """Matroska has no times of decoding, and ffmpeg's guesses for VVC run backwards."""
    stream = read("vvc-open.mp4")
    other = read_stream(Clip(remux(stream_encode("vvc-open.mp4"), "vvc.mkv")), ffmpeg)
    assert (other.frame_rate, other.bitrate, other.uneven) == (24, stream.bitrate, None)
    assert (other.key_frames, other.open_gop) == (stream.key_frames, stream.open_gop)
    assert stream.peak is not None
    assert other.peak is not None
    assert other.peak.bits == stream.peak.bits


@pytest.mark.slow
@pytest.mark.parametrize(("source", "name"), [("vvc-closed.mp4", "bare.vvc"), ("svt.mp4", "bare.obu")])
def test_no_times(
    source: str, name: str, stream_encode: Callable[[str], Path], remux: Callable[..., Path], ffmpeg: str
) -> None:
    """ffmpeg makes up 25 frames/s for a bare stream that states none. Nothing here relies on it."""
    path = remux(stream_encode(source), name)
    stream = read_stream(Clip(path), ffmpeg)
    assert stream.frame_rate is None
    assert stream.peak is None
    for number in ("bitrate", "peak_bitrate"):
        with pytest.raises(MeasurementError, match=r"states neither times nor a frame rate.*frame_rate=24"):
            getattr(stream, number)
    stated = read_stream(Clip(path, frame_rate=24), ffmpeg, window=0.5)
    assert stated.frame_rate == 24
    assert stated.peak_bitrate > stated.bitrate


def test_round_trip(read: Callable[[str], Stream]) -> None:
    stream = read("x264-open.mp4")
    assert Stream.from_dict(stream.to_dict()) == stream


def test_rates(stream_encode: Callable[[str], Path], ffmpeg: str) -> None:
    """The bitrate is the packets' by their time, and no window of the whole length has more than all bits."""
    path = stream_encode("x264-closed.mp4")
    stream = read_stream(Clip(path), ffmpeg, window=1.25, buffer=Buffer(1e9, 1e6))
    assert stream.bitrate == 8 * stream.size / 1.25
    assert stream.peak_bitrate == stream.bitrate
    assert stream.vbv is not None
    assert stream.vbv.packets == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x264-closed.mp4", "x264-open.mp4"])
def test_digest(
    name: str,
    read: Callable[[str], Stream],
    remux: Callable[..., Path],
    stream_encode: Callable[[str], Path],
    ffmpeg: str,
) -> None:
    """The digest is of the packets, not of the file: other metadata do not change it, other packets do."""
    other = read_stream(Clip(remux(stream_encode(name), f"again-{name}", "-metadata", "title=x")), ffmpeg)
    assert other.digest == read(name).digest
    assert other.digest != read("svt.mp4").digest
    assert len(other.part_digests) == other.packets


def test_raw(tmp_path: Path, ffmpeg: str, make: Callable[..., Path], reference: Path) -> None:
    picture = make("-i", reference, "-frames:v", 1, tmp_path / "x.png")
    raw = make("-i", reference, "-frames:v", 2, tmp_path / "x.yuv")
    y4m = make("-i", reference, "-frames:v", 2, tmp_path / "x.y4m")
    for clip in (Clip(picture), Clip(raw, width=320, height=180), Clip(y4m)):
        with pytest.raises(ClipError, match="has no stream"):
            read_stream(clip, ffmpeg)
    with pytest.raises(ClipError, match=r"must be .*, VVC, not ffv1"):
        read_stream(Clip(reference), ffmpeg)
