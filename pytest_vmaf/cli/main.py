"""The parser of `pytest-vmaf` and its exit codes.

Exit codes: 0 all gates pass and all targets are met, 1 at least one does not, 2 wrong usage, 3 the quality could not be
measured.
"""

from __future__ import annotations

import argparse
import io
import sys
import traceback
from collections.abc import Iterable, Sequence

from pytest_vmaf.cli import (
    baseline,
    cache,
    compare,
    corpus,
    doctor,
    gap,
    ladder,
    recommend,
    report,
    roi_score,
    score,
    tune_per_shot,
)
from pytest_vmaf.cli.common import NOT_MEASURED, USAGE, print_message
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.termination import Terminated, Termination
from pytest_vmaf.text import did_you_mean

COMMANDS = (score, gap, report, compare, ladder, tune_per_shot, recommend, corpus, roi_score, baseline, cache, doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line without the program's name. Default: `sys.argv[1:]`.

    Returns:
        The exit code.

    Raises:
        SystemExit: If the command line cannot be parsed (code 2), for `--help` and `--version`, and on a signal that
            ends the command.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, names = build_parser()
    if not words:
        parser.print_help(sys.stderr)
        return USAGE
    if not words[0].startswith("-") and words[0] not in names:
        hint = did_you_mean(words[0], names) or f" Choose from {', '.join(names)}."
        parser.error(f"There is no command {words[0]!r}.{hint}")
    options = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks must not end the command with a traceback.
            stream.reconfigure(errors="backslashreplace")
    # SIGTERM and SIGHUP stop a scorer and remove its folder, as Ctrl-C does.
    Termination().install()
    return _run(options)


def build_parser() -> tuple[argparse.ArgumentParser, Iterable[str]]:
    """Build the parser with all commands.

    Returns:
        The parser and the names of the commands.
    """
    parser = argparse.ArgumentParser(prog="pytest-vmaf", description="VMAF and VMAF-NEG quality gates.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser, commands.choices


def _run(options: argparse.Namespace) -> int:
    try:
        code: int = options.run(options)
    except SettingsError as error:
        code = print_message(f"usage: {error}", USAGE)
    except MeasurementError as error:
        code = print_message("\n  ".join([f"error: {error}", *getattr(error, "__notes__", ())]), NOT_MEASURED)
    except OSError as error:
        code = print_message(f"error: {error}", NOT_MEASURED)
    except Terminated:
        raise
    except KeyboardInterrupt:
        code = print_message("stopped", 130)
    except Exception as error:
        # Python itself would exit with 1, which means here that a gate fails.
        traceback.print_exc()
        code = print_message(f"internal error: {type(error).__name__}: {error}", NOT_MEASURED)
    return code


class _Version(argparse.Action):
    """Prints the version, which is only looked up when it is requested."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"pytest-vmaf {version('pytest-vmaf')}")
        parser.exit()
