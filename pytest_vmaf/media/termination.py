"""SIGTERM as an exception, so that children end and temporary folders are removed before the process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Terminated(SystemExit, KeyboardInterrupt):
    """Raised in the main thread on SIGTERM.

    Python exits with code 143, the shell's code for SIGTERM. pytest ends the run, as it does on Ctrl-C.
    """

    def __init__(self) -> None:
        super().__init__(143)

    def __str__(self) -> str:
        return "SIGTERM"


class Termination:
    """A handler of SIGTERM that raises `Terminated`, once: `timeout` of coreutils sends the signal twice.

    Args:
        announce: Called first.

    Attributes:
        received: Whether the signal came.
    """

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        self.received = False
        self._announce, self._process = announce, os.getpid()

    def install(self) -> None:
        """Handle SIGTERM, if nothing else does: a handler of the user stays, and so does a signal that is ignored."""
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._end)

    def remove(self) -> None:
        """Give SIGTERM its default effect again, unless another handler has replaced this one."""
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == self._end:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A fork, for example of multiprocessing: what is cleaned up here belongs to its parent.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        elif not self.received:
            self.received = True
            self._announce()
            raise Terminated


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """While there is something to clean up, SIGTERM raises `Terminated` instead of ending the process at once."""
    termination = Termination()
    termination.install()
    try:
        yield
    finally:
        termination.remove()
    if termination.received:
        # A function of the user caught it.
        raise Terminated
