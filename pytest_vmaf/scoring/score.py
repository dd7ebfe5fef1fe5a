"""Score: one metric of one measurement, a float that knows its frames and its scale. No input or output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from pytest_vmaf.errors import IncomparableScores, MeasurementError

PERCENTILES = {"median": 50, "p1": 1, "p5": 5, "p10": 10}
POOLS = ("mean", "min", "max", *PERCENTILES, "harmonic_mean", "stdev")


@dataclass(frozen=True)
class Scale:
    """What a score is measured on. Two scores compare only when metric, model, generation and size are equal.

    ``metric`` is "vmaf", "neg", "gap" or a feature's column, ``model`` the model's name ("" for features), ``width``
    and ``height`` the scored frames in pixels. ``low`` and ``high`` are the bounds scores are clipped to, or None.
    ``view`` says what was looked at where that is not the clip as it is: "masked", "roi".
    """

    metric: str
    model: str
    generation: str
    width: int
    height: int
    low: float | None = None
    high: float | None = None
    higher_is_better: bool = True
    view: str = ""

    @property
    def name(self) -> str:
        """The metric as people write it."""
        return {"vmaf": "VMAF", "neg": "NEG"}.get(self.metric, self.metric) + (f" {self.view}" if self.view else "")


@dataclass(frozen=True)
class Context:
    """Where a score comes from: the clips' names, the frame rate (frames/s, None if unknown) and the provenance."""

    reference: str
    distorted: str
    frame_rate: Fraction | None
    provenance: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def time_code(self, frame: int) -> str:
        """When a frame is shown, as h:mm:ss.mmm; its index alone where the frame rate is unknown."""
        if self.frame_rate is None:
            return f"frame {frame}"
        ms = round(frame / self.frame_rate * 1000)
        return f"frame {frame} ({ms // 3600000}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d})"


