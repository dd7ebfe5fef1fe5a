"""Rows as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from pytest_vmaf.report.csv_table import csv_text


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_values() -> None:
    row = {
        "a": 0.1 + 0.2,
        "b": None,
        "c": True,
        "d": float("nan"),
        "e": [1, "x"],
        "notes": ("one note", "two"),
        "f": {"g": 7},
        "h": -1.5,
    }
    text = csv_text([row, {"z": "last"}])
    assert text.splitlines()[0] == "a,b,c,d,e,notes,f.g,h,z"
    first, second = read(text)
    assert float(first["a"]) == 0.1 + 0.2
    assert [first[name] for name in ("b", "c", "d", "e", "f.g", "h", "z")] == ["", "true", "", "1 x", "7", "-1.5", ""]
    assert first["notes"] == "one note; two"
    assert second["z"] == "last"
    assert csv_text([]) == ""


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("\uff1d1", "'\uff1d1"),
        ('@SUM("x")', '\'@SUM("x")'),
        (" +cmd|' /C calc'!A0", "' +cmd|' /C calc'!A0"),
        ("-crf 20", "'-crf 20"),
        ("-3.5", "-3.5"),
        ("\t=1", r"\t=1"),
        ("a,b\nc|d", r"a,b\nc|d"),
        ('"', '"'),
        ("\ud800", r"\ud800"),
    ],
)
def test_texts(text: str, cell: str) -> None:
    """No text is a formula or breaks a line."""
    lines = csv_text([{"name": text}]).splitlines()
    assert len(lines) == 2
    assert read("\n".join(lines)) == [{"name": cell}]
