"""pytest_vmaf.cli.report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, VIOLATED, check_output, write
from pytest_vmaf.errors import SettingsError


def _report(options: argparse.Namespace) -> int:
    from pytest_vmaf.report.document import is_complete, merge, read
    from pytest_vmaf.report.html import write_html
    from pytest_vmaf.report.markdown import markdown
    from pytest_vmaf.report.wording import verdict

    if len({file.resolve() for file in options.files}) < len(options.files):
        raise SettingsError("One file is named twice; its tests would count twice.")
    for output in options.output:
        if output.suffix not in (".html", ".md", ".json"):
            raise SettingsError(f"-o {output}: a report ends in .html, .md or .json.")
        if output.resolve() in [file.resolve() for file in options.files]:
            raise SettingsError(f"-o {output} is one of the files to read.")
        check_output(output)
    documents = [read(file) for file in options.files]
    document = merge(documents, _names(options.files))
    for output in options.output:
        if output.suffix == ".html":
            write_html(output, document, assets=options.html_assets)
        elif output.suffix == ".md":
            write(output, markdown(document))
        else:
            write(output, json.dumps(document, allow_nan=False))
    print(f"pytest-vmaf: {verdict(document)}")
    statuses = {test["status"] for test in document["tests"]}
    if "failed" in statuses:
        return VIOLATED
    return PASSED if is_complete(document) and "passed" in statuses and "error" not in statuses else NOT_MEASURED


def _names(files: Sequence[Path]) -> list[str]:
    """What tells the files apart: their stems, or where these are equal the folders they lie in."""
    if len(files) == 1:
        return [""]
    parts = [list(file.with_suffix("").parts) for file in files]
    while len({part[-1] for part in parts}) == 1 and min(map(len, parts)) > 1:
        for part in parts:
            part.pop()
    return [part[-1] if len({each[-1] for each in parts}) == len(parts) else "/".join(part) for part in parts]
