"""`pytest-vmaf report`: one report of several runs, or what changed since other runs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, VIOLATED
from pytest_vmaf.errors import SettingsError

if TYPE_CHECKING:
    from pytest_vmaf.report.schema import Record, RecordDict

MORE = (
    "With --against, the output says what changed since the runs of another commit: what is worse, better, new and "
    "gone. The exit code is that of the new runs' gates."
)
EXIT_CODES = "0 all gates pass, 1 a gate fails, 2 usage, 3 a file is unreadable, or anything was not measured"


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "merge the reports of several runs, for example the shards of a build matrix"
    add = common.add_command(commands, "report", run, text, EXIT_CODES, more=MORE).add_argument
    add("files", type=Path, nargs="+", metavar="JSON", help="written by pytest --vmaf-json")
    add("-o", "--output", type=Path, action="append", required=True, help="a .html, .md or .json file (repeatable)")
    text = "the reports to compare with, for example those of the main branch"
    add("--against", type=Path, nargs="+", action="extend", default=[], metavar="JSON", help=text)
    text = "with --against: the largest change that counts as none, in points of VMAF, decibels, hundredths of SSIM or "
    add("--tolerance", type=float, metavar="POINTS", help=f"{text}percent of a bitrate (default 0.01)")
    add("--html-assets", action="store_true", help="write style, script and pictures to a folder next to the page")


def run(options: argparse.Namespace) -> int:
    """Merge the files, write every form, and exit by what failed."""
    from pytest_vmaf.report.document import is_complete, merge, read
    from pytest_vmaf.report.order import outcomes
    from pytest_vmaf.report.overview import as_text

    _check(options)
    document = merge([read(file) for file in options.files], _names(options.files))
    if options.against:
        _write_delta(options, document, merge([read(file) for file in options.against], _names(options.against)))
    else:
        _write_report(options, document)
    print(f"pytest-vmaf: {chr(10).join(as_text(document))}")
    # What failed in report-only mode is in the output, and fails nothing.
    statuses = outcomes({**test, "would_fail": []} for test in document["tests"])
    if "failed" in statuses:
        return VIOLATED
    return PASSED if is_complete(document) and "passed" in statuses and "error" not in statuses else NOT_MEASURED


def _check(options: argparse.Namespace) -> None:
    """Refuse files that are given twice or would be overwritten, and flags without an effect."""
    for files in (options.files, options.against):
        if len({file.resolve() for file in files}) < len(files):
            raise SettingsError("A file is given twice; its tests would count twice.")
    inputs = [file.resolve() for file in (*options.files, *options.against)]
    for output in options.output:
        if output.suffix not in (".html", ".md", ".json"):
            raise SettingsError(f"-o must be a .html, .md or .json file, not {output}.")
        if output.resolve() in inputs:
            raise SettingsError(f"-o {output} is also an input file; name another file.")
        common.check_output(output, "-o")
    if options.against and options.html_assets:
        raise SettingsError("--html-assets is for reports without --against: the page of a comparison has no pictures.")
    if options.tolerance is not None and not options.against:
        raise SettingsError("--tolerance requires --against, which names the reports to compare with.")
    if options.tolerance is not None and not 0 <= options.tolerance < math.inf:
        raise SettingsError(f"--tolerance must be a finite number from 0, not {options.tolerance}.")


def _write_report(options: argparse.Namespace, document: RecordDict) -> None:
    from pytest_vmaf.report.fit import fit_pictures, json_text
    from pytest_vmaf.report.html import write_html
    from pytest_vmaf.report.markdown import markdown

    fit_pictures(document)
    for output in options.output:
        if output.suffix == ".html":
            write_html(output, document, assets=options.html_assets)
        elif output.suffix == ".md":
            common.write(output, markdown(document))
        else:
            common.write(output, json_text(document))


def _write_delta(options: argparse.Namespace, document: Record, base: Record) -> None:
    from pytest_vmaf.report import delta_page
    from pytest_vmaf.report.delta import TOLERANCE, compare

    delta = compare(base, document, TOLERANCE if options.tolerance is None else options.tolerance)
    for output in options.output:
        if output.suffix == ".json":
            common.write_json(output, delta_page.data(delta, document, base))
        else:
            text = delta_page.page if output.suffix == ".html" else delta_page.markdown
            common.write(output, text(delta, document, base))
    print(f"pytest-vmaf: {delta_page.sentence(delta, document, base)}")


def _names(files: Sequence[Path]) -> list[str]:
    """Names that tell the files apart: their stems, or their folders where all stems are equal."""
    if len(files) == 1:
        return [""]
    parts = [list(file.with_suffix("").parts) for file in files]
    while len({part[-1] for part in parts}) == 1 and min(map(len, parts)) > 1:
        for part in parts:
            part.pop()
    return [part[-1] if len({each[-1] for each in parts}) == len(parts) else "/".join(part) for part in parts]
