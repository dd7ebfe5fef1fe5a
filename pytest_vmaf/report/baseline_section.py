"""The section of a report that shows what a baseline says: every tolerance, and both encodes frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.baselines.entry import Entry, frames_of
from pytest_vmaf.baselines.judge import ToleranceVerdict, tool_differences
from pytest_vmaf.baselines.outcome import Outcome
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.report.sections import Chart, DataTable, Line, Paragraph, Section, SectionMaker
from pytest_vmaf.report.series import frames_per_bucket, thinned

COLUMNS = ("where", "metric", "baseline", "now", "difference", "tolerance", "verdict")


def section_maker(outcome: Outcome) -> SectionMaker | None:
    """What makes the section of a report later; None where no baseline was requested."""
    if not outcome.name:
        return None
    return lambda pictures: baseline_section(outcome.name, outcome.verdicts, outcome.failed, outcome.old, outcome.new)


def baseline_section(
    name: str, held: Sequence[ToleranceVerdict], failed: Sequence[str], old: Entry | None, new: Entry | None
) -> Section:
    """A table of what was held, and charts of NEG where both entries have as many frames; ``name`` is the entry's."""
    blocks: list[Paragraph | DataTable | Chart] = []
    if not held:
        text = "; ".join(failed) or "The new measurement takes the baseline's place, so it was not held."
        blocks.append(Paragraph(text))
    else:
        blocks.append(DataTable(COLUMNS, [_row(each) for each in held]))
    if old is not None and new is not None:
        if noise := [each for each in held if each.by_noise]:
            names = ", ".join(dict.fromkeys(each.tolerance.name for each in noise))
            blocks.append(Paragraph(f"{names}: beyond the tolerance, and within the encoder's own noise."))
        if told := tool_differences(old, new):
            blocks.append(Paragraph(f"What differs in the tools: {'; '.join(told)}."))
        for where in ("", *new.get("regions", {})):
            blocks += _charts(where, old, new)
    return Section(f"Baseline {name}", blocks)


def _row(held: ToleranceVerdict) -> tuple[object, ...]:
    tolerance = held.tolerance
    pool = "" if tolerance.pool == "mean" else f" {tolerance.pool}"
    verdict = "held" if held.passed else held.why or "VIOLATED"
    numbers = [None if value is None else _number(value) for value in (held.old, held.new)]
    change = None if held.old is None or held.new is None else f"{held.new - held.old:+,.4g}"
    metric = f"{label(tolerance.metric)}{pool}"
    return held.where or "whole picture", metric, *numbers, change, f"{tolerance.name}={tolerance.shown}", verdict


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.2f}" if abs(value) > 2 else f"{value:.4f}"


def _charts(where: str, old: Entry, new: Entry) -> list[Chart]:
    parts = [(entry.get("regions") or {}).get(where, {}) if where else entry for entry in (old, new)]
    (before, span), (now, now_span) = map(frames_of, parts)
    if len(before) != len(now) or span != now_span or len(now) < 2:
        return []
    of = f" of {where}" if where else ""
    changes = [b - a for a, b in zip(before, now, strict=True)]
    both = [_line("baseline", before, span), _line("now", now, span)]
    return [
        Chart("frame", "NEG", both, caption=f"NEG{of}, the baseline's and now; each point is the worst of its frames"),
        Chart("frame", "difference", [_line("now − baseline", changes, span)], [("no change", 0.0)], f"Difference{of}"),
    ]


def _line(name: str, values: Sequence[float], span: int) -> Line:
    step = frames_per_bucket(len(values)) * span
    return Line(name, [(index * step, value) for index, value in enumerate(thinned(values, lowest=True))])
