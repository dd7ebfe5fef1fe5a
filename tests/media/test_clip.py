"""Clip and its demuxer: what a user may state about a file, and the arguments for ffmpeg."""

from __future__ import annotations

import re
import shutil
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pytest_vmaf.encoding.encode import Encode
from pytest_vmaf.errors import ClipError, PairError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import as_clip, clip_name
from pytest_vmaf.media.demux import input_arguments, is_picture
from pytest_vmaf.media.inspect import count_frames, inspect

PICTURE = "testsrc2=size=64x48:rate=5"
STILLS = ("png", "jpg", "webp", "jxl", "bmp", "tiff", "qoi", "ppm", "pgm", "pam", "dpx", "exr", "j2k", "jp2")
RAW = {"width": 64, "height": 48, "pix_fmt": "yuv420p"}


def frames_of(path: Path | Clip, ffmpeg: str) -> int:
    """How many frames a clip has when decoded whole."""
    return count_frames(as_clip(path), ffmpeg)


# What the user states


def test_a_path_stands_for_a_clip():
    assert as_clip("a.mkv") == as_clip(Path("a.mkv")) == as_clip(b"a.mkv") == Clip("a.mkv")
    clip = Clip("a.mkv", frame_rate=24)
    assert as_clip(clip) is clip


def test_clip_name():
    encode = Encode("libx264", 30, Path("out.mp4"), 1, 1, 1.0, None, "ffmpeg")
    assert clip_name(encode) == clip_name("out.mp4") == "out.mp4"
    assert clip_name(Clip("a.yuv", **RAW)) == str(Clip("a.yuv", **RAW))
    assert "libx264" in clip_name(replace(encode, path=None))
    assert clip_name(3) == "3"
    assert clip_name("a\nb") == "a\nb"


def test_clip_equality():
    assert {Clip("a.yuv", **RAW), Clip("a.yuv", **RAW)} == {Clip("a.yuv", **RAW)}
    assert Clip("a.yuv", **RAW) != Clip("a.yuv", **{**RAW, "pix_fmt": "yuv444p"})


def test_clip_text():
    assert str(Clip("a.mkv")) == "a.mkv"
    assert str(Clip("a.yuv", width=64, height=48)) == "a.yuv (64x48 yuv420p)"
    assert str(Clip("a\u202eb.mkv")) == r"a\u202eb.mkv"


@pytest.mark.parametrize("path", ["", b""])
def test_an_empty_path_is_refused(path):
    with pytest.raises(ClipError, match="path must not be empty"):
        Clip(path)


@given(st.text(max_size=5), st.sampled_from([*map(chr, range(32)), "\x7f"]), st.text(max_size=5))
def test_control_character_in_path(before, control, after):
    with pytest.raises(ClipError, match=r"contains a control character\. Rename the file"):
        Clip(before + control + after)


@pytest.mark.parametrize("side", [0, -1, 65536, 1.5, "64", True, None])
def test_raw_side_invalid(side):
    with pytest.raises(ClipError, match=r"width of raw video must be a whole number of pixels"):
        Clip("a.yuv", width=side, height=48)
    with pytest.raises(ClipError, match=r"height of raw video must be a whole number of pixels"):
        Clip("a.yuv", width=64, height=side)


def test_raw_without_size():
    with pytest.raises(ClipError, match=r"width of raw video must be .*, not None"):
        Clip("a.yuv", pix_fmt="yuv420p")


@pytest.mark.parametrize("pix_fmt", ["yuv420p8le", "YUV420P", "pal8", "vaapi", "nonsense", "yuv420p10lele"])
def test_raw_pix_fmt_unsupported(pix_fmt):
    with pytest.raises(ClipError, match=r"pix_fmt of raw video must be one of ffmpeg's names, .*, not"):
        Clip("a.yuv", width=64, height=48, pix_fmt=pix_fmt)


