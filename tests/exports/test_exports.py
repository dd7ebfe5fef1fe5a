"""Reports and histories in the formats of trackers."""

from __future__ import annotations

import re

import pytest

from exports.builders import TEST, a_line
from pytest_vmaf.exports.names import fit
from pytest_vmaf.exports.otava import otava_table, otava_tables
from pytest_vmaf.exports.prometheus import prometheus_text
from pytest_vmaf.exports.readings import newest_lines, readings
from pytest_vmaf.history.line import HistoryLine


def test_names_of_bencher() -> None:
    assert fit("é" * 40, 64) != fit("é" * 41, 64)
    for most in (64, 1024):
        for name in ("é" * 2000, "x" * most, "x" * (most + 1), "\ud800" * 400):
            assert 0 < len(fit(name, most).encode()) <= most
    assert fit("x" * 64, 64) == "x" * 64


def test_names_of_otava() -> None:
    lines = [a_line(1, f"t.py::{name}", neg=1.0) for name in ("a/b", "a b", "A:b", "../..", "x" * 400, "x" * 401)]
    tables = otava_tables(readings(lines))
    names = [table.name for table in tables]
    assert len({name.lower() for name in names}) == 6
    assert all(re.fullmatch(r"[\w.~-]{1,124}", name) for name in names)
    assert not any(name.startswith(".") for name in names)


def test_rows_of_otava() -> None:
    """Rows are in the order of their times, one for each commit."""
    lines = [a_line(3, neg=3.0), a_line(1, neg=1.0), a_line(2, neg=2.0), a_line(2, test="t.py::y", neg=5.0)]
    table = otava_table(readings(sorted(lines, key=lambda line: line.time)))
    assert [line.split(",")[1:] for line in table.text.splitlines()[1:]] == [
        ["c1", "main", "1.0"],
        ["c2", "main", "2.0"],
        ["c3", "main", "3.0"],
    ]
    assert [*table.gaps.values()] == [2]


def test_metrics_of_prometheus() -> None:
    """Names that are the same to Prometheus stay apart."""
    lines = [HistoryLine(TEST, "2026-01-01T00:00:00+00:00", {"my-net": 1.0, "my.net": 2.0}, commit='a"\\\n')]
    text = prometheus_text(readings(lines), lines)
    assert "pytest_vmaf_my_net{" in text
    assert "pytest_vmaf_my_net_{" in text
    assert r'commit="a\"\\\n"' in text


def test_parser_of_prometheus() -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install prometheus-client runs this test")
    lines = [a_line(1, neg=93.5, commit='a"\\\n')]
    text = prometheus_text(readings(lines), lines)
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    assert families["pytest_vmaf_commit_info"].samples[0].labels == {"commit": 'a"\\\n', "branch": "main"}
    assert families["pytest_vmaf_neg"].samples[0].value == 93.5
    assert families["pytest_vmaf_neg"].type == "gauge"


def test_targets() -> None:
    """The encodes of a search are told apart by their targets."""
    lines = [
        HistoryLine(TEST, "2026-01-01T00:00:00+00:00", {"neg": 1.0}, subject="x264", target=f"NEG {n}") for n in (1, 2)
    ]
    assert [each.name for each in readings(lines)] == [f"{TEST}::x264 at NEG 1", f"{TEST}::x264 at NEG 2"]
    assert 'target="NEG 2"' in prometheus_text(readings(lines), lines)


def test_newest() -> None:
    old, new, shard = a_line(1, neg=1.0), a_line(2, neg=2.0), a_line(2, "t.py::y", neg=3.0)
    assert newest_lines([old, new, shard]) == [new, shard]
    assert newest_lines([]) == []
    # Shards of one report without a commit.
    (reading,) = readings([a_line(1, neg=1.0, commit=""), a_line(1, neg=3.0, commit="")])
    assert (reading.number.value, reading.low, reading.high) == (2.0, 1.0, 3.0)
