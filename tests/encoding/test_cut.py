"""Lossless cuts: frames, tags, windows, scaling and refusals."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.encoding.cut import Window, centre, cut
from pytest_vmaf.errors import ClipError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.media.timing import at_steady_rate

FRAMES = 12
WINDOWS: list[Window] = [(1, 4), (5, 1), (8, None)]
SCALE = "bicubic+accurate_rnd+full_chroma_int"


@pytest.fixture(scope="module")
def source(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """source("a.mp4", "format=yuv420p", "-c:v", "libx264"): twelve moving frames, 24000/1001 a second."""
    folder = tmp_path_factory.mktemp("sources")

    def clip(name: str, filters: str, *options: object, frames: int = FRAMES) -> Path:
        scene = f"testsrc2=s=96x64:r=24000/1001,{filters}"
        return make("-f", "lavfi", "-i", scene, "-frames:v", frames, "-threads", 1, *options, folder / name)

    return clip


@pytest.fixture(scope="module")
def plain(source: Callable[..., Path]) -> Path:
    """An ordinary clip: H.264 with B-frames in mp4."""
    return source("plain.mp4", "format=yuv420p", "-c:v", "libx264", "-bf", 3, "-g", 6)


@pytest.fixture
def hashes(ffmpeg: str) -> Callable[..., list[str]]:
    """hashes(clip, filters=None): one MD5 for the samples of each decoded frame."""

    def md5(clip: Clip, filters: str = "null") -> list[str]:
        argv = [ffmpeg, "-nostdin", "-v", "error", *input_arguments(clip), "-map", "0:V:0", "-vf", filters]
        text = subprocess.check_output([*argv, "-fps_mode", "passthrough", "-f", "framemd5", "-"], text=True)
        return [line.split(",")[-1].strip() for line in text.splitlines() if not line.startswith("#")]

    return md5


@pytest.fixture
def part_hashes(ffmpeg: str) -> Callable[..., list[list[str]]]:
    """part_hashes(parts): the same for several clips, in one process."""

    def md5(parts: Sequence[Clip]) -> list[list[str]]:
        inputs = [word for part in parts for word in input_arguments(part)]
        streams = [word for number in range(len(parts)) for word in ("-map", f"{number}:V:0")]
        argv = [ffmpeg, "-nostdin", "-v", "error", *inputs, *streams, "-fps_mode", "passthrough", "-f", "framemd5", "-"]
        rows = [
            line.split(",")
            for line in subprocess.check_output(argv, text=True).splitlines()
            if not line.startswith("#")
        ]
        return [[row[-1].strip() for row in rows if int(row[0]) == number] for number in range(len(parts))]

    return md5


@pytest.fixture
def tags(ffmpeg: str) -> Callable[[Clip], dict[str, object]]:
    """tags(clip): what a cut must keep, as the scorer and a player see it. An unstated range counts as limited."""

    def read(clip: Clip) -> dict[str, object]:
        video = inspect(clip, ffmpeg, 1)
        argv = [ffmpeg, "-nostdin", "-hide_banner", *input_arguments(clip), "-map", "0:V:0", "-frames:v", "1"]
        log = subprocess.run([*argv, "-vf", "showinfo", "-f", "null", "-"], capture_output=True, text=True).stderr
        sar = re.search(r" sar:(\d+)/(\d+) ", log)
        assert sar
        return {
            "size": (video.width, video.height),
            "pix_fmt": video.pix_fmt.replace("yuvj", "yuv"),
            "rate": video.frame_rate,
            "range": "pc" if video.color_range == "pc" else "tv",
            "colour": (video.matrix, video.primaries, video.transfer),
            "interlaced": video.interlaced,
            "aspect": Fraction(int(sar[1]), int(sar[2])) if sar[1] != "0" else None,
        }

    return read


@pytest.fixture
def check(
    ffmpeg: str,
    tmp_path: Path,
    hashes: Callable[..., list[str]],
    part_hashes: Callable[..., list[list[str]]],
    tags: Callable[[Clip], dict[str, object]],
):
    """check(clip): cut it at WINDOWS and compare every frame and every tag with the source's."""

    def compare(clip: Clip, windows: list[Window] = WINDOWS) -> tuple[Clip, ...]:
        folder = tmp_path / "cut"
        folder.mkdir()
        parts = cut(clip, windows, folder, ffmpeg)
        assert sorted(folder.iterdir()) == [part.path for part in parts]
        of_source, tags_of_source = hashes(clip), tags(clip)
        assert len(set(of_source)) == len(of_source), "frames that are all different tell which is which"
        assert part_hashes(parts) == [
            of_source[start : None if count is None else start + count] for start, count in windows
        ]
        # The parts are made by one encoder, so they have the same tags. What states no rate gets one.
        tags_of_part = tags(parts[-1])
        assert tags_of_part == {**tags_of_source, "rate": tags_of_source["rate"] or tags_of_part["rate"]}
        return parts

    return compare