def test_raw_pix_fmt_by_default():
    assert Clip("a.NV12", width=64, height=48).pix_fmt == "nv12"
    assert Clip("a.yuv", width=64, height=48).pix_fmt is None
    assert Clip("a.p010", width=64, height=48, pix_fmt="p010").pix_fmt == "p010le"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (24, Fraction(24)),
        (25.0, Fraction(25)),
        (12.5, Fraction(25, 2)),
        ("30000/1001", Fraction(30000, 1001)),
        ("24", Fraction(24)),
        (Fraction(24000, 1001), Fraction(24000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (np.float32(29.97), Fraction(30000, 1001)),
        (np.int64(25), Fraction(25)),
        (119.88, Fraction(120000, 1001)),
        (0.5, Fraction(1, 2)),
    ],
)
def test_a_frame_rate_is_exact(said, meant):
    assert Clip("a.mkv", frame_rate=said).frame_rate == meant


@pytest.mark.parametrize("rate", [0, -24, 1001, "", "fast", "24/0", float("nan"), float("inf"), True, [24]])
def test_frame_rate_invalid(rate):
    with pytest.raises(ClipError, match=r"frame_rate must be (frames per second|a text)"):
        Clip("a.mkv", frame_rate=rate)


@given(
    st.integers(1, 4096),
    st.integers(1, 4096),
    st.sampled_from([("420", 2, 2), ("422", 2, 1), ("444", 1, 1)]),
    st.sampled_from(["", "10le", "12le", "14le", "16le"]),
)
def test_raw_frame_size(width, height, chroma, depth):
    name, across, down = chroma
    samples = width * height + 2 * ((width + across - 1) // across) * ((height + down - 1) // down)
    clip = Clip("a.yuv", width=width, height=height, pix_fmt=f"yuv{name}p{depth}")
    assert clip.frame_bytes() == samples * (2 if depth else 1)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p"])
@pytest.mark.parametrize("size", ["64x48", "63x47"])
def test_raw_frame_size_by_ffmpeg(make, tmp_path, ffmpeg, size, pix_fmt):
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 3, "-s", size, "-pix_fmt", pix_fmt, tmp_path / "a.yuv")
    width, height = map(int, size.split("x"))
    clip = Clip(path, width=width, height=height, pix_fmt=pix_fmt)
    assert path.stat().st_size == 3 * clip.frame_bytes()
    assert frames_of(clip, ffmpeg) == 3


# What is not a clip


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClipError, match=rf"none\.mkv does not exist\.\n.*working directory is {tmp_path}"):
        input_arguments(Clip("none.mkv"))


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ClipError, match=r"is a folder\. It has no files"):
        input_arguments(Clip(tmp_path))


def test_a_device_is_refused():
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero here")
    with pytest.raises(ClipError, match="is not a regular file"):
        input_arguments(Clip("/dev/zero", **RAW))


def test_a_header_without_frames_is_refused(ffmpeg, tmp_path):
    path = tmp_path / "none.y4m"
    path.write_bytes(b"YUV4MPEG2 W64 H48 F25:1\n")
    with pytest.raises(ClipError, match=r"none\.y4m contains no frames"):
        inspect(Clip(path), ffmpeg, 1)


@pytest.mark.parametrize("raw", [{}, RAW], ids=["container", "raw"])
def test_an_empty_file_is_refused(tmp_path, raw):
    (tmp_path / "a.mkv").touch()
    with pytest.raises(ClipError, match=r"a\.mkv is empty"):
        input_arguments(Clip(tmp_path / "a.mkv", **raw))


def test_name_too_long(tmp_path):
    with pytest.raises(ClipError, match=r"cannot be read: File name too long|does not exist"):
        input_arguments(Clip(tmp_path / ("a" * 300)))


