"""`Placement`: the executor of a measurement, and what its tasks need to know about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.executors.cores import cores
from pytest_vmaf.executors.parcel import Named, Parcel, pack
from pytest_vmaf.executors.processes import Processes
from pytest_vmaf.text import short_repr

T = TypeVar("T")


@dataclass(frozen=True)
class Placement:
    """Where tasks run.

    Attributes:
        executor: The executor.
        threads: The threads that the user gave to libvmaf in each task; 0 for the worker's cores divided by its slots.
        named: The scorer, the encoders and whatever else a worker can find by its name if it cannot be pickled.
    """

    executor: Executor
    threads: int = 0
    named: tuple[Named, ...] = ()

    @property
    def slots(self) -> int:
        """How many tasks run at once on one machine, as far as the executor tells; 0 if it does not."""
        if isinstance(self.executor, Processes):
            return self.executor.count
        count = getattr(self.executor, "_max_workers", 0)
        return count if isinstance(count, int) and count > 0 else 0

    def pack(self, value: T, parts: Sequence[Named] = ()) -> Parcel[T]:
        """Pickle what tasks share. Raises SettingsError as `parcel.pack`.

        Args:
            value: What they share.
            parts: What in it users write. `named` tells how a worker finds them.
        """
        finds = {id(each.value): each for each in self.named}
        return pack(value, self.executor, [finds.get(id(part.value), part) for part in parts])


def read_executor(executor: object) -> Executor:
    """Check that a value is an executor.

    Raises:
        SettingsError: If it is not.
    """
    if isinstance(executor, Executor):
        return executor
    hint = ""
    if hasattr(executor, "get_executor"):
        hint = " Pass client.get_executor()."
    elif type(executor) is int:
        hint = f" Pass ProcessPoolExecutor({executor})."
    elif isinstance(executor, type) and issubclass(executor, Executor):
        hint = f" Pass an instance: {executor.__name__}(…)."
    raise SettingsError(f"executor must be a concurrent.futures.Executor, not {short_repr(executor)}.{hint}")


def worker_threads(threads: int, slots: int) -> int:
    """The threads of libvmaf in a task: those that the user gave, else this machine's cores divided by its slots.

    Args:
        threads: What the user gave, or 0.
        slots: What the coordinator knows about the slots of a worker, or 0.
    """
    return threads or max(1, cores() // (slots or _dask_slots()))


def _dask_slots() -> int:
    """How many tasks a Dask worker runs at once; 1 elsewhere."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return 1
    try:
        return max(1, int(distributed.get_worker().state.nthreads))
    except (ValueError, AttributeError):
        return 1
