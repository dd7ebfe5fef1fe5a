"""Score: a float that knows its frames and its scale."""

from __future__ import annotations

import copy
import json
import math
import operator
import pickle
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import IncomparableScores, MeasurementError
from pytest_vmaf.scoring.pools import POOLS, pooled
from pytest_vmaf.scoring.score import Context, Score
from scoring.builders import CONTEXT, a_score, frame_tuples, frame_values

few = settings(max_examples=25, deadline=None)

COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
ARITHMETIC = (operator.add, operator.sub, operator.mul)


@few
@given(frame_tuples, frame_values)
def test_compare_with_numbers(frames, number):
    score = a_score(*frames)
    for compare in COMPARISONS:
        assert compare(score, number) == compare(float(score), number)
        assert compare(number, score) == compare(number, float(score))


@few
@given(frame_tuples, frame_tuples)
def test_compare_on_one_scale(first, second):
    a, b = a_score(*first), a_score(*second)
    for compare in COMPARISONS:
        assert compare(a, b) == compare(float(a), float(b))


@pytest.mark.parametrize("percent", [1, 25, 50, 99])
def test_percentile(percent):
    frames = tuple(map(float, range(50, 91)))
    score = a_score(*frames)
    assert score.percentile(percent) == pytest.approx(np.percentile(frames, percent))
    assert score.percentile(percent).pool == f"p{percent}"


@pytest.mark.parametrize("percent", [0, 100, 2.5, True, "5"])
def test_invalid_percentile(percent):
    with pytest.raises(ValueError, match="percent must be a whole number from 1 to 99, not"):
        a_score(90.0).percentile(percent)


@few
@given(frame_tuples, frame_values)
def test_arithmetic(frames, number):
    score = a_score(*frames)
    for calculate in ARITHMETIC:
        for value, expected in (
            (calculate(score, number), calculate(float(score), number)),
            (calculate(number, score), calculate(number, float(score))),
            (calculate(score, score), calculate(float(score), float(score))),
        ):
            assert type(value) is float
            assert value == expected


def test_plain_floats():
    score = a_score(-3.5, -3.5, low=None, high=None)
    values = (
        -score,
        +score,
        abs(score),
        round(score, 1),
        float(score),
        sum([score, score]),
        score / 2,
        score**2,
        score % 2,
    )
    assert [type(value) for value in values] == [float] * len(values)
    assert math.floor(score) == -4
    assert json.dumps(float(score)) == "-3.5"


@few
@given(frame_tuples)
def test_hash(frames):
    score = a_score(*frames)
    assert hash(score) == hash(float(score))
    assert float(score) in {score}


@few
@given(frame_tuples, st.sampled_from([pool for pool in POOLS if pool not in ("harmonic_mean", "stdev")]))
def test_pickle_and_copy(frames, pool):
    score = a_score(*frames, pool=pool)
    for twin in (pickle.loads(pickle.dumps(score)), copy.copy(score), copy.deepcopy(score)):
        assert type(twin) is Score
        assert twin == score
        assert twin.unclipped.frames == frames
        assert (twin.pool, twin.scale, twin.context) == (pool, score.scale, CONTEXT)


@pytest.mark.parametrize("compare", COMPARISONS, ids=lambda compare: compare.__name__)
@pytest.mark.parametrize(
    ("other", "named"),
    [
        (a_score(93.0, metric="vmaf", model="vmaf_v0.6.1"), r"VMAF \(vmaf_v0.6.1\) at 320x180"),
        (a_score(93.0, width=640, height=360), r"NEG \(vmaf_v0.6.1neg\) at 640x360"),
        (a_score(93.0, model="vmaf_v1.0.16_3d0h", generation="v1"), r"NEG \(vmaf_v1.0.16_3d0h\)"),
        (a_score(93.0, generation="v1"), "NEG"),
        (a_score(93.0, metric="psnr_y", model=""), "psnr_y at 320x180"),
    ],
    ids=["default and NEG", "sizes", "models", "generations", "a feature"],
)
def test_compare_on_two_scales(compare, other, named):
    with pytest.raises(IncomparableScores, match=rf"{named}.* different scales.* 93\.00 cannot be compared"):
        compare(a_score(93.0), other)
    with pytest.raises(IncomparableScores, match="are different scales"):
        compare(other, a_score(93.0))


def test_sort_on_two_scales():
    with pytest.raises(IncomparableScores, match=r"result\.gap"):
        sorted([a_score(93.0), a_score(95.0, metric="vmaf")])


def test_compare_pools():
    score = a_score(90.0, 91.0, 99.0)
    assert score.min < score.p5 < score.median < score.mean < score.max
    assert score.unclipped == score


def test_approx():
    score = a_score(93.0, 93.2)
    assert score == pytest.approx(93.1, abs=1e-9)
    assert pytest.approx(93.1, abs=1e-9) == score
    assert pytest.approx(score, abs=0.2) == 93.0
    assert pytest.approx(score, abs=0.2) == a_score(93.0)
    assert score != pytest.approx(93.2, abs=1e-9)
    assert pytest.approx(score, abs=0.05) != 93.0


def test_approx_on_two_scales():
    with pytest.raises(IncomparableScores, match="are different scales"):
        assert a_score(93.0) == pytest.approx(a_score(93.0, metric="vmaf"))


