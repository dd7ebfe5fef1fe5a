"""Threads of an executor that wait for its tasks. When all of them do, none is left to run these."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Executor

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import plural

#: Each executor for whose tasks a thread waits, with that thread.
_waiting: list[tuple[Executor, threading.Thread]] = []
_turn = threading.Lock()


@contextlib.contextmanager
def waiting_thread(executor: Executor) -> Iterator[None]:
    """While this thread waits for tasks of an executor."""
    entry = executor, threading.current_thread()
    with _turn:
        _waiting.append(entry)
    try:
        yield
    finally:
        with _turn:
            if entry in _waiting:
                _waiting.remove(entry)


def refuse_own_threads(executor: Executor) -> None:
    """Raise SettingsError in one of an executor's threads if all of them wait for its tasks."""
    # Those of a ThreadPoolExecutor, which notes a thread after it has started. Others do not tell.
    own, count = getattr(executor, "_threads", ()), getattr(executor, "_max_workers", 0)
    this = threading.current_thread()
    with _turn:
        waiting = {thread for each, thread in _waiting if each is executor and thread in own}
        if this not in waiting or len(waiting) < count:
            return
        # This one becomes free, so the others go on.
        _waiting.remove((executor, this))
    raise SettingsError(
        f"executor must not be the pool in which the call itself runs: its {plural(count, 'thread')} would wait for "
        "tasks that none is free to run. Pass another executor, or none."
    )
