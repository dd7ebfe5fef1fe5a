"""`pytest-vmaf history`: what runs measured over commits."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import PASSED
from pytest_vmaf.cli.formats import Views, add_output, table_section, write_views
from pytest_vmaf.cli.history_files import EXIT_CODES, PATTERN, add_changes
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import plural, printable

if TYPE_CHECKING:
    from pytest_vmaf.history.line import HistoryLine
    from pytest_vmaf.history.series import History, Series
    from pytest_vmaf.history.steps import Step

LATEST = ("test", "metric", "commits", "first", "last", "commit", "last step")
SUFFIXES = (".html", ".md")
#: Charts of a page.
MOST_CHARTS = 1000


def add_parser(commands: common.Commands) -> None:
    """Add the command with its actions."""
    text = "show what pytest --vmaf-history=FILE recorded over commits, and the commits at which quality changed"
    parser = common.add_command(commands, "history", None, text, EXIT_CODES)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = common.add_command(actions, "show", _show, "print the latest numbers and the steps", EXIT_CODES)
    page = common.add_command(actions, "page", _page, "write a page with a chart of each test and metric", EXIT_CODES)
    for action in (show, page):
        _add_selection(action)
    add_output(show)
    page.add_argument("-o", "--output", type=Path, required=True, help="a .html or .md file")
    page.add_argument("--title", default="VMAF history", help="the heading of the page (default: VMAF history)")
    add_changes(actions)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="histories that pytest --vmaf-history writes"
    )
    group = parser.add_argument_group("selection")
    add = group.add_argument
    add("--test", action="append", default=[], metavar="NAME", help=f"only this test: {PATTERN}")
    add("--metric", action="append", default=[], metavar="NAME", help=f"only this metric: {PATTERN}")
    text = f"only this branch (default: the one with the most commits; '*' for all): {PATTERN}"
    add("--branch", action="append", default=[], metavar="NAME", help=text)
    add("--last", type=int, metavar="N", help="only the newest N commits")
    text = "only the commits of this file (- for standard input) in its order, as git rev-list --reverse prints them"
    add("--commits", metavar="FILE", help=text)
    text = "what counts as a step, for example max_drop=0.3 or max_bitrate_rise=1%% (repeatable)"
    add("--tolerance", action="append", default=[], metavar="NAME=LIMIT", help=text)


def _show(options: argparse.Namespace) -> int:
    from pytest_vmaf.history.record import history_record, history_rows
    from pytest_vmaf.history.sections import COLUMNS, MOST_STEPS, STEPS, all_steps, step_row, summary

    common.check_output(options.output)
    history = _history(options)
    steps = all_steps(history)
    # The newest step of each series.
    newest = {id(step.series): step for step in reversed(steps)}
    latest = [_latest_row(series, history, newest.get(id(series))) for series in _shown(history, steps)]
    tables = [table_section("Numbers", LATEST, latest)] if latest else []
    if steps:
        tables.append(table_section(STEPS, COLUMNS, [step_row(step, history) for step in steps[:MOST_STEPS]]))
    # They are large, so only those that are written are made.
    record = history_record(history, steps) if options.format == "json" else {}
    rows = history_rows(history) if options.format == "csv" else ()
    write_views(options, Views("VMAF history", record, rows, tables, summary(history, steps)))
    return PASSED


def _page(options: argparse.Namespace) -> int:
    from pytest_vmaf.history.sections import all_steps, history_sections, summary
    from pytest_vmaf.report.html import sections_page
    from pytest_vmaf.report.markdown import markdown_sections

    if options.output.suffix not in SUFFIXES:
        raise SettingsError(f"-o must be a {' or '.join(SUFFIXES)} file, not {printable(str(options.output))}.")
    if options.output.resolve() in [file.resolve() for file in options.files]:
        raise SettingsError(f"-o {printable(str(options.output))} is also an input file. Name another file.")
    common.check_output(options.output, "-o")
    history = _history(options)
    steps = all_steps(history)
    sections = [section.to_record() for section in history_sections(history, steps, MOST_CHARTS)]
    make = sections_page if options.output.suffix == ".html" else markdown_sections
    common.write(options.output, make(options.title, sentence := summary(history, steps), sections))
    return common.print_message(sentence)


def _history(options: argparse.Namespace) -> History:
    from dataclasses import replace

    from pytest_vmaf.history.file import read_history
    from pytest_vmaf.history.prune import merge_lines
    from pytest_vmaf.history.series import main_branch, make_history, select

    if options.last is not None and options.last < 1:
        raise SettingsError(f"--last must be a number of commits from 1, not {options.last}.")
    tolerances = _tolerances(options.tolerance)
    order = _commits(options.commits) if options.commits else []
    histories = [read_history(file) for file in options.files]
    lines: Sequence[HistoryLine] = histories[0] if len(histories) == 1 else merge_lines(histories)
    branches = options.branch
    main = main_branch(select(lines, tests=options.test)) if not branches and not order else ""
    chosen = select(lines, tests=options.test, branches=branches, last=None)
    if not branches and not order:
        # Lines that name no branch may be of this one.
        chosen = [line for line in chosen if line.branch in (main, "")]
    if lines and not chosen:
        raise SettingsError(f"No line of {plural(len(lines), 'line')} is of these tests and branches.")
    history = make_history(
        select(chosen, last=options.last), order=order, metrics=options.metric, tolerances=tolerances
    )
    others = sorted({line.branch for line in lines} - {line.branch for line in chosen}) if main else []
    return replace(history, branch=main, others=tuple(others))


def _tolerances(words: Sequence[str]) -> dict[str, float | str]:
    from pytest_vmaf.api.extensions import standalone
    from pytest_vmaf.gates.tolerance import parse_tolerance
    from pytest_vmaf.report.numbers import Number

    tolerances: dict[str, float | str] = {}
    for word in words:
        name, equals, limit = (part.strip() for part in word.partition("="))
        if not equals:
            raise SettingsError(f"--tolerance must be NAME=LIMIT, for example max_drop=0.3, not {word!r}.")
        tolerance = parse_tolerance(name, limit, "command line", standalone().find_metric)
        if tolerance.limit is None:
            raise SettingsError(f"--tolerance {name} must have a limit, not {limit!r}.")
        text = f"{tolerance.limit:g}%" if tolerance.relative else tolerance.limit
        tolerances[Number(tolerance.metric, tolerance.pool, 0.0).name] = text
    return tolerances


def _commits(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SettingsError(f"--commits: {printable(name)} cannot be read: {error.strerror or error}.") from None
    commits = [words[0] for line in text.splitlines() if (words := line.split())]
    if not commits or not all(re.fullmatch(r"[0-9A-Za-z]{4,64}", commit) for commit in commits):
        raise SettingsError(f"--commits: {printable(name)} must have a commit in each line, the oldest first.")
    return commits


def _shown(history: History, steps: Sequence[Step]) -> list[Series]:
    """The first metric of each measurement, and what has steps."""
    first = {(series.test, series.of): id(series) for series in reversed(history.series)}
    rows = {*first.values(), *(id(step.series) for step in steps)}
    return [series for series in history.series if id(series) in rows]


def _latest_row(series: Series, history: History, latest: Step | None) -> tuple[str, ...]:
    from pytest_vmaf.history.sections import number

    step = f"{number(series, latest.change, sign=True)} at {history.revisions[latest.at].name}" if latest else ""
    ends = (number(series, series.values[0]), number(series, series.values[-1]))
    return (series.name, series.label, str(len(series.at)), *ends, history.revisions[series.at[-1]].name, step)
