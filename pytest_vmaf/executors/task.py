"""`Task`: a piece of work that an executor runs somewhere. `run_task` runs it there and returns its `Outcome`."""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import threading
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pytest_vmaf import errors
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.child_signals import ENDING
from pytest_vmaf.media.process import stop_children
from pytest_vmaf.media.termination import Terminated
from pytest_vmaf.text import printable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
#: What a task fails with. A setting that only the task can check is an error of the call, as it is without an executor.
TaskError = MeasurementError | SettingsError
#: The name of the thread that waits for the end of the coordinator.
WATCH = "pytest-vmaf-coordinator"
#: The exceptions that reach the coordinator as what they are, by name.
KNOWN = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}


class Task(Protocol[T_co]):
    """A piece of work. It is picklable and small: what many tasks share is a `Parcel`."""

    @property
    def name(self) -> str:
        """What is done, for messages, for example "ref.y4m, libx264 medium, CRF 20"."""

    def run(self) -> T_co:
        """Do it. Runs in a worker, which may be on another machine. What it returns is picklable."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a task returned or raised.

    Attributes:
        values: What it returned, as the only item; empty if it failed.
        error: What it raised, if it failed.
        host: The name of the machine where it ran.
    """

    values: tuple[T, ...]
    error: TaskError | None
    host: str


def run_task(task: Task[T], coordinator: int = 0) -> Outcome[T]:
    """Run a task in a worker. Errors are returned, because not every executor transports every exception.

    Args:
        task: The task.
        coordinator: The number of the process that submitted it.
    """
    host = platform.node()
    is_worker = multiprocessing.parent_process() is not None and os.getpid() != coordinator
    if is_worker:
        watch_coordinator()
    try:
        return Outcome((task.run(),), None, host)
    except Terminated:
        if is_worker and threading.current_thread() is threading.main_thread():
            # The children of this worker are gone. Now it ends as the signal requests, and its pool notices.
            for number in ENDING:
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        raise
    except Exception as error:
        return Outcome((), plain_error(error), host)


def watch_coordinator() -> None:
    """In a worker process, once: end with a coordinator that is killed.

    A worker would wait for its next task for ever, since it holds both ends of the pipe itself.
    """
    coordinator = multiprocessing.parent_process()
    if coordinator is None or any(thread.name == WATCH for thread in threading.enumerate()):
        return

    def watch() -> None:
        coordinator.join()
        stop_children()
        os._exit(1)

    threading.Thread(target=watch, name=WATCH, daemon=True).start()


def plain_error(error: BaseException) -> TaskError:
    """An error as it can be sent to another process: of a class of this package, with its message and its notes."""
    kind = KNOWN.get(type(error).__name__)
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    plain: TaskError
    if kind is not None and issubclass(kind, TaskError) and isinstance(error, kind):
        plain = kind(str(error))
    elif isinstance(error, OSError) and error.strerror:
        plain = MeasurementError(f"The system refused what the task needs: {printable(str(error)[:2000])}.")
    else:
        plain = MeasurementError(f"{type(error).__name__}: {printable(str(error)[:2000])}".removesuffix(": "))
    for note in notes:
        plain.add_note(note)
    return plain
