"""The keyword `executor` as a typed dictionary, as in `keywords`."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import TypedDict


class ExecutorOptions(TypedDict, total=False):
    """Where the tasks of a call run.

    Attributes:
        executor: Any `concurrent.futures.Executor`: processes, threads, Dask's `client.get_executor()`, executorlib.
            Its tasks are the encodes of a sweep, and whole searches of sources, encoders, sizes or shots. None is here,
            one after the other.
    """

    executor: Executor | None
