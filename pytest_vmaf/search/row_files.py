"""Files of rows: JSON Lines that a sweep writes row by row, so that an interruption loses at most one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from io import FileIO
from pathlib import Path

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.rows import SCHEMA, Row, Setup
from pytest_vmaf.text import printable

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None  # type: ignore[assignment]

#: The beginning of every row's line. A last line that begins like this and is not a row was cut off.
HEAD = b'{"schema": %d, "source": "' % SCHEMA
#: In bytes. A row has about 3 KiB, mostly scores and its command, so a file has room for 300,000.
MAX_LINE, MAX_FILE = 1 << 20, 1 << 30
#: The files that sweeps of this process write now.
_written: set[FileIO] = set()


def _close_copies() -> None:
    """Runs in a process that is forked during a sweep, such as a worker: its copies would keep the lock."""
    for file in _written:
        file.close()
    _written.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Read the rows of a sweep's file in their order. A row that is cut off is an error like any other.

    Raises:
        MeasurementError: For a line that is not a row, with the file's name and the number of the line, and for files
            over 1 GiB.
    """
    name = printable(str(path))
    rows: list[Row] = []
    # Thousands of rows have one setup, which takes half of their memory.
    setups: dict[tuple[Setup, str], Setup] = {}
    try:
        _check_regular(path)
        if path.stat().st_size > MAX_FILE:
            raise MeasurementError(f"{name} must not be larger than {MAX_FILE >> 30} GiB. Split it.")
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                where = f"{name}, line {len(rows) + 1}"
                if len(line) > MAX_LINE:
                    raise MeasurementError(f"{where}: Not a sweep row: it is longer than {MAX_LINE >> 20} MiB.")
                try:
                    row = Row.from_json(line)
                    rows.append(replace(row, setup=setups.setdefault((row.setup, row.setup.source), row.setup)))
                except MeasurementError as error:
                    hint = "\n  The line is cut off. Run the sweep again to complete it." if _is_torn(line) else ""
                    raise MeasurementError(f"{where}: {error}{hint}") from error
    except OSError as error:
        raise MeasurementError(f"{name} cannot be read: {error.strerror or error}.") from error
    return tuple(rows)


@contextlib.contextmanager
def locked_file(path: Path) -> Iterator[FileIO]:
    """Open a sweep's file for appending, locked against other sweeps, and end its last row.

    Raises:
        MeasurementError: If another sweep writes the file, or it cannot be written.
    """
    name = printable(str(path))
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_regular(path)
            # Unbuffered: a buffer would try again to write what did not fit when it is closed.
            file = stack.enter_context(FileIO(path, "a+b"))
            stack.callback(_written.discard, file)
            _written.add(file)
            _lock(file, name)
            _repair(file)
        except OSError as error:
            raise MeasurementError(f"{name} cannot be written: {error.strerror or error}.") from error
        try:
            yield file
        finally:
            # What else has the file open, for example a program that a library started, would keep the lock.
            _unlock(file)


def append_row(file: FileIO, row: Row, name: str) -> None:
    """Append a row to a file and sync it to the disk, completely or not at all.

    Args:
        file: The locked file.
        row: The row.
        name: The file's name in messages.

    Raises:
        MeasurementError: If the row cannot be written, or the file was removed.
    """
    begin = file.seek(0, os.SEEK_END)
    try:
        line = memoryview(f"{row.to_json()}\n".encode())
        while line:
            line = line[file.write(line) :]
        os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            file.truncate(begin)
        raise MeasurementError(
            f"The row of {row.setup.name}, {row.at} cannot be written to {name}: {error.strerror or error}."
        ) from error
    if is_removed(file):
        raise MeasurementError(f"{name} was removed or replaced during the sweep, and its rows are lost.")


def is_removed(file: FileIO) -> bool:
    """Whether a file that is open has no name any more: what is written to it is lost. Not every file system tells."""
    state = os.fstat(file.fileno())
    with contextlib.suppress(FileNotFoundError):
        return state.st_nlink == 0 and not os.path.samestat(state, os.stat(file.name))
    return state.st_nlink == 0


def _lock(file: FileIO, name: str) -> None:
    # Some file systems have no locks.
    with contextlib.suppress(OSError):
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeasurementError(f"Another sweep is writing {name}. Wait for it, or name another file.") from None


def _unlock(file: FileIO) -> None:
    with contextlib.suppress(OSError):
        # Closed in a forked process, whose unlocking would be its parent's.
        if fcntl is not None and not file.closed:
            fcntl.flock(file, fcntl.LOCK_UN)


def _repair(file: FileIO) -> None:
    """Remove a last line that is cut off; end a last row that lacks only its line end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - MAX_LINE))
    last = file.readall().rpartition(b"\n")[2]
    file.seek(0)
    first = file.read(len(HEAD))
    # A file without rows is left alone; reading it reports what is wrong.
    if not last or not all(part.startswith(HEAD[: len(part)]) for part in (first, last)):
        return
    if _is_torn(last):
        file.truncate(size - len(last))
        return
    # A complete line that is not a row was edited; reading it reports that.
    with contextlib.suppress(MeasurementError):
        Row.from_json(last)
        file.write(b"\n")


def _is_torn(line: bytes) -> bool:
    """Whether a row's line is cut off: it begins like a row, and its object is not closed."""
    if line.endswith(b"\n") or not line.startswith(HEAD[: len(line)]):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return True
    return False


def _check_regular(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise MeasurementError(f"A sweep's file must be a regular file, and {printable(str(path))} is not one.")
