"""Score, a float that knows its frames; its Scale and Context; the pools over frames. No input or output."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from pytest_vmaf.errors import IncomparableScores, MeasurementError
from pytest_vmaf.scoring.pools import Window, pooled, worst_window
from pytest_vmaf.text import frame_text, no_attribute, time_code

#: How a result was measured, as plain JSON data; `scoring.measure` lists the keys. Other scorers may add their own.
Provenance: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Scale:
    """What a score is measured on. Scores compare only if metric, model, generation and size are equal.

    Attributes:
        metric: "vmaf", "neg", "gap" or a feature's column, for example "psnr_y".
        model: The model's name; "" for features.
        generation: The model's generation, "v0" or "v1"; "" for features.
        width: Width of the scored frames in pixels.
        height: Height of the scored frames in pixels.
        low: The lower bound that scores are clipped to, or None.
        high: The upper bound that scores are clipped to, or None.
        higher_is_better: Whether a larger value is better.
        view: "" for the clip as it is; "masked" or "roi" for a region of interest.
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
        """The metric as it is printed, for example "NEG" or "VMAF masked"."""
        return {"vmaf": "VMAF", "neg": "NEG"}.get(self.metric, self.metric) + (f" {self.view}" if self.view else "")

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What two scores must share to be compared."""
        return self.metric, self.model, self.generation, self.width, self.height

    def clip(self, frames: tuple[float, ...]) -> tuple[float, ...]:
        """Limit every frame to the scale's bounds, if it has any."""
        if self.low is None or self.high is None:
            return frames
        return tuple(min(max(frame, self.low), self.high) for frame in frames)

    def __str__(self) -> str:
        model = f" ({self.model})" if self.model else ""
        return f"{self.name}{model} at {self.width}x{self.height}"


@dataclass(frozen=True)
class Context:
    """The measurement a score comes from.

    Attributes:
        reference: The reference clip's path or name.
        distorted: The distorted clip's path or name.
        frame_rate: Frames per second, or None if it is unknown.
        provenance: How the score was measured; see `Result.provenance`.
        first: The frame of the reference that frame 0 is; not 0 for parts and aligned pairs.
        shots: The first frame and the number of frames of each shot of the reference; empty if nothing needed them.
    """

    reference: str
    distorted: str
    frame_rate: Fraction | None
    provenance: Provenance = field(default_factory=dict, hash=False)
    shots: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    first: int = 0

    def time_code(self, frame: int) -> str:
        """A frame's index and time, for example "frame 9 (0:00:00.360)"; without a frame rate, it has no time.

        Of a part, its number in the reference follows: "frame 9 (0:00:00.360; 109 in the reference)".
        """
        time = "" if self.frame_rate is None else time_code(frame / self.frame_rate, hours=True)
        return frame_text(frame, time, self.first)


