"""Delta: a difference between two encoders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_vmaf.search.bdrate import bootstrap
from pytest_vmaf.text import plural


class Delta(float):
    """A difference between two encoders: a float, the mean over sources, that knows where it comes from.

    Attributes:
        per_source: The difference on each source.
        interval: The 95 % confidence interval of the mean (`bootstrap`), None for fewer than three sources.
        unit: "%" or "points" of the metric.
        over: What was compared, for example "BD-rate, NEG 90 to 96".
        noise: How far a BD-rate depends on single encodes (`bdrate.bd_rate_noise`), in its unit; else 0.
    """

    per_source: Mapping[str, float]
    interval: tuple[float, float] | None
    unit: str
    over: str
    noise: float

    def __new__(cls, per_source: Mapping[str, float], unit: str, over: str, noise: float = 0.0) -> Delta:
        """`per_source` must not be empty."""
        self = super().__new__(cls, math.fsum(per_source.values()) / len(per_source))
        self.per_source, self.unit, self.over, self.noise = per_source, unit, over, noise
        self.interval = bootstrap(list(per_source.values()))
        return self

    def __reduce__(self) -> tuple[type[Delta], tuple[Mapping[str, float], str, str, float]]:
        return Delta, (self.per_source, self.unit, self.over, self.noise)

    def __repr__(self) -> str:
        spread = f", 95 %: {self.interval[0]:+.2f} to {self.interval[1]:+.2f}" if self.interval else ""
        return f"<{float(self):+.2f} {self.unit} ({self.over}, {plural(len(self.per_source), 'source')}{spread})>"

    __str__ = float.__repr__

    def to_dict(self) -> dict[str, Any]:
        """The difference as plain data."""
        interval = list(self.interval) if self.interval else None
        return {"value": float(self), "unit": self.unit, "interval": interval, "per_source": dict(self.per_source)}
