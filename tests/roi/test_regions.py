"""Regions: their numbers, gates and limits, and the ffmpeg filters that crop to them."""

from __future__ import annotations

import pickle
import re
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import ClipError, PairError, SettingsError
from pytest_vmaf.roi.part_scoring import crop_filter
from pytest_vmaf.roi.regions import Region, move_inside, read_region, refuse_length, refuse_outside, region_label

corners = st.tuples(st.integers(0, 60), st.integers(0, 40))
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
FRAMES = 60
boxes = st.builds(lambda corner, size: (*corner, *size), corners, sizes)
CROP = re.compile(r"crop=(\d+):(\d+):x='?([^':]+)'?:y='?([^':]+)'?:exact=1")


def evaluated(expression: str, n: int) -> int:
    """What ffmpeg's evaluator makes of whole numbers, if() and lt() in frame n."""

    def term(at: int) -> tuple[int, int]:
        if not expression.startswith("if(lt(n,", at):
            number = re.compile(r"-?\d+").match(expression, at)
            return int(number[0]), number.end()
        limit, at = term(at + len("if(lt(n,"))
        assert expression[at : at + 2] == "),"
        below, at = term(at + 2)
        assert expression[at] == ","
        above, at = term(at + 1)
        assert expression[at] == ")"
        return (below if n < limit else above), at + 1

    value, end = term(0)
    assert end == len(expression)
    return value


def depth(expression: str) -> int:
    deepest = level = 0
    for character in expression:
        level += (character == "(") - (character == ")")
        deepest = max(deepest, level)
    return deepest


