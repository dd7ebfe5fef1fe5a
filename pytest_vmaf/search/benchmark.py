"""Benchmark: the encoders of a corpus, ranked by the bitrate that each needs for the same quality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_vmaf.html_views import html_of
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.text import plural


@dataclass(frozen=True)
class MatchedRate:
    """What one encoder needs for one target on one source.

    Attributes:
        source: The name of the source.
        target: The score.
        bitrate: The bitrate in bit/s at exactly this score, on the rate-quality curve through all rows.
        crf: The coarsest CRF of the rows that reach the target.
        fps: Frames encoded per second at this CRF; None if the rows do not say it.
    """

    source: str
    target: float
    bitrate: float
    crf: float
    fps: float | None


@dataclass(frozen=True)
class RankedEncoder:
    """One encoder of a benchmark.

    Attributes:
        name: The encoder with its preset, arguments and pixel format.
        ratio: Its bitrate as a multiple of the anchor's: the geometric mean over targets, then over sources.
        interval: The 95 % confidence interval of the ratio over sources; None for fewer than three sources, and for the
            anchor.
        bd_rate: The BD-rate against the anchor; None for the anchor, and where no curves can be compared.
        fps: Frames encoded per second, over all encodes whose seconds every encoder has; None if there are none.
        rates: What it needs for each target on each source that all encoders share.
    """

    name: str
    ratio: float
    interval: tuple[float, float] | None
    bd_rate: Delta | None
    fps: float | None
    rates: tuple[MatchedRate, ...]

    @property
    def change(self) -> float:
        """How much more bitrate it needs than the anchor, in percent; negative: less."""
        return (self.ratio - 1) * 100

    def to_dict(self) -> dict[str, Any]:
        """The encoder as plain data."""
        return {
            "encoder": self.name,
            "ratio": self.ratio,
            "change_percent": self.change,
            "interval": self.interval and list(self.interval),
            "bd_rate": self.bd_rate and self.bd_rate.to_dict(),
            "fps": self.fps,
            "rates": [vars(rate) for rate in self.rates],
        }


@dataclass(frozen=True, repr=False)
class Benchmark:
    """The encoders of a corpus, ranked: the one that needs the least bitrate first.

    Attributes:
        metric: What the targets are scores of.
        model: The model behind these scores; None for other metrics.
        targets: The targets.
        anchor: The name of the encoder that ratios and BD-rates refer to.
        encoders: The encoders, the best first.
        unranked: By the name of an encoder that cannot be ranked, the reason.
        missing: What is left out for all encoders because one of them lacks it, a sentence each.
    """

    metric: Metric
    model: str | None
    targets: tuple[float, ...]
    anchor: str
    encoders: tuple[RankedEncoder, ...]
    unranked: Mapping[str, str]
    missing: tuple[str, ...]

    def __getitem__(self, name: str) -> RankedEncoder:
        for encoder in self.encoders:
            if encoder.name == name:
                return encoder
        raise KeyError(name)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that all encoders share."""
        return tuple(dict.fromkeys(rate.source for rate in self.encoders[0].rates))

    @property
    def matches(self) -> int:
        """How many pairs of a source and a target were compared."""
        return len(self.encoders[0].rates)

    @property
    def sentence(self) -> str:
        """What was compared, in a sentence."""
        targets = ", ".join(f"{target:g}" for target in self.targets)
        model = f", the score of {self.model}" if self.model else ""
        encoders, sources = plural(len(self.encoders), "encoder"), plural(len(self.sources), "source")
        pairs = f" ({plural(self.matches, 'pair')} of source and target)" if len(self.targets) > 1 else ""
        return f"{encoders} at {self.metric} {targets}{model}, on {sources}{pairs}"

    def to_dict(self) -> dict[str, Any]:
        """The benchmark as plain data."""
        return {
            "schema": 1,
            "metric": self.metric.text,
            "model": self.model,
            "targets": list(self.targets),
            "anchor": self.anchor,
            "sources": list(self.sources),
            "encoders": [encoder.to_dict() for encoder in self.encoders],
            "unranked": dict(self.unranked),
            "missing": list(self.missing),
        }

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_rows(self) -> list[dict[str, Any]]:
        """One row per encoder, for a table or a DataFrame."""
        return [
            {
                "rank": rank,
                "encoder": each.name,
                "metric": self.metric.text,
                "targets": list(self.targets),
                "anchor": self.anchor,
                "ratio": each.ratio,
                "change_percent": each.change,
                "low": each.interval and each.interval[0],
                "high": each.interval and each.interval[1],
                "bd_rate_percent": None if each.bd_rate is None else float(each.bd_rate),
                "bd_rate_sources": 0 if each.bd_rate is None else len(each.bd_rate.per_source),
                "fps": each.fps,
                "sources": len(self.sources),
                "matches": self.matches,
            }
            for rank, each in enumerate(self.encoders, 1)
        ]

    def _repr_html_(self) -> str | None:
        """The table of the report, for notebooks."""
        return html_of(self)

    def __repr__(self) -> str:
        return f"<Benchmark of {self.sentence}>"

    def __str__(self) -> str:
        lines = [f"{rank}. {each.name}: {each.change:+.1f} %" for rank, each in enumerate(self.encoders, 1)]
        notes = [*(f"{name} is not ranked: {why}" for name, why in self.unranked.items()), *self.missing]
        return "\n".join([f"{self.sentence}; bitrate against {self.anchor}", *lines, *notes])
