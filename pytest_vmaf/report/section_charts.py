"""SVG drawings other than charts over frames: histograms, and the charts of sections."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from pytest_vmaf.report.charts import HEIGHT, LEFT, PLOT_HEIGHT, PLOT_WIDTH, TOP, WIDTH, ticks
from pytest_vmaf.report.schema import Record
from pytest_vmaf.report.wording import clean, cut

#: The height of a plot with lines of dots, which are the points of a plane and not a course.
TALL = 2 * PLOT_HEIGHT
#: The signs of dots, as paths around their centre: square, triangle and diamond. Every fourth is a circle.
SIGNS = {1: "m-2.6 -2.6h5.2v5.2h-5.2z", 2: "m0 -3.4l3.4 6h-6.8z", 3: "m0 -3.8l3.6 3.8-3.6 3.8-3.6-3.8z"}
#: The same in a legend.
LEGEND = "●■▲◆"
#: The space that the name of a level takes in a chart. Longer names overlap their neighbours.
NAME_WIDTH, NAME_HEIGHT = 70, 12
#: Names below a chart. There is room for as many commits.
MOST_PLACES = 8


def histogram(counts: Record, description: str) -> Markup:
    """Draw how often each score occurs: default VMAF and NEG over common bins, with the tallest count."""
    tallest = max(*counts["vmaf"], *counts["neg"], 1)
    shapes = Markup("").join(
        Markup('<path class="{}" d="M0 100{}V100z"/>').format(name, _steps(counts[name], tallest))
        for name in ("vmaf", "neg")
    )
    return Markup(
        '<svg class="chart hist" viewBox="0 0 240 110" role="img" aria-label="{}">'
        '<svg x="4" y="4" width="232" height="90" viewBox="0 0 {} 100" preserveAspectRatio="none">{}</svg>'
        '<text x="6" y="12">{}</text><text x="4" y="107">{:g}</text><text x="236" y="107" class="e">{:g}</text></svg>'
    ).format(description, len(counts["neg"]), shapes, tallest, counts["low"], counts["high"])


def _steps(counts: Sequence[int], tallest: int) -> str:
    heights = [100 - round(count / tallest * 96) for count in counts]
    return "".join(f"V{height}h{len(list(equal))}" for height, equal in groupby(heights))


def xy_chart(block: Record) -> Markup:
    """Draw the chart of a section: lines over a common axis, with dots at each point, and named levels."""
    # Templates clean what they print. These names go into the chart here.
    x_name, y_name = clean(block["x"] or ""), clean(block["y"] or "")
    lines = [{**line, "name": clean(line["name"])} for line in block["lines"] or () if line["points"]]
    xs = [point[0] for line in lines for point in line["points"]] or [0.0, 1.0]
    levels = sorted(block["levels"] or (), key=lambda level: -level["value"])
    ys = [point[1] for line in lines for point in line["points"]] + [level["value"] for level in levels] or [0.0, 1.0]
    (x0, x1), (y0, y1) = _padded(xs), _padded(ys)
    plot = TALL if any(line.get("style") == "dots" for line in lines) else PLOT_HEIGHT
    height = HEIGHT - PLOT_HEIGHT + plot

    def at(x: float, y: float) -> tuple[float, float]:
        return (round(LEFT + (x - x0) / (x1 - x0) * PLOT_WIDTH, 1), round(TOP + (y1 - y) / (y1 - y0) * plot, 1))

    parts = []
    text = Markup('<text x="{}" y="{}" class="{}">{}</text>')
    names: list[float] = []
    named = _named(block)
    for level in levels:
        _, y = at(x0, level["value"])
        parts.append(Markup('<path class="limit" d="M{} {}h{}"/>').format(LEFT, y, PLOT_WIDTH))
        # A name that would cover another one moves to its left.
        column = next((number for number, last in enumerate(names) if y - last >= NAME_HEIGHT), len(names))
        names[column : column + 1] = [y]
        parts.append(text.format(LEFT + PLOT_WIDTH - column * NAME_WIDTH, y - 3, "e", clean(level["name"])))
    for number, line in enumerate(lines):
        places = [at(*point) for point in line["points"]]
        titles = [f"{line['name']}: {x_name} {named.get(x, f'{x:g}')}, {y_name} {y:.8g}" for x, y in line["points"]]
        parts += _marks(line, number, places, titles)
    parts += [text.format(LEFT - 6, at(x0, tick)[1] + 4, "e", tick_text(tick)) for tick in ticks(y0, y1)]
    parts += [text.format(at(x, y0)[0], height - 14, "m", name) for x, name in _places(block, x0, x1)]
    parts.append(text.format(LEFT + PLOT_WIDTH, height - 2, "e", x_name))
    description = f"{y_name} over {x_name}: {', '.join(line['name'] for line in lines)}."
    rect = Markup('<rect class="plot" x="{}" y="{}" width="{}" height="{}"/>').format(LEFT, TOP, PLOT_WIDTH, plot)
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
        WIDTH, height, description, rect, Markup("").join(parts)
    )


def tick_text(tick: float) -> str:
    """A number of the vertical axis, short enough for its margin: 700k for 700,000."""
    for power, suffix in ((9, "G"), (6, "M"), (3, "k")):
        if abs(tick) >= 10 ** max(power, 4):
            return f"{tick / 10**power:.8g}{suffix}"
    return f"{tick:.8g}"


def sign(number: int) -> str:
    """The sign of a line's dots in a legend."""
    return LEGEND[number % len(LEGEND)]


