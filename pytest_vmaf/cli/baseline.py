"""`pytest-vmaf baseline`: shows baselines, tells two sets of them apart, and takes over what CI kept as a candidate."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli.common import PASSED, VIOLATED, say, write_table
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from pytest_vmaf.baselines.entry import Entry
    from pytest_vmaf.baselines.files import Tests

#: What of an entry is shown: a mean here stands for all its pools.
SHOWN_POOLS = ("mean", "p5")
MOST_FILES = 10_000


def add_baseline(commands: Any) -> None:
    """The subcommand with its own three."""
    parser = commands.add_parser(
        "baseline",
        help="show, compare and accept the baselines that pytest --vmaf-update writes",
        epilog="exit codes: 0 done or the same, 1 different, 2 usage, 3 a file cannot be read",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="the entries of files, or of all files in folders")
    show.set_defaults(run=_show)
    show.add_argument("places", type=Path, nargs="*", default=[Path()], metavar="FILE|DIR")
    diff = actions.add_parser("diff", help="what differs between two files or folders; exit code 1 where anything does")
    diff.set_defaults(run=_diff)
    diff.add_argument("old", type=Path)
    diff.add_argument("new", type=Path)
    accept = actions.add_parser(
        "accept", help="put the entries that pytest --vmaf-candidate=DIR wrote into the tests' files"
    )
    accept.set_defaults(run=_accept)
    accept.add_argument("candidate", type=Path, metavar="DIR")
    accept.add_argument("--into", type=Path, default=Path(), metavar="ROOT", help="pytest's rootdir (default: here)")
    for each in (show, diff):
        each.add_argument("--output", type=Path, help="write there instead of to standard output")


def _show(options: argparse.Namespace) -> int:
    from rich.table import Table
    from rich.text import Text

    from pytest_vmaf.baselines.files import read

    table = Table(box=None, pad_edge=False)
    for name in ("test", "entry", "what", "values", "measured with"):
        table.add_column(name, overflow="fold")
    files = [each for place in options.places for each in _files(place).items()]
    for name, file in files:
        module = Path(name).parent.parent / file.stem
        for test, clips in sorted(read(file).items()):
            for clip, entry in sorted(clips.items()):
                told = [f"{module}::{test}", clip, entry["kind"], _values(entry)]
                told.append(entry["shown"].get("scorer", ""))
                table.add_row(*(Text(printable(each)) for each in told))
    if not table.row_count:
        return say(PASSED, f"There is no baseline in {', '.join(printable(str(place)) for place in options.places)}.")
    write_table(options.output, table)
    return PASSED


def _diff(options: argparse.Namespace) -> int:
    from pytest_vmaf.baselines.files import read

    old, new = _files(options.old, options.new), _files(options.new, options.old)
    if options.old.is_file() and options.new.is_file():
        # Two names of one thing, as a file and an older one of it.
        old, new = {"": options.old}, {"": options.new}
    table, count = _difference_table(), 0
    for name in sorted(old.keys() | new.keys()):
        before, after = (read(files[name]) if name in files else {} for files in (old, new))
        for test in sorted(before.keys() | after.keys()):
            clips = before.get(test, {}), after.get(test, {})
            for clip in sorted(clips[0].keys() | clips[1].keys()):
                for row in _differences(clips[0].get(clip), clips[1].get(clip)):
                    _add(table, (f"{name}::{test}".removeprefix("::"), clip, *row))
                    count += 1
    if not count:
        print("pytest-vmaf: the baselines are the same.")
        return PASSED
    write_table(options.output, table)
    return VIOLATED


def _accept(options: argparse.Namespace) -> int:
    from pytest_vmaf.baselines.files import FOLDER, modules_of, read, text_of
    from pytest_vmaf.files import write_whole

    if not options.candidate.is_dir():
        raise SettingsError(f"{printable(str(options.candidate))} is no folder that --vmaf-candidate wrote.")
    if not options.into.is_dir():
        raise SettingsError(f"--into: {printable(str(options.into))} is no folder.")
    root = options.into.resolve()
    planned: list[tuple[Path, Tests]] = []
    for file in _walk(options.candidate):
        name = file.relative_to(options.candidate)
        if file.is_symlink():
            raise MeasurementError(
                f"{printable(str(file))} is a link; a candidate has files alone. Nothing was copied."
            )
        if file.suffix != ".json" or file.parent.name != FOLDER or ".." in name.parts:
            raise MeasurementError(
                f"{printable(str(file))} is no {FOLDER}/*.json, as a candidate has them. Nothing was copied."
            )
        target = root / name
        if not target.resolve().is_relative_to(root) or (target.exists() and not target.is_file()):
            raise MeasurementError(f"{printable(str(target))} leads out of {printable(str(root))}. Nothing was copied.")
        if not modules_of(target):
            raise MeasurementError(
                f"{printable(str(name))} belongs to a test module that is not in {printable(str(root))}. Say pytest's "
                "rootdir with --into=ROOT. Nothing was copied."
            )
        planned.append((target, read(file)))
    for target, entries in planned:
        # What other runs and other shards measured stays.
        tests = {test: dict(clips) for test, clips in read(target).items()}
        for test, clips in entries.items():
            tests.setdefault(test, {}).update(clips)
        write_whole(target, [text_of(tests)])
        count = sum(map(len, entries.values()))
        shown = printable(str(target.relative_to(root)))
        print(f"pytest-vmaf: {count} accepted into {shown}")
    if not planned:
        return say(VIOLATED, f"There is no candidate in {printable(str(options.candidate))}.")
    return PASSED


def _files(place: Path, other: Path | None = None) -> dict[str, Path]:
    """The files of baselines in a folder by their names in it, or the one file. Raises SettingsError.

    Those of an ``other`` folder within are not among them.
    """
    from pytest_vmaf.baselines.files import FOLDER

    if place.is_dir():
        inside = other is not None and other.is_dir() and other.resolve() != place.resolve() and other.resolve()
        found = [
            path
            for path in _walk(place)
            if path.parent.name == FOLDER
            and path.suffix == ".json"
            and not (inside and path.resolve().is_relative_to(inside))
        ]
        return {str(path.relative_to(place)): path for path in sorted(found)}
    if not place.exists():
        raise SettingsError(f"{printable(str(place))} does not exist.")
    return {place.name: place}


def _walk(folder: Path) -> Iterator[Path]:
    """Every file in a folder and below; links to folders are not followed, and are given as what they are."""
    import os

    for number, (here, folders, names) in enumerate(os.walk(folder)):
        if number > MOST_FILES:
            raise SettingsError(f"{printable(str(folder))} has more than {MOST_FILES} folders; name the tests' own.")
        folders[:] = sorted(name for name in folders if name not in (".git", "node_modules"))
        linked = [name for name in folders if (Path(here) / name).is_symlink()]
        yield from (Path(here) / name for name in (*sorted(names), *linked))


def _values(entry: Entry) -> str:
    if entry["kind"] == "score":
        neg = entry["values"].get("neg", {})
        said = [f"NEG {neg[pool]:.2f}{'' if pool == 'mean' else f' {pool}'}" for pool in SHOWN_POOLS if pool in neg]
        vmaf = entry["values"].get("vmaf", {}).get("mean")
        regions = [
            f"{name}: NEG {part['values'].get('neg', {}).get('mean', 0.0):.2f}"
            for name, part in (entry.get("regions") or {}).items()
        ]
        return ", ".join([*said, *([] if vmaf is None else [f"VMAF {vmaf:.2f}"]), *regions])
    said = []
    for where, values in entry["values"].items():
        numbers = ", ".join(f"{name} {value:,.6g}" for name, value in sorted(values.items()) if name != "score")
        said.append(f"{where}: {numbers or 'not met'}")
    return "; ".join(said)


def _difference_table() -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("test", "entry", "what", "old", "new", "difference"):
        table.add_column(name, justify="right" if name in ("old", "new", "difference") else "left", overflow="fold")
    return table


def _add(table: Table, row: Sequence[str]) -> None:
    from rich.text import Text

    table.add_row(*(Text(printable(each)) for each in row))


def _differences(old: Entry | None, new: Entry | None) -> Iterator[tuple[str, str, str, str]]:
    """What differs between two entries: first what was measured, then each metric, of its pools those shown."""
    from pytest_vmaf.baselines.entry import differs, numbers_of

    if old is None or new is None:
        there, gone = (_values(each) if each else "–" for each in (old, new))
        yield "entry", there, gone, "only in NEW" if old is None else "only in OLD"
        return
    if not differs(old, new):
        return
    rows = [*_texts(old["match"], new["match"])]
    before, after = numbers_of(old), numbers_of(new)
    for where in dict.fromkeys((*before, *after)):
        numbers: tuple[Mapping[Any, float], ...] = before.get(where, {}), after.get(where, {})
        for metric, pool in dict.fromkeys((*numbers[0], *numbers[1])):
            a, b = (each.get((metric, pool)) for each in numbers)
            if a == b or pool not in SHOWN_POOLS:
                continue
            name = " ".join(filter(None, (where, metric, "" if pool == "mean" else pool)))
            change = f"{b - a:+,.4g}" if a is not None and b is not None else ""
            rows.append((name, _number(a), _number(b), change))
    yield from rows or [("frames or other pools", "", "", "differ")]


def _texts(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield name, old.get(name, "–"), new.get(name, "–"), "not comparable"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4f}"
