"""What the fields of an `Encoder` may hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import NoneType

from pytest_vmaf.errors import SettingsError

#: The types of fields that are no sequences.
KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "preset": ((str, NoneType), "a string or None"),
    "larger_is_finer": ((bool,), "True or False"),
    "requires": ((str,), "a string"),
}


def check_kinds(name: str, fields: Mapping[str, object]) -> None:
    """Raise SettingsError if a field of the encoder of this name has a value of another type."""
    for field, (kind, what) in KINDS.items():
        if not isinstance(fields[field], kind):
            raise SettingsError(f"{name}: {field} must be {what}, not {fields[field]!r:.80}.")
    if fields["function"] is not None and not callable(fields["function"]):
        raise SettingsError(f"{name}: function must be callable, not {fields['function']!r:.80}.")


def read_words(name: str, field: str, words: object) -> tuple[str, ...]:
    """A field that is a sequence of strings. Raises SettingsError if it is something else."""
    if isinstance(words, Iterable) and not isinstance(words, str | bytes):
        texts = tuple(words)
        if all(isinstance(word, str | os.PathLike) for word in texts):
            return tuple(map(os.fspath, texts))
    raise SettingsError(f"{name}: {field} must be a sequence of strings, not {words!r:.80}.")


def is_range(crf_range: object) -> bool:
    """Whether this is the smallest and the largest CRF of a scale."""
    pair = crf_range if isinstance(crf_range, tuple | list) else ()
    integers = len(pair) == 2 and type(pair[0]) is type(pair[1]) is int
    # No scale has more numbers, and a search could not weigh more against each other.
    return integers and pair[0] < pair[1] <= pair[0] + 1000
