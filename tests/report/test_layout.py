"""Tables as lines: whole names and numbers at any width."""

from __future__ import annotations

import pytest

from pytest_vmaf import DataTable, Section
from pytest_vmaf.report.layout import Layout
from pytest_vmaf.report.terminal import render, section_table

WIDTHS = [60, 80, 120]
LABELS = ("libx264:veryfast", "libx264:ultrafast", "./encoder-1.2")
COLUMNS = (
    *("encoder", "BD-rate, NEG", "95 % interval", "BD-quality, points", "BD-rate, VMAF"),
    *("NEG beyond VMAF at 85, 90, 94", "encoded frames/s", "decoded frames/s"),
)
ROWS = [
    (LABELS[0], "anchor", "anchor", "anchor", "anchor", "+15.59 %, +22.78 %, +33.74 %", "9.1", "51.6"),
    (LABELS[1], "-18.49 %", "–", "+1.60", "-18.50 %", "+16.13 %, +24.36 %, +35.08 %", "7.0", "78.4"),
    (LABELS[2], "+153.30 %", "–", "-7.24", "+149.44 %", "+21.55 %, +26.40 %, +34.00 %", "28.4", "197.6"),
]
TEST = "tests/video/__vmaf__/test_quality.json::test_no_regression[night_scene_1080p_crf23_veryslow]"
DIFFERENCES = [
    (TEST, "bb33.mp4", "neg", "92.1234", "90.0000", "-2.123"),
    (TEST, "bb33.mp4", "neg p5", "88.1234", "81.0000", "-7.123"),
    ("tests/__vmaf__/test_b.json::test_b", "b.mp4", "entry", "–", "NEG 92.12, NEG 88.10 p5", "only in NEW"),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_wide_comparison(width: int) -> None:
    text = render(
        section_table(Section("Comparison", [DataTable(COLUMNS, ROWS, "Against")]).to_record()), width, colour=False
    )
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for row in ROWS:
        # Every part of a table that does not fit repeats the labels, and has a row in one line.
        lines = [line for line in text.splitlines() if line.startswith(row[0])]
        assert len(lines) == {60: 3, 80: 2, 120: 1}[width]
        assert (
            "  ".join(line.removeprefix(row[0]) for line in lines).split()
            == " ".join(cell for number, cell in enumerate(row[1:]) if number != 1).split()
        )
    assert "95 %" not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_ids_above_their_rows(width: int) -> None:
    columns = ("test", "entry", "what", "old", "new", "difference")
    text = render(Layout(columns, DIFFERENCES, (0, 1, 2), labels=3, above=True), width, colour=False)
    lines = text.splitlines()
    assert lines.count(TEST) == 1
    assert "  bb33.mp4  neg p5  88.1234" in text
    assert all(line == TEST or len(line) <= width for line in lines)
    assert all(line.startswith(("  ", "tests/")) or not line for line in lines)


def test_ids_beside_their_rows() -> None:
    rows = [("test_a", "bb33.mp4", "neg", "92.1", "90.0", "-2.1"), ("test_b", "a.mp4", "neg", "92.1", "90.0", "-2.1")]
    columns = ("test", "entry", "what", "old", "new", "difference")
    lines = render(Layout(columns, rows, (0, 1, 2), labels=3, above=True), 60, colour=False).splitlines()
    assert lines == [
        "test    entry     what   old   new  difference",
        "test_a  bb33.mp4  neg   92.1  90.0        -2.1",
        "test_b  a.mp4     neg   92.1  90.0        -2.1",
    ]


def test_heads_break_before_tables_do() -> None:
    lines = [*Layout(("encoder", "kbit/s at exactly the target"), [("libx264", "1424.1")], (0,)).lines(24)]
    assert lines == [
        ("               kbit/s at", True),
        ("             exactly the", True),
        ("encoder           target", True),
        ("libx264           1424.1", False),
    ]


def test_sentences_break_between_words() -> None:
    rows = [("libx264", "not monotone between CRF 20 and CRF 30, so there is no answer")]
    lines = [line for line, _ in Layout(("encoder", "outcome"), rows, (0, 1)).lines(40)]
    assert max(map(len, lines)) <= 40
    assert " ".join(" ".join(lines[1:]).split()) == " ".join(rows[0])


def test_names_that_never_fit() -> None:
    rows = [("tests/test_a.py::test_with_a_very_long_name_that_is_wider[than-the-terminal]", "1")]
    lines = [line for line, _ in Layout(("test", "n"), rows, (0,)).lines(40)]
    assert "test_with_a_very_long_name_that_is_wider" in "\n".join(lines)
    assert "".join(line.split("  ")[0] for line in lines[1:]) == rows[0][0]


def test_colour() -> None:
    text = render(Layout(("a", "b"), [("1", "2")]), 60, colour=True)
    assert text.startswith("\x1b[1ma  b")
    assert "[1m1" not in text


def test_wide_characters() -> None:
    lines = [line for line, _ in Layout(("clip", "n"), [("夜景", "1"), ("abcd", "2")], (0,)).lines(60)]
    assert lines == ["clip  n", "夜景  1", "abcd  2"]
