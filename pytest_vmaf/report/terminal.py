"""What a person reads in the terminal: the summary table, one result's table, and what a plain assert compared."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from pytest_vmaf.gates.messages import provenance_lines_of, worst_lines_of
from pytest_vmaf.gates.metrics import PART_METRICS
from pytest_vmaf.report.wording import WHOLE, margin, smallest_margin
from pytest_vmaf.report.wording import limit as limit_of
from pytest_vmaf.scoring.score import POOLS, Score
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    import pytest
    from rich.console import Group
    from rich.table import Table

    from pytest_vmaf.gates.gate import Gate
    from pytest_vmaf.scoring.log_gap import GainReport

#: Rows of the summary without -v; the worst come first, and what is left out is said.
MOST_ROWS = 25
STATUS = {"passed": ("green", "held"), "failed": ("red", "VIOLATED"), "error": ("red", "no score")}


def explain_comparison(op: str, left: object, right: object) -> list[str]:
    """Facts about a comparison with a score in it, for pytest to show; no verdict, since it may hold."""
    score, other, sign = (left, right, 1) if isinstance(left, Score) else (right, left, -1)
    assert isinstance(score, Score)  # noqa: S101
    shown = [_operand(left), _operand(right)]
    lines = [f"{shown[0]} {op} {shown[1]}"]
    if isinstance(other, int | float) and not isinstance(other, bool):
        lines[0] += f"   (left minus right: {sign * (float(score) - float(other)):+.4g})"
    return [*lines, *worst_lines_of(score), *provenance_lines_of(score)]


def write_summary(
    reporter: pytest.TerminalReporter, config: pytest.Config, rows: Sequence[dict[str, Any]], gates: Sequence[Gate]
) -> None:
    """The table of all measurements, worst first; ``gates`` are those of the command line and the ini file."""
    if config.get_verbosity() < -1:
        return
    writer = config.get_terminal_writer()
    reporter.write_sep("=", "vmaf: what was measured")
    ordered = sorted(rows, key=_badness)
    most = len(ordered) if config.get_verbosity() > 0 else MOST_ROWS
    # As wide as it gets: names stand last, and a terminal that is narrower wraps them as it does for pytest's own.
    reporter.write(render(_summary_table(ordered[:most]), 2000, colour=writer.hasmarkup))
    if len(ordered) > most:
        reporter.write_line(f"{len(ordered) - most} more with larger margins; -v shows all.")
    if kept := sum(bool(row.get("provenance", {}).get("cached")) for row in rows):
        reporter.write_line(f"{kept} of {len(rows)} from the cache; --vmaf-no-cache measures all anew.")
    if any(row.get("provenance", {}).get("fake") for row in rows):
        reporter.write_line("FAKE: some of these numbers were invented by FakeScorer; nothing was measured.", red=True)
    checks = [row for row in rows if row.get("every_gate")]
    floorless = [row for row in checks if not any(gate["bound"] == "min" for gate in row["gates"])]
    if floorless:
        # The default gates look for enhancement; a ruined picture has none.
        reporter.write_line(
            f"{len(floorless)} of {len(checks)} checks had no min_ gate, so no floor was held; add e.g. min_neg=90.",
            yellow=True,
        )
    unchecked = [row for row in rows if row.get("gated") and not row["every_gate"]]
    # Somebody who asks on the command line means this run; ini gates may rightly be for other tests than these.
    held = {(gate["bound"], gate["metric"], gate["pool"]) for row in rows for gate in row["gates"] if "value" in gate}
    parts = [gate for gate in gates if gate.metric in PART_METRICS]
    if missing := [str(gate) for gate in parts if gate.key[1:] not in held and gate.origin == "command line"]:
        said = f"{', '.join(missing)} was held against nothing: no vmaf.roi or vmaf.map measured it."
        reporter.write_line(said, yellow=True)
    whole = [gate for gate in gates if gate.metric not in PART_METRICS]
    unreached = [str(gate) for gate in whole if gate.origin == "command line" or len(unchecked) == len(rows)]
    if unreached and unchecked:
        used = f"{len(unchecked)} of {len(rows)} measurements used vmaf.score or a search"
        missed = f"which {', '.join(unreached)} does not reach; vmaf.check holds every gate."
        reporter.write_line(f"{used}, {missed}", yellow=True)


def result_table(record: dict[str, Any]) -> Table:
    """One record as a table, for the command line."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    rows = [
        ("reference", record["reference"]),
        ("distorted", record["distorted"]),
        ("VMAF", f"{record['vmaf']:.4f}  ({record['provenance']['model']})"),
        ("NEG", f"{record['neg']:.4f}  ({record['provenance']['neg_model']})"),
        ("gap", f"{record['gap']:.4f}  (unclipped)"),
        ("above 100", f"{record['above_100']} of {record['provenance']['frames']} frames (and above the self-score)"),
        *((name, f"{value:.4f}") for name, value in record["features"].items()),
        ("scorer", _scorer(record["provenance"])),
        *([("cached", f"measured {record['provenance']['cached']}")] if record["provenance"].get("cached") else []),
        *(("note", note) for note in record["provenance"]["notes"]),
    ]
    for name, value in rows:
        table.add_row(Text(name, style="bold"), Text(value))
    for gate in record["gates"]:
        word = Text("held", style="green") if gate["passed"] else Text("VIOLATED", style="red")
        limit = f"{gate['name']}={limit_of(gate)} ({gate['origin']})"
        digits = 0 if gate["metric"] in WHOLE else 4
        found = f"{limit}: {gate['value']:.{digits}f}, margin {gate['margin']:+.{digits}f} "
        table.add_row(Text("gate", style="bold"), Text(found) + word)
    return table


