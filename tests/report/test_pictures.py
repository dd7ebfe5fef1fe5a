"""Blocks of pictures with rectangles: data, page, Markdown, and the limits of a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf import MeasurementError, Pictures, Section
from pytest_vmaf.report import collector as collect, document as documents, html, markdown
from report.builders import HOSTILE, JPEG, a_document

FACE = ("face", 64, 36, 320, 180)


def a_picture(**changed: Any) -> Pictures:
    sizes = {"width": 320, "height": 180, "full_width": 640, "full_height": 360}
    return Pictures(**{"pictures": [("tinted", JPEG), ("plain", JPEG)], **sizes, "boxes": [FACE], **changed})


def a_record(made: Pictures) -> dict[str, Any]:
    return Section("Regions", [made]).to_record()


def shown(*records: dict[str, Any]) -> str:
    return "".join(html.page(a_document(sections=list(records)), html.Form(True, html._data)))


def test_to_record() -> None:
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
def pictures(draw: st.DrawFn) -> Pictures:
    width, height = draw(st.tuples(st.integers(1, 8000), st.integers(1, 8000)))
    boxes = []
    for name in draw(st.lists(st.text(max_size=9), max_size=4)):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        boxes.append((name, x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y))))
    given_ones = draw(st.lists(st.tuples(st.text(max_size=9), st.just(JPEG)), max_size=6))
    return Pictures(given_ones, *draw(st.tuples(*[st.integers(1, 960)] * 2)), width, height, draw(st.text()), boxes)


@settings(max_examples=25, deadline=None)
@given(pictures())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, made: Pictures) -> None:
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
        ({"pictures": [("", JPEG)] * 7}, "must have at most 6 pictures next to each other, not 7"),
        ({"boxes": [FACE] * 65}, "must have at most 64 rectangles, not 65"),
        ({"boxes": [("face", 400, 0, 300, 10)]}, "'face' of 300x10 at 400,0, outside the frame of 640x360"),
        ({"boxes": [("face", 0, 351, 10, 10)]}, "outside the frame of 640x360"),
        ({"boxes": [("face", -1, 0, 10, 10)]}, "'face' of 10x10 at -1,0, outside the frame"),
        ({"boxes": [("face", 0, 0, 0, 10)]}, "'face' of 0x10 at 0,0, outside the frame"),
        ({"boxes": [("face", 0.5, 0, 10, 10)]}, r"boxes\[0\].x must be an integer, not 0.5"),
        ({"width": 0}, "must have a width of 1 to 65535 pixels, not 0"),
        ({"full_height": 70_000}, "must have a full_height of 1 to 65535 pixels, not 70000"),
        ({"pictures": [("", "PHN2Zz4=")]}, r"pictures\[0\].jpeg must be a string of the right form, not 'PHN2Zz4='"),
    ],
)
def test_misfits(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"^section\.blocks\[0\]\.shown.*{said}"):
        a_record(a_picture(**changed))


def test_misfit_in_file(tmp_path: Path) -> None:
    made = a_document(sections=[a_record(a_picture())])
    made["sections"][0]["blocks"][0]["shown"]["boxes"][0]["x"] = 600
    (tmp_path / "r.json").write_text(json.dumps(made))
    with pytest.raises(MeasurementError, match=r"blocks\[0\]\.shown has a rectangle 'face'"):
        documents.read(tmp_path / "r.json")


@pytest.mark.parametrize("assets", [False, True])
def test_hostile_names(tmp_path: Path, assets: bool) -> None:
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


def test_rectangles_in_words() -> None:
    page = shown(a_record(a_picture()))
    assert "face 320x180 at 64,36" in page
    assert "(scaled from 640x360)" in page


def test_markdown() -> None:
    text = markdown.markdown(a_document(sections=[a_record(a_picture(caption="the *worst* frame"))]))
    assert "Section Regions: the &#42;worst&#42; frame" in text
    assert "face" not in text
    assert JPEG not in text


def test_picture_limit() -> None:
    large = JPEG[:-4] + "A" * 3_000_000
    records = [a_record(a_picture(pictures=[("a", large)] * 3)) for _ in range(2)]
    before = collect.sections_size(records)
    assert collect.lighten(records) == (len(large), 1)
    assert collect.sections_size(records) == before - len(large)
    assert [len(record["blocks"][0]["shown"]["pictures"]) for record in records] == [3, 2]
    assert "Some of its pictures were left out, to keep the report small." in shown(records[1])
    assert "were left out" not in shown(records[0])


def test_no_pictures_left() -> None:
    record = a_record(a_picture(caption="the worst frame"))
    while collect.sections_size([record]):
        collect.lighten([record])
    page = shown(record)
    assert "<img " not in page
    assert "the worst frame" in page
    assert "face 320x180 at 64,36" in page
