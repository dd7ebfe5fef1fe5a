"""`pytest-vmaf baseline`: show and compare baselines, and accept the candidates of CI."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli.common import PASSED, VIOLATED, Commands, add_command, print_message
from pytest_vmaf.cli.formats import Views, add_output, table_section, write_views
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.text import plural, printable

if TYPE_CHECKING:
    from pytest_vmaf.baselines.entry import Entry

#: The pools to show. A difference in another pool is only mentioned.
POOLS = ("mean", "p5")
MAX_FOLDERS = 10_000
NOT_COPIED = "Nothing was copied."
EXIT_CODES = "0 done or equal, 1 different, 2 usage, 3 a file cannot be read"


def add_parser(commands: Commands) -> None:
    """Add the command with its actions."""
    text = "show, compare and accept the baselines that pytest --vmaf-baseline-update writes"
    actions = add_command(commands, "baseline", None, text, EXIT_CODES).add_subparsers(required=True, metavar="ACTION")
    show = add_command(actions, "show", _show, "list baselines", EXIT_CODES)
    text = "baseline files, or folders that contain them (default: the current folder)"
    show.add_argument("places", type=Path, nargs="*", default=[Path()], metavar="FILE|DIR", help=text)
    text = "compare two baseline files or folders; exits with 1 if they differ"
    diff = add_command(actions, "diff", _diff, text, EXIT_CODES)
    diff.add_argument("old", type=Path, help="the earlier baseline file or folder")
    diff.add_argument("new", type=Path, help="the later baseline file or folder")
    text = "copy the candidate baselines of a CI run into the baseline files next to the tests"
    accept = add_command(actions, "accept", _accept, text, EXIT_CODES)
    text = "the folder that pytest --vmaf-baseline-candidate=DIR wrote"
    accept.add_argument("candidate", type=Path, metavar="DIR", help=text)
    text = "pytest's rootdir (default: the current folder)"
    accept.add_argument("--into", type=Path, default=Path(), metavar="ROOT", help=text)
    for action in (show, diff):
        add_output(action)


def _show(options: argparse.Namespace) -> int:
    rows = []
    files = {place: _files(place) for place in options.places}
    ours = {place: _with_module(entries) for place, entries in files.items()}
    for name, test, clip, entry in (row for place in options.places for row in _entries(ours[place])):
        module = Path(name).parent.parent / Path(name).stem
        rows.append((f"{module}::{test}", clip, entry["kind"], _values(entry), entry["shown"].get("scorer", "")))
    if not rows:
        return print_message(f"There is no baseline in {', '.join(printable(str(place)) for place in options.places)}.")
    _write_rows(options, ("test", "entry", "what", "values", "measured with"), rows)
    if more := sum(map(len, files.values())) - sum(map(len, ours.values())):
        print_message(
            f"{plural(more, 'file')} without a test module left out, for example candidates; name their folder."
        )
    return PASSED


def _with_module(files: dict[str, Path]) -> dict[str, Path]:
    """The files next to their test modules; all files if none is, as in a folder of candidates."""
    from pytest_vmaf.baselines.files import modules_of

    return {name: path for name, path in files.items() if modules_of(path)} or files


def _diff(options: argparse.Namespace) -> int:
    files = _files(options.old, options.new), _files(options.new, options.old)
    if options.old.is_file() and options.new.is_file():
        # Two files are compared whatever their names are.
        files = {"": options.old}, {"": options.new}
    old, new = ({(name, test, clip): entry for name, test, clip, entry in _entries(each)} for each in files)
    rows = []
    for key in sorted(old.keys() | new.keys()):
        name, test, clip = key
        where = f"{name}::{test}".removeprefix("::")
        rows += [(where, clip, *row) for row in _differences(old.get(key), new.get(key))]
    if not rows and options.format == "table":
        print("pytest-vmaf: the baselines are equal.")
        return PASSED
    _write_rows(options, ("test", "entry", "what", "old", "new", "difference"), rows)
    return VIOLATED if rows else PASSED


def _accept(options: argparse.Namespace) -> int:
    from pytest_vmaf.baselines.files import read, text_of
    from pytest_vmaf.files import write_atomically

    for name, folder in (("The candidate", options.candidate), ("--into", options.into)):
        if not folder.is_dir():
            raise SettingsError(f"{name} must be a folder, and {printable(str(folder))} is not one.")
    root = options.into.resolve()
    planned = [(_target(file, options.candidate, root), read(file)) for file in _walk(options.candidate)]
    for target, entries in planned:
        # Baselines of other runs and other shards stay.
        tests = {test: dict(clips) for test, clips in read(target).items()}
        for test, clips in entries.items():
            tests.setdefault(test, {}).update(clips)
        write_atomically(target, [text_of(tests)])
        count = sum(map(len, entries.values()))
        print(f"pytest-vmaf: {count} accepted into {printable(str(target.relative_to(root)))}")
    if not planned:
        return print_message(f"There is no candidate in {printable(str(options.candidate))}.", VIOLATED)
    return PASSED


def _target(file: Path, candidate: Path, root: Path) -> Path:
    """Where a candidate's file goes.

    Raises:
        MeasurementError: For anything but a baseline file of a test module below the root.
    """
    from pytest_vmaf.baselines.files import FOLDER, modules_of

    name = file.relative_to(candidate)
    if file.is_symlink():
        raise MeasurementError(f"{printable(str(file))} is a link; candidates contain only files. {NOT_COPIED}")
    if file.suffix != ".json" or file.parent.name != FOLDER or ".." in name.parts:
        raise MeasurementError(f"Candidates contain only {FOLDER}/*.json, not {printable(str(file))}. {NOT_COPIED}")
    target = root / name
    if not target.resolve().is_relative_to(root) or (target.exists() and not target.is_file()):
        raise MeasurementError(f"{printable(str(target))} is outside {printable(str(root))}. {NOT_COPIED}")
    if not modules_of(target):
        raise MeasurementError(
            f"{printable(str(name))} belongs to a test module that is not in {printable(str(root))}. Name pytest's "
            f"rootdir with --into=ROOT. {NOT_COPIED}"
        )
    return target


def _entries(files: Mapping[str, Path]) -> Iterator[tuple[str, str, str, Entry]]:
    """Every entry with the name of its file, its test and its clip."""
    from pytest_vmaf.baselines.files import read

    for name, file in files.items():
        for test, clips in sorted(read(file).items()):
            yield from ((name, test, clip, entry) for clip, entry in sorted(clips.items()))


def _files(place: Path, other: Path | None = None) -> dict[str, Path]:
    """The baseline files of a folder by their relative names, or the one file.

    Files of the `other` folder are left out if it is inside this one.

    Raises:
        SettingsError: If the place does not exist.
    """
    from pytest_vmaf.baselines.files import FOLDER

    if place.is_dir():
        paths = [path for path in _walk(place) if path.parent.name == FOLDER and path.suffix == ".json"]
        # The other way round nothing is left out: a folder that contains this one contains all of its files.
        if other is not None and other.is_dir() and place.resolve() in other.resolve().parents:
            inside = other.resolve()
            paths = [path for path in paths if not path.resolve().is_relative_to(inside)]
        return {str(path.relative_to(place)): path for path in sorted(paths)}
    if not place.exists():
        raise SettingsError(f"{printable(str(place))} does not exist.")
    return {place.name: place}


def _walk(folder: Path) -> Iterator[Path]:
    """Every file in a folder and below. Links to folders are not followed but listed."""
    for number, (here, folders, names) in enumerate(os.walk(folder)):
        if number > MAX_FOLDERS:
            raise SettingsError(f"{printable(str(folder))} has more than {MAX_FOLDERS} folders; name the tests' own.")
        folders[:] = sorted(name for name in folders if name not in (".git", "node_modules"))
        links = [name for name in folders if (Path(here) / name).is_symlink()]
        yield from (Path(here) / name for name in (*sorted(names), *links))


def _values(entry: Entry) -> str:
    if entry["kind"] != "score":
        texts = []
        for where, values in entry["values"].items():
            numbers = ", ".join(f"{name} {value:,.6g}" for name, value in sorted(values.items()) if name != "score")
            texts.append(f"{where}: {numbers or 'not met'}")
        return "; ".join(texts)
    neg = entry["values"].get("neg", {})
    texts = [f"NEG {neg[pool]:.2f}{'' if pool == 'mean' else f' {pool}'}" for pool in POOLS if pool in neg]
    vmaf = entry["values"].get("vmaf", {}).get("mean")
    texts += [] if vmaf is None else [f"VMAF {vmaf:.2f}"]
    regions = {
        name: part["values"].get("neg", {}).get("mean", 0.0) for name, part in (entry.get("regions") or {}).items()
    }
    return ", ".join([*texts, *(f"{name}: NEG {mean:.2f}" for name, mean in regions.items())])


def _differences(old: Entry | None, new: Entry | None) -> Iterator[tuple[str, str, str, str]]:
    """The differences of two entries: first the conditions of the measurement, then the shown pools of each metric."""
    from pytest_vmaf.baselines.entry import differs, numbers_of

    if old is None or new is None:
        before, after = (_values(entry) if entry else "–" for entry in (old, new))
        yield "entry", before, after, "only in NEW" if old is None else "only in OLD"
        return
    if not differs(old, new):
        return
    rows = [*_conditions(old["match"], new["match"])]
    numbers = numbers_of(old), numbers_of(new)
    for where in dict.fromkeys((*numbers[0], *numbers[1])):
        pools: tuple[Mapping[Any, float], ...] = numbers[0].get(where, {}), numbers[1].get(where, {})
        for metric, pool in dict.fromkeys((*pools[0], *pools[1])):
            a, b = (each.get((metric, pool)) for each in pools)
            if a == b or pool not in POOLS:
                continue
            name = " ".join(filter(None, (where, metric, "" if pool == "mean" else pool)))
            change = f"{b - a:+,.4g}" if a is not None and b is not None else ""
            rows.append((name, _number(a), _number(b), change))
    before, after = (str((entry.get("bitstream") or {}).get("digest", "–"))[:8] for entry in (old, new))
    if before != after:
        rows.append(("packets", before, after, "differ"))
    yield from rows or [("frames or other pools", "", "", "differ")]


def _conditions(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield name, old.get(name, "–"), new.get(name, "–"), "not comparable"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4f}"


def _write_rows(options: argparse.Namespace, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from pytest_vmaf.report.layout import Layout

    left = [number for number, name in enumerate(names) if name not in ("old", "new", "difference")]
    table = Layout(names, [[*map(printable, row)] for row in rows], left, labels=3, above=True)
    records = [dict(zip(names, row, strict=True)) for row in table.rows]
    record = {"schema": 1, "rows": records}
    write_views(options, Views("Baselines", record, records, [table_section("", names, table.rows)], text=[table]))
