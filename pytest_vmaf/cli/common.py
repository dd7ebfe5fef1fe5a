"""Exit codes, flags, input clips, the measuring session and output that several commands share."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_vmaf.cli.selection import select
from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.media.clip import RAW_SUFFIXES, Clip
from pytest_vmaf.media.demux import is_known
from pytest_vmaf.option_table import BY_NAME, OPTIONS
from pytest_vmaf.settings import Layer, make_layer
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pytest_vmaf.api.vmaf import Vmaf

#: Streams without a container, which state no frame rate or no reliable one.
BARE_STREAMS = (".264", ".h264", ".avc", ".265", ".h265", ".hevc", ".266", ".vvc", ".obu", ".m4v", ".m2v")
PASSED, VIOLATED, USAGE, NOT_MEASURED = 0, 1, 2, 3


Run = Callable[[argparse.Namespace], int]


class Commands(Protocol):
    """What `add_subparsers` returns."""

    def add_parser(
        self, name: str, *, aliases: Sequence[str], help: str, description: str, epilog: str, usage: str | None
    ) -> argparse.ArgumentParser:
        """Add a command."""


def add_command(
    commands: Commands,
    name: str,
    run: Run | None,
    text: str,
    exit_codes: str = "0 done, 2 usage",
    *,
    aliases: Sequence[str] = (),
    usage: str = "",
    more: str = "",
) -> argparse.ArgumentParser:
    """Add a command, or an action of one.

    Args:
        commands: What to add it to.
        name: Its name.
        run: The function that executes it.
        text: Describes it in both helps.
        exit_codes: For the end of its help.
        aliases: Further names.
        usage: The arguments in the first line of its help, where argparse's own list would fill a screen.
        more: Further sentences of its description.
    """
    description = f"{text[:1].upper()}{text[1:]}. {more}".rstrip()
    how = f"pytest-vmaf {name} {usage}" if usage else None
    epilog = f"exit codes: {exit_codes}"
    parser = commands.add_parser(name, aliases=aliases, help=text, description=description, epilog=epilog, usage=how)
    parser.set_defaults(run=run)
    return parser


#: The settings in groups, for the helps.
SETTING_GROUPS = (
    ("how it is measured", ("model", "generation", "phone", "features", "metrics", "signs")),
    ("how the clips are paired", ("scale", "align", "match_rate", "allow")),
    ("tools", ("scorer", "ffmpeg", "vmaf_bin", "require", "threads", "timeout")),
    ("cache", ("cache", "cache_dir", "cache_size")),
)


def add_settings(parser: argparse.ArgumentParser, taken: Sequence[str] = ("--bin",)) -> None:
    """Add every setting of a measurement as a flag.

    pytest's own flags (`--vmaf-model`), which messages name, work as well as the short ones (`--model`). The help lists
    only the short ones.

    Args:
        parser: What to add them to.
        taken: Short flags that mean something else here, or would be a poor name.
    """
    kinds: dict[Any, dict[str, Any]] = {
        "bool": {"action": "store_true"},
        "float": {"type": float},
        "int": {"type": int},
    }
    kinds["args"] = {"action": "append", "metavar": "NAME"}
    for title, names in SETTING_GROUPS:
        group = parser.add_argument_group(title)
        for option in (BY_NAME[name] for name in names):
            short = f"--{option.flag.removeprefix('--vmaf-')}"
            off = short.startswith("--no-")
            kind = {"action": "store_false"} if off else kinds.get(option.ini_type, {})
            visible = option.flag if short in taken else short
            group.add_argument(visible, dest=option.name, default=None, help=option.help, **kind)
            hidden: dict[str, Any] = {"dest": option.name, "default": None, "help": argparse.SUPPRESS}
            if visible != option.flag:
                group.add_argument(option.flag, **hidden, **kind)
            if option.name == "ffmpeg":
                group.add_argument("--ffmpeg-bin", **hidden, **kind)
            if option.ini_type == "bool" and not off:
                group.add_argument(f"--no-{short[2:]}", f"--no-vmaf-{short[2:]}", action="store_false", **hidden)


def add_raw_video(parser: argparse.ArgumentParser, *, size: str = "", rate: str = "") -> None:
    """Add the flags that describe raw video; `size` and `rate` end their helps."""
    add = parser.add_argument_group("raw video").add_argument
    add("--width", type=int, help=f"in pixels{size}")
    add("--height", type=int, help="in pixels")
    add("--pix-fmt", help="as ffmpeg names it (default: by the suffix, else yuv420p)")
    add("--frame-rate", help=f"also of sequences and bare streams, for example 24 or 30000/1001{rate}")
    add("--framerate", dest="frame_rate", help=argparse.SUPPRESS)


def add_gate(parser: argparse._ActionsContainer, example: str) -> None:
    """Add `--gate`."""
    text = f"for example {example} (repeatable)"
    parser.add_argument("--gate", action="append", default=[], metavar="NAME=LIMIT", help=text)


def settings_layer(options: argparse.Namespace) -> Layer:
    """The settings and gates that were given as flags.

    Raises:
        SettingsError: For invalid ones, and for gates that compare with a baseline.
    """
    if options.vmaf_bin is not None and options.scorer is None:
        # Naming the tool is a request to score with it.
        options.scorer = "vmaf"
    # The commands select parts by --start and --frames.
    values = {option.name: getattr(options, option.name) for option in OPTIONS if option.name != "part"}
    from pytest_vmaf.api.extensions import standalone

    layer = make_layer("command line", values, getattr(options, "gate", ()), standalone().find_metric)
    for tolerance in layer.tolerances:
        raise SettingsError(
            f"{tolerance.name} compares with a baseline, which only pytest supports. "
            f"Use pytest --vmaf-gate {tolerance.name}=0.5."
        )
    return layer


def measuring_session(layer: Layer) -> Vmaf:
    """What measures with these settings, with a progress bar if standard error is a terminal."""
    from pytest_vmaf.api.context import Context
    from pytest_vmaf.api.extensions import standalone
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.progress import progress_on

    return Vmaf._from_context(Context((layer,), standalone(), progress_on(sys.stderr)))


def read_clips(paths: Sequence[Path], options: argparse.Namespace) -> list[Clip]:
    """The clips, each with what the flags say about it and its file does not.

    Raises:
        SettingsError: For an invalid geometry or frame rate, and for a flag that no clip needs.
    """
    if (options.width is None) != (options.height is None):
        raise SettingsError("Raw video needs both --width and --height.")
    clips = [_read_clip(path, options) for path in paths]
    for name in ("width", "height", "pix_fmt", "frame_rate"):
        if getattr(options, name) is not None and all(getattr(clip, name) is None for clip in clips):
            files = {1: "this file does", 2: "both files do"}.get(len(clips), f"all {len(clips)} files do")
            raise SettingsError(f"--{name.replace('_', '-')} is only for files that do not state it; {files}.")
    try:
        return select(clips, options)
    except ClipError as error:
        raise SettingsError(str(error)) from None


def _read_clip(path: Path, options: argparse.Namespace) -> Clip:
    suffix = path.suffix.lower()
    raw = suffix in RAW_SUFFIXES or (suffix not in BARE_STREAMS and not is_known(path))
    try:
        if options.width is not None and options.height is not None and raw:
            geometry = {"width": options.width, "height": options.height, "pix_fmt": options.pix_fmt}
            return Clip(path, **geometry, frame_rate=options.frame_rate)
        silent = suffix in (*RAW_SUFFIXES, *BARE_STREAMS) or Clip(path).is_sequence
        return Clip(path, frame_rate=options.frame_rate if silent else None)
    except ClipError as error:
        # No file has been opened yet, so the flags are to blame.
        raise SettingsError(str(error)) from None


def check_output(output: Path | None, flag: str = "--output") -> None:
    """Check before anything is measured that the file can be written.

    Raises:
        SettingsError: If it cannot.
    """
    if output is None:
        return
    if str(output) == "-":
        raise SettingsError(f"{flag} must be a file, not -. Write {flag} /dev/stdout for standard output.")
    if output.is_dir():
        raise SettingsError(f"{flag} must be a file, and {printable(str(output))!r} is a folder.")
    # A device or a pipe is written to; whether anything reads it is not known yet.
    if not output.exists() or output.is_file():
        check_folder(output.absolute().parent, flag)


def check_folder(folder: Path, flag: str, *, may_be_new: bool = False) -> None:
    """Check that a folder, or with `may_be_new` its nearest parent that exists, can be written to.

    Raises:
        SettingsError: If it cannot.
    """
    folder = folder.absolute()
    while may_be_new and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    name = printable(str(folder))
    if not folder.is_dir():
        raise SettingsError(f"{flag}: there is no folder {name!r}.")
    try:
        # Only trying is certain: there are permissions, read-only disks and other file systems.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(f"{flag}: cannot write to the folder {name!r}: {error.strerror or error}.") from None


def print_message(text: str, code: int = PASSED) -> int:
    """Print a message to standard error and return the exit code."""
    print(f"pytest-vmaf: {text}", file=sys.stderr)
    return code


def write_json(output: Path | None, record: Mapping[str, object]) -> None:
    """Write a record as strict JSON."""
    write(output, json.dumps(record, indent=2, allow_nan=False) + "\n")


def write_table(output: Path | None, *tables: RenderableType) -> None:
    """Write rich's renderables as text, in colour on a terminal."""
    from pytest_vmaf.report.terminal import render

    to_terminal = output is None and sys.stdout.isatty()
    width = shutil.get_terminal_size((120, 24)).columns
    write(output, "".join(render(table, width, colour=to_terminal) for table in tables))


def write(output: Path | None, text: str) -> None:
    """Write to standard output, to a device or a pipe, or to a file: then completely or not at all."""
    if output is None:
        sys.stdout.write(text)
        return
    from pytest_vmaf.files import write_atomically

    write_atomically(output, [text])
