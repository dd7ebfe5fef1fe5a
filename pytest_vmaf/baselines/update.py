"""Baseline updates: the controller writes what the tests measured into the baseline files when the run ends."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_vmaf.baselines.entry import Entry, differs
from pytest_vmaf.baselines.files import Tests, file_of, read, write
from pytest_vmaf.baselines.update_options import UpdateOptions
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.text import plural, printable

#: Lines for the terminal, and whether each reports an error.
Messages = list[tuple[str, bool]]
#: The start of the message about a file that could not be written, which fails the run.
NOT_WRITTEN = "vmaf: baselines not written to"
#: Names that are listed.
MOST_NAMED = 10


@dataclass(frozen=True)
class RunState:
    """What the controller knows at the end of a run.

    Attributes:
        root: pytest's root folder.
        here: The folder in which pytest was started.
        ended: Whether the run ended by itself.
        tests: Node id, status and measured entries of each test's last attempt.
        failed: The tests with a report that is not a pass.
        ran: The tests that began.
        collected: The node ids of each module's tests by name, before any was deselected.
        complete: Whether nothing else kept tests from running.
    """

    root: Path
    here: Path
    ended: bool
    tests: list[tuple[str, str, list[dict[str, Any]]]]
    failed: set[str]
    ran: set[str]
    collected: Mapping[str, Mapping[str, str]]
    complete: bool


@dataclass
class _Change:
    """The new content of one file, and what changed in it."""

    tests: Tests
    counts: Counter[str] = field(default_factory=Counter)
    removed: list[str] = field(default_factory=list)


def update(run: RunState, options: UpdateOptions) -> Messages:
    """Write the baseline files.

    Returns:
        Messages about what was written, or why nothing was.
    """
    if not run.ended:
        return [("vmaf: the run was stopped, so no baseline was written.", False)]
    messages = _write_candidate(run, options.candidate) if options.candidate else []
    return [*messages, *(_write_updates(run, options) if options.modes else [])]


def _write_updates(run: RunState, options: UpdateOptions) -> Messages:
    messages: Messages = []
    everything = "all" in options.modes
    modes = options.modes | ({"missing", "changed"} if everything else set())
    passed = _by_file(item for _, status, items in run.tests if status == "passed" for item in items)
    prunable = _prunable(run, options) if everything else {}
    for file in sorted({*passed, *prunable}):
        try:
            stored = read(file)
            change = _Change({test: dict(clips) for test, clips in stored.items()})
            for item in passed.get(file, []):
                _merge(change, item, modes)
            if file in prunable:
                for test in stored:
                    _prune(change, test, *prunable[file])
            if change.counts:
                write(file, change.tests)
                messages += [(line, False) for line in _change_lines(change, _display(file, run.root))]
        except (OSError, ValueError, BaselineError) as error:
            messages.append((f"{NOT_WRITTEN} {_display(file, run.root)}: {_reason(error)}", True))
    if lost := {test: len(items) for test, status, items in run.tests if status != "passed"}:
        names = ", ".join(map(printable, [*lost][:MOST_NAMED])) + (" and others" if len(lost) > MOST_NAMED else "")
        count = plural(sum(lost.values()), "baseline")
        tests = "the test" if len(lost) == 1 else "the tests"
        messages.append((f"vmaf: {count} not written, because {tests} did not pass: {names}", True))
    if not messages:
        why = "no test that passed measured one (baseline=True)"
        if passed:
            modes_text = ",".join(sorted(options.modes))
            why = (
                "nothing has changed" if "changed" in modes else f"--vmaf-baseline-update={modes_text} applies to none"
            )
        messages.append((f"vmaf: no baseline was written: {why}.", False))
    partial = not run.complete or any(not set(tests.values()) <= run.ran for tests in run.collected.values())
    if everything and (partial or not run.collected):
        what = "vmaf: unused baselines were kept in modules whose tests did not all run."
        messages.append((what, False))
    return messages


def _change_lines(change: _Change, file: str) -> list[str]:
    counts = ", ".join(f"{number} {what}" for what, number in change.counts.items())
    noun = "baseline" if change.counts.total() == 1 else "baselines"
    more = len(change.removed) - MOST_NAMED
    return [
        f"vmaf: {noun}: {counts} in {file}",
        *(f"vmaf: removed: {printable(name)}" for name in change.removed[:MOST_NAMED]),
        *([f"vmaf: removed: {more} more"] if more > 0 else []),
    ]


def _merge(change: _Change, item: Mapping[str, Any], modes: Set[str]) -> None:
    """Put one entry into the file as it is on disk now, if a mode asks for it."""
    test, clip, new = item["test"], item["clip"], item["entry"]
    own = change.tests.get(test, {}).get(clip)
    old: Entry | None = own
    if own is None and item["common"]:
        old = read(Path(item["common"])).get(test, {}).get(clip)
    better = "improved" in modes and item["better"]
    if "missing" in modes if old is None else differs(old, new) and ("changed" in modes or better):
        change.tests.setdefault(test, {})[clip] = new
        change.counts["replaced" if own else "added"] += 1


def _prunable(run: RunState, options: UpdateOptions) -> dict[Path, tuple[set[str], dict[str, set[str]]]]:
    """For each file the tests whose baselines must all stay, without parameters, and each test's current baselines."""
    if not run.complete:
        return {}
    measured = {test: {item["clip"] for item in items} for test, _, items in run.tests}
    passed = {test for test, status, _ in run.tests if status == "passed"} | (run.ran - run.failed)
    # Two modules of one stem, such as a doctest and a test module, share one file.
    sharing: dict[Path, list[Mapping[str, str]]] = {}
    for module, tests in run.collected.items():
        sharing.setdefault(file_of(Path(module), options.platform), []).append(tests)
    prunable = {}
    for file, modules in sharing.items():
        if not all(set(tests.values()) <= run.ran for tests in modules):
            continue
        # Tests of two modules can share a name.
        nodes = [item for tests in modules for item in tests.items()]
        # This includes a parametrised test that has no parameters today.
        unsure = {name.partition("[")[0] for name, node in nodes if node not in passed}
        current: dict[str, set[str]] = {}
        for name, node in nodes:
            current.setdefault(name, set()).update(measured.get(node, ()))
        prunable[file] = unsure, current
    return prunable


