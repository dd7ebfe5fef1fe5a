"""What the subcommands of `pytest-vmaf` share: exit codes, flags, and how they read clips and write their output."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.media.clip import RAW_SUFFIXES, Clip
from pytest_vmaf.media.demux import is_known
from pytest_vmaf.options import OPTIONS
from pytest_vmaf.settings import Layer
from pytest_vmaf.text import printable

#: Streams without a container, which state no frame rate, or not reliably.
BARE_STREAMS = (".264", ".h264", ".avc", ".265", ".h265", ".hevc", ".266", ".vvc", ".obu", ".m4v", ".m2v")
PASSED, VIOLATED, USAGE, NOT_MEASURED = 0, 1, 2, 3


def say(code: int, text: str) -> int:
    """Say it on standard error, and give the exit code back."""
    print(f"pytest-vmaf: {text}", file=sys.stderr)
    return code


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Every setting of a measurement as a flag: pytest's, which messages name, and the same without "vmaf-"."""
    for option in OPTIONS:
        short = f"--{option.flag.removeprefix('--vmaf-')}"
        flags = (option.flag,) if short == "--bin" else (short, option.flag)
        common: dict[str, Any] = {"dest": option.name, "default": None, "help": option.help}
        if option.flag.startswith("--vmaf-no-"):
            parser.add_argument(*flags, action="store_false", **common)
        elif option.ini_type == "bool":
            parser.add_argument(*flags, action=argparse.BooleanOptionalAction, **common)
        elif option.ini_type == "args":
            parser.add_argument(*flags, action="append", metavar="NAME", **common)
        else:
            parser.add_argument(*flags, type={"int": int, "float": float}.get(option.ini_type, str), **common)


def add_output(parser: argparse.ArgumentParser, formats: tuple[str, ...] = ("table", "json")) -> None:
    """--format and --output."""
    parser.add_argument("--format", choices=formats, default="table", help="of the output (default table)")
    parser.add_argument("--output", type=Path, help="write there instead of to standard output")


def refuse_tolerances(layer: Layer) -> None:
    """Raise SettingsError for a gate upon a baseline, which belongs to a test."""
    for each in layer.tolerances:
        raise SettingsError(f"{each.name} is held against a baseline, and those belong to tests: pytest --vmaf-gate.")


def clip_of(path: Path, options: argparse.Namespace) -> Clip:
    """One set of flags serves all clips; each takes what its own file does not say.

    Raises SettingsError for a geometry or a frame rate that cannot be.
    """
    suffix = path.suffix.lower()
    raw = suffix in RAW_SUFFIXES or (suffix not in BARE_STREAMS and not is_known(path))
    try:
        if options.width is not None and options.height is not None and raw:
            geometry = {"width": options.width, "height": options.height, "pix_fmt": options.pix_fmt}
            return Clip(path, **geometry, frame_rate=options.frame_rate)
        silent = suffix in (*RAW_SUFFIXES, *BARE_STREAMS) or Clip(path).is_sequence
        return Clip(path, frame_rate=options.frame_rate if silent else None)
    except ClipError as error:
        # Nothing was looked at yet but what the flags say.
        raise SettingsError(str(error)) from None


def clips_of(paths: Sequence[Path], options: argparse.Namespace) -> list[Clip]:
    """The clips with what the flags say about them. Raises SettingsError, also for a flag that none of them needs."""
    if (options.width is None) != (options.height is None):
        raise SettingsError("Raw video needs both --width and --height.")
    clips = [clip_of(path, options) for path in paths]
    for name, flag in (("width", "width"), ("height", "height"), ("pix_fmt", "pix-fmt"), ("frame_rate", "frame-rate")):
        if getattr(options, name) is not None and all(getattr(clip, name) is None for clip in clips):
            files = "this file says it" if len(clips) == 1 else f"all {len(clips)} files say it"
            raise SettingsError(f"--{flag} says what a file does not; {files}.")
    return clips


def check_output(output: Path | None, flag: str = "--output") -> None:
    """Before anything is measured: raise SettingsError where the file could not be written."""
    if output is None:
        return
    if output.is_dir():
        raise SettingsError(f"{flag}: {printable(str(output))!r} is a folder; name a file.")
    if output.exists() and not output.is_file():
        # A device or a pipe, which is written to; whether somebody reads it is not known before.
        return
    check_folder(output.absolute().parent, flag)


def check_folder(folder: Path, flag: str, *, made: bool = False) -> None:
    """Raise SettingsError where nothing can be written into the folder, which with ``made`` need not be there yet."""
    there = folder.absolute()
    while made and not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise SettingsError(f"{flag}: there is no folder {printable(str(there))!r}.")
    try:
        # Nothing but trying tells for certain: permissions, read-only disks, other file systems.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise SettingsError(
            f"{flag}: nothing can be written into {printable(str(there))!r}: {error.strerror or error}."
        ) from None


def write_table(output: Path | None, *tables: Any) -> None:
    """rich's renderables as text, in colour on a terminal."""
    from pytest_vmaf.report.terminal import render

    to_terminal = output is None and sys.stdout.isatty()
    width = shutil.get_terminal_size((120, 24)).columns
    write(output, "".join(render(table, width, colour=to_terminal) for table in tables))


def write(output: Path | None, text: str) -> None:
    """Whole or not at all into the file; or into a device or a pipe, or to standard output."""
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists() and not output.is_file():
        # A device or a pipe, under its own name: where /dev/stdout leads is no path that could be opened.
        output.write_bytes(text.encode("utf-8", "backslashreplace"))
        return
    from pytest_vmaf.files import write_whole

    write_whole(output, [text])
