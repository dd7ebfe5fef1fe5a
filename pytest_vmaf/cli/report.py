"""`pytest-vmaf report`: one report of several runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, VIOLATED
from pytest_vmaf.errors import SettingsError

EXIT_CODES = "0 all gates pass, 1 a gate fails, 2 usage, 3 a file is unreadable, or anything was not measured"


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "merge the reports of several runs, for example the shards of a build matrix"
    add = common.add_command(commands, "report", run, text, EXIT_CODES).add_argument
    add("files", type=Path, nargs="+", metavar="JSON", help="written by pytest --vmaf-json")
    add("-o", "--output", type=Path, action="append", required=True, help="a .html, .md or .json file (repeatable)")
    add("--html-assets", action="store_true", help="write style, script and pictures to a folder next to the page")


def run(options: argparse.Namespace) -> int:
    """Merge the files, write every form, and exit by what failed."""
    from pytest_vmaf.report.document import is_complete, merge, read
    from pytest_vmaf.report.fit import fit_pictures, json_text
    from pytest_vmaf.report.html import write_html
    from pytest_vmaf.report.markdown import markdown
    from pytest_vmaf.report.order import outcomes
    from pytest_vmaf.report.overview import as_text

    inputs = [file.resolve() for file in options.files]
    if len(set(inputs)) < len(inputs):
        raise SettingsError("A file is given twice; its tests would count twice.")
    for output in options.output:
        if output.suffix not in (".html", ".md", ".json"):
            raise SettingsError(f"-o must be a .html, .md or .json file, not {output}.")
        if output.resolve() in inputs:
            raise SettingsError(f"-o {output} is also an input file; name another file.")
        common.check_output(output, "-o")
    document = merge([read(file) for file in options.files], _names(options.files))
    fit_pictures(document)
    for output in options.output:
        if output.suffix == ".html":
            write_html(output, document, assets=options.html_assets)
        elif output.suffix == ".md":
            common.write(output, markdown(document))
        else:
            common.write(output, json_text(document))
    print(f"pytest-vmaf: {chr(10).join(as_text(document))}")
    # What failed in report-only mode is in the output, and fails nothing.
    statuses = outcomes({**test, "would_fail": []} for test in document["tests"])
    if "failed" in statuses:
        return VIOLATED
    return PASSED if is_complete(document) and "passed" in statuses and "error" not in statuses else NOT_MEASURED


def _names(files: Sequence[Path]) -> list[str]:
    """Names that tell the files apart: their stems, or their folders where all stems are equal."""
    if len(files) == 1:
        return [""]
    parts = [list(file.with_suffix("").parts) for file in files]
    while len({part[-1] for part in parts}) == 1 and min(map(len, parts)) > 1:
        for part in parts:
            part.pop()
    return [part[-1] if len({each[-1] for each in parts}) == len(parts) else "/".join(part) for part in parts]
