"""What the subcommands of `pytest-vmaf` share: exit codes, flags, and how they read clips and write their output."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from pytest_vmaf.quality.clip import RAW_SUFFIXES, Clip
from pytest_vmaf.quality.errors import SettingsError
from pytest_vmaf.quality.reading import is_known
from pytest_vmaf.settings import OPTIONS

#: Streams without a container, which state no frame rate, or not reliably.
BARE_STREAMS = (".264", ".h264", ".avc", ".265", ".h265", ".hevc", ".266", ".vvc", ".obu", ".m4v", ".m2v")
PASSED, VIOLATED, USAGE, NOT_MEASURED = 0, 1, 2, 3


def say(code: int, text: str) -> int:
    """Say it on standard error, and give the exit code back."""
    print(f"pytest-vmaf: {text}", file=sys.stderr)
    return code


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Every setting of a measurement as a flag, named as pytest's without "vmaf-"."""
    for option in OPTIONS:
        flag = f"--{option.flag.removeprefix('--vmaf-')}"
        flag = "--vmaf-bin" if flag == "--bin" else flag
        flags = (flag, "--vmaf-model") if flag == "--model" else (flag,)
        common: dict[str, Any] = {"dest": option.name, "default": None, "help": option.help}
        if option.ini_type == "bool":
            parser.add_argument(*flags, action=argparse.BooleanOptionalAction, **common)
        elif option.ini_type == "args":
            parser.add_argument(*flags, action="append", metavar="NAME", **common)
        else:
            parser.add_argument(*flags, type={"int": int, "float": float}.get(option.ini_type, str), **common)


def add_output(parser: argparse.ArgumentParser, formats: tuple[str, ...] = ("table", "json")) -> None:
    """--format and --output."""
    parser.add_argument("--format", choices=formats, default="table", help="of the output (default table)")
    parser.add_argument("--output", type=Path, help="write there instead of to standard output")


def clip_of(path: Path, options: argparse.Namespace) -> Clip:
    """One set of flags serves both clips; each takes what its own file does not say."""
    suffix = path.suffix.lower()
    raw = suffix in RAW_SUFFIXES or (suffix not in BARE_STREAMS and not is_known(path))
    if options.width and options.height and raw:
        geometry = {"width": options.width, "height": options.height, "pix_fmt": options.pix_fmt}
        return Clip(path, **geometry, frame_rate=options.frame_rate)
    silent = suffix in (*RAW_SUFFIXES, *BARE_STREAMS) or Clip(path).is_sequence
    return Clip(path, frame_rate=options.frame_rate if silent else None)


def check_output(output: Path | None) -> None:
    """Before anything is measured: raise SettingsError where there is no folder to write into."""
    if output is not None and not output.absolute().parent.is_dir():
        raise SettingsError(f"--output: there is no folder {str(output.absolute().parent)!r}.")


def write_table(output: Path | None, *tables: Any) -> None:
    """rich's renderables as text, in colour on a terminal."""
    from pytest_vmaf.report.terminal import render

    to_terminal = output is None and sys.stdout.isatty()
    width = shutil.get_terminal_size((120, 24)).columns
    write(output, "".join(render(table, width, colour=to_terminal) for table in tables))


def write(output: Path | None, text: str) -> None:
    """Whole or not at all into the file, or to standard output."""
    if output is None:
        sys.stdout.write(text)
        return
    from pytest_vmaf.report.files import write_whole

    write_whole(output, [text])
