"""Sections about the agreement with viewers, as a page, in the terminal and in Markdown."""

from __future__ import annotations

import re

import pytest
from correlation.builders import Rows, a_study

from pytest_vmaf import Correlation, correlate
from pytest_vmaf.report.correlation_sections import correlation_sections, lead, tables_of
from pytest_vmaf.report.html import sections_page
from pytest_vmaf.report.markdown import markdown_sections
from pytest_vmaf.report.terminal import render, section_table
from report.builders import HOSTILE

STUDY = a_study(sources=4, qualities=4)


def found(scores: Rows = STUDY[0], opinions: Rows = STUDY[1], **settings: object) -> Correlation:
    return correlate(scores, opinions, resamples=200, lower_is_better=["lpips"], **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def correlation() -> Correlation:
    return found()


def page_of(correlation: Correlation) -> str:
    sections = [section.to_record() for section in correlation_sections(correlation)]
    return sections_page("Agreement with viewers", lead(correlation), sections)


def printed(correlation: Correlation, width: int = 200) -> str:
    tables = [section_table(section.to_record()) for section in tables_of(correlation)]
    return "".join(render(table, width, colour=False) for table in tables)


def test_lead(correlation: Correlation) -> None:
    text = lead(correlation)
    assert re.match(
        r"NEG has the highest tau-b 95 of 4 metrics, 0\.\d{3} \(0\.\d{3}-0\.\d{3}\) on 48 clips; the v", text
    )
    assert re.search(r"It is significantly better than (.*, )?psnr_y", text)
    without = [{"clip": row["clip"], "mos": row["mos"]} for row in STUDY[1]]
    assert lead(found(opinions=without, metrics=["neg"])).startswith("NEG: SRCC 0.9")
    alike = [{**row, "copy": row["neg"]} for row in STUDY[0]]
    assert lead(found(alike, metrics=["neg", "copy"])).endswith("No difference to the others is significant.")
    constant = [{**row, "same": 1} for row in STUDY[0]]
    assert lead(found(constant, metrics=["same"])) == "No metric can be compared with viewers on 48 clips."


def test_page(correlation: Correlation) -> None:
    page = page_of(correlation)
    assert "<script" not in page
    assert "default-src &#39;none&#39;" in page
    assert page.count('class="chart"') == 4
    for text in (
        "All clips",
        "Per codec",
        "Per source",
        "Differences between metrics",
        "● <bdi>avc</bdi>",
        "╌ mapping",
    ):
        assert text in page
    # A dot for each clip and metric, of three shapes.
    assert page.count("<circle") == 4 * 16
    assert page.count('class="sign l') >= 2 * 4 * 16
    assert "NaN" not in page
    assert "nan" not in re.sub(r"data:[^\"]+", "", page)


def test_terminal(correlation: Correlation) -> None:
    text = printed(correlation)
    assert re.search(r"^VMAF +0\.\d{3} \(0\.\d{3}-0\.\d{3}\)", text, re.MULTILINE)
    assert re.search(r"^neural +VMAF +16 +\+0\.\d\d \(\+0\.\d\d to \+0\.\d\d\) ", text, re.MULTILINE)
    assert re.search(r"^NEG − psnr_y .*\*", text, re.MULTILINE)
    assert "The ceiling of tau-b 95 is 0." in text
    # The labels of both columns are repeated where a table is continued.
    assert len(re.findall(r"^neural +VMAF ", printed(correlation, 80), re.MULTILINE)) > 1


def test_undefined_statistics() -> None:
    scores = [{**row, "same": 1.0, "steps": number % 3} for number, row in enumerate(STUDY[0])]
    without = [{"clip": row["clip"], "mos": row["mos"]} for row in STUDY[1]]
    text = printed(found(scores, without, metrics=["neg", "same", "steps"]), 400)
    assert "No tau-b 95, RMSE* and outliers: the MOS have no confidence intervals (ci, or std and n)." in text
    assert "no PLCC, SRCC, tau-b, RMSE of same: the metric is constant." in text
    assert "no PLCC, RMSE of steps: the mapping needs 4 different values of the metric, not 3." in text
    assert "neural: no PLCC, SRCC, tau-b, RMSE of same: the metric is constant." in text
    assert not re.search("nan|None|inf\b", text)
    undefined = found(scores, without, metrics=["same", "steps"])
    markdown = markdown_sections("t", "s", [section.to_record() for section in tables_of(undefined)])
    assert not re.search("nan|None", markdown)


def test_hostile_names() -> None:
    names = {"clip": f"{HOSTILE}|", "codec": HOSTILE, "source": HOSTILE}
    scores = [
        {**{name: f"{text}{row[name]}" for name, text in names.items()}, HOSTILE: row["neg"], "[red]m|": row["vmaf"]}
        for row in STUDY[0]
    ]
    opinions = [{**row, "clip": f"{names['clip']}{row['clip']}"} for row in STUDY[1]]
    correlation = correlate(scores, opinions, resamples=100)
    page = page_of(correlation)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "[red]m|" in printed(correlation, 400)
    text = markdown_sections("t", lead(correlation), [section.to_record() for section in tables_of(correlation)])
    assert "<script>alert" not in text
    assert all(line.count("|") == line.count(" |") + 1 for line in text.splitlines() if line.startswith("| "))


def test_notebook(correlation: Correlation) -> None:
    view = correlation._repr_html_()
    assert view is not None
    assert view.startswith("<iframe")
    assert "&lt;polyline" in view


@pytest.mark.slow
def test_many_clips() -> None:
    scores = [{"clip": f"c{at}", "neg": at % 97 + at / 1e4} for at in range(2500)]
    opinions = [{"clip": f"c{at}", "mos": at % 97} for at in range(2500)]
    correlation = correlate(scores, opinions, resamples=100)
    page = page_of(correlation)
    assert page.count("<circle") == 1250
    assert "one in 2 is shown" in page
