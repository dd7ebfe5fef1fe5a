"""Which ffmpeg is used, and what it finds in a clip."""

from __future__ import annotations

import re
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from pytest_vmaf.errors import ClipError, ScorerError
from pytest_vmaf.media import ffmpeg as module
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import DAMAGED, find_ffmpeg
from pytest_vmaf.media.inspect import THUMBNAIL, _from_json, _read_count, _to_json, count_frames, inspect

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs scripts that begin with #!")
FRAME = THUMBNAIL[0] * THUMBNAIL[1]


@pytest.fixture
def pretender(tmp_path):
    """pretender(name, text): a program that answers everything with this text."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name / "ffmpeg"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        path.chmod(0o755)
        return str(path)

    return write


WITH = "ffmpeg version n7.1 Copyright\nconfiguration: --enable-gpl --enable-libvmaf"
WITHOUT = "ffmpeg version n6.0 Copyright\nconfiguration: --enable-gpl"


def test_embedded_before_path(monkeypatch, pretender):
    monkeypatch.setenv("PATH", str(Path(pretender("on-path", WITH)).parent), prepend=":")
    used = find_ffmpeg()
    assert used.origin == "embedded"
    assert used.has_libvmaf
    assert used.version


@posix
def test_libvmaf_first(monkeypatch, pretender):
    monkeypatch.setattr(module, "_embedded", lambda: pretender("embedded", WITHOUT))
    monkeypatch.setenv("PATH", str(Path(pretender("on-path", WITH)).parent), prepend=":")
    used = find_ffmpeg()
    assert (used.origin, used.version, used.has_libvmaf) == ("PATH", "n7.1", True)


@posix
def test_without_libvmaf_as_fallback(monkeypatch, pretender):
    monkeypatch.setattr(module, "_embedded", lambda: pretender("embedded", WITHOUT))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    used = find_ffmpeg()
    assert (used.origin, used.has_libvmaf) == ("embedded", False)


def test_none_at_all_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "_embedded", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ScorerError, match=r"No ffmpeg was found\.\n.*--vmaf-ffmpeg=PATH(.|\n)*imageio-ffmpeg"):
        find_ffmpeg()


@posix
def test_named_without_libvmaf(pretender):
    path = pretender("named", WITHOUT)
    assert find_ffmpeg(path) == module.Ffmpeg(path, "n6.0", False, "named")


def test_named_missing():
    with pytest.raises(ScorerError, match=r"The ffmpeg '/nowhere/ffmpeg' does not exist or cannot be run"):
        find_ffmpeg("/nowhere/ffmpeg")


@posix
@pytest.mark.parametrize("text", ["", "hello", "ffprobe version n7.1"])
def test_not_an_ffmpeg(pretender, text):
    with pytest.raises(ScorerError, match="does not answer -version like an ffmpeg"):
        find_ffmpeg(pretender("other", text))


@posix
def test_replaced_binary(pretender):
    path = Path(pretender("named", WITHOUT))
    assert not find_ffmpeg(str(path)).has_libvmaf
    path.write_text(path.read_text().replace("--enable-gpl", "--enable-libvmaf"))
    assert find_ffmpeg(str(path)).has_libvmaf


@posix
def test_scoring_without_libvmaf(pretender, score, reference):
    with pytest.raises(ScorerError, match=r"ffmpeg \(n6\.0\) was built without libvmaf\.\n.*--vmaf-ffmpeg"):
        score(reference, reference, ffmpeg=pretender("named", WITHOUT))


# Inspection


def test_inspect(reference, ffmpeg):
    video = inspect(Clip(reference), ffmpeg, 16)
    assert (video.width, video.height, video.pix_fmt, video.frame_rate) == (320, 180, "yuv420p", 25)
    assert not video.interlaced
    assert not video.is_picture
    assert video.format.kind == "yuv"
    assert len(video.thumbnails) == 16 * FRAME
    assert len({video.thumbnails[n : n + FRAME] for n in range(0, 16 * FRAME, FRAME)}) == 16


def test_inspect_short_clip(reference, ffmpeg):
    assert len(inspect(Clip(reference), ffmpeg, 240).thumbnails) == 24 * FRAME
    assert len(inspect(Clip(reference), ffmpeg, 1).thumbnails) == FRAME


@pytest.mark.parametrize(
    ("stated", "expected", "form"),
    [
        ("24000/1001", Fraction(24000, 1001), "mkv"),
        ("24000/1001", Fraction(24000, 1001), "mp4"),
        ("60", Fraction(60), "y4m"),
        ("1", Fraction(1), "mp4"),
    ],
)
def test_inspect_frame_rate(make, tmp_path, ffmpeg, stated, expected, form):
    path = make("-f", "lavfi", "-i", f"testsrc2=size=64x48:rate={stated}", "-frames:v", 8, tmp_path / f"a.{form}")
    rate = inspect(Clip(path), ffmpeg, 4).frame_rate
    assert rate is not None
    assert abs(rate - expected) <= expected / 2000


def test_stated_frame_rate(reference, ffmpeg):
    assert inspect(Clip(reference, frame_rate="30000/1001"), ffmpeg, 4).frame_rate == Fraction(30000, 1001)


def test_raw_frame_rate(make, reference, tmp_path, ffmpeg):
    path = make("-i", reference, tmp_path / "a.yuv")
    raw = {"width": 320, "height": 180, "pix_fmt": "yuv420p"}
    assert inspect(Clip(path, **raw), ffmpeg, 4).frame_rate is None
    assert inspect(Clip(path, **raw, frame_rate=50), ffmpeg, 4).frame_rate == 50
    assert count_frames(Clip(path, **raw, frame_rate=50), ffmpeg) == 24


def test_inspect_colour_tags(make, reference, tmp_path, ffmpeg):
    tags = "setparams=range=pc:colorspace=bt2020nc:color_trc=smpte2084:color_primaries=bt2020"
    path = make("-i", reference, "-vf", tags, "-frames:v", 2, "-c:v", "libx264", tmp_path / "a.mp4")
    video = inspect(Clip(path), ffmpeg, 2)
    assert (video.color_range, video.matrix) == ("pc", "bt2020nc")
    assert (video.transfer, video.primaries) == ("smpte2084", "bt2020")


@posix
def test_mixed_colour_line_is_ignored(make, reference, tmp_path, ffmpeg):
    tags = "setparams=range=tv:colorspace=bt709:color_trc=bt709:color_primaries=bt709"
    tagged = make("-i", reference, "-vf", tags, "-frames:v", 2, "-c:v", "libx264", tmp_path / "a.mp4")
    mixed = '!n && sub(/color_trc.*/, "&Terminating thread with return code 0") { n = 1 } { print }'
    wrapper = tmp_path / "ffmpeg"
    wrapper.write_text(f"#!/bin/sh\n{{ '{ffmpeg}' \"$@\" 2>&1 >&3 | awk '{mixed}' >&2; }} 3>&1\n")
    wrapper.chmod(0o755)
    assert inspect(Clip(tagged), str(wrapper), 2).transfer == "bt709"


def test_inspect_that_nothing_is_tagged(reference, ffmpeg):
    video = inspect(Clip(reference), ffmpeg, 2)
    assert (video.matrix, video.transfer, video.primaries) == ("unknown",) * 3
    assert video.color_range in ("unknown", "tv")


def test_inspect_what_wrote_the_stream(make, reference, encoded, tmp_path, ffmpeg):
    encoder = inspect(Clip(encoded), ffmpeg, 1).encoder
    assert re.fullmatch(r"Lavc\d+\.\d+\.\d+ libx264", encoder)
    with_sound = make("-f", "lavfi", "-i", "sine", "-i", encoded, "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-t", 1,
                      tmp_path / "sound.mkv")  # fmt: skip
    assert inspect(Clip(with_sound), ffmpeg, 1).encoder in ("", encoder)
    bare = make("-i", encoded, "-c", "copy", "-f", "h264", tmp_path / "a.264")
    assert inspect(Clip(bare), ffmpeg, 1).encoder == ""


def test_inspect_rotation(make, encoded, tmp_path, ffmpeg):
    path = make("-display_rotation", 90, "-i", encoded, "-c", "copy", tmp_path / "a.mp4")
    video = inspect(Clip(path), ffmpeg, 2)
    assert (video.width, video.height) == (180, 320)


def test_inspect_interlaced_frames(make, reference, tmp_path, ffmpeg):
    interlaced = ("-vf", "setfield=tff", "-flags", "+ildct+ilme")
    path = make("-i", reference, *interlaced, "-c:v", "libx264", tmp_path / "a.mp4")
    assert inspect(Clip(path), ffmpeg, 2).interlaced


@pytest.mark.parametrize(
    ("source", "kind"), [("rgb24", "rgb"), ("gbrp", "rgb"), ("pal8", "rgb"), ("gray", "grey"), ("monow", "grey")]
)
def test_inspect_what_is_not_yuv(make, tmp_path, ffmpeg, source, kind):
    scene = f"testsrc2=size=64x48,format={source}"
    path = make("-f", "lavfi", "-i", scene, "-frames:v", 1, "-c:v", "rawvideo", tmp_path / "a.nut")
    assert inspect(Clip(path), ffmpeg, 1).format.kind == kind


def test_count_variable_rate(make, reference, tmp_path, ffmpeg):
    dropped = ("-vf", "select='mod(n,3)'", "-fps_mode", "passthrough")
    path = make("-i", reference, *dropped, "-c:v", "ffv1", tmp_path / "a.mkv")
    assert count_frames(Clip(path), ffmpeg) == 16


def test_audio_alone_is_no_clip(make, tmp_path, ffmpeg):
    path = make("-f", "lavfi", "-i", "sine=duration=0.2", "-c:a", "aac", tmp_path / "a.mp4")
    for read in (lambda: inspect(Clip(path), ffmpeg, 2), lambda: count_frames(Clip(path), ffmpeg)):
        with pytest.raises(ClipError, match=r"a\.mp4 has no video stream"):
            read()


def test_video_after_sound(make, encoded, tmp_path, ffmpeg):
    sound = ("-f", "lavfi", "-i", "sine=duration=5")
    path = make(*sound, "-i", encoded, "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "aac", tmp_path / "a.mkv")
    assert count_frames(Clip(path), ffmpeg) == 24


@pytest.mark.parametrize("content", [b"hello\n", bytes(4096), b"\x1aE\xdf\xa3" + bytes(4000), b"YUV4MPEG2 W0 H0\n"])
def test_file_without_pictures(tmp_path, ffmpeg, content):
    path = tmp_path / "a.mkv"
    path.write_bytes(content)
    with pytest.raises(
        ClipError, match=r"a\.mkv (cannot be decoded as video|is a playlist|has no video)(.|\n)*last lines were"
    ):
        inspect(Clip(path), ffmpeg, 2)


def test_container_without_frames(tmp_path, ffmpeg):
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n")
    with pytest.raises(ClipError, match=r"a\.y4m contains no frames"):
        inspect(Clip(path), ffmpeg, 2)


# The cache


def test_inspection_as_json(reference, ffmpeg):
    video = inspect(Clip(reference), ffmpeg, 2)
    data = _to_json(video)
    assert _from_json(Clip(reference), data) == video
    assert _from_json(Clip(reference), {**data, "frame_rate": None, "duration": None}).frame_rate is None
    assert _from_json(Clip(reference), {**data, "encoder": "a\x1b[2J"}).encoder == r"a\x1b[2J"
    for change in (
        {"width": 0},
        {"streams": -1},
        {"height": 1 << 21},
        {"width": True},
        {"interlaced": 1},
        {"frame_rate": "0/1"},
        {"frame_rate": "-25"},
        {"thumbnails": ""},
        {"thumbnails": "AAAA"},
        {"pix_fmt": None},
        {"more": 1},
    ):
        with pytest.raises(ValueError, match=r"^inspection"):
            _from_json(Clip(reference), {**data, **change})


@pytest.mark.parametrize("data", [-1, 2.0, True, "24", None])
def test_broken_frame_count(data):
    with pytest.raises(ValueError, match=r"^count must"):
        _read_count(data)


@pytest.mark.parametrize(
    "line",
    [
        "[ffv1 @ 0x55b7] slice CRC mismatch D173218D!at 0.200000 seconds",
        "[ffv1 @ 0x55b7] [ffv1 @ 0x55b8] slice CRC mismatch D173218D!",
        "[Parsed_showinfo_1 @ 0x1] n:   3 pts:      3 slice CRC mismatch D173218D!at 0.200000 seconds",
        "slice CRC mismatch D173218D!at 0.200000 seconds",
        "[h264 @ 0x1] concealing 139 DC, 139 AC, 139 MV errors in B frame",
        "[matroska,webm @ 0x1] File ended prematurely at pos. 1000",
    ],
)
def test_damage_between_other_messages(line: str) -> None:
    assert DAMAGED.match(line)


@pytest.mark.parametrize(
    "line", ["    title           : slice CRC mismatch 1", "Input #0, avi, from 'slice CRC mismatch'"]
)
def test_metadata_is_no_damage(line: str) -> None:
    assert DAMAGED.match(line) is None
