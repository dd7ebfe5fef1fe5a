"""Charts as SVG: lines, limits, dots, tables, histograms, and charts of sections."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings, strategies as st
from markupsafe import Markup
from scoring.builders import a_result

from pytest_vmaf.gates.gate import judge, parse_gate
from pytest_vmaf.report import charts, section_charts as plots
from pytest_vmaf.report.record import measurement_record
from report.builders import HOSTILE, a_measurement

SVG = "{http://www.w3.org/2000/svg}"
PATH = re.compile(r"[MmLlHhVvZz0-9. +\-]*")
HIDDEN = 9

values = st.floats(-20, 140, allow_nan=False)
series = st.lists(st.tuples(values, values), min_size=1, max_size=200)


def parsed(chart: Markup) -> ElementTree.Element:
    """The chart as a tree, with what holds for every chart."""
    assert isinstance(chart, Markup)
    root = ElementTree.fromstring(str(chart).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    known = {"svg", "g", "path", "polyline", "circle", "rect", "text", "title"}
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in known
        assert not [name for name in element.attrib if name == "style" or name.startswith("on") or "href" in name]
        assert PATH.fullmatch(element.get("d", ""))
        for name in ("x", "y", "width", "height", "cx", "cy", "r"):
            assert math.isfinite(float(element.get(name, "0")))
        numbers = re.split("[ ,]", element.get("points", "") or element.get("viewBox", "") or "0")
        assert all(math.isfinite(float(number)) for number in numbers)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    return root


def of_class(root: ElementTree.Element, *names: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if set(names) <= set(element.get("class", "").split())]


def unit_of(root: ElementTree.Element) -> int:
    return int(root.get("data-unit", ""))


def read_back(root: ElementTree.Element, name: str) -> list[float]:
    """The values that the one line of this class shows, by SVG's rules: `M-9 y h9 l dx dy … h9 V H z`."""
    [line] = of_class(root, name)
    path, top = line.get("d", ""), float(root.get("data-top", ""))
    drawn = re.fullmatch(r"M-9 (-?\d+)h9l(.*)h9V-?\d+H-9z", path)
    assert drawn
    steps = [int(number) for number in re.findall(r"-?\d+", drawn[2].replace("+", " "))]
    assert steps[0::2] == [1] * (len(steps) // 2)
    heights = [int(drawn[1])]
    for step in steps[1::2]:
        heights.append(heights[-1] + step)
    return [top - height / unit_of(root) for height in heights]


def a_record(pairs: list[tuple[float, float]], above: tuple[int, ...] = (), **gates: float) -> dict[str, Any]:
    """A measurement with these frames of default and NEG."""
    lifted = tuple((frame, 103.0, 100.0) for frame in above)
    result = a_result(tuple(vmaf for vmaf, _ in pairs), tuple(neg for _, neg in pairs), above=lifted)
    return measurement_record(result, judge(result, [parse_gate(name, limit, "call") for name, limit in gates.items()]))


@settings(max_examples=25, deadline=None)
@given(series)
def test_score_lines(pairs: list[tuple[float, float]]) -> None:
    record = a_record(pairs)
    root = parsed(charts.score_chart(record))
    for name in ("vmaf", "neg"):
        shown = read_back(root, name)
        wanted = record["series"]["worst"][name]
        # A clip of one frame is a level line.
        wanted = wanted * 2 if len(wanted) == 1 else wanted
        assert shown == pytest.approx(wanted, abs=0.0501)
    gap = parsed(charts.metric_chart(record, "gap"))
    assert read_back(gap, "other")[: len(pairs)] == pytest.approx(record["series"]["worst"]["gap"], abs=0.0501)


def test_score_lines_of_buckets() -> None:
    # The lowest of both alone would lie on one another: 50 and 50, in neighbouring frames.
    record = a_record([(50, 48), (90, 50)] * 200)
    assert record["series"]["frames_per_bucket"] == 2
    root = parsed(charts.score_chart(record))
    assert read_back(root, "neg") == [48.0] * 200
    assert read_back(root, "vmaf") == [88.0] * 200


@settings(max_examples=25, deadline=None)
@given(series)
def test_axis_range(pairs: list[tuple[float, float]]) -> None:
    root = parsed(charts.score_chart(a_record(pairs, min_neg=50, min_vmaf=99)))
    [plot] = root.findall(f"{SVG}svg")
    x, y, width, height = map(int, plot.get("viewBox", "").split())
    assert (x, y) == (0, 0)
    assert width == max(len(pairs) - 1, 1)
    top = float(root.get("data-top", ""))
    for name in ("vmaf", "neg"):
        assert all(0 <= (top - value) * charts.UNIT <= height + 1e-6 for value in read_back(root, name))
        [line] = of_class(root, name)
        # The area is closed below the plot, where nobody sees its edge.
        assert int(re.findall(r"V(-?\d+)", line.get("d", ""))[0]) > height + HIDDEN
    for limit in of_class(root, "limit"):
        assert 0 <= int(re.findall(r"-?\d+", limit.get("d", ""))[1]) <= height


def test_limits() -> None:
    record = a_record([(95, 93), (96, 91)], min_neg=99, max_vmaf=98.5, min_neg_stdev=50, max_gap=3)
    root = parsed(charts.score_chart(record))
    limits = of_class(root, "limit")
    assert [limit.get("class") for limit in limits] == ["limit bad", "limit"]
    top = float(root.get("data-top", ""))
    heights = [int(re.findall(r"-?\d+", limit.get("d", ""))[1]) for limit in limits]
    assert [top - height / charts.UNIT for height in heights] == [99.0, 98.5]
    words = [text.text for text in of_class(root, "k")]
    assert words == ["min_neg 99", "max_vmaf 98.5"]
    gap = parsed(charts.metric_chart(record, "gap"))
    assert [text.text for text in of_class(gap, "k")] == ["max_gap 3"]
    assert [limit.get("class") for limit in of_class(gap, "limit")] == ["limit bad"]


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 99)))
def test_frames_above_100(frames: set[int]) -> None:
    root = parsed(charts.score_chart(a_record([(99, 90)] * 100, above=tuple(sorted(frames)))))
    marked: set[int] = set()
    for path in of_class(root, "above"):
        for start, length in re.findall(r"M(\d+) \d+h(\d+)", path.get("d", "")):
            stretch = set(range(int(start), int(start) + int(length)))
            assert not stretch & marked
            marked |= stretch
    assert marked == frames
    assert ("above 100 and above the reference's own score" in root.get("aria-label", "")) is bool(frames)