def section_table(section: dict[str, Any]) -> Group:
    """A section of a report for the terminal: its text and its tables; charts are for the page."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Any] = [Text(section["title"], style="bold")]
    for block in section["blocks"]:
        if block["kind"] == "text":
            parts.append(Text(block["text"]))
        elif block["kind"] == "table":
            table = Table(box=None, pad_edge=False)
            for name in block["columns"]:
                table.add_column(Text(name), justify="left" if name in ("encoder", "outcome", "met") else "right")
            for row in block["rows"]:
                table.add_row(*map(Text, row))
            parts += [Text(""), *([Text(block["caption"])] if block["caption"] else []), table]
    return Group(*parts, Text(""))


def render(renderable: Any, width: int, *, colour: bool) -> str:
    """The renderable as text of this width, with colours or without."""
    from rich.console import Console

    file = StringIO()
    console = Console(file=file, width=max(width, 60), force_terminal=colour, no_color=not colour, highlight=False)
    console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _summary_table(rows: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("gates")
    for name in ("NEG", "VMAF", "gap", ">100", "margin"):
        table.add_column(name, justify="right")
    table.add_column("test (distorted clip)")
    several = len({row["test"].partition("::")[0] for row in rows}) > 1
    for row in rows:
        colour, word = STATUS[row["status"]]
        test = row["test"] if several else row["test"].partition("::")[2]
        shown = Text(f"{test} ({row['distorted'].rpartition('/')[2]})")
        if row["status"] == "error":
            reason = Text(f": {row['error'].partition(chr(10))[0]}", style="red")
            table.add_row(Text(word, style=colour), "–", "–", "–", "–", "–", shown + reason)
            continue
        numbers = (f"{row['neg']:.2f}", f"{row['vmaf']:.2f}", f"{row['gap']:.2f}", f"{row['above_100']}")
        gates = Text(word, style=colour) if row["gates"] else Text("none")
        table.add_row(gates, *numbers, _margin(row), shown)
    return table


def _margin(row: dict[str, Any]) -> str:
    gate = smallest_margin(row)
    return "–" if gate is None else f"{margin(gate)} {gate['name']}"


def _badness(row: dict[str, Any]) -> tuple[int, float, float, str]:
    margins = [gate["margin"] for gate in row["gates"] if gate.get("metric") not in (None, *WHOLE)]
    order = ("error", "failed", "passed").index(row["status"])
    return order, min(margins, default=float("inf")), row.get("neg", 0.0), row["test"]


def _operand(value: object) -> str:
    if isinstance(value, Score):
        pool = "" if value.pool == "mean" else f" {value.pool}"
        return f"{value.scale.name}{pool} {float(value):.4f}"
    return repr(value)


def _scorer(provenance: dict[str, Any]) -> str:
    return f"{provenance['scorer']} {provenance['scorer_version']} (libvmaf {provenance['libvmaf'] or '?'})"


def gain_table(report: GainReport, pools: dict[str, dict[str, float]]) -> Table:
    """Pooled default, NEG and gap of a log, and the frames with the largest gaps."""
    from rich.table import Table
    from rich.text import Text

    frames = sorted(range(len(report.gap)), key=lambda frame: -report.gap[frame])[:5]
    table = Table(box=None, pad_edge=False)
    columns = (f"default ({printable(report.default_column)})", f"NEG ({printable(report.neg_column)})", "gap")
    table.add_column("")
    for name in columns:
        table.add_column(Text(name), justify="right")
    for pool in POOLS:
        table.add_row(pool, *(f"{pools[name][pool]:.4f}" if pool in pools[name] else "–" for name in pools))
    for frame in frames:
        row = (report.default[frame], report.neg[frame], report.gap[frame])
        table.add_row(f"frame {frame}", *(f"{value:.4f}" for value in row))
    return table
