"""Track files: the syntax of JSON and CSV. Their content is untrusted."""

from __future__ import annotations

import csv
import io
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path

from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.files import load_json
from pytest_vmaf.roi.untrusted import read_bounded
from pytest_vmaf.text import printable

#: In bytes, in characters, and in frames: eleven hours at 25 frames/s.
LARGEST_FILE, LARGEST_LINE, LARGEST_TRACK = 64 << 20, 1 << 16, 1_000_000
COLUMNS = ("x", "y", "w", "h")
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?")
#: The place of a box in the file, its frame number and its four numbers, all unchecked.
Row = tuple[str, object, object]


def read_bytes(path: Path, name: str) -> bytes:
    """Read a track file; messages call it `name`.

    Raises:
        ClipError: If the file cannot be read.
        SettingsError: If it has more than 64 MiB.
    """
    data = read_bounded(path, f"The track {name}", LARGEST_FILE, ClipError)
    if len(data) > LARGEST_FILE:
        raise SettingsError(f"{name} must have at most {LARGEST_FILE >> 20} MiB.")
    return data


def is_json(path: Path, data: bytes) -> bool:
    """Whether a file is JSON, by its name or by its first character."""
    return path.suffix.lower() == ".json" or data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def read_json(data: bytes, name: str) -> object:
    """The value of a JSON file.

    Raises:
        SettingsError: If it is not strict JSON, or has more lists and objects than a track can have.
    """
    if data.count(b"[") + data.count(b"{") > LARGEST_TRACK + 1:
        # An empty list takes two bytes in the file and sixty in memory.
        raise SettingsError(f"{name} has more lists and objects than a track of {LARGEST_TRACK} frames.")
    try:
        return load_json(data.decode("utf-8-sig"))
    except ValueError as error:
        raise SettingsError(f"{name} is not valid JSON: {printable(str(error))}.") from error


def read_csv(data: bytes, name: str) -> Iterator[Row]:
    """The rows of a CSV file, each with its line.

    Raises:
        SettingsError: If it is not CSV with the columns of a track.
    """
    lines = csv.reader(_lines(data, name), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(lines, [])]
        counts = {column: header.count(column) for column in ("frame", *COLUMNS)}
        if any(counts[column] != 1 for column in COLUMNS) or counts["frame"] > 1:
            raise SettingsError(
                f"{name}, line 1: the columns must include x, y, w and h once each, and frame unless the rows are the "
                f"frames from 0 on, not {printable(reprlib.repr(header))}."
            )
        index = 0
        for cells in lines:
            if not cells:
                continue
            where = f"{name}, line {lines.line_num}"
            if len(cells) != len(header):
                raise SettingsError(f"{where}: expected {len(header)} cells as in the header, got {len(cells)}.")
            row = dict(zip(header, map(_read_number, cells), strict=True))
            yield where, row.get("frame", index), row
            index += 1
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name} must be text in UTF-8.") from error
    except csv.Error as error:
        raise SettingsError(f"{name}, line {lines.line_num}: this is not CSV ({error}).") from error


def _lines(data: bytes, name: str) -> Iterator[str]:
    stream = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    while line := stream.readline(LARGEST_LINE + 1):
        if len(line) > LARGEST_LINE:
            raise SettingsError(f"{name} must not have lines of more than {LARGEST_LINE} characters.")
        yield line


def _read_number(cell: str) -> object:
    """The number in a cell of a CSV file; the cell's text if it is not a number."""
    text = cell.strip()
    if NUMBER.fullmatch(text) is None:
        return cell
    return float(text) if "." in text else int(text)
