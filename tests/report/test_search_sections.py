"""Sections of bisections, comparisons, ladders and per-shot encodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from pytest_vmaf import FakeScorer, Vmaf
from pytest_vmaf.encoding.encode import TrialEncode
from pytest_vmaf.encoding.encoders import ENCODERS
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.media.shots import Shot
from pytest_vmaf.report import html, markdown, schema
from pytest_vmaf.report.agreement_section import agreement_sections
from pytest_vmaf.report.search_sections import (
    SOURCES,
    bisect_section,
    compare_sections,
    ladder_section,
    per_shot_section,
)
from pytest_vmaf.report.sections import Section
from pytest_vmaf.report.wording import AGREEMENT
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.agreement import Agreement
from pytest_vmaf.search.bisection import Answer, Bisection
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.ladder import Ladder, Rung, convex_hull
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.per_shot import PerShot, ShotAnswer
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.search.speed import Speed, SpeedRound
from report.builders import HOSTILE, a_document, a_test

NEG = Metric("neg")

SPEED = Speed(27, 250, (SpeedRound(1.0, None, 0.25),))


@cache
def a_result(neg: float, vmaf: float) -> Result:
    return Vmaf(scorer=FakeScorer(vmaf=vmaf, neg=neg, frames=4)).score("reference.mkv", "encode.mp4")


def a_probe(crf: int, neg: float, kbit: float, gap: float = 2.0) -> Probe:
    encode = TrialEncode("libx264 medium", crf, None, round(kbit * 125), 25, 1.0, None, "ffmpeg")
    return Probe(crf, neg, a_result(neg, neg + gap), encode)


def a_curve(cheaper: float = 1.0, gap: float = 2.0) -> tuple[Probe, ...]:
    """NEG 96 to 84 and half the bits every three CRFs."""
    return tuple(a_probe(18 + 3 * n, 96 - 3 * n, 4000 / cheaper / 2**n, gap) for n in range(5))


def a_bisection(
    targets: Iterable[float] = (87, 93),
    probes: Sequence[Probe] | None = None,
    reference: str = "reference.mkv",
    **changes: Any,
) -> Bisection:
    probes = a_curve() if probes is None else probes
    answers = {}
    for target in targets:
        reach = [probe for probe in probes if probe.score >= target]
        after = [probe for probe in probes if probe.score < target]
        if reach:
            answers[float(target)] = Answer(target, NEG, "met", "libx264", 99.5, reach[-1], after[0] if after else None)
        else:
            answers[float(target)] = Answer(target, NEG, "above the ceiling", "libx264", 99.5)
    made = Bisection(
        encoder=ENCODERS["libx264"],
        name="libx264 medium",
        reference=reference,
        arguments=(),
        metric=NEG,
        ceiling=99.5,
        self_score=a_result(99.5, 99.5),
        answers=answers,
        probes=tuple(probes),
    )
    return replace(made, **changes)


def a_comparison(sources: int = 1, labels: Mapping[str, Sequence[Probe]] | None = None, **changes: Any) -> Comparison:
    by_label = labels or {"plain": a_curve(), "other": a_curve(1.25, 3.0)}
    bisections = {
        f"source{number}.mkv": {
            label: a_bisection(probes=probes, reference=f"source{number}.mkv", speed=SPEED)
            for label, probes in by_label.items()
        }
        for number in range(sources)
    }
    return replace(Comparison(NEG, (87.0, 93.0), bisections), **changes)


def a_ladder(**changes: Any) -> Ladder:
    found = {(1280, 720): a_bisection(), (640, 360): a_bisection(probes=a_curve(2.0)[1:])}
    probe = a_curve()[1]
    rung = Rung((93.0,), 1280, 720, probe, "avc1.64001f", 3_000_000.0, True)
    points = [(probe.bitrate, probe.score) for each in found.values() for probe in each.probes]
    made = Ladder(
        name="libx264 medium",
        reference="reference.mkv",
        display=(1280, 720),
        frame_rate=Fraction(25),
        duration=1.0,
        metric=NEG,
        rungs=(rung,),
        hull=convex_hull(points),
        unmet={},
        bisections=found,
        ffmpeg="ffmpeg",
        segment=2.0,
    )
    return replace(made, **changes)


def a_per_shot(fixed: bool = True, **changes: Any) -> PerShot:
    shots = (
        ShotAnswer(Shot(0, 50), a_probe(24, 90.5, 900), True, "NEG 90: CRF 24", 3, 90.4, 88.0 if fixed else None),
        ShotAnswer(Shot(50, 30), a_probe(24, 89.0, 100), False, "NEG 90 cannot be reached", 2, 89.1, 95.0),
    )
    one = a_bisection([90.2]) if fixed else None
    encode = replace(shots[0].probe.encode, name="libx264 medium per shot")
    made = PerShot("libx264 medium per shot", "reference.mkv", 90.0, NEG, shots, encode, a_result(90.2, 92.2), one)
    return replace(made, **changes)


def blocks(section: Section, kind: str) -> list[dict[str, Any]]:
    return [block for block in section.to_record()["blocks"] if block["kind"] == kind]


def texts(section: Section) -> str:
    return "\n".join(block["text"] for block in blocks(section, "text"))


def shown(*sections: Section) -> str:
    test = a_test("passed", sections=[section.to_record() for section in sections])
    return "".join(html.page(a_document(test), html.Form(True, html._data)))


ALL = {
    "bisect": lambda: [bisect_section(a_bisection())],
    "bisect, unmet": lambda: [bisect_section(a_bisection([99.9]))],
    "bisect, no probes": lambda: [bisect_section(a_bisection([99.9], ()))],
    "compare": lambda: compare_sections(a_comparison()),
    "compare, one encoder": lambda: compare_sections(a_comparison(labels={"x264": a_curve()})),
    "compare, sources": lambda: compare_sections(a_comparison(3)),
    "compare, no probes": lambda: compare_sections(a_comparison(labels={"a": a_curve(), "b": ()})),
    "ladder": lambda: [ladder_section(a_ladder())],
    "ladder, unmet": lambda: [ladder_section(a_ladder(rungs=(), hull=(), unmet={99.9: "not reached"}))],
    "per shot": lambda: [per_shot_section(a_per_shot())],
    "per shot, no fixed": lambda: [per_shot_section(a_per_shot(fixed=False))],
}


@pytest.mark.parametrize("name", ALL)
def test_schema_and_page(name: str) -> None:
    made = ALL[name]()
    page = shown(*made)
    for section in made:
        record = section.to_record()
        conform(record, schema.SECTION)
        assert f">{record['title']}<" in page.replace("\n", "")
        for chart in blocks(section, "chart"):
            assert chart["lines"]
            for line in chart["lines"]:
                assert line["points"]
                assert all(0 <= index < len(line["points"]) for index in line["marked"])


# Bisections.


def test_bisection() -> None:
    section = bisect_section(a_bisection())
    (chart,) = blocks(section, "chart")
    assert chart["lines"][0]["points"] == [[18, 96], [21, 93], [24, 90], [27, 87], [30, 84]]
    assert chart["lines"][0]["marked"] == [1, 3]
    assert [(level["name"], level["value"]) for level in chart["levels"]] == [
        ("ceiling", 99.5), ("NEG 87", 87), ("NEG 93", 93),
    ]  # fmt: skip
    answers, probes = blocks(section, "table")
    assert answers["rows"][1] == ["93", "21", "93.000", "90.000", "2000.0", "250000", "met"]
    assert [row[0] for row in probes["rows"]] == ["18", "21", "24", "27", "30"]


def test_bisection_unmet() -> None:
    answers = blocks(bisect_section(a_bisection([99.9], ())), "table")[0]
    assert answers["rows"] == [["99.9", "–", "–", "–", "–", "–", "above the ceiling"]]


# Comparisons.


def test_comparison() -> None:
    pooled, of_source = compare_sections(a_comparison())
    (table,) = blocks(pooled, "table")
    plain, other = table["rows"]
    assert plain[:5] == ["plain", "anchor", "anchor", "anchor", "anchor"]
    # A curve that is cheaper by the same factor everywhere: 1/1.25.
    assert other[:3] == ["other", "-20.00 %", "–"]
    assert float(other[3]) > 0
    assert other[5].count(" %") == 2
    assert other[6:] == ["250.0", "1000.0"]
    assert of_source.title == "Rate and quality: source0.mkv"
    (chart,) = blocks(of_source, "chart")
    assert [line["name"] for line in chart["lines"]] == ["plain", "other"]
    for line in chart["lines"]:
        assert all(a[0] < b[0] for a, b in pairwise(line["points"]))
        assert [line["points"][index][1] for index in line["marked"]] == [87, 93]


def test_comparison_without_speeds() -> None:
    untimed = a_comparison()
    found = {s: {k: replace(b, speed=None) for k, b in by.items()} for s, by in untimed.bisections.items()}
    (table,) = blocks(compare_sections(replace(untimed, bisections=found))[0], "table")
    assert [row[6:] for row in table["rows"]] == [["–", "–"], ["–", "–"]]


def test_lost_wins() -> None:
    labels = {"plain": a_curve(), "sharp": a_curve(0.9, 6.0)}
    pooled = compare_sections(a_comparison(labels=labels))[0]
    assert texts(pooled) == "Wins by default VMAF that disappear under NEG: sharp over plain."
    assert texts(compare_sections(a_comparison())[0]) == ""


def test_incomparable_curves() -> None:
    labels = {"plain": a_curve(), "short": a_curve()[:2]}
    pooled = compare_sections(a_comparison(labels=labels))[0]
    (table,) = blocks(pooled, "table")
    assert table["rows"][1][1:5] == ["–", "–", "–", "–"]
    assert texts(pooled).startswith(
        "Whether wins by default VMAF disappear under NEG is unknown: plain against short on "
    )


def test_comparison_of_sources() -> None:
    by_source = {
        f"s{number}": {"plain": a_bisection(), "other": a_bisection(probes=a_curve(cheaper))}
        for number, cheaper in enumerate((1.1, 1.25, 2.0))
    }
    pooled, *of_sources = compare_sections(a_comparison(bisections=by_source))
    table, each = blocks(pooled, "table")
    assert re.fullmatch(r"-50\.0 to -9\.1", table["rows"][1][2])
    assert each["columns"] == ["source", "other"]
    assert each["rows"] == [["s0", "-9.09 %"], ["s1", "-20.00 %"], ["s2", "-50.00 %"]]
    assert len(of_sources) == 3


@pytest.mark.slow
def test_comparison_of_many_sources() -> None:
    many = compare_sections(a_comparison(60))
    assert len(many) == 1 + SOURCES
    assert f"The curves of the first {SOURCES} sources follow; 40 more are left out." in texts(many[0])
    assert len(blocks(many[0], "table")[1]["rows"]) == 60
    assert len(shown(*many)) < 1_000_000
    alone = compare_sections(a_comparison(SOURCES + 1, labels={"x264": a_curve()}))
    assert len(alone) == 1 + SOURCES
    assert "1 more are left out" in texts(alone[0])


# Ladders.


def test_ladder() -> None:
    section = ladder_section(a_ladder())
    (chart,) = blocks(section, "chart")
    assert [line["name"] for line in chart["lines"]] == ["1280x720", "640x360", "hull"]
    full, small, hull = (line["points"] for line in chart["lines"])
    assert [full[index] for index in chart["lines"][0]["marked"]] == [[2000, 93]]
    assert chart["lines"][1]["marked"] == []
    assert (len(full), len(small)) == (5, 4)
    assert all(point in [*full, *small] for point in hull)
    (table,) = blocks(section, "table")
    assert table["rows"] == [["1280x720", "21", "93", "93.000", "2000.0", "3000.0", "avc1.64001f", "yes"]]


def test_ladder_unmet() -> None:
    section = ladder_section(a_ladder(unmet={99.9: "1280x720: NEG 99.9 cannot be reached"}))
    assert "Not met: 1280x720: NEG 99.9 cannot be reached." in texts(section)


# Shots.


def test_per_shot() -> None:
    section = per_shot_section(a_per_shot())
    scores, crfs = blocks(section, "chart")
    unit = scores["x"]
    assert unit in ("s", "frame")
    assert [line["name"] for line in scores["lines"]] == ["per shot", "one CRF"]
    assert [y for _, y in scores["lines"][0]["points"]] == [90.4, 90.4, 89.1, 89.1]
    assert [y for _, y in scores["lines"][1]["points"]] == [88, 88, 95, 95]
    times = [x for x, _ in scores["lines"][0]["points"]]
    assert times[1] == times[2]
    assert times == sorted(times)
    assert [y for _, y in crfs["lines"][0]["points"]] == [24] * 4
    assert scores["levels"] == [{"name": "target 90", "value": 90}]
    (table,) = blocks(section, "table")
    assert [row[2:] for row in table["rows"]] == [
        ["24", "90.400", "88.000", "900.0", "yes"],
        ["24", "89.100", "95.000", "100.0", "NEG 90 cannot be reached"],
    ]
    assert "The worst shot has NEG 89.100, and 88.000 with one CRF." in texts(section)
    assert "at equal score, a CRF for each shot takes" in texts(section)


def test_per_shot_without_fixed() -> None:
    bare = a_per_shot(fixed=False)
    section = per_shot_section(replace(bare, shots=tuple(replace(shot, fixed_score=None) for shot in bare.shots)))
    assert [line["name"] for line in blocks(section, "chart")[0]["lines"]] == ["per shot"]
    assert "one CRF" not in texts(section)


# Agreement of metrics.


def an_agreement(label: str = "b", unknown: Mapping[str, str] | None = None, **rates: float) -> Agreement:
    known = {metric: Delta({"a.mkv": rate}, "%", "BD-rate") for metric, rate in rates.items()}
    return Agreement(label, "a", known, unknown or {}, tuple(rates))


def test_agreement() -> None:
    missing = {"psnr_y": "<b>no curve</b>"}
    agreements = (an_agreement(neg=-5.0, psnr_y=3.0), an_agreement("c", missing, neg=0.5))
    [section] = agreement_sections(agreements)
    assert section.title == AGREEMENT
    first, second, reason = blocks(section, "text")
    assert first["text"].startswith("Metrics disagree: NEG says that b is better than a (-5.0 %), psnr_y says")
    assert second["text"] == "No metric shows a difference between c and a: NEG +0.5 %."
    assert reason["text"] == "psnr_y: <b>no curve</b>"
    (table,) = blocks(section, "table")
    assert table["rows"] == [
        ["b", "NEG", "-5.00 %", "–", "1.0 %", "better", "yes"],
        ["b", "psnr_y", "+3.00 %", "–", "1.0 %", "worse", "yes"],
        ["c", "NEG", "+0.50 %", "–", "1.0 %", "neither", "yes"],
        ["c", "psnr_y", "–", "–", "–", "unknown", "no"],
    ]
    (chart,) = blocks(section, "chart")
    assert [(line["name"], line["points"], line["marked"]) for line in chart["lines"]] == [
        ("b", [[-5, 2], [3, 1]], []), ("c", [[0.5, 2]], []), ("no difference", [[0, 0.5], [0, 2.5]], []),
    ]  # fmt: skip
    assert [(level["name"], level["value"]) for level in chart["levels"]] == [("NEG", 2), ("psnr_y", 1)]
    conform(section.to_record(), schema.SECTION)
    assert "<b>no curve" not in shown(section)


def test_agreement_in_markdown() -> None:
    [section] = agreement_sections([an_agreement(f"b|{HOSTILE}", neg=-5.0, psnr_y=3.0)])
    text = markdown.markdown(a_document(a_test("passed", sections=[section.to_record()])))
    assert "<summary>Agreement of metrics</summary>" in text
    assert "Metrics disagree" in text
    assert "| -5.00 % |" in text
    assert "<script>" not in text
    assert "b&#124;" in text


def test_one_metric_needs_no_section() -> None:
    assert agreement_sections([an_agreement(neg=-5.0)]) == []
    assert agreement_sections([]) == []
    nothing = an_agreement(unknown={"neg": "no curve", "psnr_y": "no curve"})
    [section] = agreement_sections([replace(nothing, judges=("neg", "psnr_y"))])
    assert blocks(section, "chart") == []


# Hostile names.


def test_hostile_names() -> None:
    hostile = a_bisection(reference=HOSTILE, name=HOSTILE, arguments=(HOSTILE,))
    made = [
        bisect_section(hostile),
        *compare_sections(a_comparison(bisections={HOSTILE: {HOSTILE: hostile, f"b{HOSTILE}": hostile}})),
        ladder_section(a_ladder(name=HOSTILE, reference=HOSTILE, unmet={99.0: HOSTILE})),
        per_shot_section(a_per_shot(name=HOSTILE, reference=HOSTILE)),
    ]
    page = shown(*made)
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "{{ 7*7 }}" in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10
