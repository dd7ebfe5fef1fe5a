"""Documents that fit: what is written can be read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import files
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.report import collector, document as documents
from pytest_vmaf.report.fit import fit_pictures, json_text
from pytest_vmaf.report.sections import Chart, Line, Section
from pytest_vmaf.report.series import WORST_POINTS, coarsen
from report.builders import PICTURE, a_document, a_full_document, a_measurement, a_test


def pictured(neg: float, count: int) -> dict[str, Any]:
    measurement = a_measurement(95.0, neg, min_neg=90)
    return {**measurement, "pictures": [dict(PICTURE) for _ in range(count)]}


def long_document(tests: int = 4) -> dict[str, Any]:
    measurement = a_measurement([95.0 + number % 7 / 10 for number in range(1000)], [93.0] * 1000, min_neg=90)
    return a_document(*(a_test("passed", measurement, name=f"test_{number}") for number in range(tests)))


def read(path: Path, text: str) -> dict[str, Any]:
    path.write_text(text)
    return documents.read(path)


def test_pictures_of_a_merge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    size = collector.picture_size({"pictures": [PICTURE]})
    monkeypatch.setattr(collector, "MOST_PICTURES", 3 * size)
    shards = [
        a_document(
            a_test("passed", pictured(95, 2), name="test_mild"), a_test("failed", pictured(80, 2), name="test_bad")
        ),
        a_document(a_test("failed", pictured(85, 2), name="test_middle")),
    ]
    merged = documents.merge(shards)
    fit_pictures(merged)
    assert [len(test["measurements"][0]["pictures"]) for test in merged["tests"]] == [0, 2, 1]
    assert merged["left_out"] == ["3 pictures of milder tests left out, to keep the report small."]
    assert read(tmp_path / "r.json", json_text(merged)) == merged


def test_sections_of_a_merge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(collector, "MOST_PICTURES", 1)
    merged = documents.merge([a_full_document(), a_full_document()])
    fit_pictures(merged)
    for sections in (merged["sections"], *(test["sections"] for test in merged["tests"])):
        assert collector.sections_size(sections) == 0
    assert "pictures of milder tests left out" in merged["left_out"][-1]
    assert read(tmp_path / "r.json", json_text(merged)) == merged


@pytest.mark.parametrize("points", [200, 50, 10, 2])
def test_points_of_charts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, points: int) -> None:
    document = long_document()
    small = [
        {**test, "measurements": [coarsen(each, points) for each in test["measurements"]]} for test in document["tests"]
    ]
    monkeypatch.setattr(documents, "LARGEST_BYTES", len(json_text({**document, "tests": small})) + 99)
    again = read(tmp_path / "r.json", json_text(document))
    for test in again["tests"]:
        series = test["measurements"][0]["series"]
        assert len(series["worst"]["neg"]) == points
        assert min(series["worst"]["neg"]) == 93.0
    assert again["left_out"] == (
        [f"Charts have at most {points} points, to keep the report small."] if points < 200 else []
    )


def test_values_of_charts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = long_document()
    monkeypatch.setattr(files, "MOST_VALUES", json_text(document).count(",") // 2)
    assert (
        len(read(tmp_path / "r.json", json_text(document))["tests"][0]["measurements"][0]["series"]["worst"]["neg"])
        == 50
    )


def test_points_of_sections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [Line("face", [(frame, 90.0 - frame % 7) for frame in range(200)])]
    charts = [Chart("s", "NEG", lines, (), caption) for caption in (WORST_POINTS, "by day")]
    document = long_document(1)
    document["tests"][0]["sections"] = [Section("Regions", charts).to_record()]
    monkeypatch.setattr(documents, "LARGEST_BYTES", len(json_text(document)) - 1)
    [section] = read(tmp_path / "r.json", json_text(document))["tests"][0]["sections"]
    ours, theirs = ([point[1] for point in block["lines"][0]["points"]] for block in section["blocks"])
    assert (len(ours), min(ours), len(theirs)) == (50, 84.0, 200)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_BYTES", 1 << 10)
    with pytest.raises(MeasurementError, match=r"could not be read again\. Merge fewer files .*, or write \.html"):
        json_text(long_document())
