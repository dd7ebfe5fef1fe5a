"""GitHub's annotations: one workflow command for each failed test."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_vmaf.report.order import badness, swallowed, worst_first, would_fail
from pytest_vmaf.report.schema import Record
from pytest_vmaf.report.verdict import explain_pass
from pytest_vmaf.report.wording import WOULD_FAIL, cut, first_line, headlines, short_id
from pytest_vmaf.text import printable

#: GitHub shows this many errors of one step.
MOST_ANNOTATIONS = 10


def error_commands(document: Record, rootdir: Path) -> list[str]:
    """Build GitHub's workflow commands, an error for each of the worst failed tests, then a notice about the rest.

    Tests that report-only mode let pass, and those that caught an error, are warnings.

    Args:
        document: The report. Its names and messages may contain anything; they are escaped.
        rootdir: The folder that the files of the tests are relative to.

    Returns:
        One line for each command.
    """
    bad = [
        test
        for test in worst_first(document["tests"])
        if test["status"] in ("failed", "error") or swallowed(test) or would_fail(test)
    ]
    commands = []
    for test in bad[:MOST_ANNOTATIONS]:
        name = cut(short_id(test["id"]), 150, middle=True)
        caught = explain_pass(test)
        end = test["status"] if caught else "failed" if test["status"] == "failed" else "ended with an error"
        end = WOULD_FAIL if would_fail(test) else end
        properties = {"title": f"VMAF: {name} {end}"}
        if file := _in_workspace(test.get("file"), rootdir):
            line = {"line": str(test["line"])} if test.get("line") else {}
            properties = {"file": file, **line, **properties}
        scored = [each for each in test["measurements"] if each["status"] != "error"]
        lines = [first_line(caught or test["message"], 500), *headlines(sorted(scored, key=badness), 3)]
        options = ",".join(f"{key}={_property(printable(value))}" for key, value in properties.items())
        commands.append(f"::{'warning' if caught else 'error'} {options}::{_data(chr(10).join(lines))}")
    if more := len(bad) - len(commands):
        tests = f"{more} more VMAF test{' is' if more == 1 else 's are'} not shown as annotations"
        commands.append(f"::notice::{tests}; the step summary and the report have them.")
    return commands


def _data(text: str) -> str:
    """Escape the message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape the value of a workflow command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _in_workspace(file: str | None, rootdir: Path) -> str | None:
    """The file as GitHub names it, relative to the top of the repository. None for a file outside of it."""
    if not file:
        return None
    top = Path(os.environ.get("GITHUB_WORKSPACE") or rootdir)
    try:
        # Unresolved paths first: a folder in the workspace may be a link to a place outside.
        for where, path in ((top, rootdir / file), (top.resolve(), (rootdir / file).resolve())):
            folder, named = os.path.normpath(where), Path(os.path.normpath(path))
            if named.is_relative_to(folder):
                return named.relative_to(folder).as_posix()
    except (OSError, ValueError, RuntimeError):
        # The system refuses the name, or links form a circle: there is no such file to annotate.
        return None
    return None
