"""Lines of a history."""

from __future__ import annotations

from typing import Any

from pytest_vmaf.history.line import HistoryLine

TEST = "tests/test_it.py::test_x"


def a_line(day: int = 1, test: str = TEST, **values: Any) -> HistoryLine:
    """A line of this day in January and a commit of its own."""
    more = {name: values.pop(name) for name in ("commit", "branch", "platform", "subject", "status") if name in values}
    texts = {"commit": f"c{day}", "branch": "main", "subject": "out.mp4", "model": "vmaf_v0.6.1", **more}
    return HistoryLine(test, f"2026-01-{day:02d}T03:04:05+00:00", values, **texts)
