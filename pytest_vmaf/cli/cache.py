"""`pytest-vmaf cache`: the scores and encodes of earlier runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli.common import PASSED, Commands, add_command, write
from pytest_vmaf.cli.formats import Views, add_output, table_section, write_views
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable

#: The folder inside pytest's own cache, relative to the folder that pytest is started in.
USUAL = Path(".pytest_cache", "d", "vmaf")
KINDS = {
    "file": "digests of large files",
    "look": "inspected clips and programs",
    "score": "scores",
    "encode": "encodes of searches",
    "mask": "saliency",
}


def add_parser(commands: Commands) -> None:
    """Add the command with its actions."""
    parser = add_command(commands, "cache", None, "show or clear the cache")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    info = add_command(actions, "info", _info, "show the number of entries of each kind and their size")
    clear = add_command(actions, "clear", _clear, "remove all entries")
    add_output(info)
    for action in (info, clear):
        text = f"folder of the cache (default {USUAL})"
        action.add_argument("--cache-dir", "--vmaf-cache-dir", type=Path, default=USUAL, help=text)


def _info(options: argparse.Namespace) -> int:
    from pytest_vmaf.cache.folder import Cache, contents

    folder = _folder(options)
    kinds = contents(Cache(folder))
    name = printable(str(folder))
    total = sum(entries for entries, _ in kinds.values()), sum(size for _, size in kinds.values())
    amounts = {**kinds, "total": total}.items()
    lines = [f"  {KINDS.get(kind, kind):<28} {entries:>7}  {_megabytes(size):>9}" for kind, (entries, size) in amounts]
    if options.format == "table":
        write(options.output, "".join(f"{line}\n" for line in (name, *lines)))
        return PASSED
    rows = [{"kind": kind, "entries": entries, "bytes": size} for kind, (entries, size) in kinds.items()]
    cells = [(KINDS.get(kind, kind), entries, _megabytes(size)) for kind, (entries, size) in amounts]
    sections = [table_section("", ("kind", "entries", "size"), cells)]
    write_views(options, Views(name, {"schema": 1, "folder": name, "kinds": rows}, rows, sections))
    return PASSED


def _clear(options: argparse.Namespace) -> int:
    from pytest_vmaf.cache.folder import Cache, clear

    folder = _folder(options)
    print(f"Removed {_megabytes(clear(Cache(folder)))} from {printable(str(folder))}.")
    return PASSED


def _folder(options: argparse.Namespace) -> Path:
    folder: Path = options.cache_dir.expanduser()
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {folder}. Name the cache's folder with --cache-dir=DIR.")
    return folder


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