# Frames and tags


FFV1 = ("-c:v", "ffv1")
H264 = ("-c:v", "libx264")
HD = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
HDR = "setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
SOURCES = {
    "yuv444p12le": ("a.mkv", "format=yuv444p12le", *FFV1),
    "odd 10 bit": ("a.mkv", "format=yuv422p10le,scale=97:65", *FFV1),
    "gray": ("a.mkv", "format=gray", *FFV1),
    "transparent": ("a.mkv", "format=yuva444p10le", *FFV1),
    "nv12": ("a.nut", "format=nv12", "-c:v", "rawvideo"),
    "uyvy422": ("a.nut", "format=uyvy422", "-c:v", "rawvideo"),
    "gbrp": ("a.nut", "format=gbrp", "-c:v", "rawvideo"),
    "gbrp10le": ("a.mkv", "format=gbrp10le", *FFV1),
    "rgb24": ("a.nut", "format=rgb24", "-c:v", "rawvideo"),
    "animated gif": ("a.gif", "format=rgb24,setsar=1,fps=25"),
    "mjpeg, full range": ("a.avi", "format=yuvj420p", "-c:v", "mjpeg"),
    "h264, 10 bit, full range": ("a.mp4", "scale=out_range=pc,format=yuv420p10le", *H264, "-color_range", "pc"),
    "h264, marked full": ("a.mp4", "format=yuv420p", *H264, "-bsf:v", "h264_metadata=video_full_range_flag=1"),
    "bt709": ("a.mp4", f"format=yuv420p,{HD}", *H264),
    "hdr": ("a.mp4", f"format=yuv420p10le,{HDR}", "-c:v", "libx265", "-x265-params", "log-level=none"),
    "top field first": ("a.mp4", "format=yuv420p,setfield=tff", *H264, "-flags", "+ildct+ilme"),
    "bottom field first": ("a.mpg", "format=yuv420p,setfield=bff,fps=25", "-c:v", "mpeg2video", "-flags", "+ildct"),
    "anamorphic": ("a.mp4", "format=yuv420p,setsar=16/11", *H264),
    "b-frames in a transport stream": ("a.ts", "format=yuv420p", *H264, "-bf", 3),
    "prores": ("a.mov", "format=yuv422p10le", "-c:v", "prores_ks"),
    "variable rate, mp4": ("a.mp4", "format=yuv420p,setpts=PTS*(1+N/9)", *H264, "-fps_mode", "passthrough"),
    "variable rate, mkv": ("a.mkv", "format=yuv420p,setpts=PTS*(1+N/9)", *FFV1, "-fps_mode", "passthrough"),
}


QUICK = (
    "odd 10 bit",
    "rgb24",
    "nv12",
    "mjpeg, full range",
    "h264, marked full",
    "bt709",
    "top field first",
    "anamorphic",
)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in SOURCES])
def test_frames_and_tags(name, source, check):
    file, filters, *options = SOURCES[name]
    check(Clip(source(name.replace(" ", "-") + file, filters, *options)))


