"""Shots: cuts at known frames, and scenes without a cut."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.media.shots import SHORTEST, Shot, detect_shots, find_cuts, split

SIZE = "192x108"
FRACTAL, PATTERN, BARS, CELLS = (
    f"mandelbrot=s={SIZE}",
    f"testsrc2=s={SIZE}",
    f"smptebars=s={SIZE}",
    f"cellauto=s={SIZE}:rule=110:seed=3",
)
WHITE = f"color=white:s={SIZE}"
#: Ends of the four scenes of the clip with hard cuts.
SCENES = ((FRACTAL, 40), (PATTERN, 30), (BARS, 25), (CELLS, 35))
SHOTS = (Shot(0, 40), Shot(40, 30), Shot(70, 25), Shot(95, 35))


@pytest.fixture(scope="module")
def joined(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """joined([(scene, frames), …], "a.mkv", "format=yuv420p", …): scenes one after the other, filtered and encoded."""
    folder = tmp_path_factory.mktemp("shots")

    def clip(scenes: object, name: str = "a.mkv", filters: str = "format=yuv420p", *options: object) -> Path:
        chains = [f"{scene},trim=end_frame={n},format=yuv444p,setsar=1[{i}]" for i, (scene, n) in enumerate(scenes)]
        labels = "".join(f"[{i}]" for i in range(len(chains)))
        graph = ";".join([*chains, f"{labels}concat=n={len(chains)},{filters}"])
        return make("-f", "lavfi", "-i", graph, *(options or ("-c:v", "ffv1")), folder / name)

    return clip


def starts(clip: Path | Clip, ffmpeg: str, **settings: object) -> list[int]:
    """Where the shots begin."""
    shots = detect_shots(clip if isinstance(clip, Clip) else Clip(clip), ffmpeg, **settings)  # type: ignore[arg-type]
    return [shot.start for shot in shots]


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


# Cuts


@pytest.mark.parametrize(
    ("name", "filters", "options"),
    [
        ("b-frames.mp4", "format=yuv420p", ("-c:v", "libx264", "-bf", 3, "-crf", 35)),
        slow("10bit.mkv", "format=yuv422p10le", ()),
        slow("full.avi", "format=yuvj420p", ("-c:v", "mjpeg")),
        slow("grey.mkv", "format=gray", ()),
        slow("rgb.mkv", "format=gbrp10le", ()),
        slow("p%03d.png", "format=rgb24", ("-c:v", "png")),
        slow("grainy.mkv", "noise=alls=30:allf=t,format=yuv420p", ()),
        slow("uneven.mkv", "setpts=PTS*(1+N/50),format=yuv420p", ("-c:v", "ffv1", "-fps_mode", "passthrough")),
    ],
)
def test_hard_cuts(name, filters, options, joined, ffmpeg):
    assert detect_shots(Clip(joined(SCENES, name, filters, *options)), ffmpeg) == SHOTS


@pytest.mark.slow
def test_raw_video(joined, ffmpeg):
    raw = joined(SCENES, "a.yuv", "format=yuv420p10le", "-f", "rawvideo")
    clip = Clip(raw, width=192, height=108, pix_fmt="yuv420p10le")
    assert detect_shots(clip, ffmpeg) == SHOTS


@pytest.mark.slow
def test_similar_scenes(joined, ffmpeg):
    other = f"{FRACTAL}:start_x=-1.25066:start_y=0.02012:start_scale=0.05"
    assert starts(joined([(FRACTAL, 40), (other, 40)]), ffmpeg) == [0, 40]


@pytest.mark.parametrize("frames", [slow(1), slow(2), 5])
def test_cut_through_white(frames, joined, ffmpeg):
    assert starts(joined([(FRACTAL, 40), (WHITE, frames), (PATTERN, 40)]), ffmpeg) == [0, 40]


@pytest.mark.slow
def test_cut_from_still_to_motion(joined, ffmpeg):
    assert starts(joined([(BARS, 40), (FRACTAL, 40)]), ffmpeg) == [0, 40]


# No cuts


QUIET = {
    "zoom": (f"{FRACTAL}:start_scale=3:end_scale=0.00001:end_pts=60", "null"),
    "pan": (FRACTAL.replace(SIZE, "768x432"), "trim=end_frame=1,loop=60:1,setpts=N,crop=192:108:x='n*6':y=100"),
    "noise": (f"color=gray:s={SIZE}", "noise=alls=100:allf=t"),
    "noise after a still": (f"color=gray:s={SIZE}", "noise=alls=100:allf=t:enable='gte(n,30)'"),
    "a still": (BARS, "null"),
    "a flash": (FRACTAL, "drawbox=c=white:t=fill:enable='eq(n,30)'"),
    "a flash in the first frame": (FRACTAL, "drawbox=c=white:t=fill:enable='eq(n,0)'"),
    "a flash in the last frame": (FRACTAL, "drawbox=c=white:t=fill:enable='eq(n,59)'"),
    "some flashes": (FRACTAL, "drawbox=c=white:t=fill:enable='between(n,20,22)+eq(n,26)+between(n,33,35)'"),
    "a long flash": (FRACTAL, "drawbox=c=white:t=fill:enable='between(n,25,35)'"),
    "a fade out and in": (FRACTAL, "fade=out:10:10,fade=in:40:10:enable='gte(n,30)'"),
}


QUICK = ("noise after a still", "some flashes", "a fade out and in")


@pytest.mark.parametrize("name", [name if name in QUICK else slow(name) for name in QUIET])
def test_no_cut(name, joined, ffmpeg):
    scene, filters = QUIET[name]
    clip = joined([(f"{scene},{filters}", 60)])
    assert detect_shots(Clip(clip), ffmpeg) == (Shot(0, 60),)


@pytest.mark.slow
def test_dissolve(make, tmp_path, ffmpeg):
    ends = "trim=end_frame=60,format=yuv420p,settb=1/25,fps=25"
    graph = f"{FRACTAL}:r=25,{ends}[a];{PATTERN}:r=25,{ends}[b];[a][b]xfade=duration=1:offset=1.2"
    clip = make("-f", "lavfi", "-i", graph, "-c:v", "ffv1", tmp_path / "dissolve.mkv")
    assert len(detect_shots(Clip(clip), ffmpeg)) == 1


@pytest.mark.slow
def test_real_footage(bunny, ffmpeg):
    assert detect_shots(Clip(bunny), ffmpeg) == (Shot(0, 132),)


def test_picture(make, tmp_path, ffmpeg):
    still = make("-f", "lavfi", "-i", PATTERN, "-frames:v", 1, tmp_path / "a.png")
    assert detect_shots(Clip(still), ffmpeg) == (Shot(0, 1),)


# Settings


def test_threshold(joined, ffmpeg):
    clip = joined(SCENES)
    assert starts(clip, ffmpeg, threshold=28) == [0, 70]
    assert starts(clip, ffmpeg, threshold=60) == [0]


def test_shortest(joined, ffmpeg):
    clip = joined([(FRACTAL, 40), (PATTERN, 10), (BARS, 40)])
    assert starts(clip, ffmpeg) == [0, 40]
    assert starts(clip, ffmpeg, shortest=10) == [0, 40, 50]


@pytest.mark.parametrize("threshold", [0, 100.5, float("nan")])
def test_threshold_invalid(threshold):
    with pytest.raises(SettingsError, match=r"threshold must be a percentage of the luma range, above 0 to 100, not"):
        detect_shots(Clip("a.mkv"), "ffmpeg", threshold=threshold)


def test_shortest_invalid():
    with pytest.raises(SettingsError, match="shortest must be a whole number of frames from 1, not 0"):
        detect_shots(Clip("a.mkv"), "ffmpeg", shortest=0)


# Refusals


def test_clip_cut_off(joined, ffmpeg, tmp_path):
    whole = joined(SCENES, "whole.mkv").read_bytes()
    short = tmp_path / "short.mkv"
    short.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ClipError, match="cut off or damaged"):
        detect_shots(Clip(short), ffmpeg)


def test_not_a_video(ffmpeg, tmp_path):
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    with pytest.raises(ClipError, match="cannot be decoded"):
        detect_shots(Clip(text), ffmpeg)


# Rules of find_cuts and split


@settings(max_examples=30)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n)))), st.integers(1, 60))
def test_split(clip, shortest):
    frames, cuts = clip
    cuts -= {frames}
    shots = split(frames, cuts, shortest)
    assert shots[0].start == 0
    assert shots[-1].start + shots[-1].frames == frames
    assert all(a.start + a.frames == b.start for a, b in pairwise(shots))
    assert len(shots) == 1 or min(shot.frames for shot in shots) >= shortest
    assert {shot.start for shot in shots} <= cuts | {0}
    # A cut that was left out is too near to a start before it, or to the end.
    for cut in cuts - {shot.start for shot in shots}:
        before = max(shot.start for shot in shots if shot.start < cut)
        assert cut - before < shortest or frames - cut < shortest


def test_split_at_every_frame():
    assert split(4, [3, 1, 2], 1) == (Shot(0, 1), Shot(1, 1), Shot(2, 1), Shot(3, 1))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(SHORTEST, 40)), min_size=1, max_size=6))
def test_find_cuts_of_flat_scenes(scenes):
    """Scenes of one grey each, long enough: a cut is where it jumps by the threshold, 15.3 of 255, or more."""
    thumbnails = b"".join(bytes([grey]) * (64 * 36) * frames for grey, frames in scenes)
    ends = [sum(frames for _, frames in scenes[: i + 1]) for i in range(len(scenes) - 1)]
    jumps = [abs(a - b) > 15 for (a, _), (b, _) in pairwise(scenes)]
    assert find_cuts(thumbnails, 6.0, SHORTEST) == [end for end, jump in zip(ends, jumps, strict=True) if jump]


def test_frame_count(reference, ffmpeg):
    (shot,) = detect_shots(Clip(reference), ffmpeg)
    assert shot.frames == count_frames(Clip(reference), ffmpeg)
