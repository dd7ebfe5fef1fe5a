"""One line about a measurement, or out of a message: what has to fit where lines are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_vmaf.quality.process import printable
from pytest_vmaf.report.view import margin, short_clip, smallest_margin


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


def margin_of(record: Mapping[str, Any]) -> str:
    """The smallest margin with its gate, as "-0.71 min_neg"; empty without one."""
    gate = smallest_margin(record)
    return f"{margin(gate)} {gate['name']}" if gate else ""


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
