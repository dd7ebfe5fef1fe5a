"""Sections of a report about searches: what an encoder needed for its targets, and what was compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_vmaf.report.section import Chart, DataTable, Line, Paragraph, Section

if TYPE_CHECKING:
    from pytest_vmaf.encoding.bisect import Bisection


def bisect_section(found: Bisection) -> Section:
    """Quality over CRF with every probe, the ceiling and the crossings; the answers and the probes as tables."""
    probes = sorted(found.probes, key=lambda probe: probe.crf)
    metric = str(found.metric)
    crossings = {answer.probe.crf for answer in found.answers.values() if answer.met and answer.probe}
    arguments = f", with {' '.join(found.arguments)}" if found.arguments else ""
    sample = f" A sample of {found.sample[1]} frames from frame {found.sample[0]} on." if found.sample else ""
    said = (
        f"{found.reference} with {found.name}{arguments}: {len(probes)} encodes for {len(found.answers)} targets. "
        f"The reference against itself has {metric} {found.ceiling:.3f}; no encode passes that.{sample}"
    )
    rows = []
    for answer in found.answers.values():
        row: list[object] = [f"{answer.target:g}", "–", "–", "–", "–", "–", answer.outcome]
        if answer.met:
            following = "–" if answer.next_score is None else f"{answer.next_score:.3f}"
            bitrate = f"{answer.bitrate / 1000:.1f}"
            row[1:6] = [answer.crf, f"{answer.score:.3f}", following, bitrate, answer.size]
        rows.append(row)
    line = Line(
        metric,
        [(probe.crf, probe.score) for probe in probes],
        [index for index, probe in enumerate(probes) if probe.crf in crossings],
    )
    levels = [("ceiling", found.ceiling), *((f"{metric} {target:g}", target) for target in found.answers)]
    chart = (
        [Chart("CRF", metric, [line], levels, f"{metric} over CRF; large dots are the crossings.")] if probes else []
    )
    return Section(
        f"{found.name}: {metric} {', '.join(f'{target:g}' for target in found.answers)}",
        [
            Paragraph(said),
            DataTable(("target", "CRF", metric, "one coarser", "kbit/s", "bytes", "outcome"), rows, "Answers"),
            *chart,
            DataTable(
                ("CRF", metric, "VMAF", "NEG", "gap", "kbit/s", "bytes"),
                [
                    (
                        probe.crf,
                        f"{probe.score:.3f}",
                        f"{probe.result.vmaf:.3f}",
                        f"{probe.result.neg:.3f}",
                        f"{probe.result.gap:.3f}",
                        f"{probe.bitrate / 1000:.1f}",
                        probe.encode.size,
                    )
                    for probe in probes
                ],
                "Probes",
            ),
        ],
    )