@pytest.mark.slow
def test_sources(source, ffmpeg, tags):
    def tags_of(name: str) -> dict[str, object]:
        file, filters, *options = SOURCES[name]
        return tags(Clip(source(f"named-{file}", filters, *options)))

    assert inspect(Clip(source("j.avi", "format=yuvj420p", "-c:v", "mjpeg")), ffmpeg, 1).pix_fmt == "yuvj420p"
    assert tags_of("odd 10 bit")["size"] == (97, 65)
    assert tags_of("h264, marked full")["range"] == tags_of("h264, 10 bit, full range")["range"] == "pc"
    assert tags_of("hdr")["colour"] == ("bt2020nc", "bt2020", "smpte2084")
    assert tags_of("top field first")["interlaced"]
    assert tags_of("anamorphic")["aspect"] == Fraction(16, 11)


def test_rotation(plain, make, tmp_path, check, tags):
    turned = make("-display_rotation", 90, "-i", plain, "-c", "copy", tmp_path / "turned.mp4")
    parts = check(Clip(turned))
    assert tags(parts[0])["size"] == (64, 96)


def test_edit_list(plain, make, tmp_path, check, hashes):
    edited = make("-ss", "0.15", "-i", plain, "-c", "copy", tmp_path / "edited.mp4")
    frames = len(hashes(Clip(edited)))
    assert 6 <= frames < FRAMES
    check(Clip(edited), [(0, 2), (2, None)])


@pytest.mark.parametrize("form", ["png", pytest.param("jpg", marks=pytest.mark.slow)])
def test_picture_sequence(form, source, check):
    pictures = source(f"p%03d.{form}", "format=rgb24" if form == "png" else "format=yuvj420p")
    check(Clip(pictures, frame_rate=24))


def test_rate_not_stated(source, ffmpeg, tmp_path):
    (part,) = cut(Clip(source("n%03d.png", "format=rgb24")), [(0, 3)], tmp_path, ffmpeg)
    assert part.frame_rate is None


def test_raw_video(source, check):
    raw = source("a.yuv", "format=yuv422p10le,scale=97:65", "-f", "rawvideo")
    check(Clip(raw, width=97, height=65, pix_fmt="yuv422p10le", frame_rate="30000/1001"))


def test_still_picture(source, check):
    check(Clip(source("still.png", "format=rgb24", frames=1)), [(0, None)])


@pytest.mark.parametrize("rate", ["60000/1001", "240", pytest.param("1/2", marks=pytest.mark.slow)])
def test_rate_of_user(rate, plain, check):
    parts = check(Clip(plain, frame_rate=rate))
    assert {part.frame_rate for part in parts} == {Clip(plain, frame_rate=rate).frame_rate}


def test_rate_in_file(plain, tmp_path, ffmpeg):
    (part,) = cut(Clip(plain), [(0, None)], tmp_path, ffmpeg)
    assert inspect(Clip(part.path), ffmpeg, 1).frame_rate == Fraction(24000, 1001)


@pytest.mark.parametrize(
    "name", ["variable rate, mp4", pytest.param("b-frames in a transport stream", marks=pytest.mark.slow)]
)
def test_time_stamps(name, source, ffmpeg, tmp_path):
    file, filters, *options = SOURCES[name]
    # As searches cut: a variable rate is stated as its average first.
    clip = at_steady_rate(Clip(source(f"times-{file}", filters, *options)), ffmpeg)
    for part in cut(clip, WINDOWS, tmp_path, ffmpeg):
        argv = [ffmpeg, "-nostdin", "-hide_banner", "-copyts", *input_arguments(Clip(part.path)), "-vf", "showinfo"]
        log = subprocess.run([*argv, "-f", "null", "-"], capture_output=True, text=True).stderr
        times = [float(time) for time in re.findall(r" pts_time:(\S+)", log)]
        assert times
        assert part.frame_rate
        # Matroska rounds to milliseconds, and its parts are shifted by rounded times.
        assert times == pytest.approx([float(i / part.frame_rate) for i in range(len(times))], abs=0.0011)


