"""Lines of a history, written and read."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from history.builders import a_line
from pytest_vmaf import MeasurementError
from pytest_vmaf.history.line import HEAD, HistoryLine

FULL = a_line(3, run="arm", platform="linux-arm64", build="CI 7", url="https://ci.example/7", status="failed")


@settings(deadline=None, max_examples=25)
@given(test=st.text(min_size=1), branch=st.text(), value=st.floats(allow_nan=False, allow_infinity=False))
def test_round_trip(test: str, branch: str, value: float) -> None:
    line = a_line(test=test, branch=branch, values={"psnr_y": value}, tools={"x": test}, tolerances={"neg": "2%"})
    text = line.to_json()
    assert "\n" not in text
    assert text.encode("utf-8", "backslashreplace").startswith(HEAD)
    assert HistoryLine.from_json(text.encode("utf-8", "backslashreplace")) == line
    assert pickle.loads(pickle.dumps(line)) == line
    assert HistoryLine(**asdict(line)) == line


def test_lone_surrogate() -> None:
    line = a_line(subject="out-\udcff.mp4")
    assert HistoryLine.from_json(line.to_json().encode("utf-8", "backslashreplace")) == line


def test_newer_version() -> None:
    """Keys that are unknown are ignored, another schema is not."""
    record = json.loads(FULL.to_json())
    assert HistoryLine.from_json(json.dumps({**record, "weather": "fine"})) == FULL
    with pytest.raises(MeasurementError, match="its schema must be 1, not 2"):
        HistoryLine.from_json(json.dumps({**record, "schema": 2}))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"test": ""}, "it must have a test and a time in UTC"),
        ({"time": "yesterday"}, "it must have a test and a time in UTC"),
        ({"time": 5}, "time must be a string, not 5"),
        ({"time": "2026-13-01T00:00:00+00:00"}, "month must be in 1..12"),
        ({"status": "fine"}, "status must be one of passed, failed, error, not 'fine'"),
        ({"commit": None}, "commit must be a string, not None"),
        ({"values": [1]}, "values must be an object"),
        ({"values": {"neg": "93"}}, "'neg' must be a finite number, not '93'"),
        ({"values": {"neg": True}}, "'neg' must be a finite number"),
        ({"values": {"neg": float("nan")}}, "'neg' must be a finite number, not nan"),
        ({"values": {"neg": 10**400}}, "too large"),
        ({"tolerances": {"neg": "2"}}, "must be a number or percentage, not '2'"),
        ({"tolerances": {"neg": -1}}, "must be a number or percentage, not -1"),
        ({"tools": {"libvmaf": 3}}, "the version of 'libvmaf' must be a string"),
        ({"tools": {"libvmaf": []}}, "the version of 'libvmaf' must be a string"),
        ({"metrics": {"lpips": {"label": "LPIPS"}}}, "metrics.lpips lacks 'unit'"),
    ],
)
def test_invalid(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(MeasurementError, match="Not a line of a history: ") as caught:
        HistoryLine.from_json(json.dumps({**json.loads(FULL.to_json()), **changes}))
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"schema": 1}', "[" * 100_000, '{"schema": 1, "schema": 1}'])
def test_not_a_line(text: str) -> None:
    with pytest.raises(MeasurementError, match="Not a line of a history"):
        HistoryLine.from_json(text)
