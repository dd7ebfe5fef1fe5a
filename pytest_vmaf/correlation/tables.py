"""`Table`: rows of named values, read from CSV, TSV, JSON or JSON Lines, or taken from Python objects."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.files import load_json
from pytest_vmaf.json_shapes import LARGEST
from pytest_vmaf.text import plural, printable, short_repr

#: In bytes. Larger files are not tables of clips.
MAX_FILE = 1 << 27
#: More clips would need minutes and gigabytes: every pair of them is compared.
MOST_ROWS = 10_000
#: What separates columns, the most unusual first.
DELIMITERS = "\t;,"
#: Cells that say that there is no value.
NO_VALUE = ("", "nan", "na", "n/a", "none", "null", "-", "–")
#: A number of a table with commas between its columns that may have a thousands separator or a decimal comma.
THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
#: How many names a message lists.
NAMED = 5


class HasDict(Protocol):
    """An object with plain data, such as a row of a sweep."""

    def to_dict(self) -> Mapping[str, object]:
        """The object as plain data."""


class Frame(Protocol):
    """A DataFrame of pandas."""

    @property
    def columns(self) -> Iterable[object]:
        """The names of the columns."""

    def to_dict(self, orient: str) -> Sequence[Mapping[str, object]]:
        """The rows, with `orient="records"`."""


#: A file; or rows as mappings or as rows of a sweep; or columns; or a DataFrame of pandas.
TableLike: TypeAlias = str | os.PathLike[str] | Iterable[Mapping[str, object] | HasDict] | Mapping[str, object] | Frame


@dataclass(frozen=True)
class Table:
    """Rows of named values.

    Attributes:
        name: What messages call the table, such as the file's name.
        columns: The names of the columns, in order.
        rows: Where each row is, and its values.
        document: What a JSON file contains if it is not a list of rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, Mapping[str, object]], ...]
    document: Mapping[str, object] | None = None


