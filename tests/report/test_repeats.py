"""Repeated encodes: the table of all encoders in terminal and report."""

from __future__ import annotations

from typing import Any

from pytest_vmaf import FakeScorer, Vmaf
from pytest_vmaf.report.html import Form, page
from pytest_vmaf.report.repeats import repeats_data, repeats_lines, repeats_rows, repeats_sections
from pytest_vmaf.search.determinism import Determinism, RepeatedEncode
from report.builders import a_document, a_measurement, a_test


def a_record(name: str, *nets: float, digests: str = "") -> dict[str, Any]:
    """A record of repeated encodes with these scores and digests."""
    results = [Vmaf(scorer=FakeScorer(95, neg)).score("a.mkv", "b.mkv") for neg in nets]
    encodes = tuple(
        RepeatedEncode(digest, 1000, 80_000.0 + 100 * number, result)
        for number, (digest, result) in enumerate(zip(digests or "abcdef", results, strict=False))
    )
    return {
        **a_measurement(),
        "reference": "clips/ref.mkv",
        "repeats": repeats_data(Determinism(name, 30, "r", encodes)),
    }


RECORDS = [
    a_record("libsvtav1 12", 90.0, 90.0, digests="aa"),
    a_record("libx265 fast", 90.0, 91.0),
    a_record("libx264 fast", 90.0, 90.0),
    a_record("libx264 fast", 90.0, 90.0),
]


def test_rows() -> None:
    """By encoder, and each search once although two tests may share it."""
    assert [row[0] for row in repeats_rows(RECORDS)] == ["libsvtav1 12", "libx264 fast", "libx265 fast"]
    assert [row[4] for row in repeats_rows(RECORDS)] == [
        *("deterministic (bit for bit)", "deterministic in quality", "noisy"),
    ]
    assert repeats_rows(RECORDS)[2][1:] == ("ref.mkv", "30", "2", "noisy", "90.500 ± 0.5", "80.0 ± 0.05")
    assert repeats_rows([a_measurement()]) == []


def test_terminal() -> None:
    head, *lines = repeats_lines(RECORDS)
    assert head.split()[:3] == ["encoder", "clip", "CRF"]
    assert lines[0].startswith("libsvtav1 12  ref.mkv  30   2        deterministic (bit for bit)  90.000 ± 0")
    assert repeats_lines([a_measurement()]) == []


def test_page() -> None:
    document = a_document(a_test("passed", *RECORDS))
    assert [section["title"] for section in repeats_sections(document)] == ["Repeated encodes"]
    html = "".join(page(document, Form(True, lambda *_: "")))
    assert "deterministic in quality" in html
    assert repeats_sections(a_document(a_test("passed", a_measurement()))) == []
