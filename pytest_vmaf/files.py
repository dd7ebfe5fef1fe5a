"""Files: write one atomically, read strict JSON, read a limited number of bytes."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO

#: Objects and lists, and values, of the largest JSON document that is read. In memory they are many times as large as
#: their text: up to 700 MB. A report of 10,000 measurements has fewer.
MOST_OBJECTS, MOST_VALUES = 1 << 21, 1 << 23


def write_atomically(path: Path, chunks: Iterable[str | bytes] | bytes) -> None:
    """Write a file next to its place and move it there: nobody reads half of it, and a failure leaves nothing behind.

    Missing folders are created. A device or a pipe is written to, not replaced.

    Raises:
        OSError: If the file cannot be written.
    """
    # Before links are followed: /dev/stdout leads to a pipe that has no path.
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            _write(file, chunks)
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two runs may write to one place at once.
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:50]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, chunks)
            # Without it, a full disk may show only after the move.
            file.flush()
            os.fsync(file.fileno())
        share(name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def share(path: str) -> None:
    """Give a file of `mkstemp`, which is its owner's alone, the permissions of any new file (the process's umask)."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)


def load_json(data: str | bytes) -> object:
    """Read strict JSON: no NaN or Infinity, no key twice, at most the interpreter's depth, and a bounded size.

    Raises:
        ValueError: If the data is not strict JSON, or has more than `MOST_OBJECTS` or `MOST_VALUES`.
    """
    import json

    if not isinstance(data, str | bytes):
        raise ValueError(f"it must be text, not {type(data).__name__}")
    if too_many(data):
        raise ValueError(f"it has more than {MOST_OBJECTS} objects and lists, or more than {MOST_VALUES} values")
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=unique_keys)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def too_many(data: str | bytes) -> bool:
    """Whether a JSON text may have more than `MOST_OBJECTS` or `MOST_VALUES`; signs in its strings count, too."""
    objects, lists, values = map(data.count, "{[," if isinstance(data, str) else (b"{", b"[", b","))  # type: ignore[arg-type]
    return objects + lists > MOST_OBJECTS or values > MOST_VALUES


def _write(file: IO[bytes], chunks: Iterable[str | bytes] | bytes) -> None:
    for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
        # A file name may hold bytes that are not Unicode.
        file.write(chunk if isinstance(chunk, bytes) else chunk.encode("utf-8", "backslashreplace"))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, for `object_pairs_hook`. Raises ValueError if a key appears twice."""
    keys = dict(pairs)
    if len(keys) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r:.80} appears twice")
    return keys


def read_bounded(path: Path | Traversable, label: str, largest: int, error: type[Exception]) -> bytes:
    """Read a regular file, at most one byte more than `largest`, so that the caller sees whether it is too large.

    Raises:
        error: If the file cannot be read. The message begins with `label`.
    """
    try:
        if not path.is_file():
            # Opening a pipe or a device could block forever.
            exists = isinstance(path, Path) and path.exists()
            raise error(f"{label} {'is not a regular file' if exists else 'does not exist'}.")
        with path.open("rb") as file:
            return bytes(file.read(largest + 1))
    except OSError as failure:
        raise error(f"{label} cannot be read: {failure.strerror or failure}.") from failure