@pytest.mark.parametrize("suffix", [".yuv", ".YUV", ".raw", ".rgb", ".i420", ".nv12"])
def test_raw_without_geometry(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(bytes(4608))
    with pytest.raises(
        ClipError, match=r"looks like raw video.*\n.*State it: Clip\('.*', width=1920, height=1080, pix_fmt="
    ):
        input_arguments(Clip(path))


@pytest.mark.parametrize(
    ("name", "frame", "geometry"),
    [
        ("walk_64x48.yuv", 4608, "width=64, height=48, pix_fmt='yuv420p'"),
        ("walk-64x48-NV12.yuv", 4608, "width=64, height=48, pix_fmt='nv12'"),
        ("walk_yuv420p10_64x48_25fps.yuv", 9216, "width=64, height=48, pix_fmt='yuv420p10le'"),
        ("walk_64x48.p010", 9216, "width=64, height=48, pix_fmt='p010le'"),
        ("walk_64x48_422.yuv", 6144, "width=1920, height=1080, pix_fmt='yuv420p'"),
        ("walk_99999x48.yuv", 4608, "width=1920, height=1080, pix_fmt='yuv420p'"),
    ],
)
def test_raw_geometry_in_the_name(tmp_path, name, frame, geometry):
    (tmp_path / name).write_bytes(bytes(5 * frame))
    with pytest.raises(ClipError, match="State it") as error:
        input_arguments(Clip(tmp_path / name))
    assert geometry in str(error.value).replace('"', "'")
    width, height, pix_fmt = re.findall(r"=(?:'(\w+)'|(\d+))", geometry)
    flags = f"--width={width[1]} --height={height[1]} --pix-fmt={pix_fmt[0]} --frame-rate={25 if 'fps' in name else 24}"
    assert f"in the pytest-vmaf command, {flags}." in str(error.value)


@pytest.mark.parametrize("off", [-1, 1, 2304])
def test_raw_cut_frame(tmp_path, off):
    path = tmp_path / "a.yuv"
    path.write_bytes(bytes(5 * 4608 + off))
    with pytest.raises(
        ClipError, match=r"64x48 yuv420p\): \d+ bytes are not a whole number of frames of 4608 bytes \("
    ):
        input_arguments(Clip(path, **RAW))


@pytest.mark.parametrize("form", ["mp4", "mkv", "y4m", "avi", "ivf", "png", "jpg", "ts", "ogv", "flv"])
def test_container_stated_as_raw(make, tmp_path, form):
    codec = {"ivf": ["-c:v", "libvpx"], "ogv": ["-c:v", "libvpx"]}.get(form, [])
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 1, *codec, tmp_path / f"a.{form}")
    with pytest.raises(ClipError, match=r"is a container, not raw video: it begins with .*\n.*Leave out width"):
        input_arguments(Clip(path, width=1, height=1, pix_fmt="yuv444p"))


# Pictures and sequences


@pytest.mark.parametrize("form", STILLS)
def test_still_picture(make, tmp_path, ffmpeg, form):
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 1, "-update", 1, tmp_path / f"a.{form}")
    for named in (path, Path(shutil.copy(path, tmp_path / "a.bin"))):
        video = inspect(Clip(named), ffmpeg, 4)
        assert (video.width, video.height) == (64, 48)
        assert video.is_picture
        assert is_picture(Clip(named))
        assert frames_of(named, ffmpeg) == 1


def test_an_avif_still_is_a_picture(make, tmp_path, ffmpeg):
    still = ("-c:v", "libaom-av1", "-cpu-used", 8, "-still-picture", 1)
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 1, *still, tmp_path / "a.avif")
    assert inspect(Clip(path), ffmpeg, 4).is_picture
    assert frames_of(path, ffmpeg) == 1


@pytest.mark.parametrize("form", ["png", "jpg", "webp"])
def test_picture_named_like_a_pattern(make, tmp_path, ffmpeg, form):
    for number in range(3):
        make(
            "-f", "lavfi", "-i", "testsrc2=size=96x64", "-frames:v", 1, "-update", 1, tmp_path / f"a{number:03d}.{form}"
        )
    other = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 1, "-update", 1, tmp_path / f"b.{form}")
    clip = Clip(other.rename(tmp_path / f"a%03d.{form}"))
    assert not clip.is_sequence
    video = inspect(clip, ffmpeg, 8)
    assert (video.width, video.height) == (64, 48)
    assert frames_of(clip, ffmpeg) == 1


