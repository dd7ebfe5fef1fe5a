"""The report in a real browser, in one quick test: it renders, its script runs, and the console stays empty."""

from __future__ import annotations

from pathlib import Path

from pytest_vmaf.report.html import write_html
from report.browsing import Visit
from report.builders import a_document, a_full_document, a_measurement, a_test


def test_smoke(visit: Visit, tmp_path: Path) -> None:
    sections = [section for test in a_full_document()["tests"] for section in test["sections"]]
    for section in sections:
        # The pictures of the full document are not really JPEG.
        section["blocks"] = [block for block in section["blocks"] if block["kind"] not in ("shown", "heat")]
    failed = a_measurement([95.0, 97.0, 96.0], [93.0, 80.0, 94.0], min_neg=95)
    write_html(tmp_path / "r.html", a_document(a_test("failed", failed, sections=sections)))
    page, activity = visit(tmp_path / "r.html")
    assert "1 of 1 test failed" in page.locator(".verdict").inner_text()
    assert page.locator(".details > details:visible").count() == 1
    chart = page.locator("svg.series").first
    chart.scroll_into_view_if_needed()
    chart.and_(page.locator("[tabindex]")).wait_for()
    chart.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert chart.locator("+ output").inner_text() == "frame 1 (0:00.040), default 97.0, NEG 80.0, gap 17.0"
    assert page.locator("polyline.xy").count() == 2
    assert page.locator("path.sign").count() == 1
    assert (activity.console, activity.errors, activity.dialogs) == ([], [], [])
