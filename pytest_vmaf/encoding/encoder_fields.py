"""What the fields of an `Encoder` may hold."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType

from pytest_vmaf.errors import SettingsError

#: The most numbers of a scale: no encoder has more, and a search could not weigh more against each other.
MOST_NUMBERS = 1000
#: What only a shell reads as more than a word.
OPERATORS = ("|", ">", "<", "&&")
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
    hint = ""
    if isinstance(words, str):
        # An open quote raises.
        with contextlib.suppress(ValueError):
            hint = f" Write {field}={tuple(shlex.split(words))!r:.200}." if words.strip() else ""
    raise SettingsError(f"{name}: {field} must be a sequence of strings, not {words!r:.80}.{hint}")


def read_range(name: str, crf_range: object) -> None:
    """Raise SettingsError if this is not the smallest and the largest CRF of a scale."""
    pair = crf_range if isinstance(crf_range, tuple | list) else ()
    integers = len(pair) == 2 and type(pair[0]) is type(pair[1]) is int and pair[0] < pair[1]
    if integers and pair[1] - pair[0] <= MOST_NUMBERS:
        return
    hint = ""
    if integers:
        zeros = 1
        while (pair[1] - pair[0]) // 10**zeros > MOST_NUMBERS:
            zeros += 1
        low, high = (number // 10**zeros for number in pair)
        hint = f" For a scale in steps of {10**zeros}, write ({low}, {high}), and {{crf}}{'0' * zeros} in the command."
    raise SettingsError(
        f"{name}: crf_range must be two integers, for example (0, 51), at most {MOST_NUMBERS} apart, "
        f"not {crf_range!r:.80}.{hint}"
    )


def refuse_operators(name: str, command: Sequence[str]) -> None:
    """Raise SettingsError for a command that only a shell could run: a pipe, a redirection, two commands."""
    for word in command:
        if word in OPERATORS:
            raise SettingsError(
                f"{name}: no shell reads the command, so {word!r} would be an argument.\n"
                "  Without {input}, the program gets the source as y4m on standard input. Without {output}, its "
                "standard output is the encode.\n"
                "  For anything else, put the commands into a script, and name the script."
            )