def read_table(source: TableLike, what: str) -> Table:
    """Read a table.

    Args:
        source: A file or rows.
        what: The name of the argument, for messages.

    Raises:
        SettingsError: If the argument has the wrong type.
        MeasurementError: If the file cannot be read, or is not a table.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
    rows: object = source
    if isinstance(source, Mapping):
        rows = _transposed(source, what)
    elif hasattr(source, "columns") and hasattr(source, "to_dict"):
        rows = source.to_dict("records")
    if not isinstance(rows, Iterable) or isinstance(rows, bytes):
        raise SettingsError(f"{what} must be a file or a list of rows, not {short_repr(source)}.")
    plain_rows = []
    for number, row in enumerate(rows):
        plain = row.to_dict() if hasattr(row, "to_dict") and not isinstance(row, Mapping) else row
        if not isinstance(plain, Mapping):
            raise SettingsError(f"{what}[{number}] must be a mapping of names to values, not {short_repr(row)}.")
        plain_rows.append((f"{what}[{number}]", plain))
    return _table(what, plain_rows)


def number_of(value: object, where: str) -> float | None:
    """The number in a cell; None if the cell says that there is none.

    Raises:
        MeasurementError: For anything else, infinity included.
    """
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str):
        if text.lower() in NO_VALUE:
            return None
        text = text.replace(",", ".") if DECIMAL_COMMA.fullmatch(text) else text
    try:
        if isinstance(text, bool | bytes) or (isinstance(text, str) and "_" in text):
            raise ValueError
        number = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise MeasurementError(f"{where} must be a number, not {short_repr(value)}.") from None
    if math.isnan(number):
        return None
    if abs(number) > LARGEST:
        raise MeasurementError(f"{where} must be a finite number up to {LARGEST:g}, not {short_repr(value)}.")
    return number


def name_of(value: object, where: str) -> str:
    """The name in a cell.

    Raises:
        MeasurementError: If the cell is empty or contains no text or number.
    """
    # A number of NumPy is not one of Python.
    plain = value.item() if hasattr(value, "item") else value
    name = str(plain).strip() if isinstance(plain, str | int | float) and not isinstance(plain, bool) else ""
    if not name or name == "nan":
        raise MeasurementError(f"{where} must be a name, not {short_repr(value)}.")
    return name


def listed(names: Sequence[str]) -> str:
    """Some names for a message, and how many more there are."""
    first = ", ".join(printable(name) for name in names[:NAMED])
    return first + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _read_file(path: Path) -> Table:
    name = printable(str(path))
    try:
        if path.is_dir():
            raise MeasurementError(f"{name} must be a file, not a folder.")
        if path.stat().st_size > MAX_FILE:
            raise MeasurementError(f"{name} must not be larger than {MAX_FILE >> 20} MiB.")
        data = path.read_bytes()
    except OSError as error:
        raise MeasurementError(f"{name} cannot be read: {error.strerror or error}.") from error
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise MeasurementError(f"{name} must be a table as UTF-8 text: CSV, TSV, JSON or JSON Lines.") from None
    if not text.strip():
        raise MeasurementError(f"{name} is empty.")
    if text.lstrip()[0] in "{[":
        return _read_json(text, name)
    return _table(name, list(_read_delimited(text, name)))


def _read_json(text: str, name: str) -> Table:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        data = load_json(text)
    except ValueError as error:
        if len(lines) < 2 or not lines[0][1].rstrip().endswith("}"):
            raise MeasurementError(f"{name} is not JSON: {error}.") from None
        data = [_parse_line(line, f"{name}, line {number}") for number, line in lines]
    else:
        if isinstance(data, dict) and len(lines) == 1 and "kind" not in data:
            data = [data]
    if isinstance(data, dict):
        return Table(name, tuple(data), (), data)
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise MeasurementError(f"{name} must be a list of objects, one for each clip.")
    places = [f"{name}, line {number}" for number, _ in lines] if len(lines) == len(data) else []
    return _table(name, [(places[at] if places else f"{name}, row {at + 1}", row) for at, row in enumerate(data)])


def _parse_line(line: str, where: str) -> object:
    try:
        return load_json(line)
    except ValueError as error:
        raise MeasurementError(f"{where} is not JSON: {error}.") from None


def _read_delimited(text: str, name: str) -> Iterator[tuple[str, dict[str, object]]]:
    # The csv module does not know the line ends of old spreadsheets.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    head = text.lstrip("\n").split("\n", 1)[0]
    delimiter = next((each for each in DELIMITERS if each in head), ",")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    columns: list[str] = []
    try:
        for cells in reader:
            where = f"{name}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
                if twice := [column for column in columns if columns.count(column) > 1]:
                    raise MeasurementError(f"{name} has two columns with the name {printable(twice[0])!r}.")
                continue
            if len(cells) != len(columns):
                raise MeasurementError(f"{where} must have {plural(len(columns), 'column')}, not {len(cells)}.")
            if delimiter == "," and (number := next(filter(THOUSANDS.fullmatch, cells), "")):
                plain = number.replace(",", "")
                raise MeasurementError(
                    f"{where}: {number!r} can mean {plain} or {number.replace(',', '.', 1)}. Write one of them."
                )
            yield where, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise MeasurementError(f"{name}, line {reader.line_num} is not a row of a table: {error}.") from None


def _transposed(columns: Mapping[str, object], what: str) -> list[dict[str, object]]:
    values = {}
    for name, column in columns.items():
        if isinstance(column, str) or not isinstance(column, Iterable):
            raise SettingsError(f"{what}[{name!r}] must be a list of values, not {short_repr(column)}.")
        values[name] = list(column)
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise SettingsError(f"The columns of {what} must have the same length, not {lengths}.")
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _table(name: str, rows: Sequence[tuple[str, Mapping[str, object]]]) -> Table:
    if not rows:
        raise MeasurementError(f"{name} has no rows.")
    if len(rows) > MOST_ROWS * 50:
        raise MeasurementError(f"{name} must not have more than {MOST_ROWS * 50} rows.")
    columns = tuple(dict.fromkeys(str(column) for _, row in rows for column in row))
    return Table(name, columns, tuple((where, {str(key): row[key] for key in row}) for where, row in rows))
