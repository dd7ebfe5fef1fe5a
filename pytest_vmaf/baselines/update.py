"""Where the terminal is: writes what tests measured into the files of baselines, each once, when the run has ended."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_vmaf.baselines.entry import Entry, differs
from pytest_vmaf.baselines.files import Tests, file_of, read, write
from pytest_vmaf.baselines.options import UpdateOptions
from pytest_vmaf.errors import BaselineError
from pytest_vmaf.text import printable

Said = list[tuple[str, bool]]
#: How it is said that a file could not be written, which no run may pass over.
NOT_WRITTEN = "vmaf: baselines not written to"
#: Names that are listed.
MOST_NAMED = 10


@dataclass(frozen=True)
class Run:
    """What a run came to.

    ``tests`` are (node id, status, measured entries) of last attempts, ``failed`` all tests some report of which was no
    pass, ``ran`` all that began. ``collected`` maps modules to their tests and these to node ids, before any was
    deselected; ``whole`` says that nothing else kept tests from running; ``here`` is where pytest was started.
    """

    root: Path
    here: Path
    ended: bool
    tests: list[tuple[str, str, list[dict[str, Any]]]]
    failed: set[str]
    ran: set[str]
    collected: Mapping[str, Mapping[str, str]]
    whole: bool


@dataclass
class _Change:
    """What is written into one file."""

    counts: dict[str, int] = field(default_factory=dict)
    tests: Tests = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number


def update(run: Run, options: UpdateOptions) -> Said:
    """Write the files, and say in words what was written, or why nothing was."""
    if not run.ended:
        return [("vmaf: the run was stopped, so no baseline was written.", False)]
    said: Said = []
    if options.candidate:
        said += _write_candidate(run, options.candidate)
    if options.modes:
        said += _write_updates(run, options)
    return said


def _write_updates(run: Run, options: UpdateOptions) -> Said:
    said: Said = []
    modes = options.modes | ({"missing", "changed"} if "all" in options.modes else set())
    passed = [item for _, status, items in run.tests if status == "passed" for item in items]
    left = {test: len(items) for test, status, items in run.tests if status != "passed"}
    files = {Path(item["file"]) for item in passed}
    gone = _prunable(run, options) if "all" in modes else {}
    wrote = False
    for file in sorted(files | gone.keys()):
        change = _Change()
        try:
            change.tests = {test: dict(clips) for test, clips in read(file).items()}
            for item in (item for item in passed if Path(item["file"]) == file):
                _merge(change, item, modes)
            for test, keep in gone.get(file, {}).items():
                _prune(change, test, keep)
            if change.counts:
                write(file, change.tests)
        except (OSError, ValueError, BaselineError) as error:
            said.append((f"{NOT_WRITTEN} {_shown(file, run.root)}: {_why(error)}", True))
            continue
        if change.counts:
            wrote = True
            counts = ", ".join(f"{number} {what}" for what, number in change.counts.items())
            noun = "baseline" if sum(change.counts.values()) == 1 else "baselines"
            said.append((f"vmaf: {noun}: {counts} in {_shown(file, run.root)}", False))
            said += [(f"vmaf: removed: {printable(name)}", False) for name in change.removed[:MOST_NAMED]]
            if (more := len(change.removed) - MOST_NAMED) > 0:
                said.append((f"vmaf: removed: {more} more", False))
    if left:
        names = ", ".join(map(printable, [*left][:MOST_NAMED])) + (" and others" if len(left) > MOST_NAMED else "")
        said.append((f"vmaf: {sum(left.values())} measured where the test did not pass, not written: {names}", True))
    if not wrote and not said:
        why = "every one is as it was" if passed else "no test that passed measured one (baseline=True)"
        if passed and not modes & {"changed"}:
            why = f"there is none for --vmaf-update={','.join(sorted(options.modes))}"
        said.append((f"vmaf: no baseline was written: {why}.", False))
    partly = not run.whole or any(not set(tests.values()) <= run.ran for tests in run.collected.values())
    if "all" in modes and (partly or not run.collected):
        what = "vmaf: where not every test of a module ran, baselines that no test measured were kept."
        said.append((what, False))
    return said


def _merge(change: _Change, item: Mapping[str, Any], modes: frozenset[str] | set[str]) -> None:
    """Put one entry into the file as it is on disk now, where a mode says so."""
    test, clip, new = item["test"], item["clip"], item["entry"]
    own = change.tests.get(test, {}).get(clip)
    old = own or _common(item)
    if old is None:
        if "missing" in modes:
            change.tests.setdefault(test, {})[clip] = new
            change.count("added")
    elif differs(old, new) and ("changed" in modes or ("improved" in modes and item["better"])):
        change.tests.setdefault(test, {})[clip] = new
        change.count("replaced" if own else "added")


def _common(item: Mapping[str, Any]) -> Entry | None:
    if not item["common"]:
        return None
    return read(Path(item["common"])).get(item["test"], {}).get(item["clip"])


def _prunable(run: Run, options: UpdateOptions) -> dict[Path, dict[str, set[str] | None]]:
    """By file, what each test that may be in it still has: None for all of it, as of one that did not pass."""
    if not run.whole:
        return {}
    measured = {test: {item["clip"] for item in items} for test, _, items in run.tests}
    passed = {test for test, status, _ in run.tests if status == "passed"} | (run.ran - run.failed)
    gone: dict[Path, dict[str, set[str] | None]] = {}
    # Two files of one stem, as a module and a doctest, have their entries in one file.
    sharing: dict[Path, list[Mapping[str, str]]] = {}
    for module, tests in run.collected.items():
        sharing.setdefault(file_of(Path(module), options.platform), []).append(tests)
    for file, modules in sharing.items():
        if not all(set(tests.values()) <= run.ran for tests in modules):
            continue
        keep: dict[str, set[str] | None] = {}
        unsure: set[str] = set()
        for name, node in (item for tests in modules for item in tests.items()):
            keep[name] = measured.get(node, set()) if node in passed else None
            if node not in passed:
                # A parametrised test that had nothing to run with today.
                unsure.add(name.partition("[")[0])
        gone[file] = {
            test: None if test.partition("[")[0] in unsure else keep.get(test, set()) for test in _tests_in(file)
        }
    return gone


def _tests_in(file: Path) -> Iterable[str]:
    try:
        return list(read(file))
    except BaselineError:
        # Who writes it says so.
        return []


def _prune(change: _Change, test: str, keep: set[str] | None) -> None:
    clips = change.tests.get(test, {})
    for clip in [clip for clip in clips if keep is not None and clip not in keep]:
        del clips[clip]
        change.count("removed")
        change.removed.append(f"{test} / {clip}")


def _write_candidate(run: Run, folder: Path) -> Said:
    """All that was measured, whether its test passed or not, in files as the tests have them."""
    said: Said = []
    items = [item for _, _, items in run.tests for item in items]
    written = 0
    for file in sorted({Path(item["file"]) for item in items}):
        try:
            place = folder / file.relative_to(run.root)
        except ValueError:
            said.append((f"vmaf: {_shown(file, run.root)} is outside of {run.root}: no candidate.", True))
            continue
        try:
            tests: Tests = {}
            for item in (item for item in items if Path(item["file"]) == file):
                tests.setdefault(item["test"], {})[item["clip"]] = item["entry"]
            place.parent.mkdir(parents=True, exist_ok=True)
            write(place, tests)
            written += 1
        except (OSError, ValueError, BaselineError) as error:
            said.append((f"vmaf: the candidate could not be written to {printable(str(place))}: {_why(error)}", True))
    if written:
        files = f"{written} file{'s' if written > 1 else ''}"
        take = ["pytest-vmaf", "baseline", "accept", os.path.relpath(folder, run.here)]
        take += ["--into", os.path.relpath(run.root, run.here)] if run.root != run.here else []
        said.append((f"vmaf: candidate of {files}; to take it over: {printable(shlex.join(take))}", False))
    elif not said:
        said.append(("vmaf: no candidate was written: no test measured a baseline (baseline=True).", False))
    return said


def _shown(file: Path, root: Path) -> str:
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    return printable(str(shown))


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(said.partition("\n")[0])
