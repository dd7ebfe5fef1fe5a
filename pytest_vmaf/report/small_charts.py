"""Small drawings of the first screen, as SVG: the bar of outcomes, a dot for each test, and a line for each row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from pytest_vmaf.report.charts import ticks
from pytest_vmaf.report.schema import Record
from pytest_vmaf.report.series import coarsen
from pytest_vmaf.text import plural

#: The points of the line in a row.
POINTS = 40
#: The smallest span of such a line in points of a score, so that noise looks small.
SPAN = 5.0
#: The size of the plot of all tests, and the distance between dots.
WIDTH, HEIGHT, EDGE, STEP = 480, 64, 14, 6


def bar(counts: Mapping[str, int], description: str) -> Markup:
    """Draw how many tests have each outcome. What did not pass is taller, so it shows without colours."""
    parts, left = [], 0
    for status in ("failed", "error", "xfailed", "skipped", "passed"):
        if number := counts.get(status, 0):
            tall = status in ("failed", "error")
            rect = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
            parts.append(rect.format(status, left, 0 if tall else 3, number, 10 if tall else 7))
            left += number
    return Markup(
        '<svg class="bar" viewBox="0 0 {} 10" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(max(left, 1), description, Markup("").join(parts))


def dots(scores: Sequence[tuple[float, bool]]) -> Markup:
    """Draw each test at its NEG: a dot if it passed, a cross if it failed. Equal scores are on top of each other.

    Args:
        scores: NEG, and whether the test failed.
    """
    values = [neg for neg, _ in scores]
    low = math.floor(min(values) / 5) * 5
    high = max(math.ceil(max(values) / 5) * 5, low + 5)
    places = [
        (EDGE + (neg - low) / (high - low) * (WIDTH - 2 * EDGE), bad) for neg, bad in sorted(scores, key=lambda s: s[1])
    ]
    columns = Counter(round(x / STEP) for x, _ in places)
    up = min(float(STEP), (HEIGHT - 28) / max(columns.values()))
    filled: Counter[int] = Counter()
    paths = {False: "", True: ""}
    for x, bad in places:
        column = round(x / STEP)
        y = HEIGHT - 20 - filled[column] * up
        filled[column] += 1
        paths[bad] += f"M{column * STEP - 3} {y - 3:g}l6 6m0-6l-6 6" if bad else f"M{column * STEP} {y:g}h0"
    names = Markup("").join(
        Markup('<text x="{:g}" y="{}" class="m">{:g}</text>').format(
            EDGE + (tick - low) / (high - low) * (WIDTH - 2 * EDGE), HEIGHT - 2, tick
        )
        for tick in ticks(low, high)
    )
    failed = sum(bad for _, bad in scores)
    description = f"NEG of {plural(len(scores), 'test')}, from {min(values):.2f} to {max(values):.2f}; {failed} failed."
    return Markup(
        '<svg class="chart dots" viewBox="0 0 {} {}" role="img" aria-label="{}"><path class="top" d="M0 {}h{}"/>'
        '<path class="good" d="{}"/><path class="worse" d="{}"/>{}</svg>'
    ).format(WIDTH, HEIGHT, description, HEIGHT - 14, WIDTH, paths[False], paths[True], names)


def spark(measurement: Record) -> Markup:
    """Draw NEG per frame in a few pixels, with the limit on its mean; each point is the worst of its frames."""
    neg = coarsen(measurement, POINTS)["series"]["worst"]["neg"]
    limits = [gate["limit"] for gate in measurement["gates"] if (gate["metric"], gate["bound"]) == ("neg", "min")][:1]
    low, high = min([*neg, *limits]), max([*neg, *limits])
    high = max(high, low + SPAN)
    heights = [round((high - value) / (high - low) * 90) + 5 for value in neg]
    if len(heights) == 1:
        heights *= 2
    steps = "".join(f" 1{b - a:+d}" if b < a else f" 1 {b - a}" for a, b in pairwise(heights)).lstrip()
    last = len(heights) - 1
    levels = [
        Markup('<path class="limit" d="M0 {}h{}"/>').format(round((high - y) / (high - low) * 90) + 5, last)
        for y in limits
    ]
    return Markup(
        '<svg class="spark" viewBox="0 0 {} 100" preserveAspectRatio="none" aria-hidden="true">{}'
        '<path d="M0 {}l{}"/></svg>'
    ).format(last, Markup("").join(levels), heights[0], steps)
