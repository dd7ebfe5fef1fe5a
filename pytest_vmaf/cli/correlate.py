"""`pytest-vmaf correlate`: how well metrics agree with viewers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import PASSED, VIOLATED
from pytest_vmaf.cli.formats import ALIASES, TABLE_FORMATS, Views, write_views
from pytest_vmaf.errors import MeasurementError, SettingsError

if TYPE_CHECKING:
    from pytest_vmaf.correlation.correlation import Correlation
    from pytest_vmaf.report.html import State

EXIT_CODES = "0 done, and all gates pass, 1 a gate fails, 2 usage, 3 a table is unreadable or incomplete"
FORMATS = (*TABLE_FORMATS, "html")
TITLE = "Agreement with viewers"
SUFFIXES = {".json": "json", ".md": "markdown", ".csv": "csv", ".html": "html"}
GATES = ("min_plcc", "min_srcc", "min_tau_b", "min_tau_b_95", "max_rmse", "max_rmse_star", "max_outlier_ratio")
MORE = (
    "SCORES has the columns clip, optionally codec and source, and one for each metric: CSV, TSV, JSON, JSON Lines, "
    "the file of a sweep, or the report of pytest --vmaf-json."
)


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    parser = common.add_command(
        commands,
        "correlate",
        run,
        "measure how well metrics agree with the opinion scores of viewers",
        EXIT_CODES,
        usage="[options] SCORES --mos MOS",
        more=MORE,
    )
    add = parser.add_argument
    add("scores", type=Path, metavar="SCORES", help="the metrics' scores of each clip")
    text = "opinion scores: clip, mos, and ci or std and n; or votes: clip, viewer, vote; or a column for each viewer"
    add("--mos", type=Path, required=True, help=text)
    add(
        "--metric", type=_names, action="extend", metavar="NAMES", help="the metrics (default: every column of numbers)"
    )
    text = "metrics for which lower is better, for example lpips; mos if a lower MOS is better (repeatable)"
    add("--lower-is-better", type=_names, action="extend", default=[], metavar="NAMES", help=text)
    add("--allow-missing", action="store_true", help="leave out clips that are not in both tables, or lack a metric")
    group = parser.add_argument_group("statistics")
    text = "function that maps metrics to opinion scores: cubic (ITU-T P.1401, default) or logistic (J.149)"
    group.add_argument("--mapping", default="cubic", help=text)
    text = "unit of resampling: clip or source (default: source if there are several)"
    group.add_argument("--resample-by", metavar="UNIT", help=text)
    group.add_argument("--resamples", type=int, default=2000, help="number of bootstrap resamples (default 2000)")
    group.add_argument("--seed", type=int, default=0, help="seed of the resamples (default 0)")
    common.add_gate(group, "min_srcc=0.9 or min_srcc_worst_codec=0.85")
    for name in GATES:
        # Also as flags of their own, which the help does not list.
        flag = f"--{name.replace('_', '-')}"
        group.add_argument(flag, dest="gate", action="append", type=f"{name}={{}}".format, help=argparse.SUPPRESS)
    output = parser.add_argument_group("output")
    text = "output format (default: table, or by the suffix of --output)"
    output.add_argument("--format", type=lambda name: ALIASES.get(name, name), choices=FORMATS, help=text)
    output.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    output.add_argument("--output", type=Path, help="write to this file instead of standard output")


def run(options: argparse.Namespace) -> int:
    """Correlate, write the numbers, and exit by the gates."""
    from pytest_vmaf.correlation.limits import Limit

    limits = [Limit.parse(text) for text in options.gate]
    common.check_output(options.output)
    _check_inputs(options)
    from pytest_vmaf.correlation.correlate import correlate

    correlation = correlate(
        options.scores,
        options.mos,
        metrics=options.metric,
        lower_is_better=options.lower_is_better,
        mapping=options.mapping,
        resample_by=options.resample_by,
        resamples=options.resamples,
        seed=options.seed,
        allow_missing=options.allow_missing,
    )
    try:
        failures = [failure for limit in limits for failure in limit.failures(correlation)]
    except MeasurementError as error:
        _write(options, correlation, [str(error)])
        raise
    _write(options, correlation, failures)
    code = PASSED
    for failure in failures:
        code = common.print_message(f"failed: {failure}", VIOLATED)
    return code


def _write(options: argparse.Namespace, correlation: Correlation, failures: Sequence[str]) -> None:
    from pytest_vmaf.report.correlation_sections import correlation_sections, lead, tables_of

    output = options.output
    options.format = options.format or (SUFFIXES.get(output.suffix.lower(), "table") if output else "table")
    if options.format in ("json", "csv"):
        for note in correlation.notes:
            common.print_message(f"note: {note}")
    if options.format == "html":
        from pytest_vmaf.report.html import sections_page

        sections = [section.to_record() for section in correlation_sections(correlation)]
        # Without a gate the page judges nothing.
        state: State = "bad" if failures else "good" if options.gate else "plain"
        text = " ".join([*(f"Failed: {failure}" for failure in failures), lead(correlation)])
        common.write(output, sections_page(TITLE, text, sections, state))
        return
    record = {"command": "correlate", **correlation.to_dict()}
    sections = [section.to_record() for section in tables_of(correlation)]
    write_views(options, Views(TITLE, record, correlation.to_rows(), sections, lead(correlation)))


def _check_inputs(options: argparse.Namespace) -> None:
    output = options.output and options.output.resolve()
    for name in ("scores", "mos"):
        path = getattr(options, name)
        if output == path.resolve():
            raise SettingsError(f"--output {path} is also an input file; name another file.")


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
