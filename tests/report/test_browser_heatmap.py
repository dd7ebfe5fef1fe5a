"""Heat maps of a report in a real browser: keyboard, slider, print, policies and accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf import HeatMap, Section
from pytest_vmaf.report import heatmap as heat, html
from report.browsing import JENKINS, Visit, axe_violations, width_of
from report.builders import a_document, a_measurement, a_test
from report.test_heatmap import FRAMES, a_map, a_record, shown, the_heat, tiles

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

pytestmark = pytest.mark.slow

#: Values of every kind, halves among them, in another order in each frame.
MOVING = [
    (
        number * 3,
        number * 0.12,
        [None if tile == number else 15 + (tile * 37 + number * 53) % 181 / 2 for tile in range(12)],
    )
    for number in range(12)
]


@pytest.fixture(scope="module")
def reports(jpeg: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A report with heat maps in both forms."""
    moving = HeatMap(4, 3, MOVING, 20, 100, "NEG", "NEG of each tile", [7, 2, 5], {7: jpeg})
    fine = [(number, None, [(number * 7 + tile) % 100 for tile in range(40 * 20)]) for number in range(5)]
    blocks = [moving, HeatMap(40, 20, fine, 20, 100, "VMAF", "", [3, 4], size=(1080, 1920)), a_map(frames=FRAMES[:1])]
    record = Section("Where", blocks).to_record()
    test = a_test("failed", a_measurement(90.0, 80.0, min_neg=85), sections=[record])
    made = a_document(test, sections=[record])
    folder = tmp_path_factory.mktemp("heat")
    html.write_html(folder / "file.html", made)
    html.write_html(folder / "assets.html", made, assets=True)
    return folder / "file.html", folder / "assets.html"


def a_box(page: Page, number: int = 0) -> Locator:
    return page.locator("main > .more .heat").nth(number)


def cells(box: Locator) -> list[list[str]]:
    """Colour and text of each tile that is seen."""
    found = box.locator("td:visible").evaluate_all("all => all.map(each => [each.className, each.textContent])")
    assert isinstance(found, list)
    return found


def wanted(index: int) -> list[list[str]]:
    """The same as the page without scripts has them."""
    made = HeatMap(4, 3, MOVING, 20, 100, "NEG", worst=[index])
    return [[colour, text] for colour, _, text in tiles(shown(a_record(made)))]


def test_keyboard_without_scripts(visit: Visit, reports: tuple[Path, Path]) -> None:
    page, seen = visit(reports[0], scripts=False)
    box = a_box(page)
    assert box.locator("input[type=range]:visible").count() == 0
    # The worst one first, among others in order of time.
    assert page.get_by_role("radio", name="frame 21 (0:00.840)").last.is_checked()
    assert cells(box) == wanted(7)
    assert box.locator("img:visible").evaluate("each => each.naturalWidth") == 320
    box.locator("input:checked").focus()
    for index in (2, 5, 7, 2):
        page.keyboard.press("ArrowRight")
        assert cells(box) == wanted(index)
        assert box.locator("figcaption:visible").inner_text().startswith(f"frame {index * 3} (0:00.")
    # The other map of the page has frames of its own.
    assert cells(page.locator(".details .heat").first) == wanted(7)
    # The worst one is printed.
    page.emulate_media(media="print")
    assert cells(box) == wanted(7)
    assert page.locator("input:visible, label:visible, .ticks:visible").count() == 0
    assert seen.console == []


