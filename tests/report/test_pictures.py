"""Pictures of a section: beside each other, with rectangles upon them that are where they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_vmaf import MeasurementError, Section, Shown
from pytest_vmaf.report import collector as collect
from pytest_vmaf.report import document as documents
from pytest_vmaf.report import html, markdown
from report.browsing import Visit, axe_says, width_of
from report.builders import HOSTILE, JPEG, a_document, a_measurement, a_test

if TYPE_CHECKING:
    from playwright.sync_api import Locator

FACE = ("face", 64, 36, 320, 180)


def a_picture(**changed: Any) -> Shown:
    sizes = {"width": 320, "height": 180, "full_width": 640, "full_height": 360}
    return Shown(**{"pictures": [("tinted", JPEG), ("plain", JPEG)], **sizes, "boxes": [FACE], **changed})


def a_record(made: Shown) -> dict[str, Any]:
    return Section("Regions", [made]).to_record()


def shown(*records: dict[str, Any]) -> str:
    return "".join(html.page(a_document(sections=list(records)), html.Form(True, html._data)))


def test_pictures_become_what_they_say() -> None:
    assert a_picture(caption="the worst frame").to_record() == {
        "kind": "shown",
        "caption": "the worst frame",
        "shown": {
            "pictures": [{"caption": "tinted", "jpeg": JPEG}, {"caption": "plain", "jpeg": JPEG}],
            "width": 320,
            "height": 180,
            "full_width": 640,
            "full_height": 360,
            "boxes": [{"name": "face", "x": 64, "y": 36, "width": 320, "height": 180}],
        },
    }


@st.composite
def pictures(draw: st.DrawFn) -> Shown:
    width, height = draw(st.tuples(st.integers(1, 8000), st.integers(1, 8000)))
    boxes = []
    for name in draw(st.lists(st.text(max_size=9), max_size=4)):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        boxes.append((name, x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y))))
    given_ones = draw(st.lists(st.tuples(st.text(max_size=9), st.just(JPEG)), max_size=6))
    return Shown(given_ones, *draw(st.tuples(*[st.integers(1, 960)] * 2)), width, height, draw(st.text()), boxes)


@settings(max_examples=40, deadline=None)
@given(pictures())
def test_all_pictures_read_back_and_are_shown(tmp_path_factory: pytest.TempPathFactory, made: Shown) -> None:
    record = a_record(made)
    path = tmp_path_factory.mktemp("shown") / "r.json"
    path.write_text(json.dumps(a_document(sections=[record]), allow_nan=False))
    read = documents.read(path)
    assert read["sections"] == [record]
    page = "".join(html.page(read, html.Form(True, html._data)))
    assert page.count("<img ") == len(made.pictures)
    assert page.count('<rect class="b') == len(made.pictures) * len(made.boxes)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pictures": [("", JPEG)] * 7}, "has 7 pictures beside each other, and at most 6 may be"),
        ({"boxes": [FACE] * 65}, "has 65 rectangles, and at most 64 may be"),
        ({"boxes": [("face", 400, 0, 300, 10)]}, "'face' of 300x10 at 400,0, not inside the frame of 640x360"),
        ({"boxes": [("face", 0, 351, 10, 10)]}, "not inside the frame of 640x360"),
        ({"boxes": [("face", -1, 0, 10, 10)]}, "'face' of 10x10 at -1,0, not inside the frame"),
        ({"boxes": [("face", 0, 0, 0, 10)]}, "'face' of 0x10 at 0,0, not inside the frame"),
        ({"boxes": [("face", 0.5, 0, 10, 10)]}, r"boxes\[0\].x must be an integer, not 0.5"),
        ({"width": 0}, "has a width of 0 pixels, not 1 to 65535"),
        ({"full_height": 70_000}, "has a full_height of 70000 pixels"),
        ({"pictures": [("", "PHN2Zz4=")]}, r"pictures\[0\].jpeg must be a string of the right form, not 'PHN2Zz4='"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"^section\.blocks\[0\]\.shown.*{said}"):
        a_record(a_picture(**changed))


def test_what_does_not_fit_is_not_read_either(tmp_path: Path) -> None:
    made = a_document(sections=[a_record(a_picture())])
    made["sections"][0]["blocks"][0]["shown"]["boxes"][0]["x"] = 600
    (tmp_path / "r.json").write_text(json.dumps(made))
    with pytest.raises(MeasurementError, match=r"blocks\[0\]\.shown has a rectangle 'face'"):
        documents.read(tmp_path / "r.json")


@pytest.mark.parametrize("assets", [False, True])
def test_hostile_names_are_text_and_nothing_is_styled_inline(tmp_path: Path, assets: bool) -> None:
    made = a_picture(
        pictures=[(HOSTILE, JPEG)], caption=HOSTILE, boxes=[(HOSTILE, 0, 0, 9, 9), ("\x1b\ud800", *FACE[1:])]
    )
    path = tmp_path / "r.html"
    html.write_html(path, a_document(sections=[a_record(made)]), assets=assets)
    page = path.read_text()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    # In the picture and below it, its alternative text, and both captions.
    assert page.count("&lt;script&gt;alert(1)") == 5
    assert page.count("\\x1b\\ud800") == 2
    assert " style=" not in page
    assert ("data:image/jpeg" in page) is not assets
    assert page.count("<img ") == 1


def test_rectangles_are_said_in_words_too() -> None:
    page = shown(a_record(a_picture()))
    assert "face 320x180 at 64,36" in page
    assert "(scaled from 640x360)" in page


def test_the_summary_has_nothing_but_the_caption() -> None:
    text = markdown.markdown(a_document(sections=[a_record(a_picture(caption="the *worst* frame"))]))
    assert "Section Regions: the &#42;worst&#42; frame" in text
    assert "face" not in text
    assert JPEG not in text


def test_pictures_beyond_the_budget_are_left_out_with_a_word() -> None:
    large = JPEG[:-4] + "A" * 3_000_000
    records = [a_record(a_picture(pictures=[("a", large)] * 3)) for _ in range(2)]
    before = collect.sections_size(records)
    assert collect.lighten(records) == (len(large), 1)
    assert collect.sections_size(records) == before - len(large)
    assert [len(record["blocks"][0]["shown"]["pictures"]) for record in records] == [3, 2]
    assert "Some of its pictures were left out, to keep the report small." in shown(records[1])
    assert "were left out" not in shown(records[0])


def test_a_block_whose_pictures_are_all_gone_keeps_its_words() -> None:
    record = a_record(a_picture(caption="the worst frame"))
    while collect.sections_size([record]):
        collect.lighten([record])
    page = shown(record)
    assert "<img " not in page
    assert "the worst frame" in page
    assert "face 320x180 at 64,36" in page


# ---------------------------------------------------------------- in a browser


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


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize("width", [320, 1200])
def test_rectangles_are_where_they_say(visit: Visit, reports: tuple[Path, Path], form: int, width: int) -> None:
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


def test_names_stay_in_the_picture(visit: Visit, reports: tuple[Path, Path]) -> None:
    page, _ = visit(reports[0], width=390)
    picture = page.locator("main > .more .boxed").last
    left, _, wide, _ = bounds(picture.locator("img"))
    for text in picture.locator("text").all():
        x, _, w, _ = bounds(text)
        assert left <= x <= x + w <= left + wide


def test_pictures_stand_beside_each_other_where_there_is_room(visit: Visit, reports: tuple[Path, Path]) -> None:
    for width, beside in ((1200, True), (390, False)):
        page, _ = visit(reports[0], width=width)
        first, second = (bounds(page.locator("main > .more .boxed").nth(number)) for number in (0, 1))
        assert (first[1] == second[1]) is beside
        assert width_of(page) <= width


@pytest.mark.parametrize(("form", "scheme", "width"), [(0, "light", 1200), (1, "dark", 390)])
def test_axe_finds_nothing_serious(
    visit: Visit, reports: tuple[Path, Path], form: int, scheme: str, width: int
) -> None:
    page, seen = visit(reports[form], scheme, width=width)
    assert (seen.console, seen.errors) == ([], [])
    # It asks for the style once more, which no page in a file may.
    assert axe_says(page) == []


def test_pictures_of_a_test_are_shown_with_it(reports: tuple[Path, Path]) -> None:
    page = reports[1].read_text()
    sources = re.findall(r'<img src="([^"]*)"', page)
    assert len(sources) == 6
    # One file for one picture, however often it is shown.
    [source] = set(sources)
    assert (reports[1].parent / source).is_file()
