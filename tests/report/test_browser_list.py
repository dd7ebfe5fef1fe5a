"""The list of tests in a real browser: filters, search, sorting, grouping, folding, copying, and a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_vmaf import Paragraph, Section
from pytest_vmaf.report.html import write_html
from report.browsing import Visit, axe_violations, width_of
from report.builders import HOSTILE, a_document, a_measurement, a_test, an_error

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def a_row(status: str, name: str, file: str, *measured: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        **a_test(status, *measured, name=name, **more),
        "id": f"tests/{file}.py::{name}",
        "file": f"tests/{file}.py",
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with tests of two files, and sections of the run."""
    tests = [
        a_row("failed", "test_sharp", "test_b", a_measurement(99.0, [80.0, 70.0], min_neg=90), duration=3.5),
        a_row("failed", "test_soft", "test_a", a_measurement(95.0, 89.5, min_neg=90), duration=75.0),
        a_row("error", "test_gone", "test_a", an_error(), message="MeasurementError: It does not exist."),
        a_row("passed", "test_good", "test_b", a_measurement(97.0, 95.0, min_neg=90), duration=0.5),
        a_row("passed", "test_good", "test_a", a_measurement(99.0, 98.0, min_neg=90), duration=12.0),
        a_row("skipped", "test_later", "test_a", message="no clip"),
    ]
    sections = [Section(name, [Paragraph(text)]).to_record() for name, text in (("Speed", "frames"), ("Else", "good"))]
    path = tmp_path_factory.mktemp("list") / "r.html"
    write_html(path, a_document(*tests, sections=sections, title=HOSTILE, branch=HOSTILE))
    return path


def names(page: Page) -> list[str]:
    rows = page.locator(".details > details:visible > summary .what")
    return rows.locator("> bdi").all_inner_texts()


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()


WORST_FIRST = ["test_sharp", "test_soft", "test_gone", "test_later", "test_good", "test_good"]


def test_filter_and_search(visit: Visit, place: Path) -> None:
    page, seen = visit(place)
    assert names(page)[:3] == WORST_FIRST[:3]
    page.locator("#show-passed + label").click()
    assert names(page) == ["test_good"] * 2
    page.locator("#search").fill("TEST_A.py")
    assert names(page) == ["test_good"]
    page.locator("#show-all + label").click()
    assert names(page) == ["test_soft", "test_gone", "test_later", "test_good"]
    # Sections of the run are searched, too.
    assert page.locator("main > .more:visible").count() == 0
    page.locator("#search").fill("frames")
    assert page.locator("main > .more:visible h2").all_inner_texts() == ["Speed"]
    page.locator("#search").fill("nothing has this")
    assert names(page) == []
    assert page.locator(".none").is_visible()
    # The reason of an error is in its row.
    page.locator("#search").fill("does not exist")
    assert names(page) == ["test_gone"]
    assert "It does not exist." in page.locator(".details > details:visible .said").inner_text()
    assert (seen.console, seen.errors, seen.dialogs) == ([], [], [])


def test_filter_without_scripts(visit: Visit, place: Path) -> None:
    page, _ = visit(place, scripts=False)
    page.locator("#show-failed + label").click()
    assert names(page) == ["test_sharp", "test_soft"]
    assert page.locator("button:visible").count() == 0


def test_sort_and_group(visit: Visit, place: Path) -> None:
    page, _ = visit(place)
    press(page, "sort by NEG")
    # Without a score: at the end.
    assert names(page) == ["test_sharp", "test_soft", "test_good", "test_good", "test_gone", "test_later"]
    assert page.get_by_role("button", name="sort by NEG").get_attribute("aria-pressed") == "true"
    press(page, "sort by NEG")
    assert names(page)[:4] == ["test_good", "test_good", "test_soft", "test_sharp"]
    press(page, "sort by margin")
    assert names(page)[:4] == ["test_sharp", "test_soft", "test_good", "test_good"]
    press(page, "sort by time")
    assert names(page)[0] == "test_good"
    assert names(page)[-1] == "test_soft"
    press(page, "sort by test")
    assert names(page) == sorted(names(page))
    assert page.locator(".group").count() == 0
    press(page, "sort by file")
    assert page.locator(".group:visible").all_inner_texts() == ["tests/test_a.py", "tests/test_b.py"]
    page.locator("#search").fill("test_b.py")
    assert page.locator(".group:visible").all_inner_texts() == ["tests/test_b.py"]


def test_expand_and_collapse(visit: Visit, place: Path) -> None:
    page, _ = visit(place)
    opened = page.locator(".details > details[open]")
    assert opened.count() == 3
    press(page, "collapse all")
    assert opened.count() == 0
    page.locator("#show-passed + label").click()
    press(page, "expand all")
    # Only what is visible.
    assert opened.count() == 2


def test_copy(visit: Visit, place: Path) -> None:
    page, seen = visit(place)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    entry = page.locator(".details > details").first
    entry.get_by_role("button", name="copy", exact=True).last.click()
    entry.get_by_role("button", name="copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "pytest tests/test_b.py::test_sharp"
    # One for each command, however often its entry is opened.
    count = entry.locator(".copy").count()
    for _ in range(2):
        entry.locator("> summary").click()
    assert entry.locator(".copy").count() == count
    assert seen.errors == []


def test_link_of_verdict(visit: Visit, place: Path) -> None:
    page, _ = visit(place)
    press(page, "collapse all")
    page.locator(".named a").first.click()
    assert page.locator(".details > details[open] > summary").inner_text().split("\n")[0].endswith("tests/test_b.py")


def test_hostile_title(visit: Visit, place: Path) -> None:
    page, seen = visit(place)
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator(".build b").inner_text() == HOSTILE
    assert page.locator("img[src=x]").count() == 0
    assert seen.dialogs == []
    assert page.locator(".build a").get_attribute("href") == "https://ci.example/runs/7"


@pytest.mark.parametrize("width", [320, 390])
def test_margin_on_a_phone(visit: Visit, place: Path, width: int) -> None:
    page, _ = visit(place, width=width)
    press(page, "collapse all")
    assert width_of(page) == width
    margins = page.locator(".details .c4")
    assert margins.count() == 4
    for margin in margins.all():
        box = margin.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width
    assert margins.first.inner_text() == "margin -15.00 min_neg"
    row = page.locator(".details > details > summary").first.bounding_box()
    assert row is not None
    assert row["height"] < 150


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe(visit: Visit, place: Path, scheme: str, width: int) -> None:
    page, _ = visit(place, scheme, width=width)
    press(page, "sort by file")
    assert axe_violations(page) == []
