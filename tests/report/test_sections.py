"""Sections and their blocks, and the hooks that return them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import html, schema
from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section, collect_sections
from report.builders import HOSTILE, a_document

texts = st.text(max_size=8)
cells = st.none() | texts | st.integers() | st.floats() | st.booleans() | st.tuples(texts)
numbers = st.floats(-1e15, 1e15)
points = st.lists(st.tuples(numbers, numbers), max_size=5)
lines = st.builds(Line, texts, points, st.lists(st.integers(0, 5), max_size=3))
tables = st.integers(0, 4).flatmap(
    lambda width: st.builds(
        DataTable,
        st.lists(texts, min_size=width, max_size=width),
        st.lists(st.lists(cells, min_size=width, max_size=width), max_size=4),
        texts,
    )
)
charts = st.builds(Chart, texts, texts, st.lists(lines, max_size=3), st.lists(st.tuples(texts, numbers)), texts)
sections = st.builds(Section, texts, st.lists(st.builds(Paragraph, texts) | tables | charts, max_size=4))


def shown(*records: dict[str, Any]) -> str:
    return "".join(html.page(a_document(sections=list(records)), html.Form(True, html._data)))


@settings(max_examples=25, deadline=None)
@given(sections)
def test_any_section(section: Section) -> None:
    record = section.to_record()
    conform(record, schema.SECTION)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert len(record["blocks"]) == len(section.blocks)
    assert shown(record).endswith("</html>")


def test_to_record() -> None:
    blocks = [
        Paragraph("Ten clips."),
        DataTable(("clip", "kbit/s"), (("a.mp4", 1500), ("b.mp4", None)), "Rates"),
        Chart("kbit/s", "NEG", [Line("x264", [(1, 90), (2, 95.5)], marked=[1])], [("floor", 93)], "RD"),
    ]
    assert Section("RD curves", blocks).to_record() == {
        "title": "RD curves",
        "blocks": [
            {"kind": "text", "text": "Ten clips."},
            {
                "kind": "table",
                "columns": ["clip", "kbit/s"],
                "rows": [["a.mp4", "1500"], ["b.mp4", ""]],
                "caption": "Rates",
            },
            {
                "kind": "chart",
                "x": "kbit/s",
                "y": "NEG",
                "lines": [{"name": "x264", "points": [[1.0, 90.0], [2.0, 95.5]], "marked": [1]}],
                "levels": [{"name": "floor", "value": 93.0}],
                "caption": "RD",
            },
        ],
    }


def test_hostile_texts() -> None:
    table = DataTable([HOSTILE], [[HOSTILE]], HOSTILE)
    chart = Chart(HOSTILE, HOSTILE, [Line(HOSTILE, [(1, 2)])], [(HOSTILE, 1)], HOSTILE)
    page = shown(Section(HOSTILE, [Paragraph(HOSTILE), table, chart]).to_record())
    assert "<script>alert(1)" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;alert(1)") > 10


@pytest.mark.parametrize("row", [(), ("a",), ("a", 1, 2)])
def test_row_length(row: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="a row must have 2 values, one per column, not "):
        DataTable(["clip", "kbit/s"], [("a", 1), row]).to_record()


def test_numpy() -> None:
    line = Line("x264", np.array([[1, 90.5], [2, 95]], dtype=np.float32), np.array([1]))
    chart = Chart("kbit/s", "NEG", [line], [("floor", np.float64(93))])
    table = DataTable(np.array(["a", "b"]), np.array([[1.5, 2.5]]))
    record = Section(np.str_("title"), [chart, table]).to_record()
    assert json.loads(json.dumps(record)) == record
    assert record["blocks"][0]["lines"][0] == {"name": "x264", "points": [[1.0, 90.5], [2.0, 95.0]], "marked": [1]}
    assert record["blocks"][1]["rows"] == [["1.5", "2.5"]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), 1e300])
@pytest.mark.parametrize("place", ["x", "y", "level"])
def test_infinite_numbers(place: str, value: float) -> None:
    point = {"x": (value, 1.0), "y": (1.0, value)}.get(place, (1.0, 1.0))
    chart = Chart("x", "y", [Line("a", [point])], [("floor", value if place == "level" else 1.0)])
    with pytest.raises(ValueError, match="must be a finite number"):
        Section("title", [chart]).to_record()


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (None, "section.blocks must be a list of blocks, not None"),
        ("text", "section.blocks must be a list of blocks, not 'text'"),
        (["text"], r"section.blocks\[0\] must be a Paragraph, DataTable, .*, not 'text'"),
        ([Paragraph("a"), Chart("x", "y", None)], r"section.blocks\[1\] \(Chart\) has a value of the wrong type: "),
        ([Chart("x", "y", ["line"])], r"section.blocks\[0\] \(Chart\) has a value of the wrong type: "),
        ([DataTable(None, [])], "section.blocks.0. .DataTable. has a value of the wrong type: "),
    ],
)
def test_blocks_of_a_wrong_type(blocks: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Section("a section", blocks).to_record()


def test_wrong_types() -> None:
    with pytest.raises(ValueError, match=r"section\.blocks\[0\]\.text must be a string, not 5"):
        Section("title", [Paragraph(5)]).to_record()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"section\.title"):
        Section(None).to_record()  # type: ignore[arg-type]


ONE = Section("one", [Paragraph("first")])


@pytest.mark.parametrize(
    ("answer", "titles"),
    [
        ([], []),
        ([None, None], []),
        ([ONE], ["one"]),
        ([[ONE, ONE]], ["one", "one"]),
        ([None, (ONE,), ONE, []], ["one", "one"]),
    ],
)
def test_collect_sections(answer: list[Any], titles: list[str]) -> None:
    assert [record["title"] for record in collect_sections(lambda: answer, "a_hook")] == titles


def raising(error: Exception) -> Callable[[], list[Any]]:
    def call() -> list[Any]:
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (raising(RuntimeError("no network")), "RuntimeError: no network"),
        (raising(RuntimeError("\ud800\x1b[31m<b>")), "RuntimeError: "),
        (lambda: ["a text"], "TypeError: the hook must return Sections, not 'a text'"),
        (lambda: [[5]], "TypeError: the hook must return Sections, not 5"),
        (lambda: [{"title": "a dict"}], "TypeError: the hook must return Sections, not {"),
        (lambda: 5, "TypeError"),
        (lambda: [ONE, Section("two", ["a text"])], "section.blocks[0] must be a Paragraph"),  # type: ignore[list-item]
        (lambda: [Section("two", [DataTable(["a"], [[1, 2]])])], "ValueError: a row must have 1 values"),
        (lambda: [Section("two", [Chart("x", "y", [Line("a", [(1, math.nan)])])])], "ValueError: section.blocks[0]"),
        (lambda: [Section("two", [Chart("x", "y", [Line("a", [(1, 2, 3)])])])], "ValueError"),  # type: ignore[list-item]
        (lambda: [Section("two", 5)], "section.blocks must be a list of blocks, not 5"),  # type: ignore[arg-type]
    ],
)
def test_failing_plugin(call: Callable[[], Any], said: str) -> None:
    [record] = collect_sections(call, "pytest_vmaf_run_sections")
    conform(record, schema.SECTION)
    assert record["title"] == "A plugin failed"
    [block] = record["blocks"]
    assert block["text"].startswith("The sections of pytest_vmaf_run_sections could not be built: ")
    assert said in block["text"]
    assert "could not be built" in shown(record)


def test_interrupted_plugin() -> None:
    def call() -> list[Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect_sections(call, "a_hook")
