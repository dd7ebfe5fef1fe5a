"""`collect`: run tasks on an executor, and yield what becomes of each as it comes."""

from __future__ import annotations

import os
import platform
import queue
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.executors.own_threads import refuse_own_threads, waiting_thread
from pytest_vmaf.executors.processes import PATIENCE, Processes
from pytest_vmaf.executors.task import Outcome, Task, TaskError, plain_error, run_task
from pytest_vmaf.media import scratch
from pytest_vmaf.text import plural, printable

T = TypeVar("T")
#: How many tasks are submitted before the first of them is done. Memory is bounded by it, and so is the number of
#: workers that can be busy.
WINDOW = 1024
#: How many tasks one after the other may kill their workers, until something else must be wrong.
MOST_KILLERS = 3
#: How often Ctrl-C is looked for where waiting cannot be interrupted, in seconds.
SLICE = 0.5
#: How many tasks a message lists.
MOST_NAMES = 5


@dataclass(frozen=True)
class Done(Generic[T]):
    """A task that is done.

    Attributes:
        task: The task.
        values: What it returned, as the only item; empty if it failed.
        error: Why it failed, or None.
    """

    task: Task[T]
    values: tuple[T, ...] = ()
    error: TaskError | None = None


def collect(executor: Executor, tasks: Iterable[Task[T]]) -> Generator[Done[T], None, None]:
    """Run tasks, and yield each when it is done, in any order.

    A task that fails is yielded with its error; the others go on. If the workers of `Processes` die, the tasks that
    they may have been running run once more, each alone: one that kills its worker again has failed. Close the iterator
    (`contextlib.closing`) to cancel the tasks that have not begun.

    Args:
        executor: Where they run.
        tasks: What to run. They are taken as they can be submitted.

    Raises:
        SettingsError: If all threads of the executor wait for its tasks, this one among them.
        MeasurementError: If the executor breaks or takes no tasks, or the workers die again and again.
    """
    with waiting_thread(executor):
        yield from _Collection(executor, tasks).run()


class _Collection(Generic[T]):
    """One call of `collect`: the tasks that wait, and those that were submitted."""

    def __init__(self, executor: Executor, tasks: Iterable[Task[T]]) -> None:
        self._executor = executor
        self._tasks = iter(tasks)
        # What a broken pool lost: tasks that never began, and tasks that may have killed a worker.
        self._lost: deque[Task[T]] = deque()
        self._suspects: deque[Task[T]] = deque()
        self._pending: dict[Future[Outcome[T]], Task[T]] = {}
        self._ends: queue.SimpleQueue[Future[Outcome[T]]] = queue.SimpleQueue()
        # Whether a suspect is running, and which ones killed their workers since a task was done.
        self._alone = False
        self._killers: list[str] = []
        self._host = platform.node()

    def run(self) -> Generator[Done[T], None, None]:
        try:
            while self._submit():
                future = self._next_end()
                task = self._pending[future]
                if isinstance(broken := _exception(future), BrokenExecutor):
                    yield from self._recover(broken)
                else:
                    del self._pending[future]
                    yield self._done(task, future)
        finally:
            for future in self._pending:
                future.cancel()

    def _submit(self) -> bool:
        """Submit as many tasks as fit. Returns whether any is pending."""
        if not self._pending:
            self._alone = bool(self._suspects)
        while len(self._pending) < (1 if self._alone else WINDOW):
            waiting = self._suspects if self._alone else self._lost
            task = waiting.popleft() if waiting else next(self._tasks, None)
            if task is None:
                break
            try:
                future = self._executor.submit(run_task, task, os.getpid())
            except BrokenExecutor as error:
                # As if it had been submitted just before: its end tells that the executor is broken.
                future = Future()
                future.set_exception(error)
            except Exception as error:
                raise MeasurementError(
                    f"The executor {_name(self._executor)} does not take tasks: {_text(error)}."
                ) from error
            if not isinstance(future, Future):
                what = f"{type(future).__name__} in place of a concurrent.futures.Future"
                raise MeasurementError(f"The executor {_name(self._executor)} returns {what}.")
            self._pending[future] = task
            future.add_done_callback(self._ends.put)
            if future.done():
                # An executor that runs tasks at once would otherwise run them all before any result is stored.
                break
        return bool(self._pending)

    def _next_end(self) -> Future[Outcome[T]]:
        while True:
            try:
                future = self._ends.get(timeout=SLICE)
            except queue.Empty:
                refuse_own_threads(self._executor)
                continue
            if future in self._pending:
                return future

    def _done(self, task: Task[T], future: Future[Outcome[T]]) -> Done[T]:
        error = _exception(future)
        if isinstance(error, CancelledError) or (error is not None and type(error).__name__ == "CancelledError"):
            reason = f"The executor {_name(self._executor)} cancelled it.{_hint(self._executor)}"
            return Done(task, error=MeasurementError(reason))
        if error is not None:
            return Done(task, error=plain_error(error))
        outcome = future.result()
        if not isinstance(outcome, Outcome):
            what = f"returned {type(outcome).__name__} in place of what the task did"
            return Done(task, error=MeasurementError(f"The executor {_name(self._executor)} {what}."))
        self._killers.clear()
        if outcome.error is not None and outcome.host != self._host:
            outcome.error.add_note(f"This was on {outcome.host}.")
        return Done(task, outcome.values, outcome.error)

    def _recover(self, broken: BrokenExecutor) -> Iterator[Done[T]]:
        """Take what is done from a broken executor, and plan what it lost once more, if it is ours to renew."""
        # It ends them all, one after the other.
        wait(self._pending, PATIENCE)
        pending, self._pending = self._pending, {}
        lost: list[Task[T]] = []
        for future, task in pending.items():
            if not future.done() or isinstance(_exception(future), BrokenExecutor):
                lost.append(task)
            else:
                yield self._done(task, future)
        if not isinstance(self._executor, Processes):
            # A worker that was killed outright has left its folder.
            scratch.sweep(again=True)
            raise MeasurementError(
                f"The executor {_name(self._executor)} broke, because one of its workers died: {_text(broken)}\n"
                f"  {plural(len(lost), 'task')} had been submitted: {_names([task.name for task in lost])}."
            ) from broken
        self._executor.renew()
        if not self._alone:
            # Tasks begin in their order, and one more than there are workers is on its way.
            most = self._executor.count + 1
            self._suspects.extend(lost[:most])
            self._lost.extendleft(reversed(lost[most:]))
            return
        self._alone = False
        for task in lost:
            self._killers.append(task.name)
            yield Done(task, error=MeasurementError(f"Each worker that ran it died: {_text(broken)}"))
        if len(self._killers) >= MOST_KILLERS:
            raise MeasurementError(
                f"The workers die again and again, last with {_names(self._killers)}. Is there enough memory?"
            )


def _exception(future: Future[Outcome[T]]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _name(executor: Executor) -> str:
    return printable(type(executor).__name__)


def _hint(executor: Executor) -> str:
    """Why an executor may have cancelled a task. A client of Dask that has lost its scheduler does not tell."""
    return " Has the scheduler ended?" if type(executor).__module__.startswith("distributed.") else ""


def _text(error: BaseException) -> str:
    return printable(str(error)[:500]) or type(error).__name__


def _names(names: Sequence[str]) -> str:
    return "; ".join(names[:MOST_NAMES]) + (" …" if len(names) > MOST_NAMES else "")
