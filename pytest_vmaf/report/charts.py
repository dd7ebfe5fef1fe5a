"""Charts over frames as SVG, drawn here and not in the browser. Colours come from classes; no style is in the markup.

Plots are nested <svg> elements whose own units are frames (or buckets) and tenths of a point: small to write, exact to
a tenth, and a script that zooms or reads values needs no other data. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report.wording import moment, seconds_of, time_code

WIDTH, HEIGHT = 960, 230
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 40, 8, 912, 192
#: Plot units in one point of a score.
UNIT = 10


@dataclass(frozen=True)
class Axis:
    """The plot's vertical axis from ``high`` down to ``low``, in whole units of 1 / ``unit``."""

    low: float
    high: float
    unit: int

    def down(self, value: float) -> int:
        """How far below the top a value lies, in the plot's units."""
        return round((self.high - value) * self.unit)

    def y(self, value: float) -> int:
        """The same on the page."""
        return round(TOP + (self.high - value) / (self.high - self.low) * PLOT_HEIGHT)


def score_chart(measurement: Mapping[str, Any], most_dots: int = 3) -> Markup:
    """Default VMAF and NEG per frame (unclipped), the gap between them shaded, with limits and worst frames.

    Where a point stands for several frames, the lowest NEG and the largest gap upon it: the lowest scores of both would
    come from different frames, and hide what enhancement adds.
    """
    series, above = measurement["series"], measurement["above"]
    worst = series["worst"]
    neg, upper = worst["neg"], worst["vmaf"]
    if series["frames_per_bucket"] > 1:
        upper = [a + b for a, b in zip(neg, worst["gap"], strict=True)]
    limits = _limits(measurement, ("vmaf", "neg"))
    shown = [*upper, *neg, *(value for value, *_ in limits), *([above["limit"]] if above["buckets"] else [])]
    axis = _axis(shown, UNIT)
    parts = [
        # NEG's area covers the default's, so what stays to be seen of it is the gap; two paths instead of three.
        _line("vmaf", upper, axis),
        _line("neg", neg, axis),
    ]
    if axis.high > above["limit"] > axis.low:
        parts.append(_level("top", above["limit"], axis, len(neg)))
    parts += [_level("limit bad" if bad else "limit", value, axis, len(neg)) for value, _, bad in limits]
    if above["buckets"]:
        # At a height of its own: the top of the plot.
        runs = "".join(f"M{start} {UNIT}h{length}" for start, length in _runs(above["buckets"]))
        parts.append(Markup('<path class="above" d="{}"/>').format(runs))
    parts.append(_dots(measurement, "neg", axis, most_dots))
    return _plot(measurement, parts, axis, limits, _describe(measurement))


def metric_chart(measurement: Mapping[str, Any], metric: str) -> Markup:
    """One metric per frame with its limits and worst frames: the gap, or a feature."""
    values = measurement["series"]["worst"][metric]
    limits = _limits(measurement, (metric,))
    shown = [*values, *(value for value, *_ in limits)]
    axis = _axis(shown, _unit(max(shown) - min(shown)))
    parts = [_line("other", values, axis)]
    parts += [_level("limit bad" if bad else "limit", value, axis, len(values)) for value, _, bad in limits]
    parts.append(_dots(measurement, metric, axis))
    said = f"{label(metric)} per frame: from {min(values):.6g} to {max(values):.6g}."
    return _plot(measurement, parts, axis, limits, said)


def series_rows(measurement: Mapping[str, Any], rows: int) -> list[tuple[str, str, str, str]]:
    """The chart as a table: for each stretch of the clip its lowest NEG and VMAF and its largest gap."""
    series = measurement["series"]
    worst, size = series["worst"], series["frames_per_bucket"]
    count = len(worst["neg"])
    step = math.ceil(count / rows)
    table = []
    for start in range(0, count, step):
        end = min(start + step, count)
        stretch = [start * size, min(end * size, measurement["frames"]) - 1]
        times = [seconds_of(measurement, frame) for frame in stretch]
        when = "–".join(str(f) if t is None else time_code(t) for f, t in zip(stretch, times, strict=True))
        table.append(
            (
                when,
                f"{min(worst['neg'][start:end]):.2f}",
                f"{min(worst['vmaf'][start:end]):.2f}",
                f"{max(worst['gap'][start:end]):.2f}",
            )
        )
    return table


