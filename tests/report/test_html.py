"""The HTML report: escaping, sizes, policies, assets and atomic writes."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
import time
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.files import write_atomically
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import html, schema, wording as view
from report.builders import (
    HOSTILE,
    JPEG,
    PICTURE,
    STREAM,
    Document,
    a_document,
    a_full_document,
    a_measurement,
    a_test,
    get,
    leaves,
    with_texts,
)

FULL = a_full_document()
COMMAND = "ffmpeg -nostdin -hide_banner -i /clips/reference.y4m " + "-filter_complex [0:V:0]settb=AVTB,setpts=N " * 19
SVG = "http://www.w3.org/2000/svg"
#: Addresses that a browser asks for by itself or when clicked.
LINKS = ("src", "href", "srcset", "action", "formaction", "data", "poster", "background", "xlink:href")
TEXT = ("title", "style", "script")


def is_outside(tag: str, attributes: dict[str, str | None]) -> bool:
    """Whether this is a link to the page of a CI run, which nothing follows unless it is clicked."""
    href = attributes.get("href") or ""
    return tag == "a" and href.startswith("https://") and attributes.get("rel") == "noopener noreferrer"


class Page(HTMLParser):
    """What a browser sees of a page: elements with attributes, texts, and what lies in style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, list[str]] = {name: [] for name in TEXT}
        self.odd: list[str] = []
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag in TEXT:
            self._in = tag
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag == self._in else self._in

    def handle_data(self, data: str) -> None:
        if self._in:
            self.inside[self._in][-1] += data
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    def unknown_decl(self, data: str) -> None:
        self.odd.append(data)

    def handle_pi(self, data: str) -> None:
        self.odd.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    @property
    def links(self) -> list[str]:
        return [
            value or ""
            for tag, attributes in self.elements
            for name, value in attributes.items()
            if name in LINKS and not is_outside(tag, attributes)
        ]


def inline(made: Document) -> str:
    return "".join(html.page(made, html.Form(True, html._data)))


SHAPE = set(Page(inline(FULL)).shape)


def check_harmless(page: Page, self_contained: bool) -> None:
    """What holds for every page, whatever is in it."""
    assert not page.odd
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert tag not in ("iframe", "object", "embed", "base", "form")
    scheme = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
    allowed = ("data:image/svg+xml;base64,", "data:image/jpeg;base64,") if self_contained else ()
    for link in page.links:
        assert link.startswith(allowed) if scheme.match(link) else True
        assert scheme.match(link) or link.startswith("#") or not self_contained
    assert len(page.inside["script"]) == len([tag for tag, _ in page.elements if tag == "script"]) == 1


def test_full_page() -> None:
    page = Page(inline(FULL))
    check_harmless(page, self_contained=True)
    assert page.source.startswith("<!doctype html>")
    assert page.source.endswith("</html>")
    addresses = set(re.findall(r"https?://[^\s\"'<>)]*", page.source))
    assert addresses <= {SVG, FULL["runs"][0]["url"]}
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    labelled = {attributes["for"] for tag, attributes in page.elements if tag == "label" and "for" in attributes}
    assert labelled <= set(names)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(names)


def test_caught_failure() -> None:
    record = a_measurement(32.0, 30.0, min_neg=91)
    text = "".join(html.page(a_document(a_test("passed", record)), html.Form(True, html._data)))
    assert '<header class="bad">' in text
    assert "The test passed, but a gate failed inside it." in text
    assert '<details class="passed caught" open>' in text
    # In the box of the verdict, and in its row.
    assert text.count("A gate failed in this test, and the test caught the error: NEG 30.00 where") == 2


def test_files_on_the_first_screen() -> None:
    both = [a_test("failed", id=f"{file}::test_a", file=file, message="assert 1 > 2") for file in ("a.py", "b/a.py")]
    lead = inline(a_document(*both)).partition('<ul class="named">')[2].partition("</ul>")[0]
    assert [re.sub(r"<wbr>", "", file) for file in re.findall(r"<small><bdi>(.*?)</bdi>", lead)] == ["a.py", "b/a.py"]
    lead = inline(a_document(both[0])).partition('<ul class="named">')[2].partition("</ul>")[0]
    assert "<small>" not in lead


def test_policy() -> None:
    page = Page(inline(FULL))
    [policy] = [attributes["content"] or "" for _, attributes in page.elements if "http-equiv" in attributes]
    for name in ("style", "script"):
        [content] = page.inside[name]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")


def test_size_of_empty_page() -> None:
    text = inline(a_document())
    assert len(text.encode()) <= 25_000
    assert "Nothing was measured" in Page(text).text


