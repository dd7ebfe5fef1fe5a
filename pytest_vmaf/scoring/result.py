"""Result: what one measurement found, as plain immutable values. No input or output."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.scoring.score import Context, Scale, Score

SCHEMA = 1


@dataclass(frozen=True)
class FramesAbove:
    """The frames that enhancement lifted past the top of the scale: above it, and above the reference's self-score.

    True when there are any. ``frames`` holds (index, unclipped score, unclipped self-score); ``past_limit`` counts the
    frames above ``limit`` alone, which honest encodes have too. Iterating gives the indices.
    """

    frames: tuple[tuple[int, float, float], ...]
    total: int
    past_limit: int
    limit: float
    context: Context = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[int]:
        return (index for index, _, _ in self.frames)

    def worst(self, n: int = 1) -> tuple[tuple[int, float, float], ...]:
        """The ``n`` frames that are furthest above their self-score, furthest first."""
        return tuple(sorted(self.frames, key=lambda f: (f[2] - f[1], f[0]))[:n])

    def __repr__(self) -> str:
        if not self.frames:
            return f"<no frame of {self.total} above {self.limit:g} and its self-score>"
        index, score, self_score = self.worst()[0]
        return (
            f"<{len(self)} of {self.total} frames above {self.limit:g} and above the reference's self-score; furthest "
            f"{self.context.time_code(index)}: {score:.2f}, self-score {self_score:.2f}>"
        )


@dataclass(frozen=True, repr=False)
class Result:
    """What one measurement found. ``vmaf`` and ``neg`` are clipped Scores, ``gap`` is their unclipped difference.

    ``features`` maps libvmaf's columns to Scores; ``result["psnr_y"]`` is short for them. ``provenance`` is plain data:
    models, clip mode, scorer, tool versions, and a command that repeats the measurement. ``regions`` maps the names of
    regions that were asked for to Results of their own.
    """

    vmaf: Score
    neg: Score
    gap: Score
    above_100: FramesAbove
    features: Mapping[str, Score] = field(hash=False)
    regions: Mapping[str, Result] = field(hash=False, default_factory=dict)

    def __repr__(self) -> str:
        scores = f"NEG {self.neg:.2f}, VMAF {self.vmaf:.2f}, gap {self.gap:.2f}"
        return f"<Result {scores}, {len(self.vmaf.frames)} frames of {self.context.distorted}>"

    @property
    def context(self) -> Context:
        """The clips, frame rate and provenance."""
        return self.vmaf.context

    @property
    def provenance(self) -> Mapping[str, Any]:
        """How the numbers were made."""
        return self.context.provenance

    @property
    def frame_times(self) -> tuple[float, ...]:
        """When each frame is shown, in seconds from the first. Raises MeasurementError without a frame rate."""
        rate = self.context.frame_rate
        if rate is None:
            raise MeasurementError(f"{self.context.reference} states no frame rate; give Clip(..., frame_rate=...).")
        return tuple(float(index / rate) for index in range(len(self.vmaf.frames)))

    def __getitem__(self, metric: str) -> Score:
        named: Mapping[str, Score] = {"vmaf": self.vmaf, "neg": self.neg, "gap": self.gap, **self.features}
        if metric not in named:
            raise KeyError(f"{metric!r} was not measured; there are {', '.join(named)}. Ask for it with features=.")
        return named[metric]

    def judged(self, metric: str, pool: str = "mean", bound: str = "") -> Score:
        """The score that a gate upon this metric and pool is held against; ``bound`` is the gate's, "min" or "max"."""
        return self[metric]

    def pooled(self, metric: str, pool: str = "mean", bound: str = "") -> float:
        """A metric's frames pooled by one of POOLS, the spread "stdev" included; ``bound`` as in :meth:`judged`."""
        score = self.judged(metric, pool, bound)
        return score.stdev if pool == "stdev" else float(score.pooled(pool))

    def to_json(self) -> str:
        """The whole result as JSON; :meth:`from_json` gives an equal one back, to the last bit."""
        return json.dumps({"schema": SCHEMA, **self._plain()}, allow_nan=False)

    def _plain(self) -> dict[str, Any]:
        context = {**asdict(self.context), "frame_rate": self.context.frame_rate and str(self.context.frame_rate)}
        scores = {
            name: {"scale": asdict(score.scale), "frames": score.unclipped.frames}
            for name, score in {"vmaf": self.vmaf, "neg": self.neg, "gap": self.gap, **self.features}.items()
        }
        above = {k: v for k, v in vars(self.above_100).items() if k != "context"}
        regions = {name: region._plain() for name, region in self.regions.items()}
        return {"context": context, "scores": scores, "above_100": above, **({"regions": regions} if regions else {})}

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read what to_json wrote, of the results of ``vmaf.roi`` and ``vmaf.map`` what every Result has.

        Raises MeasurementError for anything else, NaN included.
        """
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
            if data["schema"] != SCHEMA:
                raise ValueError(f"its schema is {data['schema']!r}, not {SCHEMA}")
            return _made_of(data)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise MeasurementError(f"This is not a result in JSON ({type(error).__name__}: {error}).") from error


def _made_of(data: dict[str, Any]) -> Result:
    rate = data["context"].pop("frame_rate")
    context = Context(**data["context"], frame_rate=Fraction(rate) if rate else None)
    scores = {
        name: Score(tuple(map(_finite, s["frames"])), Scale(**s["scale"]), context)
        for name, s in data["scores"].items()
    }
    above = data["above_100"]
    above["frames"] = tuple((int(index), _finite(a), _finite(b)) for index, a, b in above["frames"])
    return Result(
        vmaf=scores.pop("vmaf"),
        neg=scores.pop("neg"),
        gap=scores.pop("gap"),
        above_100=FramesAbove(**above, context=context),
        features=scores,
        regions={name: _made_of(region) for name, region in data.get("regions", {}).items()},
    )


def _finite(number: float) -> float:
    if not math.isfinite(number := float(number)):
        raise ValueError(f"{number} is not a number")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
