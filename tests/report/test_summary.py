"""The table of measurements at the end of a run, at any width."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from pytest_vmaf import FakeScorer, GateViolation, MeasurementError, SettingsError, Vmaf
from pytest_vmaf.report import summary
from pytest_vmaf.report.order import badness

LONG = "test_nightly_targets_of_the_encoder[season-1/episode-03/night_scene_1080p_crf23_grain.mp4]"
WIDTHS = [60, 80, 120]


def record(test: str, clip: str = "b.mkv", call: str = "check", **settings: Any) -> dict[str, Any]:
    vmaf = Vmaf(scorer=FakeScorer(neg=settings.pop("neg", 95), features=settings.pop("measured", {})))
    with contextlib.suppress(GateViolation, MeasurementError, SettingsError):
        getattr(vmaf, call)("a.mkv", clip, **settings)
    return {"test": f"tests/test_x.py::{test}", **vmaf.records[-1]}


def lines(records: list[dict[str, Any]], width: int | None) -> list[str]:
    ordered = sorted(records, key=lambda each: (badness(each), each["test"]))
    return ["".join(line) for line in summary.table(ordered, width)]


RECORDS = [
    record("test_good", min_neg=90),
    record(LONG, f"encodes/{LONG}", neg=80, min_neg=90),
    record("test_no_floor"),
    record("test_tight", min_neg=94.06, measured={"float_ssim": 0.8985}, min_float_ssim=0.898),
    record("test_ungated", call="score"),
    record("test_typo", min_negg_pp=3),
    record("test_model", model="x"),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_one_line_each(width: int) -> None:
    head, *rows = lines(RECORDS, width)
    assert len(rows) == len(RECORDS)
    assert max(map(len, (head, *rows))) <= width
    assert all(row == row.rstrip() for row in rows)
    column = head.index("  test") + 2
    assert all(row[column - 1] == " " and row[column:].startswith("test_") for row in rows)
    shortened = next(row for row in rows if "…" in row[column:])
    start, end = shortened[column:].split("…")
    assert LONG.startswith(start)
    assert LONG.endswith(end)


def test_order_and_margins() -> None:
    _, *rows = lines(RECORDS, 120)
    assert [row.split("  ")[0] for row in rows] == ["no score"] * 2 + ["FAILED"] + ["passed"] * 3 + ["none"]
    margins = [("-10.00", "min_neg"), ("+0.0005", "min_float_ssim"), ("+5.00", "min_neg")]
    for row, (number, gate) in zip(rows[2:5], margins, strict=True):
        assert f" {number}  {gate}  " in row
    # The margins of default signs tell little.
    assert "–  no min_ gate  " in rows[5]
    assert "–  –  " in rows[6]


def test_units_weigh_alike() -> None:
    near = record("test_a", min_neg=94)
    gates = [
        {
            "origin": "call",
            "bound": "max",
            "pool": "mean",
            "value": 0,
            "metric": "bitrate",
            "name": "max_bitrate",
            "limit": 500_000,
            "margin": 400,
            "passed": True,
        }
    ]
    near["gates"] = [*near["gates"], *gates]
    assert "+400  max_bitrate" in lines([near], 120)[1]
    near["gates"][-1]["margin"] = 40_000
    assert "+1.00  min_neg" in lines([near], 120)[1]


@pytest.mark.parametrize("width", WIDTHS)
def test_reasons_end_with_a_word(width: int) -> None:
    rows = lines(RECORDS, width)
    typo = next(row for row in rows if "test_typo" in row).removeprefix("no score").partition("test_typo")[0].strip()
    assert "'min_negg_pp' (call) has an unknown metric".startswith(typo.removesuffix(" …"))
    assert "psnr" not in typo
    model = next(row for row in rows if "test_model" in row)
    assert "'x' is not a known" in model
    assert "Give" not in model


@pytest.mark.parametrize(
    ("message", "first"),
    [
        ("'x' is not a known VMAF model. Give the path of\na file.", "'x' is not a known VMAF model"),
        ("'x' is not a model; did you mean 'y'?\n  There are", "'x' is not a model; did you mean 'y'?"),
        ("It has 2.5 s and is e.g. short. More", "It has 2.5 s and is e.g. short"),
        ("The clip is 'a.mkv'. More.", "The clip is 'a.mkv'"),
        ("", "No message"),
    ],
)
def test_first_sentence(message: str, first: str) -> None:
    assert summary._first_sentence(message) == first


def test_folders_of_a_reason() -> None:
    broken = record("test_a", model="/home/me/models/of/mine/special.json")
    row = lines([broken, *RECORDS[:1]], 80)[1]
    assert "…/special.json" in row
    assert row.endswith("test_a (b.mkv)")


def test_models_that_differ() -> None:
    phone = record("test_phone", min_neg=90, phone=True)
    for width in WIDTHS[1:]:
        head, *rows = lines([*RECORDS, phone], width)
        column = head.index("model")
        assert [row for row in rows if row[column:].startswith("v0.6.1 (phone)  ")] == [
            row for row in rows if "test_phone" in row
        ]
        assert sum(row[column:].startswith("v0.6.1  ") for row in rows) == 5
    assert "model" not in lines(RECORDS, 120)[0]


def test_names_below_their_rows() -> None:
    records = [*RECORDS, record("test_phone", min_neg=90, phone=True)]
    rows = lines(records, 60)
    assert len(rows) == 2 * len(records) + 2
    assert max(map(len, rows)) <= 60
    assert rows[1] == "  test (distorted clip)"
    assert "  test_phone (b.mkv)" in rows


def test_files() -> None:
    other = {**RECORDS[0], "test": "tests/test_y.py::test_good"}
    assert any(line.endswith("  tests/test_y.py::test_good (b.mkv)") for line in lines([RECORDS[0], other], 120))
    # A name without its file would be that of two tests.
    twins = lines([RECORDS[0], other, *[RECORDS[1]] * 3], 80)
    assert sum("test_y.py::test_good" in line for line in twins) == 1
    assert sum("test_x.py::test_good" in line for line in twins) == 1


def test_clips_of_one_test() -> None:
    clips = ["a_long_name_of_an_encode_crf20.mp4", "a_long_name_of_an_encode_crf24.mp4"]
    rows = lines([record("test_every_encode_of_the_ladder", clip, min_neg=90) for clip in clips], 80)
    assert sum("crf20.mp4)" in row for row in rows) == 1
    assert sum("crf24.mp4)" in row for row in rows) == 1


def test_regions_of_a_clip() -> None:
    whole = record("test_faces", "a_long_name_of_an_encode.mp4", min_neg=90)
    clips = [f"{whole['distorted']} [{region}]" for region in ("face 96x72+200+80", "left hand 64x64, moving")]
    rows = lines([whole, *({**whole, "distorted": clip} for clip in clips)], 80)
    assert [sum(f" [{name}])" in row for row in rows) for name in ("face", "left hand")] == [1, 1]
    assert all("test_faces (" in row for row in rows[1:])


def test_any_width() -> None:
    rows = lines(RECORDS, None)
    assert any(row.endswith(f"{LONG} (night_scene_1080p_crf23_grain.mp4])") for row in rows)
    assert "VMAF" in rows[0]


def test_wide_characters() -> None:
    rows = lines([record("test_a", "夜景" * 30, min_neg=90), record("test_b", "c.mkv", min_neg=90)], 80)
    assert [summary.cell_len(row) <= 80 for row in rows] == [True] * 3


def test_errors_alone() -> None:
    rows = lines(RECORDS[-2:], 80)
    assert len(rows) == 3
    assert max(map(len, rows)) <= 80
    assert any("'min_negg_pp' (call) has an unknown metric" in row and "test_typo" in row for row in rows)
