"""Lines of histories, and series of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_vmaf.history.line import HistoryLine
from pytest_vmaf.history.series import History, Series, make_history


def a_time(number: int) -> str:
    return f"2026-{1 + number // 672 % 12:02}-{1 + number // 24 % 28:02}T{number % 24:02}:00:00+00:00"


def a_line(number: int = 0, neg: float = 93.0, **more: Any) -> HistoryLine:
    """The measurement of the commit of this number."""
    values = {"neg": neg, **more.pop("values", {})}
    usual = {"subject": "out.mp4", "model": "vmaf_v0.6.1", "commit": f"{number:040x}", "branch": "main"}
    return HistoryLine(**{"test": "test_it.py::test_x", "time": a_time(number), "values": values, **usual, **more})


def a_history(numbers: Sequence[float], **more: Any) -> History:
    """One series of NEG, a commit for each number."""
    return make_history([a_line(index, neg, **more) for index, neg in enumerate(numbers)])


def a_series(numbers: Sequence[float], **more: Any) -> Series:
    [series] = a_history(numbers, **more).series
    return series