def test_streams_of_a_file(plain, source, make, tmp_path, ffmpeg, hashes):
    larger = source("larger.mkv", "format=yuv420p,scale=192:128", *FFV1)
    chosen = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    streams = ("-i", plain, "-i", larger, "-map", "0:v", "-map", "1:v", "-c", "copy")
    both = make(*streams, *chosen, tmp_path / "both.mkv")
    for name, clip, alone in (("default", Clip(both), larger), ("first", Clip(both, stream=0), plain)):
        (tmp_path / name).mkdir()
        (part,) = cut(clip, [(0, 2)], tmp_path / name, ffmpeg)
        assert hashes(part) == hashes(Clip(alone))[:2]


def test_file_names(plain, tmp_path, ffmpeg, hashes):
    folder = tmp_path / "50%03d [a] 'b"
    folder.mkdir()
    odd = folder / "auto-inserting filter, Reconfiguring %d.mp4"
    odd.write_bytes(plain.read_bytes())
    (part,) = cut(Clip(odd), [(0, 2)], folder, ffmpeg)
    assert part.path.parent == folder
    assert hashes(part) == hashes(Clip(plain))[:2]


# Windows


@pytest.mark.parametrize(
    "windows",
    [
        # More than ffmpeg accepts as the terms of one sum.
        pytest.param([(i * 2 + 1, 1) for i in range(120)], marks=pytest.mark.slow, id="every other"),
        pytest.param([(0, 7), (7, 5), (20, 30), (239, 1)], id="some"),
    ],
)
def test_windows(windows, source, ffmpeg, tmp_path, hashes, part_hashes):
    clip = Clip(source("long.mkv", "format=yuv420p", *FFV1, frames=240))
    parts = cut(clip, windows, tmp_path, ffmpeg)
    frames = hashes(clip)
    expected = [frames[start : start + count] for start, count in windows]
    step = max(1, len(parts) // 10)
    assert part_hashes(parts[::step]) == expected[::step]
    assert len(parts) == len(windows)


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ([(0, 13)], "has 12 frames, but window 0 needs 13 frames from frame 0 on"),
        ([(0, 5), (10, 3)], "has 12 frames, but window 1 needs 3 frames from frame 10 on"),
        ([(0, 5), (12, None)], "has 12 frames, but window 1 needs all from frame 12 on"),
    ],
)
def test_window_past_end(windows, message, plain, ffmpeg, tmp_path):
    with pytest.raises(ClipError, match=message):
        cut(Clip(plain), windows, tmp_path, ffmpeg)
    assert list(tmp_path.iterdir()) == []


# Scaling


@pytest.mark.parametrize(
    "name",
    [
        "mjpeg, full range",
        "nv12",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("hdr", "h264, marked full", "rgb24")),
    ],
)
def test_scaled(name, source, ffmpeg, tmp_path, hashes, tags):
    file, filters, *options = SOURCES[name]
    clip = Clip(source(f"rung-{file}", filters, *options))
    (rung,) = cut(clip, [(2, 5)], tmp_path, ffmpeg, size=(48, 32))
    assert tags(rung) == {**tags(clip), "size": (48, 32)}
    pix_fmt = inspect(rung, ffmpeg, 1).pix_fmt
    by_hand = f"trim=start_frame=2:end_frame=7,scale=48:32:flags={SCALE}"
    full = ":in_range=full:out_range=full" if name in ("mjpeg, full range", "h264, marked full") else ""
    assert hashes(rung) == hashes(clip, f"{by_hand}{full},format={pix_fmt}")


def test_scaled_aspect(plain, ffmpeg, tmp_path, tags):
    (rung,) = cut(Clip(plain), [(0, 1)], tmp_path, ffmpeg, size=(64, 64))
    assert tags(rung)["aspect"] == Fraction(96, 64)


# Refusals


@pytest.mark.parametrize("pix_fmt", ["bgr24", pytest.param("rgb48le", marks=pytest.mark.slow)])
def test_format_not_lossless(pix_fmt, source, ffmpeg, tmp_path):
    clip = Clip(source(f"{pix_fmt}.nut", f"format={pix_fmt}", "-c:v", "rawvideo"))
    assert inspect(clip, ffmpeg, 1).pix_fmt == pix_fmt
    with pytest.raises(ClipError, match=f"is {pix_fmt}, which cannot be stored losslessly"):
        cut(clip, [(0, 2)], tmp_path, ffmpeg)
    assert list(tmp_path.iterdir()) == []