def test_region_numbers_and_gates():
    region = Region(600, 200, 320, 321.0, min_neg=90, above_100="off", max_gap_p95="2")
    assert (region.x, region.y, region.size, region.moves, region.boxes) == (600, 200, (320, 321), False, ())
    assert type(region.h) is int
    assert region.gates == {"min_neg": 90, "above_100": "off", "max_gap_p95": "2"}
    assert pickle.loads(pickle.dumps(region)) == region
    assert hash(region) == hash(Region(600, 200, 320, 321))
    with pytest.raises(AttributeError):
        region.x = 5


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((-1, 0, 8, 8), "x of a region must be a whole number of pixels from 0 to 65535, not -1."),
        ((0, 0, 0, 8), "w of a region must be a whole number of pixels from 1 to 65535, not 0."),
        ((0, 0, 8, 70000), "h of a region must be a whole number of pixels from 1 to 65535, not 70000."),
        ((0, 1.5, 8, 8), "y of a region must be a whole number of pixels from 0 to 65535, not 1.5."),
        ((True, 0, 8, 8), "x of a region must be a whole number of pixels from 0 to 65535, not True."),
        ((0, 0, float("nan"), 8), "w of a region must be a whole number of pixels from 1 to 65535, not nan."),
        (
            (0, 0, 8, 10**5000),
            "h of a region must be a whole number of pixels from 1 to 65535, not a number of thousands of digits.",
        ),
        (("1", 0, 8, 8), "x of a region must be a whole number of pixels from 0 to 65535, not '1'."),
    ],
)
def test_region_invalid_number(numbers, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        Region(*numbers)


def test_region_invalid_gate():
    with pytest.raises(SettingsError, match=r"'neg' is not a gate of a region\. Did you mean 'min_neg'\?"):
        Region(0, 0, 8, 8, neg=90)
    with pytest.raises(SettingsError, match=r"'above' is not a gate of a region\. Did you mean 'above_100'\?"):
        Region.track([(0, 0, 8, 8)], above=3)


def test_read_region(tmp_path):
    region = Region(1, 2, 3, 4)
    assert read_region("face", region) is region
    assert read_region("face", (1, 2, 3, 4)) == read_region("face", np.array([1, 2, 3, 4])) == region
    (tmp_path / "face.json").write_text("[[1, 2, 3, 4], [2, 2, 3, 4]]")
    for path in (tmp_path / "face.json", str(tmp_path / "face.json")):
        assert read_region("face", path).boxes == ((1, 2), (2, 2))


@pytest.mark.parametrize("value", [5, None, (1, 2, 3), {1, 2, 3, 4}, b"1234", {"x": 1, "y": 2, "w": 3, "h": 4}])
def test_read_region_invalid(value):
    with pytest.raises(
        SettingsError, match=r"Region 'face' must be Region\(x, y, w, h\), those four numbers, .*, not "
    ):
        read_region("face", value)


def test_read_region_names_errors(tmp_path):
    with pytest.raises(SettingsError, match=r"^Region 'a\\nb': w of a region must be .*, not 0"):
        read_region("a\nb", (0, 0, 0, 1))
    with pytest.raises(ClipError, match=r"^Region 'face': The track .*none\.csv does not exist"):
        read_region("face", tmp_path / "none.csv")


def test_outside_by_one_pixel():
    refuse_outside("face", Region(1600, 760, 320, 320), 1920, 1080)
    with pytest.raises(PairError, match=r"Region 'face' reaches to x=1921, but the picture has 1920x1080 pixels\.\n"):
        refuse_outside("face", Region(1601, 760, 320, 320), 1920, 1080)
    with pytest.raises(PairError, match=r"reaches to y=1081, but the picture"):
        refuse_outside("face", Region(1600, 761, 320, 320), 1920, 1080)


def test_outside_by_frame():
    region = Region.track([(1610, 0, 320, 320), (0, 0, 320, 320), (1, 800, 320, 320), (1, 801, 320, 320)])
    with pytest.raises(
        PairError, match=r"reaches to x=1930 in frame 0, but the picture has 1920x1080 pixels \(3 frames"
    ):
        refuse_outside("face", region, 1920, 1080)
    with pytest.raises(
        PairError, match=r"reaches to y=1120 in frame 2, but the picture has 1920x1080 pixels \(2 frames"
    ):
        refuse_outside("face", region, 1920, 1080, first_frame=1)
    # The last box is held beyond the end.
    with pytest.raises(PairError, match="in frame 3,"):
        refuse_outside("face", region, 1920, 1080, first_frame=9)


def test_outside_by_inner_box():
    region = Region.track([(0, 0, 10, 10), (50, 30, 14, 10)], largest=True)
    refuse_outside("face", region, 64, 40)
    with pytest.raises(PairError, match="reaches to x=64 in frame 1"):
        refuse_outside("face", region, 63, 40)
    with pytest.raises(
        PairError, match=r"must fit into the picture of 64x40 pixels\. It has the size of its largest box, 70x10"
    ):
        refuse_outside("face", Region.track([(0, 0, 70, 9), (0, 0, 9, 10)], largest=True), 64, 40, first_frame=1)


def test_length_one_box_per_frame():
    region = Region.track([(n, 0, 8, 8) for n in range(24)])
    refuse_length("face", region, 0, 24, 24)
    refuse_length("face", Region(0, 0, 8, 8), 0, 24, 24)
    with pytest.raises(PairError, match=r"region 'face' has 24 boxes, the reference 25 frames\.\n.*hold=True"):
        refuse_length("face", region, 0, 25, 25)
    with pytest.raises(PairError, match=r"24 boxes, the reference 23 frames \(frames 4 to 22 are scored\)"):
        refuse_length("face", region, 4, 19, 23)


def test_length_with_hold():
    region = Region.track({0: (0, 0, 8, 8), 9: (1, 0, 8, 8)}, hold=True)
    refuse_length("face", region, 0, 25, 25)
    with pytest.raises(PairError, match="10 boxes, the reference 9 frames"):
        refuse_length("face", region, 0, 9, 9)


def test_region_label():
    assert region_label(Region(600, 200, 320, 320)) == "320x320+600+200"
    assert region_label(Region.track([(600, 200, 320, 320), (601, 200, 320, 320)])) == "320x320, moving"
    assert region_label(Region.track([(600, 200, 320, 320)] * 2)) == "320x320+600+200"


@settings(max_examples=30, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=30))
def test_window_contains_boxes(track):
    width, height = 100, 80
    region = move_inside(Region.track(track, largest=True), width, height)
    refuse_outside("face", region, width, height)
    assert region.size == (max(w for *_, w, _ in track), max(h for *_, h in track))
    assert (region.x, region.y) == region.boxes[0]
    for (x, y, w, h), (left, top) in zip(track, region.boxes, strict=True):
        for at, side, begin, window_side, whole in ((x, w, left, region.w, width), (y, h, top, region.h, height)):
            assert 0 <= begin <= at
            assert at + side <= begin + window_side <= whole
            # Twice the distance of the centres: at most the half pixel that cannot be had, or a border is in the way.
            off = (2 * begin + window_side) - (2 * at + side)
            assert off in (0, -1) or (off > 0 and begin == 0) or (off < 0 and begin + window_side == whole)


def test_move_inside_keeps_fixed_size():
    region = Region.track([(1, 2, 3, 4), (5, 6, 3, 4)], largest=True)
    assert move_inside(region, 2, 2) is region


@settings(max_examples=30, deadline=None)
@given(st.lists(corners, min_size=1, max_size=80), st.integers(0, 90), st.integers(1, 5))
def test_crop_expression(track, start, repeated):
    track = [corner for corner in track for _ in range(repeated)]
    cut = CROP.fullmatch(crop_filter(Region.track([(*corner, 9, 7) for corner in track]), start))
    assert cut[1] == "9"
    assert cut[2] == "7"
    # Beyond its end the last box is held.
    wanted = track[start:] or track[-1:]
    for n in range(len(wanted) + 3):
        assert (evaluated(cut[3], n), evaluated(cut[4], n)) == wanted[min(n, len(wanted) - 1)]
    steps = len(list(groupby(x for x, _ in wanted)))
    assert cut[3].count("lt(") == steps - 1
    assert depth(cut[3]) <= 2 + steps.bit_length()


