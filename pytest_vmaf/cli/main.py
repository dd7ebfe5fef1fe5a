"""The parser of `pytest-vmaf` and its exit codes.

Exit codes: 0 all gates pass and all targets are met, 1 at least one does not, 2 wrong usage, 3 the quality could not be
measured.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_vmaf.cli import (
    baseline,
    benchmark,
    bisect,
    cache,
    compare,
    correlate,
    determinism,
    doctor,
    encode,
    export,
    gap,
    git_bisect,
    history,
    ladder,
    per_shot,
    quality_map,
    recommend,
    report,
    roi,
    score,
    speed,
    stream,
    suite,
    sweep,
    vmaf_tune,
)
from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, USAGE, VIOLATED, print_message
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.termination import Terminated, Termination
from pytest_vmaf.text import did_you_mean, shell_join

#: In the order of the help. `score` is two commands.
COMMANDS = (
    *(score, roi, quality_map, stream, encode, bisect, compare, ladder, per_shot, sweep, recommend, benchmark),
    *(speed, determinism, correlate),
    *(gap, report, history, export, baseline, suite, git_bisect, cache, doctor),
)
#: Those whose exit code is not a verdict on the commit: they check no gate, or read what may be of another commit.
WITHOUT_VERDICT = (
    *("encode", "benchmark", "history", "export", "suite", "git-bisect", "cache", "doctor"),
    *("report", "baseline", "correlate"),
)


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
        if words[0] in vmaf_tune.COMMANDS:
            hint = f" {vmaf_tune.COMMANDS[words[0]]}"
        parser.error(f"There is no command {words[0]!r}.{hint}")
    options, rest = parser.parse_known_args(words)
    if rest and hasattr(options, "most_sources") and not any(word.startswith("-") for word in rest):
        # argparse of Python 3.11 and 3.12 takes no clips after options.
        options.source, rest = [*options.source, *map(Path, rest)], []
    if rest:
        command = names.get(words[0], parser)
        command.error(f"unrecognized arguments: {' '.join(rest)}{_flag_hint(rest[0], command)}")
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            # A name that the terminal's encoding lacks must not end the command with a traceback.
            output.reconfigure(errors="backslashreplace")
    # SIGTERM and SIGHUP stop a scorer and remove its folder, as Ctrl-C does.
    Termination().install()
    code = _run(options)
    _write_outcome(words, code)
    return code


def _flag_hint(word: str, parser: argparse.ArgumentParser) -> str:
    """What was probably meant by a flag that a command does not have."""
    flag, equals, value = word.partition("=")
    flags = re.findall(r"--[\w-]+", parser.format_help())
    if flag.startswith(("--min-", "--max-")) and "--gate" in flags:
        return f". Gates are written as --gate {flag[2:].replace('-', '_')}={value if equals else 'LIMIT'}."
    return f".{hint}" if (hint := did_you_mean(flag, flags)) else ""


def build_parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Build the parser with all commands.

    Returns:
        The parser, and the commands' own parsers by their names.
    """
    parser = argparse.ArgumentParser(prog="pytest-vmaf", description="VMAF and VMAF-NEG quality gates.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    vmaf_tune.add_flags(commands.choices)
    # vmaf-roi-score is a program of its own.
    commands.choices["roi"].add_argument("--version", action=_Version, nargs=0, help=argparse.SUPPRESS)
    return parser, commands.choices


def _run(options: argparse.Namespace) -> int:
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run_command(options)


def _write_outcome(words: Sequence[str], code: int) -> None:
    """Tell `pytest-vmaf git-bisect`, if it runs this command, what the command came to."""
    from pytest_vmaf.report.run_outcome import RunOutcome, outcome_folder, write_outcome

    if (folder := outcome_folder()) is None or words[0] in WITHOUT_VERDICT:
        return
    text = f"{shell_join(['pytest-vmaf', *words])} ended with {code}"
    outcomes = {PASSED: RunOutcome(1), VIOLATED: RunOutcome(violated=(text,)), 130: RunOutcome(interrupted=True)}
    try:
        write_outcome(folder, outcomes.get(code, RunOutcome(failed=(text,))))
    except OSError as error:
        print_message(f"error: what git-bisect reads could not be written: {error}")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as the command prints errors: what Python prints has a line of our code."""
    print_message(f"warning: {message}", 0)


def _run_command(options: argparse.Namespace) -> int:
    try:
        vmaf_tune.translate(options)
        with vmaf_tune.encode_folder(options):
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
