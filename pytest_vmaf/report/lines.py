"""One line about a measurement, or out of a message: what has to fit where lines are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_vmaf.quality.process import printable
from pytest_vmaf.report.view import short_clip, smallest_margin


def headlines(records: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """One line for each measurement: clip, numbers, smallest margin."""
    lines = []
    for record in records[:most]:
        clip = cut(short_clip(record["distorted"]), 100, middle=True)
        if record["status"] == "error":
            lines.append(f"{clip}: not measured: {first_line(record.get('error') or '', 300)}")
            continue
        numbers = ", ".join(
            f"{name} {decimal(record.get(key)) or '–'}"
            for name, key in (("NEG", "neg"), ("VMAF", "vmaf"), ("gap", "gap"))
        )
        above = f"{record.get('above_100') or 0} frames above 100"
        margin = margin_of(record)
        lines.append(f"{clip}: {numbers}, {above}; {f'smallest margin {margin}' if margin else 'no gate'}")
    if left := len(records[most:]):
        lines.append(f"{left} more")
    return lines


def badness(record: Mapping[str, Any]) -> tuple[int, float, float]:
    """Sorts measurements: errors, then by how much a limit is missed."""
    gate = smallest_margin(record)
    neg = record.get("neg")
    status = ("error", "failed", "passed").index(record["status"])
    return status, gate["margin"] if gate else float("inf"), neg if neg is not None else float("inf")


def margin_of(record: Mapping[str, Any]) -> str:
    """The smallest margin with its gate, as "-0.71 min_neg"; empty without one."""
    gate = smallest_margin(record)
    if gate is None:
        return ""
    if gate.get("metric") == "above_100":
        return f"{gate['margin']:+.0f} {gate['name']}"
    shown = f"{gate['margin']:+.2f}"
    # What missed its limit by a hair must not look as if it had met it.
    return f"{shown if float(shown) or not gate['margin'] else format(gate['margin'], '+.1g')} {gate['name']}"


def decimal(value: float | None, digits: int = 2) -> str:
    """The number with its digits; empty for None."""
    return "" if value is None else f"{value:.{digits}f}"


def cut(text: object, most: int, *, middle: bool = False) -> str:
    """The text in one line of at most ``most`` characters; from the ``middle`` where its end tells it from others."""
    line = printable(str(text))
    if len(line) <= most:
        return line
    return f"{line[: most // 3]}…{line[-(most - most // 3 - 1) :]}" if middle else f"{line[: most - 1]}…"


def first_line(message: str, most: int) -> str:
    """The first line of a message, in at most ``most`` characters."""
    return cut(message.strip().partition("\n")[0].strip() or "It left no message.", most)
