"""Recommendations from the rows of a sweep: the row, and the sentence about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.recommend import Recommendation, recommend
from pytest_vmaf.search.rows import Row
from search.row_builders import a_row

ROWS = [a_row(24, 95.0, 800), a_row(28, 93.0, 500), a_row(32, 90.0, 300), a_row(36, 85.0, 200)]


def only(rows: Sequence[Row], **question: Any) -> Recommendation:
    (recommendation,) = recommend(rows, **question)
    assert recommendation.met == (recommendation.row is not None)
    return recommendation


@pytest.mark.parametrize(
    ("question", "crf"),
    [
        ({"target": 93}, 28),
        ({"target": 93.001}, 24),
        ({"target": 80}, 36),
        ({"target": 95, "metric": "vmaf"}, 28),
        ({"target": 90, "metric": "neg.p5"}, 28),
        ({"target": 45, "metric": "psnr_y"}, 32),
        ({"max_bitrate": 500_000}, 28),
        ({"max_bitrate": 499_999}, 32),
        ({"max_bitrate": 1e9}, 24),
        ({"target": 89, "max_bitrate": 500_000}, 32),
    ],
)
def test_coarsest_at_target_best_under_bitrate(question: dict[str, Any], crf: int) -> None:
    for rows in (ROWS, ROWS[::-1]):
        answer = only(rows, **question)
        assert answer.row is not None
        assert answer.row.crf == crf
        assert f"CRF {crf} (" in answer.why
        assert "not monotone" not in answer.why


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ({"target": 95.5}, "no row reaches NEG 95.5; the best is CRF 24 (NEG 95.000, 800.0 kbit/s)."),
        (
            {"max_bitrate": 150_000},
            "no row has at most 150.0 kbit/s; the smallest is CRF 36 (NEG 85.000, 200.0 kbit/s).",
        ),
        (
            {"target": 92, "max_bitrate": 400_000},
            "no row reaches NEG 92 with at most 400.0 kbit/s; the best within that is CRF 32 (NEG 90.000, 300.0 kbit/s)"
            ", the cheapest that reaches it CRF 28 (NEG 93.000, 500.0 kbit/s).",
        ),
    ],
)
def test_unmet_names_the_nearest(question: dict[str, Any], why: str) -> None:
    answer = only(ROWS, **question)
    assert answer.row is None
    assert answer.why == f"clip.mkv, libx264 medium: {why}"
    assert repr(answer) == f"<{answer.why}>"


def test_why_names_the_next_row() -> None:
    assert only(ROWS, target=93).why == (
        "clip.mkv, libx264 medium: CRF 28 (NEG 93.000, 500.0 kbit/s) is the coarsest row at or above 93. "
        "The next is CRF 32 (NEG 90.000, 300.0 kbit/s)."
    )
    assert only(ROWS, target=80).why.endswith("No coarser CRF was swept; one may be enough, too.")


def test_larger_is_finer() -> None:
    rows = [a_row(crf, crf + 30.0, crf, larger_is_finer=True) for crf in (40, 50, 60)]
    answer = only(rows, target=80)
    assert answer.row is rows[1]
    assert "The next is CRF 40" in answer.why


def test_not_monotone() -> None:
    rows = [a_row(24, 95.0), a_row(26, 92.9), a_row(28, 93.1), a_row(30, 90.0)]
    answer = only(rows, target=93)
    assert answer.row is rows[2]
    assert "The curve is not monotone: CRF 26 (NEG 92.900" in answer.why
    assert "is finer but below the target" in answer.why


def test_equal_quality_takes_the_smaller() -> None:
    rows = [a_row(20, 99.0, 900), a_row(22, 99.0, 700), a_row(24, 98.0, 500)]
    assert only(rows, max_bitrate=1e6).row is rows[1]


grids = st.dictionaries(st.integers(0, 51), st.tuples(st.floats(0, 100), st.floats(1, 1e5)), min_size=1)


@given(grids, st.none() | st.floats(1, 100), st.none() | st.floats(1e3, 1e8), st.booleans())
def test_any_rows(grid: dict[int, tuple[float, float]], target: float | None, limit: float | None, finer: bool) -> None:
    rows = [a_row(crf, *point, larger_is_finer=finer) for crf, point in grid.items()]
    if target is None and limit is None:
        with pytest.raises(SettingsError, match="Give target=93"):
            recommend(rows)
        return
    assume(len(rows) == 1 or len({(row.size, row.neg) for row in rows}) > 1)
    answer = only(rows, target=target, max_bitrate=limit)
    fitting = [row for row in rows if (target is None or row.neg >= target) and (limit is None or row.bitrate <= limit)]
    if not fitting:
        assert answer.row is None
    elif target is not None:
        assert answer.row is (min if finer else max)(fitting, key=lambda row: row.crf)
    else:
        assert answer.row is not None
        assert answer.row in fitting
        assert answer.row.neg == max(row.neg for row in fitting)


def test_ignored_crf() -> None:
    answer = only([a_row(crf, 95.0, 800) for crf in (20, 30, 40)], target=90)
    assert answer.row is None
    assert "all 3 rows have the same size and scores" in answer.why


def test_each_curve_in_order() -> None:
    slow = [a_row(28, 94.0, preset="slow"), a_row(32, 93.0, preset="slow")]
    av1 = [a_row(40, 92.0, encoder="libsvtav1", preset="8")]
    tuned = [a_row(28, 80.0, arguments=("-tune", "grain"))]
    rows = [*slow, *ROWS, *av1, *tuned]
    answer = recommend(rows, target=93)
    assert [(each.setup.encoder, each.setup.preset, each.row and each.row.crf) for each in answer] == [
        ("libx264", "slow", 32), ("libx264", "medium", 28), ("libsvtav1", "8", None), ("libx264", "medium", None),
    ]  # fmt: skip
    assert answer[3].why.startswith("clip.mkv, libx264 medium -tune grain: no row reaches")
    assert [each.setup for each in recommend(rows, target=93, encoder="libsvtav1")] == [av1[0].setup]
    assert [each.setup for each in recommend(rows, target=93, preset="slow")] == [slow[0].setup]


def test_another_build_is_another_curve() -> None:
    rebuilt = [a_row(row.crf, row.neg - 5, program_hash="3") for row in ROWS]
    assert [answer.row and answer.row.crf for answer in recommend([*ROWS, *rebuilt], target=90)] == [32, 24]


def test_later_row_counts() -> None:
    assert only([*ROWS, a_row(32, 93.5)], target=93).row == a_row(32, 93.5)


def test_source_by_file_name() -> None:
    other = a_row(20, 91.0, source="other.mkv", source_hash="9")
    assert only([*ROWS, other], target=90, source="/some/where/other.mkv").row is other


@pytest.mark.parametrize("metric", ["neg", "vmaf.p5"])
def test_models_are_not_mixed(metric: str) -> None:
    uhd = a_row(30, 95.0, source="uhd.mkv", source_hash="9", model="vmaf_4k_v0.6.1", neg_model="vmaf_4k_v0.6.1neg")
    with pytest.raises(MeasurementError, match=r"from 2 models: vmaf_4k_v0\.6\.1(neg)?, vmaf_v0\.6\.1.*one model"):
        recommend([*ROWS, uhd], target=93, metric=metric)
    assert only([*ROWS, uhd], target=93, source="uhd.mkv").met
    assert len(recommend([*ROWS, uhd], target=40, metric="psnr_y")) == 2


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "Give target=93"),
        ({"target": float("nan")}, "target must be a number above 0, not nan"),
        ({"target": 0}, "target must be .*, not 0"),
        ({"target": True}, "target must be .*, not True"),
        ({"target": "93"}, "target must be .*, not '93'"),
        ({"max_bitrate": float("inf")}, "max_bitrate must be a number above 0, not inf"),
        ({"max_bitrate": -1}, "max_bitrate must be .*, not -1"),
        ({"target": 93, "metric": "negg"}, "Did you mean 'neg'"),
        ({"target": 3, "metric": "gap"}, "one that falls with the quality"),
        ({"target": 1, "metric": "cambi"}, "one that falls with the quality"),
        ({"target": 90, "metric": "neg.p0"}, "with a pool of"),
        ({"target": 90, "metric": "neg.p1"}, "has no NEG p1. It has cambi, gap, neg, neg_p5, psnr_y, vmaf"),
        ({"target": 0.9, "metric": "float_ssim"}, "has no float_ssim. .*\n.*features="),
        ({"target": 90, "encoder": "libx265"}, "No row has the encoder 'libx265'. There are libsvtav1, libx264"),
        ({"target": 90, "preset": "slow"}, "No row has the preset 'slow'. There are 8, medium"),
        ({"target": 90, "source": "a/b.mkv"}, "No row has the source 'b.mkv'. There are clip.mkv"),
        ({"target": 90, "encoder": "libx264", "preset": "8"}, "No row has all of"),
    ],
)
def test_invalid_question(question: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        recommend([*ROWS, a_row(40, 92.0, encoder="libsvtav1", preset="8")], **question)


def test_no_rows() -> None:
    with pytest.raises(MeasurementError, match="Run the sweep first"):
        recommend([], target=93)
