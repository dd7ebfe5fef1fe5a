"""`pytest-vmaf export`: reports and histories in the formats of trackers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.cli import common
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.text import plural, printable

if TYPE_CHECKING:
    from pytest_vmaf.exports.readings import Reading
    from pytest_vmaf.history.line import HistoryLine

EXIT_CODES = "0 done, 2 usage, 3 a file cannot be read, or there is nothing to export"
#: The formats, each with what it is.
FORMATS = {
    "bencher": "Bencher Metric Format (JSON)",
    "github-action-benchmark": "two files, OUTPUT-bigger.json and OUTPUT-smaller.json",
    "github-action-bigger": "for the tool customBiggerIsBetter",
    "github-action-smaller": "for the tool customSmallerIsBetter",
    "otava": "CSV for Apache Otava; with a folder as OUTPUT one table for each measurement, and otava.yaml",
    "prometheus": "Prometheus' text format",
}


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "write reports and histories in the formats of benchmark trackers"
    more = " ".join(f"{name}: {what}." for name, what in FORMATS.items())
    usage = "[options] --to FORMAT FILE …"
    parser = common.add_command(commands, "export", run, text, EXIT_CODES, usage=usage, more=more)
    add = parser.add_argument
    add("files", type=Path, nargs="+", metavar="FILE", help="written by pytest --vmaf-json or --vmaf-history")
    add("--to", required=True, choices=FORMATS, metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")
    add("-o", "--output", type=Path, help="write to this file, or folder, instead of standard output")
    group = parser.add_argument_group("selection")
    for name, what in (("metric", "metric, such as neg or 'neg_*'"), ("test", "test"), ("branch", "branch")):
        text = f"only this {what}; may have * and ? (repeatable)"
        group.add_argument(f"--{name}", action="append", default=[], metavar="NAME", help=text)


def run(options: argparse.Namespace) -> int:
    """Read the files, and write the numbers."""
    from pytest_vmaf.exports.readings import newest_lines, read_lines, readings
    from pytest_vmaf.history.series import select

    if options.output is not None and options.output.resolve() in [file.resolve() for file in options.files]:
        raise SettingsError(f"--output {printable(str(options.output))} is also an input file; name another file.")
    folder = options.to == "otava" and options.output is not None and options.output.suffix != ".csv"
    if folder:
        common.check_folder(options.output, "--output", may_be_new=True)
    else:
        common.check_output(options.output)
    lines = select(read_lines(options.files), tests=options.test, branches=options.branch)
    if options.to != "otava":
        # A tracker stores one commit at a time.
        lines = newest_lines(lines)
    numbers = readings(lines, options.metric)
    errors = sum(line.status == "error" for line in lines)
    first = next(numbers, None)
    if first is None:
        why = f"; {plural(errors, 'measurement')} failed" if errors else ""
        if options.metric and (names := dict.fromkeys(name for line in lines for name in line.values)):
            why = f" of --metric {', '.join(map(printable, options.metric))}. There are {', '.join(names)}"
        raise MeasurementError(f"The files have no numbers to export{why}.")
    if errors:
        common.print_message(f"{plural(errors, 'measurement')} had an error and no numbers.")
    _write(options, lines, chain([first], numbers), folder=folder)
    return common.PASSED


def _write(
    options: argparse.Namespace, lines: Sequence[HistoryLine], numbers: Iterable[Reading], *, folder: bool
) -> None:
    from pytest_vmaf.exports import bencher, github_action, prometheus

    output: Path | None = options.output
    if options.to == "otava":
        _write_otava(output, numbers, folder=folder)
    elif options.to == "github-action-benchmark":
        if output is None:
            raise SettingsError("--to github-action-benchmark writes two files. Name them with --output.")
        numbers = list(numbers)
        stem = output.with_suffix("") if output.suffix == ".json" else output
        for name in ("bigger", "smaller"):
            text = github_action.github_action_json(numbers, bigger=name == "bigger")
            # The action refuses an empty list.
            if text.strip() != "[]":
                common.write(stem.with_name(f"{stem.name}-{name}.json"), text)
    elif options.to.startswith("github-action-"):
        text = github_action.github_action_json(numbers, bigger=options.to.endswith("bigger"))
        if text.strip() == "[]":
            raise MeasurementError(f"No metric that is exported is better when it is {options.to.rpartition('-')[2]}.")
        common.write(output, text)
    elif options.to == "bencher":
        common.write(output, bencher.bencher_json(numbers))
    else:
        common.write(output, prometheus.prometheus_text(numbers, lines))


def _write_otava(output: Path | None, numbers: Iterable[Reading], *, folder: bool) -> None:
    from pytest_vmaf.exports.otava import otava_config, otava_table, otava_tables

    if output is None or not folder:
        tables = [otava_table(numbers)]
        if not tables[0].directions:
            raise MeasurementError("No number was measured at every commit. Name a folder with --output.")
        common.write(output, tables[0].text)
    else:
        tables = otava_tables(numbers)
        for table in tables:
            common.write(output / f"{table.name}.csv", table.text)
        common.write(output / "otava.yaml", otava_config(tables, output.as_posix()))
    for table in tables:
        for column, count in table.gaps.items():
            rows = plural(count, "commit")
            common.print_message(
                f"left out, because Otava reads no empty cells: {printable(column)}, missing at {rows}."
            )
