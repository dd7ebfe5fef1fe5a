"""Series, histograms and worst frames of a measurement, bounded for clips of any length."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st
from scoring.builders import a_result

from pytest_vmaf.gates.gate import judge, parse_gate
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import schema, series
from pytest_vmaf.scoring.score import Context
from report.builders import a_measurement, an_error

HALF_AN_HOUR = 43_200
scores = st.floats(-20, 140, allow_nan=False)
#: A few values, each repeated, because long lists take hypothesis long.
stretched = st.tuples(st.lists(scores, min_size=1, max_size=40), st.integers(1, 100)).map(
    lambda drawn: [value for value in drawn[0] for _ in range(drawn[1])]
)


@settings(deadline=None)
@given(stretched, st.booleans())
@example([50.0] * (HALF_AN_HOUR - 1) + [1.25], True)
@example([1.25] + [0.5] * (HALF_AN_HOUR - 1), False)
def test_thin(frames: list[float], lowest: bool) -> None:
    kept = series.thin(frames, lowest=lowest)
    size = series.frames_per_bucket(len(frames))
    assert len(kept) <= 200
    assert (len(kept) - 1) * size < len(frames) <= len(kept) * size
    worst = min if lowest else max
    assert worst(kept) == round(worst(frames), 3)
    for bucket, value in enumerate(kept):
        assert value == round(worst(frames[bucket * size : (bucket + 1) * size]), 3)


@settings(deadline=None)
@given(st.integers(1, 10**7), st.integers(1, 1000))
def test_frames_per_bucket(frames: int, buckets: int) -> None:
    size = series.frames_per_bucket(frames, buckets)
    assert math.ceil(frames / size) <= buckets
    # One frame less in each would not do.
    assert size == 1 or math.ceil(frames / (size - 1)) > buckets


@settings(deadline=None)
@given(st.lists(scores, min_size=1, max_size=200), st.booleans())
def test_thin_short_series(frames: list[float], lowest: bool) -> None:
    assert series.thin(frames, lowest=lowest) == [round(frame, 3) for frame in frames]


def test_thin_where_high_is_bad() -> None:
    frames = [1.0] * 300
    frames[7], frames[290] = 9.0, -9.0
    psnr = [40 + value for value in frames]
    columns = {"psnr_y": psnr, "psnr_cb": 40.0, "psnr_cr": 40.0, "cambi": frames}
    made = a_measurement([90 + value for value in frames], [90.0] * 300, columns=columns, min_psnr_y=0, max_cambi=99)
    worst = made["series"]["worst"]
    assert max(worst["gap"]) == max(worst["cambi"]) == 9.0
    assert min(worst["gap"]) == 1.0
    assert min(worst["psnr_y"]) == 31.0
    assert min(worst["vmaf"]) == 81.0


@settings(max_examples=25, deadline=None)
@given(st.integers(101, 200), st.data())
def test_coarsen(frames: int, data: st.DataObject) -> None:
    neg = data.draw(st.lists(st.floats(0, 99), min_size=frames, max_size=frames))
    lifted = data.draw(st.sets(st.integers(0, frames - 1), max_size=9))
    above = tuple((index, 101.0, 99.0) for index in sorted(lifted))
    gaps = [value % 7 for value in neg]
    result = a_result(tuple(a + b for a, b in zip(neg, gaps, strict=True)), tuple(neg), above=above)
    made = {"status": "passed", **series.frame_data(result, [])}
    thin = series.coarsen(made, 64)
    worst, size = thin["series"]["worst"], thin["series"]["frames_per_bucket"]
    assert {len(values) for values in worst.values()} == {math.ceil(frames / size)}
    assert len(worst["neg"]) <= 64
    assert min(worst["neg"]) == min(made["series"]["worst"]["neg"])
    assert max(worst["gap"]) == max(made["series"]["worst"]["gap"])
    assert thin["above"]["buckets"] == sorted({frame // size for frame in lifted})
    assert thin["frames"] == frames
    assert made["series"]["frames_per_bucket"] == 1


def test_coarsen_unchanged() -> None:
    made = a_measurement([95.0] * 64, [93.0] * 64)
    assert series.coarsen(made, 64) is made
    error = an_error()
    assert series.coarsen(error, 64) is error


def test_size_of_long_clip() -> None:
    neg = tuple(80 + index * 7919 % 1999 / 100 for index in range(HALF_AN_HOUR))
    vmaf = tuple(value + index % 13 / 3 for index, value in enumerate(neg))
    above = tuple((index, 104.0, 99.0) for index in range(HALF_AN_HOUR))
    result = a_result(vmaf, neg, above=above)
    made = series.frame_data(
        result, judge(result, [parse_gate("min_neg", 99, "call"), parse_gate("max_gap", 1, "ini")])
    )
    assert made["frames"] == HALF_AN_HOUR
    assert made["series"]["frames_per_bucket"] == HALF_AN_HOUR // 200
    assert len(json.dumps(made)) < 40_000
    assert len(made["above"]["buckets"]) == 200


@settings(deadline=None)
@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=300))
@example([(0.0, 0.0)])
@example([(100.0, 100.0)])
@example([(100.0, 0.0)])
def test_histogram(pairs: list[tuple[float, float]]) -> None:
    result = a_result(tuple(vmaf for vmaf, _ in pairs), tuple(neg for _, neg in pairs))
    bins = series.frame_data(result, [])["histogram"]
    assert sum(bins["vmaf"]) == sum(bins["neg"]) == len(pairs)
    assert len(bins["vmaf"]) == len(bins["neg"]) == series.BINS
    assert bins["low"] <= min(result.vmaf.min, result.neg.frames[0])
    assert bins["high"] > bins["low"]


def test_histogram_bins() -> None:
    bins = series.frame_data(a_result((100.0, 98.0, 96.25), (95.0, 95.25, 95.25)), [])["histogram"]
    assert (bins["low"], bins["high"]) == (95.0, 100.0)
    # A bin is a quarter of a point; the highest score belongs to the last one.
    assert {index: count for index, count in enumerate(bins["vmaf"]) if count} == {5: 1, 12: 1, 19: 1}
    assert {index: count for index, count in enumerate(bins["neg"]) if count} == {0: 1, 1: 2}


def test_worst_frames() -> None:
    vmaf, neg = (90.0, 99.0, 96.0, 95.0), (89.0, 92.0, 94.0, 88.0)
    result = a_result(vmaf, neg, above=((1, 101.0, 99.0), (2, 109.0, 99.0)), psnr_y=(40.0, 30.0, 35.0, 45.0))
    gates = {"min_psnr_y": 50, "max_gap": 1, "min_vmaf": 10, "above_100": 0, "min_psnr_y_p5": 50}
    found = series.frame_data(result, judge(result, [parse_gate(name, limit, "call") for name, limit in gates.items()]))
    assert [(row["metric"], row["frame"], row["value"]) for row in found["worst"]] == [
        *[("psnr_y", 1, 30.0), ("psnr_y", 2, 35.0), ("psnr_y", 0, 40.0)],
        *[("gap", 1, 7.0), ("gap", 3, 7.0), ("gap", 2, 2.0)],
        *[("above_100", 2, 109.0), ("above_100", 1, 101.0)],
        *[("neg", 3, 88.0), ("neg", 0, 89.0), ("neg", 1, 92.0)],
    ]


def test_worst_window() -> None:
    frames = (95.0, 60.0, 95.0, 95.0, 80.0, 81.0, 95.0)
    gates = {"min_neg_worst_2f": 90, "max_gap_worst_3f": 3}
    result = a_result(frames, frames)
    made = series.frame_data(result, judge(result, [parse_gate(name, limit, "call") for name, limit in gates.items()]))
    assert made["windows"] == [
        {"metric": "neg", "first": 0, "frames": 2},
        {"metric": "gap", "first": 0, "frames": 3},
    ]
    # The pictures are those of the window, not of frame 4 outside of it.
    assert [row["frame"] for row in made["worst"] if row["metric"] == "neg"] == [1, 0]
    assert "windows" not in series.frame_data(result, [])


def test_worst_frames_of_max_gate() -> None:
    result = a_result((95.0, 96.0, 97.0, 98.0), (91.0, 92.0, 93.0, 94.0))
    worst = series.frame_data(result, judge(result, [parse_gate("max_neg", 50, "call")]))["worst"]
    assert [row["frame"] for row in worst] == [3, 2, 1, 0, 1, 2]


def test_missing_pool() -> None:
    pools = series.frame_data(a_result((92.0, 95.0), (93.0, 94.0)), [])["pools"]
    assert "harmonic_mean" not in pools["gap"]
    assert "harmonic_mean" in pools["neg"]
    assert pools["gap"]["min"] == -1.0
    assert pools["gap"]["stdev"] == 1.0


@pytest.mark.parametrize(
    ("rate", "wanted"), [(Fraction(30000, 1001), "30000/1001"), (Fraction(25), "25"), (None, None)]
)
def test_frame_rate(rate: Fraction | None, wanted: str | None) -> None:
    result = a_result(context=Context("a", "b", rate, {}))
    assert series.frame_data(result, [])["frame_rate"] == wanted


COLUMNS = {"psnr_y": [30.0, 40.0], "psnr_cb": 40.0, "psnr_cr": 40.0}


@pytest.mark.parametrize(
    ("status", "made"),
    [
        ("passed", lambda: a_measurement([95.0, 96.0], [93.0, 94.0], min_neg=90)),
        ("failed", lambda: a_measurement([95.0, 101.0], [93.0, 94.0], columns=COLUMNS, min_psnr_y=60, min_neg=99)),
        ("passed", lambda: a_measurement([92.0], [93.0], max_neg_stdev=1)),
        ("error", lambda: a_measurement(columns={"psnr_y": [1.0]}, min_psnr_cb=1)),
        ("error", an_error),
    ],
)
def test_record_shapes(status: str, made: Any) -> None:
    record = made()
    assert record["status"] == status
    conform(record, schema.MEASUREMENT)
    assert schema.MEASUREMENT.keys() >= record.keys()
