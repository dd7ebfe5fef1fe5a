"""Rows as CSV, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from pytest_vmaf.text import printable

#: What a spreadsheet takes for the beginning of a formula, in fullwidth forms, too.
FORMULA = (*"=+-@", *"\uff1d\uff0b\uff0d\uff20")


def csv_text(rows: Iterable[Mapping[str, object]]) -> str:
    """Format rows as CSV with a line of names, one line for each row, and numbers in full precision.

    Columns are the keys of all rows in the order of their first appearance. A mapping inside a row becomes columns such
    as `bitrate.mean`, a list one cell of its items. None and NaN are empty cells. A text that a spreadsheet would run
    as a formula gets an apostrophe in front.

    Args:
        rows: The rows, each a mapping of names to values.

    Returns:
        The text, "" without rows.
    """
    flat = [dict(_flat(row)) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    if not columns:
        return ""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow([_cell(name) for name in columns])
    # A single empty cell would be an empty line, which readers skip; csv quotes it.
    writer.writerows([_cell(row.get(name)) for name in columns] for row in flat)
    return output.getvalue()


def _flat(row: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = [*map(_cell, value)]
        value = ("; " if any(" " in item for item in items) else " ").join(items)
    text = printable(str(value))
    return f"'{text}" if text.lstrip().startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
