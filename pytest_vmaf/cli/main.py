"""The `pytest-vmaf` command: the same rooms without pytest.

Exit codes: 0 all gates hold and all targets are met, 1 at least one is not, 2 wrong usage, 3 the quality could not be
measured.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.cli.baseline import add_baseline
from pytest_vmaf.cli.cache import add_cache
from pytest_vmaf.cli.common import (
    NOT_MEASURED,
    PASSED,
    USAGE,
    add_output,
    add_scoring,
    say,
)
from pytest_vmaf.cli.gap import _gap
from pytest_vmaf.cli.report import _report
from pytest_vmaf.cli.roi_score import add_command
from pytest_vmaf.cli.score import _score
from pytest_vmaf.cli.search_flags import add_commands
from pytest_vmaf.errors import MeasurementError, SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding has not must not end the command with a traceback.
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        # So that a scorer is stopped and its folder removed, as after Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        code: int = options.run(options)
    except SettingsError as error:
        code = say(USAGE, f"usage: {error}")
    except MeasurementError as error:
        code = say(NOT_MEASURED, "\n  ".join([f"error: {error}", *getattr(error, "__notes__", ())]))
    except OSError as error:
        code = say(NOT_MEASURED, f"error: {error}")
    except KeyboardInterrupt:
        code = say(130, "stopped")
    except Exception as error:
        # Python's own exit code for it is 1, which here means that a gate is violated.
        traceback.print_exc()
        code = say(NOT_MEASURED, f"internal error: {type(error).__name__}: {error}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-vmaf", description="VMAF and VMAF-NEG quality gates.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    score = commands.add_parser(
        "score",
        help="score an encode against its reference and hold gates against it",
        epilog="exit codes: 0 gates hold, 1 violated, 2 usage, 3 could not measure",
    )
    score.set_defaults(run=_score)
    score.add_argument("reference", type=Path, help="what the encoder was given")
    score.add_argument("distorted", type=Path, help="what it made of it")
    score.add_argument("--width", type=int, help="of raw video, in pixels")
    score.add_argument("--height", type=int, help="of raw video, in pixels")
    score.add_argument("--pix-fmt", help="of raw video, as ffmpeg names it (default yuv420p)")
    score.add_argument(
        "--frame-rate", "--framerate", help="of raw video, sequences and bare streams, e.g. 24, 30000/1001"
    )
    score.add_argument("--gate", action="append", default=[], metavar="NAME=LIMIT", help="e.g. min_neg=93 (repeatable)")
    add_scoring(score)
    add_output(score)

    gap = commands.add_parser(
        "gap",
        help="the gap between default and NEG in libvmaf logs",
        epilog="exit codes: 0 nothing to flag, 1 a large gap or frames above 100, 2 usage, 3 a log could not be read",
    )
    gap.set_defaults(run=_gap)
    gap.add_argument("log", type=Path, help="libvmaf log (XML, JSON or CSV) with both models, or with the default one")
    gap.add_argument("neg_log", type=Path, nargs="?", help="the log of the NEG model, if it is in one of its own")
    gap.add_argument("--default-column", help="column of the default model")
    gap.add_argument("--neg-column", help="column of the NEG model")
    gap.add_argument("--max-gap", type=float, default=3.0, help="flag a larger mean gap (default 3.0)")
    add_output(gap)

    report = commands.add_parser(
        "report",
        help="one report of several runs, as the shards of a build matrix",
        epilog="exit codes: 0 all gates hold, 1 some do not, 2 usage, 3 a file cannot be read, or something was not "
        "measured: a test, the rest of a run that was stopped, or everything",
    )
    report.set_defaults(run=_report)
    report.add_argument("files", type=Path, nargs="+", metavar="JSON", help="what pytest --vmaf-json wrote")
    report.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        required=True,
        help="where to write; .html, .md or .json says what (repeatable)",
    )
    report.add_argument("--html-assets", action="store_true", help="style, script and pictures in a folder beside it")

    add_commands(commands)
    add_command(commands)
    add_baseline(commands)
    add_cache(commands)

    doctor = commands.add_parser("doctor", help="which ffmpeg, libvmaf and models there are, and what is missing")
    doctor.set_defaults(run=_doctor)
    doctor.add_argument("--ffmpeg", help="the ffmpeg to look at")
    doctor.add_argument("--vmaf-bin", default="vmaf", help="Netflix's vmaf tool")
    return parser


class _Version(argparse.Action):
    """Prints the version; asked for only then, since it is looked up in the installed package's data."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"pytest-vmaf {version('pytest-vmaf')}")
        parser.exit()


def _doctor(options: argparse.Namespace) -> int:
    from pytest_vmaf.cli.doctor import examine

    lines, healthy = examine(options.ffmpeg, options.vmaf_bin)
    print("\n".join(lines))
    return PASSED if healthy else NOT_MEASURED
