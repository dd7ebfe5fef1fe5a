"""Result: plain values, and their way through JSON."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.scoring.result import FramesAbove, Result
from pytest_vmaf.scoring.score import Context
from scoring.builders import CONTEXT, a_result, frame_values

few = settings(max_examples=25, deadline=None)

pairs = st.lists(st.tuples(frame_values, frame_values), min_size=1, max_size=12)
names = st.text(st.characters(codec="utf-8"), max_size=12)
contexts = st.builds(
    Context,
    names,
    names,
    st.none() | st.fractions(1, 240, max_denominator=1001),
    st.dictionaries(names, st.none() | st.booleans() | st.integers(-9, 9) | frame_values | names, max_size=3),
)


def everything(result: Result) -> object:
    """All a result holds, comparable to the last bit."""
    scores = {"vmaf": result.vmaf, "neg": result.neg, "gap": result.gap, **result.features}
    return (
        {
            name: (s.scale, [x.hex() for x in s.unclipped.frames], s.context, s.context.provenance)
            for name, s in scores.items()
        },
        {name: type(s) for name, s in scores.items()},
        (result.above_100.frames, result.above_100.total, result.above_100.past_limit, result.above_100.limit),
        result.above_100.context,
    )


@few
@given(pairs, contexts, st.booleans())
def test_json_round_trip(frames, context, with_feature):
    vmaf, neg = zip(*frames, strict=True)
    above = tuple((i, a, b) for i, (a, b) in enumerate(frames) if a > b)
    result = a_result(vmaf, neg, above=above, context=context, **({"psnr_y": neg} if with_feature else {}))
    text = result.to_json()
    back = Result.from_json(text)
    assert everything(back) == everything(result)
    assert back == result
    assert hash(back) == hash(result)
    assert back.to_json() == text


def test_json_of_odd_names():
    context = Context("a\udcff.mkv", "b.mkv", None)
    assert Result.from_json(a_result(context=context).to_json()).context.reference == "a\udcff.mkv"


def test_pickle_and_copy():
    result = a_result(above=((1, 103.0, 101.0),), psnr_y=(40.0, 41.0))
    for twin in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert everything(twin) == everything(result)


def changed(**edits: object) -> str:
    """A result in JSON with some of its parts, named by path, replaced."""
    data = json.loads(a_result().to_json())
    for path, value in edits.items():
        *parents, last = path.split("__")
        place = data
        for parent in parents:
            place = place[parent]
        place[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"schema": 1}',
        "[" * 100_000,
        changed(scores={}),
        changed(above_100=None),
        changed(context=[]),
        changed(context__frame_rate="1/0"),
        changed(context__frame_rate="nan"),
        changed(scores__neg__frames=["a"]),
        changed(scores__neg__frames=[None]),
        changed(scores__neg__frames=[10**400]),
        changed(scores__neg__scale__surprise=1),
        changed(scores__neg__scale__width="wide"),
        changed(context__reference=3),
        changed(above_100__frames=[[0, 1.0]]),
        changed(above_100__surprise=1),
    ],
)
def test_other_json(text):
    with pytest.raises(MeasurementError, match="This is not a result in JSON"):
        Result.from_json(text)


def test_json_without_frames():
    with pytest.raises(MeasurementError, match="neg must have a finite value"):
        Result.from_json(changed(scores__neg__frames=[]))


def test_json_of_another_schema():
    with pytest.raises(MeasurementError, match="schema must be 1, not 2"):
        Result.from_json(changed(schema=2))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"nan"', '"inf"'])
@pytest.mark.parametrize("place", ["scores__gap__frames", "above_100__frames"])
def test_json_numbers(place, number):
    value = [[0, 101.0, "?"]] if place.startswith("above") else [1.0, "?"]
    text = changed(**{place: value}).replace('"?"', number)
    with pytest.raises(MeasurementError, match=r"NaN|Infinity|must be a finite number"):
        Result.from_json(text)


@few
@given(st.integers(0, 10_000), st.binary(max_size=3))
def test_damaged_json(place, junk):
    good = a_result(above=((0, 101.0, 100.5),)).to_json().encode()
    place %= len(good)
    text = (good[:place] + junk + good[place + len(junk) :]).decode("utf-8", "surrogateescape")
    try:
        back = Result.from_json(text)
    except MeasurementError:
        return
    assert len(back.vmaf.frames) >= 1


def test_immutable():
    result = a_result()
    with pytest.raises(FrozenInstanceError):
        result.vmaf = 100.0  # type: ignore[misc]


def test_getitem():
    result = a_result(psnr_y=(40.0, 42.0))
    assert result["psnr_y"] == 41.0
    assert result["vmaf"] is result.vmaf
    assert result["neg"] is result.neg
    assert result["gap"] is result.gap
    with pytest.raises(KeyError, match=r"'ssim' was not measured, only vmaf, neg, gap, psnr_y\. .*features="):
        result["ssim"]


def test_frame_times():
    context = Context("r", "d", Fraction(24000, 1001))
    assert a_result(context=context).frame_times == (0.0, pytest.approx(1001 / 24000, rel=1e-15))


def test_frame_times_without_a_rate():
    with pytest.raises(MeasurementError, match=r"ref\.yuv has no frame rate; give Clip\(\.\.\., frame_rate"):
        a_result(context=Context("ref.yuv", "d", None)).frame_times  # noqa: B018


def test_no_frames_above():
    none = FramesAbove((), 24, 7, 100.0, CONTEXT)
    assert not none
    assert len(none) == 0
    assert list(none) == []
    assert none.worst(3) == ()
    assert repr(none) == "<no frame of 24 above 100 and its self-score>"


def test_frames_above():
    above = FramesAbove(((2, 104.0, 103.0), (5, 101.0, 98.0), (9, 102.0, 99.0)), 24, 11, 100.0, CONTEXT)
    assert above
    assert len(above) == 3
    assert list(above) == [2, 5, 9]
    assert [index for index, _, _ in above.worst(2)] == [5, 9]
    assert repr(above) == (
        "<3 of 24 frames above 100 and above the reference's self-score; furthest frame 5 (0:00:00.200): 101.00, "
        "self-score 98.00>"
    )
