"""CODECS strings, compared with the specifications, the encoders' settings and ffmpeg's own manifests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import ClipError, ScorerError
from pytest_vmaf.streaming.codec_strings import codec_string, movie_codec_string

X264 = ("-c:v", "libx264", "-preset", "ultrafast")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
SVT = ("-c:v", "libsvtav1", "-preset", "10", "-svtav1-params")
AOM = ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8")
RAV1E = ("-c:v", "librav1e", "-speed", "10")
VPX = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
VVENC = ("-c:v", "libvvenc", "-preset", "faster", "-vvenc-params")
PQ = ("-vf", "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc")
BT709 = ("-vf", "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv")

#: By file name: the encoder's settings, and what follows from them by the codec's specification. Pictures of 128x72 at
#: 25 frames/s have VP9's and AV1's lowest levels, 1 and 2.0 (index 0); rav1e writes the level without limits, 31.
ENCODES: dict[str, tuple[tuple[str, ...], str]] = {
    "baseline.mp4": ((*X264, "-profile:v", "baseline", "-level", "3.0"), "avc1.42c01e"),
    "main.mkv": ((*X264, "-profile:v", "main", "-level", "4.0", "-coder", "ac"), "avc1.4d4028"),
    "high.mp4": (("-c:v", "libx264", "-preset", "faster", "-profile:v", "high", "-level", "3.1"), "avc1.64001f"),
    "high.264": (("-c:v", "libx264", "-preset", "faster", "-profile:v", "high", "-level", "5.1"), "avc1.640033"),
    "high10.mkv": ((*X264, "-pix_fmt", "yuv420p10le", "-level", "4.1"), "avc1.6e0029"),
    "high422.mp4": ((*X264, "-pix_fmt", "yuv422p10le", "-level", "4.1"), "avc1.7a0029"),
    "high444.mp4": ((*X264, "-pix_fmt", "yuv444p", "-level", "4.1"), "avc1.f40029"),
    "main.mp4": ((*X265, "log-level=error:level-idc=4.0:high-tier=0"), "hvc1.1.6.L120.90"),
    "main10-high-tier.mkv": (
        (*X265, "log-level=error:level-idc=5.1:high-tier=1", "-pix_fmt", "yuv420p10le"),
        "hvc1.2.4.H153.90",
    ),
    "main10.265": (
        (*X265, "log-level=error:level-idc=3.1:high-tier=0", "-pix_fmt", "yuv420p10le"),
        "hvc1.2.4.L93.90",
    ),
    # Range extensions: at most 12 and 10 bits, 4:2:2, lower bit rate.
    "main422-10.mp4": (
        (*X265, "log-level=error:level-idc=4.0:high-tier=0", "-pix_fmt", "yuv422p10le"),
        "hvc1.4.10.L120.9D.8",
    ),
    "svt.mp4": ((*SVT, "level=51", "-pix_fmt", "yuv420p10le"), "av01.0.13M.10"),
    "svt.ivf": ((*SVT, "level=40", "-pix_fmt", "yuv420p"), "av01.0.08M.08"),
    "aom.webm": (AOM, "av01.0.00M.08"),
    "aom-709.mp4": ((*BT709, *AOM), "av01.0.00M.08"),
    "aom-pq.mp4": ((*PQ, *AOM, "-pix_fmt", "yuv420p10le"), "av01.0.00M.10.0.110.09.16.09.0"),
    "aom-444.mkv": ((*AOM, "-pix_fmt", "yuv444p"), "av01.1.00M.08.0.000.01.01.01.0"),
    "aom-grey.mp4": ((*AOM, "-pix_fmt", "gray"), "av01.0.00M.08.1.110.01.01.01.0"),
    "aom-12.mkv": ((*AOM, "-pix_fmt", "yuv422p12le"), "av01.2.00M.12.0.100.01.01.01.0"),
    "rav1e.mp4": (RAV1E, "av01.0.31M.08"),
    "rav1e-pq.ivf": ((*PQ, *RAV1E, "-pix_fmt", "yuv420p10le"), "av01.0.31M.10.0.110.09.16.09.0"),
    "vp9.webm": (VPX, "vp09.00.10.08"),
    "vp9.mp4": (VPX, "vp09.00.10.08"),
    "vp9.ivf": (VPX, "vp09.00.10.08"),
    "vp9-full-range.webm": ((*VPX, "-color_range", "pc"), "vp09.00.10.08.01.02.02.02.01"),
    "vp9-444.webm": ((*VPX, "-pix_fmt", "yuv444p"), "vp09.01.10.08.03.02.02.02.00"),
    "vp9-pq.mkv": ((*PQ, *VPX, "-pix_fmt", "yuv420p10le"), "vp09.02.10.10.01.09.16.09.00"),
    "vp9-422.webm": ((*VPX, "-pix_fmt", "yuv422p10le"), "vp09.03.10.10.02.02.02.02.00"),
    "vvc.mp4": ((*VVENC, "level=4.1:tier=high", "-pix_fmt", "yuv420p10le"), "vvc1.1.H67.CQA"),
    "vvc.266": ((*VVENC, "level=5.1:tier=main", "-pix_fmt", "yuv420p10le"), "vvc1.1.L83.CQA"),
}
#: By sample entry: the encode that is copied into other containers.
FAMILIES = {
    "avc1": "high.mp4",
    "hvc1": "main10-high-tier.mkv",
    "av01": "aom-pq.mp4",
    "vp09": "vp9-pq.mkv",
    "vvc1": "vvc.mp4",
}
SOURCE = ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=25")


def encoding(name: str) -> tuple[object, ...]:
    """The arguments of the output that is one of ENCODES."""
    arguments, _ = ENCODES[name]
    pixels = () if "-pix_fmt" in arguments else ("-pix_fmt", "yuv420p")
    return ("-frames:v", 8, *arguments, *pixels)


@pytest.fixture(scope="module")
def codec_clip(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """codec_clip("high.mp4"): one of ENCODES, made once."""
    folder = tmp_path_factory.mktemp("codecs")

    def encode(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make(*SOURCE, *encoding(name), path)

    return encode


def test_encoder_settings(codec_clip, ffmpeg):
    for name in ("high.mp4", "high.264"):
        assert codec_string(codec_clip(name), ffmpeg) == ENCODES[name][1]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_family(family, make, ffmpeg, tmp_path):
    """What the encoder's settings imply, what ffmpeg's manifest has, and the same in other containers."""
    expected = {name: codecs for name, (_, codecs) in ENCODES.items() if codecs.startswith(family)}
    # One process encodes them all, each for a file and for a manifest: of a file the DASH muxer cannot name HEVC. It
    # cannot name VVC at all.
    outputs: list[object] = []
    for name in expected:
        outputs += [*encoding(name), tmp_path / name]
        folder = tmp_path / f"{name} as DASH"
        folder.mkdir()
        tag = ("-tag:v", "hvc1") if family == "hvc1" else ()
        outputs += [*encoding(name), *tag, "-f", "dash", folder / "ffmpeg.mpd"] if family != "vvc1" else []
    make(*SOURCE, *outputs)
    ours = {name: codec_string(tmp_path / name, ffmpeg) for name in expected}
    assert ours == expected
    for name in expected if family != "vvc1" else ():
        manifest = (tmp_path / f"{name} as DASH" / "ffmpeg.mpd").read_text()
        theirs, codecs = re.search(r'codecs="([^"]+)"', manifest)[1].lower(), ours[name].lower()
        # ffmpeg writes AV1's defaults out, and no optional fields for VP9 and, after the first byte, HEVC.
        assert codecs.startswith(theirs.removesuffix(".0.110.01.01.01.0"))
        if codecs.startswith(("avc1", "hvc1.1.", "hvc1.2.")):
            assert codecs == theirs
    copies = [tmp_path / "copy.mp4", tmp_path / "copy.mkv"]
    make("-i", tmp_path / FAMILIES[family], *(word for copy in copies for word in ("-c", "copy", copy)))
    assert {codec_string(copy, ffmpeg) for copy in copies} == {expected[FAMILIES[family]]}


def test_first_video_stream(codec_clip, make, ffmpeg, tmp_path):
    both = make(
        *(
            "-f",
            "lavfi",
            "-i",
            "sine=duration=1",
            "-i",
            codec_clip("high.mp4"),
            "-i",
            codec_clip("main10-high-tier.mkv"),
        ),
        *("-map", "0:a", "-map", "1:v", "-map", "2:v", "-c:v", "copy", tmp_path / "both.mkv"),
    )
    assert codec_string(both, ffmpeg) == "avc1.64001f"


def test_encode_untouched(codec_clip, ffmpeg):
    path = codec_clip("high.mp4")
    before = path.read_bytes(), sorted(path.parent.iterdir())
    codec_string(path, ffmpeg)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


# Errors


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("a.mp4", ("-c:v", "mpeg4"), r"has no CODECS string\. The codec must be H\.264, .*, not 'mp4v'"),
        ("a.mkv", ("-c:v", "huffyuv", "-pix_fmt", "yuv422p"), r"video that MP4 supports(.|\n)*Could not find tag"),
        ("a.mka", ("-vn",), "has no video that MP4 supports"),
    ],
)
def test_unsupported_codec(file, options, message, make, ffmpeg, tmp_path):
    scene = ("-f", "lavfi", "-i", "testsrc2=size=64x36:duration=0.1", "-f", "lavfi", "-i", "sine=duration=0.1")
    with pytest.raises(ClipError, match=rf"{file} .*{message}"):
        codec_string(make(*scene, *options, tmp_path / file), ffmpeg)


def test_not_a_video(ffmpeg, tmp_path, codec_clip):
    (tmp_path / "text.mp4").write_text("no video\n" * 99)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {codec_clip('high.mp4')}\n")
    with pytest.raises(ClipError, match=r"text\.mp4 has no video that MP4 supports"):
        codec_string(tmp_path / "text.mp4", ffmpeg)
    with pytest.raises(ClipError, match=r"list\.mp4 is a concat script"):
        codec_string(tmp_path / "list.mp4", ffmpeg)
    with pytest.raises(ClipError, match="is empty"):
        codec_string(tmp_path / "empty.mp4", ffmpeg)
    with pytest.raises(ClipError, match="does not exist"):
        codec_string(tmp_path / "missing.mp4", ffmpeg)


def test_timeout(codec_clip, ffmpeg):
    with pytest.raises(ScorerError, match="time limit"):
        codec_string(codec_clip("high.mp4"), ffmpeg, timeout=1e-6)


# Headers

CODECS = re.compile(r"(avc1|hvc1|av01|vp09|vvc1)(\.[A-Za-z0-9]+)+")


def box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4) + kind + body


def head_of(*configuration: bytes, fixed: int = 78) -> bytes:
    """The header of a file with one track whose sample entry has these boxes after its fixed fields."""
    head = box(b"stsd", bytes(7) + b"\1" + box(b"xxxx", bytes(fixed) + b"".join(configuration)))
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        head = box(name, head)
    return head


def read(head: bytes) -> str | None:
    """The CODECS string, or None if the head is refused with a ClipError."""
    try:
        return movie_codec_string(head)
    except ClipError:
        return None


PQ_NARROW = box(b"colr", b"nclx" + bytes.fromhex("0009 0010 0009 00"))
#: Configuration box, record, further boxes, expected string.
SPECIFIED = [
    ("avcC", "01 64 00 1f", b"", "avc1.64001f"),
    # The example of the AV1 binding: 4:2:0 co-located with luma, BT.2100 PQ; and the same in the high tier.
    ("av1C", "81 04 4e 00", PQ_NARROW, "av01.0.04M.10.0.112.09.16.09.0"),
    ("av1C", "81 0d ce 00", PQ_NARROW, "av01.0.13H.10.0.112.09.16.09.0"),
    (
        "av1C",
        "81 04 4c 00",
        box(b"colr", b"nclx" + bytes.fromhex("0001 0001 0001 80")),
        "av01.0.04M.10.0.110.01.01.01.1",
    ),
    # Monochrome; 12 bit 4:2:2.
    ("av1C", "81 00 1c 00", b"", "av01.0.00M.08.1.110.01.01.01.0"),
    ("av1C", "81 40 68 00", b"", "av01.2.00M.12.0.100.01.01.01.0"),
    # A colour profile, and unspecified code points.
    ("av1C", "81 04 4c 00", box(b"colr", b"prof" + bytes(20)), "av01.0.04M.10"),
    ("av1C", "81 04 4c 00", box(b"colr", b"nclx" + bytes.fromhex("0002 0002 0002 00")), "av01.0.04M.10"),
    # The examples of the VP binding; full range and nothing else.
    ("vpcC", "01 000000 02 0a a3 09 10 09 0000", b"", "vp09.02.10.10.01.09.16.09.01"),
    ("vpcC", "01 000000 00 0a 82 01 01 01 0000", b"", "vp09.00.10.08"),
    ("vpcC", "01 000000 00 0a 82 02 02 02 0000", b"", "vp09.00.10.08"),
    ("vpcC", "01 000000 00 0a 83 02 02 02 0000", b"", "vp09.00.10.08.01.02.02.02.01"),
    # ISO/IEC 14496-15 E.3: a profile space, and zeros between constraints that are not.
    ("hvcC", "01 41 60000000 b00000000000 5d", b"", "hvc1.A1.6.L93.B0"),
    ("hvcC", "01 c4 08000000 900000000100 99", b"", "hvc1.C4.10.L153.90.0.0.0.1"),
    ("hvcC", "01 21 60000000 000000000000 5d", b"", "hvc1.1.6.H93"),
    # ISO/IEC 14496-15 E.6: CQA is a frame-only stream, CYA one of several layers besides.
    ("vvcC", "00000000 ff 0065 5f 01 02 33 80", b"", "vvc1.1.L51.CQA"),
    ("vvcC", "00000000 ff 0065 5f 01 22 53 c0", b"", "vvc1.17.L83.CYA"),
    ("vvcC", "00000000 ff 0065 5f 03 02 33 800000", b"", "vvc1.1.L51.CQA"),
    ("vvcC", "00000000 ff 0065 5f 01 03 33 80", b"", "vvc1.1.H51.CQA"),
    ("vvcC", "00000000 ff 0065 5f 02 02 33 0000", b"", "vvc1.1.L51.CAA"),
]
HEADS = [head_of(box(kind.encode(), bytes.fromhex(record)), rest) for kind, record, rest, _ in SPECIFIED]


@pytest.mark.parametrize(("head", "expected"), [(head, row[3]) for head, row in zip(HEADS, SPECIFIED, strict=True)])
def test_specifications(head, expected):
    assert movie_codec_string(head) == expected


@pytest.mark.parametrize(
    ("kind", "record", "message"),
    [
        ("avcC", "01 64 00", "must have 4 bytes, not 3"),
        ("vpcC", "00 000000 02 0a a3 09 10 09 0000", "must have version 1, not 0"),
        ("vvcC", "00000000 fe 0065 5f 01 02 33 80", "has no profile and level"),
        ("vvcC", "00000000 ff 0065 5f 04 02 33 8000", "cut off: 2 of 4 bytes of constraints"),
        ("vvcC", "00000000 ff 0065 5f 00 02 33 8000", "cut off: 0 of 0 bytes of constraints"),
    ],
)
def test_configuration_invalid(kind, record, message):
    with pytest.raises(ClipError, match=message):
        movie_codec_string(head_of(box(kind.encode(), bytes.fromhex(record))))


def test_track_without_pictures():
    with pytest.raises(ClipError, match="The first track is not video"):
        movie_codec_string(head_of(fixed=77))
    with pytest.raises(ClipError, match=r"must be H\.264, .*, not 'xxxx'"):
        movie_codec_string(head_of())


def test_header_cut_off():
    for head in HEADS:
        assert {read(head[:length]) for length in range(len(head))} == {None}


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_header_damaged(data):
    head = bytearray(data.draw(st.sampled_from(HEADS)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(head) - 1))
        head[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    name = read(bytes(head))
    assert name is None or CODECS.fullmatch(name)


@settings(max_examples=30)
@given(kind=st.sampled_from([b"avcC", b"hvcC", b"av1C", b"vpcC", b"vvcC"]), record=st.binary(max_size=40))
def test_configuration_of_any_bytes(kind, record):
    name = read(head_of(box(kind, record)))
    assert name is None or CODECS.fullmatch(name)
