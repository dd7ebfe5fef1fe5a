"""Signals while a child is started, and when its parent dies."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator

PR_SET_PDEATHSIG = 1


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


def die_with_parent() -> None:
    """Runs in the child before exec: the kernel kills it when the thread that started it is gone (prctl(2)).

    A worker that is killed outright cannot stop its scorer; on other systems the scorer then runs to its end.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