def _prune(change: _Change, test: str, unsure: Set[str], current: Mapping[str, Set[str]]) -> None:
    if test.partition("[")[0] in unsure:
        return
    clips = change.tests[test]
    for clip in [clip for clip in clips if clip not in current.get(test, ())]:
        del clips[clip]
        change.counts["removed"] += 1
        change.removed.append(f"{test} / {clip}")


def _write_candidate(run: RunState, folder: Path) -> Messages:
    """Write everything that was measured, whether its test passed or not, into files such as those of the tests."""
    messages: Messages = []
    written = 0
    measured = _by_file(item for _, _, items in run.tests for item in items)
    for file, entries in sorted(measured.items()):
        if not file.is_relative_to(run.root):
            messages.append((f"vmaf: {_display(file, run.root)} is outside {run.root}, so it has no candidate.", True))
            continue
        place = folder / file.relative_to(run.root)
        try:
            tests: Tests = {}
            for item in entries:
                tests.setdefault(item["test"], {})[item["clip"]] = item["entry"]
            place.parent.mkdir(parents=True, exist_ok=True)
            write(place, tests)
            written += 1
        except (OSError, ValueError, BaselineError) as error:
            text = f"vmaf: the candidate could not be written to {printable(str(place))}: {_reason(error)}"
            messages.append((text, True))
    if written:
        accept = ["pytest-vmaf", "baseline", "accept", os.path.relpath(folder, run.here)]
        accept += ["--into", os.path.relpath(run.root, run.here)] if run.root != run.here else []
        text = f"vmaf: candidate of {plural(written, 'file')}; accept it with: {printable(shlex.join(accept))}"
        messages.append((text, False))
    elif not messages:
        messages.append(("vmaf: no candidate was written: no test measured a baseline (baseline=True).", False))
    return messages


def _by_file(items: Iterable[dict[str, Any]]) -> dict[Path, list[dict[str, Any]]]:
    files: dict[Path, list[dict[str, Any]]] = {}
    for item in items:
        files.setdefault(Path(item["file"]), []).append(item)
    return files


def _display(file: Path, root: Path) -> str:
    return printable(str(file.relative_to(root) if file.is_relative_to(root) else file))


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text.partition("\n")[0])
