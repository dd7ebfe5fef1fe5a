"""Shapes of JSON: what conforms, and the message about what does not."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from pytest_vmaf.json_shapes import LARGEST, Each, Fitting, OneOf, Optional, Shape, Text, conform

NAME = Text(re.compile("[a-z]+"))
SHAPE = {
    "name": NAME,
    "size": (int, int),
    "frames": [float],
    "note": Optional(str),
    "kind": OneOf(("a", "b")),
    "values": Each(bool),
    "more": Any,
}
VALUE = {"name": "x", "size": [1, 2], "frames": [1, 2.5], "kind": "a", "values": {"y": True}, "more": [object]}


def test_conforming_value() -> None:
    conform(VALUE, SHAPE)
    conform({**VALUE, "note": None, "frames": []}, SHAPE)
    conform({**VALUE, "note": "text"}, SHAPE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "X"}, "document.name must be a string of the right form, not 'X'"),
        ({"name": 1}, "document.name must be a string of the right form, not 1"),
        ({"size": [1]}, r"document.size must be a list of 2, not \[1\]"),
        ({"size": [1, 2.0]}, r"document.size\[1\] must be an integer, not 2.0"),
        ({"size": [1, True]}, r"document.size\[1\] must be an integer, not True"),
        ({"size": [1, LARGEST + 1]}, r"document.size\[1\] must be an integer, not 1000000000000001"),
        ({"frames": 1}, "document.frames must be a list, not 1"),
        ({"frames": [math.nan]}, r"document.frames\[0\] must be a finite number, not nan"),
        ({"frames": [-math.inf]}, r"document.frames\[0\] must be a finite number, not -inf"),
        ({"frames": [False]}, r"document.frames\[0\] must be a finite number, not False"),
        ({"frames": ["1"]}, r"document.frames\[0\] must be a finite number, not '1'"),
        ({"note": 1}, "document.note must be a string, not 1"),
        ({"kind": "c"}, "document.kind must be one of a, b, not 'c'"),
        ({"values": []}, r"document.values must be an object, not \[\]"),
        ({"values": {"y": 1}}, "document.values.y must be true or false, not 1"),
        ({"other": 1}, "document has an unknown key 'other'"),
    ],
)
def test_other_shape(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        conform({**VALUE, **change}, SHAPE)


@pytest.mark.parametrize("value", [None, [], "x"])
def test_not_an_object(value: object) -> None:
    with pytest.raises(ValueError, match=r"^file must be an object, not "):
        conform(value, SHAPE, "file")


def test_missing_key() -> None:
    with pytest.raises(ValueError, match=r"^document lacks 'more'$"):
        conform({key: value for key, value in VALUE.items() if key != "more"}, SHAPE)


def test_parts_that_do_not_fit() -> None:
    shape: Shape = Fitting({"low": int, "high": int}, lambda value: "is empty" if value["low"] > value["high"] else "")
    conform({"low": 1, "high": 2}, shape)
    with pytest.raises(ValueError, match=r"^range is empty$"):
        conform({"low": 2, "high": 1}, shape, "range")
    # The shape comes first: a misfit may rely on it.
    with pytest.raises(ValueError, match="must be an integer"):
        conform({"low": "2", "high": 1}, shape)


def test_place_is_printable() -> None:
    with pytest.raises(ValueError, match=r"^document\.a\\nb must be true or false, not 1$"):
        conform({"a\nb": 1}, Each(bool))
