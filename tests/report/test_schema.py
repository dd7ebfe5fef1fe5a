"""Documents: round trips, refused content, merging, and random changes of valid documents."""

from __future__ import annotations

import copy
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from pytest_vmaf import MeasurementError
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import document as documents, html, schema, small_charts
from pytest_vmaf.testrun.controller import _write_json
from report.builders import HOSTILE, JPEG, RUN, Way, a_document, a_full_document, a_test, get, leaves, put

FULL = a_full_document()
WAYS = sorted(leaves(FULL), key=str)
M: Way = ("tests", 0, "measurements", 0)
PICTURE: Way = (*M, "pictures", 0)
BLOCKS: Way = ("tests", 1, "sections", 0, "blocks")


def written(path: Path, content: object) -> Path:
    """A file of these bytes, of this text, or of this value as JSON."""
    path = path / "report.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def changed(way: Way, value: object) -> dict[str, Any]:
    """The full document with one value replaced."""
    made = copy.deepcopy(FULL)
    put(made, way, value)
    return made


def refusal(path: Path) -> str:
    with pytest.raises(MeasurementError) as refused:
        documents.read(path)
    said = str(refused.value)
    assert str(path) in said
    assert said.encode()
    # Long values are shortened; nobody reads a kilobyte of digits.
    assert len(said) < len(str(path)) + 400
    return said


def test_round_trip(tmp_path: Path) -> None:
    FULL["tests"][0]["message"] = "a lone surrogate \udcff, a \x00, a \u2028 and an é"
    _write_json(tmp_path / "r.json", FULL)
    assert documents.read(tmp_path / "r.json") == FULL
    # Twice the same: nothing depends on the reader.
    _write_json(tmp_path / "again.json", documents.read(tmp_path / "r.json"))
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "r.json").read_bytes()


def test_full_document() -> None:
    def keys(shape: Any) -> set[str]:
        shape = shape.shape if isinstance(shape, schema.Optional | schema.Each) else shape
        if isinstance(shape, list):
            return keys(shape[0])
        return set(shape).union(*map(keys, shape.values())) if isinstance(shape, dict) else set()

    assert keys(schema.DOCUMENT) <= {str(key) for way in WAYS for key in way}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "Expecting value", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n\xff\xfe", "decode", id="binary"),
        pytest.param("<html>", "Expecting value", id="HTML"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
        pytest.param('{"a":' * 100_000, "nested too deeply", id="deep objects"),
        pytest.param("[" * 100_000 + "]" * 100_000, "nested too deeply", id="deep and closed"),
        pytest.param("9" * 5000, "4300 digits", id="huge integer"),
        pytest.param("[]", "not written by pytest --vmaf-json", id="list"),
        pytest.param("null", "not written by pytest --vmaf-json", id="null"),
        pytest.param('{"kind": "something else"}', "not written by pytest --vmaf-json", id="another kind"),
        pytest.param('{"kind": "pytest-vmaf report"}', "its schema must be 1, not None", id="no schema"),
        pytest.param('{"kind": "pytest-vmaf report", "schema": 2}', "its schema must be 1, not 2", id="newer schema"),
        pytest.param(
            '{"kind": "pytest-vmaf report", "schema": true}',
            "lacks 'runs'|schema must be an integer, not True",
            id="schema true",
        ),
        pytest.param('{"kind": "pytest-vmaf report", "schema": 1}', "document lacks 'runs'", id="only a head"),
    ],
)
def test_other_content(tmp_path: Path, content: object, said: str) -> None:
    assert any(part in refusal(written(tmp_path, content)) for part in said.split("|"))


def test_missing_file(tmp_path: Path) -> None:
    assert "not a regular file" in refusal(tmp_path)
    assert "does not exist" in refusal(tmp_path / "missing.json")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")
def test_endless_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")
    assert "not a regular file" in refusal(Path("/dev/zero"))