@few
@given(frame_tuples)
def test_clipped_frames(frames):
    score = a_score(*frames)
    assert score.frames == tuple(np.clip(frames, 0, 100))
    assert score.unclipped.frames == frames
    assert score.unclipped.unclipped.frames == frames
    assert 0 <= score <= 100


def test_clip_before_pooling():
    assert a_score(90.0, 110.0) == 95.0
    assert a_score(90.0, 110.0).unclipped == 100.0
    assert a_score(90.0, 110.0, high=110.0) == 100.0


@few
@given(frame_tuples)
def test_pools_of_numpy(frames):
    score = a_score(*frames, metric="psnr_y", model="")
    close = {"rel": 1e-12, "abs": 1e-9}
    assert float(score.mean) == pytest.approx(np.mean(frames), **close)
    assert float(score.min) == min(frames)
    assert float(score.max) == max(frames)
    assert float(score.median) == pytest.approx(np.median(frames), **close)
    assert float(score.p1) == pytest.approx(np.percentile(frames, 1), **close)
    assert float(score.p5) == pytest.approx(np.percentile(frames, 5), **close)
    assert float(score.p10) == pytest.approx(np.percentile(frames, 10), **close)
    assert score.stdev == pytest.approx(np.std(frames), **close)
    assert type(score.stdev) is float
    assert all(type(getattr(score, pool)) is Score for pool in POOLS if pool not in ("stdev", "harmonic_mean"))


@few
@given(frame_tuples, st.randoms(use_true_random=False))
def test_mean_in_any_order(frames: tuple[float, ...], rng: random.Random):
    shuffled = list(frames)
    rng.shuffle(shuffled)
    assert float(a_score(*shuffled)) == float(a_score(*frames))


@few
@given(frame_values, st.integers(1, 60))
def test_mean_of_equal_frames(value, n):
    score = a_score(*[value] * n)
    assert score.min == score.mean == score.max


@few
@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_harmonic_mean(frames):
    expected = len(frames) / sum(1 / (frame + 1) for frame in frames) - 1
    score = a_score(*frames).harmonic_mean
    assert float(score) == pytest.approx(expected, rel=1e-12, abs=1e-9)
    assert float(score) <= np.mean(frames) + 1e-9


def test_harmonic_mean_of_a_black_frame():
    assert float(a_score(100.0, 0.0).harmonic_mean) == pytest.approx(2 / (1 / 101 + 1) - 1)


@pytest.mark.parametrize("frames", [(-1.0,), (50.0, -2.0)])
def test_harmonic_mean_does_not_exist(frames):
    with pytest.raises(MeasurementError, match=r"harmonic mean .* does not exist for scores of −1 and below"):
        a_score(*frames).unclipped.harmonic_mean  # noqa: B018


@pytest.mark.parametrize("pool", ["p0", "p100", "average", "", "frames", "Mean"])
def test_unknown_pool(pool):
    with pytest.raises(ValueError, match=f"pool must be one of mean, min, max, .* not {pool!r}"):
        a_score(90.0, 91.0).pooled(pool)
    with pytest.raises(ValueError, match="pool must be one of"):
        pooled((1.0, 2.0), pool)


def test_stdev_is_not_a_score():
    with pytest.raises(ValueError, match="stdev"):
        a_score(90.0, 91.0).pooled("stdev")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite(bad):
    with pytest.raises(MeasurementError, match=r"neg must have a finite value for each frame of out\.mp4"):
        a_score(93.0, bad)


def test_no_frames():
    with pytest.raises(MeasurementError, match="a finite value"):
        a_score()


def test_worst():
    score = a_score(95.0, 80.0, 99.0, 80.0)
    assert score.worst() == ((1, 80.0),)
    assert score.worst(3) == ((1, 80.0), (3, 80.0), (0, 95.0))
    assert score.worst(9) == ((1, 80.0), (3, 80.0), (0, 95.0), (2, 99.0))


def test_worst_of_a_gap():
    assert a_score(1.0, 9.0, 3.0, metric="gap").worst(2) == ((1, 9.0), (2, 3.0))


def test_worst_is_clipped():
    assert a_score(120.0, 130.0).worst(2) == ((0, 100.0), (1, 100.0))


@pytest.mark.parametrize(
    ("frame", "rate", "code"),
    [
        (0, Fraction(25), "frame 0 (0:00:00.000)"),
        (1, Fraction(24000, 1001), "frame 1 (0:00:00.042)"),
        (90_000, Fraction(25), "frame 90000 (1:00:00.000)"),
        (3601 * 30, Fraction(30), "frame 108030 (1:00:01.000)"),
        (7, None, "frame 7"),
    ],
)
def test_time_codes(frame, rate, code):
    assert Context("r", "d", rate).time_code(frame) == code


def test_repr():
    score = a_score(93.123456789, 93.123456789)
    assert repr(score) == "<NEG 93.1235>"
    assert repr(score.p5) == "<NEG p5 93.1235>"
    assert repr(a_score(2.0, metric="gap")) == "<gap 2>"
    assert str(score) == str(float(score))
    assert f"{score:.2f}" == "93.12"
    assert "%.1f" % score == "93.1"  # noqa: UP031