class Score(float):
    """A pooled score: a float (the mean over frames, at full precision) that knows its frames, model and clips.

    Arithmetic gives plain floats. Comparing with a number works as for floats; comparing with a Score on another
    scale raises IncomparableScores. ``.mean .min .max .median .p1 .p5 .p10 .harmonic_mean .stdev`` pool the same frames
    in another way and are Scores themselves.
    """

    __slots__ = ("_context", "_frames", "pool", "scale")
    _frames: tuple[float, ...]
    _context: Context
    pool: str
    scale: Scale

    def __new__(cls, frames: tuple[float, ...], scale: Scale, context: Context, pool: str = "mean") -> Score:
        """``frames`` holds one unclipped value per frame; NaN and infinity raise MeasurementError."""
        if not frames or not all(map(math.isfinite, frames)):
            raise MeasurementError(f"{scale.metric} has no finite number for each frame of {context.distorted}.")
        self = super().__new__(cls, pooled(_clipped(frames, scale), pool))
        self._frames, self.scale, self._context, self.pool = frames, scale, context, pool
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self._frames, self.scale, self._context, self.pool

    def __reduce__(self) -> tuple[Any, ...]:
        return Score, self.__getnewargs__()

    @property
    def frames(self) -> tuple[float, ...]:
        """One score per frame, clipped to the model's range as libvmaf does by default."""
        return _clipped(self._frames, self.scale)

    @property
    def unclipped(self) -> Score:
        """The same score before the model's clip."""
        return Score(self._frames, replace(self.scale, low=None, high=None), self._context, self.pool)

    @property
    def mean(self) -> Score:
        """The arithmetic mean over frames."""
        return self.pooled("mean")

    @property
    def min(self) -> Score:
        """The lowest frame."""
        return self.pooled("min")

    @property
    def max(self) -> Score:
        """The highest frame."""
        return self.pooled("max")

    @property
    def median(self) -> Score:
        """The median over frames."""
        return self.pooled("median")

    @property
    def p1(self) -> Score:
        """The first percentile over frames."""
        return self.pooled("p1")

    @property
    def p5(self) -> Score:
        """The fifth percentile over frames."""
        return self.pooled("p5")

    @property
    def p10(self) -> Score:
        """The tenth percentile over frames."""
        return self.pooled("p10")

    @property
    def harmonic_mean(self) -> Score:
        """n / Σ 1/(s+1) − 1 over frames, as in libvmaf (vmaf_feature_score_pooled)."""
        return self.pooled("harmonic_mean")

    @property
    def stdev(self) -> float:
        """The population standard deviation over frames; a spread, so a plain float on no scale."""
        return pooled(self.frames, "stdev")

    def pooled(self, pool: str) -> Score:
        """The same frames pooled by another of POOLS (but stdev). Raises ValueError for unknown pools."""
        if pool == "stdev":
            raise ValueError("'stdev' is a spread, not a score on this scale; it is .stdev")
        return Score(self._frames, self.scale, self._context, pool)

    def worst(self, n: int = 1, *, lowest: bool | None = None) -> tuple[tuple[int, float], ...]:
        """The ``n`` worst frames as (index, score), worst first: the lowest, or for a gap the highest.

        ``lowest`` says which end is meant where the metric's own direction is not.
        """
        sign = 1 if (self.scale.higher_is_better if lowest is None else lowest) else -1
        order = sorted(enumerate(self.frames), key=lambda pair: (sign * pair[1], pair[0]))
        return tuple(order[:n])

    @property
    def context(self) -> Context:
        """The clips, frame rate and provenance of the measurement."""
        return self._context

    def _comparable(self, other: object) -> None:
        __tracebackhide__ = True
        if isinstance(other, Score):
            a, b = self.scale, other.scale
            if (a.metric, a.model, a.generation, a.width, a.height) != (
                b.metric,
                b.model,
                b.generation,
                b.width,
                b.height,
            ):
                raise IncomparableScores(
                    f"{_on(a)} and {_on(b)} are not on one scale: {float(self):.2f} and {float(other):.2f} cannot be "
                    "compared. Compare scores of one metric, model and size; the gap between default and NEG is "
                    "result.gap."
                )

    def __lt__(self, other: float) -> bool:
        __tracebackhide__ = True
        self._comparable(other)
        return float.__lt__(self, other)

    def __le__(self, other: float) -> bool:
        __tracebackhide__ = True
        self._comparable(other)
        return float.__le__(self, other)

    def __gt__(self, other: float) -> bool:
        __tracebackhide__ = True
        self._comparable(other)
        return float.__gt__(self, other)

    def __ge__(self, other: float) -> bool:
        __tracebackhide__ = True
        self._comparable(other)
        return float.__ge__(self, other)

    def __eq__(self, other: object) -> bool:
        __tracebackhide__ = True
        self._comparable(other)
        return float.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        __tracebackhide__ = True
        self._comparable(other)
        return float.__ne__(self, other)

    __hash__ = float.__hash__

    def __repr__(self) -> str:
        pool = "" if self.pool == "mean" else f" {self.pool}"
        return f"<{self.scale.name}{pool} {float(self):.6g}>"

    __str__ = float.__repr__

    def __format__(self, spec: str) -> str:
        return float.__format__(float(self), spec)


def pooled(frames: tuple[float, ...], pool: str) -> float:
    """Pool one value per frame; percentiles interpolate linearly. Raises ValueError for unknown pools."""
    n = len(frames)
    if pool == "mean":
        # fsum: the same bits whatever the order. The division rounds once more, past the frames' own bounds at worst.
        return min(max(math.fsum(frames) / n, min(frames)), max(frames))
    if pool == "min":
        return min(frames)
    if pool == "max":
        return max(frames)
    if pool == "harmonic_mean":
        if min(frames) <= -1:
            raise MeasurementError("The harmonic mean n / Σ 1/(s+1) − 1 does not exist for scores of −1 and below.")
        return n / math.fsum(1 / (frame + 1) for frame in frames) - 1
    import numpy as np

    if pool == "stdev":
        return float(np.std(frames))
    if pool not in PERCENTILES:
        raise ValueError(f"{pool!r} is not a pool; there are {', '.join(POOLS)}")
    return float(np.percentile(frames, PERCENTILES[pool]))


def _clipped(frames: tuple[float, ...], scale: Scale) -> tuple[float, ...]:
    if scale.low is None or scale.high is None:
        return frames
    low, high = scale.low, scale.high
    return tuple(min(max(frame, low), high) for frame in frames)


def _on(scale: Scale) -> str:
    model = f" ({scale.model})" if scale.model else ""
    return f"{scale.name}{model} at {scale.width}x{scale.height}"
