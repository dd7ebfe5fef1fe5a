"""Sections of a report: how another room, or a plugin, adds what it found. Plain data, shown by the templates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_vmaf.report.record import plain


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`."""
        return {"kind": "text", "text": self.text}


@dataclass(frozen=True)
class DataTable:
    """A table: ``columns`` are its headings, ``rows`` hold one value (shown as text) for each."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`. Raises ValueError for a row of another length than the columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} values in a table of {len(self.columns)} columns: {row!r:.80}")
        rows = [["" if value is None else f"{value}" for value in row] for row in self.rows]
        return {"kind": "table", "columns": [str(name) for name in self.columns], "rows": rows, "caption": self.caption}


@dataclass(frozen=True)
class Line:
    """A line through ``points`` (x, y); ``marked`` are the indexes of points to stand out."""

    name: str
    points: Sequence[tuple[float, float]]
    marked: Sequence[int] = ()


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis, drawn as SVG with a data table; ``levels`` are named horizontal lines."""

    x: str
    y: str
    lines: Sequence[Line]
    levels: Sequence[tuple[str, float]] = ()
    caption: str = ""

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`."""
        lines = [
            {
                "name": line.name,
                "points": [[float(x), float(y)] for x, y in line.points],
                "marked": [int(index) for index in line.marked],
            }
            for line in self.lines
        ]
        levels = [{"name": name, "value": float(value)} for name, value in self.levels]
        return {
            "kind": "chart",
            "x": self.x,
            "y": self.y,
            "lines": lines,
            "levels": levels,
            "caption": self.caption,
        }


def gathered(call: Callable[[], Sequence[Section | Sequence[Section] | None]], hook: str) -> list[dict[str, Any]]:
    """What a hook's implementations gave, as records. Where one fails, that is said in the section's place."""
    try:
        given = [
            section for answer in call() if answer for section in (answer if isinstance(answer, Sequence) else [answer])
        ]
        return [section.to_record() for section in given]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # Not only Exception: pytest.skip and importorskip in a hook must not end the run.
        text = f"The sections of {hook} could not be made: {type(error).__name__}: {error}"
        return [Section("A plugin failed", [Paragraph(text)]).to_record()]


@dataclass(frozen=True)
class Section:
    """A titled part of a test's entry or of the whole report."""

    title: str
    blocks: Sequence[Paragraph | DataTable | Chart] = field(default_factory=tuple)

    def to_record(self) -> dict[str, Any]:
        """As `schema.SECTION`, in exact JSON types. Raises ValueError where it does not fit there."""
        from pytest_vmaf.report.schema import SECTION, conform

        record: dict[str, Any] = plain({"title": self.title, "blocks": [block.to_record() for block in self.blocks]})
        conform(record, SECTION, "section")
        return record
