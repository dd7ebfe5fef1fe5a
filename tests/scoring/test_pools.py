"""Pools of frames: windows, beside what `test_score` has."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_vmaf import MeasurementError
from pytest_vmaf.scoring.pools import Window, is_pool, pooled, window_frames, worst_window
from scoring.builders import a_score


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 60), st.booleans())
def test_worst_window_of_frames(values: list[float], length: int, lowest: bool) -> None:
    frames = tuple(values)
    if length > len(frames):
        with pytest.raises(MeasurementError, match=rf"worst_{length}f is longer than the clip of {len(frames)} frame"):
            worst_window(frames, f"worst_{length}f", None)
        return
    window = worst_window(frames, f"worst_{length}f", None, lowest=lowest)
    means = [np.mean(frames[first : first + length]) for first in range(len(frames) - length + 1)]
    assert window.value == pytest.approx(min(means) if lowest else max(means))
    assert window.value == pytest.approx(means[window.first])
    assert pooled(frames, f"worst_{length}f", lowest=lowest) == window.value


def test_first_of_equal_windows() -> None:
    assert worst_window((5.0, 1.0, 1.0, 5.0, 1.0, 1.0), "worst_2f", None) == Window(1, 2, 1.0)


@pytest.mark.parametrize(
    ("pool", "rate", "frames"),
    [
        ("worst_1s", Fraction(25), 25),
        ("worst_1s", Fraction(30000, 1001), 30),
        ("worst_2s", Fraction(24000, 1001), 48),
        ("worst_1s", Fraction(1, 3), 1),
        ("worst_12f", None, 12),
    ],
)
def test_window_frames(pool: str, rate: Fraction | None, frames: int) -> None:
    assert window_frames(pool, rate) == frames


@pytest.mark.parametrize("name", ["worst_0s", "worst_s", "worst_1.5s", "worst_-1s", "worst_1", "worst_1m", "p0"])
def test_no_pools(name: str) -> None:
    assert not is_pool(name)
    with pytest.raises(ValueError, match="windows such as worst_1s or worst_24f"):
        pooled((1.0, 2.0), name)


def test_window_without_a_frame_rate() -> None:
    with pytest.raises(MeasurementError, match=r"worst_1s needs a frame rate.* frames: worst_25f"):
        pooled((1.0, 2.0), "worst_1s")


def test_window_longer_than_the_clip() -> None:
    with pytest.raises(MeasurementError, match=r"worst_2s \(50 frames\) is longer than the clip of 3 frames"):
        pooled((1.0, 2.0, 3.0), "worst_2s", frame_rate=Fraction(25))


def test_direction_follows_the_metric() -> None:
    frames = (3.0, 1.0, 9.0, 9.0)
    assert a_score(*frames).worst_window("worst_2f") == Window(0, 2, 2.0)
    assert a_score(*frames, metric="gap").worst_window("worst_2f") == Window(2, 2, 9.0)
    assert a_score(*frames).pooled("worst_2f") == 2.0
    with pytest.raises(ValueError, match="'mean' is not a window"):
        a_score(*frames).worst_window("mean")


SHOTS = ((0, 3), (3, 1), (4, 2))


def test_worst_shot() -> None:
    frames = (9.0, 1.0, 8.0, 7.0, 3.0, 9.0)
    assert worst_window(frames, "worst_shot", None, shots=SHOTS) == Window(0, 3, 6.0)
    assert worst_window(frames, "worst_shot", None, shots=SHOTS, lowest=False) == Window(3, 1, 7.0)
    assert pooled(frames, "worst_shot", shots=SHOTS) == 6.0


def test_worst_shot_without_shots() -> None:
    with pytest.raises(MeasurementError, match=r"worst_shot needs the shots .* min_neg_worst_shot=0\.$"):
        a_score(1.0, 2.0).pooled("worst_shot")