def test_size_of_passing_test() -> None:
    def passing(count: int) -> int:
        tests = []
        for number in range(count):
            neg = [90 + 4 * ((frame * 7919 + number) % 1000) / 1000 for frame in range(500)]
            record = a_measurement([value + 2 for value in neg], neg, min_neg=80)
            record["provenance"]["command"] = COMMAND
            tests.append(a_test("passed", record, name=f"test_every_rung[clip{number}-x264-medium-28]"))
        return len(inline(a_document(*tests)).encode())

    assert len(COMMAND) > 800
    assert (passing(12) - passing(2)) / 10 < 5500


def test_hostile_texts() -> None:
    made = with_texts(FULL, lambda way, old: f"{HOSTILE}{'.'.join(map(str, way))}" if old else old)
    # Keys of a document are names too.
    for test in made["tests"]:
        for each in test["measurements"]:
            if each["status"] != "error":
                each["pools"][HOSTILE] = each["pools"]["gap"]
                each["series"]["worst"][HOSTILE] = each["series"]["worst"]["gap"]
                each["features"][HOSTILE] = 1.0
                each["gates"].append({**each["gates"][0], "metric": HOSTILE, "passed": False})
    conform(made, schema.DOCUMENT)
    page = Page(inline(made))
    check_harmless(page, self_contained=True)
    assert set(page.shape) <= SHAPE
    assert page.text.count("<script>alert(1)</script>") > 40
    assert "<script>alert(1)" not in page.source
    assert page.text.count("&lt;{{ 7*7 }}") > 40
    assert "&lt;49" not in page.text


#: Texts that stand on the page nowhere: the terminal and other files have them.
UNSHOWN = {
    "kind",
    "status",
    "verdict",
    "ended",
    "why",
    "schema",
    "generation",
    "pytest_vmaf",
    "ffmpeg_path",
    "matrix",
    "color_range",
    "url",
}


def test_every_text_is_shown() -> None:
    marks = count()
    made = with_texts(FULL, lambda way, old: old if way[-1] in UNSHOWN else f"mark{next(marks)}.")
    page = Page(inline(made))
    said = page.text + "".join(str(value) for _, attributes in page.elements for value in attributes.values())
    errors = [way for way in leaves(made) if way[-1] == "error"]
    missing = set()
    for way in leaves(made):
        text = get(made, way)
        if isinstance(text, str) and text.startswith("mark") and text not in said and "earlier" not in way:
            kind = ".".join(key for key in way if isinstance(key, str)).removeprefix("tests.measurements.")
            missing.add(f"{kind} of an error" if (*way[:-1], "error") in errors else kind)
    # What is worded otherwise, and what only somebody who measures again needs, is in the data alone.
    streams = {f"stream.{name}" for name, value in STREAM.items() if isinstance(value, str)}
    streams -= {"stream.matrix", "stream.color_range", "stream.frame_rate"}
    # A text that is no address is no link.
    links = {"sections.blocks.links", "tests.sections.blocks.links"}
    assert missing == streams | links | {
        "gates.metric",
        "gates.pool",
        "runs.gates",
        "worst.metric",
        "windows.metric",
        "provenance.filters.reference",
        "provenance.filters.distorted",
    }


