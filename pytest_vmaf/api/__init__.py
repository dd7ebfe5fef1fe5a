"""The public object: what the vmaf fixture yields."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from pytest_vmaf.api import repeats as repeats, run_stream as run_stream, searches as searches, speeds as speeds

#: The modules behind some methods. They are imported on first use, since most tests only score clips.
_LATE = ("repeats", "run_stream", "searches", "speeds")


def __getattr__(name: str) -> ModuleType:
    if name in _LATE:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
