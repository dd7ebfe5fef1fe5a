"""Parts of clips: what a user may state, seconds, and which frames are read."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from pytest_vmaf import Vmaf
from pytest_vmaf.errors import ClipError, EncodeError
from pytest_vmaf.media.alignment import offset_remedy
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import content_of, same_content
from pytest_vmaf.media.inspect import count_frames, inspect
from pytest_vmaf.media.part import frames_of_part, trim_filter
from pytest_vmaf.media.seconds import in_frames


def test_remedy_for_another_start():
    """A part and the whole clip: align=True would leave them with different lengths."""
    part, whole = Clip("a.mkv", start=3, frames=20), Clip("b.mp4", stream=1)
    assert (
        offset_remedy(part, whole, -3)
        == "Take the same part of both clips: Clip('b.mp4', stream=1, start=3, frames=20)."
    )
    assert offset_remedy(whole, part, 3).endswith("Clip('b.mp4', stream=1, start=3, frames=20).")
    for clips in ((part, part), (whole, whole), (Clip("a.mkv", start=3), whole)):
        assert offset_remedy(*clips, -3).startswith("Pass align=True")


def test_a_clip_is_no_part_by_default():
    clip = Clip("a.mkv")
    assert not clip.is_part
    assert clip.trimming == ""
    assert Clip("a.mkv", start=0.0) == clip == Clip("a.mkv", start=0, frames=None)


@pytest.mark.parametrize(
    ("part", "text", "trim"),
    [
        ({"start": 100, "frames": 48}, "frames 100 to 147", "trim=start_frame=100:end_frame=148"),
        ({"start": 7, "frames": 1}, "frame 7", "trim=start_frame=7:end_frame=8"),
        ({"frames": 48}, "frames 0 to 47", "trim=start_frame=0:end_frame=48"),
        ({"start": 100}, "from frame 100 on", "trim=start_frame=100"),
    ],
)
def test_part_in_frames(part, text, trim):
    clip = Clip("a.mkv", **part)
    assert clip.is_part
    assert str(clip) == f"a.mkv ({text})"
    assert clip.trimming == trim
    assert replace(clip) == clip
    assert eval(clip.spelled(), {"Clip": Clip}) == clip


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"start": 1.5, "frames": "2s"}, "from 1.5 s on, 2 s"),
        ({"start": "1.5s", "frames": 48}, "from 1.5 s on, 48 frames"),
        ({"start": 100, "frames": 2.0}, "from frame 100 on, 2 s"),
        ({"start": "1.5 s"}, "from 1.5 s on"),
    ],
)
def test_part_in_seconds(part, text):
    clip = Clip("a.mkv", **part)
    assert str(clip) == f"a.mkv ({text})"
    assert replace(clip) == clip
    with pytest.raises(ClipError, match="seconds must be made frames first"):
        assert clip.trimming


def test_seconds_at_a_stated_rate():
    clip = Clip("a.mkv", start=1.5, frames="2s", frame_rate=Fraction(24000, 1001))
    assert in_frames(clip, "no ffmpeg") == replace(clip, start=36, frames=48)
    assert in_frames(Clip("a.mkv", start=0.1, frame_rate=30), "no ffmpeg").start == 3
    assert in_frames(Clip("a.mkv", frames=0.001, frame_rate=25), "no ffmpeg").frames == 1


@pytest.mark.parametrize("start", [-1, -0.5, math.nan, math.inf, True, None, "", "x", "1.5", "-1s", "1h", 2**40, [1]])
def test_start_invalid(start):
    with pytest.raises(ClipError, match=r"start must be the number of a frame, from 0 on, or seconds such as"):
        Clip("a.mkv", start=start)


@pytest.mark.parametrize("frames", [0, -1, 0.0, math.nan, -math.inf, True, "", "x", "24", "0s", 2**40, (1,)])
def test_frames_invalid(frames):
    with pytest.raises(ClipError, match=r"frames must be a number of frames, from 1 on, or seconds such as"):
        Clip("a.mkv", frames=frames)


@given(st.integers(0, 50), st.one_of(st.none(), st.integers(1, 50)), st.integers(1, 60))
def test_frames_of_part(start, frames, count):
    indexes = range(count)[start : None if frames is None else start + frames]
    wanted = len(indexes) if frames is None else frames
    if not indexes or len(indexes) < wanted:
        with pytest.raises(ClipError, match=f"a has {count} frames?, 0 to {count - 1}, and no "):
            frames_of_part("a", start, frames, count)
    else:
        assert frames_of_part("a", start, frames, count) == len(indexes)


def test_no_filter_for_the_whole_clip():
    assert trim_filter(0, None) == ""


def test_a_part_is_another_clip(clip):
    parts = [Clip(clip), Clip(clip, start=1), Clip(clip, frames=11), Clip(clip, start=1, frames=11)]
    assert len({content_of(part) for part in parts}) == 4


def test_same_frames(clip):
    assert same_content(Clip(clip), Clip(clip, frames=12))
    assert same_content(Clip(clip, start=3), Clip(clip, start=3, frames=9))
    assert not same_content(Clip(clip, start=3, frames=4), Clip(clip, start=7, frames=4))


def test_inspect_a_part(clip, ffmpeg):
    whole, part = (inspect(each, ffmpeg, 12) for each in (Clip(clip), Clip(clip, start=5, frames=4)))
    size = 64 * 36
    assert part.thumbnails == whole.thumbnails[5 * size : 9 * size]
    assert (part.frames_expected, part.frame_rate) == (4, whole.frame_rate)
    assert count_frames(part.clip, ffmpeg) == 12
    assert inspect(Clip(clip, start=5), ffmpeg, 1).frames_expected == 7


def test_a_part_after_the_end(clip, ffmpeg):
    with pytest.raises(ClipError, match=r"has 12 frames, 0 to 11, and no frame 12\.$"):
        inspect(Clip(clip, start=12), ffmpeg, 1)


def test_seconds_of_a_variable_rate(clip, ffmpeg, make, tmp_path):
    path = make(
        "-i", clip, "-vf", "select='not(eq(n,3)+eq(n,4))'", "-fps_mode", "vfr", "-c:v", "ffv1", tmp_path / "v.mkv"
    )
    with pytest.raises(ClipError, match=r"v\.mkv has a variable frame rate, so seconds are not frames\."):
        in_frames(Clip(path, start=0.1), ffmpeg)
    assert in_frames(Clip(path, start=0.1, frame_rate=20), ffmpeg).start == 2


def test_seconds_of_pictures(make, clip, ffmpeg, tmp_path):
    make("-i", clip, "-frames:v", 3, tmp_path / "f%d.png")
    with pytest.raises(ClipError, match=r"states no frame rate, so seconds are not frames\."):
        in_frames(Clip(tmp_path / "f%d.png", start=0.1), ffmpeg)


@pytest.fixture(scope="module")
def changing(make, tmp_path_factory):
    """A stream whose size changes at frame 24, with more frames after that than before."""
    folder, parts = tmp_path_factory.mktemp("changing"), []
    for size, frames in (("64x48", 24), ("96x48", 40)):
        source = ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25,format=yuv420p", "-frames:v", frames)
        parts.append(make(*source, "-c:v", "libx264", "-preset", "ultrafast", folder / f"{size}.h264").read_bytes())
    (folder / "changing.h264").write_bytes(b"".join(parts))
    return folder / "changing.h264"


@pytest.mark.parametrize("start", [20, 26, 40])
def test_a_part_with_or_after_a_change(start, changing, ffmpeg):
    # The filter that selects frames counts from 0 again, so it would select others.
    with pytest.raises(ClipError, match=r"a part must end a few frames before .* at frame 24, from 64x48 to 96x48"):
        inspect(Clip(changing, start=start, frames=8), ffmpeg, 8)
    assert inspect(Clip(changing, start=2, frames=8), ffmpeg, 8).frames_expected == 8


@pytest.mark.slow
def test_encode_a_part_with_a_change(changing, tmp_path):
    part = Clip(changing, start=2, frames=40, frame_rate=25)
    with pytest.raises(EncodeError, match="a part must end a few frames before the frames of the clip change"):
        Vmaf(cache=False).encode(part, tmp_path / "a.mp4", encoder="libx264", crf=30)
