"""MetricSpec: a metric with all its attributes, checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, cast

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable, short_repr

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
DIRECTIONS = ("higher", "lower")
COLOURS = ("rgb", "luma")
#: The most frames in a window, and between two windows.
MOST_FRAMES = 4096
LONGEST_TEXT = 80
#: Reports refuse much larger numbers, such as sums and differences of these.
LARGEST_VALUE = 1e12


@dataclass(frozen=True)
class MetricSpec:
    """A metric of a plugin or an ONNX file.

    Attributes:
        name: The name in gates, results and reports.
        label: The name in sentences and tables.
        unit: The unit of its values, "" for plain numbers.
        higher_is_better: Whether a larger value is better.
        low: The lowest possible value, None without a bound.
        high: The highest possible value.
        frames: How many frames it gets at a time; 0 for the complete clip.
        stride: The distance between two windows, in frames.
        colour: "rgb" or "luma".
        version: Identifies its values for the cache; "" if they must not be cached.
        measure: Its method `measure` or `measure_clip`.
        metric: The metric itself.
        size: The width and height at which it gets the pictures, None for those of the scored ones.
        planar: Whether it gets RGB as [3,H,W].
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool
    low: float | None
    high: float | None
    frames: int
    stride: int
    colour: str
    version: str
    measure: Callable[..., object] = field(repr=False, compare=False)
    metric: object = field(repr=False)
    size: tuple[int, int] | None = None
    planar: bool = False

    def __str__(self) -> str:
        return self.name


def describe(spec: MetricSpec) -> dict[str, object]:
    """A metric as plain data, for records."""
    return {
        "label": spec.label,
        "unit": spec.unit,
        "higher_is_better": spec.higher_is_better,
        "low": spec.low,
        "high": spec.high,
        "version": spec.version,
    }


def is_metric(value: object) -> bool:
    """Whether a value has the method of a metric."""
    return any(callable(getattr(value, method, None)) for method in ("measure", "measure_clip"))


def read_spec(metric: object) -> MetricSpec:
    """Read a metric's attributes.

    Raises:
        SettingsError: If one is missing or invalid.
    """
    if isinstance(metric, type):
        raise SettingsError(f"A metric must be an object, for example {metric.__name__}(), not a class.")
    methods = [name for name in ("measure", "measure_clip") if callable(getattr(metric, name, None))]
    who = printable(type(metric).__name__)
    if len(methods) != 1:
        has = "has both" if methods else f"has neither ({short_repr(metric)})"
        raise SettingsError(f"A metric must have a method measure or measure_clip, and {who} {has}.")
    name = getattr(metric, "name", None)
    check_name(name, who)
    direction = getattr(metric, "direction", None)
    if direction not in DIRECTIONS:
        value = "and it has none" if direction is None else f"not {short_repr(direction)}"
        raise SettingsError(
            f'The direction of the metric {name!r} must be "higher" or "lower" (which value is better), {value}.'
        )
    whole = methods == ["measure_clip"]
    frames = 0 if whole else _count(metric, name, "frames", 1)
    if whole and any(getattr(metric, each, None) is not None for each in ("frames", "stride")):
        raise SettingsError(f"The metric {name!r} measures complete clips (measure_clip): it has no frames or stride.")
    colour = getattr(metric, "colour", None) or "rgb"
    if colour not in COLOURS:
        raise SettingsError(f'The colour of the metric {name!r} must be "rgb" or "luma", not {short_repr(colour)}.')
    low, high = _bounds(getattr(metric, "range", None), name)
    return MetricSpec(
        name=cast(str, name),
        label=_words(metric, name, "label") or cast(str, name),
        unit=_words(metric, name, "unit"),
        higher_is_better=direction == "higher",
        low=low,
        high=high,
        frames=frames,
        stride=0 if whole else _count(metric, name, "stride", frames),
        colour=str(colour),
        version=_words(metric, name, "version"),
        measure=getattr(metric, methods[0]),
        metric=metric,
        size=getattr(metric, "_size", None),
        planar=getattr(metric, "_planar", False) is True,
    )


def check_name(name: object, who: str) -> None:
    """Raise SettingsError if this is not the name of a metric."""
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        value = "it has none" if name is None else f"not {short_repr(name)}"
        raise SettingsError(
            f"The name of a metric ({who}) must be lowercase letters, digits and underscores, beginning with a letter, "
            f'for example "lpips"; {value}.'
        )


def _count(metric: object, name: object, attribute: str, default: int) -> int:
    value = getattr(metric, attribute, None)
    if value is None:
        return default
    if type(value) is not int or not 1 <= value <= MOST_FRAMES:
        raise SettingsError(
            f"{attribute} of the metric {name!r} must be a number of frames from 1 to {MOST_FRAMES}, not "
            f"{short_repr(value)}."
        )
    return value


def _words(metric: object, name: object, attribute: str) -> str:
    value = getattr(metric, attribute, None)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or value != printable(value):
        raise SettingsError(
            f"{attribute} of the metric {name!r} must be a text of at most {LONGEST_TEXT} printable characters, not "
            f"{short_repr(value)}."
        )
    return value.strip()


def _bounds(value: Any, name: object) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    bounds = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()
    if len(bounds) != 2 or not all(each is None or _is_number(each) for each in bounds):
        raise SettingsError(
            f"range of the metric {name!r} must be its lowest and its highest value, None for no bound, for example "
            f"(0, 1), not {short_repr(value)}."
        )
    low, high = (None if each is None or abs(each) > LARGEST_VALUE else float(each) for each in bounds)
    if low is not None and high is not None and not low < high:
        raise SettingsError(f"range of the metric {name!r} must have the lower value first, not {short_repr(value)}.")
    return low, high


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
