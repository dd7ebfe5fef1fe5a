"""codec_string: what an encode is coded as, against what its encoder was told and what ffmpeg's own muxers write."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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

#: By file name: what the encoder is told, and what follows from it by the codec's specification. Pictures of 128x72 at
#: 25 frames/s are of VP9's and AV1's lowest levels, 1 and 2.0 (index 0); rav1e writes the level without limits, 31.
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


def encoding(name: str) -> tuple[object, ...]:
    """The arguments that make one of ENCODES."""
    arguments, _ = ENCODES[name]
    pixels = () if "-pix_fmt" in arguments else ("-pix_fmt", "yuv420p")
    return ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=25", "-frames:v", 8, *arguments, *pixels)


@pytest.fixture(scope="module")
def made(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """made("high.mp4"): one of ENCODES, made once."""
    folder = tmp_path_factory.mktemp("codecs")

    def encode(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make(*encoding(name), path)

    return encode


@pytest.mark.parametrize("name", ENCODES)
def test_says_what_the_encoder_was_told(name, made, ffmpeg):
    assert codec_string(made(name), ffmpeg) == ENCODES[name][1]


@pytest.mark.parametrize("name", [name for name in ENCODES if not name.startswith("vvc")])
def test_agrees_with_the_manifest_that_ffmpeg_writes_itself(name, made, ffmpeg, make, tmp_path):
    # Straight from the encoder: out of a file the DASH muxer cannot name HEVC.
    tag = ("-tag:v", "hvc1") if ENCODES[name][1].startswith("hvc1") else ()
    manifest = make(*encoding(name), *tag, "-f", "dash", tmp_path / "ffmpeg.mpd").read_text()
    theirs = re.search(r'codecs="([^"]+)"', manifest)[1].lower()
    ours = codec_string(made(name), ffmpeg).lower()
    # ffmpeg writes AV1's defaults out, and no optional fields for VP9 and, after the first byte, HEVC.
    assert ours.startswith(theirs.removesuffix(".0.110.01.01.01.0"))
    if ours.startswith(("avc1", "hvc1.1.", "hvc1.2.")):
        assert ours == theirs


@pytest.mark.parametrize("name", ["high.mp4", "main10-high-tier.mkv", "aom-pq.mp4", "vp9-pq.mkv", "vvc.mp4"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_does_not_depend_on_the_container(name, suffix, made, make, ffmpeg, tmp_path):
    again = make("-i", made(name), "-c", "copy", tmp_path / f"again.{suffix}")
    assert codec_string(again, ffmpeg) == ENCODES[name][1]


def test_reads_the_first_video_stream_behind_sound(made, make, ffmpeg, tmp_path):
    both = make(
        *("-f", "lavfi", "-i", "sine=duration=1", "-i", made("high.mp4"), "-i", made("main.mp4")),
        *("-map", "0:a", "-map", "1:v", "-map", "2:v", "-c:v", "copy", tmp_path / "both.mkv"),
    )
    assert codec_string(both, ffmpeg) == "avc1.64001f"


def test_leaves_the_encode_and_its_folder_alone(made, ffmpeg):
    path = made("high.mp4")
    before = path.read_bytes(), sorted(path.parent.iterdir())
    codec_string(path, ffmpeg)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


# What cannot be named


def test_a_codec_that_no_manifest_is_written_for_is_an_error(make, reference, ffmpeg, tmp_path):
    path = make("-i", reference, "-c:v", "mpeg4", "-frames:v", 3, tmp_path / "a.mp4")
    with pytest.raises(ClipError, match=r"a\.mp4: its codec cannot be named\. It is coded as 'mp4v'; manifests are"):
        codec_string(path, ffmpeg)


def test_a_codec_that_mp4_cannot_hold_is_an_error(make, reference, ffmpeg, tmp_path):
    path = make("-i", reference, "-c:v", "huffyuv", "-pix_fmt", "yuv422p", "-frames:v", 3, tmp_path / "a.mkv")
    with pytest.raises(ClipError, match=r"a\.mkv has no video that can be put into MP4(.|\n)*Could not find tag"):
        codec_string(path, ffmpeg)


def test_sound_alone_is_an_error(make, ffmpeg, tmp_path):
    path = make("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "a.mka")
    with pytest.raises(ClipError, match=r"a\.mka has no video"):
        codec_string(path, ffmpeg)


def test_a_file_that_is_no_video_missing_or_empty_is_an_error(ffmpeg, tmp_path):
    (tmp_path / "text.mp4").write_text("no video\n" * 99)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ClipError, match=r"text\.mp4 has no video that can be put into MP4"):
        codec_string(tmp_path / "text.mp4", ffmpeg)
    with pytest.raises(ClipError, match="is empty"):
        codec_string(tmp_path / "empty.mp4", ffmpeg)
    with pytest.raises(ClipError, match="does not exist"):
        codec_string(tmp_path / "missing.mp4", ffmpeg)


def test_a_playlist_is_not_followed(made, ffmpeg, tmp_path):
    (tmp_path / "a.mp4").write_text(f"ffconcat version 1.0\nfile {made('high.mp4')}\n")
    with pytest.raises(ClipError, match=r"a\.mp4 has no video"):
        codec_string(tmp_path / "a.mp4", ffmpeg)


def test_the_time_limit_holds(made, ffmpeg):
    with pytest.raises(ScorerError, match="time limit"):
        codec_string(made("high.mp4"), ffmpeg, timeout=1e-6)


# Damaged headers

#: One of each kind of configuration.
KINDS = ("high.mp4", "main422-10.mp4", "aom-pq.mp4", "vp9-pq.mkv", "vvc.mp4")
CODECS = re.compile(r"(avc1|hvc1|av01|vp09|vvc1)(\.[A-Za-z0-9]+)+")


@pytest.fixture(scope="module")
def heads(made, ffmpeg) -> list[bytes]:
    """The first bytes of fragmented MP4 files of all KINDS, up to their pictures."""

    def head(path: Path) -> bytes:
        argv = [ffmpeg, "-nostdin", "-loglevel", "error", "-i", path, "-c", "copy", "-f", "mp4"]
        argv += ["-movflags", "+frag_keyframe+delay_moov", "pipe:1"]
        data = subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
        return data[: data.index(b"moof") - 4]

    return [head(made(name)) for name in KINDS]


def named(head: bytes) -> str | None:
    """The codec string, or None where the head is refused with a sentence."""
    try:
        return movie_codec_string(head)
    except ClipError:
        return None


def test_whole_headers_are_read(heads):
    assert [named(head) for head in heads] == [ENCODES[name][1] for name in KINDS]


def test_a_header_that_is_cut_off_anywhere_is_refused(heads):
    for head in heads:
        assert {named(head[:length]) for length in range(len(head))} == {None}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=st.data())
def test_a_damaged_header_is_read_or_refused(heads, data):
    head = bytearray(data.draw(st.sampled_from(heads)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(head) - 1))
        head[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    found = named(bytes(head))
    assert found is None or CODECS.fullmatch(found)


def box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4) + kind + body


def head_of(*configuration: bytes, fixed: int = 78) -> bytes:
    """The header of a file with one track whose sample entry has these boxes after its fixed fields."""
    head = box(b"stsd", bytes(7) + b"\1" + box(b"xxxx", bytes(fixed) + b"".join(configuration)))
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        head = box(name, head)
    return head


PQ_NARROW = box(b"colr", b"nclx" + bytes.fromhex("0009 0010 0009 00"))


@pytest.mark.parametrize(
    ("kind", "record", "rest", "expected"),
    [
        # The example of the AV1 binding: 4:2:0 co-located with luma, BT.2100 PQ; and the same in the high tier.
        ("av1C", "81 04 4e 00", PQ_NARROW, "av01.0.04M.10.0.112.09.16.09.0"),
        ("av1C", "81 0d ce 00", PQ_NARROW, "av01.0.13H.10.0.112.09.16.09.0"),
        (
            "av1C",
            "81 04 4c 00",
            box(b"colr", b"nclx" + bytes.fromhex("0001 0001 0001 80")),
            "av01.0.04M.10.0.110.01.01.01.1",
        ),
        # A colour profile, and one that says nothing.
        ("av1C", "81 04 4c 00", box(b"colr", b"prof" + bytes(20)), "av01.0.04M.10"),
        ("av1C", "81 04 4c 00", box(b"colr", b"nclx" + bytes.fromhex("0002 0002 0002 00")), "av01.0.04M.10"),
        # The examples of the VP binding.
        ("vpcC", "01 000000 02 0a a3 09 10 09 0000", b"", "vp09.02.10.10.01.09.16.09.01"),
        ("vpcC", "01 000000 00 0a 82 01 01 01 0000", b"", "vp09.00.10.08"),
        # ISO/IEC 14496-15 E.3: a profile space, and zeros between constraints that are not.
        ("hvcC", "01 41 60000000 b00000000000 5d", b"", "hvc1.A1.6.L93.B0"),
        ("hvcC", "01 c4 08000000 900000000100 99", b"", "hvc1.C4.10.L153.90.0.0.0.1"),
        ("hvcC", "01 21 60000000 000000000000 5d", b"", "hvc1.1.6.H93"),
        # ISO/IEC 14496-15 E.6: CQA is a frame-only stream, CYA one of several layers besides.
        ("vvcC", "00000000 ff 0065 5f 01 02 33 80", b"", "vvc1.1.L51.CQA"),
        ("vvcC", "00000000 ff 0065 5f 01 22 53 c0", b"", "vvc1.17.L83.CYA"),
        ("vvcC", "00000000 ff 0065 5f 03 02 33 800000", b"", "vvc1.1.L51.CQA"),
        ("vvcC", "00000000 ff 0065 5f 02 02 33 0000", b"", "vvc1.1.L51.CAA"),
    ],
)
def test_says_what_the_specifications_say(kind, record, rest, expected):
    assert movie_codec_string(head_of(box(kind.encode(), bytes.fromhex(record)), rest)) == expected


@pytest.mark.parametrize(
    ("kind", "record", "why"),
    [
        ("avcC", "01 64 00", "has 3 bytes, and needs 4"),
        ("vpcC", "00 000000 02 0a a3 09 10 09 0000", "is of version 0, not 1"),
        ("vvcC", "00000000 fe 0065 5f 01 02 33 80", "says no profile and level"),
        ("vvcC", "00000000 ff 0065 5f 04 02 33 8000", "cut off: 2 of 4 bytes of constraints"),
        ("vvcC", "00000000 ff 0065 5f 00 02 33 8000", "cut off: 0 of 0 bytes of constraints"),
    ],
)
def test_a_configuration_that_says_too_little_is_refused(kind, record, why):
    with pytest.raises(ClipError, match=why):
        movie_codec_string(head_of(box(kind.encode(), bytes.fromhex(record))))


def test_a_track_without_pictures_is_refused():
    with pytest.raises(ClipError, match="It describes no pictures"):
        movie_codec_string(head_of(fixed=77))
    with pytest.raises(ClipError, match="It is coded as 'xxxx'"):
        movie_codec_string(head_of())


@given(kind=st.sampled_from([b"avcC", b"hvcC", b"av1C", b"vpcC", b"vvcC"]), record=st.binary(max_size=40))
def test_any_configuration_is_read_or_refused(kind, record):
    found = named(head_of(box(kind, record)))
    assert found is None or CODECS.fullmatch(found)