odd = st.text(st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Lo"]), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None)
@given(odd)
def test_control_characters(text: str) -> None:
    shown = inline(with_texts(FULL, lambda way, old: f"{old}{text}"))
    shown.encode()
    unprintable = {char for char in shown if not char.isprintable()} - {"\n", "\t"}
    assert not unprintable
    # Gates on metrics of other names have charts of their own, and lose the others; nothing else is new.
    assert set(Page(shown).shape) <= SHAPE


def test_printable_names() -> None:
    name = "naïve 映画 😀 ‑ a\tb"
    page = Page(inline(a_document(a_test("passed", name=name))))
    assert name in page.text
    assert view.clean("a\x1b[31m\ud800\u202e") == "a\\x1b[31m\\ud800\\u202e"


def test_missing_keys() -> None:
    blocks = [{"kind": "text"}, {"kind": "table"}, {"kind": "chart", "lines": [{"name": "a", "points": [[1, 2]]}]}]
    test = a_test("skipped", file=None, line=None, sections=[{"title": "empty", "blocks": blocks}])
    page = Page(inline(a_document(test)))
    assert not re.search(r"\bNone\b", page.text)
    assert not [value for _, attributes in page.elements for value in attributes.values() if "None" in (value or "")]


def assets_of(path: Path) -> dict[str, Path]:
    return {file.name: file for file in path.with_name(f"{path.stem}_assets").iterdir()}


@pytest.mark.parametrize(
    "name", ["report", "a b", "50%", "a#b", "a?b", "a%20b", "é&<'", "a:b", 'a"b', os.fsdecode(b"a\xff")]
)
def test_assets(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.html"
    html.write_html(path, FULL, assets=True)
    page = Page(path.read_text("utf-8"))
    check_harmless(page, self_contained=False)
    assert "data:" not in page.source.replace("<summary>Data", "")
    assert page.inside["script"] == [""]
    assert page.inside["style"] == []
    files = [link for link in page.links if not link.startswith("#")]
    assert len(files) >= 4
    found = {tmp_path / os.fsdecode(unquote_to(link)) for link in files}
    assert all(file.is_file() for file in found)
    assert found == set(assets_of(path).values())
    for file in found:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert file.stem.partition("-")[2] == digest[:16]


def unquote_to(link: str) -> bytes:
    assert not set(link) & set(" #?\"'<>")
    return unquote(link, "latin-1").encode("latin-1")


def test_equal_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(path: Path, content: Any) -> None:
        calls.append(path.name)
        write_atomically(path, content)

    monkeypatch.setattr(html, "write_atomically", counted)

    def shown(*numbers: int) -> list[dict[str, Any]]:
        return [{**PICTURE, "frame": number} for number in numbers]

    tests = [a_test("failed", {**a_measurement(90.0, 80.0), "pictures": shown(1, 2)}, name=name) for name in "ab"]
    path = tmp_path / "r.html"
    html.write_html(path, a_document(*tests), assets=True)
    page = Page(path.read_text())
    sources = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert len(sources) == 12
    frames = [name for name in assets_of(path) if name.startswith("frame-")]
    # Reference and distorted are the same here, the difference is another.
    assert len(frames) == len(set(sources)) == 2
    assert len(calls) == len(set(calls))
    assert base64.b64decode(JPEG) in [assets_of(path)[name].read_bytes() for name in frames]
    assert inline(a_document(*tests)).count(f'src="data:image/jpeg;base64,{JPEG}"') == 8


def test_stale_assets(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    html.write_html(path, FULL, assets=True)
    folder = tmp_path / "r_assets"
    first = set(assets_of(path))
    long_ago = time.time() - html.STALE - 60
    young, old, other, foreign = (
        folder / name
        for name in ("frame-0123456789abcdef.jpg", "frame-fedcba9876543210.jpg", "notes.txt", "frame-001.png")
    )
    for file in (young, old, other, foreign, *(folder / name for name in first)):
        file.touch()
        os.utime(file, (long_ago, long_ago))
    (folder / "frame-folder").mkdir()
    os.utime(folder / "frame-folder", (long_ago, long_ago))
    young.touch()
    html.write_html(path, a_document(), assets=True)
    left = set(assets_of(path))
    assert old.name not in left
    assert {young.name, other.name, foreign.name, "frame-folder"} <= left
    # What the page still uses stays, and counts as young from now on.
    kept = [folder / name for name in first & left]
    assert {file.name.partition("-")[0] for file in kept} == {"style", "script", "icon"}
    assert all(file.stat().st_mtime > long_ago + 60 for file in kept)
    assert not [name for name in left if name.startswith("frame-") and name in first]


@pytest.mark.parametrize("assets", [False, True])
def test_concurrent_writes(tmp_path: Path, assets: bool) -> None:
    path = tmp_path / "r.html"
    documents = [FULL, a_document(a_test("passed", name="the other"))]
    failures: list[BaseException] = []

    def write(made: Document) -> None:
        try:
            for _ in range(4):
                html.write_html(path, made, assets=assets)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(made,)) for made in documents * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    page = Page(path.read_text())
    assert page.source.endswith("</html>")
    assert ("the other" in page.text) is not ("test_xfailed" in page.text)
    files = [tmp_path / link for link in page.links if assets and not link.startswith("#")]
    assert all(file.is_file() for file in files)
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("assets", [False, True])
def test_unwritable_place(tmp_path: Path, assets: bool) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        html.write_html(tmp_path / "file" / "r.html", FULL, assets=assets)
    (tmp_path / "r_assets").write_text("mine too")
    if assets:
        with pytest.raises(OSError, match="r_assets"):
            html.write_html(tmp_path / "r.html", FULL, assets=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "r_assets"]


def test_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old")
    broken = a_full_document()
    del broken["tests"][-1]["duration"]
    with pytest.raises(Exception, match="duration"):
        html.write_html(path, broken)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]


def test_models_that_differ() -> None:
    first, second = a_measurement(min_neg=90), a_measurement(min_neg=90, phone=True)
    texts = [
        "".join(html.page(a_document(a_test("passed", *measured)), html.Form(True, html._data)))
        for measured in ([first, first], [first, second])
    ]
    assert ["<small>vmaf_v0.6.1 (phone)</small>" in text for text in texts] == [False, True]