def test_large_file(tmp_path: Path) -> None:
    path = tmp_path / "sparse.json"
    with path.open("wb") as file:
        file.truncate(documents.LARGEST_BYTES + 1)
    assert "larger than 128 MiB" in refusal(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e16", "1" + "0" * 1000])
def test_huge_numbers(tmp_path: Path, number: str) -> None:
    text = json.dumps(changed((*M, "neg"), 123.4375)).replace("123.4375", number)
    said = refusal(written(tmp_path, text))
    assert "tests[0].measurements[0].neg" in said or f"{number} is not a JSON number" in said


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("runs", 0, "exit"), "0"),
        (("runs", 0, "exit"), True),
        (("runs", 0, "exit"), 1.5),
        (("runs", 0, "ended"), "finally"),
        (("runs", 0, "name"), None),
        (("tests", 0, "run"), 1),
        (("tests", 0, "run"), -1),
        (("tests", 0, "status"), "rerun"),
        (("tests", 0, "line"), 10**16),
        (("tests", 2, "measurements", 0, "error"), None),
        (("left_out",), {}),
        ((*M, "status"), "error"),
        ((*M, "vmaf"), None),
        ((*M, "vmaf"), True),
        ((*M, "frames"), -3),
        ((*M, "frames"), 0),
        ((*M, "frames"), 7),
        ((*M, "frame_rate"), "1/0"),
        ((*M, "frame_rate"), "1/00"),
        ((*M, "frame_rate"), "0"),
        ((*M, "frame_rate"), "25\n"),
        ((*M, "frame_rate"), "٢٥"),
        ((*M, "frame_rate"), "1/" + "9" * 400),
        ((*M, "gates", 0, "bound"), "between"),
        ((*M, "gates", 0, "passed"), None),
        ((*M, "gates", 0, "margin"), None),
        ((*M, "series", "worst", "neg"), [90.0]),
        ((*M, "series", "frames_per_bucket"), 0),
        ((*M, "histogram", "neg"), []),
        ((*M, "pools", "neg"), {}),
        ((*M, "provenance", "notes"), "a note"),
        ((*PICTURE, "reference"), JPEG + "\n"),
        ((*PICTURE, "reference"), '/9j/"onerror="alert(1)'),
        ((*PICTURE, "reference"), "PHN2Zz4="),
        ((*PICTURE, "distorted"), "/9j/A"),
        ((*PICTURE, "distorted"), "/9j/A==="),
        ((*PICTURE, "difference"), ""),
        ((*PICTURE, "width"), '1" onload="alert(1)'),
        ((*BLOCKS, 0, "kind"), "script"),
        ((*BLOCKS, 1, "rows"), [["a", 1]]),
        ((*BLOCKS, 2, "lines", 0, "points"), [[1.0]]),
        ((*BLOCKS, 2, "lines", 0, "points"), [[1.0, 2.0, 3.0]]),
    ],
)
def test_invalid_values(tmp_path: Path, way: Way, value: object) -> None:
    place = "document" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in way[:2])
    assert place in refusal(written(tmp_path, changed(way, value)))


@pytest.mark.parametrize("way", [(), ("runs", 0), ("tests", 1), M, (*M, "gates", 0), (*M, "provenance"), PICTURE])
def test_keys(tmp_path: Path, way: Way) -> None:
    assert "has an unknown key 'more'" in refusal(written(tmp_path, changed((*way, "more"), 1)))
    made = copy.deepcopy(FULL)
    required = {"runs", "status", "id", "name", "model", "limit", "command", "metric"} & get(made, way).keys()
    del get(made, way)[sorted(required)[0]]
    assert "lacks " in refusal(written(tmp_path, made))


def test_undecodable_key(tmp_path: Path) -> None:
    made = changed((*M, "features", "\ud800\x1b[31m"), "no number")
    said = refusal(written(tmp_path, made))
    assert "\\ud800\\x1b[31m" in said


def test_merge() -> None:
    one = a_document(a_test("passed"), name="", command="one")
    two = {**a_full_document(), "runs": [{**RUN, "name": "a"}, {**RUN, "name": "b"}]}
    two["tests"][1]["run"] = 1
    before = copy.deepcopy([one, two])
    merged = documents.merge([one, two, one], ["linux", "mac", ""])
    assert [run["name"] for run in merged["runs"]] == ["linux", "mac a", "mac b", ""]
    assert [test["run"] for test in merged["tests"]] == [0, 1, 2, 1, 1, 1, 3]
    assert [test["id"] for test in merged["tests"]] == [
        test["id"] for made in (one, two, one) for test in made["tests"]
    ]
    assert merged["sections"] == two["sections"]
    assert merged["left_out"] == two["left_out"]
    assert [one, two] == before
    conform(merged, schema.DOCUMENT)
    assert [run["name"] for run in documents.merge([two])["runs"]] == ["a", "b"]