def test_crop_fixed():
    assert crop_filter(Region(5, 7, 33, 35)) == "crop=33:35:x=5:y=7:exact=1"
    assert crop_filter(Region.track([(5, 7, 33, 35)] * 9), 4) == "crop=33:35:x=5:y=7:exact=1"


def test_crop_nesting():
    # ffmpeg refuses what is nested a hundred deep.
    track = [(n % 1000, 0, 8, 8) for n in range(5_000)]
    assert depth(crop_filter(Region.track(track))) <= 15


def raw(make, clip: Path, output: Path, *options: object) -> bytes:
    return make(
        "-i", clip, *options, "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", output
    ).read_bytes()


def planes(data: bytes, width: int, height: int) -> tuple[np.ndarray, ...]:
    """Y, U and V of raw 4:2:0, each (frames, height, width)."""
    w, h = (width + 1) // 2, (height + 1) // 2
    frames = np.frombuffer(data, np.uint8).reshape(-1, width * height + 2 * w * h)
    y, u, v = np.split(frames, [width * height, width * height + w * h], axis=1)
    return y.reshape(-1, height, width), u.reshape(-1, h, w), v.reshape(-1, h, w)


def assert_cut(whole: bytes, cut: bytes, picture: tuple[int, int], track: list[tuple[int, int]], size: tuple[int, int]):
    (w, h), chroma = size, ((size[0] + 1) // 2, (size[1] + 1) // 2)
    for plane, (before, after) in enumerate(zip(planes(whole, *picture), planes(cut, *size), strict=True)):
        assert len(before) == len(after) == len(track)
        across, down = chroma if plane else (w, h)
        for n, (x, y) in enumerate(track):
            left, top = (x // 2, y // 2) if plane else (x, y)
            assert np.array_equal(after[n], before[n, top : top + down, left : left + across]), (plane, n)


@pytest.mark.parametrize("box", [(0, 0, 163, 91), (1, 1, 33, 35), (162, 90, 1, 1), (64, 5, 32, 31), (63, 4, 33, 30)])
def test_crop_odd_regions(footage, make, tmp_path, box):
    clip = footage("163x91", FRAMES)
    whole, cut = (
        raw(make, clip, tmp_path / "whole.yuv"),
        raw(make, clip, tmp_path / "cut.yuv", "-vf", crop_filter(Region(*box))),
    )
    assert_cut(whole, cut, (163, 91), [box[:2]] * FRAMES, box[2:])


@pytest.mark.parametrize("start", [0, 40])
def test_crop_follows_track(footage, make, tmp_path, start):
    clip, rng = footage("163x91", FRAMES), np.random.default_rng(3)
    track = [(int(x), int(y)) for x, y in zip(rng.integers(0, 131, FRAMES), rng.integers(0, 57, FRAMES), strict=True)]
    region = Region.track([(*corner, 33, 35) for corner in track])
    whole = raw(make, clip, tmp_path / "whole.yuv")
    trimmed = f"[0:v]trim=start_frame={start},{crop_filter(region, start)}[out]"
    cut = raw(make, clip, tmp_path / "cut.yuv", "-filter_complex", trimmed, "-map", "[out]")
    frame = len(whole) // FRAMES
    assert_cut(whole[start * frame :], cut, (163, 91), track[start:], (33, 35))


def test_crop_growing_boxes(footage, make, tmp_path):
    clip = footage("163x91", FRAMES)
    track = [(2 * n, n, 13 - n // 6, 5 + n // 5) for n in range(FRAMES)]
    region = move_inside(Region.track(track, largest=True), 163, 91)
    whole, cut = (
        raw(make, clip, tmp_path / "whole.yuv"),
        raw(make, clip, tmp_path / "cut.yuv", "-vf", crop_filter(region)),
    )
    assert_cut(whole, cut, (163, 91), list(region.boxes), region.size)


@pytest.mark.slow
def test_crop_long_track_file(make, tmp_path):
    picture, frames, rng = (20, 14), 8000, np.random.default_rng(5)
    noise = rng.integers(0, 256, frames * 420, np.uint8).tobytes()
    (tmp_path / "noise.yuv").write_bytes(noise)
    track = [(int(x), int(y)) for x, y in rng.integers(0, 10, (frames, 2))]
    graph = f"[0:v]{crop_filter(Region.track([(*corner, 9, 5) for corner in track]))}[out]"
    # More than one argument of a process may hold on Linux.
    assert len(graph) > 131072
    (tmp_path / "graph.txt").write_text(graph)
    form = ("-f", "rawvideo", "-video_size", "20x14", "-pix_fmt", "yuv420p")
    source = ("-i", tmp_path / "noise.yuv", "-/filter_complex", tmp_path / "graph.txt", "-map", "[out]")
    cut = make(*form, *source, "-f", "rawvideo", tmp_path / "cut.yuv").read_bytes()
    assert_cut(noise, cut, picture, track, (9, 5))
