"""`pytest-vmaf cache`: what is kept of earlier measurements, and how to be rid of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_vmaf.cli.common import PASSED
from pytest_vmaf.errors import SettingsError

#: Where pytest's own cache holds it, seen from the folder that pytest is started in.
USUAL = Path(".pytest_cache", "d", "vmaf")
SHOWN = {
    "file": "digests of large files",
    "look": "looks at clips and programs",
    "score": "scores",
    "encode": "encodes of searches",
    "mask": "saliency",
}


def add_cache(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "cache", help="scores and encodes of earlier runs: how many there are, and how to remove them"
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, what in (
        ("info", _info, "how many entries of each kind there are, and how much they take"),
        ("clear", _clear, "remove every entry, and nothing else"),
    ):
        action = actions.add_parser(name, help=what)
        action.set_defaults(run=run)
        action.add_argument(
            "--cache-dir", "--vmaf-cache-dir", type=Path, default=USUAL, help=f"the folder (default {USUAL})"
        )


def _info(options: argparse.Namespace) -> int:
    from pytest_vmaf.cache import Cache, contents
    from pytest_vmaf.text import printable

    found = contents(Cache(_folder(options)))
    print(printable(str(_folder(options))))
    for kind, (entries, size) in found.items():
        print(f"  {SHOWN[kind]:<28} {entries:>7}  {_bytes(size):>9}")
    total = sum(entries for entries, _ in found.values()), sum(size for _, size in found.values())
    print(f"  {'in all':<28} {total[0]:>7}  {_bytes(total[1]):>9}")
    return PASSED


def _clear(options: argparse.Namespace) -> int:
    from pytest_vmaf.cache import Cache, clear
    from pytest_vmaf.text import printable

    freed = clear(Cache(_folder(options)))
    print(f"{_bytes(freed)} were removed from {printable(str(_folder(options)))}.")
    return PASSED


def _folder(options: argparse.Namespace) -> Path:
    folder: Path = options.cache_dir.expanduser()
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {folder}; say where the cache is with --cache-dir=DIR.")
    return folder


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
