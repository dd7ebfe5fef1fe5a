"""Parcels: what goes to workers by its pickle, what by its name, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.executors.cores import cores
from pytest_vmaf.executors.parcel import Named, Parcel, pack
from pytest_vmaf.executors.placement import Placement, worker_threads
from pytest_vmaf.executors.processes import Processes

#: A scorer that cannot be pickled.
LOCK = threading.Lock()


def find_lock(name: str) -> object:
    """What a worker finds under the name."""
    return f"found {name}"


def test_one_object_for_all_tasks_of_a_thread() -> None:
    parcel = pack({"crf": [20]}, ProcessPoolExecutor(1))
    assert parcel.open() == {"crf": [20]}
    assert parcel.open() is parcel.open()
    assert pack({"crf": [28]}, ProcessPoolExecutor(1)).open() == {"crf": [28]}


def test_what_cannot_be_pickled_goes_by_its_name() -> None:
    named = Named("scorer", "mine", LOCK, find_lock)
    value = ("settings", LOCK)
    assert Placement(Processes(1), named=(named,)).pack(value, [Named("scorer", "Lock", LOCK)]).open() == (
        "settings",
        "found mine",
    )
    with pytest.raises(SettingsError, match=r"^The scorer Lock cannot be sent to a worker: cannot pickle"):
        Placement(Processes(1)).pack(value, [Named("scorer", "Lock", LOCK)])
    # Threads of this process need no pickle.
    with ThreadPoolExecutor(1) as threads:
        assert pack(value, threads, [Named("scorer", "Lock", LOCK)]).open()[1] is LOCK


def test_worker_that_cannot_import() -> None:
    parcel: Parcel[Callable[[], None]] = Parcel(b"cnot_installed_here\nencode\n.")
    with pytest.raises(MeasurementError, match=r"^The worker cannot load what it should run: ModuleNotFoundError: "):
        parcel.open()


@pytest.mark.parametrize(
    ("executor", "slots"),
    [(Processes(3), 3), (ThreadPoolExecutor(2), 2), (Executor(), 0)],
    ids=["own", "pool", "other"],
)
def test_threads_of_a_task(executor: Executor, slots: int) -> None:
    assert Placement(executor).slots == slots
    assert worker_threads(0, slots) == max(1, cores() // (slots or 1))
    assert worker_threads(7, slots) == 7


@dataclass(frozen=True)
class Shared:
    """What tasks share."""

    encode: Callable[..., int]


@pytest.mark.parametrize("encode", [len, lambda: 1], ids=["by name", "in this process"])
def test_each_call_opens_its_own(encode: Callable[..., int]) -> None:
    """What was checked of a source in one call is checked again in the next.

    Neither equal bytes nor the address of an object, which a later one can have, make two parcels the same.
    """
    value, executor = Shared(encode), ThreadPoolExecutor(1)
    first, second = (pack(value, executor, [Named("encoder", "own", encode)]) for _ in range(2))
    opened = first.open()
    assert opened.encode is encode
    assert first.open() is opened
    assert second.open() is not opened
