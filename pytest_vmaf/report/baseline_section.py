"""The report section of a baseline comparison: every tolerance, and both encodes frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.baselines.entry import Entry, paired_frames
from pytest_vmaf.baselines.judge import Outcome, ToleranceVerdict, tool_differences
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section
from pytest_vmaf.report.series import frames_per_bucket, thin
from pytest_vmaf.search.equal_rate import GAIN, LOSS, EqualRateVerdict

COLUMNS = ("where", "metric", "baseline", "now", "difference", "tolerance", "verdict")

EQUAL_COLUMNS = ("where", "kbit/s", "metric", "baseline", "now", "difference", "noise", "verdict")


def baseline_section(outcome: Outcome) -> Section:
    """A table of the tolerances, and charts of NEG where the baseline and the new measurement have as many frames."""
    old, new, verdicts = outcome.old, outcome.new, outcome.verdicts
    blocks: list[Paragraph | DataTable | Chart] = []
    if verdicts:
        blocks.append(DataTable(COLUMNS, [_row(each) for each in verdicts]))
    else:
        replaced = "The new measurement becomes the baseline, so nothing was compared."
        blocks.append(Paragraph("; ".join(outcome.failed) or replaced))
    if outcome.equal_rates:
        caption = f"At the baseline's bitrates. A gain counts from {GAIN:g} % of bitrate on, a loss from {LOSS:g} %."
        rows = [row for each in outcome.equal_rates for row in _equal_rows(each)]
        blocks.append(DataTable(EQUAL_COLUMNS, rows, caption))
    if old is not None and new is not None:
        if names := dict.fromkeys(each.tolerance.name for each in verdicts if each.by_noise):
            blocks.append(Paragraph(f"{', '.join(names)}: beyond the tolerance, but within the encoder's own noise."))
        if differences := tool_differences(old, new):
            blocks.append(Paragraph(f"Differences in the tools: {'; '.join(differences)}."))
        for where in ("", *new.get("regions", {})):
            blocks += _charts(where, old, new)
    return Section(f"Baseline {outcome.name}", blocks)


def _equal_rows(verdict: EqualRateVerdict) -> list[tuple[object, ...]]:
    rates = ", ".join(f"{rate / 1000:.1f}" for rate in verdict.rates)
    rows: list[tuple[object, ...]] = []
    for each in (verdict.target, *verdict.others):
        word = "the gain does not count" if each is verdict.target and not verdict.passed else each.change
        numbers = (_number(each.old), _number(each.new), f"{each.new - each.old:+.4g}", f"{each.allowed:.2g}")
        rows.append((verdict.where, rates, str(each.metric), *numbers, word))
    return rows


def _row(verdict: ToleranceVerdict) -> tuple[object, ...]:
    tolerance, old, new = verdict.tolerance, verdict.old, verdict.new
    pool = "" if tolerance.pool == "mean" else f" {tolerance.pool}"
    return (
        verdict.where or "whole picture",
        f"{label(tolerance.metric)}{pool}",
        *(None if value is None else _number(value) for value in (old, new)),
        None if old is None or new is None else f"{new - old:+,.4g}",
        f"{tolerance.name}={tolerance.limit_text}",
        "passed" if verdict.passed else verdict.why or "FAILED",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.2f}" if abs(value) > 2 else f"{value:.4f}"


def _charts(where: str, old: Entry, new: Entry) -> list[Chart]:
    frames = paired_frames(old, new, where)
    if frames is None or len(frames[0]) < 2:
        return []
    before, now, span = frames
    of = f" of {where}" if where else ""
    changes = [b - a for a, b in zip(before, now, strict=True)]
    both = [_line("baseline", before, span), _line("now", now, span)]
    change, no_change = [_line("now − baseline", changes, span)], [("no change", 0.0)]
    return [
        Chart("frame", "NEG", both, caption=f"NEG{of} in the baseline and now. Each point is the worst of its frames."),
        Chart("frame", "difference", change, no_change, f"Difference{of}", folded=True),
    ]


def _line(name: str, values: Sequence[float], span: int) -> Line:
    step = frames_per_bucket(len(values)) * span
    return Line(name, [(index * step, value) for index, value in enumerate(thin(values, lowest=True))])
