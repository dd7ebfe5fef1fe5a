"""libvmaf's logs in XML, JSON and CSV, read frame by frame. A log may come from anywhere, so its size is bounded."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import re
import shutil
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from pytest_vmaf.errors import LogError
from pytest_vmaf.files import unique_keys
from pytest_vmaf.text import printable

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
#: Bytes of the largest JSON log, which is read at once. An hour at 60 frames/s with two models has 200 MB.
LARGEST_JSON = 1 << 28
#: Values of the largest log, and its objects and lists in JSON. An hour at 60 frames/s has 216,000 frames, each with
#: two objects and at most 80 values.
MOST_VALUES, MOST_OBJECTS = 1 << 24, 1 << 21
#: Bytes of the longest element of XML or line of CSV.
LONGEST = 1 << 20
#: Elements of XML that are not frames, and how deeply elements are nested. libvmaf writes one for each column, 4 deep.
MOST_ELEMENTS, DEEPEST = 10_000, 16
#: Bytes of XML that are parsed at a time.
CHUNK = 1 << 16
#: A disk with fewer free bytes is full.
LITTLE = 1 << 12


class TooLarge(ValueError):
    """A log has more than may be kept in memory."""


@dataclass(frozen=True)
class Log:
    """A libvmaf log.

    Attributes:
        columns: Each column's values, one per frame. A null is NaN. A column that lacks frames is shorter.
        pooled_means: The log's own means by column; none in CSV.
        version: libvmaf's version, "" in CSV.
        frames: How many frames the log has.
    """

    columns: Mapping[str, tuple[float, ...]]
    pooled_means: Mapping[str, float]
    version: str
    frames: int


def read_log(path: Path, only: Collection[str] | None = None) -> Log:
    """Read a log in any of libvmaf's three formats.

    Args:
        path: The log.
        only: The columns to read; by default all.

    Raises:
        LogError: If the file is not a complete log: every frame must be there, in order.
    """
    file_name = printable(str(path))
    try:
        if path.exists() and not path.is_file():
            raise LogError(f"The log {file_name} is not a regular file.")
        with path.open("rb") as file:
            start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"<"):
            return _read_xml(path, only)
        if start.startswith(b"{"):
            return _read_json(path, only)
        if start.startswith(b"Frame,"):
            return _read_csv(path, only)
    except OSError as error:
        raise LogError(f"The log {file_name} cannot be read: {error.strerror or error}.") from error
    except TooLarge as error:
        raise LogError(f"{file_name} is larger than a libvmaf log may be: it has {error}.") from error
    except (*MALFORMED, ElementTree.ParseError, csv.Error) as error:
        full = " The disk is full." if _is_full(path) else ""
        raise LogError(
            f"{file_name} is not a complete libvmaf log ({type(error).__name__}: {error}). Is it cut off?{full}"
        ) from error
    raise LogError(f"{file_name} is not a libvmaf log: it must be XML, JSON, or CSV with a Frame column.")


def _is_full(path: Path) -> bool:
    """Whether nothing more can be written beside a file: ffmpeg says nothing of a log that it could not complete."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(path.parent).free < LITTLE
    return False


class _Columns:
    """The columns of a log, built frame by frame. A missing frame is refused."""

    def __init__(self, only: Collection[str] | None) -> None:
        self.only = only
        self.frames = 0
        self.count = 0
        self.values: dict[str, array[float]] = {}

    def add(self, number: int, metrics: Mapping[str, object]) -> None:
        if self.frames and number != self.frames:
            raise ValueError(
                f"frame {number} follows frame {self.frames - 1}; frames are missing (gates need every frame, so "
                "n_subsample must be 1)"
            )
        if not self.frames and number:
            raise ValueError(f"the first frame must be 0, not {number}")
        for name, value in metrics.items():
            if self.only is None or name in self.only:
                column = self.values.setdefault(name, array("d"))
                # A feature that begins late or ends early gives a column of another length, which is refused later.
                column.append(math.nan if value is None else float(str(value)))
                self.count += 1
        self.frames += 1
        if self.count + self.frames > MOST_VALUES:
            raise TooLarge(f"more than {MOST_VALUES} values")

    def finish(self, means: Mapping[str, float], version: str) -> Log:
        return Log({name: tuple(column) for name, column in self.values.items()}, means, version, self.frames)


