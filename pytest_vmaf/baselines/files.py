"""Baseline files: one JSON file next to each test module, read as untrusted input and written atomically."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_vmaf.baselines.entry import FRAME_DIGITS, IN_A_ROW, MOST_FRAMES, Entry
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.files import load_json, too_many, write_atomically
from pytest_vmaf.json_shapes import Each, Fitting, OneOf, Optional, Text, conform
from pytest_vmaf.text import printable

SCHEMA = 1
FOLDER = "__vmaf__"
#: A file is read into memory, so a larger one is refused. Thousands of entries need less.
LARGEST_BYTES = 64 * 1024 * 1024
#: The values of a file, most of them numbers of 10,000 entries.
MOST_VALUES = 1 << 21
ROW = re.compile(rf"-?\d{{1,6}}\.\d{{{FRAME_DIGITS}}}(?: -?\d{{1,6}}\.\d{{{FRAME_DIGITS}}}){{0,{IN_A_ROW - 1}}}")
LONGEST_ROWS = -(-MOST_FRAMES // IN_A_ROW)


def _frames_misfit(frames: Mapping[str, Any]) -> str:
    if not 1 <= frames["span"] <= 10**9:
        return f"has a span of {frames['span']} frames"
    return "" if len(frames["neg"]) <= LONGEST_ROWS else f"has {len(frames['neg'])} rows, more than {LONGEST_ROWS}"


def _entry_misfit(entry: Entry) -> str:
    searched = entry["kind"] != "score"
    parts = ("regions", "frames") if entry["kind"] in ("bisect", "speed") else ("regions", "frames", "noise")
    if searched and (unexpected := [name for name in parts if entry.get(name) is not None]):
        return f"has {unexpected[0]}, which the kind {entry['kind']} does not have"
    if entry.get("points") is not None:
        from pytest_vmaf.baselines.equal_rate_check import points_misfit

        if misfit := points_misfit(entry):
            return misfit
    return "lacks 'frames'" if not searched and entry.get("frames") is None else ""


FRAMES = Fitting({"span": int, "neg": [Text(ROW)]}, _frames_misfit)
POOLED = Each(Each(float))
#: The sample standard deviations of `n` encodes, by place, metric and pool.
NOISE = {"n": int, "stdev": Each(POOLED)}
#: Rate-quality points by place, source, and "bitrate" or a metric.
POINTS = Each([Each([float])])
DIGESTS = re.compile(r"[0-9a-f]{8}(?: [0-9a-f]{8}){0,7}")
#: The SHA-256 of a stream's packets, and short digests of parts of `span` packets, in lines.
BITSTREAM = {"digest": Text(re.compile(r"[0-9a-f]{64}")), "packets": int, "span": int, "parts": [Text(DIGESTS)]}
ENTRY = Fitting(
    {
        "kind": OneOf(("score", "bisect", "compare", "stream", "speed")),
        "match": Each(str),
        "shown": Each(str),
        "values": POOLED,
        "frames": Optional(FRAMES),
        "noise": Optional(NOISE),
        "bitstream": Optional(BITSTREAM),
        "points": Optional(POINTS),
        "regions": Optional(Each({"match": Each(str), "values": POOLED, "frames": FRAMES})),
    },
    _entry_misfit,
)
#: Entries by test (its node id without the module) and by name.
FILE = {"schema": int, "tests": Each(Each(ENTRY))}
Tests = dict[str, dict[str, Entry]]


def file_of(module: Path, platform: str = "") -> Path:
    """The baseline file of a test module; with a platform's name, the file of that platform."""
    # A dot separates the platform's name.
    stem = module.stem.replace(".", "%2E")
    return module.parent / FOLDER / f"{stem}{f'.{platform}' if platform else ''}.json"


def modules_of(file: Path) -> list[Path]:
    """The existing test modules that a baseline file may belong to."""
    stem = file.stem.partition(".")[0].replace("%2E", ".")
    folder = file.parent.parent
    return [path for path in (folder.iterdir() if folder.is_dir() else ()) if path.stem == stem and path.is_file()]


def find(path: Path) -> bool:
    """Whether a file exists. A broken link exists too: it cannot be read, and must not be overwritten."""
    return path.is_symlink() or path.exists()


def read(path: Path) -> Tests:
    """Read the entries of a file; none if the file does not exist.

    The result is cached and shared, so it must not be changed.

    Raises:
        BaselineError: If it is not a readable baseline file.
    """
    if not find(path):
        return {}
    try:
        refuse_outside(path)
        stat = path.stat()
        return _read(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BaselineError(
            f"{printable(str(path))} is not a readable baseline file: {printable(str(why))}.\n"
            "  Restore it from version control, or remove it and write it again with --vmaf-baseline-update=missing."
        ) from None


def refuse_outside(path: Path) -> None:
    """Raise ValueError for a link that leads out of the folder of the tests."""
    home = path.parent.parent.resolve()
    if not path.resolve().is_relative_to(home):
        raise ValueError(f"it is a link that leads out of {home}")


@lru_cache(maxsize=16)
def _read(path: Path, _stamp: tuple[int, ...]) -> Tests:
    if not path.is_file():
        raise ValueError("it is not a regular file")
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    return parse(path.read_bytes())


def parse(data: bytes) -> Tests:
    """Read the entries in the bytes of a file.

    Raises:
        ValueError: If these are not entries.
        RecursionError: If they are nested too deeply.
    """
    if data.count(b",") > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES} values")
    document = load_json(data)
    if not isinstance(document, dict) or type(document.get("schema")) is not int:
        raise ValueError("it was not written by pytest --vmaf-baseline-update")
    if document["schema"] != SCHEMA:
        raise ValueError(f"its schema must be {SCHEMA}, not {document['schema']!r:.80}")
    conform(document, FILE, "file")
    tests: Tests = document["tests"]
    return tests


def text_of(tests: Tests) -> str:
    """The text of a file. Equal entries give equal texts.

    Raises:
        BaselineError: If it would be too large to be read.
    """
    document = {"schema": SCHEMA, "tests": {name: clips for name, clips in tests.items() if clips}}
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if len(text.encode(errors="backslashreplace")) > LARGEST_BYTES or text.count(",") > MOST_VALUES or too_many(text):
        raise BaselineError(
            f"The baselines of one test module must not be larger than {LARGEST_BYTES >> 20} MiB. Split the module."
        )
    return text


def write(path: Path, tests: Tests) -> None:
    """Write the file atomically, or remove it if it has no entry.

    Raises:
        OSError: If it cannot be written.
        ValueError: If it is not a regular file next to the tests.
    """
    if find(path.parent) and not path.parent.is_dir():
        raise ValueError(f"{printable(str(path.parent))} is not a folder")
    refuse_outside(path)
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")
    if any(tests.values()):
        write_atomically(path, [text_of(tests)])
    else:
        path.unlink(missing_ok=True)
