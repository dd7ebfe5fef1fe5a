"""The size of a page that contains its pictures, and documents without pictures."""

from __future__ import annotations

import base64
import copy
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import collector, document as documents, fit, schema
from pytest_vmaf.report.fit import fit_page, pictures_size, without_pictures
from pytest_vmaf.report.html import write_html
from report.browsing import Visit, width_of
from report.builders import JPEG, PICTURE, a_document, a_full_document, a_measurement, a_test, an_error

#: Characters of JPEG as large as pictures of 640x360 are.
LARGE, SMALL = JPEG[:4] + "A" * 60_000, JPEG[:4] + "A" * 10_000
THUMBNAIL = {"frame": 1, "width": 224, "height": 126, "reference": SMALL, "distorted": SMALL}


def a_failure(number: int, pictures: int = 2, picture: str = LARGE) -> dict[str, Any]:
    """A test that fails by `number` points, with pictures."""
    frames = [90.0 - number + frame % 9 / 3 for frame in range(240)]
    record = a_measurement([neg + 2 for neg in frames], frames, min_neg=93)
    jpegs = dict.fromkeys(("reference", "distorted", "difference"), picture)
    record["pictures"] = [{**PICTURE, **jpegs, "frame": frame} for frame in range(pictures)]
    record["thumbnail"] = dict(THUMBNAIL)
    return a_test("failed", record, name=f"test_release[clip{number:02}-x264-medium-23]", message="GateViolation: NEG")


def pictures_of(document: Any) -> list[tuple[int, bool]]:
    records = [test["measurements"][0] for test in document["tests"]]
    return [(len(each["pictures"]), "thumbnail" in each) for each in records]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (900, [(2, True), (2, True)]),
        # The second frame of the milder test, then of the other one; then the first ones; then the thumbnails.
        (899, [(1, True), (2, True)]),
        (600, [(1, True), (1, True)]),
        (400, [(0, True), (1, True)]),
        (200, [(0, True), (0, True)]),
        (40, [(0, False), (0, True)]),
        (0, [(0, False), (0, False)]),
    ],
)
def test_fit_page(monkeypatch: pytest.MonkeyPatch, most: int, expected: list[tuple[int, bool]]) -> None:
    tests = [a_failure(number) for number in (1, 2)]
    document = a_document(*tests)
    before = copy.deepcopy(document)
    # Of 900, each of the four frames has 213 and each of the two thumbnails 24.
    monkeypatch.setattr(fit, "PAGE_PICTURES", pictures_size(document) * most // 900)
    fitted = fit_page(document)
    assert pictures_of(fitted) == expected
    assert document == before
    assert ["--vmaf-html-assets" in note for note in fitted["left_out"]] == ([] if most == 900 else [True])
    conform(fitted, schema.DOCUMENT)


def test_pictures_of_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    document = a_full_document()
    before = copy.deepcopy(document)
    monkeypatch.setattr(fit, "PAGE_PICTURES", 1)
    fitted = fit_page(document)
    assert pictures_size(fitted) == 0
    assert document == before


def test_assets_keep_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fit, "PAGE_PICTURES", 1)
    for name, assets, count in (("a", True, 8), ("b", False, 0)):
        write_html(tmp_path / f"{name}.html", a_document(a_failure(1, picture=JPEG)), assets=assets)
        # Six pictures, and the thumbnail in its row and in the verdict.
        assert (tmp_path / f"{name}.html").read_text().count("<img") == count + 2 * (count > 0)


def test_without_pictures() -> None:
    document = a_full_document()
    before = copy.deepcopy(document)
    plain = without_pictures(document)
    conform(plain, schema.DOCUMENT)
    assert document == before
    assert JPEG not in str(plain)
    heat = plain["sections"][0]["blocks"][-1]["heat"]
    assert heat["frames"] == document["sections"][0]["blocks"][-1]["heat"]["frames"]
    assert plain["left_out"][:-1] == document["left_out"]
    assert without_pictures(a_document(a_test("passed", a_measurement())))["left_out"] == []


def test_thumbnails_in_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = a_failure(1)["measurements"][0]
    assert collector.picture_size(measurement) == 6 * len(LARGE) + 2 * len(SMALL)
    saved = [collector.drop_picture(measurement) for _ in range(3)]
    assert saved == [3 * len(LARGE), 3 * len(LARGE), 2 * len(SMALL)]
    assert collector.picture_size(measurement) == 0
    assert "left out" in measurement["left_out"]