def test_video_named_like_a_pattern(make, tmp_path, ffmpeg):
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 4, "-c:v", "ffv1", tmp_path / "b.mkv")
    clip = Clip(path.rename(tmp_path / "a%03d.mkv"))
    assert frames_of(clip, ffmpeg) == 4


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("png", ("-f", "apng")),
        ("webp", ("-c:v", "libwebp_anim", "-lossless", 1)),
        ("gif", ()),
        ("jxl", ("-c:v", "libjxl_anim", "-f", "image2pipe")),
        ("mjpeg", ()),
    ],
)
def test_an_animation_is_read_to_its_end(make, tmp_path, ffmpeg, form, options):
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 5, *options, tmp_path / f"a.{form}")
    assert frames_of(path, ffmpeg) == 5
    assert len(inspect(Clip(path), ffmpeg, 16).thumbnails) == 5 * 64 * 36


def test_apng_after_much_metadata(make, tmp_path, ffmpeg):
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 5, "-f", "apng", tmp_path / "a.png")
    data = path.read_bytes()
    text = b"tEXt" + b"Comment\0IDAT" + bytes([65]) * 200_000
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    end_of_header = 8 + 25
    path.write_bytes(data[:end_of_header] + chunk + data[end_of_header:])
    assert frames_of(path, ffmpeg) == 5


def test_animated_avif(make, tmp_path, ffmpeg):
    path = make("-f", "lavfi", "-i", PICTURE, "-frames:v", 5, "-c:v", "libaom-av1", "-cpu-used", 8, tmp_path / "a.avif")
    with pytest.raises(
        ClipError, match=r"a\.avif is an animated AVIF.* a single picture\.\n.*-map 0:v:1 -c copy OUT\.mp4"
    ):
        input_arguments(Clip(path))
    assert frames_of(make("-i", path, "-map", "0:v:1", "-c", "copy", tmp_path / "out.mp4"), ffmpeg) == 5


@pytest.fixture(scope="module")
def numbered(make, tmp_path_factory):
    """A folder with f007.png to f012.png, each of another brightness."""
    folder = tmp_path_factory.mktemp("numbered")
    make("-f", "lavfi", "-i", PICTURE, "-frames:v", 6, "-start_number", 7, folder / "f%03d.png")
    return folder


def test_sequence(numbered, ffmpeg):
    clip = Clip(numbered / "f%03d.png", frame_rate=24)
    assert clip.is_sequence
    assert frames_of(clip, ffmpeg) == 6
    assert inspect(clip, ffmpeg, 8).frame_rate == 24


def test_sequence_without_leading_zeros(make, tmp_path, ffmpeg):
    make("-f", "lavfi", "-i", PICTURE, "-frames:v", 4, "-start_number", 8, tmp_path / "f%d.png")
    (tmp_path / "f08.png").write_bytes(b"not of this sequence")
    assert frames_of(Clip(tmp_path / "f%d.png"), ffmpeg) == 4


def test_sequence_in_path_with_percent_signs(numbered, tmp_path, ffmpeg):
    folder = tmp_path / "50% of %d [a] 'b' *?"
    folder.mkdir()
    for path in numbered.iterdir():
        (folder / f"100% {path.name}").write_bytes(path.read_bytes())
    assert frames_of(Clip(folder / "100% f%03d.png"), ffmpeg) == 6


def test_a_hole_in_a_sequence_is_refused(numbered, tmp_path):
    for number in (7, 8, 10, 12):
        (tmp_path / f"f{number:03d}.png").write_bytes((numbered / f"f{number:03d}.png").read_bytes())
    with pytest.raises(ClipError, match=r"goes from 7 to 12, but number 9 is missing \(2 missing in total\)"):
        input_arguments(Clip(tmp_path / "f%03d.png"))


def test_a_sequence_of_no_files_is_refused(tmp_path):
    with pytest.raises(ClipError, match=r"f%03d\.png does not exist, and no file matches it"):
        input_arguments(Clip(tmp_path / "f%03d.png"))
    with pytest.raises(ClipError, match="no file matches it"):
        input_arguments(Clip(tmp_path / "none" / "f%03d.png"))


def test_sequence_with_two_numbers(tmp_path):
    with pytest.raises(ClipError, match="must contain exactly one number"):
        input_arguments(Clip(tmp_path / "f%d-%03d.png"))


