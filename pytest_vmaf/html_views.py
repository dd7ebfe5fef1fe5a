"""How results look in notebooks: functions that the report registers, since results know nothing about reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: By the name of a class, the function that draws its objects as HTML.
_views: dict[str, Callable[[Any], str]] = {}


def register(**views: Callable[[Any], str]) -> None:
    """Draw objects of the classes with these names, and of their subclasses, with these functions."""
    _views.update(views)


def html_of(value: object) -> str | None:
    """An object as HTML; None if nothing draws it."""
    view = next((_views[kind.__name__] for kind in type(value).__mro__ if kind.__name__ in _views), None)
    return view and view(value)
