"""`pytest-vmaf git-bisect`: a command for `git bisect run`, which judges a commit by quality alone."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from pytest_vmaf.cli import common
from pytest_vmaf.media.termination import Terminated
from pytest_vmaf.report.run_outcome import FOLDER, RunOutcome, read_outcomes
from pytest_vmaf.text import plural, printable

#: What git calls a commit whose command ends so. From 128 on, it stops bisecting.
GOOD, BAD, SKIP, STOP = 0, 1, 125, 128
EXIT_CODES = (
    "0 all gates pass (good), 1 a gate or a baseline fails (bad), 125 anything was not measured (skip), 128 and above "
    "wrong usage, or the user ended the command (stop bisecting)"
)
MORE = (
    "The verdict depends on what pytest and pytest-vmaf record themselves. A "
    "build that breaks, an import that fails and any other failing test only skip the commit."
)
#: Signals with which a user ends a command. What a shell started and they ended has 128 more as its exit code.
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))
#: Seconds that the command has to end after Ctrl-C, which a terminal sends to it as well.
PATIENCE = 30.0
#: The most reasons that are printed.
MOST = 5


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    parser = common.add_command(
        commands,
        "git-bisect",
        run,
        "run a command, and exit as `git bisect run` expects",
        EXIT_CODES,
        usage="-- COMMAND [ARGUMENT ...]",
        more=MORE,
    )
    text = "for example pytest tests/quality, pytest-vmaf score ref.y4m out.mp4 --gate min_neg=93, or sh -c 'make && …'"
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help=text)
    # argparse's own code for wrong usage, 2, would make git call every commit bad.
    parser.error = _stop  # type: ignore[method-assign]


def run(options: argparse.Namespace) -> int:
    """Run the command, and judge by what pytest and pytest-vmaf wrote while it ran."""
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        return common.print_message("usage: write the command after --: pytest-vmaf git-bisect -- pytest tests", STOP)
    try:
        with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
            status = _run_command(words, {**_environment(), FOLDER: folder})
            outcomes = list(read_outcomes(Path(folder)))
    except OSError as error:
        why = f"{printable(words[0])!r} could not be started: {error.strerror or error}"
        # A path may lead to what this commit lacks. Everything else would be the same in each commit.
        code = SKIP if os.path.dirname(words[0]) and error.filename == words[0] else STOP
        return _say("skip" if code == SKIP else "stop", code, why)
    except Exception as error:
        # The code of every other command for this is 3, which git takes for a bad commit.
        traceback.print_exc()
        return _say("stop", STOP, f"internal error: {type(error).__name__}: {error}")
    return judge(status, outcomes)


def judge(status: int, outcomes: Sequence[RunOutcome]) -> int:
    """Print the verdict on a commit, and return its exit code.

    Args:
        status: The exit code of the command; negative for the signal that ended it.
        outcomes: What the runs of pytest and pytest-vmaf in it wrote.
    """
    number = -status if status < 0 else status - 128
    if number in ENDING or any(each.interrupted for each in outcomes):
        code = 128 + (number if number in ENDING else signal.SIGINT)
        return _say("stop", code, "the command was interrupted")
    if violated := [text for each in outcomes for text in each.violated]:
        return _say("bad", BAD, "a gate fails", violated)
    measured = sum(each.measured for each in outcomes)
    failed = [text for each in outcomes for text in each.failed]
    if status or failed:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
        what = f"the command {how}, and no gate fails" if status else "something was not measured"
        return _say("skip", SKIP, what, failed)
    if not measured:
        return _say("skip", SKIP, "nothing was measured by pytest with the vmaf fixture or by pytest-vmaf")
    return _say("good", GOOD, f"all gates pass ({plural(measured, 'measurement')})")


def _run_command(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end, also after a signal that ends this process, and return its exit code."""
    child = subprocess.Popen(words, env=environment)
    try:
        return child.wait()
    except KeyboardInterrupt as interruption:
        # A terminal sends Ctrl-C to the command as well, which then writes its reports.
        if isinstance(interruption, Terminated):
            child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
            raise
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
        raise
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def _environment() -> dict[str, str]:
    """The environment without the name of a test that runs this command: runs in the command are not that test's."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _say(verdict: str, code: int, why: str, reasons: Sequence[str] = ()) -> int:
    more = [f"{len(reasons) - MOST} more"] if len(reasons) > MOST else []
    return common.print_message("\n  ".join([f"{verdict} ({code}): {why}", *reasons[:MOST], *more]), code)


def _stop(message: str) -> NoReturn:
    raise SystemExit(_say("stop", STOP, f"usage: {message}"))
