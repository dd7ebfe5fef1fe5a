"""Tracks: the box of each frame, as Python values or from a file. All of it is untrusted."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Collection, Iterator, Mapping, Set
from numbers import Real
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.roi.track_files import LARGEST_TRACK, Row, is_json, read_bytes, read_csv, read_json
from pytest_vmaf.text import printable

#: x, y, w and h in pixels, from the top left corner.
Box = tuple[int, int, int, int]
#: Its numbers, each with the least it can be. No clip has sides above 65535 pixels.
FIELDS = {"x": 0, "y": 0, "w": 1, "h": 1}
LARGEST_SIDE = 65535


def read_track(source: object, *, hold: bool = False, largest: bool = False) -> list[Box]:
    """The box of each frame, from frame 0 to the last that has one.

    ``source`` is a list of boxes, a mapping of frame numbers to boxes, or the path of a file that holds them:
    JSON (``[[x, y, w, h], …]``, ``[{"frame": 0, "x": …, "y": …, "w": …, "h": …}, …]``, ``{"0": [x, y, w, h], …}``) or
    CSV with a header that names x, y, w, h and, unless every row is the next frame, frame. ``hold`` fills a frame that
    has no box with the one before it, or with the first; boxes differ in size only where ``largest`` is set.

    Raises ClipError for a file that cannot be read, and SettingsError, with the file and the line or frame, for what is
    no track, for more than 1,000,000 frames, and for files over 64 MiB.
    """
    if isinstance(source, str | bytes | os.PathLike):
        path = Path(os.fsdecode(source))
        name = printable(str(path))
        data = read_bytes(path, name)
        rows = _rows(read_json(data, name), name) if is_json(path, data) else read_csv(data, name)
    else:
        name = "The track"
        rows = _rows(source, name)
    boxes: dict[int, Box] = {}
    for where, number, values in rows:
        frame = _integer(number)
        if frame is None or not 0 <= frame < LARGEST_TRACK:
            raise SettingsError(
                f"{where}: {shown_value(number)} is no frame number; it is a whole one from 0 to {LARGEST_TRACK - 1}."
            )
        if frame in boxes:
            raise SettingsError(f"{where}: frame {frame} has a box already; a track has one for each frame.")
        boxes[frame] = _box(values, where)
    if not boxes:
        raise SettingsError(f"{name} has no boxes.")
    _refuse_gaps(boxes, name, hold)
    if not largest:
        _refuse_sizes(boxes, name)
    box = boxes[min(boxes)]
    return [box := boxes.get(frame, box) for frame in range(max(boxes) + 1)]


def pixels(value: object, what: str, least: int) -> int:
    """``value`` as a whole number of pixels from ``least`` to 65535. Raises SettingsError that begins with ``what``."""
    number = _integer(value)
    if number is None or not least <= number <= LARGEST_SIDE:
        raise SettingsError(
            f"{what} is {shown_value(value)}; it is a whole number of pixels from {least} to {LARGEST_SIDE}."
        )
    return number


def is_box(value: object) -> bool:
    """Whether this could be a box: four values in an order."""
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping | Set) and len(value) == 4


def shown_value(value: object) -> str:
    """Any value, cut short and safe to print."""
    try:
        return printable(reprlib.repr(value))
    except ValueError:
        return "a number of thousands of digits"


def _integer(value: object) -> int | None:
    """The whole number that this is, numpy's and 3.0 included; None for anything else, True and NaN included."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except (ValueError, OverflowError):
        return None
    return number if number == value else None


def _box(values: object, where: str) -> Box:
    if isinstance(values, Mapping):
        missing = [name for name in FIELDS if name not in values]
        if missing:
            raise SettingsError(f"{where}: {', '.join(missing)} is not there; a box has x, y, w and h.")
        values = [values[name] for name in FIELDS]
    if not is_box(values):
        raise SettingsError(f"{where}: {shown_value(values)} is no box; one is (x, y, w, h) in pixels.")
    four: Any = values
    x, y, w, h = (pixels(v, f"{where}: {name}", FIELDS[name]) for name, v in zip(FIELDS, four, strict=True))
    return x, y, w, h


def _refuse_gaps(boxes: dict[int, Box], name: str, hold: bool) -> None:
    missing = max(boxes) + 1 - len(boxes)
    if missing and not hold:
        first = next(frame for frame in range(max(boxes)) if frame not in boxes)
        raise SettingsError(
            f"{name} has no box for frame {first} ({missing} of the frames 0 to {max(boxes)} have none).\n"
            "  Region.track(…, hold=True) keeps the box of the frame before."
        )


def _refuse_sizes(boxes: dict[int, Box], name: str) -> None:
    sizes: dict[tuple[int, int], int] = {}
    for frame in sorted(boxes):
        sizes.setdefault(boxes[frame][2:], frame)
    if len(sizes) > 1:
        (one, first), (other, second) = list(sizes.items())[:2]
        width, height = (max(side) for side in zip(*sizes, strict=True))
        raise SettingsError(
            f"{name} has boxes of {len(sizes)} sizes, {one[0]}x{one[1]} in frame {first} and {other[0]}x{other[1]} in "
            f"frame {second} for two; libvmaf scores pictures of one size.\n"
            f"  Region.track(…, largest=True) scores a window of {width}x{height} around each box."
        )


def _rows(values: object, name: str) -> Iterator[Row]:
    if isinstance(values, Mapping):
        for key, box in values.items():
            # JSON has no other keys than text.
            number = int(key) if isinstance(key, str) and re.fullmatch("[0-9]{1,18}", key) else key
            yield f"{name}, frame {shown_value(number)}", number, box
    elif isinstance(values, Collection) and not isinstance(values, str | bytes | Set):
        numbered = None
        for index, box in enumerate(values):
            has_number = isinstance(box, Mapping) and "frame" in box
            if numbered not in (None, has_number):
                raise SettingsError(
                    f"{name}: entry {index} has {'a' if has_number else 'no'} frame number, unlike those before it."
                )
            numbered = has_number
            if has_number:
                yield f"{name}, entry {index}", box["frame"], box
            else:
                yield f"{name}, frame {index}", index, box
    else:
        raise SettingsError(
            f"{name} is {shown_value(values)}; it is a list of boxes (x, y, w, h), one for each frame, a mapping of "
            "frame numbers to boxes, or the path of a JSON or CSV file."
        )
