"""Shapes of JSON documents, and a check that a value has one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from pytest_vmaf.text import printable, short_repr

#: `str`, `int`, `float` or `bool`; `Any`; a dict of keys and shapes; a list with the shape of its elements; a tuple
#: with a shape for each element; or one of the classes below.
Shape: TypeAlias = object

#: No number in a document is larger: the bytes of a film and the bits of an hour are far below.
LARGEST = 10**15
NAMES = {str: "a string", int: "an integer", float: "a finite number", bool: "true or false"}


class Optional(NamedTuple):
    """A key that may be missing, or None."""

    shape: Shape


class OneOf(NamedTuple):
    """One of these words."""

    words: tuple[str, ...]


class Each(NamedTuple):
    """A mapping with any keys, and values of one shape."""

    shape: Shape


class Text(NamedTuple):
    """A string of a given form."""

    form: re.Pattern[str]


class Fitting(NamedTuple):
    """A value of a shape whose parts fit together: `misfit(value)` says what does not fit, or returns ""."""

    shape: Shape
    misfit: Callable[[Any], str]


def conform(value: object, shape: Shape, where: str = "document") -> None:
    """Check that a value has a shape. Unknown keys are refused, too.

    Args:
        value: What `json.loads` returned.
        shape: The expected shape.
        where: The name of the value, for the message.

    Raises:
        ValueError: If the value has another shape. The message names the place.
    """
    if shape is Any:
        return
    match shape:
        case Optional():
            if value is not None:
                conform(value, shape.shape, where)
        case Fitting():
            conform(value, shape.shape, where)
            if message := shape.misfit(value):
                raise ValueError(f"{printable(where)} {message}")
        case OneOf():
            require(isinstance(value, str) and value in shape.words, where, f"one of {', '.join(shape.words)}", value)
        case Text():
            require(isinstance(value, str) and shape.form.fullmatch(value), where, "a string of the right form", value)
        case Each():
            for key, each in _object(value, where).items():
                conform(each, shape.shape, f"{where}.{key}")
        case dict():
            keys = _object(value, where)
            for key in keys.keys() - shape.keys():
                raise ValueError(f"{printable(where)} has an unknown key {short_repr(key)}")
            for key, part in shape.items():
                if key not in keys and not isinstance(part, Optional):
                    raise ValueError(f"{printable(where)} lacks {key!r}")
                conform(keys.get(key), part, f"{where}.{key}")
        case tuple() | list():
            right = isinstance(value, list) and (isinstance(shape, list) or len(value) == len(shape))
            require(right, where, "a list" if isinstance(shape, list) else f"a list of {len(shape)}", value)
            for index, each in enumerate(value if isinstance(value, list) else ()):
                conform(each, shape[0 if isinstance(shape, list) else index], f"{where}[{index}]")
        case type():
            right = isinstance(value, (int, float) if shape is float else shape)
            if shape in (int, float) and isinstance(value, int | float):
                right = right and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
            require(right, where, NAMES[shape], value)


def known_keys(value: Any, shape: Shape) -> Any:
    """Copy a value without the keys that its shape does not have. What has another form is left for `conform`."""
    if isinstance(shape, Optional | Fitting):
        return known_keys(value, shape.shape)
    if isinstance(value, dict):
        if isinstance(shape, Each):
            return {key: known_keys(each, shape.shape) for key, each in value.items()}
        if isinstance(shape, dict):
            return {key: known_keys(each, shape[key]) for key, each in value.items() if key in shape}
    if isinstance(value, list) and isinstance(shape, list):
        return [known_keys(each, shape[0]) for each in value]
    return value


def require(right: object, where: str, expected: str, value: object) -> None:
    """Raise a ValueError that names the place, unless `right` is true."""
    if not right:
        raise ValueError(f"{printable(where)} must be {expected}, not {short_repr(value)}")


def _object(value: object, where: str) -> dict[str, object]:
    require(isinstance(value, dict), where, "an object", value)
    assert isinstance(value, dict)  # noqa: S101  (for the type checker)
    return value
