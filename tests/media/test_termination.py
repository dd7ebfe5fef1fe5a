"""SIGTERM and SIGHUP as an exception: when it is raised, and whose handler stays."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from pytest_vmaf.media.child_signals import ENDING
from pytest_vmaf.media.termination import Terminated, Termination, ended_by_signals


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """The default effect of both, whatever this run of pytest has."""
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_raised_once() -> None:
    cleaned = []

    def function() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            # coreutils' timeout sends it twice; cleaning up goes on.
            signal.raise_signal(signal.SIGTERM)
            cleaned.append(1)

    with pytest.raises(Terminated) as caught, ended_by_signals(), ended_by_signals():
        function()
    assert cleaned
    assert caught.value.code == 143
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="has no SIGHUP")
def test_closed_terminal() -> None:
    with pytest.raises(Terminated, match="SIGHUP") as caught, ended_by_signals():
        signal.raise_signal(signal.SIGHUP)
    assert caught.value.code == 129
    # What nohup does.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ended_by_signals():
        signal.raise_signal(signal.SIGHUP)


def test_raised_again_if_caught() -> None:
    def function() -> None:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Terminated), ended_by_signals():
        function()


def test_own_handler_stays() -> None:
    calls = []

    def handler(number: int, frame: object) -> None:
        calls.append(number)

    for own in (signal.SIG_IGN, handler):
        signal.signal(signal.SIGTERM, own)
        with ended_by_signals():
            assert signal.getsignal(signal.SIGTERM) is own
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is own
    assert calls == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with ended_by_signals():
        signal.signal(signal.SIGTERM, handler)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_other_threads_leave_it_alone() -> None:
    handlers = []

    def work() -> None:
        with ended_by_signals():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.SIG_DFL]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_ends_at_once() -> None:
    termination = Termination()
    termination.install()
    child = os.fork()
    if child == 0:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    termination.remove()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
