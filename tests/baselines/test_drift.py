"""Drift by frame: a uniform shift, or a few bad frames."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from pytest_vmaf.baselines.drift import drift_lines, drift_of

GOOD = [90.0 + index % 3 for index in range(100)]


def changed(frames: dict[int, float]) -> list[float]:
    return [value + frames.get(index, 0.0) for index, value in enumerate(GOOD)]


def test_few_bad_frames() -> None:
    new = changed({**dict.fromkeys(range(12, 19), -20.0), 50: -10.0, 70: -10.0, 90: -8.0})
    drift = drift_of(GOOD, new)
    assert drift is not None
    assert drift.runs == ((12, 18),)
    assert drift.share == pytest.approx(140 / 168)
    lines = drift_lines(drift, Fraction(24))
    assert lines[0] == (
        "a few bad frames: frames 12–18 (0:00:00.500) make up 83 % of the loss; 10 % of the frames are lower, "
        "median +0.00"
    )
    assert lines[1].startswith("lost most: frame 12 (0:00:00.500) 90.00 → 70.00; ")


def test_uniform_shift() -> None:
    drift = drift_of(GOOD, changed(dict.fromkeys(range(96), -0.42)))
    assert drift is not None
    assert drift_lines(drift, None)[0] == "a uniform shift: 96 % of the frames are lower, median −0.42"


def test_single_frame_and_spans() -> None:
    drift = drift_of(GOOD, changed({7: -30.0}))
    assert drift is not None
    assert drift_lines(drift, None)[0].startswith("a few bad frames: frame 7 makes up 100 % of the loss")
    assert "frames 28–31 make up 100 %" in drift_lines(drift, None, span=4)[0]


@pytest.mark.parametrize(("old", "new"), [([], []), ([90.0], [90.0, 91.0]), ([90.0, 91.0], [90.0, 92.0])])
def test_no_loss_or_other_length(old: list[float], new: list[float]) -> None:
    assert drift_of(old, new) is None


scores = st.floats(-20, 120).map(lambda value: round(value, 2))


@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=60))
def test_drift_of_any_frames(pairs: list[tuple[float, float]]) -> None:
    old, new = [a for a, _ in pairs], [b for _, b in pairs]
    drift = drift_of(old, new)
    lost = [a - b for a, b in pairs if a - b > 0.005]
    assert (drift is None) == (not lost)
    if drift is not None:
        assert drift.lower == len(lost) / len(pairs)
        assert 0 < drift.share <= 1 + 1e-9
        assert drift.worst[0][1] - drift.worst[0][2] == max(lost)
        assert all(0 <= first <= last < len(pairs) for first, last in drift.runs)
        assert all("\n" not in line for line in drift_lines(drift, Fraction(25)))