def test_merge_names() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        documents.merge([a_document(), a_document()], ["one"])


class Outline(HTMLParser):
    """The elements of a page, each with its attributes' names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, tuple(name for name, _ in attrs)))


def outline(made: dict[str, Any]) -> set[tuple[str, tuple[str, ...]]]:
    return Outline("".join(html.page(made, html.Form(True, html._data)))).elements


#: Every element that a page with everything in it has; a mutation may take some away, and must add none.
KNOWN = outline(FULL) | {("tr", ("class",)), ("circle", ("class", "cx", "cy", "r"))}
KNOWN |= {(tag, ()) for tag in ("h3", "h4", "b", "p", "code", "li", "ol", "ul", "small", "td", "th", "caption", "pre")}

words = ["min", "max", "error", "failed", "passed", "skipped", "text", "table", "chart", "stdev", "above_100", "1/9"]
numbers = (
    st.integers(-(10**15), 10**15) | st.integers(-3, 3) | st.floats(-1e15, 1e15) | st.sampled_from([-1e-20, 5e-324])
)
texts = st.text(max_size=10) | st.sampled_from([HOSTILE, JPEG, "/9j/A", "\0\x1b", "\ud800", *words])
json_leaves = st.none() | st.booleans() | numbers | texts
json_values = json_leaves | st.recursive(
    json_leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=6
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(WAYS), json_values)
@pytest.mark.slow
def test_mutated_documents(tmp_path: Path, data: st.DataObject, leaf: Way, value: object) -> None:
    # The leaf itself, or what holds it.
    way = leaf[: data.draw(st.integers(1, len(leaf)), label="depth")]
    check_read_or_refused(tmp_path, changed(way, value))


@pytest.mark.slow
def test_documents_without_a_key(tmp_path: Path) -> None:
    # One of each kind: the fifth test lacks nothing that the first does not. What holds several is without it once.
    kinds = {tuple(key for key in way if isinstance(key, str)): way for way in WAYS}
    parts = {
        way[:depth] for way in kinds.values() for depth in range(1, len(way) + 1) if isinstance(way[depth - 1], str)
    }
    optional = [way for way in sorted(parts, key=str) if is_read_without(tmp_path, [way])]
    assert len(optional) > 100
    # Pages without keys of different objects are drawn together: drawing takes longest.
    groups: list[list[Way]] = []
    for way in optional:
        for group in groups:
            if not any(collide(way, other) for other in group):
                group.append(way)
                break
        else:
            groups.append([way])
    for group in groups:
        assert is_read_without(tmp_path, group), group
        assert outline(documents.read(tmp_path / "report.json")) <= KNOWN, group


def collide(one: Way, two: Way) -> bool:
    """Whether two keys are of one object, or one is inside the other."""
    return one[:-1] == two[:-1] or one[: len(two)] == two or two[: len(one)] == one


def is_read_without(tmp_path: Path, ways: list[Way]) -> bool:
    """Write the full document without some keys, and say whether it is read or refused."""
    # A copy in which no two places share an object.
    made = json.loads(json.dumps(FULL))
    for way in ways:
        del get(made, way[:-1])[way[-1]]
    path = written(tmp_path, made)
    try:
        documents.read(path)
    except MeasurementError:
        return False
    return True


def check_read_or_refused(tmp_path: Path, made: dict[str, Any]) -> None:
    path = written(tmp_path, made)
    try:
        read = documents.read(path)
    except MeasurementError:
        return
    assert outline(read) <= KNOWN


@settings(max_examples=25, deadline=None)
@example(-1e-20, -1e-20)
@given(numbers, numbers)
def test_dots(one: float, two: float) -> None:
    drawn = small_charts.dots([(one, False), (two, True)])
    assert drawn.count("M") == 3
    for x, y in re.findall(r"M([-\d.e+]+) ([-\d.e+]+)", drawn.partition('class="good"')[2]):
        assert -3 <= float(x) <= small_charts.WIDTH
        assert 0 <= float(y) <= small_charts.HEIGHT
