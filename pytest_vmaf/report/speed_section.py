"""The report section of a speed."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from pytest_vmaf.encoding.rate_modes import at
from pytest_vmaf.report.sections import DataTable, Paragraph, Section

if TYPE_CHECKING:
    from pytest_vmaf.search.speed import Speed, SpeedRound


def speed_section(speed: Speed) -> Section:
    """The medians of each encoder as a table, and all rounds."""
    from pytest_vmaf.search.speed_verdicts import how_lines

    both = [speed, *([speed.against] if speed.against else [])]
    counted = speed.clock == "instructions"
    columns = (
        "encoder",
        *(("instructions",) if counted else ("encoded frames/s", "decoded frames/s", "CPU s")),
        "wall s",
    )
    rows = []
    for each in both:
        cpu = [one.cpu for one in each.rounds if one.cpu is not None]
        times = (
            f"{each.encode:.1f}",
            f"{each.decode:.1f}" if each.decode else "–",
            f"{median(cpu):.3f}" if cpu else "–",
        )
        cells = (f"{median(each.amounts):,.0f}",) if counted else times
        rows.append((each.name, *cells, f"{median(one.wall for one in each.rounds):.3f}"))
    return Section(
        f"Speed of {speed.name} at {at(speed.mode, speed.crf)}",
        [
            Paragraph(f"{speed.reference}: {speed.sentence}."),
            DataTable(columns, rows, "Medians"),
            *(Paragraph(f"{line[:1].upper()}{line[1:]}.") for line in how_lines(speed)),
            DataTable(
                ("encoder", "round", "wall s", "CPU s", "decoding s", "instructions"), _rounds(both), "Rounds", True
            ),
        ],
    )


def _rounds(speeds: list[Speed]) -> list[tuple[object, ...]]:
    return [(each.name, number, *_cells(one)) for each in speeds for number, one in enumerate(each.rounds, 1)]


def _cells(one: SpeedRound) -> list[str]:
    times = ["–" if value is None else f"{value:.3f}" for value in (one.wall, one.cpu, one.decoding)]
    return [*times, "–" if one.instructions is None else f"{one.instructions:,}"]
