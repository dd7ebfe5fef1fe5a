"""Run metrics over the frames of two clips, and check what they return."""

from __future__ import annotations

import contextlib
import math
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import MeasurementError, MetricError, SettingsError
from pytest_vmaf.metrics.clip_pair import ClipPair, Pictures, read_pairs
from pytest_vmaf.metrics.network_metric import NetworkMetric
from pytest_vmaf.metrics.spec import LARGEST_VALUE, MetricSpec
from pytest_vmaf.metrics.windows import spread, window_starts
from pytest_vmaf.text import plural, printable, short_repr

#: How far outside its range rounding may take a value, as a share of the range or of its bound.
STRAY = 1e-3
#: Metrics in Python are called by one thread at a time, whichever search runs several.
_turn = threading.RLock()


def run_metrics(specs: Sequence[MetricSpec], pair: ClipPair) -> dict[str, tuple[float, ...]]:
    """The values of metrics by name, one for each frame.

    Metrics that read the same pictures share one pass over the clips. Metrics of complete clips have one each.

    Raises:
        MetricError: If a metric fails, or returns something else than its numbers.
        ScorerError: If a clip cannot be decoded.
    """
    for spec in specs:
        if spec.frames > pair.frames:
            raise MetricError(
                f"The metric {spec.name} needs {plural(spec.frames, 'frame')} at a time (frames), but "
                f"{pair.distorted.name} has only {pair.frames}. Score a longer part, or leave the metric out."
            )
    specs = [
        replace(spec, size=spec.metric.open(pair.threads)) if isinstance(spec.metric, NetworkMetric) else spec
        for spec in specs
    ]
    groups: dict[object, list[MetricSpec]] = {}
    for spec in specs:
        alone = spec.name if not spec.frames else ""
        groups.setdefault((spec.colour, spec.size, spec.planar, alone), []).append(spec)
    values: dict[str, tuple[float, ...]] = {}
    with _turn:
        for group in groups.values():
            first = group[0]
            pairs = read_pairs(pair, first.colour, first.size, planar=first.planar)
            with contextlib.closing(pairs):  # type: ignore[type-var]
                values |= _run_windows(group, pair, pairs) if first.frames else _run_clip(first, pair, pairs)
    return {spec.name: values[spec.name] for spec in specs}


@dataclass
class _Windows:
    """The windows of one metric while they are measured."""

    spec: MetricSpec
    starts: tuple[int, ...]
    kept: deque[tuple[Pictures, Pictures]]
    values: list[list[float]] = field(default_factory=list)

    def add(self, number: int, pair: tuple[Pictures, Pictures], *, shared: bool) -> None:
        """Take a pair of pictures, and measure the window that ends with it."""
        spec, following = self.spec, len(self.values)
        if following == len(self.starts) or number < self.starts[following]:
            return
        self.kept.append((pair[0].copy(), pair[1].copy()) if shared else pair)
        if number != self.starts[following] + spec.frames - 1:
            return
        # A metric may change its pictures, and those of the next window must be as they were.
        sides = [[side for side, _ in self.kept], [side for _, side in self.kept]]
        arguments = [np.stack(side) for side in sides] if spec.frames > 1 else [sides[0][0], sides[1][0]]
        first = self.starts[following]
        self.values.append(_numbers(spec, _call(spec, first, *arguments), spec.frames, first))
        upcoming = self.starts[following + 1] if following + 1 < len(self.starts) else number + 1
        for _ in range(min(len(self.kept), upcoming - first)):
            self.kept.popleft()


def _run_windows(
    group: Sequence[MetricSpec], pair: ClipPair, pairs: Iterator[tuple[Pictures, Pictures]]
) -> dict[str, tuple[float, ...]]:
    running = [_Windows(spec, window_starts(pair.frames, spec.frames, spec.stride), deque()) for spec in group]
    for number, pictures in enumerate(pairs):
        for windows in running:
            windows.add(number, pictures, shared=len(running) > 1)
    return {each.spec.name: spread(each.values, each.starts, each.spec.frames, pair.frames) for each in running}


class _Pairs:
    """The frames of a clip for a `ClipMetric`; counts them."""

    def __init__(self, pair: ClipPair, pairs: Iterator[tuple[Pictures, Pictures]]) -> None:
        self.frames, self.width, self.height = pair.frames, pair.width, pair.height
        self.frame_rate: Fraction | None = pair.frame_rate
        self.count, self.error = 0, None
        self._pairs = pairs

    def __iter__(self) -> Iterator[tuple[Pictures, Pictures]]:
        for each in self._pairs:
            self.count += 1
            yield each


