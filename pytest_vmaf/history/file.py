"""History files: JSON Lines that runs append to, several at once, without losing or tearing a line."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from io import FileIO
from pathlib import Path

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.files import write_atomically
from pytest_vmaf.history.line import HEAD, HistoryLine
from pytest_vmaf.text import printable

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows)
    fcntl = None  # type: ignore[assignment]

#: In bytes. A line has a few hundred.
MAX_LINE, MAX_FILE = 1 << 20, 1 << 28
#: What can be pruned. It takes twice as much memory.
MAX_PRUNED = 1 << 30
#: How long a run waits for another one that writes, in seconds. Both only append a few lines.
LONGEST_WAIT, PAUSE = 30.0, 0.02


def read_history(path: str | os.PathLike[str], *, largest: int | None = None) -> tuple[HistoryLine, ...]:
    """Read the lines of a history file in their order. A last line that is cut off is left out.

    Args:
        path: A file that `pytest --vmaf-history` writes.
        largest: The largest size that is read, in bytes; by default 256 MiB.

    Raises:
        MeasurementError: For a line that is not one of a history, with the file's name and the number of the line, and
            for larger files.
    """
    path = Path(path)
    name = printable(str(path))
    lines: list[HistoryLine] = []
    try:
        _check_regular(path)
        limit = MAX_FILE if largest is None else largest
        if path.stat().st_size > limit:
            mend = "`pytest-vmaf history prune` makes it smaller" if limit < MAX_PRUNED else "Split it between lines"
            raise MeasurementError(f"{name} must not be larger than {limit >> 20} MiB. {mend}.")
        with path.open("rb") as file:
            for number, text in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
                if len(text) > MAX_LINE:
                    raise MeasurementError(f"{name}, line {number}: longer than {MAX_LINE >> 20} MiB.")
                if is_torn(text):
                    break
                if not text.strip():
                    continue
                try:
                    lines.append(HistoryLine.from_json(text))
                except MeasurementError as error:
                    raise MeasurementError(f"{name}, line {number}: {error} Remove or repair that line.") from error
    except OSError as error:
        raise MeasurementError(f"{name} cannot be read: {error.strerror or error}.") from error
    return tuple(lines)


def append_lines(path: Path, lines: Iterable[HistoryLine]) -> int:
    """Append lines to a history file and sync it to the disk: all of them, or none.

    A missing file and its folders are created. Another run that writes at the same time is waited for.

    Returns:
        The number of lines.

    Raises:
        MeasurementError: If the file is not a history, or cannot be written.
    """
    texts = [line.to_json() for line in lines]
    data = memoryview("".join(f"{text}\n" for text in texts).encode("utf-8", "backslashreplace"))
    with _locked(path) as file:
        begin = _end_last_line(file, printable(str(path)))
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(begin)
            raise
    return len(texts)


@contextlib.contextmanager
def rewriting(path: Path, *, largest: int | None = None) -> Iterator[list[HistoryLine]]:
    """Read a history file, and write the list as the body of the `with` statement leaves it.

    Nobody appends meanwhile. An error in the body leaves the file as it was, and so does an unchanged list.

    Args:
        path: The file.
        largest: The largest size that is read, in bytes; by default 256 MiB.

    Raises:
        MeasurementError: If the file is not a history, or cannot be written.
    """
    with _locked(path, create=False):
        before = read_history(path, largest=largest)
        lines = [*before]
        yield lines
        if tuple(lines) != before:
            write_lines(path, lines)


def write_lines(path: Path, lines: Sequence[HistoryLine]) -> None:
    """Rewrite a history file, completely or not at all.

    Raises:
        OSError: If the file cannot be written.
    """
    write_atomically(path, (f"{line.to_json()}\n" for line in lines))


def is_torn(text: bytes) -> bool:
    """Whether a line is cut off: it has no end, begins like a line of a history, and its object is not closed."""
    if text.endswith(b"\n") or not text.startswith(HEAD[: len(text)]):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False


@contextlib.contextmanager
def _locked(path: Path, *, create: bool = True) -> Iterator[FileIO]:
    name = printable(str(path))
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        _check_regular(path)
        with contextlib.ExitStack() as stack:
            waited = time.monotonic() + LONGEST_WAIT
            # Unbuffered: a buffer would try again to write what did not fit when it is closed.
            while not _is_current(file := stack.enter_context(FileIO(path, "a+b" if create else "r+b")), path, waited):
                stack.close()
            yield file
    except BlockingIOError:
        raise MeasurementError(
            f"{name} has been locked by another run for {LONGEST_WAIT:g} seconds. Try again when that has ended."
        ) from None
    except OSError as error:
        raise MeasurementError(f"{name} cannot be written: {error.strerror or error}.") from error


def _is_current(file: FileIO, path: Path, waited: float) -> bool:
    """Lock a file. Returns whether it is still the one under its name: pruning replaces it.

    Raises:
        BlockingIOError: If others have locked it until the time `waited`.
    """
    while fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > waited:
                raise
            time.sleep(PAUSE)
        except OSError:
            # Some file systems have no locks. Appending is one write nevertheless.
            break
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _end_last_line(file: FileIO, name: str) -> int:
    """Remove a last line that is cut off, and end one that lacks only its line end. Returns the size.

    Raises:
        MeasurementError: If the file is not a history.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    first = file.read(len(HEAD))
    if not first.startswith(HEAD[: len(first)]):
        raise MeasurementError(f"{name} is not a history that pytest --vmaf-history writes, so nothing was appended.")
    file.seek(max(0, size - MAX_LINE))
    last = file.readall().rpartition(b"\n")[2]
    if not last:
        return size
    if is_torn(last):
        file.truncate(size - len(last))
        return size - len(last)
    file.seek(0, os.SEEK_END)
    return size + file.write(b"\n")


def _check_regular(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise MeasurementError(f"A history must be a regular file, and {printable(str(path))} is not one.")