def test_worst_frames_as_dots() -> None:
    record = a_record([(95, 93), (95, 80.25), (95, 92), (95, 94)], min_neg=99)
    root = parsed(charts.score_chart(record))
    top = float(root.get("data-top", ""))
    dots = of_class(root, "dot")
    places = [list(map(int, re.findall(r"-?\d+", dot.get("d", "")))) for dot in dots]
    assert [x for x, _, _ in places] == [1, 2, 0]
    assert [top - y / charts.UNIT for _, y, _ in places] == pytest.approx([80.25, 92.0, 93.0], abs=0.0501)
    assert dots[0].findtext(f"{SVG}title") == "frame 1 (0:00.040): 80.25"
    assert len(of_class(parsed(charts.score_chart(record, 1)), "dot")) == 1


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([(95.0, 93.0)], id="one frame"),
        pytest.param([(100.0, 100.0)] * 50, id="constant"),
        pytest.param([(0.0, 0.0)] * 2, id="zero"),
        pytest.param([(140.0, -20.0), (-20.0, 140.0)], id="far apart"),
    ],
)
def test_extreme_clips(pairs: list[tuple[float, float]]) -> None:
    record = a_record(pairs, min_neg=99.9)
    for chart in (charts.score_chart(record), charts.metric_chart(record, "gap")):
        ticks = [float(text.text or "") for group in of_class(parsed(chart), "e") for text in group if text.text]
        assert len(ticks) >= 2 or len(of_class(parsed(chart), "e")) > 2
    parsed(plots.histogram(record["histogram"], "said"))


def test_huge_values() -> None:
    record = measurement_record(a_result((95.0,) * 3, (93.0,) * 3, psnr_y=(0.1,) * 3), [])
    record["series"]["worst"]["psnr_y"] = [1e9, -1e9, 0.0]
    root = parsed(charts.metric_chart(record, "psnr_y"))
    assert read_back(root, "other") == pytest.approx([1e9, -1e9, 0.0], abs=0.1)


@pytest.mark.parametrize("frames", [[0.9, 0.95, 0.93], [0.991, 0.992, 0.9915], [0.5, 0.5, 0.5], [0.0, 0.002, 0.001]])
def test_small_values(frames: list[float]) -> None:
    result = a_result((95.0,) * 3, (93.0,) * 3, float_ssim=tuple(frames))
    record = measurement_record(result, judge(result, [parse_gate("min_float_ssim", 0.995, "call")]))
    root = parsed(charts.metric_chart(record, "float_ssim"))
    span = max(*frames, 0.995) - min(*frames, 0.995)
    assert read_back(root, "other") == pytest.approx(record["series"]["worst"]["float_ssim"], abs=span / 40)
    [plot] = root.findall(f"{SVG}svg")
    # The values and the limit take a good part of the height.
    height = int(plot.get("viewBox", "").split()[3])
    assert height / unit_of(root) < 12 * span


