"""Tables as lines of text, which break between words and never inside a name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

GAP = "  "
#: Where a cell may be broken: between words, but not between a number and its unit.
BREAK = re.compile(r" (?=[^\s%])(?!(?:dB|kbit/s)\b)")
#: Where a long name may be broken, if it has to be.
NAME_BREAK = re.compile(r"(?<=::)(?=.)|(?<=[/\]])(?=[\w.\[])")
#: Longer words are names.
LONG = 24


@dataclass(frozen=True)
class Layout:
    """A table that rich prints, at the width of its console.

    A table that is too wide for it is continued below, with its labels repeated.

    Attributes:
        columns: The names of the columns.
        rows: The cells of each row.
        left: The columns that are aligned to the left.
        labels: How many columns at the beginning tell what a row is about.
        above: Whether the first cell goes on a line above its rows instead, if the table is too wide.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Collection[int] = ()
    labels: int = 1
    above: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line, is_head in self.lines(options.max_width):
            yield Text(line, style="bold" if is_head else "", no_wrap=True, overflow="ignore")

    def lines(self, width: int) -> Iterator[tuple[str, bool]]:
        """The lines, and whether each belongs to the head."""
        natural = [max(map(cell_len, cells)) for cells in self._by_column()]
        if self.above and _total(natural) > width:
            yield from self._under_headings(width)
            return
        least = [max(max(map(cell_len, _pieces(cell)), default=0) for cell in cells) for cells in self._by_column()]
        # Heads and sentences are broken before a table is, and numbers after that.
        usual = [
            least[at] if at in self.left else max([least[at], *map(cell_len, cells[1:])])
            for at, cells in enumerate(self._by_column())
        ]
        for number, part in enumerate(self._parts(natural if _total(natural) <= width else usual, width)):
            if number:
                yield "", False
            widths = _shrink([natural[at] for at in part], [usual[at] for at in part], width)
            yield from self._part(part, _shrink(widths, [least[at] for at in part], width))

    def _by_column(self) -> Iterator[list[str]]:
        return ([name, *(row[number] for row in self.rows)] for number, name in enumerate(self.columns))

    def _parts(self, widths: Sequence[int], width: int) -> list[list[int]]:
        """The columns of each part: the labels, and as many others as fit."""
        labels = [*range(self.labels)]
        parts = [labels.copy()]
        for column in range(self.labels, len(self.columns)):
            if len(parts[-1]) > len(labels) and _total([widths[at] for at in (*parts[-1], column)]) > width:
                parts.append(labels.copy())
            parts[-1].append(column)
        return parts

    def _part(self, part: Sequence[int], widths: Sequence[int]) -> Iterator[tuple[str, bool]]:
        for number, row in enumerate((self.columns, *self.rows)):
            cells = [_wrap(row[at], size) for at, size in zip(part, widths, strict=True)]
            height = max(map(len, cells))
            # A head ends above its column.
            cells = [[""] * (height - len(cell)) * (number == 0) + cell for cell in cells]
            for line in range(height):
                texts = (
                    _pad(cell[line] if line < len(cell) else "", size, left=at in self.left)
                    for at, cell, size in zip(part, cells, widths, strict=True)
                )
                yield GAP.join(texts).rstrip(), number == 0

    def _under_headings(self, width: int) -> Iterator[tuple[str, bool]]:
        groups: dict[str, list[Sequence[str]]] = {}
        for row in self.rows:
            groups.setdefault(row[0], []).append(row[1:])
        every = [row for rows in groups.values() for row in rows]
        left = {column - 1 for column in self.left}
        inner = Layout(self.columns[1:], every, left, max(1, self.labels - 1))
        lines = [*inner.lines(width - len(GAP))]
        if sum(is_head for _, is_head in lines) + len(every) == len(lines):
            # Every row has one line, so that all groups share columns.
            yield from ((f"{GAP}{line}", True) for line, is_head in lines if is_head)
            rest = iter(line for line, is_head in lines if not is_head)
            for name, rows in groups.items():
                yield name, False
                yield from ((f"{GAP}{next(rest)}", False) for _ in rows)
            return
        for name, rows in groups.items():
            yield name, False
            own = Layout(inner.columns, rows, left, inner.labels)
            yield from ((f"{GAP}{line}", is_head) for line, is_head in own.lines(width - len(GAP)))


def without_empty(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: Collection[str]) -> list[int]:
    """The columns that have more than these cells; all of them in a table without rows."""
    return [
        number
        for number in range(len(columns))
        if number == 0 or not rows or any(row[number] not in empty for row in rows)
    ]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _shrink(widths: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Make the widest columns narrower until all fit, or none can be."""
    shrunk = [*widths]
    while _total(shrunk) > width and shrunk != [*least]:
        wide = max(range(len(shrunk)), key=lambda at: (shrunk[at] > least[at], shrunk[at]))
        shrunk[wide] -= 1
    return shrunk


def _pieces(cell: str) -> list[str]:
    words = BREAK.split(cell)
    return [piece for word in words for piece in (NAME_BREAK.split(word) if cell_len(word) > LONG else [word])]


def _wrap(cell: str, width: int) -> list[str]:
    if cell_len(cell) <= width:
        return [cell]
    lines = [""]
    for word in BREAK.split(cell):
        for number, piece in enumerate(NAME_BREAK.split(word) if cell_len(word) > LONG else [word]):
            glue = " " if lines[-1] and number == 0 else ""
            if lines[-1] and cell_len(f"{lines[-1]}{glue}{piece}") > width:
                lines.append(piece)
            else:
                lines[-1] += f"{glue}{piece}"
    return lines


def _pad(text: str, width: int, *, left: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return text + blanks if left else blanks + text
