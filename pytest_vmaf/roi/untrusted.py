"""Untrusted input: files read with a limit of bytes, and errors about invalid values."""

from __future__ import annotations

import reprlib
from importlib.resources.abc import Traversable
from pathlib import Path

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable


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


def short_repr(value: object) -> str:
    """The repr of any value, shortened and safe to print."""
    try:
        return printable(reprlib.repr(value))
    except ValueError:
        return "a number of thousands of digits"


def invalid(label: str, expected: str, value: object) -> SettingsError:
    """The error about a value that is not what is expected."""
    return SettingsError(f"{label} must be {expected}, not {short_repr(value)}.")