def _plot(
    measurement: Mapping[str, Any],
    parts: Sequence[Markup],
    axis: Axis,
    limits: Sequence[tuple[float, str, bool]],
    said: str,
) -> Markup:
    count = len(next(iter(measurement["series"]["worst"].values())))
    size, rate = measurement["series"]["frames_per_bucket"], measurement.get("frame_rate") or ""
    labels: list[Markup] = []
    for tick in ticks(axis.low, axis.high):
        labels.append(Markup('<text x="{}" y="{}">{:g}</text>').format(LEFT - 6, axis.y(tick) + 4, tick))
    labels = [Markup('<g class="e">{}</g>').format(Markup("").join(labels))]
    for value, name, _ in limits:
        y = axis.y(value) - 3
        labels.append(Markup('<text x="{}" y="{}" class="e k">{}</text>').format(LEFT + PLOT_WIDTH - 4, y, name))
    first, last = _end_labels(measurement)
    labels.append(Markup('<text x="{}" y="{}">{}</text>').format(LEFT, HEIGHT - 14, first))
    labels.append(Markup('<text x="{}" y="{}" class="e">{}</text>').format(LEFT + PLOT_WIDTH, HEIGHT - 14, last))
    return Markup(
        '<svg class="chart series" viewBox="0 0 {} {}" role="img" aria-label="{}" data-top="{:.12g}" data-unit="{}" '
        'data-size="{}" data-rate="{}">{}<svg x="{}" y="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none">{}</svg>{}</svg>'
    ).format(
        WIDTH,
        HEIGHT,
        said,
        axis.high,
        axis.unit,
        size,
        rate,
        frame(),
        LEFT,
        TOP,
        PLOT_WIDTH,
        PLOT_HEIGHT,
        max(count - 1, 1),
        axis.down(axis.low),
        Markup("").join(parts),
        Markup("").join(labels),
    )


def frame() -> Markup:
    """The plot's background and border."""
    return Markup('<rect class="plot" x="{}" y="{}" width="{}" height="{}"/>').format(
        LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT
    )


def _end_labels(measurement: Mapping[str, Any]) -> tuple[str, str]:
    last = measurement["frames"] - 1
    return moment(measurement, 0), moment(measurement, last)


def _line(name: str, values: Sequence[float], axis: Axis) -> Markup:
    """A line with the area under it. It begins and ends outside of the plot, so that only its upper edge is seen."""
    heights = [axis.down(value) for value in values]
    if len(heights) == 1:
        heights *= 2
    steps = "".join(f" 1{b - a:+d}" if b < a else f" 1 {b - a}" for a, b in pairwise(heights))
    bottom = axis.down(axis.low) + 99
    return Markup('<path class="{}" d="M-9 {}h9l{}h9V{}H-9z"/>').format(name, heights[0], steps.lstrip(), bottom)


def _level(name: str, value: float, axis: Axis, count: int) -> Markup:
    return Markup('<path class="{}" d="M-9 {}h{}"/>').format(name, axis.down(value), count + 18)


def _dots(measurement: Mapping[str, Any], metric: str, axis: Axis, most: int = 3) -> Markup:
    size = measurement["series"]["frames_per_bucket"]
    frames = [worst for worst in measurement["worst"] or () if worst["metric"] == metric]
    return Markup("").join(
        # A line of no length with round ends stays a dot however the plot is stretched.
        Markup('<path class="dot" d="M{} {}h0"><title>{}</title></path>').format(
            worst["frame"] // size,
            axis.down(max(worst["value"], axis.low)),
            f"{moment(measurement, worst['frame'])}: {worst['value']:.6g}",
        )
        for worst in frames[:most]
    )


def _limits(measurement: Mapping[str, Any], metrics: Sequence[str]) -> list[tuple[float, str, bool]]:
    return [
        (gate["limit"], f"{gate['name']} {gate['limit']:g}", not gate["passed"])
        for gate in measurement["gates"]
        if gate.get("metric") in metrics and gate["pool"] != "stdev"
    ]


def _describe(measurement: Mapping[str, Any]) -> str:
    pools = measurement["pools"]
    lowest = next((worst for worst in measurement["worst"] or () if worst["metric"] == "neg"), None)
    where = f" in {moment(measurement, lowest['frame'])}" if lowest else ""
    above = measurement["above_100"]
    lifted = f" {above} frames are above 100 and above the reference's own score." if above else ""
    return (
        f"Scores per frame, {measurement['frames']} frames. NEG: mean {pools['neg']['mean']:.2f}, lowest "
        f"{pools['neg']['min']:.2f}{where}. Default VMAF: mean {pools['vmaf']['mean']:.2f}. Gap: mean "
        f"{pools['gap']['mean']:.2f}.{lifted}"
    )


def _unit(span: float) -> int:
    """Units for a metric of this span, so that its curve has some hundred of them: SSIM has no tenths of a point."""
    return next((unit for unit in (10, 100, 1000, 10_000) if span * unit >= 50), 100_000)


def _axis(values: Iterable[float], unit: int) -> Axis:
    values, step = list(values), 50 / unit
    low = math.floor((min(values) - step / 10) / step) * step
    high = math.ceil((max(values) + step / 10) / step) * step
    return Axis(round(low, 6), round(max(high, low + 2 * step), 6), unit)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between both ends, about as many as asked."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * factor for factor in (1, 2, 5) if power * factor >= rough), power * 10)
    first = math.ceil(low / step)
    return [float(f"{number * step:.12g}") for number in range(first, math.floor(high / step) + 1)]


def _runs(buckets: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for bucket in buckets:
        if runs and sum(runs[-1]) == bucket:
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((bucket, 1))
    return runs
