"""Results and searches as HTML for notebooks: the charts and tables of the report, each in a frame of its own."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from pytest_vmaf.html_views import register

if TYPE_CHECKING:
    from pytest_vmaf.correlation.correlation import Correlation
    from pytest_vmaf.report.sections import Section
    from pytest_vmaf.roi.quality_map import QualityMap
    from pytest_vmaf.scoring.result import Result
    from pytest_vmaf.search.benchmark import Benchmark
    from pytest_vmaf.search.bisection import Bisection
    from pytest_vmaf.search.comparison import Comparison
    from pytest_vmaf.search.ladder import Ladder
    from pytest_vmaf.search.per_shot import PerShot

# Modules that draw are imported when something is drawn: every script imports this one.


def register_views() -> None:
    """Give results and searches their HTML."""
    register(Result=_result, QualityMap=_quality_map)
    register(Bisection=_bisection, Comparison=_comparison, Ladder=_ladder, PerShot=_per_shot)
    register(Correlation=_correlation, Benchmark=_benchmark)


def _result(result: Result) -> str:
    from pytest_vmaf.report.charts import score_chart
    from pytest_vmaf.report.record import measurement_record
    from pytest_vmaf.report.wording import clean

    scores = f"NEG {result.neg:.2f}, VMAF {result.vmaf:.2f}, gap {result.gap:.2f}"
    title = f"<p><strong>{scores}</strong> {escape(clean(result.context.distorted))}</p>"
    return _frame(title + str(score_chart(measurement_record(result, ()))), 280)


def _quality_map(quality: QualityMap) -> str:
    from pytest_vmaf.media.clip import Clip
    from pytest_vmaf.report.part_sections import map_section

    clips = Clip(quality.context.reference), Clip(quality.context.distorted)
    return _sections([map_section(quality, clips, 0)])


def _bisection(bisection: Bisection) -> str:
    from pytest_vmaf.report.search_sections import bisect_section

    return _sections([bisect_section(bisection)])


def _comparison(comparison: Comparison) -> str:
    from pytest_vmaf.report.search_sections import compare_sections

    return _sections(compare_sections(comparison))


def _ladder(ladder: Ladder) -> str:
    from pytest_vmaf.report.search_sections import ladder_section

    return _sections([ladder_section(ladder)])


def _per_shot(per_shot: PerShot) -> str:
    from pytest_vmaf.report.search_sections import per_shot_section

    return _sections([per_shot_section(per_shot)])


def _benchmark(benchmark: Benchmark) -> str:
    from pytest_vmaf.report.benchmark_section import benchmark_section

    return _sections([benchmark_section(benchmark)])


def _correlation(correlation: Correlation) -> str:
    from pytest_vmaf.report.correlation_sections import correlation_sections

    return _sections(correlation_sections(correlation))


def _sections(sections: list[Section]) -> str:
    from pytest_vmaf.report.section_charts import xy_chart
    from pytest_vmaf.report.wording import clean

    parts = []
    for section in sections:
        record = section.to_record()
        parts.append(f"<h3>{escape(clean(record['title']))}</h3>")
        for block in record["blocks"]:
            if block["kind"] == "text":
                parts.append(f"<p>{escape(clean(block['text']))}</p>")
            elif block["kind"] == "chart":
                lines = [{"marked": None, "style": None, **line} for line in block["lines"]]
                parts.append(str(xy_chart({**block, "lines": lines})))
            elif block["kind"] == "table":
                rows = [
                    f"<tr>{''.join(f'<{tag}>{escape(clean(cell))}</{tag}>' for cell in row)}</tr>"
                    for tag, row in [("th", block["columns"]), *(("td", row) for row in block["rows"])]
                ]
                parts.append(f"<table>{''.join(rows)}</table>")
    return _frame("".join(parts), 520)


def _frame(body: str, height: int) -> str:
    """A page with the report's style that cannot change the notebook's, nor run scripts."""
    style = files("pytest_vmaf.templates").joinpath("style.css").read_text(encoding="utf-8")
    page = f'<!doctype html><meta charset="utf-8"><style>{style}</style><main>{body}</main>'
    return (
        f'<iframe srcdoc="{escape(page)}" sandbox style="width: 100%; height: {height}px; border: 0" '
        'title="pytest-vmaf"></iframe>'
    )
