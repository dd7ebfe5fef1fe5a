"""`pytest-vmaf gap`: the gap between default VMAF and NEG in libvmaf logs."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, VIOLATED
from pytest_vmaf.cli.formats import Views, add_output, table_section, write_views
from pytest_vmaf.errors import SettingsError

EXIT_CODES = "0 nothing to flag, 1 a large gap or frames above 100, 2 usage, 3 a log could not be read"
WEAKER = "A log holds less than vmaf.check() measures, which also finds enhancement with a smaller gap."
CLIPPED = "The log was clipped at 100, which hides a part of the gap. Write the log with disable_clip=true."


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "show the gap between default VMAF and NEG in libvmaf logs"
    parser = common.add_command(commands, "gap", run, text, EXIT_CODES)
    parser.add_argument("log", type=Path, help="libvmaf log (XML, JSON or CSV) of both models or of the default one")
    parser.add_argument("neg_log", type=Path, nargs="?", help="log of the NEG model, if it has its own")
    parser.add_argument("--default-column", help="column of the default model")
    parser.add_argument("--neg-column", help="column of the NEG model")
    parser.add_argument("--max-gap", type=float, default=3.0, help=f"flag a larger mean gap (default 3.0). {WEAKER}")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Read the logs, write the gap, and exit by what is flagged."""
    from pytest_vmaf.report.terminal import gain_table
    from pytest_vmaf.scoring.log_gap import check_logs

    common.check_output(options.output)
    if not options.max_gap >= 0:
        raise SettingsError(f"--max-gap must be a number of points from 0, not {options.max_gap}.")
    columns = {"default_column": options.default_column, "neg_column": options.neg_column}
    report = check_logs(options.log, options.neg_log, **columns)
    pools = report.pools()
    gap, flags = pools["gap"]["mean"], []
    if gap > options.max_gap:
        flags.append(f"the gap of {gap:.3f} is above {options.max_gap:g}: the default score has enhancement gain")
    if report.above_100:
        flags.append(f"{len(report.above_100)} of {len(report.default)} frames are above 100")
    record = {
        "schema": 1,
        "columns": {"vmaf": report.default_column, "neg": report.neg_column},
        "libvmaf": report.libvmaf,
        "frames": len(report.default),
        "pooled": pools,
        "gap_per_frame": report.gap,
        "above_100": report.above_100,
        "clipped": report.clipped,
        "flags": flags,
    }
    table = gain_table(report, pools)
    rows = [{"log": str(options.log), "metric": metric, **values} for metric, values in pools.items()]
    sections = [table_section("", table.columns, table.rows)]
    write_views(options, Views(str(options.log), record, rows, sections, text=[table]))
    if options.format != "json" and not flags:
        common.print_message(WEAKER)
    code = VIOLATED if flags else PASSED
    for flag in flags:
        common.print_message(f"flagged: {flag}")
    return common.print_message(CLIPPED, code or NOT_MEASURED) if report.clipped else code
