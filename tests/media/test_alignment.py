"""Alignment: which shift is found, the message about it, and the scores with `align`."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import PairError
from pytest_vmaf.media.alignment import ROUNDS, Alignment, find_offset
from pytest_vmaf.media.inspect import THUMBNAIL

WIDTH, HEIGHT = THUMBNAIL
FRAMES, REACH = ROUNDS[0]


def moving(frames: int, seed: int = 0, speed: float = 1.0) -> np.ndarray:
    """Thumbnails of a texture that moves by ``speed`` pixels a frame."""
    texture = np.random.default_rng(seed).integers(16, 236, (HEIGHT, WIDTH)).astype(float)
    # Neighbouring pixels of footage are alike.
    for axis in (0, 1):
        texture = sum(np.roll(texture, s, axis) for s in range(-2, 3)) / 5
    steps = [np.roll(texture, round(frame * speed), 1) for frame in range(frames)]
    return np.stack(steps).round().astype(np.uint8)


def coded(frames: np.ndarray, seed: int = 1, strength: float = 3.0) -> bytes:
    """The frames with coding noise."""
    noise = np.random.default_rng(seed).normal(0, strength, frames.shape)
    return (frames + noise).clip(0, 255).astype(np.uint8).tobytes()


def offset_of(reference: bytes | np.ndarray, distorted: bytes | np.ndarray, reach: int = REACH) -> Alignment:
    """What find_offset says of two rows of thumbnails."""
    return find_offset(bytes(reference), bytes(distorted), reach)


@settings(max_examples=25, deadline=None)
@given(st.integers(-REACH, REACH), st.integers(0, 50), st.sampled_from([1.0, 3.0]))
def test_a_shift_either_way_is_found(offset, seed, speed):
    film = moving(48, seed, speed)
    reference, distorted = film[max(-offset, 0) :][:FRAMES], film[max(offset, 0) :][:FRAMES]
    # The largest shift that was tried may be the edge of a larger one.
    assert offset_of(reference.tobytes(), coded(distorted, seed)) == Alignment(offset, certain=abs(offset) < REACH)


def test_shift_of_a_slow_picture():
    film = moving(4, speed=2).astype(float)
    slow = np.stack([film[0] + (film[1] - film[0]) * frame / 7 for frame in range(FRAMES + 1)]).round().astype(np.uint8)
    assert offset_of(slow[:FRAMES].tobytes(), coded(slow[1:])).offset == 1
    assert offset_of(slow[:FRAMES].tobytes(), coded(slow[:FRAMES])).offset == 0


def test_shift_past_the_reach():
    film = moving(60)
    aligned = offset_of(film[:FRAMES].tobytes(), coded(film[20 : 20 + FRAMES]))
    assert not aligned.certain
    assert offset_of(film[:40].tobytes(), coded(film[20:60]), 30) == Alignment(20, certain=True)


def test_no_shift_is_certain_with_motion():
    film = moving(FRAMES)
    assert offset_of(film.tobytes(), coded(film)) == Alignment(0, certain=True)


@pytest.mark.parametrize("strength", [0.0, 1.0, 8.0])
def test_static_clip(strength):
    still = np.repeat(moving(1), FRAMES, axis=0)
    assert offset_of(still.tobytes(), coded(still, strength=strength)) == Alignment(0, certain=False)


def test_different_clip_is_not_aligned():
    assert offset_of(moving(FRAMES, 1).tobytes(), moving(FRAMES, 2).tobytes()) == Alignment(0, certain=False)


def test_loop_is_not_shifted():
    loop = np.concatenate([moving(4, speed=8)] * 4)
    assert offset_of(loop.tobytes(), coded(loop)) == Alignment(0, certain=True)


def test_brightness_is_not_a_shift():
    film = moving(FRAMES)
    brighter = (film.astype(int) + 12).clip(0, 255).astype(np.uint8)
    assert offset_of(film.tobytes(), brighter.tobytes()).offset == 0


def test_a_bad_encode_is_no_shift():
    film = moving(FRAMES)
    assert offset_of(film.tobytes(), coded(film, strength=25)).offset == 0


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_very_short_clips_are_left_alone(frames):
    film = moving(frames)
    assert offset_of(film.tobytes(), coded(film)).offset == 0


def leader(kind: str, frames: int = 100) -> np.ndarray:
    """What many clips begin with."""
    if kind == "countdown":
        # A picture that stays for a second.
        return np.repeat(np.stack([moving(1, seed)[0] for seed in range(frames // 25)]), 25, axis=0)
    level = {"black": 0.0, "card": 1.0}.get(kind)
    levels = np.linspace(0, 1, frames) if level is None else np.full(frames, level)
    return (16 + (moving(1, 9) - 16.0) * levels[:, None, None]).round().astype(np.uint8)


@pytest.mark.parametrize("kind", ["black", "card", "countdown", "fade"])
@pytest.mark.parametrize("offset", [-1, 0, 1, 7])
def test_leader(kind, offset):
    film = np.concatenate([leader(kind), moving(32)])
    reference, distorted = film[max(-offset, 0) :], film[max(offset, 0) :]
    aligned = find_offset(reference.tobytes(), coded(distorted, strength=1.5), ROUNDS[1][1])
    assert aligned == Alignment(offset, certain=True)
    if kind != "fade":
        # The first frames alone do not tell.
        assert not offset_of(reference[:FRAMES].tobytes(), coded(distorted[:FRAMES], strength=1.5)).certain


@pytest.mark.parametrize("frames", [9, 12, 13, 14])
def test_first_frames_that_hardly_move(frames):
    film = np.concatenate([leader("black", frames), moving(24)])
    aligned = offset_of(film[:FRAMES].tobytes(), coded(film[1 : FRAMES + 1]))
    assert aligned.offset == 1 or not aligned.certain


# With real clips


@pytest.mark.slow
def test_shift_under_a_black_leader(make, reference, encode, tmp_path, score):
    chain = "tpad=start=100:start_mode=add:color=black"
    late = make("-i", reference, "-vf", chain, "-c:v", "ffv1", tmp_path / "late.mkv")
    one = "tpad=start=99:start_mode=add:color=black,tpad=stop=1:stop_mode=clone"
    with pytest.raises(PairError, match="alignment: the distorted clip starts 1 frame into the reference"):
        score(late, encode(reference, 28, one))


@pytest.fixture(scope="module")
def reference(footage):
    """A small lossless reference: 128x96, 24 frames at 25 frames/s."""
    return footage("128x96", 24)


@pytest.fixture(scope="module")
def encoded(encode, reference):
    """An honest encode of the reference."""
    return encode(reference, 28)


@pytest.fixture(scope="module")
def cut(make, reference, tmp_path_factory):
    """cut(start, end): these frames of the reference, losslessly."""
    folder = tmp_path_factory.mktemp("cut")

    def frames(start: int, end: int = 24):
        path = folder / f"{start}-{end}.mkv"
        chain = f"trim=start_frame={start}:end_frame={end},setpts=N/25/TB"
        return path if path.exists() else make("-i", reference, "-vf", chain, "-c:v", "ffv1", path)

    return frames


@pytest.mark.parametrize("missing", [1, 7])
def test_distorted_starts_late(missing, cut, encode, reference, score):
    frames = "1 frame" if missing == 1 else f"{missing} frames"
    with pytest.raises(
        PairError, match=rf"alignment: the distorted clip starts {frames} into the reference .*align=True"
    ):
        score(reference, encode(cut(missing)))


@pytest.mark.parametrize("extra", [1, 7])
def test_distorted_starts_early(extra, cut, encode, reference, score):
    frames = "1 frame" if extra == 1 else f"{extra} frames"
    with pytest.raises(PairError, match=rf"alignment: the distorted clip has {frames} before the reference's first"):
        score(cut(extra), encode(reference))


def test_shift_at_equal_lengths(cut, encode, score):
    with pytest.raises(PairError, match="the distorted clip starts 2 frames into the reference"):
        score(cut(0, 22), encode(cut(2, 24)))
    # By index, if that is what was asked for.
    assert score(cut(0, 22), encode(cut(2, 24)), allow=["displaced"]).neg < 80


def test_align_late_distorted(cut, encode, reference, score):
    late = encode(cut(3))
    result = score(reference, late, align=True)
    assert result.neg.unclipped.frames == score(cut(3), late).neg.unclipped.frames
    (note,) = (note for note in result.provenance["notes"] if "alignment" in note)
    assert re.search(r"starts 3 frames into the reference .* The 21 frames that both clips have are scored", note)


def test_align_early_distorted(cut, encode, reference, score):
    early = encode(reference)
    result = score(cut(3), early, align=True)
    assert len(result.neg.frames) == 21
    (note,) = (note for note in result.provenance["notes"] if "alignment" in note)
    assert re.search(
        r"has 3 frames before the reference's first .* The 21 frames that both clips have are scored", note
    )
    assert abs(result.neg - score(reference, early).neg) < 1


def test_align_without_shift(reference, encoded, score):
    plain, aligned = score(reference, encoded), score(reference, encoded, align=True)
    assert aligned.neg.unclipped.frames == plain.neg.unclipped.frames
    assert aligned.provenance["notes"] == plain.provenance["notes"] == []


def test_align_equal_lengths(cut, encode, score):
    result = score(cut(0, 22), encode(cut(2, 24)), align=True)
    assert len(result.neg.frames) == 20


@pytest.mark.parametrize(
    ("start", "end", "words"), [(3, 17, "21 frames of the reference and 14"), (3, 23, "21 .* and 20")]
)
def test_align_keeps_missing_end(start, end, words, cut, encode, reference, score):
    with pytest.raises(PairError, match=rf"different lengths: aligned, {words} of the distorted clip"):
        score(reference, encode(cut(start, end)), align=True)


def test_align_keeps_missing_end_unshifted(cut, encode, reference, score):
    with pytest.raises(PairError, match="different lengths: 24 frames in the reference, 17"):
        score(reference, encode(cut(0, 17)), align=True)


@pytest.mark.slow
def test_above_100_of_aligned_frames(cut, encode, reference, score):
    late = encode(cut(3), 1)
    assert score(cut(3), late).above_100.past_limit > 0
    assert not score(reference, late, align=True).above_100


@pytest.mark.parametrize("scene", ["smptebars=", "color=black"])
def test_clips_without_motion(scene, make, encode, tmp_path, score):
    clip = make(
        "-f",
        "lavfi",
        "-i",
        f"{scene}:size=128x96:rate=25".replace("=:", "="),
        "-frames:v",
        12,
        "-c:v",
        "ffv1",
        tmp_path / "still.mkv",
    )
    result = score(clip, encode(clip, 30))
    assert len(result.neg.frames) == 12
    assert result.provenance["notes"] == []


@pytest.mark.slow
def test_still_opening(make, encode, tmp_path, score):
    """The first 20 frames are one picture; the shift shows only in the second round."""
    scene = "mandelbrot=size=64x48:rate=25:end_scale=0.0005,tpad=start=20:start_mode=clone"
    whole = make(
        "-f", "lavfi", "-i", scene, "-frames:v", 48, "-c:v", "ffv1", "-pix_fmt", "yuv420p", tmp_path / "whole.mkv"
    )
    shifted = make("-i", whole, "-vf", "trim=start_frame=2,setpts=N/25/TB", "-c:v", "ffv1", tmp_path / "shifted.mkv")
    with pytest.raises(PairError, match="the distorted clip starts 2 frames into the reference"):
        score(whole, encode(shifted))
    assert len(score(whole, encode(whole)).neg.frames) == 48


@pytest.fixture(scope="module")
def film(make, tmp_path_factory):
    """film(start, end): these frames of a clip that moves quickly."""
    folder = tmp_path_factory.mktemp("film")

    def frames(start: int, end: int):
        path = folder / f"{start}-{end}.mkv"
        chain = f"trim=start_frame={start}:end_frame={end},setpts=N/25/TB"
        scene = "testsrc2=size=128x96:rate=25,scroll=h=0.02"
        return make("-f", "lavfi", "-i", scene, "-vf", chain, "-frames:v", end - start, "-c:v", "ffv1", path)

    return frames


@pytest.mark.parametrize("missing", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_shift_needs_second_round(missing, film, encode, score):
    whole, late = film(0, 56), encode(film(missing, 56))
    with pytest.raises(PairError, match=f"the distorted clip starts {missing} frames into the reference"):
        score(whole, late)
    assert len(score(whole, late, align=True).neg.frames) == 56 - missing
