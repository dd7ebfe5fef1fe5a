"""Vmaf objects with baselines, as the fixture makes them in a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_vmaf import Vmaf
from pytest_vmaf.api.context import Context
from pytest_vmaf.api.extensions import standalone
from pytest_vmaf.baselines.check import BaselineLocation, Baselines
from pytest_vmaf.baselines.files import read, write
from pytest_vmaf.settings import make_layer

LOCATION = BaselineLocation(Path("test_x.json"), "test_a", lambda: "pytest test_x.py::test_a", sends=True)


def session(place: BaselineLocation, **settings: Any) -> Vmaf:
    """A Vmaf whose baselines are stored in a place."""
    layers = (make_layer("call", settings),) if settings else ()
    return Vmaf._from_context(Context(layers, standalone(), baselines=Baselines(place)))


def updating(place: BaselineLocation, *modes: str) -> BaselineLocation:
    """The same place in a run that writes baselines."""
    return replace(place, modes=frozenset(modes or ("missing",)))


def store(
    vmaf: Vmaf, place: BaselineLocation, change: Callable[[dict[str, Any]], None] = lambda entry: None
) -> dict[str, Any]:
    """Write what was measured, with a change, as the controller does. Returns the entries by name."""
    items = vmaf._context.baselines.pop_entries()
    for item in items:
        change(item["entry"])
    place.file.parent.mkdir(exist_ok=True)
    write(place.file, {place.test: {item["clip"]: item["entry"] for item in items}})
    return read(place.file)[place.test]
