"""Which row of a sweep is recommended, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.recommend import Recommendation, recommend
from pytest_vmaf.search.rows import Row, Setup


def a_row(crf: int, neg: float, kbit: float | None = None, **changes: Any) -> Row:
    setup = {
        "source": "clip.mkv", "source_hash": "1", "width": 320, "height": 180, "frame_rate": "25",
        "encoder": "libx264", "template": ("-crf", "{crf}"), "program_hash": "2", "larger_is_finer": False,
        "preset": "medium", "arguments": (), "pix_fmt": None, "model": "vmaf_v0.6.1", "neg_model": "vmaf_v0.6.1neg",
        "generation": "v0", "scale": None, "align": False, "allow": (),
        "scorer": "ffmpeg 8", "ffmpeg": "8", "pytest_vmaf": "1",
    } | changes  # fmt: skip
    bitrate = 1000 * (6400 * 2 ** (-crf / 6) if kbit is None else kbit)
    return Row(
        setup=Setup(**setup),
        crf=crf,
        size=int(bitrate),
        frames=200,
        duration=8.0,
        bitrate=bitrate,
        seconds=None,
        libvmaf="3.2.1",
        command="ffmpeg",
        scores={"neg": neg, "vmaf": neg + 2, "gap": 2.0, "neg_p5": neg - 3, "psnr_y": neg / 2, "cambi": 1.0},
    )


ROWS = [a_row(24, 95.0, 800), a_row(28, 93.0, 500), a_row(32, 90.0, 300), a_row(36, 85.0, 200)]


def only(rows: Sequence[Row], **question: Any) -> Recommendation:
    (found,) = recommend(rows, **question)
    assert found.met == (found.row is not None)
    return found


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
def test_the_coarsest_at_the_target_or_the_best_under_the_bitrate(question: dict[str, Any], crf: int) -> None:
    for rows in (ROWS, ROWS[::-1]):
        found = only(rows, **question)
        assert found.row is not None
        assert found.row.crf == crf
        assert f"CRF {crf} (" in found.why
        assert "not monotone" not in found.why


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
def test_what_no_row_holds_is_said_with_the_nearest(question: dict[str, Any], why: str) -> None:
    found = only(ROWS, **question)
    assert found.row is None
    assert found.why == f"clip.mkv, libx264 medium: {why}"
    assert repr(found) == f"<{found.why}>"


def test_the_answer_names_the_next_row_or_the_end_of_the_sweep() -> None:
    assert only(ROWS, target=93).why == (
        "clip.mkv, libx264 medium: CRF 28 (NEG 93.000, 500.0 kbit/s) is the coarsest row at or above 93. "
        "The next is CRF 32 (NEG 90.000, 300.0 kbit/s)."
    )
    assert only(ROWS, target=80).why.endswith("No coarser one was swept; one may do too.")


def test_on_a_scale_that_grows_finer_the_smallest_number_is_the_coarsest() -> None:
    rows = [a_row(crf, crf + 30.0, crf, larger_is_finer=True) for crf in (40, 50, 60)]
    found = only(rows, target=80)
    assert found.row is rows[1]
    assert "The next is CRF 40" in found.why


def test_a_finer_row_below_the_target_is_told() -> None:
    rows = [a_row(24, 95.0), a_row(26, 92.9), a_row(28, 93.1), a_row(30, 90.0)]
    found = only(rows, target=93)
    assert found.row is rows[2]
    assert "The curve is not monotone: CRF 26 (NEG 92.900" in found.why
    assert "is finer and yet below the target" in found.why


def test_equal_quality_under_a_bitrate_goes_to_the_smaller() -> None:
    rows = [a_row(20, 99.0, 900), a_row(22, 99.0, 700), a_row(24, 98.0, 500)]
    assert only(rows, max_bitrate=1e6).row is rows[1]


grids = st.dictionaries(st.integers(0, 51), st.tuples(st.floats(0, 100), st.floats(1, 1e5)), min_size=1)


@given(grids, st.none() | st.floats(1, 100), st.none() | st.floats(1e3, 1e8), st.booleans())
def test_any_rows_give_the_coarsest_that_holds_all_or_none(
    grid: dict[int, tuple[float, float]], target: float | None, limit: float | None, finer: bool
) -> None:
    rows = [a_row(crf, *point, larger_is_finer=finer) for crf, point in grid.items()]
    if target is None and limit is None:
        with pytest.raises(SettingsError, match="Say what to look for"):
            recommend(rows)
        return
    assume(len(rows) == 1 or len({(row.size, row.neg) for row in rows}) > 1)
    found = only(rows, target=target, max_bitrate=limit)
    held = [row for row in rows if (target is None or row.neg >= target) and (limit is None or row.bitrate <= limit)]
    if not held:
        assert found.row is None
    elif target is not None:
        assert found.row is (min if finer else max)(held, key=lambda row: row.crf)
    else:
        assert found.row is not None
        assert found.row in held
        assert found.row.neg == max(row.neg for row in held)


def test_an_encoder_that_ignores_the_crf_meets_nothing() -> None:
    found = only([a_row(crf, 95.0, 800) for crf in (20, 30, 40)], target=90)
    assert found.row is None
    assert "all 3 rows have the same size and scores" in found.why


def test_each_curve_has_its_own_answer_in_the_rows_order() -> None:
    slow = [a_row(28, 94.0, preset="slow"), a_row(32, 93.0, preset="slow")]
    av1 = [a_row(40, 92.0, encoder="libsvtav1", preset="8")]
    tuned = [a_row(28, 80.0, arguments=("-tune", "grain"))]
    rows = [*slow, *ROWS, *av1, *tuned]
    found = recommend(rows, target=93)
    assert [(each.setup.encoder, each.setup.preset, each.row and each.row.crf) for each in found] == [
        ("libx264", "slow", 32), ("libx264", "medium", 28), ("libsvtav1", "8", None), ("libx264", "medium", None),
    ]  # fmt: skip
    assert found[3].why.startswith("clip.mkv, libx264 medium -tune grain: no row reaches")
    assert [each.setup for each in recommend(rows, target=93, encoder="libsvtav1")] == [av1[0].setup]
    assert [each.setup for each in recommend(rows, target=93, preset="slow")] == [slow[0].setup]


def test_another_build_of_an_encoder_is_another_curve() -> None:
    rebuilt = [a_row(row.crf, row.neg - 5, program_hash="3") for row in ROWS]
    assert [found.row and found.row.crf for found in recommend([*ROWS, *rebuilt], target=90)] == [32, 24]


def test_of_two_rows_for_one_encode_the_later_counts() -> None:
    assert only([*ROWS, a_row(32, 93.5)], target=93).row == a_row(32, 93.5)


def test_a_source_is_named_by_its_file_wherever_that_is() -> None:
    other = a_row(20, 91.0, source="other.mkv", source_hash="9")
    assert only([*ROWS, other], target=90, source="/some/where/other.mkv").row is other


@pytest.mark.parametrize("metric", ["neg", "vmaf.p5"])
def test_scores_of_two_models_are_not_mixed(metric: str) -> None:
    uhd = a_row(30, 95.0, source="uhd.mkv", source_hash="9", model="vmaf_4k_v0.6.1", neg_model="vmaf_4k_v0.6.1neg")
    with pytest.raises(MeasurementError, match=r"of 2 models: vmaf_4k_v0\.6\.1(neg)?, vmaf_v0\.6\.1(neg)?\. .*source="):
        recommend([*ROWS, uhd], target=93, metric=metric)
    assert only([*ROWS, uhd], target=93, source="uhd.mkv").met
    assert len(recommend([*ROWS, uhd], target=40, metric="psnr_y")) == 2


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "Say what to look for"),
        ({"target": float("nan")}, "target is nan"),
        ({"target": 0}, "target is 0"),
        ({"target": True}, "target is True"),
        ({"target": "93"}, "target is '93'"),
        ({"max_bitrate": float("inf")}, "max_bitrate is inf"),
        ({"max_bitrate": -1}, "max_bitrate is -1"),
        ({"target": 93, "metric": "negg"}, "did you mean 'neg'"),
        ({"target": 3, "metric": "gap"}, "a metric that falls"),
        ({"target": 1, "metric": "cambi"}, "a metric that falls"),
        ({"target": 90, "metric": "neg.p7"}, "pooled by one of"),
        ({"target": 90, "metric": "neg.p1"}, "holds no NEG p1; it holds cambi, gap, neg, neg_p5, psnr_y, vmaf"),
        ({"target": 0.9, "metric": "float_ssim"}, "holds no float_ssim; .*\n.*features="),
        ({"target": 90, "encoder": "libx265"}, "No row has the encoder 'libx265'; there are libsvtav1, libx264"),
        ({"target": 90, "preset": "slow"}, "No row has the preset 'slow'; there are 8, medium"),
        ({"target": 90, "source": "a/b.mkv"}, "No row has the source 'b.mkv'; there are clip.mkv"),
        ({"target": 90, "encoder": "libx264", "preset": "8"}, "No row has all of"),
    ],
)
def test_a_question_that_cannot_be_is_refused_with_what_there_is(question: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        recommend([*ROWS, a_row(40, 92.0, encoder="libsvtav1", preset="8")], **question)


def test_no_rows_are_a_clear_error() -> None:
    with pytest.raises(MeasurementError, match="run the sweep first"):
        recommend([], target=93)