def test_slider(visit: Visit, reports: tuple[Path, Path]) -> None:
    page, seen = visit(reports[0])
    box = a_box(page)
    slider = box.locator("input[type=range]")
    assert slider.input_value() == "7"
    # A knob of 16 pixels stays inside the slider.
    bounds = slider.bounding_box()
    assert bounds is not None
    marks = [mark.bounding_box() for mark in box.locator(".ticks line").all()]
    places = [bounds["x"] + 8 + (bounds["width"] - 16) * index / 11 for index in (2, 5, 7)]
    assert [mark["x"] + mark["width"] / 2 for mark in marks if mark] == pytest.approx(places, abs=1.5)
    moving = the_heat(a_map(columns=4, rows=3, frames=MOVING))
    slider.focus()
    page.keyboard.press("Home")
    tile = box.locator("td:visible").nth(6)
    tile.hover()
    assert tile.get_attribute("title") == "column 2, row 1: NEG " + f"{MOVING[0][2][6]:.1f}"
    for index in range(len(MOVING)):
        assert cells(box) == wanted(index)
        assert box.locator("td:visible").count() == 12
        said = f"frame {index * 3} (0:0{index * 0.12:.3f}): {heat.describe(moving, index)}"
        assert box.locator("figcaption:visible").inner_text() == said
        assert slider.get_attribute("aria-valuetext") == said
        chosen = box.locator("input:checked")
        assert [each.input_value() for each in chosen.all()] == ([str(index)] if index in (2, 5, 7) else [])
        page.keyboard.press("ArrowRight")
    # A choice moves the slider.
    box.locator("label").filter(has_text="frame 15").click()
    assert slider.input_value() == "5"
    assert cells(box) == wanted(5)
    tile = a_box(page, 1).locator("td:visible").nth(41)
    tile.hover()
    assert tile.get_attribute("title") == "column 1, row 1: VMAF 62.0"
    # The worst one is printed, wherever the slider is.
    slider.focus()
    page.keyboard.press("Home")
    page.emulate_media(media="print")
    assert cells(box) == wanted(7)
    assert page.locator("input:visible, label:visible, .ticks:visible").count() == 0
    assert (seen.console, seen.errors) == ([], [])


def test_strict_policy(visit: Visit, reports: tuple[Path, Path]) -> None:
    page, seen = visit("about:blank", scripts=False)

    def answer(route: Route) -> None:
        path = reports[1].parent / route.request.url.removeprefix("http://report.test/")
        route.fulfill(path=path, headers={"Content-Security-Policy": JENKINS, "Content-Type": TYPES[path.suffix]})

    page.route("http://report.test/**", answer)
    page.goto("http://report.test/assets.html")
    box = a_box(page)
    backgrounds = box.locator("td:visible").evaluate_all(
        "all => all.map(each => getComputedStyle(each).backgroundColor)"
    )
    assert len(set(backgrounds)) > 5
    assert box.locator("img:visible").evaluate("each => each.naturalWidth") == 320
    refused = [said for said in seen.console if "Content Security Policy" in said and "script" not in said]
    assert refused == []


TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}


def test_sizes(visit: Visit, reports: tuple[Path, Path]) -> None:
    page, _ = visit(reports[0])
    for width in (1200, 390, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert a_box(page).is_visible()
        assert width_of(page) <= width
        for number, shape in ((0, 16 / 9), (1, 1080 / 1920)):
            box = a_box(page, number)
            sizes = box.locator("td:visible").evaluate_all(
                "all => all.map(each => each.getBoundingClientRect()).map(each => [each.width, each.height])"
            )
            assert max(w for w, _ in sizes) - min(w for w, _ in sizes) <= 2
            assert max(h for _, h in sizes) - min(h for _, h in sizes) <= 2
            bounds = box.locator(".tiles:visible").bounding_box()
            assert bounds is not None
            assert bounds["width"] / bounds["height"] == pytest.approx(shape, rel=0.02)


@pytest.mark.parametrize(("form", "scheme", "width"), [(0, "light", 1200), (1, "dark", 390)])
def test_axe(visit: Visit, reports: tuple[Path, Path], form: int, scheme: str, width: int) -> None:
    page, _ = visit(reports[form], scheme, width=width)
    if scheme == "dark":
        # The map that the slider shows.
        a_box(page).locator("input[type=range]").focus()
        page.keyboard.press("Home")
    assert axe_violations(page, "main > .more") == []
