"""`Processes`: worker processes on this machine, which are started again when one of them dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from pytest_vmaf.executors.task import watch_coordinator
from pytest_vmaf.media import scratch
from pytest_vmaf.media.child_signals import die_with_parent

P = ParamSpec("P")
T = TypeVar("T")
#: How long workers may take to stop their children and remove their folders, in seconds.
PATIENCE = 5.0


class Processes(Executor):
    """A pool of processes that have nothing from this one: they import what they need.

    After a worker has died, `renew` makes a fresh pool. When the body of a `with` statement raises, for example on
    Ctrl-C, the workers are ended at once, with all that they have started.

    Args:
        count: The number of processes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None
        self._others: set[BaseProcess] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As `Executor.submit`."""
        if self._pool is None:
            self._others = set(multiprocessing.active_children())
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_prepare_worker)
        with _without_interrupts():
            return self._pool.submit(fn, *args, **kwargs)

    def renew(self) -> None:
        """End what is left of the workers. The next task starts new ones."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        workers = set(multiprocessing.active_children()) - self._others
        pool.shutdown(wait=False, cancel_futures=True)
        # A worker that gets SIGTERM stops the programs that it runs, and removes its folders.
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + PATIENCE
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
        pool.shutdown(wait=True)
        scratch.sweep(again=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As `Executor.shutdown`."""
        if self._pool is not None:
            self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the tasks, or after an error end the workers."""
        if error is None:
            self.shutdown()
        else:
            self.renew()


def _prepare_worker() -> None:
    """Runs first in a worker: Ctrl-C is the coordinator's, and nobody survives a coordinator that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _mask(signal.SIG_UNBLOCK if hasattr(signal, "SIG_UNBLOCK") else 0)
    die_with_parent()
    # The kernel does not tell of a coordinator that was killed before, while this worker started.
    watch_coordinator()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that start here are not interrupted by Ctrl-C before they can ignore it."""
    before = _mask(signal.SIG_BLOCK if hasattr(signal, "SIG_BLOCK") else 0)
    try:
        yield
    finally:
        if before is not None and signal.SIGINT not in before:
            _mask(signal.SIG_UNBLOCK)


def _mask(how: int) -> Any:
    """The signals that were blocked before; None on Windows, which has no such mask."""
    return signal.pthread_sigmask(how, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
