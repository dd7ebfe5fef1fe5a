"""Tracks: a box for each frame, from Python values or from a JSON or CSV file. Both are untrusted."""

from __future__ import annotations

import csv
import io
import os
import re
import reprlib
from collections.abc import Collection, Iterator, Mapping, Set
from numbers import Real
from pathlib import Path

from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.files import load_json, read_bounded
from pytest_vmaf.roi.untrusted import invalid, short_repr
from pytest_vmaf.text import printable

#: x, y, w and h in pixels, counted from the top left corner of the displayed picture.
Box = tuple[int, int, int, int]
#: The numbers of a box, each with its minimum.
FIELDS = {"x": 0, "y": 0, "w": 1, "h": 1}
#: No clip has sides of more pixels.
LARGEST_SIDE = 65535
#: Of a file in bytes, of its lines in characters, and of a track in frames: eleven hours at 25 frames/s.
LARGEST_FILE, LARGEST_LINE, LARGEST_TRACK = 64 << 20, 1 << 16, 1_000_000
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?")
#: The place of a box in its source, its frame number and its four numbers, all unchecked.
Row = tuple[str, object, object]


def read_track(source: object, *, hold: bool = False, largest: bool = False) -> list[Box]:
    """Read the box of each frame, from frame 0 to the last frame that has one.

    Args:
        source: A list of boxes, a mapping of frame numbers to boxes, or the path of a file: JSON
            (`[[x, y, w, h], …]`, `[{"frame": 0, "x": …, "y": …, "w": …, "h": …}, …]`, `{"0": [x, y, w, h], …}`) or CSV
            with a header of x, y, w, h and, unless every row is the next frame, frame.
        hold: Fill a frame without a box with the box before it, or with the first box.
        largest: Allow boxes of different sizes.

    Raises:
        ClipError: If the file cannot be read.
        SettingsError: If this is not a track, has more than 1,000,000 frames, or the file more than 64 MiB. The message
            names the file and the line or frame.
    """
    name = "The track"
    if isinstance(source, str | bytes | os.PathLike):
        path = Path(os.fsdecode(source))
        name = printable(str(path))
        rows = _read_file(path, name)
    else:
        rows = _rows(source, name)
    boxes: dict[int, Box] = {}
    for where, number, values in rows:
        frame = _integer(number)
        if frame is None or not 0 <= frame < LARGEST_TRACK:
            raise invalid(f"{where}: the frame number", f"a whole number from 0 to {LARGEST_TRACK - 1}", number)
        if frame in boxes:
            raise SettingsError(f"{where}: frame {frame} already has a box; a track has one box for each frame.")
        boxes[frame] = _read_box(values, where)
    if not boxes:
        raise SettingsError(f"{name} has no boxes.")
    if not hold:
        _refuse_gaps(boxes, name)
    if not largest:
        _refuse_sizes(boxes, name)
    box = boxes[min(boxes)]
    return [box := boxes.get(frame, box) for frame in range(max(boxes) + 1)]


def read_pixels(value: object, label: str, least: int) -> int:
    """Read a whole number of pixels from `least` to 65535.

    Raises:
        SettingsError: If it is not such a number. The message begins with `label`.
    """
    number = _integer(value)
    if number is None or not least <= number <= LARGEST_SIDE:
        raise invalid(label, f"a whole number of pixels from {least} to {LARGEST_SIDE}", value)
    return number


def is_box(value: object) -> bool:
    """Whether this could be a box: four values in order."""
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping | Set) and len(value) == 4


