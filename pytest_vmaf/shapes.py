"""pytest_vmaf.shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_vmaf.text import printable

#: Larger numbers stand nowhere; the bytes of a film and the bits of an hour are far below.
LARGEST = 10**15


class Optional(NamedTuple):
    """A key that may be missing, or hold None."""

    shape: Any


class OneOf(NamedTuple):
    """One of these words."""

    words: tuple[str, ...]


class Each(NamedTuple):
    """A mapping whose keys are free, with values of one shape."""

    shape: Any


class Text(NamedTuple):
    """A text of a given form."""

    form: re.Pattern[str]


class Fitting(NamedTuple):
    """A value of a shape whose parts fit together: ``misfit(value)`` says what does not, or nothing."""

    shape: Any
    misfit: Callable[[Any], str]


def conform(value: Any, shape: Any, where: str = "document") -> None:
    """Raise ValueError, naming the place, where ``value`` is not of the ``shape``. Unknown keys are refused too."""
    if shape is Any:
        return
    if isinstance(shape, Optional):
        if value is not None:
            conform(value, shape.shape, where)
    elif isinstance(shape, Fitting):
        conform(value, shape.shape, where)
        if said := shape.misfit(value):
            raise ValueError(f"{printable(where)} {said}")
    elif isinstance(shape, OneOf):
        require(isinstance(value, str) and value in shape.words, where, f"one of {', '.join(shape.words)}", value)
    elif isinstance(shape, Text):
        require(isinstance(value, str) and shape.form.fullmatch(value), where, "a text of the right form", value)
    elif isinstance(shape, Each):
        require(isinstance(value, dict), where, "an object", value)
        for key, each in value.items():
            conform(each, shape.shape, f"{where}.{key}")
    elif isinstance(shape, tuple):
        require(isinstance(value, list) and len(value) == len(shape), where, f"a list of {len(shape)}", value)
        for index, each in enumerate(value):
            conform(each, shape[index], f"{where}[{index}]")
    elif isinstance(shape, list):
        require(isinstance(value, list), where, "a list", value)
        for index, each in enumerate(value):
            conform(each, shape[0], f"{where}[{index}]")
    elif isinstance(shape, dict):
        require(isinstance(value, dict), where, "an object", value)
        for key in value.keys() - shape.keys():
            raise ValueError(f"{printable(where)} has an unknown key {key!r:.80}")
        for key, part in shape.items():
            if key not in value and not isinstance(part, Optional):
                raise ValueError(f"{printable(where)} lacks {key!r}")
            conform(value.get(key), part, f"{where}.{key}")
    elif shape is float:
        number = isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
        require(number, where, "a finite number", value)
    else:
        right = isinstance(value, shape) and not (shape is int and isinstance(value, bool))
        right = right and (shape is not int or -LARGEST <= value <= LARGEST)
        require(right, where, {str: "a text", int: "a whole number", bool: "true or false"}[shape], value)


def require(right: object, where: str, wanted: str, value: Any) -> None:
    """Raise ValueError that names the place unless it is ``right``."""
    if not right:
        raise ValueError(f"{printable(where)} is {value!r:.80}, not {wanted}")
