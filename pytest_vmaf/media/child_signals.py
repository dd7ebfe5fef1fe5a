"""Signals while a child is started, and when its parent dies."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

PR_SET_PDEATHSIG = 1
#: How long setpriv may take to show its version.
TRIAL_SECONDS = 10.0


#: Signals that end a process from outside: SIGTERM, and SIGHUP when its terminal is closed.
ENDING = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


@contextlib.contextmanager
def deferred(*numbers: signal.Signals) -> Iterator[None]:
    """Let the handlers of signals run once a child has been started and noted, not in between.

    Python drops what a handler raises in a hook around a fork (`os.register_at_fork`, which logging uses): Ctrl-C would
    be lost. Handlers run in the main thread alone, so other threads have nothing to defer.
    """
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        # A signal that is ignored, or ends the process at once, acts that way in the child too.
        handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    pending: list[int] = []
    for number in handlers:
        signal.signal(number, lambda number, frame: pending.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for received in dict.fromkeys(pending):
            signal.raise_signal(received)


def _load_prctl() -> Callable[..., int] | None:
    # A statically linked Python cannot open itself.
    with contextlib.suppress(OSError):
        return getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    return None


#: Loaded before any fork: the child must not load libraries.
_prctl = _load_prctl()
#: The programs that the system has started.
_startable: set[tuple[str, int, int, int]] = set()


def die_with_parent() -> None:
    """Runs in the child before exec: the kernel kills it when the thread that started it is gone (prctl(2)).

    A worker that is killed outright cannot stop its scorer; on other systems the scorer then runs to its end.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_that_dies_with_parent(argv: Sequence[str]) -> tuple[Sequence[str], Callable[[], None] | None]:
    """The command to start in place of this one, and what runs in the child before it (see `die_with_parent`).

    A hook in the child needs a copy of this process, which takes ten times as long as the start. setpriv(1) asks the
    kernel for the same and then becomes the program.
    """
    if sys.platform != "linux":
        return argv, None
    # A program that cannot be started must be the system's error. setpriv would give it to a shell.
    if _stamp(argv[0]) in _startable and (setpriv := find_setpriv()) is not None:
        return (*setpriv, *argv), None
    return argv, die_with_parent


def note_start(argv: Sequence[str]) -> None:
    """Remember that the system started this program."""
    if stamp := _stamp(argv[0]):
        _startable.add(stamp)


def _stamp(path: str) -> tuple[str, int, int, int] | None:
    """The file of a program as it is now; None for a name that is looked up elsewhere."""
    if not os.path.isabs(path):
        return None
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return None
    return path, stat.st_ino, stat.st_size, stat.st_mtime_ns


@functools.cache
def find_setpriv() -> tuple[str, ...] | None:
    """The command of util-linux. BusyBox has one of that name which cannot do it."""
    path = shutil.which("setpriv")
    if path is None:
        return None
    command = (os.path.abspath(path), "--pdeathsig", "KILL", "--")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        # Its own file is the program to run: one that certainly exists.
        trial = subprocess.run(
            [*command, command[0], "--version"], capture_output=True, timeout=TRIAL_SECONDS, check=False
        )
        return command if trial.returncode == 0 else None
    return None
