"""The history of a run: its lines are appended to a file, and its report shows them next to the earlier ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.history.file import append_lines, read_history
from pytest_vmaf.history.from_reports import history_lines
from pytest_vmaf.history.line import HistoryLine
from pytest_vmaf.history.sections import all_steps, history_section
from pytest_vmaf.history.series import main_branch, make_history
from pytest_vmaf.report.schema import RecordDict
from pytest_vmaf.text import plural, printable

#: Charts in the report of a run, which has pictures, too.
MOST_CHARTS = 60


def append_run(path: Path, document: RecordDict, *, show: bool) -> tuple[str, bool]:
    """Append what a run measured to a history.

    Args:
        path: The history.
        document: The report of the run. With `show` it gets a section with the history of its tests.
        show: Whether the report is written.

    Returns:
        A line for the terminal, and whether it is an error. An error changes no test's outcome.
    """
    name = printable(str(path))
    lines = history_lines(document)
    try:
        count = append_lines(path, lines)
    except MeasurementError as error:
        return f"vmaf: nothing was appended to the history: {error} Test results are not affected.", True
    message = f"vmaf: history: {plural(count, 'line')} appended to {name}"
    if show and lines:
        try:
            document["sections"].append(_section(read_history(path), lines))
        except Exception as error:
            # The reports are written without it.
            return f"{message}, but it cannot be shown: {error or type(error).__name__}", True
    return message, False


def _section(history: tuple[HistoryLine, ...], ours: list[HistoryLine]) -> RecordDict:
    """The history of the tests that ran: over the commits of the main branch, and this one."""
    main, tests = main_branch(history), {line.test for line in ours}
    runs = {(line.commit, line.time) for line in ours}
    lines = [
        line
        for line in history
        if line.test in tests and line.branch in (main, "") and (line.commit, line.time) not in runs
    ]
    measured = {line.commit for line in lines}
    # Of a commit that was measured before, this run is a point of its own: the code may have changed since.
    new = [replace(line, commit="") if line.commit in measured else line for line in ours]
    series = make_history([*lines, *new])
    return history_section(series, all_steps(series), MOST_CHARTS).to_record()
