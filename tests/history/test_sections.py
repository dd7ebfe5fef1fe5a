"""A history as sections: steps, charts, and what is left out of them."""

from __future__ import annotations

import random
from dataclasses import replace

from report.builders import HOSTILE

from history.builders import a_history, a_line
from pytest_vmaf.history.sections import MOST_POINTS, all_steps, history_section, history_sections, summary, thin
from pytest_vmaf.history.series import make_history
from pytest_vmaf.report.html import sections_page
from pytest_vmaf.report.markdown import markdown_sections


def test_sections() -> None:
    history = a_history([93.0, 93.1, 90.0], url="https://ci.example/7")
    steps = all_steps(history)
    assert summary(history, steps) == (
        "1 test over 3 commits, 2026-01-01: 1 step beyond the tolerance, 1 of them worse. "
        "The newest: NEG of test_x fell from 93.00 to 90.00 at 0000000000."
    )
    table, chart = (section.to_record()["blocks"][0] for section in history_sections(history, steps, 10))
    assert table["rows"][0][3:9] == ["test_x", "NEG", "93.00", "90.00", "-3.00", "0.5"]
    assert table["links"] == ["https://ci.example/7"]
    [line] = chart["lines"]
    assert (line["points"], line["marked"], line["worse"]) == ([[0, 93], [1, 93.1], [2, 90]], [2], [2])
    assert [name for _, name in chart["names"]] == ["0" * 10] * 3
    assert "folded" not in chart


def test_page() -> None:
    """Names are escaped, links lead to http alone, and the commit of a step is in the page without scripts."""
    more = {"test": f"a.py::{HOSTILE}", "subject": HOSTILE, "branch": HOSTILE, "url": "javascript:alert(1)"}
    history = make_history([a_line(index, 93.0 - index, commit=f"c0ffee{index}", **more) for index in range(3)])
    steps = all_steps(history)
    records = [section.to_record() for section in history_sections(history, steps, 10)]
    page = sections_page("History", summary(history, steps), records)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "javascript:" not in page
    assert page.count("c0ffee2") >= 2
    assert '<header class="plain">' in page
    assert '<circle class="l0 bad"' in page
    assert "c0ffee2" in markdown_sections("History", "x", records)


def test_hostile_commit() -> None:
    """Nothing in a name acts on a terminal."""
    history = replace(a_history([93.0, 90.0], commit="\x1b[31m\n"), branch="x\n", others=("\x1b[2J",) * 9)
    assert all_steps(history) == []
    history = replace(make_history([a_line(0), a_line(1, 80.0, commit="\x1b]0;\n")]), others=("\x1b[2J",) * 9)
    text = summary(history, all_steps(history))
    assert text.isprintable()
    assert "and 4 more" in text


def test_page_size() -> None:
    """Eight times as many commits make a page that is hardly larger."""
    source, sizes = random.Random(1), []
    for count in (500, 4000):
        history = a_history([93 + source.gauss(0, 0.4) for _ in range(count)])
        steps = all_steps(history)
        records = [section.to_record() for section in history_sections(history, steps, 10)]
        sizes.append(len(sections_page("History", "", records)))
    assert sizes[1] < 1.5 * sizes[0]


def test_few_commits() -> None:
    assert summary(a_history([]), []) == "The history has no numbers."
    section = history_section(a_history([93.0]), [], 10).to_record()
    assert [block["kind"] for block in section["blocks"]] == ["text", "text"]
    assert "needs a second commit" in section["blocks"][0]["text"]


def test_left_out() -> None:
    """Series with steps, and the first metric of each test, come before others."""
    lines = [
        a_line(number, test=f"a.py::test_{test}", values={"vmaf": 95.0 - (test == 3) * number, "gap": 2.0})
        for test in range(5)
        for number in range(2)
    ]
    history = make_history(lines)
    sections = [section.to_record() for section in history_sections(history, all_steps(history), 6)]
    charts = [(s["title"], b["y"]) for s in sections for b in s["blocks"] if b["kind"] == "chart"]
    assert charts == [*((f"test_{test}", "NEG") for test in range(4)), ("test_3", "VMAF"), ("test_4", "NEG")]
    assert "9 lines without recent steps left out" in sections[-1]["blocks"][0]["text"]


def test_thin() -> None:
    """Unchanged points are left out, and of many those remain that show the range."""
    assert thin([1, 1, 1, 2, 2, 2, 1]) == [0, 2, 3, 5, 6]
    assert thin([5]) == [0]
    wild = [float(index * 7919 % 1000) for index in range(5000)]
    indexes = thin(wild, [1234])
    assert len(indexes) <= MOST_POINTS + 10
    assert {0, 1234, 4999} <= {*indexes}
    assert {min(wild), max(wild)} <= {wild[index] for index in indexes}