class Score(float):
    """A pooled score: a float that knows its frames, scale and clips.

    The value is the arithmetic mean over the clipped frames, at full precision. `.min`, `.max`, `.median`, `.p1`,
    `.p5`, `.p10` and `.harmonic_mean` pool the same frames in another way and are Scores, too.

    Arithmetic returns plain floats. Comparing with a number works as for floats. Comparing with a Score on another
    scale raises `IncomparableScores`.

    Attributes:
        scale: Metric, model and frame size.
        pool: How the frames were pooled: one of `POOLS`, a percentile such as "p25", a window such as "worst_1s", or
            "worst_shot".
    """

    __slots__ = ("_context", "_frames", "pool", "scale")
    _frames: tuple[float, ...]
    _context: Context
    pool: str
    scale: Scale

    def __new__(cls, frames: tuple[float, ...], scale: Scale, context: Context, pool: str = "mean") -> Score:
        """Pool frames into a score.

        Args:
            frames: One unclipped value per frame, in the metric's unit.
            scale: What the frames are measured on.
            context: The measurement they come from.
            pool: One of `POOLS`, a percentile such as "p25", or a window such as "worst_1s" or "worst_shot".

        Raises:
            MeasurementError: If there are no frames, one of them is NaN or infinite, or a window does not fit.
        """
        if not frames or not all(map(math.isfinite, frames)):
            raise MeasurementError(f"{scale.metric} must have a finite value for each frame of {context.distorted}.")
        rate, lowest = context.frame_rate, scale.higher_is_better
        value = pooled(scale.clip(frames), pool, frame_rate=rate, lowest=lowest, shots=context.shots)
        self = super().__new__(cls, value)
        self._frames, self.scale, self._context, self.pool = frames, scale, context, pool
        return self

    def __reduce__(self) -> tuple[type[Score], tuple[tuple[float, ...], Scale, Context, str]]:
        return Score, (self._frames, self.scale, self._context, self.pool)

    @property
    def frames(self) -> tuple[float, ...]:
        """One score per frame, clipped to the model's range as libvmaf does by default."""
        return self.scale.clip(self._frames)

    @property
    def unclipped(self) -> Score:
        """The same score without the clip to the model's range."""
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
        """The 1st percentile over frames."""
        return self.pooled("p1")

    @property
    def p5(self) -> Score:
        """The 5th percentile over frames."""
        return self.pooled("p5")

    @property
    def p10(self) -> Score:
        """The 10th percentile over frames."""
        return self.pooled("p10")

    @property
    def harmonic_mean(self) -> Score:
        """n / Σ 1/(s+1) − 1 over the n frames' scores s, as in libvmaf (`vmaf_feature_score_pooled`)."""
        return self.pooled("harmonic_mean")

    @property
    def stdev(self) -> float:
        """The population standard deviation over frames: a spread, so a plain float without a scale."""
        return pooled(self.frames, "stdev")

    if not TYPE_CHECKING:  # Type checkers must know which attributes there are.

        def __getattr__(self, name: str) -> NoReturn:
            percent = re.fullmatch(r"p([1-9]\d?)", name)
            raise no_attribute(self, name, f"score.percentile({percent[1]})" if percent else "")

    def percentile(self, percent: int) -> Score:
        """The score that `percent` of the frames are below, a whole number from 1 to 99: `percentile(5)` is `.p5`."""
        if type(percent) is not int or not 1 <= percent <= 99:
            raise ValueError(f"percent must be a whole number from 1 to 99, not {percent!r:.80}")
        return self.pooled(f"p{percent}")

    def pooled(self, pool: str) -> Score:
        """The same frames pooled in another way.

        Args:
            pool: One of `POOLS`, a percentile such as "p25", or a window such as "worst_1s" or "worst_24f", but not
                "stdev", which is not a score.

        Raises:
            MeasurementError: If a window is longer than the clip.
            ValueError: If the pool is unknown.
        """
        if pool == "stdev":
            raise ValueError("'stdev' is a spread, not a score on this scale; use .stdev")
        return Score(self._frames, self.scale, self._context, pool)

    def worst_window(self, pool: str = "worst_1s") -> Window:
        """The part of the clip, of this length, with the worst mean: the lowest score, but the highest gap.

        Args:
            pool: The length: "worst_2s" for seconds, "worst_24f" for frames, "worst_shot" for a shot.

        Returns:
            Its first frame, its number of frames and its mean.

        Raises:
            MeasurementError: If the window is longer than the clip, or in seconds and the clip has no frame rate.
            ValueError: If `pool` is not a window.
        """
        rate, shots = self._context.frame_rate, self._context.shots
        return worst_window(self.frames, pool, rate, lowest=self.scale.higher_is_better, shots=shots)

    def worst(self, n: int = 1, *, lowest: bool | None = None) -> tuple[tuple[int, float], ...]:
        """The worst frames.

        Args:
            n: How many frames to return.
            lowest: Whether the lowest frames are the worst. By default this follows the metric: the lowest scores,
                but the highest gaps.

        Returns:
            Pairs of frame index and clipped score, worst first; of equal frames the earlier one first.
        """
        sign = 1 if (self.scale.higher_is_better if lowest is None else lowest) else -1
        order = sorted(enumerate(self.frames), key=lambda pair: (sign * pair[1], pair[0]))
        return tuple(order[:n])

    @property
    def context(self) -> Context:
        """The clips, frame rate and provenance of the measurement."""
        return self._context

    @staticmethod
    def _comparison(compare: Callable[[float, Any], bool]) -> Callable[[Score, object], bool]:
        def compare_on_one_scale(self: Score, other: object) -> bool:
            __tracebackhide__ = True
            if isinstance(other, Score) and self.scale.key != other.scale.key:
                raise IncomparableScores(
                    f"{self.scale} and {other.scale} are different scales: {float(self):.2f} and {float(other):.2f} "
                    "cannot be compared. Compare scores of one metric, model and size; the gap between default and "
                    "NEG is result.gap."
                )
            return compare(self, other)

        return compare_on_one_scale

    __lt__ = _comparison(float.__lt__)
    __le__ = _comparison(float.__le__)
    __gt__ = _comparison(float.__gt__)
    __ge__ = _comparison(float.__ge__)
    __eq__ = _comparison(float.__eq__)
    __ne__ = _comparison(float.__ne__)
    __hash__ = float.__hash__

    def __repr__(self) -> str:
        pool = "" if self.pool == "mean" else f" {self.pool}"
        return f"<{self.scale.name}{pool} {float(self):.6g}>"

    __str__ = float.__repr__

    def __format__(self, spec: str) -> str:
        return float.__format__(float(self), spec)
