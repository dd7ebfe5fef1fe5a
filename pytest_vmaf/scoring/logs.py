"""libvmaf's logs, read: XML, JSON and CSV, frame by frame, so that long clips need little memory."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pytest_vmaf.errors import LogError
from pytest_vmaf.text import printable

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
#: A JSON log is read whole; an hour at 60 frames/s with two models has 200 MB.
LARGEST_JSON = 1 << 30


@dataclass(frozen=True)
class Log:
    """A libvmaf log: each column's value per frame, the log's own pooled means, and libvmaf's version ("" in CSV)."""

    columns: Mapping[str, tuple[float, ...]]
    pooled_means: Mapping[str, float]
    version: str


def read_log(path: Path, only: Collection[str] | None = None) -> Log:
    """Read a log in any of libvmaf's three forms; ``only`` names the columns wanted.

    Every frame must be there, in order, without a hole. Raises LogError naming the file and what is wrong with it.
    """
    shown = printable(str(path))
    try:
        if path.exists() and not path.is_file():
            raise LogError(f"The log {shown} is not a regular file.")
        with path.open("rb") as file:
            start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"<"):
            return _read_xml(path, only)
        if start.startswith(b"{"):
            return _read_json(path, only)
        if start.startswith(b"Frame,"):
            return _read_csv(path, only)
    except OSError as error:
        raise LogError(f"The log {shown} cannot be read: {error.strerror or error}.") from error
    except (*MALFORMED, ElementTree.ParseError, csv.Error) as error:
        raise LogError(
            f"{shown} is not a whole libvmaf log ({type(error).__name__}: {error}). Is it cut off?"
        ) from error
    raise LogError(f"{shown} is not a libvmaf log: neither XML, JSON nor CSV with a Frame column.")


class _Columns:
    """Collects values frame by frame, and refuses holes."""

    def __init__(self, only: Collection[str] | None) -> None:
        self.only = only
        self.frames = 0
        self.values: dict[str, array[float]] = {}

    def add(self, number: int, metrics: Mapping[str, object]) -> None:
        if self.frames and number != self.frames:
            raise ValueError(
                f"frame {number} follows frame {self.frames - 1}; frames are missing (n_subsample is no measure for a "
                "gate)"
            )
        if not self.frames and number:
            raise ValueError(f"the first frame is {number}")
        for name, value in metrics.items():
            if self.only is None or name in self.only:
                column = self.values.setdefault(name, array("d"))
                # A feature that begins late or stops early shows as a column of another length.
                column.append(math.nan if value is None else float(str(value)))
        self.frames += 1

    def done(self) -> dict[str, tuple[float, ...]]:
        return {name: tuple(column) for name, column in self.values.items()}


def _read_xml(path: Path, only: Collection[str] | None) -> Log:
    columns, means, version = _Columns(only), dict[str, float](), ""
    parents: list[ElementTree.Element] = []
    for event, element in ElementTree.iterparse(path, events=("start", "end")):  # noqa: S314  (expat bounds entities)
        if event == "start":
            parents.append(element)
            continue
        parents.pop()
        if element.tag == "frame":
            metrics = dict(element.attrib)
            columns.add(int(metrics.pop("frameNum")), metrics)
            parents[-1].clear()
        elif element.tag == "metric" and "mean" in element.attrib:
            if only is None or element.attrib["name"] in only:
                means[element.attrib["name"]] = float(element.attrib["mean"])
        elif element.tag == "VMAF":
            version = element.attrib.get("version", "")
    return Log(columns.done(), means, version)


def _read_json(path: Path, only: Collection[str] | None) -> Log:
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError("it is too large to be read as JSON; log as XML")
    log = json.loads(path.read_bytes(), object_pairs_hook=_once)
    columns = _Columns(only)
    for frame in log["frames"]:
        columns.add(frame["frameNum"], frame["metrics"])
    pooled = log.get("pooled_metrics", {})
    means = {name: float(pool["mean"]) for name, pool in pooled.items() if pool.get("mean") is not None}
    return Log(columns.done(), means, str(log.get("version", "")))


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys are there once; of two columns with one name the first would be lost."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


def _read_csv(path: Path, only: Collection[str] | None) -> Log:
    columns = _Columns(only)
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":  # the only sign that the last number is whole
            raise ValueError("its last line has no end")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        names = [name for name in rows.fieldnames or () if name]
        if len(set(names)) != len(names):
            raise ValueError("a column is there twice")
        for row in rows:
            number = int(row.pop("Frame"))
            metrics = {name: value for name, value in row.items() if name and re.search(r"\S", value or "")}
            columns.add(number, metrics)
    return Log(columns.done(), {}, "")
