"""SIGTERM and SIGHUP as an exception, so that children end and folders are removed before the process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from pytest_vmaf.media.child_signals import ENDING
from pytest_vmaf.media.guard import kill_started


class Terminated(SystemExit, KeyboardInterrupt):
    """Raised in the main thread on SIGTERM and SIGHUP.

    Python exits with the shell's code for the signal, 143 for SIGTERM. pytest ends the run, as it does on Ctrl-C.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(128 + number)
        self._name = number.name

    def __str__(self) -> str:
        return self._name


class Termination:
    """A handler of SIGTERM and SIGHUP that raises `Terminated`, once: coreutils' `timeout` sends SIGTERM twice.

    Args:
        announce: Called first, with the signal.

    Attributes:
        received: The signal that came, if any.
    """

    def __init__(self, announce: Callable[[signal.Signals], None] = lambda number: None) -> None:
        self.received: signal.Signals | None = None
        self._announce, self._process = announce, os.getpid()

    def install(self) -> None:
        """Handle the signals that nothing else handles: a handler of the user stays, and so does an ignored signal."""
        self._replace(signal.SIG_DFL, self._end)

    def remove(self) -> None:
        """Give the signals their default effect again, unless another handler has replaced this one."""
        self._replace(self._end, signal.SIG_DFL)

    def _replace(self, old: object, new: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                if signal.getsignal(number) == old:
                    signal.signal(number, new)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A fork, for example of multiprocessing: what is cleaned up here belongs to its parent.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self.received is None:
            self.received = signal.Signals(number)
            self._announce(self.received)
            kill_started()
            raise Terminated(self.received)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """While there is something to clean up, SIGTERM and SIGHUP raise `Terminated` instead of ending the process."""
    termination = Termination()
    termination.install()
    try:
        yield
    finally:
        termination.remove()
    if termination.received is not None:
        # A function of the user caught it.
        raise Terminated(termination.received)
