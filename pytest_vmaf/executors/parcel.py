"""`Parcel`: what many tasks share, pickled once in the coordinator and unpickled once in each worker."""

from __future__ import annotations

import copy
import io
import pickle
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.text import printable, short_repr

T = TypeVar("T")
#: The parcels that each thread of a worker has opened: the last one alone, since tasks come parcel by parcel.
_open = threading.local()
#: How many bytes a name in a message may have.
LONGEST_REASON = 300


@dataclass(frozen=True)
class Named:
    """An object that a worker finds by its name.

    Attributes:
        kind: What it is, for example "scorer".
        name: Its name.
        value: The object.
        find: Returns it for the name. A function of a module.
    """

    kind: str
    name: str
    value: object
    find: Callable[[str], object] | None = None


@dataclass(frozen=True)
class Parcel(Generic[T]):
    """A value on its way to workers.

    Attributes:
        data: The pickled value; empty if it stays in this process.
        value: The value that stays in this process, for the threads of a `ThreadPoolExecutor`.
        key: Tells it from every other parcel, also from one of an earlier call with the same value.
    """

    data: bytes
    value: T | None = None
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self) -> T:
        """The value. A thread that opens the same parcel again gets the same object.

        Raises:
            MeasurementError: If it cannot be loaded here.
        """
        if getattr(_open, "key", None) != self.key:
            _open.key = None
            _open.value = self._load()
            _open.key = self.key
        return cast("T", _open.value)

    def _load(self) -> object:
        if self.value is not None:
            return copy.copy(self.value)
        try:
            # The coordinator's data: whoever starts a task runs code in the worker in any case.
            return pickle.loads(self.data)  # noqa: S301
        except Exception as error:
            reason = printable(f"{type(error).__name__}: {error}"[:LONGEST_REASON])
            raise MeasurementError(
                f"The worker cannot load what it should run: {reason}\n"
                "  Are pytest-vmaf and the modules of encoders, scorers and metrics installed there, in these versions?"
            ) from error


def pack(value: T, executor: Executor, parts: Sequence[Named] = ()) -> Parcel[T]:
    """Pickle a value.

    Args:
        value: What tasks share.
        executor: Where they will run.
        parts: The scorer, the encoder and whatever else users write. What cannot be pickled goes by its name.

    Raises:
        SettingsError: For a part that can neither be pickled nor be found by its name.
    """
    by_id = {}
    for part in parts:
        reason = _why_not_picklable(part.value)
        if reason and part.find is not None:
            by_id[id(part.value)] = part
        elif reason and type(executor) is ThreadPoolExecutor:
            return Parcel(b"", value)
        elif reason:
            raise SettingsError(
                f"The {part.kind} {part.name} cannot be sent to a worker: {reason}\n"
                "  Use a name that an installed package provides, a command, or a function or class at the top of a "
                "module that the workers can import."
            )
    data = _dump(value, by_id)
    if b"__main__" in data and not isinstance(executor, ProcessPoolExecutor):
        # Only the processes of multiprocessing import the main program. Dask, loky and executorlib bring cloudpickle.
        try:
            from cloudpickle import dumps
        except ImportError:
            return Parcel(data)
        return Parcel(dumps(value)) if not by_id else Parcel(data)
    return Parcel(data)


class _Pickler(pickle.Pickler):
    """Pickles some objects as a call that finds them by their names."""

    def __init__(self, file: io.BytesIO, by_id: Mapping[int, Named]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._by_id = by_id

    # Any: as pickle's own.
    def reducer_override(self, value: object) -> Any:
        """How to restore an object, or NotImplemented for the usual way."""
        named = self._by_id.get(id(value))
        return (named.find, (named.name,)) if named is not None else NotImplemented


def _dump(value: object, by_id: Mapping[int, Named]) -> bytes:
    file = io.BytesIO()
    try:
        _Pickler(file, by_id).dump(value)
    except Exception as error:
        raise SettingsError(f"What the workers need cannot be pickled: {_reason(error)}") from error
    return file.getvalue()


def _why_not_picklable(value: object) -> str:
    try:
        pickle.dumps(value)
    except Exception as error:
        return _reason(error)
    return ""


def _reason(error: Exception) -> str:
    return printable(f"{error}"[:LONGEST_REASON]) or short_repr(error)
