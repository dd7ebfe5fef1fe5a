"""What CI systems and other reports get to show: JUnit properties, GitHub's annotations, pytest-html, Allure.

Names and messages may hold anything, and each of these places reads a language of its own; here they become inert.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_vmaf.report.wording import badness, cut, first_line, headlines, short_id, worst_first
from pytest_vmaf.text import printable

#: GitHub shows this many errors of one step.
MOST_ANNOTATIONS = 10


def error_commands(document: Mapping[str, Any], rootdir: Path) -> list[str]:
    """GitHub's workflow commands, one line each: an error at each failed test, the worst first, at most ten."""
    bad = [test for test in worst_first(document["tests"]) if test["status"] in ("failed", "error")]
    lines = []
    for test in bad[:MOST_ANNOTATIONS]:
        name = cut(short_id(test["id"]), 150, middle=True)
        properties = {"title": f"VMAF: {name} {'failed' if test['status'] == 'failed' else 'ended with an error'}"}
        if file := _in_workspace(test.get("file"), rootdir):
            line = {"line": str(test["line"])} if test.get("line") else {}
            properties = {"file": file, **line, **properties}
        measured = [each for each in test["measurements"] if each["status"] != "error"]
        said = [first_line(test["message"], 500), *headlines(sorted(measured, key=badness), 3)]
        shown = ",".join(f"{key}={_property(printable(value))}" for key, value in properties.items())
        lines.append(f"::error {shown}::{_data(chr(10).join(said))}")
    if left := len(bad) - len(lines):
        many = f"{left} more VMAF test{' is' if left == 1 else 's are'} not shown as annotations"
        lines.append(f"::notice::{many}; the step summary and the report have them.")
    return lines


def _data(text: str) -> str:
    """The text as a workflow command's message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The text as the value of a workflow command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _in_workspace(file: str | None, rootdir: Path) -> str | None:
    """The file as GitHub names it, from the top of the repository; None outside of it."""
    if not file:
        return None
    top = Path(os.environ.get("GITHUB_WORKSPACE") or rootdir)
    try:
        # As they are named first: a folder in the workspace may be a link to somewhere else.
        for where, path in ((top, rootdir / file), (top.resolve(), (rootdir / file).resolve())):
            named = Path(os.path.normpath(path))
            if named.is_relative_to(os.path.normpath(where)):
                return named.relative_to(os.path.normpath(where)).as_posix()
    except (OSError, ValueError, RuntimeError):
        # A name that no system takes, or a circle of links: there is no such file to mark.
        return None
    return None