def _read_xml(path: Path, only: Collection[str] | None) -> Log:
    columns, means, version, others = _Columns(only), dict[str, float](), "", 0
    parents: list[ElementTree.Element] = []
    with path.open("rb") as file:
        for event, element in _xml_events(file):
            if event == "start":
                parents.append(element)
                others += element.tag != "frame"
                if len(parents) > DEEPEST or others > MOST_ELEMENTS:
                    raise TooLarge(f"elements more than {DEEPEST} deep, or more than {MOST_ELEMENTS} beside frames")
                if element.tag == "VMAF":
                    version = element.attrib.get("version", "")
                continue
            parents.pop()
            if element.tag == "frame":
                metrics = dict(element.attrib)
                columns.add(int(metrics.pop("frameNum")), metrics)
                parents[-1].clear()
            elif element.tag == "metric" and "mean" in element.attrib:
                name = element.attrib["name"]
                means |= {name: float(element.attrib["mean"])} if only is None or name in only else {}
    return columns.finish(means, version)


def _xml_events(file: IO[bytes]) -> Iterator[tuple[str, ElementTree.Element]]:
    """The elements of a file, at their starts and ends. An element, text or comment that does not end is refused."""
    parser: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(("start", "end"))
    quiet = 0
    while chunk := file.read(CHUNK):
        parser.feed(chunk)  # expat bounds entities itself
        quiet += len(chunk)
        for event in parser.read_events():
            quiet = 0
            yield event  # type: ignore[misc]  # (only "start" and "end" are asked for)
        if quiet > LONGEST:
            raise TooLarge(f"an element or text of more than {LONGEST} bytes")
    parser.close()
    yield from parser.read_events()  # type: ignore[misc]


def _read_json(path: Path, only: Collection[str] | None) -> Log:
    with path.open("rb") as file:
        data = file.read(LARGEST_JSON + 1)
    if len(data) > LARGEST_JSON:
        raise TooLarge(f"more than {LARGEST_JSON >> 20} MiB of JSON; write it as XML (log_fmt=xml)")
    # Before it is parsed, because objects in memory are many times as large as their text.
    if data.count(b"{") + data.count(b"[") > MOST_OBJECTS or data.count(b",") > MOST_VALUES:
        raise TooLarge(f"more than {MOST_OBJECTS} objects and lists, or more than {MOST_VALUES} values")
    columns = _Columns(only)

    def read_object(pairs: list[tuple[str, object]]) -> object:
        entry = unique_keys(pairs)
        if "frameNum" not in entry:
            return entry
        # A frame becomes numbers at once, so that long clips need little memory.
        columns.add(entry["frameNum"], entry["metrics"])  # type: ignore[arg-type]  # (`add` raises one of MALFORMED)
        return None

    # Not `load_json`: a NaN in a column that nobody uses is not a reason to refuse the log.
    log = json.loads(data, object_pairs_hook=read_object)
    if len(log["frames"]) != columns.frames or any(log["frames"]):
        raise ValueError("its frames must be a list of objects with frameNum and metrics")
    pooled = log.get("pooled_metrics", {})
    means = {name: float(pool["mean"]) for name, pool in pooled.items() if pool.get("mean") is not None}
    return columns.finish(means, str(log.get("version", "")))


def _read_csv(path: Path, only: Collection[str] | None) -> Log:
    columns = _Columns(only)
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":  # the only sign that the last number is complete
            raise ValueError("its last line does not end with a newline")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(_lines(file))
        names = [name for name in rows.fieldnames or () if name]
        if len(set(names)) != len(names):
            raise ValueError("a column appears twice")
        for row in rows:
            number = int(row.pop("Frame"))
            metrics = {name: value for name, value in row.items() if name and re.search(r"\S", value or "")}
            columns.add(number, metrics)
    return columns.finish({}, "")


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise TooLarge(f"a line of more than {LONGEST} characters")
        yield line