def _integer(value: object) -> int | None:
    """The whole number that a value equals, NumPy's and 3.0 included; None for anything else, True included."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except (ValueError, OverflowError):
        return None
    return number if number == value else None


def _read_box(values: object, where: str) -> Box:
    if isinstance(values, Mapping):
        missing = [name for name in FIELDS if name not in values]
        if missing:
            raise SettingsError(f"{where}: {', '.join(missing)} is missing; a box must have x, y, w and h.")
        values = [values[name] for name in FIELDS]
    if not isinstance(values, Collection) or not is_box(values):
        raise invalid(f"{where}: a box", "(x, y, w, h) in pixels", values)
    x, y, w, h = (
        read_pixels(value, f"{where}: {name}", least)
        for (name, least), value in zip(FIELDS.items(), values, strict=True)
    )
    return x, y, w, h


def _refuse_gaps(boxes: dict[int, Box], name: str) -> None:
    if missing := max(boxes) + 1 - len(boxes):
        first = next(frame for frame in range(max(boxes)) if frame not in boxes)
        raise SettingsError(
            f"{name} has no box for frame {first} ({missing} of the frames 0 to {max(boxes)} have none).\n"
            "  Region.track(…, hold=True) repeats the box of the frame before."
        )


def _refuse_sizes(boxes: dict[int, Box], name: str) -> None:
    sizes: dict[tuple[int, int], int] = {}
    for frame in sorted(boxes):
        sizes.setdefault(boxes[frame][2:], frame)
    if len(sizes) > 1:
        (one, first), (other, second) = list(sizes.items())[:2]
        width, height = (max(side) for side in zip(*sizes, strict=True))
        raise SettingsError(
            f"{name} has boxes of {len(sizes)} sizes, for example {one[0]}x{one[1]} in frame {first} and "
            f"{other[0]}x{other[1]} in frame {second}. libvmaf scores pictures of one size.\n"
            f"  Region.track(…, largest=True) scores a window of {width}x{height} around each box."
        )


def _rows(values: object, name: str) -> Iterator[Row]:
    if isinstance(values, Mapping):
        for key, box in values.items():
            # The keys of JSON objects are text.
            number = int(key) if isinstance(key, str) and re.fullmatch("[0-9]{1,18}", key) else key
            yield f"{name}, frame {short_repr(number)}", number, box
    elif isinstance(values, Collection) and not isinstance(values, str | bytes | Set):
        numbered = None
        for index, box in enumerate(values):
            has_number = isinstance(box, Mapping) and "frame" in box
            if numbered not in (None, has_number):
                article = "a" if has_number else "no"
                raise SettingsError(f"{name}: entry {index} has {article} frame number, unlike the entries before it.")
            numbered = has_number
            if has_number:
                yield f"{name}, entry {index}", box["frame"], box
            else:
                yield f"{name}, frame {index}", index, box
    else:
        boxes = "a list of boxes (x, y, w, h), one for each frame, a mapping of frame numbers to boxes"
        raise invalid(name, f"{boxes}, or the path of a JSON or CSV file", values)


def _read_file(path: Path, name: str) -> Iterator[Row]:
    data = read_bounded(path, f"The track {name}", LARGEST_FILE, ClipError)
    if len(data) > LARGEST_FILE:
        raise SettingsError(f"{name} must have at most {LARGEST_FILE >> 20} MiB.")
    first = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    is_json = path.suffix.lower() == ".json" or first in (b"[", b"{")
    return _rows(_read_json(data, name), name) if is_json else _read_csv(data, name)


def _read_json(data: bytes, name: str) -> object:
    """The value of a JSON file, which has no more lists and objects than a track can have."""
    if data.count(b"[") + data.count(b"{") > LARGEST_TRACK + 1:
        # An empty list takes two bytes in the file and sixty in memory.
        raise SettingsError(f"{name} has more lists and objects than a track of {LARGEST_TRACK} frames.")
    try:
        return load_json(data.decode("utf-8-sig"))
    except ValueError as error:
        raise SettingsError(f"{name} is not valid JSON: {printable(str(error))}.") from error


def _read_csv(data: bytes, name: str) -> Iterator[Row]:
    """The rows of a CSV file, each with its line."""
    lines = csv.reader(_lines(data, name), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(lines, [])]
        if any(header.count(column) != 1 for column in FIELDS) or header.count("frame") > 1:
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