def test_sequence_with_damaged_picture(numbered, tmp_path, ffmpeg):
    for path in numbered.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = (numbered / "f010.png").read_bytes()
    (tmp_path / "f010.png").write_bytes(damaged[: len(damaged) // 2])
    with pytest.raises(ClipError, match=r"f%03d\.png cannot be decoded as video"):
        frames_of(Clip(tmp_path / "f%03d.png"), ffmpeg)


def test_compressed_picture(make, tmp_path, score):
    original = make("-f", "lavfi", "-i", "testsrc2=size=128x96", "-frames:v", 1, "-update", 1, tmp_path / "a.png")
    scores = []
    for quality in (2, 15):
        jpeg = make("-i", original, "-q:v", quality, tmp_path / f"{quality}.jpg")
        result = score(original, jpeg)
        assert len(result.neg.frames) == 1
        scores.append(float(result.neg))
    assert 100 > scores[0] > scores[1]


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("webp", ("-lossless", 1)),
        pytest.param("jxl", ("-distance", 0), marks=pytest.mark.slow),
        pytest.param("bmp", (), marks=pytest.mark.slow),
        ("tiff", ("-pix_fmt", "rgb24")),
        pytest.param("qoi", (), marks=pytest.mark.slow),
    ],
)
def test_lossless_picture_copy(make, tmp_path, score, form, options):
    scene = "testsrc2=size=128x72,format=rgb24"
    original = make("-f", "lavfi", "-i", scene, "-frames:v", 1, "-update", 1, tmp_path / "a.png")
    copy = make("-i", original, *options, tmp_path / f"b.{form}")
    expected, result = score(original, original), score(original, copy)
    assert result.vmaf.unclipped.frames == expected.vmaf.unclipped.frames


def test_sequence_scores_as_video(make, tmp_path, score):
    make("-f", "lavfi", "-i", "testsrc2=size=128x72", "-frames:v", 6, tmp_path / "r%02d.png")
    make("-i", tmp_path / "r%02d.png", "-vf", "gblur=1", tmp_path / "d%02d.png")
    result = score(Clip(tmp_path / "r%02d.png"), Clip(tmp_path / "d%02d.png"))
    videos = [
        make("-i", tmp_path / f"{x}%02d.png", "-c:v", "ffv1", "-pix_fmt", "bgr0", tmp_path / f"{x}.mkv") for x in "rd"
    ]
    expected = score(*videos)
    assert result.neg.unclipped.frames == expected.neg.unclipped.frames
    assert len(set(result.neg.frames)) > 1


def test_sequences_of_different_length(make, tmp_path, score):
    make("-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", 6, tmp_path / "r%02d.png")
    make("-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", 5, tmp_path / "d%02d.png")
    with pytest.raises(PairError, match="6 frames in the reference, 5 in the distorted"):
        score(Clip(tmp_path / "r%02d.png"), Clip(tmp_path / "d%02d.png"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    head=st.binary(max_size=40)
    | st.sampled_from([b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8X", b"\0\0\0\x18ftypavis"])
)
def test_any_first_bytes(tmp_path, head):
    path = tmp_path / "a.bin"
    path.write_bytes(head)
    try:
        arguments = input_arguments(Clip(path))
    except ClipError as error:
        arguments, said = None, str(error)
    if arguments is None:
        assert str(path) in said
    else:
        assert arguments[:2] == ["-protocol_whitelist", "file"]
        assert {"-f", "-format_whitelist"} & set(arguments)
        assert arguments[-2:] == ["-i", f"file:{path}"]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p"])
@pytest.mark.parametrize("size", ["64x48", "35x27"])
def test_y4m_cut_off(make, tmp_path, pix_fmt, size):
    scene = f"testsrc2=size={size},format={pix_fmt}"
    path = make("-f", "lavfi", "-i", scene, "-frames:v", 3, "-strict", "-1", tmp_path / "a.y4m")
    assert input_arguments(Clip(path))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ClipError, match=r"a\.y4m is cut off: its last frame is incomplete"):
        input_arguments(Clip(path))