def _run_clip(
    spec: MetricSpec, pair: ClipPair, pairs: Iterator[tuple[Pictures, Pictures]]
) -> dict[str, tuple[float, ...]]:
    given = _Pairs(pair, pairs)
    value = _call(spec, given, given)
    if given.count < pair.frames:
        raise MetricError(
            f"The metric {spec.name} read {given.count} of {plural(pair.frames, 'pair')} of frames. measure_clip must "
            "iterate over all of them."
        )
    numbers = _numbers(spec, value, pair.frames, None)
    return {spec.name: tuple(numbers) if len(numbers) > 1 else (numbers[0],) * pair.frames}


def _call(spec: MetricSpec, at: int | _Pairs, *arguments: object) -> object:
    """Call a metric. An exception in it becomes the cause of a MetricError that names the frame."""
    try:
        return spec.measure(*arguments)
    except MeasurementError as error:
        # Of decoding, which a metric of complete clips reaches through its frames; and what our own networks raise.
        if isinstance(spec.metric, NetworkMetric) and isinstance(at, int):
            raise MetricError(f"{error}\n  It was at {_place(spec, at)}.") from error
        raise
    except SettingsError:
        raise
    except (Exception, SystemExit) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}, line {frame.lineno}"
        what = printable(f"{type(error).__name__}: {error}"[:1000])
        raise MetricError(f"The metric {spec.name} failed at {_place(spec, at)} ({where}): {what}") from error


def _place(spec: MetricSpec, at: int | _Pairs | None) -> str:
    if not isinstance(at, int):
        return f"frame {max(0, at.count - 1)}" if at else "the clip"
    return f"frame {at}" if spec.frames <= 1 else f"frames {at} to {at + spec.frames - 1}"


def _numbers(spec: MetricSpec, value: object, most: int, first: int | None) -> list[float]:
    """The values that a metric returned: one number, or `most` of them. `first` is the first frame of its window."""
    place = _place(spec, first)
    expected = "a number" if most == 1 else f"a number, or {most} of them, one for each frame"
    problem = MetricError(
        f"The metric {spec.name} must return {expected}, not {type(value).__name__} {printable(short_repr(value))} "
        f"({place})."
    )
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        # NumPy would make 0 of it.
        raise problem
    try:
        array = _array(value)
        if array.dtype.kind not in "fiu":
            raise problem
        array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise problem from error
    if array.size not in (1, most) or (array.size > 1 and array.shape != (most,)):
        raise MetricError(
            f"The metric {spec.name} must return {expected}, not an array of shape {[*array.shape]} ({place})."
        )
    numbers = [float(number) for number in array.reshape(-1)]
    for offset, number in enumerate(numbers):
        frame = place if len(numbers) == 1 else f"frame {(first or 0) + offset}"
        if not math.isfinite(number):
            raise MetricError(
                f"The metric {spec.name} returned {number} ({frame}). Its values must be finite; identical pictures "
                "need a largest value, for example 100 dB."
            )
        if abs(number) > LARGEST_VALUE:
            raise MetricError(
                f"The metric {spec.name} returned {number:.3g} ({frame}). Its values must be at most "
                f"{LARGEST_VALUE:g}; return the logarithm of larger ones."
            )
        numbers[offset] = _inside(spec, number, frame)
    return numbers


def _array(value: Any) -> NDArray[np.generic]:
    """What a metric returned as an array; of what cannot become one, such as a tensor with a gradient, the number."""
    try:
        array = np.asarray(value)
        if array.dtype.kind != "O" or array.ndim:
            return array
    except Exception:  # noqa: S110  (as of a tensor on another device)
        pass
    return np.asarray(float(value))


def _inside(spec: MetricSpec, number: float, frame: str) -> float:
    """A value inside the metric's range, from which rounding may have taken it."""
    low, high = spec.low, spec.high
    span = high - low if low is not None and high is not None else max(abs(low or high or 1.0), 1.0)
    below = low is not None and number < low - STRAY * span
    if below or (high is not None and number > high + STRAY * span):
        bounds = f"from {'−∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"
        raise MetricError(
            f"The metric {spec.name} returned {number:.6g} ({frame}), outside its range {bounds}. Correct its range, "
            "or its values."
        )
    number = number if low is None else max(low, number)
    return number if high is None else min(high, number)