def test_hostile_names() -> None:
    record = a_record([(95, 93), (95, 80)], above=(1,), min_neg=99)
    for gate in record["gates"]:
        gate["name"] = HOSTILE
    record["series"]["worst"][HOSTILE] = [1.0, 2.0]
    root = parsed(charts.score_chart(record))
    assert [text.text for text in of_class(root, "k")] == [f"{HOSTILE} 99"]
    metric = parsed(charts.metric_chart(record, HOSTILE))
    assert metric.get("aria-label", "").startswith(f"{HOSTILE} per frame")
    assert parsed(plots.histogram(record["histogram"], HOSTILE)).get("aria-label") == HOSTILE
    block = {
        "x": HOSTILE,
        "y": HOSTILE,
        "lines": [{"name": HOSTILE, "points": [[1.0, 2.0]], "marked": [0]}],
        "levels": [{"name": HOSTILE, "value": 1.0}],
    }
    shown = list(parsed(plots.xy_chart(block)).itertext())
    assert f"{HOSTILE}: {HOSTILE} 1, {HOSTILE} 2" in shown
    assert shown.count(HOSTILE) == 2


def test_histogram() -> None:
    counts = {"low": 80.0, "high": 100.0, "vmaf": [0, 4, 4, 1], "neg": [8, 0, 0, 0]}
    root = parsed(plots.histogram(counts, "said"))
    for name in ("vmaf", "neg"):
        [path] = of_class(root, name)
        steps = re.findall(r"V(\d+)h(\d+)", path.get("d", ""))
        heights = [int(height) for height, length in steps for _ in range(int(length))]
        assert heights == [100 - round(count / 8 * 96) for count in counts[name]]
    assert [text.text for text in root.iter(f"{SVG}text")] == ["8", "80", "100"]


numbers = st.floats(-1e15, 1e15) | st.floats(-5, 5) | st.sampled_from([0.0, 1e15, -1e15, 1e-300, 5e-324, 1 + 2**-52])
points = st.lists(st.tuples(numbers, numbers).map(list), max_size=8)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
lines = st.fixed_dictionaries({"name": names, "points": points, "marked": st.none() | st.lists(st.integers(-2, 9))})
levels = st.fixed_dictionaries({"name": names, "value": numbers})


@settings(max_examples=25, deadline=None)
@given(st.none() | st.lists(lines, max_size=8), st.none() | st.lists(levels, max_size=3), names, names)
def test_xy_chart_range(drawn: list[dict[str, Any]] | None, named: list[dict[str, Any]] | None, x: str, y: str) -> None:
    root = parsed(plots.xy_chart({"x": x, "y": y, "lines": drawn, "levels": named}))
    with_points = [line for line in drawn or () if line["points"]]
    assert len(of_class(root, "xy")) == len(with_points)
    assert len(list(root.iter(f"{SVG}circle"))) == sum(len(line["points"]) for line in with_points)
    for across, down in places(root):
        assert charts.LEFT - 0.1 <= across <= charts.LEFT + charts.PLOT_WIDTH + 0.1
        assert charts.TOP - 0.1 <= down <= charts.TOP + charts.PLOT_HEIGHT + 0.1


def places(root: ElementTree.Element) -> Iterator[tuple[float, float]]:
    for line in root.iter(f"{SVG}polyline"):
        for point in line.get("points", "").split():
            across, _, down = point.partition(",")
            yield float(across), float(down)
    for circle in root.iter(f"{SVG}circle"):
        yield float(circle.get("cx", "")), float(circle.get("cy", ""))


def test_xy_chart_points() -> None:
    line = {"name": "x264", "points": [[0.0, 10.0], [5.0, 20.0], [20.0, 30.0]], "marked": [1]}
    root = parsed(plots.xy_chart({"x": "kbit/s", "y": "NEG", "lines": [line], "levels": []}))
    (x0, y0), (x1, y1), (x2, y2) = list(places(root))[3:]
    assert (x2 - x0) / (x1 - x0) == pytest.approx(4, abs=0.01)
    assert (y0 - y1) == pytest.approx(y1 - y2, abs=0.11)
    assert y0 > y2
    radii = [float(circle.get("r", "")) for circle in root.iter(f"{SVG}circle")]
    assert radii[1] > radii[0] == radii[2]


