"""What the fields of an `Encoder` may hold."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import did_you_mean, printable

#: The most numbers of a scale: no encoder has more, and a search could not weigh more against each other.
MOST_NUMBERS = 1000
#: What stands after a name, too, as in "libx264:2pass".
MODE_NAMES = ("2pass", "bitrate")
#: The end of a file name, which ffmpeg takes the container from.
SUFFIX = re.compile(r"[\w.+-]{0,32}")
#: What a shell would take for the setting of a variable.
VARIABLE = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
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


def read_range(name: str, crf_range: object, highest_rate: int | None = None) -> None:
    """Raise SettingsError if this is not the smallest and the largest number of a scale.

    Args:
        name: The encoder's name.
        crf_range: What the user gave.
        highest_rate: The highest bitrate in kbit/s, for a scale of bitrates.
    """
    pair = crf_range if isinstance(crf_range, tuple | list) else ()
    integers = len(pair) == 2 and type(pair[0]) is type(pair[1]) is int and pair[0] < pair[1]
    if integers and highest_rate is not None and 0 < pair[0] < pair[1] <= highest_rate:
        return
    if highest_rate is not None:
        raise SettingsError(
            f"{name}: crf_range must be two whole numbers of kbit/s from 1 to {highest_rate}, the smaller one first, "
            f"for example (300, 6000), not {crf_range!r:.80}."
        )
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


def split_command(template: object) -> tuple[str, ...]:
    """The words of a command template. Raises SettingsError if there are none."""
    if not isinstance(template, str | Iterable):
        raise _not_an_encoder(template)
    try:
        command = shlex.split(template) if isinstance(template, str) else [os.fspath(part) for part in template]
    except TypeError:
        raise _not_an_encoder(template) from None
    except ValueError as error:
        raise SettingsError(f"The encoder's command {template!r} cannot be split: {error}.") from None
    if not command:
        raise SettingsError("The encoder's command is empty.")
    return tuple(command)


def check_function(function: Callable[..., object]) -> None:
    """Raise SettingsError for a function that cannot be called with a source, an output file and a CRF."""
    try:
        inspect.signature(function).bind(Path(), Path(), 0)
    except TypeError as error:
        raise SettingsError(f"An encoder function must take (source, output, crf): {error}.") from None
    except ValueError:
        # Some built-in callables have no signature.
        pass


def _not_an_encoder(value: object) -> SettingsError:
    return SettingsError(f"encoder must be a name, a command template, an Encoder or a function, not {value!r:.80}.")


def check_texts(name: str, suffix: object, command: Sequence[str], slope: object) -> None:
    """Raise SettingsError for a suffix, a command or a slope that cannot be right."""
    if not isinstance(suffix, str) or SUFFIX.fullmatch(suffix) is None:
        raise SettingsError(f'{name}: suffix must be a suffix such as ".mp4", not {suffix!r:.80}.')
    if command and VARIABLE.fullmatch(command[0]) and shutil.which(command[0]) is None:
        by_env = printable(shlex.join(command[:2]))
        raise SettingsError(f"No shell reads the command, which begins with a variable. Write `env {by_env} …`.")
    refuse_operators(name, command)
    if slope is not None and not (isinstance(slope, int | float) and 1e-6 < abs(slope) < 5):
        raise SettingsError(
            f"{name}: slope must be a number between -5 and 5 other than 0, for example -0.1, not {slope!r}."
        )


def check_placeholders(name: str, names: Sequence[str] | None, known: Sequence[str]) -> None:
    """Check the placeholders of arguments or of a command.

    Args:
        name: The encoder's name.
        names: The placeholders; None for an encoder without arguments and command.
        known: Those that they may contain.

    Raises:
        SettingsError: For one that is not known, and if the number of the encode is missing.
    """
    for each in names or ():
        if each not in known:
            hint = " {bitrate} requires mode='bitrate'." if each == "bitrate" else did_you_mean(each, known, "{{{}}}")
            raise SettingsError(
                f"{name}: {{{each}}} is not a placeholder.{hint} "
                f"Placeholders: {', '.join(f'{{{one}}}' for one in known)}."
            )
    number = "bitrate" if "bitrate" in known else "crf"
    if names is not None and not {"crf", number} & set(names):
        raise SettingsError(f"{name}: {{{number}}} is missing, so every encode would be the same.")


def choose_preset(name: str, preset: str | None, own: str | None, presets: Sequence[str], *, takes: bool) -> str | None:
    """The preset to use.

    Args:
        name: The encoder's name.
        preset: The requested preset, if any.
        own: The encoder's own.
        presets: All of the encoder's; empty for any.
        takes: Whether it takes one.

    Raises:
        SettingsError: If the encoder does not have the preset, or requires one and has none of its own.
    """
    if preset is None:
        if own is None and takes:
            raise SettingsError(f"{name} has {{preset}} in its command but no default preset. Set preset=.")
        return own
    if not takes:
        raise SettingsError(f"{name} does not take a preset, but preset is {preset!r}.")
    if presets == (own,) and preset != own:
        raise SettingsError(
            f"{name} has only the preset {own!r} here, as in '{name}:{own}', but preset is {preset!r}. Name one "
            "preset, in encoder or in preset."
        )
    if presets and preset not in presets:
        raise SettingsError(
            f"{name} has no preset {preset!r}.{did_you_mean(preset, (*presets, *MODE_NAMES))} Presets: "
            f"{', '.join(presets)}."
        )
    return preset
