"""Heat maps: a grid of tiles over time, as tables whose cells have their colour by class. Pure.

Values are whole numbers here, with one digit more than is shown, so that page and script round alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pytest_vmaf.report.wording import clean, time_code

#: Colours are the classes h0 (bad) to h20 (good); hn is a tile without a value.
COLOURS = 21
#: A grid with more tiles in a row or column has no numbers in them.
MOST_NUMBERED = 12


@dataclass(frozen=True)
class Moment:
    """One of the worst frames: its place in the frames and in the order of time, its words, its grid and picture."""

    index: int
    name: str
    said: str
    grid: Markup
    worst: bool
    picture: str | None


def moments(heat: Mapping[str, Any]) -> list[Moment]:
    """The worst frames of a `schema.HEAT`, in order of time."""
    pictures = {picture["index"]: picture["jpeg"] for picture in heat.get("pictures") or ()}
    return [
        Moment(
            index,
            name(heat["frames"][index]),
            said(heat, index),
            _grid(heat, index),
            index == heat["worst"][0],
            pictures.get(index),
        )
        for index in sorted(heat["worst"])
    ]


def name(frame: Mapping[str, Any]) -> str:
    """A frame with its time code, as "frame 31 (0:01.240)"."""
    time = frame.get("time")
    return f"frame {frame['frame']}" if time is None else f"frame {frame['frame']} ({time_code(time)})"


def said(heat: Mapping[str, Any], index: int) -> str:
    """The worst tile of a frame in words; columns and rows count from 0, as everywhere."""
    values = _wholes(heat, index)
    scored = [value for value in values if value is not None]
    if not scored:
        return "no tile was scored"
    row, column = divmod(values.index(min(scored)), heat["columns"])
    return f"lowest {heat['metric']} {_digits(heat, min(scored))} in column {column}, row {row}"


def numbers(heat: Mapping[str, Any], index: int) -> list[list[str]]:
    """The values of a frame as they stand in the tiles, by row."""
    shown = [_shown(heat, value) for value in _wholes(heat, index)]
    return [shown[start : start + heat["columns"]] for start in range(0, len(shown), heat["columns"])]


def numbered(heat: Mapping[str, Any]) -> bool:
    """Whether the tiles are large enough for their values."""
    return bool(max(heat["columns"], heat["rows"]) <= MOST_NUMBERED)


def data(heat: Mapping[str, Any]) -> dict[str, str | int]:
    """What the script needs to draw any frame, as data attributes: frames as [number, time, value, value, …]."""
    frames = [[frame["frame"], frame.get("time"), *_wholes(heat, index)] for index, frame in enumerate(heat["frames"])]
    return {
        "frames": json.dumps(frames, separators=(",", ":")),
        "low": _whole(heat, heat["low"]),
        "high": _whole(heat, heat["high"]),
        "decimals": decimals(heat),
        "metric": heat["metric"],
    }


def ticks(heat: Mapping[str, Any]) -> Markup:
    """Marks under the slider where the worst frames are."""
    last = max(len(heat["frames"]) - 1, 1)
    return Markup('<svg class="ticks" aria-hidden="true">{}</svg>').format(
        Markup("").join(
            Markup('<line x1="{0}%" x2="{0}%" y1="0" y2="100%"/>').format(round(index / last * 100, 2))
            for index in sorted(heat["worst"])
        )
    )


def decimals(heat: Mapping[str, Any]) -> int:
    """How many decimals a tile shows: none for points of VMAF, two where all lies within a few units."""
    return 0 if heat["high"] - heat["low"] >= 5 else 2


def _grid(heat: Mapping[str, Any], index: int) -> Markup:
    metric, columns, values = clean(heat["metric"]), heat["columns"], _wholes(heat, index)
    kind = Markup("") if numbered(heat) else Markup(" class=fine")
    cells = [Markup("<td class={}>").format(_colour(heat, value)) for value in values]
    if numbered(heat):
        cells = [
            Markup('<td class={} title="column {}, row {}: {}">{}').format(
                _colour(heat, value),
                number % columns,
                number // columns,
                "not scored" if value is None else f"{metric} {_digits(heat, value)}",
                _shown(heat, value),
            )
            for number, value in enumerate(values)
        ]
    rows = [Markup("").join(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    return Markup('<table{} aria-label="{} of each tile, {}">{}</table>').format(
        kind, metric, name(heat["frames"][index]), Markup("").join(map(Markup("<tr>{}").format, rows))
    )


def _whole(heat: Mapping[str, Any], value: float) -> int:
    scale: int = 10 ** (decimals(heat) + 1)
    return round(value * scale)


def _wholes(heat: Mapping[str, Any], index: int) -> list[int | None]:
    return [None if value is None else _whole(heat, value) for value in heat["frames"][index]["values"]]


def _digits(heat: Mapping[str, Any], whole: int) -> str:
    digits = decimals(heat) + 1
    return f"{whole / 10**digits:.{digits}f}"


def _shown(heat: Mapping[str, Any], whole: int | None) -> str:
    """Without the last digit, halves rounded up."""
    digits = decimals(heat)
    return "–" if whole is None else f"{(whole + 5) // 10 / 10**digits:.{digits}f}"


def _colour(heat: Mapping[str, Any], whole: int | None) -> str:
    if whole is None:
        return "hn"
    low, high = _whole(heat, heat["low"]), _whole(heat, heat["high"])
    step = math.floor((whole - low) / (high - low) * (COLOURS - 1) + 0.5)
    return f"h{min(COLOURS - 1, max(0, step))}"
