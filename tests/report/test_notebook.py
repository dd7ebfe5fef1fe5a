"""Results and searches as HTML for notebooks."""

from __future__ import annotations

from html import unescape

import pytest
from search.builders import a_bisection, a_comparison, a_curve

from pytest_vmaf import FakeScorer, Result, Vmaf
from pytest_vmaf.html_views import html_of


@pytest.fixture(scope="module")
def result() -> Result:
    return Vmaf(scorer=FakeScorer(vmaf=[96, 90], neg=[92, 80])).score("ref.mkv", "<b>.mkv")


def page(html: str | None) -> str:
    """The page in the frame."""
    assert html is not None
    assert html.startswith('<iframe srcdoc="')
    assert " sandbox " in html
    return unescape(html.partition('srcdoc="')[2].partition('"')[0])


def test_result(result: Result) -> None:
    shown = page(result._repr_html_())
    assert "<strong>NEG 86.00, VMAF 93.00, gap 7.00</strong> &lt;b&gt;.mkv" in shown
    assert shown.count('<svg class="chart') == 1
    assert "<script" not in shown


def test_result_from_json(result: Result) -> None:
    assert Result.from_json(result.to_json())._repr_html_() == result._repr_html_()


def test_bisection() -> None:
    shown = page(a_bisection(a_curve())._repr_html_())
    assert "<h3>" in shown
    assert "<th>target</th>" in shown
    assert "<svg" in shown


def test_comparison() -> None:
    shown = page(a_comparison(first=a_curve(), second=a_curve(1.25))._repr_html_())
    assert shown.count("<h3>") == 2


def test_others() -> None:
    assert html_of(3) is None


def test_rows(result: Result) -> None:
    first, second = result.to_rows()
    assert list(first) == ["frame", "time", "vmaf", "neg", "gap", *result.features]
    assert (second["frame"], second["vmaf"], second["neg"], second["gap"]) == (1, 90, 80, 10)
    assert result.to_dict()["scores"]["neg"]["frames"] == [92, 80]


def test_rows_of_searches() -> None:
    bisection = a_bisection(a_curve())
    assert [row["crf"] for row in bisection.to_rows()] == [probe.crf for probe in bisection.probes]
    comparison = a_comparison(first=a_curve(), second=a_curve(1.25))
    rows = comparison.to_rows()
    assert len(rows) == 2 * len(comparison.targets)
    assert {row["encoder"] for row in rows} == {"first", "second"}
    assert {row["target"] for row in rows} == set(comparison.targets)
