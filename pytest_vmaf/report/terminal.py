"""Tables and lines for the terminal: the summary of a run, one result, sections, and comparisons in an assert."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pytest_vmaf.gates.messages import provenance_lines_of, worst_lines_of
from pytest_vmaf.gates.metrics import decimals, label, metric_of
from pytest_vmaf.report.layout import Layout, without_empty
from pytest_vmaf.report.schema import Record
from pytest_vmaf.report.wording import limit_text, moment
from pytest_vmaf.scoring.pools import POOLS
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.roi.quality_map import QualityMap
    from pytest_vmaf.scoring.log_gap import GainReport

#: Rows of the summary without -v.
MOST_ROWS = 25
#: Columns of a section that are aligned to the left, and beginnings of tables whose first two columns are labels.
LEFT = ("encoder", "source", "outcome", "met", "codec", "metric", "metrics", "clip", "test", "commit", "remark")
TWO_LABELS = (["encoder", "target"], ["codec", "metric"])
#: The colour and the word of each status of a measurement.
STATUS = {"passed": ("green", "passed"), "failed": ("red", "FAILED"), "error": ("red", "no score")}


def explain_comparison(op: str, left: object, right: object) -> list[str]:
    """Facts about a comparison with a score, for pytest to show when an assert fails.

    They contain no judgement, because pytest asks for comparisons that are true, too.
    """
    score, other, sign = (left, right, 1) if isinstance(left, Score) else (right, left, -1)
    assert isinstance(score, Score)  # noqa: S101
    comparison = f"{_operand(left)} {op} {_operand(right)}"
    if isinstance(other, int | float) and not isinstance(other, bool):
        comparison += f"   (left minus right: {sign * (float(score) - float(other)):+.4g})"
    return [comparison, *worst_lines_of(score), *provenance_lines_of(score)]


def _operand(value: object) -> str:
    if isinstance(value, Score):
        pool = "" if value.pool == "mean" else f" {value.pool}"
        return f"{value.scale.name}{pool} {float(value):.4f}"
    return repr(value)


def result_rows(record: Record) -> list[tuple[str, str]]:
    """The record of one measurement as names and texts."""
    provenance = record["provenance"]
    scorer = f"{provenance['scorer']} {provenance['scorer_version']} (libvmaf {provenance['libvmaf'] or '?'})"
    return [
        ("reference", record["reference"]),
        ("distorted", record["distorted"]),
        ("VMAF", f"{record['vmaf']:.4f}  ({provenance['model']})"),
        ("NEG", f"{record['neg']:.4f}  ({provenance['neg_model']})"),
        ("gap", f"{record['gap']:.4f}  (unclipped)"),
        ("above 100", f"{record['above_100']} of {provenance['frames']} frames (and above the self-score)"),
        *((label(name), f"{value:.4f}{_unit(name)}") for name, value in record["features"].items()),
        ("scorer", scorer),
        *([("cached", f"measured {provenance['cached']}")] if provenance.get("cached") else []),
        *(("note", note) for note in provenance["notes"]),
    ]


def result_table(record: Record) -> Table:
    """The record of one measurement as a table, for the command."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in result_rows(record):
        table.add_row(Text(name, style="bold"), Text(value))
    for gate in record["gates"]:
        colour, word = STATUS["passed" if gate["passed"] else "failed"]
        digits, unit = decimals(gate["metric"], gate["limit"], gate["value"]), _unit(gate["metric"])
        digits = 4 if digits > 1 else digits
        numbers = f"{gate['value']:.{digits}f}{unit}, margin {gate['margin']:+.{digits}f}{unit} "
        text = f"{gate['name']}={limit_text(gate)} ({gate['origin']}): {numbers}"
        if gate.get("text"):
            text = f"{gate['name']} ({gate['origin']}): {gate['text']} "
        table.add_row(Text("gate", style="bold"), Text(text) + Text(word, style=colour))
        frames = [each for each in record["worst"] if each["metric"] == gate["metric"]]
        if frames and not gate["passed"] and record["frames"] > 1:
            worst = "; ".join(f"{moment(record, each['frame'])} {each['value']:.2f}" for each in frames[:3])
            table.add_row("", Text(f"worst frames: {worst}"))
    return table


def _unit(metric: str) -> str:
    return f" {metric_of(metric).unit}".rstrip()


def section_table(section: Record) -> Group:
    """A section for the terminal: its paragraphs and tables, without charts and pictures."""
    parts: list[RenderableType] = [Text(section["title"], style="bold")]
    for block in section["blocks"]:
        if block["kind"] == "text":
            parts.append(Text(block["text"]))
        elif block["kind"] == "table":
            parts += [Text(""), *([Text(block["caption"])] if block["caption"] else []), _block_table(block)]
    return Group(*parts, Text(""))


def _block_table(block: Record) -> Layout:
    # Without what no row has, for example the interval of a single source.
    numbers = without_empty(block["columns"], block["rows"], ("–", "", "anchor"))
    columns = [block["columns"][number] for number in numbers]
    rows = [[printable(row[number]) for number in numbers] for row in block["rows"]]
    words = [number for number, name in enumerate(columns) if name in LEFT]
    return Layout(columns, rows, words, labels=2 if columns[:2] in TWO_LABELS else 1)


def gain_table(report: GainReport, pools: Mapping[str, Mapping[str, float]]) -> Layout:
    """The default score, NEG and their gap in libvmaf's logs: pooled, and of the frames with the largest gaps."""
    frames = sorted(range(len(report.gap)), key=lambda frame: -report.gap[frame])[:5]
    names = (f"default ({printable(report.default_column)})", f"NEG ({printable(report.neg_column)})", "gap")
    rows = [[pool, *(f"{pools[name][pool]:.4f}" if pool in pools[name] else "–" for name in pools)] for pool in POOLS]
    for frame in frames:
        row = (report.default[frame], report.neg[frame], report.gap[frame])
        rows.append([f"frame {frame}", *(f"{value:.4f}" for value in row)])
    return Layout(("", *names), rows, left=(0,))


def tile_table(quality: QualityMap) -> Layout:
    """NEG of each tile of a map, row by row, and of the whole picture."""
    columns = range(quality.columns)
    rows = [
        [f"row {row}", *(f"{quality.tile(column, row).neg:.2f}" for column in columns)] for row in range(quality.rows)
    ]
    whole = ["whole", f"{quality.whole.neg:.2f}", *[""] * (quality.columns - 1)]
    return Layout(("NEG", *(f"column {column}" for column in columns)), [*rows, whole], left=(0,))


def render(renderable: RenderableType, width: int, *, colour: bool) -> str:
    """Render a table or text of `rich` as lines of this width, at least 60, with or without colours."""
    file = StringIO()
    console = Console(file=file, width=max(width, 60), force_terminal=colour, no_color=not colour, highlight=False)
    console.print(renderable, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
