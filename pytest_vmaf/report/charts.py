"""Charts over frames, as SVG markup without scripts. Colours come from classes, so the markup contains no styles.

A plot is a nested `<svg>` element in units of frames (or buckets) and fractions of a point, by default tenths. It is
small to write and exact to its unit, and a script that zooms or reads values needs no other data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from markupsafe import Markup

from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report.schema import Record
from pytest_vmaf.report.wording import moment, seconds_of
from pytest_vmaf.text import time_code

WIDTH, HEIGHT = 960, 230
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 40, 8, 912, 192
#: The background and border of a plot.
BACKGROUND = Markup(f'<rect class="plot" x="{LEFT}" y="{TOP}" width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}"/>')  # noqa: S704
#: Plot units in one point of a score.
UNIT = 10


@dataclass(frozen=True)
class Axis:
    """The vertical axis of a plot.

    Attributes:
        low: The value at the bottom.
        high: The value at the top.
        unit: Plot units per 1 of the value.
    """

    low: float
    high: float
    unit: int

    def down(self, value: float) -> int:
        """The distance of a value from the top, in plot units."""
        return round((self.high - value) * self.unit)

    def y(self, value: float) -> int:
        """The vertical position of a value in the chart."""
        return round(TOP + (self.high - value) / (self.high - self.low) * PLOT_HEIGHT)


def score_chart(measurement: Record, most_dots: int = 3) -> Markup:
    """Draw default VMAF and NEG per frame (unclipped), the gap between them shaded, with limits and worst frames.

    A point that stands for several frames shows their lowest NEG, and their largest gap above it. The lowest scores of
    both models would come from different frames and hide the enhancement gain.
    """
    series, above = measurement["series"], measurement["above"]
    neg, upper = series["worst"]["neg"], series["worst"]["vmaf"]
    if series["frames_per_bucket"] > 1:
        upper = [a + b for a, b in zip(neg, series["worst"]["gap"], strict=True)]
    limits = _limits(measurement, ("vmaf", "neg"))
    top = [above["limit"]] if above["buckets"] else []
    axis = _axis([*upper, *neg, *(gate["limit"] for gate in limits), *top], UNIT)
    # NEG's area covers the default's except for the gap.
    parts = [_line("vmaf", upper, axis), _line("neg", neg, axis), *_windows(measurement, ("vmaf", "neg"), axis)]
    if axis.high > above["limit"] > axis.low:
        parts.append(_level("top", above["limit"], axis, len(neg)))
    parts += _limit_lines(limits, axis, len(neg))
    if above["buckets"]:
        # At the top of the plot, independent of the axis.
        runs = "".join(f"M{start} {UNIT}h{length}" for start, length in _runs(above["buckets"]))
        parts.append(Markup('<path class="above" d="{}"/>').format(runs))
    parts.append(_dots(measurement, "neg", axis, most_dots))
    return _plot(measurement, parts, axis, limits, _describe(measurement))


def metric_chart(measurement: Record, metric: str) -> Markup:
    """Draw one metric per frame, the gap or a feature, with its limits and worst frames."""
    values = measurement["series"]["worst"][metric]
    limits = _limits(measurement, (metric,))
    numbers = [*values, *(gate["limit"] for gate in limits)]
    axis = _axis(numbers, _unit(max(numbers) - min(numbers)))
    parts = [_line("other", values, axis), *_windows(measurement, (metric,), axis)]
    parts += [*_limit_lines(limits, axis, len(values)), _dots(measurement, metric, axis)]
    description = f"{label(metric)} per frame: from {min(values):.6g} to {max(values):.6g}."
    return _plot(measurement, parts, axis, limits, description)


def series_rows(measurement: Record, rows: int) -> list[tuple[str, ...]]:
    """The chart as a table of at most `rows`: when, lowest NEG, lowest VMAF and largest gap of a part of the clip."""
    worst, size = measurement["series"]["worst"], measurement["series"]["frames_per_bucket"]
    count = len(worst["neg"])
    step = math.ceil(count / rows)
    table = []
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        frames = (start * size, min(part.stop * size, measurement["frames"]) - 1)
        times = [seconds_of(measurement, frame) for frame in frames]
        when = "–".join(str(f) if t is None else time_code(t) for f, t in zip(frames, times, strict=True))
        lows = (f"{min(worst[name][part]):.2f}" for name in ("neg", "vmaf"))
        table.append((when, *lows, f"{max(worst['gap'][part]):.2f}"))
    return table


def _plot(
    measurement: Record, parts: Sequence[Markup], axis: Axis, limits: Sequence[Record], description: str
) -> Markup:
    text = Markup('<text x="{}" y="{}"{}>{}</text>')
    end, right, bottom = Markup(' class="e"'), LEFT + PLOT_WIDTH, HEIGHT - 14
    ticks_text = [text.format(LEFT - 6, axis.y(tick) + 4, "", f"{tick:g}") for tick in ticks(axis.low, axis.high)]
    names = [(axis.y(gate["limit"]) - 3, f"{gate['name']} {gate['limit']:g}") for gate in limits]
    labels = [
        Markup('<g class="e">{}</g>').format(Markup("").join(ticks_text)),
        # At the left, where a phone begins to show the chart.
        *(text.format(LEFT + 4, y, Markup(' class="k"'), name) for y, name in names),
        text.format(LEFT, bottom, "", moment(measurement, 0)),
        text.format(right, bottom, end, moment(measurement, measurement["frames"] - 1)),
    ]
    count = len(next(iter(measurement["series"]["worst"].values())))
    return Markup(
        '<svg class="chart series" viewBox="0 0 {} {}" role="img" aria-label="{}" data-top="{:.12g}" data-unit="{}" '
        'data-size="{}" data-rate="{}">{}<svg x="{}" y="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none">{}</svg>{}</svg>'
    ).format(
        *(WIDTH, HEIGHT, description, axis.high, axis.unit),
        *(measurement["series"]["frames_per_bucket"], measurement.get("frame_rate") or "", BACKGROUND),
        *(LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT, max(count - 1, 1), axis.down(axis.low)),
        *(Markup("").join(parts), Markup("").join(labels)),
    )


def _line(name: str, values: Sequence[float], axis: Axis) -> Markup:
    """A line with the area under it. It begins and ends outside of the plot, so that only its upper edge is visible."""
    heights = [axis.down(value) for value in values]
    if len(heights) == 1:
        heights *= 2
    steps = "".join(f" 1{b - a:+d}" if b < a else f" 1 {b - a}" for a, b in pairwise(heights))
    bottom = axis.down(axis.low) + 99
    return Markup('<path class="{}" d="M-9 {}h9l{}h9V{}H-9z"/>').format(name, heights[0], steps.lstrip(), bottom)


def _windows(measurement: Record, metrics: Sequence[str], axis: Axis) -> list[Markup]:
    """The worst parts that gates are on, as columns over the whole height."""
    size, bottom = measurement["series"]["frames_per_bucket"], axis.down(axis.low)
    column = Markup('<path class="window" d="M{} 0h{}V{}h-{}z"><title>{}</title></path>')
    parts = []
    for row in measurement.get("windows") or ():
        if row["metric"] in metrics:
            first, last = row["first"], row["first"] + row["frames"] - 1
            width = max(last // size - first // size, 1)
            title = f"{moment(measurement, first)} to {moment(measurement, last)}"
            parts.append(column.format(first // size, width, bottom, width, title))
    return parts


def _level(name: str, value: float, axis: Axis, count: int) -> Markup:
    return Markup('<path class="{}" d="M-9 {}h{}"/>').format(name, axis.down(value), count + 18)


def _dots(measurement: Record, metric: str, axis: Axis, most: int = 3) -> Markup:
    size = measurement["series"]["frames_per_bucket"]
    rows = [(row["frame"], row["value"]) for row in measurement["worst"] or () if row["metric"] == metric]
    # A line without length but with round ends stays a dot, however the plot is stretched.
    dot = Markup('<path class="dot" d="M{} {}h0"><title>{}: {:.6g}</title></path>')
    return Markup("").join(
        dot.format(frame // size, axis.down(max(value, axis.low)), moment(measurement, frame), value)
        for frame, value in rows[:most]
    )


def _limits(measurement: Record, metrics: Sequence[str]) -> list[Record]:
    """The gates whose limits are horizontal lines in the chart of these metrics."""
    return [each for each in measurement["gates"] if each.get("metric") in metrics and each["pool"] != "stdev"]


def _limit_lines(gates: Sequence[Record], axis: Axis, count: int) -> list[Markup]:
    return [_level("limit" if gate["passed"] else "limit bad", gate["limit"], axis, count) for gate in gates]


def _describe(measurement: Record) -> str:
    pools, above = measurement["pools"], measurement["above_100"]
    lowest = next((worst for worst in measurement["worst"] or () if worst["metric"] == "neg"), None)
    where = f" in {moment(measurement, lowest['frame'])}" if lowest else ""
    lifted = f" {above} frames are above 100 and above the reference's own score." if above else ""
    return (
        f"Scores per frame, {measurement['frames']} frames. NEG: mean {pools['neg']['mean']:.2f}, lowest "
        f"{pools['neg']['min']:.2f}{where}. Default VMAF: mean {pools['vmaf']['mean']:.2f}. Gap: mean "
        f"{pools['gap']['mean']:.2f}.{lifted}"
    )


def _unit(span: float) -> int:
    """Plot units for a metric of this span, about a hundred over its curve: SSIM needs more than tenths."""
    return next((unit for unit in (10, 100, 1000, 10_000) if span * unit >= 50), 100_000)


def _axis(values: Iterable[float], unit: int) -> Axis:
    values, step = list(values), 50 / unit
    low = math.floor((min(values) - step / 10) / step) * step
    high = math.ceil((max(values) + step / 10) / step) * step
    return Axis(round(low, 6), round(max(high, low + 2 * step), 6), unit)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Choose about this many round values between both ends."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * factor for factor in (1, 2, 5) if power * factor >= rough), power * 10)
    first = math.ceil(low / step)
    return [float(f"{number * step:.12g}") for number in range(first, math.floor(high / step) + 1)]


def _runs(buckets: Sequence[int]) -> list[tuple[int, int]]:
    """Consecutive buckets as pairs of the first and their count."""
    runs = [list(run) for _, run in groupby(enumerate(buckets), key=lambda pair: pair[1] - pair[0])]
    return [(run[0][1], len(run)) for run in runs]
