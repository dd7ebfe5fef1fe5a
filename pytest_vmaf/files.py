"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, chunks: Iterable[str] | bytes) -> None:
    """Write a file beside its place and move it there, so that nobody reads half of it and a failure leaves nothing.

    Folders are made as needed. A device or a pipe is written to, not replaced. Raises OSError.
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
            # Without it a full disk may show only after the move.
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write(file: object, chunks: Iterable[str] | bytes) -> None:
    write = file.write  # type: ignore[attr-defined]
    if isinstance(chunks, bytes):
        write(chunks)
        return
    for chunk in chunks:
        # A file name may hold bytes that are no Unicode.
        write(chunk.encode("utf-8", "backslashreplace"))


def _mode() -> int:
    """What a new file gets from the process's umask; mkstemp gives its own to the owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
