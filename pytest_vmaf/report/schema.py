"""The shapes of a report as data (`--vmaf-json`), schema version 1.

A document contains the `runs` it comes from and their `tests`, each with one record per measurement. Everything is
exact JSON. Scores are VMAF points, times are seconds (`started` since 1970), sizes are pixels. `frame` counts from 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_vmaf.json_shapes import Each, Fitting, OneOf, Optional, Text

#: A JSON object of one of the shapes below, to read.
Record = Mapping[str, Any]
#: The same while it is built.
RecordDict = dict[str, Any]

SCHEMA = 1
#: Raised by keys that are added. A reader ignores keys that it does not know in documents of a newer minor version.
MINOR = 4
KIND = "pytest-vmaf report"
#: Statuses of a test, worst first.
STATUSES = ("error", "failed", "xfailed", "skipped", "passed")
#: Limits of a heat map: its grid, its frames, its frames that can be chosen by name, and the values of all frames.
MOST_COLUMNS = MOST_ROWS = 64
MOST_FRAMES, MOST_WORST, MOST_VALUES = 600, 12, 200_000
#: Limits of a block of pictures: pictures next to each other, and rectangles on each.
MOST_SHOWN, MOST_BOXES = 6, 64
#: How a line of a chart is drawn: dots that are connected, dots alone, a curve without dots, or a course, which has
#: dots only where points are marked.
LINE_STYLES = ("line", "dots", "curve", "course")
#: The longest side of a picture or a frame in pixels, a limit of JPEG.
LONGEST_SIDE = 65_535
JPEG = re.compile(r"/9j/(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def shown_misfit(block: Record) -> str:
    """Check the pictures and rectangles of a `SHOWN`: what does not fit, or ""."""
    width, height = block["full_width"], block["full_height"]
    if len(block["pictures"]) > MOST_SHOWN:
        return f"must have at most {MOST_SHOWN} pictures next to each other, not {len(block['pictures'])}"
    if len(block["boxes"]) > MOST_BOXES:
        return f"must have at most {MOST_BOXES} rectangles, not {len(block['boxes'])}"
    for side in ("width", "height", "full_width", "full_height"):
        if not 1 <= block[side] <= LONGEST_SIDE:
            return f"must have a {side} of 1 to {LONGEST_SIDE} pixels, not {block[side]}"
    for box in block["boxes"]:
        x, y, w, h = (box[name] for name in ("x", "y", "width", "height"))
        if not (w >= 1 <= h and 0 <= x <= width - w and 0 <= y <= height - h):
            return f"has a rectangle {box['name']!r:.40} of {w}x{h} at {x},{y}, outside the frame of {width}x{height}"
    return ""


def heat_misfit(heat: Record) -> str:
    """Check the grid and the frames of a `HEAT`: what does not fit, or ""."""
    columns, rows, frames, worst = heat["columns"], heat["rows"], len(heat["frames"]), heat["worst"]
    if not (1 <= columns <= MOST_COLUMNS and 1 <= rows <= MOST_ROWS):
        return f"must have a grid of 1x1 to {MOST_COLUMNS}x{MOST_ROWS} tiles, not {columns}x{rows}"
    most = min(MOST_FRAMES, MOST_VALUES // (columns * rows))
    if not 1 <= frames <= most:
        return f"must have 1 to {most} frames with a grid of {columns}x{rows} tiles, not {frames}"
    for index, frame in enumerate(heat["frames"]):
        if len(frame["values"]) != columns * rows:
            return f"must have {columns}x{rows} values in frames[{index}], not {len(frame['values'])}"
    if heat["high"] - heat["low"] < 0.1:
        return f"must have a high at least 0.1 above its low, not colours from {heat['low']:g} to {heat['high']:g}"
    if not 1 <= len(set(worst)) == len(worst) <= MOST_WORST or not all(0 <= index < frames for index in worst):
        return f"must name 1 to {MOST_WORST} different indexes of its {frames} frames as worst, not {worst!r:.80}"
    if not all(1 <= heat[side] <= LONGEST_SIDE for side in ("width", "height")):
        return f"must have frames of 1 to {LONGEST_SIDE} pixels each way, not {heat['width']}x{heat['height']}"
    if others := {picture["index"] for picture in heat.get("pictures") or ()} - set(worst):
        return f"has a picture of frames[{min(others)}], which is not one of its worst"
    return ""


def is_scored(measurement: Record) -> bool:
    """Whether a measurement has scores of the picture."""
    return measurement.get("neg") is not None


def _keys(names: str, shape: Any) -> RecordDict:
    """The same shape for several keys, separated by spaces."""
    return dict.fromkeys(names.split(), shape)


RATE = Text(re.compile(r"[1-9][0-9]{0,18}(/[1-9][0-9]{0,18})?"))
#: A gate that was checked. After an error it has only its name, limit and origin. An expectation that is not a number
#: has its words in `text`, for example "codec is hevc, not h264"; its limit is 1, and its value 1 or 0.
GATE = {
    "name": str,
    "limit": float,
    "origin": str,
    **_keys("metric pool", Optional(str)),
    "bound": Optional(OneOf(("min", "max"))),
    **_keys("value margin", Optional(float)),
    "passed": Optional(bool),
    "text": Optional(str),
}
#: A worst frame in small, for the list of tests.
THUMBNAIL = {"frame": int, **_keys("width height", int), **_keys("reference distorted", Text(JPEG))}
#: A worst frame as pictures (JPEG, base64). `difference` is the absolute RGB difference times `amplified`.
PICTURE = {
    "frame": int,
    "time": Optional(float),
    "metric": str,
    "value": float,
    **_keys("width height full_width full_height amplified", int),
    **_keys("reference distorted difference", Text(JPEG)),
    "thumbnail": Optional(THUMBNAIL),
}
#: Pictures of `width` and `height` next to each other, with rectangles in pixels of the full frame.
SHOWN = {
    "pictures": [{"caption": str, "jpeg": Text(JPEG)}],
    **_keys("width height full_width full_height", int),
    "boxes": [{"name": str, **_keys("x y width height", int)}],
}
#: Values of a grid of tiles over time, row by row, None for a tile without one. Colours go from `low` (bad) to `high`.
#: `width` and `height` are the frame's. `worst` contains indexes of `frames`, the worst first. `pictures` lie under
#: the tiles of some of these.
HEAT = {
    **_keys("columns rows width height", int),
    "metric": str,
    **_keys("low high", float),
    "frames": [{"frame": int, "time": Optional(float), "values": [Optional(float)]}],
    "worst": [int],
    "pictures": Optional([{"index": int, "jpeg": Text(JPEG)}]),
}
#: The metric of the failed gate that stands for a baseline that does not exist.
NO_BASELINE = "entries of the baseline"
#: The beginning of the metric of a gate on the change since a baseline.
DROP, RISE = "drop of ", "rise of "
#: The end of the metric of a gate whose numbers are percentages of the baseline.
IN_PERCENT = " in %"
#: A line of a chart. `marked` are indexes of points with large dots, `worse` those of them that are drawn as bad.
LINE = {
    "name": str,
    "points": [(float, float)],
    **_keys("marked worse", Optional([int])),
    "style": Optional(OneOf(LINE_STYLES)),
}
#: A block of a section: a paragraph, a table, a chart of lines over a common axis, pictures, or a heat map. `folded`
#: blocks are shown on a click. `names` are names of places of a horizontal axis, such as commits. `links` has for each
#: row of a table an address, which may be anything, or "".
BLOCK = {
    "kind": OneOf(("text", "table", "chart", "shown", "heat")),
    **_keys("text caption x y left_out", Optional(str)),
    "folded": Optional(bool),
    "columns": Optional([str]),
    "rows": Optional([[str]]),
    "links": Optional([str]),
    "names": Optional([(float, str)]),
    "lines": Optional([LINE]),
    "levels": Optional([{"name": str, "value": float}]),
    "shown": Optional(Fitting(SHOWN, shown_misfit)),
    "heat": Optional(Fitting(HEAT, heat_misfit)),
}
SECTION = {"title": str, "blocks": [BLOCK]}
#: What a metric of a plugin states about itself. `version` is "" for one that states none.
METRIC = {
    **_keys("label unit version", str),
    "higher_is_better": bool,
    **_keys("low high", Optional(float)),
}
#: How the numbers were measured. `command` repeats the measurement and `filters` prepared the frames. `starts` are the
#: first scored frames of the reference and the distorted clip. `cached` is when an earlier run measured this (ISO
#: 8601). `encoder` is what the distorted file names as its encoder, `size` the bytes of its video stream. `metrics` are
#: those of plugins, whose values are in `features`.
PROVENANCE = {
    **_keys("pytest_vmaf model neg_model generation clip scorer scorer_version ffmpeg ffmpeg_path libvmaf", str),
    **_keys("pix_fmt matrix color_range command", str),
    **_keys("threads frames width height", int),
    **_keys("phone fake", bool),
    "notes": [str],
    "filters": {"reference": str, "distorted": str},
    "starts": Optional([int]),
    **_keys("cached encoder", Optional(str)),
    "size": Optional(int),
    "seconds": Optional(float),
    "metrics": Optional(Each(METRIC)),
}
#: The packets and headers of an encode's video stream. `peak_bitrate` is that of the window of `window` seconds that
#: begins at `peak_time` with the most bits, `keyframe_distance` is in frames, `changes` counts headers that differ from
#: the one before, and `digest` is the SHA-256 of the packets.
STREAM = {
    **_keys("codec profile level tier pix_fmt color_range matrix primaries transfer digest", str),
    **_keys("width height frames packets size keyframe_distance changes", int),
    "closed_gops": bool,
    "window": float,
    "frame_rate": Optional(RATE),
    **_keys("bitrate peak_bitrate peak_time", Optional(float)),
}
#: What several encodes with the same settings have in common: their packets (`bitstream`), the scores of their frames
#: (`quality`), or neither. The standard errors are those of the means; the bitrate is in bit/s.
REPEATS = {
    "encoder": str,
    "crf": float,
    "mode": Optional(OneOf(("bitrate", "2pass"))),
    "encodes": int,
    "verdict": OneOf(("bitstream", "quality", "noisy")),
    "neg": Optional(_keys("mean standard_error", float)),
    "bitrate": _keys("mean standard_error", float),
}
#: One measurement of a test. An "error" has no scores, and neither has a measurement of something else than the
#: picture, such as an encoder's speed; `about` describes that one in a sentence. `would_fail` is true for one that
#: failed in report-only mode, which did not fail its test. `first_frame` is the number of frame 0 in the
#: reference, where that is not 0.
MEASUREMENT = {
    "schema": int,
    "status": OneOf(("passed", "failed", "error")),
    **_keys("reference distorted", str),
    "started": float,
    **_keys("subtest error left_out about", Optional(str)),
    "gates": [GATE],
    **_keys("gated every_gate would_fail", Optional(bool)),
    **_keys("vmaf neg gap", Optional(float)),
    **_keys("above_100 frames first_frame", Optional(int)),
    **_keys("features signs", Optional(Each(float))),
    "frame_rate": Optional(RATE),
    "pools": Optional(Each(Each(float))),
    "series": Optional({"frames_per_bucket": int, "worst": Each([float])}),
    "histogram": Optional({"low": float, "high": float, "vmaf": [int], "neg": [int]}),
    "above": Optional({"limit": float, "past_limit": int, "buckets": [int], "worst": [[float]]}),
    "worst": Optional([{"metric": str, "frame": int, "value": float}]),
    "windows": Optional([{"metric": str, "first": int, "frames": int}]),
    "pictures": Optional([PICTURE]),
    "thumbnail": Optional(THUMBNAIL),
    "repeats": Optional(REPEATS),
    "provenance": Optional(PROVENANCE),
    "stream": Optional(STREAM),
}
#: One run of a test. `would_fail` has the messages of the gates that failed in report-only mode; without it, they would
#: have failed the test.
ATTEMPT = {
    "status": OneOf(STATUSES),
    **_keys("message worker", str),
    "duration": float,
    "measurements": [MEASUREMENT],
    "would_fail": Optional([str]),
}
#: One test. Its last attempt counts; `earlier` contains those before it. `run` is an index of `runs`.
TEST = {
    **ATTEMPT,
    "run": int,
    "id": str,
    "file": Optional(str),
    "line": Optional(int),
    "earlier": [ATTEMPT],
    "sections": [SECTION],
}
#: One pytest run. `exit` is its exit code. `planned` counts all tests, not only the plugin's; `ran` counts those that
#: began, `not_collected` the files with errors. `branch`, `commit`, `build` (its name) and `url` are from the
#: environment of a CI job; `url` may be anything. `report_only` says where report-only mode is switched on, if it is.
RUN = {
    "name": str,
    "ended": OneOf(("finished", "interrupted", "internal error")),
    "why": str,
    **_keys("command created python platform pytest pytest_vmaf", str),
    "duration": float,
    "gates": [str],
    **_keys("exit planned ran not_collected", int),
    **_keys("title branch commit build url report_only", Optional(str)),
}
DOCUMENT = {
    "kind": OneOf((KIND,)),
    "schema": int,
    "minor": Optional(int),
    "runs": [RUN],
    "tests": [TEST],
    "sections": [SECTION],
    "left_out": [str],
}
#: The shape of a whole report as data, for other programs that read it.
REPORT_SCHEMA = DOCUMENT
