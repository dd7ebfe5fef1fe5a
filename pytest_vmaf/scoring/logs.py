"""libvmaf's logs in XML, JSON and CSV. XML and CSV are read frame by frame, so that long clips need little memory."""

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
from pytest_vmaf.files import unique_keys
from pytest_vmaf.text import printable

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
#: Bytes of the largest JSON log, which is read at once. An hour at 60 frames/s with two models has 200 MB.
LARGEST_JSON = 1 << 30


@dataclass(frozen=True)
class Log:
    """A libvmaf log.

    Attributes:
        columns: Each column's values, one per frame. A missing value is NaN.
        pooled_means: The log's own means by column; none in CSV.
        version: libvmaf's version, "" in CSV.
    """

    columns: Mapping[str, tuple[float, ...]]
    pooled_means: Mapping[str, float]
    version: str


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
    except (*MALFORMED, ElementTree.ParseError, csv.Error) as error:
        raise LogError(
            f"{file_name} is not a complete libvmaf log ({type(error).__name__}: {error}). Is it cut off?"
        ) from error
    raise LogError(f"{file_name} is not a libvmaf log: it must be XML, JSON, or CSV with a Frame column.")


class _Columns:
    """The columns of a log, built frame by frame. A missing frame is refused."""

    def __init__(self, only: Collection[str] | None) -> None:
        self.only = only
        self.frames = 0
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
        self.frames += 1

    def finish(self) -> dict[str, tuple[float, ...]]:
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
    return Log(columns.finish(), means, version)


def _read_json(path: Path, only: Collection[str] | None) -> Log:
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError("a log of this size must be XML, not JSON")
    # Not `load_json`: a NaN in a column that nobody uses is not a reason to refuse the log.
    log = json.loads(path.read_bytes(), object_pairs_hook=unique_keys)
    columns = _Columns(only)
    for frame in log["frames"]:
        columns.add(frame["frameNum"], frame["metrics"])
    pooled = log.get("pooled_metrics", {})
    means = {name: float(pool["mean"]) for name, pool in pooled.items() if pool.get("mean") is not None}
    return Log(columns.finish(), means, str(log.get("version", "")))


def _read_csv(path: Path, only: Collection[str] | None) -> Log:
    columns = _Columns(only)
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":  # the only sign that the last number is complete
            raise ValueError("its last line does not end with a newline")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        names = [name for name in rows.fieldnames or () if name]
        if len(set(names)) != len(names):
            raise ValueError("a column appears twice")
        for row in rows:
            number = int(row.pop("Frame"))
            metrics = {name: value for name, value in row.items() if name and re.search(r"\S", value or "")}
            columns.add(number, metrics)
    return Log(columns.finish(), {}, "")
