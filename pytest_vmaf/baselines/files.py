"""The files of baselines: one of JSON beside each test module. Read as untrusted input, written whole."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_vmaf.baselines.entry import FRAME_DIGITS, IN_A_ROW, MOST_FRAMES, Entry
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.files import write_whole
from pytest_vmaf.shapes import Each, Fitting, OneOf, Optional, Text, conform
from pytest_vmaf.text import printable

SCHEMA = 1
FOLDER = "__vmaf__"
#: A file is read whole, so one that is larger than thousands of entries is refused.
LARGEST_BYTES = 64 * 1024 * 1024
ROW = re.compile(rf"-?\d{{1,6}}\.\d{{{FRAME_DIGITS}}}(?: -?\d{{1,6}}\.\d{{{FRAME_DIGITS}}}){{0,{IN_A_ROW - 1}}}")
LONGEST_ROWS = -(-MOST_FRAMES // IN_A_ROW)


def _frames_misfit(frames: Any) -> str:
    if not 1 <= frames["span"] <= 10**9:
        return f"has a span of {frames['span']} frames"
    return "" if len(frames["neg"]) <= LONGEST_ROWS else f"has {len(frames['neg'])} rows; {LONGEST_ROWS} are the most"


def _entry_misfit(entry: Any) -> str:
    searched = entry["kind"] != "score"
    parts = ("regions", "frames", "noise") if entry["kind"] == "compare" else ("regions", "frames")
    if searched and (wrong := [name for name in parts if entry.get(name) is not None]):
        return f"has {wrong[0]}, and is of the kind {entry['kind']}"
    return "lacks 'frames'" if not searched and entry.get("frames") is None else ""


FRAMES = Fitting({"span": int, "neg": [Text(ROW)]}, _frames_misfit)
POOLED = Each(Each(float))
#: The sample standard deviations of ``n`` encodes, by place, metric and pool.
NOISE = {"n": int, "stdev": Each(POOLED)}
ENTRY = Fitting(
    {
        "kind": OneOf(("score", "bisect", "compare")),
        "match": Each(str),
        "shown": Each(str),
        "values": POOLED,
        "frames": Optional(FRAMES),
        "noise": Optional(NOISE),
        "regions": Optional(Each({"match": Each(str), "values": POOLED, "frames": FRAMES})),
    },
    _entry_misfit,
)
#: Entries by test (its node id after the module) and by what was measured in it.
FILE = {"schema": int, "tests": Each(Each(ENTRY))}
Tests = dict[str, dict[str, Entry]]


def file_of(module: Path, platform: str = "") -> Path:
    """Where the baselines of a test module are; with a platform's name those of that platform alone."""
    # A dot is what stands before a platform's name.
    stem = module.stem.replace(".", "%2E")
    return module.parent / FOLDER / f"{stem}{f'.{platform}' if platform else ''}.json"


def modules_of(file: Path) -> list[Path]:
    """The test modules that a file of baselines may stand beside; none where there is no such."""
    stem = file.stem.partition(".")[0].replace("%2E", ".")
    folder = file.parent.parent
    return [path for path in (folder.iterdir() if folder.is_dir() else ()) if path.stem == stem and path.is_file()]


def find(path: Path) -> bool:
    """Whether there is a file; one whose link leads nowhere is there too, and cannot be read."""
    return path.is_symlink() or path.exists()


def read(path: Path) -> Tests:
    """The entries of a file, none where there is no such file. Raises BaselineError for anything that is no such file.

    What is returned is shared: leave it as it is.
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
            f"{printable(str(path))} holds no baselines that can be read: {printable(str(why))}.\n"
            "  Take it from version control again, or remove it and write it anew with --vmaf-update=missing."
        ) from None


def refuse_outside(path: Path) -> None:
    """Raise ValueError for a file or folder that is a link to somewhere else than beside the tests."""
    home = path.parent.parent.resolve()
    if not path.resolve().is_relative_to(home):
        raise ValueError(f"it is a link that leads out of {home}")


@lru_cache(maxsize=16)
def _read(path: Path, _stamp: tuple[int, ...]) -> Tests:
    if not path.is_file():
        raise ValueError("it is no regular file")
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    return parse(path.read_bytes())


def parse(data: bytes) -> Tests:
    """The entries in the bytes of a file. Raises ValueError, RecursionError."""
    document = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_once)
    if not isinstance(document, dict) or type(document.get("schema")) is not int:
        raise ValueError("it was not written by pytest --vmaf-update")
    if document["schema"] != SCHEMA:
        raise ValueError(f"its schema is {document['schema']!r:.80}, and this version reads {SCHEMA}")
    conform(document, FILE, "file")
    tests: Tests = document["tests"]
    return tests


def text_of(tests: Tests) -> str:
    """The file's text: the same for the same entries."""
    document = {"schema": SCHEMA, "tests": {name: clips for name, clips in tests.items() if clips}}
    return json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def write(path: Path, tests: Tests) -> None:
    """Write the file whole, or remove it where nothing is left. Raises OSError; ValueError for a link to elsewhere."""
    if find(path.parent) and not path.parent.is_dir():
        raise ValueError(f"{printable(str(path.parent))} is no folder")
    refuse_outside(path)
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    if any(tests.values()):
        write_whole(path, [text_of(tests)])
    else:
        path.unlink(missing_ok=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice!r:.80} is in it twice")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
