"""Errors about invalid values."""

from __future__ import annotations

import reprlib

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable


def short_repr(value: object) -> str:
    """The repr of any value, shortened and safe to print."""
    try:
        return printable(reprlib.repr(value))
    except ValueError:
        return "a number of thousands of digits"


def invalid(label: str, expected: str, value: object) -> SettingsError:
    """The error about a value that is not what is expected."""
    return SettingsError(f"{label} must be {expected}, not {short_repr(value)}.")
