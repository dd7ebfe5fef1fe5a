"""What metrics say about encoders: a table and a chart of the BD-rate in each, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section
from pytest_vmaf.report.wording import AGREEMENT
from pytest_vmaf.search.metric import metric_label

if TYPE_CHECKING:
    from pytest_vmaf.search.agreement import Agreement

COLUMNS = ("encoder", "metric", "BD-rate", "95 % interval", "noise", "says", "counts")


def agreement_sections(agreements: Sequence[Agreement]) -> list[Section]:
    """The verdict on each encoder, a table of BD-rates, lowest first, and a chart of them.

    None if only one metric counts: it has its BD-rates in the table of the comparison.
    """
    if all(len(each.judges) < 2 for each in agreements):
        return []
    caption = (
        f"BD-rate against {agreements[0].anchor} in each metric, lowest first. Negative means less bitrate. "
        "Neither means that the difference is noise. The verdict considers only the metrics that count."
    )
    rows = [row for each in agreements for row in _rows(each)]
    verdicts = [Paragraph(f"{each.verdict[:1].upper()}{each.verdict[1:]}.") for each in agreements]
    unknown = [Paragraph(f"{metric}: {why}") for each in agreements for metric, why in each.unknown.items()]
    blocks: list[Paragraph | DataTable | Chart] = [
        *verdicts,
        DataTable(COLUMNS, rows, caption),
        *unknown,
        *_chart(agreements),
    ]
    return [Section(AGREEMENT, blocks)]


def _rows(agreement: Agreement) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for metric, rate in agreement.items():
        spread = "–" if rate.interval is None else "{:+.1f} to {:+.1f}".format(*rate.interval)
        judges = "yes" if metric in agreement.judges else "no"
        numbers = (f"{rate:+.2f} %", spread, f"{agreement.margin(metric):.1f} %")
        rows.append((agreement.encoder, metric_label(metric), *numbers, agreement.opinion(metric), judges))
    for metric in agreement.unknown:
        judges = "yes" if metric in agreement.judges else "no"
        rows.append((agreement.encoder, metric_label(metric), "–", "–", "–", "unknown", judges))
    return rows


def _chart(agreements: Sequence[Agreement]) -> list[Chart]:
    """One row for each metric, in the order of the first encoder, and a dot for each encoder's BD-rate."""
    order = list(dict.fromkeys(metric for each in agreements for metric in each))
    if not order:
        return []
    heights = {metric: float(len(order) - number) for number, metric in enumerate(order)}
    lines = []
    for each in agreements:
        points = [(float(each[metric]), heights[metric]) for metric in order if metric in each]
        lines.append(Line(each.encoder, points, style="dots"))
    zero = Line("no difference", [(0.0, 0.5), (0.0, len(order) + 0.5)], style="curve")
    levels = [(metric_label(metric), height) for metric, height in heights.items()]
    caption = "Left of 0, an encoder needs less bitrate than the anchor for the same quality by this metric."
    return [Chart("BD-rate, %", "metric", [*(line for line in lines if line.points), zero], levels, caption)]