@pytest.fixture
def many(jpeg: str) -> dict[str, Any]:
    """69 tests of which 30 fail and one is not measured."""
    tests = [a_failure(number) for number in range(29)]
    # As many bytes as a picture of 640x360 has. A browser ignores those after the end of the picture.
    large = base64.b64encode(base64.b64decode(jpeg) + bytes(45_000)).decode()
    for test in tests:
        for picture in test["measurements"][0]["pictures"]:
            picture.update(dict.fromkeys(("reference", "distorted", "difference"), large))
        test["measurements"][0]["thumbnail"].update(reference=jpeg, distorted=jpeg)
    six = [a_measurement(95.0, 90.0 - number, min_neg=80) for number in range(6)]
    sections = [section for test in a_full_document()["tests"] for section in test["sections"]]
    for section in sections:
        section["blocks"] = [block for block in section["blocks"] if block["kind"] not in ("shown", "heat")]
    search = a_test("failed", *six, name="test_compare", message="assert +1.2 < 0", sections=sections)
    passed = [
        a_test("passed", a_measurement([95.0] * 240, [93.0 - number / 9] * 240, min_neg=80), name=f"test_ok[{number}]")
        for number in range(38)
    ]
    return a_document(search, *tests, a_test("error", an_error(), name="test_error", message="It is missing."), *passed)


@pytest.mark.slow
def test_page_of_many_tests(many: dict[str, Any], visit: Visit, tmp_path: Path) -> None:
    assert len(many["tests"]) == 69
    assert sum(test["status"] == "failed" for test in many["tests"]) == 30
    for form in (False, True):
        path = tmp_path / f"r{form}.html"
        write_html(path, many, assets=form)
        assert path.stat().st_size < 3_000_000
        page, activity = visit(path, width=1280)
        assert page.evaluate("document.scrollingElement.scrollHeight") <= 15_000
        assert width_of(page) == 1280
        assert (activity.errors, activity.console) == ([], [])
        # The first screen has the verdict, the worst tests with pictures, the numbers and the tools of the list.
        for part in (".verdict", ".bar", ".named li >> nth=2", ".named img >> nth=3", "dl", ".dots", "#search"):
            box = page.locator(part).bounding_box()
            assert box is not None, part
            assert box["y"] + box["height"] <= 800, part
        opened = page.locator(".details > details[open]")
        assert opened.count() == 5
        # A row that is folded still has its picture and its sentence.
        closed = page.locator(".details > details.failed:not([open])").first
        assert closed.locator("img:visible").count() == 2
        assert "below the minimum" in closed.locator(".said").inner_text()


@pytest.mark.slow
def test_answers_first(many: dict[str, Any], visit: Visit, tmp_path: Path) -> None:
    write_html(tmp_path / "r.html", many)
    page, _ = visit(tmp_path / "r.html", scripts=False, width=1280)
    entry = page.locator(".details > details").filter(has=page.locator("> summary", has_text="test_compare"))
    entry.evaluate("each => each.open = true")
    answer, encodes = entry.locator("table:visible").first.bounding_box(), entry.locator(".one").first.bounding_box()
    assert answer is not None
    assert encodes is not None
    assert answer["y"] < encodes["y"]
    # Each trial encode is one line.
    assert entry.locator("svg.series:visible").count() == 0
    assert entry.locator(".one").count() == 6
    folded = entry.locator("details", has_text="a folded table")
    assert not folded.locator("table").is_visible()


def test_newer_minor(tmp_path: Path) -> None:
    document = a_full_document()
    document["tests"][0]["measurements"][0]["news"] = document["runs"][0]["news"] = document["news"] = {"a": [1]}
    (tmp_path / "r.json").write_text(fit.json_text(document))
    with pytest.raises(Exception, match="unknown key 'news'"):
        documents.read(tmp_path / "r.json")
    document["minor"] = schema.MINOR + 1
    (tmp_path / "r.json").write_text(fit.json_text(document))
    assert documents.read(tmp_path / "r.json") == {**a_full_document(), "minor": schema.MINOR + 1}
    # What every document has, a newer one has, too.
    del document["tests"][0]["status"]
    (tmp_path / "r.json").write_text(fit.json_text(document))
    with pytest.raises(Exception, match="lacks 'status'"):
        documents.read(tmp_path / "r.json")
