"""The actions of `pytest-vmaf history` that write history files: prune, merge and import."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from pytest_vmaf.cli import common
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import plural, printable

EXIT_CODES = "0 done, 2 usage, 3 a file cannot be read or written"
PATTERN = "name or pattern such as 'test_x*' (repeatable)"


def add_changes(actions: common.Commands) -> None:
    """Add the actions that write history files."""
    text = "remove lines: of some tests and branches, all that meet any of the conditions"
    prune = common.add_command(actions, "prune", _prune, text, EXIT_CODES)
    prune.add_argument("file", type=Path, metavar="FILE", help="the history")
    prune.add_argument("--test", action="append", default=[], metavar="NAME", help=f"only of this test: {PATTERN}")
    prune.add_argument("--branch", action="append", default=[], metavar="NAME", help=f"only of this branch: {PATTERN}")
    text = "condition: not of one of the newest N commits of its branch"
    prune.add_argument("--keep", type=int, metavar="N", help=text)
    prune.add_argument("--before", metavar="DAY", help="condition: measured before this day (YYYY-MM-DD, UTC)")
    text = "condition: its numbers are those of the commits before and after it"
    prune.add_argument("--unchanged", action="store_true", help=text)
    prune.add_argument("--dry-run", action="store_true", help="only print how many lines would be removed")
    text = "write the lines of several histories into one, each once, in the order of their times"
    merge = common.add_command(actions, "merge", _merge, text, EXIT_CODES)
    merge.add_argument("files", type=Path, nargs="+", metavar="FILE", help="the histories")
    merge.add_argument("-o", "--output", type=Path, required=True, help="the file to write, which may be one of them")
    text = "add the measurements of reports that pytest --vmaf-json wrote"
    add = common.add_command(actions, "import", _import, text, EXIT_CODES)
    add.add_argument("file", type=Path, metavar="FILE", help="the history")
    add.add_argument("reports", type=Path, nargs="+", metavar="JSON", help="the reports")
    add.add_argument("--commit", default="", help="the commit of reports that do not name theirs")
    add.add_argument("--branch", default="", help="the branch of such reports")


def _prune(options: argparse.Namespace) -> int:
    from pytest_vmaf.history.file import MAX_PRUNED, read_history, rewriting
    from pytest_vmaf.history.prune import Pruning, prune

    if options.keep is not None and options.keep < 0:
        raise SettingsError(f"--keep must be a number of commits from 0, not {options.keep}.")
    try:
        day = date.fromisoformat(options.before).isoformat() if options.before is not None else ""
    except ValueError:
        raise SettingsError(f"--before must be a day such as 2026-01-31, not {options.before!r}.") from None
    pruning = Pruning(options.test, options.branch, options.keep, day, options.unchanged)
    if pruning.is_empty:
        raise SettingsError("Name what to remove: --keep, --before, --unchanged, --branch or --test.")
    if options.dry_run:
        before = [*read_history(options.file, largest=MAX_PRUNED)]
        after = prune(before, pruning)
    else:
        with rewriting(options.file, largest=MAX_PRUNED) as lines:
            before, after = [*lines], prune(lines, pruning)
            lines[:] = after
    would = "would be removed" if options.dry_run else "removed"
    gone = len(before) - len(after)
    return common.print_message(f"{gone} of {plural(len(before), 'line')} {would} from {printable(str(options.file))}.")


def _merge(options: argparse.Namespace) -> int:
    from pytest_vmaf.history.file import read_history, rewriting, write_lines
    from pytest_vmaf.history.prune import merge_lines

    common.check_output(options.output, "-o")
    if options.output.exists() and options.output.resolve() not in [file.resolve() for file in options.files]:
        raise SettingsError(f"-o {printable(str(options.output))} exists. Name it as an input, too, or another file.")
    histories = [read_history(file) for file in options.files]
    merged = merge_lines(histories)
    if options.output.exists():
        with rewriting(options.output) as lines:
            # A run may have appended meanwhile.
            merged = merge_lines([lines, *histories])
            lines[:] = merged
    else:
        write_lines(options.output, merged)
    return common.print_message(f"{plural(len(merged), 'line')} of {plural(sum(map(len, histories)), 'line')} written.")


def _import(options: argparse.Namespace) -> int:
    from pytest_vmaf.history.file import append_lines, read_history
    from pytest_vmaf.history.from_reports import history_lines
    from pytest_vmaf.report.document import read

    documents = [read(report) for report in options.reports]
    known = {line.to_json() for line in read_history(options.file)} if options.file.exists() else set()
    lines = [line for each in documents for line in history_lines(each, commit=options.commit, branch=options.branch)]
    new = {text: line for line in lines if (text := line.to_json()) not in known}
    append_lines(options.file, sorted(new.values(), key=lambda line: line.time))
    there = f"; {len(lines) - len(new)} were there already" if len(lines) > len(new) else ""
    if nameless := sum(not line.commit for line in new.values()):
        there += f"; {nameless} without a commit are shown by their time (--commit)"
    return common.print_message(f"{plural(len(new), 'line')} added to {printable(str(options.file))}{there}.")