def test_dots_and_curves() -> None:
    places_of = [[0.0, 1.0], [4.0, 5.0]]
    drawn = [{"name": f"c{number}", "points": places_of, "marked": None, "style": "dots"} for number in range(5)]
    curve = {"name": HOSTILE, "points": places_of, "marked": None, "style": "curve"}
    root = parsed(plots.xy_chart({"x": "VMAF", "y": "mos", "lines": [*drawn, curve], "levels": None}))
    [line] = root.iter(f"{SVG}polyline")
    assert line.get("class") == "limit"
    # Every fourth is a circle.
    assert [circle.get("class") for circle in root.iter(f"{SVG}circle")] == ["l0", "l0", "l4", "l4"]
    assert [sign.get("class") for sign in of_class(root, "sign")] == [f"sign l{n}" for n in (1, 1, 2, 2, 3, 3)]
    assert [plots.sign(number) for number in range(5)] == ["●", "■", "▲", "◆", "●"]
    [rect] = of_class(root, "plot")
    bottom = charts.TOP + float(rect.get("height", ""))
    assert bottom == charts.TOP + 2 * charts.PLOT_HEIGHT
    assert all(charts.TOP <= down <= bottom for _, down in places(root))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=500), st.integers(1, 20))
@example([(95.0, 93.0)] * 401, 12)
def test_series_rows(pairs: list[tuple[float, float]], most: int) -> None:
    record = {**a_record(pairs), "frame_rate": None}
    rows = charts.series_rows(record, most)
    assert 1 <= len(rows) <= most
    stretches = [tuple(map(int, when.split("–"))) for when, *_ in rows]
    assert stretches[0][0] == 0
    assert stretches[-1][1] == len(pairs) - 1
    assert all(after[0] == before[1] + 1 for before, after in pairwise(stretches))
    for (first, last), (_, neg, vmaf, gap) in zip(stretches, rows, strict=True):
        own = pairs[first : last + 1]
        assert float(neg) == pytest.approx(min(n for _, n in own), abs=0.006)
        assert float(vmaf) == pytest.approx(min(v for v, _ in own), abs=0.006)
        assert float(gap) == pytest.approx(max(v - n for v, n in own), abs=0.006)


def test_time_codes() -> None:
    record = a_measurement([95.0] * 50, [93.0] * 50)
    assert charts.series_rows(record, 2)[1][0] == "0:01.000–0:01.960"
    texts = [text.text for text in parsed(charts.score_chart(record)).findall(f"{SVG}text")]
    assert texts[-2:] == ["frame 0 (0:00.000)", "frame 49 (0:01.960)"]


def test_gap_of_buckets() -> None:
    # Three of four frames are enhanced; the lowest scores of both models come from the fourth.
    vmaf = [90.0 if frame % 4 == 0 else 106.0 for frame in range(2000)]
    neg = [89.9 if frame % 4 == 0 else 95.0 for frame in range(2000)]
    chart = str(charts.score_chart(a_measurement(vmaf, neg, max_gap=3)))
    tops = [float(y) for y in re.findall(r'<path class="(?:vmaf|neg)" d="M-9 (-?\d+)h9', chart)]
    assert tops[1] - tops[0] == pytest.approx(11 * charts.UNIT)
    assert 'class="top"' in chart


def test_fine_axis() -> None:
    ssim = [0.94 + 0.001 * (frame % 7) for frame in range(50)]
    made = a_measurement([95.0] * 50, [93.0] * 50, columns={"float_ssim": ssim}, min_float_ssim=0.95)
    chart = str(charts.metric_chart(made, "float_ssim"))
    assert float(re.findall(r'data-unit="(\d+)"', chart)[0]) >= 1000
    assert float(re.findall(r'data-top="([\d.]+)"', chart)[0]) < 1


def test_worst_window() -> None:
    measurement = {**a_measurement(), "windows": [{"metric": "neg", "first": 0, "frames": 2}]}
    [column] = of_class(parsed(charts.score_chart(measurement)), "window")
    assert column.get("d", "").startswith("M0 0h1V")
    assert column[0].text
    assert not of_class(parsed(charts.metric_chart(measurement, "gap")), "window")


@pytest.mark.parametrize(
    ("tick", "text"),
    [(700_000.0, "700k"), (3_250_000.0, "3.25M"), (12e9, "12G"), (-45_500.0, "-45.5k"), (2000.0, "2000"), (0.5, "0.5")],
)
def test_tick_text(tick: float, text: str) -> None:
    """Numbers fit into the margin of the axis."""
    assert plots.tick_text(tick) == text
