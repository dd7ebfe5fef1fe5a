"""The files of tracks, JSON and CSV, as far as their syntax goes. Their bytes are untrusted."""

from __future__ import annotations

import csv
import io
import json
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path

from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.text import printable

#: In bytes, in characters, and in frames: eleven hours at 25 frames/s.
LARGEST_FILE, LARGEST_LINE, LARGEST_TRACK = 64 << 20, 1 << 16, 1_000_000
COLUMNS = ("x", "y", "w", "h")
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?")
#: Where it stands, its frame number and its four numbers, none of them checked.
Row = tuple[str, object, object]


def read_bytes(path: Path, name: str) -> bytes:
    """What a track's file holds; ``name`` stands for it in messages, here and below.

    Raises ClipError where it cannot be read, and SettingsError where it is over 64 MiB.
    """
    try:
        if not path.is_file():
            # A pipe or a device would be waited for without end.
            what = "is not a regular file" if path.exists() else "does not exist"
            raise ClipError(f"The track {name} {what}.")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ClipError(f"The track {name} cannot be read: {error.strerror or error}.") from error
    if len(data) > LARGEST_FILE:
        raise SettingsError(f"{name} has more than {LARGEST_FILE >> 20} MiB, which no track needs.")
    return data


def is_json(path: Path, data: bytes) -> bool:
    """Whether a file is JSON, by its name or by how it begins."""
    return path.suffix.lower() == ".json" or data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def read_json(data: bytes, name: str) -> object:
    """The value of a JSON file. Raises SettingsError for what is none, for names that stand twice in one object, and
    for more lists and objects than a track can have.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                raise SettingsError(f"{name}: {printable(reprlib.repr(key))} comes twice in one object.")
            found[key] = value
        return found

    if data.count(b"[") + data.count(b"{") > LARGEST_TRACK + 1:
        # An empty list takes two bytes in the file, and sixty in memory.
        raise SettingsError(f"{name} has more lists and objects than a track of {LARGEST_TRACK} frames.")
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{name}, line {error.lineno}: this is not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise SettingsError(f"{name} is nested too deeply for a track.") from error
    except UnicodeDecodeError as error:
        raise _not_text(name) from error
    except SettingsError:
        raise
    except ValueError as error:
        # A number of more digits than Python converts.
        raise SettingsError(f"{name} is not a track in JSON ({error}).") from error


def read_csv(data: bytes, name: str) -> Iterator[Row]:
    """The rows of a CSV file, each with its line. Raises SettingsError where it has not the columns of a track."""
    lines = csv.reader(_lines(data, name), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(lines, [])]
        counts = {column: header.count(column) for column in ("frame", *COLUMNS)}
        if any(counts[column] != 1 for column in COLUMNS) or counts["frame"] > 1:
            raise SettingsError(
                f"{name}, line 1: the columns are {printable(reprlib.repr(header))}; x, y, w and h must be "
                "among them once each, and frame, unless the rows are the frames from 0 on."
            )
        index = 0
        for cells in lines:
            if not cells:
                continue
            where = f"{name}, line {lines.line_num}"
            if len(cells) != len(header):
                raise SettingsError(f"{where}: {len(cells)} cells under a header of {len(header)}.")
            row = dict(zip(header, map(_number, cells), strict=True))
            yield where, row.get("frame", index), row
            index += 1
    except UnicodeDecodeError as error:
        raise _not_text(name) from error
    except csv.Error as error:
        raise SettingsError(f"{name}, line {lines.line_num}: this is not CSV ({error}).") from error


def _lines(data: bytes, name: str) -> Iterator[str]:
    stream = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    while line := stream.readline(LARGEST_LINE + 1):
        if len(line) > LARGEST_LINE:
            raise SettingsError(f"{name} has a line of more than {LARGEST_LINE} characters, which no track needs.")
        yield line


def _number(cell: str) -> object:
    """The number that a cell of a CSV file holds; its text where it is none, for whoever refuses it to show."""
    text = cell.strip()
    if NUMBER.fullmatch(text) is None:
        return cell
    return float(text) if "." in text else int(text)


def _not_text(name: str) -> SettingsError:
    return SettingsError(f"{name} is not text in UTF-8, as JSON and CSV are.")