def test_palette_not_scaled(source, ffmpeg, tmp_path):
    clip = Clip(source("pal8.nut", "format=pal8", "-c:v", "rawvideo"))
    with pytest.raises(ClipError, match="pal8, which cannot be scaled"):
        cut(clip, [(0, 2)], tmp_path, ffmpeg, size=(48, 32))


@pytest.mark.parametrize(
    "filters", ["format=yuv420p,scale=48:32", pytest.param("format=yuv422p", marks=pytest.mark.slow)]
)
def test_clip_changes(filters, source, ffmpeg, tmp_path):
    """ffmpeg would count frames from 0 again, and scale the rest to the size of the first."""
    first, second = (source(f"{n}.h264", f, *H264) for n, f in enumerate(("format=yuv420p", filters)))
    joined = tmp_path / "joined.h264"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    folder = tmp_path / "cut"
    folder.mkdir()
    with pytest.raises(ClipError, match="changes its picture in between"):
        cut(Clip(joined), [(0, 6), (6, None)], folder, ffmpeg)
    assert list(folder.iterdir()) == []


def test_clip_cut_off(source, ffmpeg, tmp_path):
    whole = source("whole.mkv", "format=yuv420p", *H264, frames=60).read_bytes()
    short = tmp_path / "short.mkv"
    short.write_bytes(whole[: len(whole) * 2 // 3])
    folder = tmp_path / "cut"
    folder.mkdir()
    with pytest.raises(ClipError, match="cut off or damaged"):
        cut(Clip(short), [(0, 5), (5, None)], folder, ffmpeg)
    assert list(folder.iterdir()) == []


def test_clip_damaged(source, ffmpeg, tmp_path):
    data = bytearray(source("sound.mkv", "format=yuv420p", *FFV1, "-g", 1, "-slicecrc", 1, "-level", 3).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(data)
    folder = tmp_path / "cut"
    folder.mkdir()
    with pytest.raises(ClipError, match="damaged"):
        cut(Clip(damaged), [(0, None)], folder, ffmpeg)
    assert list(folder.iterdir()) == []


#: Cuts in a process whose files cannot grow beyond a limit, as on a full disk; prints the error.
FULL_DISK = """
import resource, sys
from pathlib import Path
from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.timing import at_steady_rate
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    cut(Clip(sys.argv[1]), [(0, 1), (1, None)], Path(sys.argv[2]), sys.argv[3])
except ScorerError as error:
    print(error)
"""


@pytest.mark.slow
def test_full_disk(source, ffmpeg, tmp_path):
    pytest.importorskip("resource", reason="file sizes are limited on POSIX systems")
    clip = source("big.mkv", "format=yuv420p,noise=alls=100:allf=t,scale=480:320", *FFV1)
    argv = [sys.executable, "-c", FULL_DISK, clip, tmp_path, ffmpeg]
    assert "could not be cut" in subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert list(tmp_path.iterdir()) == []


def test_timeout(source, ffmpeg, tmp_path):
    clip = Clip(source("slow.mkv", "format=yuv420p", *FFV1))
    with pytest.raises(ScorerError, match="time limit"):
        cut(clip, [(0, None)], tmp_path, ffmpeg, timeout=0.001)
    assert list(tmp_path.iterdir()) == []


# Centre


@settings(max_examples=25)
@given(
    frames=st.integers(1, 10_000),
    rate=st.sampled_from([Fraction(24), Fraction(30000, 1001), Fraction(1, 2), Fraction(240)]),
    seconds=st.floats(1e-3, 1e4),
)
def test_centre(frames, rate, seconds):
    start, count = centre(frames, rate, seconds)
    after = frames - start - count
    assert 0 <= after - start <= 1
    assert count == frames or abs(count - seconds * rate) <= 0.5 or (count == 1 and seconds * rate < 1)


def test_centre_examples():
    assert centre(100, Fraction(25), 2) == (25, 50)
    assert centre(100, Fraction(25), 60) == (0, 100)
    assert centre(101, Fraction(25), 0.001) == (50, 1)
