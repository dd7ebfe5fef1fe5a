"""Heat maps: a grid of tiles over time, whose cells have a class for their colour.

Values are integers here, with one digit more than is shown, so that page and script round in the same way.
"""

from __future__ import annotations

import json
import math

from pytest_vmaf.report.schema import Record
from pytest_vmaf.text import time_code

#: The number of colours: classes h0 (bad) to h20 (good). The class of a tile without a value is hn.
COLOURS = 21
#: The most tiles in a row or column for which the tiles contain numbers.
MOST_NUMBERED = 12


def pictures(heat: Record) -> dict[int, str]:
    """The pictures (JPEG, base64) of a `schema.HEAT`, by the indexes of its frames."""
    return {picture["index"]: picture["jpeg"] for picture in heat.get("pictures") or ()}


def name(frame: Record) -> str:
    """A frame with its time code, for example "frame 31 (0:01.240)"."""
    time = frame.get("time")
    return f"frame {frame['frame']}" if time is None else f"frame {frame['frame']} ({time_code(time)})"


def describe(heat: Record, index: int) -> str:
    """The lowest tile of a frame in words. Columns and rows count from 0."""
    values = _integers(heat, index)
    scored = [value for value in values if value is not None]
    if not scored:
        return "no tile was scored"
    row, column = divmod(values.index(min(scored)), heat["columns"])
    return f"lowest {heat['metric']} {_exact(heat, min(scored))} in column {column}, row {row}"


def tiles(heat: Record, index: int) -> list[list[tuple[str, str, str]]]:
    """The tiles of a frame by row: the class of the colour, the exact value in words, and the value that is shown."""
    columns, values = heat["columns"], _integers(heat, index)
    titles = ["not scored" if value is None else f"{heat['metric']} {_exact(heat, value)}" for value in values]
    cells = [(_colour(heat, value), title, _rounded(heat, value)) for value, title in zip(values, titles, strict=True)]
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


def has_numbers(heat: Record) -> bool:
    """Whether the tiles are large enough for their values."""
    return bool(max(heat["columns"], heat["rows"]) <= MOST_NUMBERED)


def frames_json(heat: Record) -> str:
    """The frames from which the script draws, each as [number, time, value, value, …]."""
    frames = enumerate(heat["frames"])
    rows = [[frame["frame"], frame.get("time"), *_integers(heat, index)] for index, frame in frames]
    return json.dumps(rows, separators=(",", ":"))


def decimals(heat: Record) -> int:
    """The decimals of a tile: none for VMAF points, two where all values are within a few units."""
    return 0 if heat["high"] - heat["low"] >= 5 else 2


def integer(heat: Record, value: float) -> int:
    """A value as an integer, with one digit more than is shown."""
    scale: int = 10 ** (decimals(heat) + 1)
    return round(value * scale)


def _integers(heat: Record, index: int) -> list[int | None]:
    return [None if value is None else integer(heat, value) for value in heat["frames"][index]["values"]]


def _exact(heat: Record, value: int) -> str:
    digits = decimals(heat) + 1
    return f"{value / 10**digits:.{digits}f}"


def _rounded(heat: Record, value: int | None) -> str:
    """A value without its last digit. Halves are rounded up."""
    digits = decimals(heat)
    return "–" if value is None else f"{(value + 5) // 10 / 10**digits:.{digits}f}"


def _colour(heat: Record, value: int | None) -> str:
    if value is None:
        return "hn"
    low, high = integer(heat, heat["low"]), integer(heat, heat["high"])
    step = math.floor((value - low) / (high - low) * (COLOURS - 1) + 0.5)
    return f"h{min(COLOURS - 1, max(0, step))}"