def place_name(block: Record, x: float) -> str:
    """The name of a place of the horizontal axis; its number if it has none."""
    return _named(block).get(x, f"{x:g}")


def shown_points(line: Record) -> list[Record]:
    """The points of a line that its table lists: of a course the marked ones, with those before them, and both ends."""
    points: list[Record] = line["points"]
    if line.get("style") != "course":
        return points
    indexes = {0, len(points) - 1, *(near for index in line["marked"] or () for near in (index - 1, index))}
    return [point for index, point in enumerate(points) if index in indexes]


def _named(block: Record) -> dict[float, str]:
    return {x: clean(name) for x, name in block.get("names") or ()}


def _places(block: Record, low: float, high: float) -> list[tuple[float, str]]:
    """The places that the horizontal axis names."""
    names = sorted(_named(block).items())
    if not names:
        return [(tick, f"{tick:g}") for tick in ticks(low, high)]
    chosen = [names[0]]
    for place in names[1:]:
        if place[0] - chosen[-1][0] >= (high - low) / MOST_PLACES:
            chosen.append(place)
        elif place is names[-1]:
            # The last one matters most.
            chosen[-1] = place
    return [(x, cut(name, 16)) for x, name in chosen]


def _marks(line: Record, number: int, places: Sequence[tuple[float, float]], titles: Sequence[str]) -> list[Markup]:
    """A line and its dots, each with a title."""
    colour, style = f"l{number % 6}", line.get("style") or "line"
    parts = []
    if style != "dots":
        path, kind = " ".join(f"{x},{y}" for x, y in places), "limit" if style == "curve" else f"xy {colour}"
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(kind, path))
    marked, worse = set(line["marked"] or ()), set(line.get("worse") or ())
    shape = SIGNS.get(number % len(LEGEND)) if style == "dots" else None
    for index, (x, y) in enumerate(places if style != "curve" else ()):
        if style == "course" and index not in marked:
            continue
        if shape is not None:
            dot = Markup('<path class="sign {}" d="M{} {}{}"><title>{}</title></path>')
            parts.append(dot.format(colour, x, y, shape, titles[index]))
        else:
            dot = Markup('<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>')
            name = f"{colour} bad" if index in worse else colour
            parts.append(dot.format(name, x, y, 5 if index in marked else 2.5, titles[index]))
    return parts


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * 0.04 or abs(high) * 0.04 or 1.0
    return low - pad, high + pad
