"""Pictures of a section in a real browser: where rectangles, names and pictures are, and accessibility."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf import Section
from pytest_vmaf.report import html
from report.browsing import Visit, axe_violations, width_of
from report.builders import a_document, a_measurement, a_test
from report.test_pictures import FACE, a_picture

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.slow

RIGHT = ("a name that is longer than its rectangle", 576, 300, 64, 60)


@pytest.fixture(scope="module")
def reports(jpeg: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A report with pictures in both forms."""
    blocks = [
        a_picture(pictures=[("tinted", jpeg), ("plain", jpeg)], caption="saliency"),
        a_picture(pictures=[("frame 7", jpeg)], boxes=[FACE, RIGHT], caption="regions"),
    ]
    record = Section("Where", blocks).to_record()
    test = a_test("failed", a_measurement(90.0, 80.0, min_neg=85), sections=[record])
    folder = tmp_path_factory.mktemp("shown")
    html.write_html(folder / "file.html", a_document(test, sections=[record]))
    html.write_html(folder / "assets.html", a_document(test, sections=[record]), assets=True)
    return folder / "file.html", folder / "assets.html"


def bounds(part: Locator) -> tuple[float, float, float, float]:
    found = part.bounding_box()
    assert found is not None
    return found["x"], found["y"], found["width"], found["height"]


@pytest.mark.parametrize(("form", "width"), [(0, 320), (1, 1200)])
def test_rectangles(visit: Visit, reports: tuple[Path, Path], form: int, width: int) -> None:
    page, seen = visit(reports[form], scripts=False, width=width)
    for number, box in ((0, FACE), (1, FACE), (2, RIGHT)):
        x, y, w, h = box[1:]
        picture = page.locator("main > .more .boxed").nth(min(number, 2))
        left, top, wide, high = bounds(picture.locator("img"))
        assert picture.locator("img").evaluate("each => each.naturalWidth") == 320
        assert wide / high == pytest.approx(320 / 180, rel=0.02)
        where = (left + x * wide / 640, top + y * high / 360, w * wide / 640, h * high / 360)
        found = bounds(picture.locator("rect:not(.under)").nth(int(box is RIGHT)))
        # A line of two pixels stands half outside.
        assert found == pytest.approx(where, abs=2.1)
    assert seen.console == []


def test_layout(visit: Visit, reports: tuple[Path, Path]) -> None:
    page, _ = visit(reports[0])
    for width, beside in ((1200, True), (390, False)):
        page.set_viewport_size({"width": width, "height": 900})
        first, second = (bounds(page.locator("main > .more .boxed").nth(number)) for number in (0, 1))
        assert (first[1] == second[1]) is beside
        assert width_of(page) <= width
    # The names of rectangles stay inside the picture.
    picture = page.locator("main > .more .boxed").last
    left, _, wide, _ = bounds(picture.locator("img"))
    for text in picture.locator("text").all():
        x, _, w, _ = bounds(text)
        assert left <= x <= x + w <= left + wide


@pytest.mark.parametrize(("form", "scheme", "width"), [(0, "light", 1200), (1, "dark", 390)])
def test_axe(visit: Visit, reports: tuple[Path, Path], form: int, scheme: str, width: int) -> None:
    page, seen = visit(reports[form], scheme, width=width)
    assert axe_violations(page, "main > .more") == []
    assert (seen.console, seen.errors) == ([], [])


def test_pictures_of_test(reports: tuple[Path, Path]) -> None:
    page = reports[1].read_text()
    sources = re.findall(r'<img src="([^"]*)"', page)
    assert len(sources) == 6
    # One file for one picture, however often it is shown.
    [source] = set(sources)
    assert (reports[1].parent / source).is_file()
