"""Measurements of something else than the picture: records without scores, in every output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.gates.gate import Gate, Verdict
from pytest_vmaf.report import document as documents, markdown, overview, verdict, wording
from pytest_vmaf.report.html import Form, page
from pytest_vmaf.report.record import unscored_record
from pytest_vmaf.report.summary import table
from report.builders import a_document, a_measurement, a_test

ABOUT = "41.7 frames/s, and 3 % of the time <b>reading</b>"


def speed(value: float = 24.0) -> dict[str, Any]:
    """The record of a gate of at least 25 on a value."""
    gate = Gate("min_psnr_y", "min", "psnr_y", "mean", 25.0, "call")
    record = unscored_record("clips/ref.mkv", "libx264 CRF 30", ABOUT, [Verdict(gate, value, value - 25)])
    return {**record, "started": 1.0}


def test_round_trip(tmp_path: Path) -> None:
    document = a_document(a_test("failed", speed()))
    path = tmp_path / "r.json"
    path.write_text(json.dumps(document))
    assert documents.read(path) == document
    del document["tests"][0]["measurements"][0]["about"]
    path.write_text(json.dumps(document))
    with pytest.raises(MeasurementError, match="about must be a sentence, because the measurement has no scores"):
        documents.read(path)


def test_pages() -> None:
    """With and without a scored measurement beside it."""
    for records in ([speed()], [speed(), speed(26)], [a_measurement(min_neg=90), speed()]):
        test = a_test("failed", *records)
        test["earlier"] = [{key: test[key] for key in ("status", "message", "duration", "worker", "measurements")}]
        document = a_document(test, a_test("passed", speed(26), name="test_y"))
        html = "".join(page(document, Form(True, lambda *_: "")))
        assert "41.7 frames/s, and 3 % of the time &lt;b&gt;reading&lt;/b&gt;" in html
        assert "-1.00 min" in markdown.markdown(document)
        assert "24.00 dB where at least 25 is required" in verdict.verdict(document)


def test_numbers() -> None:
    """Scores of the run are those of scored measurements alone."""
    tests = [a_test("failed", a_measurement(neg=93.0), speed()), a_test("failed", speed(), name="test_y")]
    assert overview.scores(tests) == [(93.0, True)]
    assert [each.value for each in overview.numbers(tests)] == ["93.00"]
    assert overview.numbers(tests[1:]) == []


def test_lines() -> None:
    assert wording.headlines([speed()], 1) == [f"libx264 CRF 30: {ABOUT}; smallest margin -1.00 min_psnr_y"]
    rows = [{"test": "t.py::test_x", **each} for each in (speed(), a_measurement(min_neg=90))]
    (_, head), first, (_, last) = table(rows, 100)
    assert head.split()[:4] == ["NEG", "VMAF", "gap", "margin"]
    assert (first[0].strip(), first[1].split()[:5]) == ("FAILED", ["–", "–", "–", "-1.00", "min_psnr_y"])
    assert last.split()[0] == "93.00"
