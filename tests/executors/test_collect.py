"""Collecting tasks: order, windows, failures, dead workers, cancelled tasks and broken executors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.errors import ClipError, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.executors import collect as module
from pytest_vmaf.executors.collect import Done, collect
from pytest_vmaf.executors.failures import Failure, failure_error
from pytest_vmaf.executors.processes import Processes
from pytest_vmaf.executors.task import plain_error


@dataclass(frozen=True)
class Square:
    """A task."""

    number: int

    @property
    def name(self) -> str:
        return f"square {self.number}"

    def run(self) -> int:
        if self.number < 0:
            raise ClipError(f"{self.number} is below 0") if self.number > -9 else SettingsError("too low")
        return self.number**2


@dataclass(frozen=True)
class Deadly:
    """A task that kills its worker, once if a file is named."""

    number: int
    once: Path | None = None

    @property
    def name(self) -> str:
        return f"deadly {self.number}"

    def run(self) -> int:
        if self.once is None or not self.once.exists():
            if self.once is not None:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.number


class Inline(Executor):
    """Runs tasks at once, or does with them what a function says."""

    def __init__(self, end: Callable[[Future[Any]], object] | None = None) -> None:
        self.end, self.submitted = end, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.submitted += 1
        future: Future[Any] = Future()
        if self.end is None:
            future.set_result(fn(*args, **kwargs))
        else:
            self.end(future)
        return future


def values(done: Iterator[Done[int]]) -> list[int]:
    return sorted(value for each in done for value in each.values)


def test_every_task_once() -> None:
    with ThreadPoolExecutor(3) as executor:
        assert values(collect(executor, map(Square, range(3000)))) == sorted(n**2 for n in range(3000))
    assert values(collect(Inline(), map(Square, range(5)))) == [0, 1, 4, 9, 16]
    assert values(collect(Inline(), ())) == []


def test_tasks_are_submitted_as_results_are_taken() -> None:
    inline = Inline()
    with closing(collect(inline, map(Square, range(9)))) as results:
        next(results)
        assert inline.submitted == 1
    with ThreadPoolExecutor(1) as executor, closing(collect(executor, map(Square, iter(int, 1)))) as endless:
        # An endless list of tasks.
        assert next(endless).values == (0,)


def test_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 4)
    futures: list[Future[Any]] = []
    executor = Inline(futures.append)
    with closing(collect(executor, map(Square, range(99)))) as results:
        threading.Timer(0.1, lambda: futures[2].cancel()).start()
        assert next(results).task == Square(2)
        assert executor.submitted == 4
    assert all(future.cancelled() for future in futures)


def test_failure_of_one_task() -> None:
    done = list(collect(Inline(), map(Square, (1, -2, 3, -9))))
    assert [each.values for each in done] == [(1,), (), (9,), ()]
    # A wrong setting is an error of the call, wherever it is noticed.
    assert type(done[3].error) is SettingsError
    assert type(done[1].error) is ClipError
    assert str(done[1].error) == "-2 is below 0"


def test_cancelled_and_failed_by_the_executor() -> None:
    [done] = collect(Inline(Future.cancel), [Square(1)])
    assert str(done.error) == "The executor Inline cancelled it."

    class KilledWorker(Exception):
        """As Dask's."""

    [done] = collect(Inline(lambda future: future.set_exception(KilledWorker("attempted 3 times"))), [Square(1)])
    assert str(done.error) == "KilledWorker: attempted 3 times"
    [done] = collect(Inline(lambda future: future.set_result(5)), [Square(1)])
    assert str(done.error) == "The executor Inline returned int in place of what the task did."


def test_executor_that_takes_nothing() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(MeasurementError, match="ThreadPoolExecutor does not take tasks: cannot schedule new futures"):
        list(collect(executor, [Square(1)]))


