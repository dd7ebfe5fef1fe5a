"""Entries, tolerances, and the verdicts that compare them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from scoring.builders import a_result

from pytest_vmaf.baselines.entry import differs, frames_entry, frames_of, score_entry
from pytest_vmaf.baselines.judge import compare_entries, is_better
from pytest_vmaf.baselines.messages import verdict_text
from pytest_vmaf.gates.tolerance import in_force, parse_tolerance

DEFAULT = in_force([], "score")


def entry(*neg: float, **more: Any) -> dict[str, Any]:
    return score_entry(a_result(vmaf=tuple(value + 1 for value in neg), neg=neg, **more), {"model": "m"}, {})


@pytest.mark.parametrize(
    ("name", "metric", "direction", "pool"),
    [
        ("max_drop", "neg", "drop", "mean"),
        ("max_drop_p5", "neg", "drop", "p5"),
        ("max_neg_drop_harmonic_mean", "neg", "drop", "harmonic_mean"),
        ("max_gap_rise", "gap", "rise", "mean"),
        ("max_psnr_y_drop_min", "psnr_y", "drop", "min"),
        ("max_roi_drop", "vmaf_roi", "drop", "mean"),
        ("max_bd_rate_rise", "bd_rate", "rise", "mean"),
        ("max_crf_drop", "crf", "drop", "mean"),
    ],
)
def test_tolerance_grammar(name: str, metric: str, direction: str, pool: str) -> None:
    tolerance = parse_tolerance(name, "2%", "call")
    assert (tolerance.metric, tolerance.direction, tolerance.pool) == (metric, direction, pool)
    assert (tolerance.limit, tolerance.relative, tolerance.limit_text) == (2.0, True, "2 %")


def test_nearest_tolerance_wins() -> None:
    near = [parse_tolerance("max_neg_drop", 0.1, "call"), parse_tolerance("max_drop_p5", None, "call")]
    far = [parse_tolerance("max_drop", 3, "ini"), parse_tolerance("max_gap_rise", 1, "ini")]
    found = {each.name: each.limit for each in in_force([near, far], "score")}
    assert found == {"max_neg_drop": 0.1, "max_gap_rise": 1.0, "max_neg_masked_drop": 0.5, "max_neg_salient_drop": 0.5}


@pytest.mark.parametrize(
    ("name", "limit", "old", "new", "text"),
    [
        ("max_drop", 0.5, 93.0, 92.1, "NEG 92.10 is 0.90 below the baseline's 93.00; max_drop is 0.5"),
        ("max_drop", 0.5, 93.0, 92.4999, "NEG 92.50 is 0.5001 below the baseline's 93.00; max_drop is 0.5"),
        ("max_drop", "0.5%", 80.0, 79.0, "NEG 79.00 is 1.25 % below the baseline's 80.00; max_drop is 0.5 %"),
        ("max_drop", 0.5, 93.0, 93.5, "NEG 93.50 is 0.50 above the baseline's 93.00; max_drop is 0.5"),
        ("max_drop", 0.5, 93.0, 93.0, "NEG 93.00 is the baseline's; max_drop is 0.5"),
        ("max_drop_p5", 1, 93.0, 91.0, "NEG p5 91.00 is 2.00 below the baseline's 93.00; max_drop_p5 is 1"),
        ("max_gap_rise", 0.5, 1.5, 2.5, "gap 2.50 is 1.00 above the baseline's 1.50; max_gap_rise is 0.5"),
        ("max_float_ssim_drop", 0.001, 0.99, 0.98, "float_ssim 0.9800 is 0.0100 below the baseline's 0.9900; "),
    ],
)
def test_verdict_text(name: str, limit: float | str, old: float, new: float, text: str) -> None:
    tolerance = parse_tolerance(name, limit, "call")

    def one(value: float) -> dict[str, Any]:
        return {"kind": "score", "values": {tolerance.metric: {tolerance.pool: value}}}

    [verdict] = compare_entries(one(old), one(new), [tolerance])
    assert verdict_text(verdict).startswith(text)
    assert verdict.passed == (tolerance.worse(old, new) <= 0)


def test_equal_numbers() -> None:
    same = entry(93.123456, 90)
    assert all(each.worse == 0 and each.passed for each in compare_entries(same, same, DEFAULT))
    assert not differs(entry(93.0), {**entry(93.0), "shown": {"ffmpeg": "another"}})
    assert differs(entry(93.0), entry(93.01))


def test_is_better() -> None:
    def better(old: dict[str, Any], new: dict[str, Any]) -> bool:
        return is_better(old, new, compare_entries(old, new, DEFAULT))

    assert better(entry(90, 90), entry(91, 91))
    assert not better(entry(90, 90), entry(90, 90))
    # The mean rose, and the fifth percentile fell.
    assert not better(entry(90, 90), entry(95, 89))


def test_relative_change_from_zero() -> None:
    tolerance = parse_tolerance("max_gap_rise", "5%", "call")
    assert tolerance.worse(0.0, 0.1) == float("inf")
    assert tolerance.worse(0.0, 0.0) == 0
    assert tolerance.worse(-2.0, -1.9) == pytest.approx(5)


@given(st.lists(st.floats(-20, 120), min_size=1, max_size=80))
def test_frames_round_trip(frames: list[float]) -> None:
    written = frames_entry(frames)
    found, span = frames_of({"frames": written})
    assert span == 1
    assert found == pytest.approx(frames, abs=0.00501)
    assert all(len(row.split()) == 25 for row in written["neg"][:-1])
    assert "-0.00" not in " ".join(written["neg"])


def test_long_clip_has_spans() -> None:
    written = frames_entry([80.0, 90.0] * 10_001)
    found, span = frames_of({"frames": written})
    assert span == 3
    assert len(found) == 6668
    assert found[0] == pytest.approx(83.33)
