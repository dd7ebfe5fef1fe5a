"""The shape of a report as data (`--vmaf-json`), version 1: what may stand where, and the check that it does. Pure.

A document holds the ``runs`` it comes from and their ``tests``, each with one entry per measurement. Everything is
exact JSON. Scores are VMAF points, times seconds (``started`` from 1970 on), sizes pixels; ``frame`` counts from 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_vmaf.shapes import Each, Fitting, OneOf, Optional, Text

SCHEMA = 1
STATUSES = ("error", "failed", "xfailed", "skipped", "passed")
#: The finest grid of a heat map; the most frames of one, the most of them by name, and the most values in all of them.
MOST_COLUMNS = MOST_ROWS = 64
MOST_FRAMES, MOST_WORST, MOST_VALUES = 600, 12, 200_000
#: The most pictures beside each other, and the most rectangles upon them.
MOST_SHOWN, MOST_BOXES = 6, 64
#: Longest side of a picture or a frame, in pixels; JPEG has no larger ones.
LONGEST_SIDE = 65_535
JPEG = re.compile(r"/9j/(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def shown_misfit(shown: Mapping[str, Any]) -> str:
    """What of the pictures and rectangles of a `SHOWN` does not fit; empty if all does."""
    width, height = shown["full_width"], shown["full_height"]
    if len(shown["pictures"]) > MOST_SHOWN:
        return f"has {len(shown['pictures'])} pictures beside each other, and at most {MOST_SHOWN} may be"
    if len(shown["boxes"]) > MOST_BOXES:
        return f"has {len(shown['boxes'])} rectangles, and at most {MOST_BOXES} may be"
    for side in ("width", "height", "full_width", "full_height"):
        if not 1 <= shown[side] <= LONGEST_SIDE:
            return f"has a {side} of {shown[side]} pixels, not 1 to {LONGEST_SIDE}"
    for box in shown["boxes"]:
        x, y, w, h = (box[name] for name in ("x", "y", "width", "height"))
        if not (w >= 1 <= h and 0 <= x <= width - w and 0 <= y <= height - h):
            return (
                f"has a rectangle {box['name']!r:.40} of {w}x{h} at {x},{y}, not inside the frame of {width}x{height}"
            )
    return ""


def heat_misfit(heat: Mapping[str, Any]) -> str:
    """What of the grid and the frames of a `HEAT` does not fit; empty if all does."""
    columns, rows, frames, worst = heat["columns"], heat["rows"], len(heat["frames"]), heat["worst"]
    if not (1 <= columns <= MOST_COLUMNS and 1 <= rows <= MOST_ROWS):
        return f"has a grid of {columns}x{rows} tiles, not of 1x1 to {MOST_COLUMNS}x{MOST_ROWS}"
    most = min(MOST_FRAMES, MOST_VALUES // (columns * rows))
    if not 1 <= frames <= most:
        return f"has {frames} frames; with a grid of {columns}x{rows} tiles it may have 1 to {most}"
    for index, frame in enumerate(heat["frames"]):
        if len(frame["values"]) != columns * rows:
            return f"has {len(frame['values'])} values in frames[{index}], not one for each of {columns}x{rows} tiles"
    if heat["high"] - heat["low"] < 0.1:
        return f"has colours from {heat['low']:g} to {heat['high']:g}; the second is to be at least 0.1 above the first"
    if not 1 <= len(set(worst)) == len(worst) <= MOST_WORST or not all(0 <= index < frames for index in worst):
        return f"has {worst!r:.80} for its worst, not 1 to {MOST_WORST} different indexes of its {frames} frames"
    if not all(1 <= heat[side] <= LONGEST_SIDE for side in ("width", "height")):
        return f"has frames of {heat['width']}x{heat['height']} pixels, not 1 to {LONGEST_SIDE} each way"
    if strange := {picture["index"] for picture in heat.get("pictures") or ()} - set(worst):
        return f"has a picture of frames[{min(strange)}], which is none of its worst"
    return ""


#: One gate held against a result; a measurement that failed has only its name, limit and origin.
GATE = {
    "name": str,
    "limit": float,
    "origin": str,
    "metric": Optional(str),
    "pool": Optional(str),
    "bound": Optional(OneOf(("min", "max"))),
    "value": Optional(float),
    "margin": Optional(float),
    "passed": Optional(bool),
}
#: A worst frame as pictures (JPEG, base64): ``difference`` is the absolute RGB difference times ``amplified``.
PICTURE = {
    "frame": int,
    "time": Optional(float),
    "metric": str,
    "value": float,
    "width": int,
    "height": int,
    "full_width": int,
    "full_height": int,
    "amplified": int,
    "reference": Text(JPEG),
    "distorted": Text(JPEG),
    "difference": Text(JPEG),
}
#: Pictures of ``width`` and ``height`` beside each other, with rectangles upon them in pixels of the full frame.
SHOWN = {
    "pictures": [{"caption": str, "jpeg": Text(JPEG)}],
    "width": int,
    "height": int,
    "full_width": int,
    "full_height": int,
    "boxes": [{"name": str, "x": int, "y": int, "width": int, "height": int}],
}
#: Values of a grid of tiles over time, row by row, None where one has none. Colours go from ``low``, which is bad, to
#: ``high``; ``width`` and ``height`` are the frame's. ``worst`` are indexes of ``frames``, the worst one first;
#: ``pictures`` lie under the tiles of some of them.
HEAT = {
    "columns": int,
    "rows": int,
    "width": int,
    "height": int,
    "metric": str,
    "low": float,
    "high": float,
    "frames": [{"frame": int, "time": Optional(float), "values": [Optional(float)]}],
    "worst": [int],
    "pictures": Optional([{"index": int, "jpeg": Text(JPEG)}]),
}
#: A block of a section: a paragraph, a table, a chart of lines over a common axis, pictures, or a heat map.
BLOCK = {
    "kind": OneOf(("text", "table", "chart", "shown", "heat")),
    "text": Optional(str),
    "caption": Optional(str),
    "columns": Optional([str]),
    "rows": Optional([[str]]),
    "x": Optional(str),
    "y": Optional(str),
    "lines": Optional([{"name": str, "points": [(float, float)], "marked": Optional([int])}]),
    "levels": Optional([{"name": str, "value": float}]),
    "shown": Optional(Fitting(SHOWN, shown_misfit)),
    "heat": Optional(Fitting(HEAT, heat_misfit)),
    "left_out": Optional(str),
}
SECTION = {"title": str, "blocks": [BLOCK]}
#: How the numbers were made; ``command`` repeats the measurement, ``filters`` prepared the frames, ``starts`` are the
#: first frames that were scored, of the reference and the distorted clip, ``cached`` when it was measured (ISO 8601)
#: where that was in an earlier run, ``encoder`` what the
#: distorted file says wrote it.
PROVENANCE = {
    **dict.fromkeys(
        (
            "pytest_vmaf",
            "model",
            "neg_model",
            "generation",
            "clip",
            "scorer",
            "scorer_version",
            "ffmpeg",
            "ffmpeg_path",
            "libvmaf",
            "pix_fmt",
            "matrix",
            "color_range",
            "command",
        ),
        str,
    ),
    **dict.fromkeys(("threads", "frames", "width", "height"), int),
    **dict.fromkeys(("phone", "fake"), bool),
    "notes": [str],
    "filters": {"reference": str, "distorted": str},
    "starts": Optional([int]),
    "cached": Optional(str),
    "encoder": Optional(str),
}
#: One call of vmaf.score, .check or .self_score; an "error" has no scores.
MEASUREMENT = {
    "schema": int,
    "status": OneOf(("passed", "failed", "error")),
    "reference": str,
    "distorted": str,
    "started": float,
    "subtest": Optional(str),
    "error": Optional(str),
    "gates": [GATE],
    "gated": Optional(bool),
    "every_gate": Optional(bool),
    "vmaf": Optional(float),
    "neg": Optional(float),
    "gap": Optional(float),
    "above_100": Optional(int),
    "features": Optional(Each(float)),
    "frames": Optional(int),
    "frame_rate": Optional(Text(re.compile(r"[1-9][0-9]{0,18}(/[1-9][0-9]{0,18})?"))),
    "pools": Optional(Each(Each(float))),
    "series": Optional({"frames_per_bucket": int, "worst": Each([float])}),
    "histogram": Optional({"low": float, "high": float, "vmaf": [int], "neg": [int]}),
    "above": Optional({"limit": float, "past_limit": int, "buckets": [int], "worst": [[float]]}),
    "worst": Optional([{"metric": str, "frame": int, "value": float}]),
    "pictures": Optional([PICTURE]),
    "left_out": Optional(str),
    "provenance": Optional(PROVENANCE),
}
ATTEMPT = {
    "status": OneOf(STATUSES),
    "message": str,
    "duration": float,
    "worker": str,
    "measurements": [MEASUREMENT],
}
#: One test; its last attempt counts, ``earlier`` holds those that were run again. ``run`` indexes ``runs``.
TEST = {
    **ATTEMPT,
    "run": int,
    "id": str,
    "file": Optional(str),
    "line": Optional(int),
    "earlier": [ATTEMPT],
    "sections": [SECTION],
}
#: One pytest run. ``ended`` says how, ``exit`` is its exit code; of the ``planned`` tests (all, not the plugin's own
#: alone) ``ran`` began; ``not_collected`` files had errors.
RUN = {
    "name": str,
    "ended": OneOf(("finished", "interrupted", "internal error")),
    "why": str,
    "exit": int,
    "command": str,
    "created": str,
    "duration": float,
    "python": str,
    "platform": str,
    "pytest": str,
    "pytest_vmaf": str,
    "gates": [str],
    "planned": int,
    "ran": int,
    "not_collected": int,
}
DOCUMENT = {
    "kind": OneOf(("pytest-vmaf report",)),
    "schema": int,
    "runs": [RUN],
    "tests": [TEST],
    "sections": [SECTION],
    "left_out": [str],
}