class Odd(Executor):
    """Does not do what executors do."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        task = args[0]
        if task.number < 0:
            raise AttributeError("it has no pool")
        outcome: Future[Any] = fn(task)
        return outcome


def test_thread_that_waits_for_itself() -> None:
    """Of two threads that wait for tasks of their own pool, one is refused, and then runs the tasks of the other."""
    both = threading.Barrier(2)

    def wait_for_tasks() -> list[int] | str:
        with closing(collect(pool, [Square(2), Square(3)])) as results:
            both.wait(10)
            try:
                return values(results)
            except SettingsError as error:
                return str(error)

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(wait_for_tasks) for _ in range(2)]
        answers = [each.result(10) for each in waiting]
    assert [4, 9] in answers
    [refusal] = [answer for answer in answers if isinstance(answer, str)]
    assert refusal.startswith("executor must not be the pool in which the call itself runs: its 2 threads would wait")
    with ThreadPoolExecutor(1) as outer, ThreadPoolExecutor(1) as pool:
        assert outer.submit(lambda: values(collect(pool, [Square(2)]))).result(10) == [4]


def test_executor_that_is_none() -> None:
    for number, text in ((-1, "Odd does not take tasks: it has no pool"), (1, "Odd returns Outcome in place of a")):
        with pytest.raises(MeasurementError, match=text):
            list(collect(Odd(), [Square(number)]))


def test_broken_executor() -> None:
    executor = Inline(lambda future: future.set_exception(BrokenExecutor("it broke")))
    with pytest.raises(MeasurementError, match=r"Inline broke.*it broke\n  1 task had been submitted: square 1"):
        list(collect(executor, [Square(1), Square(2)]))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_dead_workers(tmp_path: Path) -> None:
    """One worker is killed once, one task kills each of its workers, and the others are done nevertheless."""
    tasks = [*map(Square, range(4)), Deadly(100, tmp_path / "once"), *map(Square, range(4, 8)), Deadly(7), Square(8)]
    with Processes(2) as processes:
        done = list(collect(processes, tasks))
    assert len(done) == len(tasks)
    assert values(iter(done)) == sorted([*(n**2 for n in range(9)), 100])
    [failure] = [each for each in done if each.error]
    assert failure.task == Deadly(7)
    assert str(failure.error).startswith("Each worker that ran it died: ")
    with ProcessPoolExecutor(1) as pool, pytest.raises(MeasurementError, match="ProcessPoolExecutor broke"):
        list(collect(pool, [Deadly(1)]))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_coordinator_killed_while_workers_start() -> None:
    """The worker holds the pipe of its standard output open for as long as it lives."""
    program = """
import os, signal
from pytest_vmaf.executors.processes import Processes
Processes(1).submit(len, "abc")
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60)
    assert killed.returncode == -signal.SIGKILL


def test_list_of_failures() -> None:
    one = failure_error([Failure("a", ScorerError("it failed", 3))], 9, "encode")
    assert (type(one), one.exit_code, str(one)) == (ScorerError, 3, "it failed")
    assert one.__notes__ == ["This was a. The other encodes were not affected."]
    many = failure_error([Failure(f"cell {n}", ClipError(f"bad {n}\nmore")) for n in range(25)], 99, "encode")
    assert type(many) is ClipError
    assert str(many).startswith("25 of 99 encodes failed:\n  cell 0: bad 0\n  cell 1: bad 1\n")
    assert str(many).endswith("cell 19: bad 19\n  … and 5 more")
    # What an encoder printed, or the host that has none, is in what follows the first line.
    assert many.__notes__ == ["The first one in full, cell 0:\n  bad 0\n  more"]
    mixed = [Failure("b", ClipError("x"), 2), Failure("a", plain_error(OSError(28, "No space left", "/x")), 1)]
    assert type(failure_error(mixed, 2, "encode")) is MeasurementError
    assert str(failure_error(mixed, 2, "encode")).splitlines()[1:] == [
        "  a: The system refused what the task needs: [Errno 28] No space left: '/x'.",
        "  b: x",
    ]
