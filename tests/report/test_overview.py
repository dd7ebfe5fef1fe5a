"""The first screen: title, builds, safe links, the order of the rows, and the numbers of all tests."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_vmaf.report import overview, small_charts
from report.builders import RUN, a_document, a_measurement, a_test, an_error
from report.test_sentences import a_gate


def a_passed(neg: float = 93.0, **more: Any) -> dict[str, Any]:
    return a_test("passed", a_measurement(neg + 2, neg, min_neg=10), **more)


@pytest.mark.parametrize(
    ("titles", "said"),
    [(["Nightly"], "Nightly"), (["Nightly"] * 2, "Nightly"), (["a", "b"], "VMAF report"), ([""], "VMAF report")],
)
def test_title(titles: list[str], said: str) -> None:
    made = {**a_document(), "runs": [{**RUN, "title": title} for title in titles]}
    assert overview.title(made) == said


def test_old_document() -> None:
    new = ("title", "branch", "commit", "build", "url")
    made = {**a_document(), "runs": [{key: value for key, value in RUN.items() if key not in new}]}
    assert overview.title(made) == "VMAF report"
    assert overview.builds(made) == []


def test_builds() -> None:
    shards = [{**RUN, "name": name} for name in ("one", "two")]
    made = {**a_document(), "runs": [*shards, {**RUN, "branch": "other", "build": None, "commit": "1" * 40}]}
    first, second = overview.builds(made)
    expected = {"branch": "main", "commit": "3f9c2e1aa0", "full": "3f9c2e1aa0bb", "build": "GitHub run 7"}
    assert first == {**expected, "url": "https://ci.example/runs/7"}
    assert (second["branch"], second["commit"], second["build"]) == ("other", "1" * 10, "CI run")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//ci.example/x",
        "https://user:secret@ci.example/x",
        "https:///x",
        "https://ci.example/\"onclick='x",
        "https://ci.example/\u202e",
        "https://[::1",
        "https://ci.example/a b",
        "",
    ],
)
def test_unsafe_addresses(address: str) -> None:
    assert overview.web_address(address) == ""


def test_safe_addresses() -> None:
    for address in ("http://ci.local:8080/job/x/7/", "https://dev.azure.com/a%20b/_build/results?buildId=9&x=1#y"):
        assert overview.web_address(address) == address


def test_order() -> None:
    failed = a_test("failed", a_measurement(92.0, 90.0, min_neg=91), name="test_failed")
    worse = a_test("failed", a_measurement(92.0, 70.0, min_neg=91), name="test_worse")
    caught = a_test("passed", a_measurement(32.0, 30.0, min_neg=91), name="test_caught")
    error = a_test("error", an_error(), name="test_error")
    names = [test["id"].partition("::")[2] for test in overview.in_order([a_passed(), caught, error, failed, worse])]
    # What the verdict calls the worst is the first row.
    assert names == ["test_worse", "test_failed", "test_error", "test_caught", "test_x"]


def test_numbers() -> None:
    drops = [a_passed(neg) for neg in (90.0, 92.0, 95.0)]
    for test, drop, rise in zip(drops, (0.2, -1.0, 0.4), (1.0, 0.8, 0.1), strict=True):
        gates = test["measurements"][0]["gates"]
        gates += [a_gate("drop of NEG", drop, 0.5), a_gate("rise of bitrate in %", rise, 2.0)]
        gates.append(a_gate("drop of NEG", 99.0, 0.5, pool="p5"))
    found = overview.numbers([*drops, a_test("error", an_error())])
    assert found == [
        ("quality score (NEG), median of 3 tests", "92.00", "-0.20 since the baseline", "worse"),
        ("lowest NEG", "90.00", "", ""),
        ("bitrate, median", "+0.8 %", "since the baseline", "worse"),
        ("not measured", "1 test", "", ""),
    ]
    assert overview.numbers([]) == []
    assert [number.name for number in overview.numbers([a_passed()])] == ["quality score (NEG)"]


def test_numbers_of_one_model() -> None:
    phone = a_test("passed", a_measurement(99.0, 98.0, phone=True))
    tests = [a_passed(90.0), a_passed(92.0), phone]
    first = overview.numbers(tests)[0]
    assert (first.name, first.value) == ("quality score (NEG), median of 2 tests with vmaf_v0.6.1", "91.00")
    assert [neg for neg, _ in overview.scores(tests)] == [90.0, 92.0]


def test_expected_failure_is_not_drawn_as_passed() -> None:
    tests = [a_passed(90.0), a_test("xfailed", a_measurement(42.0, 40.0, min_neg=70))]
    assert overview.scores(tests) == [(90.0, False), (40.0, True)]


def test_file_of() -> None:
    assert overview.file_of(a_passed()) == "tests/test_it.py"
    assert overview.file_of({"id": "a.md", "file": None}) == ""


def test_bar() -> None:
    counts = {"error": 2, "failed": 3, "xfailed": 0, "skipped": 1, "passed": 63}
    root = ElementTree.fromstring(str(small_charts.bar(counts, "3 & 2")))
    assert root.get("aria-label") == "3 & 2"
    assert root.get("viewBox") == "0 0 69 10"
    parts = [(each.get("class"), each.get("x"), each.get("width"), each.get("height")) for each in root]
    # What did not pass is taller.
    assert parts == [
        ("failed", "0", "3", "10"),
        ("error", "3", "2", "10"),
        ("skipped", "5", "1", "7"),
        ("passed", "6", "63", "7"),
    ]


def test_dots() -> None:
    root = ElementTree.fromstring(str(small_charts.dots([(90.0, False)] * 500 + [(30.0, True), (100.0, False)])))
    assert root.get("aria-label") == "NEG of 502 tests, from 30.00 to 100.00; 1 failed."
    good, worse = (next(each for each in root if each.get("class") == name) for name in ("good", "worse"))
    # Equal scores are closer together, and none leaves the picture.
    heights = {float(move.split()[1]) for move in str(good.get("d")).replace("h0", "")[1:].split("M")}
    assert len(heights) > 100
    assert 0 < min(heights) < max(heights) < small_charts.HEIGHT
    assert str(worse.get("d")).count("M") == 1


@pytest.mark.parametrize("frames", [1, 2, 39, 5000])
def test_spark(frames: int) -> None:
    neg = [95.0 - frame % 3 for frame in range(frames)]
    root = ElementTree.fromstring(str(small_charts.spark(a_measurement([99.0] * frames, neg, min_neg=90))))
    limit, line = root
    assert limit.get("class") == "limit"
    assert len(str(line.get("d"))) < 400
    width = int(str(root.get("viewBox")).split()[2])
    assert 1 <= width < small_charts.POINTS
