"""What is drawn but charts over frames: how often scores occur, a section's lines, and its rectangles. SVG, pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from pytest_vmaf.report.charts import HEIGHT, LEFT, PLOT_HEIGHT, PLOT_WIDTH, TOP, WIDTH, frame, ticks
from pytest_vmaf.report.wording import clean

#: What the name of a level takes of a chart; longer ones run into their neighbours.
NAME_WIDTH, NAME_HEIGHT = 70, 12


def histogram(counts: Mapping[str, Any], said: str) -> Markup:
    """How often each score occurs: default and NEG as two outlines over common bins."""
    tallest = max(*counts["vmaf"], *counts["neg"], 1)
    bins = len(counts["neg"])
    shapes = Markup("").join(
        Markup('<path class="{}" d="M0 100{}V100z"/>').format(name, _steps(counts[name], tallest))
        for name in ("vmaf", "neg")
    )
    return Markup(
        '<svg class="chart hist" viewBox="0 0 240 110" role="img" aria-label="{}">'
        '<svg x="4" y="4" width="232" height="90" viewBox="0 0 {} 100" preserveAspectRatio="none">{}</svg>'
        '<text x="4" y="107">{:g}</text><text x="236" y="107" class="e">{:g}</text></svg>'
    ).format(said, bins, shapes, counts["low"], counts["high"])


def _steps(counts: Sequence[int], tallest: int) -> str:
    heights = [100 - round(count / tallest * 96) for count in counts]
    return "".join(f"V{height}h{len(list(equal))}" for height, equal in groupby(heights))


def xy_chart(block: Mapping[str, Any]) -> Markup:
    """A section's chart: lines over a common axis, with dots at each point and named levels."""
    # What comes from templates is cleaned there; names of plugins go into the chart here.
    x_name, y_name = clean(block["x"] or ""), clean(block["y"] or "")
    lines = [{**line, "name": clean(line["name"])} for line in block["lines"] or () if line["points"]]
    xs = [point[0] for line in lines for point in line["points"]] or [0.0, 1.0]
    levels = block["levels"] or ()
    ys = [point[1] for line in lines for point in line["points"]] + [level["value"] for level in levels] or [0.0, 1.0]
    (x0, x1), (y0, y1) = _wide(xs), _wide(ys)

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + (x - x0) / (x1 - x0) * PLOT_WIDTH, 1),
            round(TOP + (y1 - y) / (y1 - y0) * PLOT_HEIGHT, 1),
        )

    parts = []
    names: list[float] = []
    for level in sorted(levels, key=lambda level: -level["value"]):
        _, y = at(x0, level["value"])
        parts.append(Markup('<path class="limit" d="M{} {}h{}"/>').format(LEFT, y, PLOT_WIDTH))
        # A name that would stand upon another one goes to the left of it.
        column = next((number for number, last in enumerate(names) if y - last >= NAME_HEIGHT), len(names))
        names[column : column + 1] = [y]
        parts.append(
            Markup('<text x="{}" y="{}" class="e">{}</text>').format(
                LEFT + PLOT_WIDTH - column * NAME_WIDTH, y - 3, clean(level["name"])
            )
        )
    for number, line in enumerate(lines):
        points = [at(*point) for point in line["points"]]
        colour = f"l{number % 6}"
        parts.append(
            Markup('<polyline class="xy {}" points="{}"/>').format(colour, " ".join(f"{x},{y}" for x, y in points))
        )
        marked = set(line["marked"] or ())
        for index, (x, y) in enumerate(points):
            title = f"{line['name']}: {x_name} {line['points'][index][0]:g}, {y_name} {line['points'][index][1]:g}"
            radius = 5 if index in marked else 2.5
            parts.append(
                Markup('<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
                    colour, x, y, radius, title
                )
            )
    for tick in ticks(y0, y1):
        parts.append(Markup('<text x="{}" y="{}" class="e">{:g}</text>').format(LEFT - 6, at(x0, tick)[1] + 4, tick))
    for tick in ticks(x0, x1):
        parts.append(Markup('<text x="{}" y="{}" class="m">{:g}</text>').format(at(tick, y0)[0], HEIGHT - 14, tick))
    said = f"{y_name} over {x_name}: {', '.join(line['name'] for line in lines)}."
    axis = Markup('<text x="{}" y="{}" class="e">{}</text>').format(LEFT + PLOT_WIDTH, HEIGHT - 2, x_name)
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        WIDTH, HEIGHT, said, frame(), Markup("").join(parts), axis
    )


def _wide(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * 0.04 or abs(high) * 0.04 or 1.0
    return low - pad, high + pad


def boxes(shown: Mapping[str, Any]) -> Markup:
    """The rectangles of a `schema.SHOWN`, to lie over a picture of any size: their place is in percent of it."""
    width, height = shown["full_width"], shown["full_height"]
    parts = []
    for number, box in enumerate(shown["boxes"]):
        x, y, w, h = (
            f"{box[side] / whole * 100:.6g}%"
            for side, whole in (("x", width), ("y", height), ("width", width), ("height", height))
        )
        # A name begins where its rectangle does, or ends where it ends, so that it has the larger half of the picture.
        left = 2 * box["x"] + box["width"] <= width
        at = x if left else f"{(box['x'] + box['width']) / width * 100:.6g}%"
        parts.append(
            Markup(
                '<rect class="under" x="{0}" y="{1}" width="{2}" height="{3}"/>'
                '<rect class="b{4}" x="{0}" y="{1}" width="{2}" height="{3}"/>'
                '<text class="{5}" x="{6}" y="{1}" dx="{7}" dy="15">{8}</text>'
            ).format(x, y, w, h, number % 6, "" if left else "e", at, 5 if left else -5, clean(box["name"]))
        )
    return Markup('<svg aria-hidden="true">{}</svg>').format(Markup("").join(parts))


def boxed(shown: Mapping[str, Any]) -> Sequence[str]:
    """The rectangles in words."""
    return [f"{box['name']} {box['width']}x{box['height']} at {box['x']},{box['y']}" for box in shown["boxes"]]
