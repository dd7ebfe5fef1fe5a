"""Comparison: BD-rates, bitrates at equal quality and the NEG penalty of encoders, each a `Delta`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.bdrate import RateQuality, bd_quality, bd_rate, bootstrap, rate_at
from pytest_vmaf.search.bisect_request import TWINS
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.probe import Metric, Probe, parse_metric
from pytest_vmaf.search.speed import Speed
from pytest_vmaf.text import plural

#: The smallest saving of bitrate, in percent, that counts as a win.
WIN = 1.0


class Delta(float):
    """A difference between two encoders: a float, the mean over sources, that knows where it comes from.

    Attributes:
        per_source: The difference on each source.
        interval: The 95 % confidence interval of the mean (`bootstrap`), None for fewer than three sources.
        unit: "%" or "points" of the metric.
        over: What was compared, for example "BD-rate, NEG 90 to 96".
    """

    per_source: Mapping[str, float]
    interval: tuple[float, float] | None
    unit: str
    over: str

    def __new__(cls, per_source: Mapping[str, float], unit: str, over: str) -> Delta:
        """`per_source` must not be empty."""
        self = super().__new__(cls, math.fsum(per_source.values()) / len(per_source))
        self.per_source, self.unit, self.over = per_source, unit, over
        self.interval = bootstrap(list(per_source.values()))
        return self

    def __reduce__(self) -> tuple[type[Delta], tuple[Mapping[str, float], str, str]]:
        return Delta, (self.per_source, self.unit, self.over)

    def __repr__(self) -> str:
        spread = f", 95 %: {self.interval[0]:+.2f} to {self.interval[1]:+.2f}" if self.interval else ""
        return f"<{float(self):+.2f} {self.unit} ({self.over}, {plural(len(self.per_source), 'source')}{spread})>"

    __str__ = float.__repr__


@dataclass(frozen=True, repr=False)
class Comparison:
    """What several encoders need for the same quality, on one source or several.

    `comparison["libx264"]` is the `Bisection` of an encoder, if there is one source.

    Attributes:
        metric: What the targets are scores of.
        targets: The targets that every encoder was searched for.
        bisections: By source, and then by the encoder's label, the `Bisection`.
    """

    metric: Metric
    targets: tuple[float, ...]
    bisections: Mapping[str, Mapping[str, Bisection]]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the encoders, in the order they were given."""
        return tuple(next(iter(self.bisections.values())))

    @property
    def searches(self) -> tuple[Bisection, ...]:
        """All bisections, source by source."""
        return tuple(bisection for by_label in self.bisections.values() for bisection in by_label.values())

    @property
    def met(self) -> bool:
        """Whether every encoder met every target on every source."""
        return all(bisection.met for bisection in self.searches)

    @property
    def probes(self) -> int:
        """The number of trial encodes."""
        return sum(len(bisection.probes) for bisection in self.searches)

    def __getitem__(self, label: str) -> Bisection:
        if len(self.bisections) != 1:
            raise SettingsError(f"There are {len(self.bisections)} sources. Use .bisections[source][{label!r}].")
        return self._bisection(label, self._source(None))

    def bd_rate(self, encoder: str, *, anchor: str, metric: str | None = None) -> Delta:
        """How much more bitrate an encoder needs than the anchor for equal quality, in percent; negative: less.

        The Bjøntegaard delta (`pytest_vmaf.search.bdrate.bd_rate`) between the lowest and the highest target that both
        meet, or over the complete curves if there is one target; the mean over sources.

        Args:
            encoder: The label of the encoder.
            anchor: The label of the encoder to compare it with.
            metric: Another metric that was measured, for example "vmaf"; by default that of the targets.

        Raises:
            MeasurementError: If the curves hardly overlap, or have fewer than four points.
            SettingsError: For an unknown label, and a metric that was not measured.
        """
        return self._delta(encoder, anchor, metric, "%")

    def bd_quality(self, encoder: str, *, anchor: str, metric: str | None = None) -> Delta:
        """How many points more quality an encoder has than the anchor at equal bitrate. See `bd_rate`."""
        return self._delta(encoder, anchor, metric, "points")

    def rate(self, encoder: str, target: float, source: str | None = None, *, metric: str | None = None) -> float:
        """The bitrate in bit/s at exactly this quality, interpolated between the two encodes around it.

        Args:
            encoder: The label of the encoder.
            target: The score.
            source: The source; it can be omitted if there is one.
            metric: What `target` is a score of; by default that of the targets.

        Raises:
            MeasurementError: If no two encodes surround the score.
            SettingsError: For an unknown label or source, and a metric that was not measured.
        """
        source, chosen = self._source(source), self._metric(metric)
        rate = self._rate(encoder, target, source, chosen)
        if rate is None:
            bisection = self._bisection(encoder, source)
            why = bisection[target].why if target in bisection and chosen == self.metric else "encode at more CRFs"
            raise MeasurementError(
                f"{encoder} on {source} was not measured on both sides of {chosen} {target:g}, so its bitrate there is "
                f"not known: {why}."
            )
        return rate

    def rate_change(self, encoder: str, target: float, *, anchor: str, metric: str | None = None) -> Delta:
        """How much more bitrate an encoder needs than the anchor at one target, in percent; negative: less.

        Raises:
            MeasurementError: If one of them was not measured on both sides of the target.
        """
        each = {
            source: self._percent(*(self.rate(label, target, source, metric=metric) for label in (anchor, encoder)))
            for source in self.bisections
        }
        return Delta(each, "%", f"bitrate at {self._metric(metric)} {target:g}")

    def penalty(self, encoder: str, target: float) -> Delta:
        """How much more bitrate NEG requires than default VMAF for the same score, in percent: the enhancement gain.

        Raises:
            MeasurementError: If one of the scores is not reached, or the targets are of another metric.
        """
        if self.metric.name not in TWINS:
            raise MeasurementError(f"The targets must be of NEG or VMAF to compare these two, not of {self.metric}.")
        vmaf, neg = (replace(self.metric, name=name) for name in TWINS)
        each = {}
        for source in self.bisections:
            by_vmaf, by_neg = (self._rate(encoder, target, source, metric) for metric in (vmaf, neg))
            if by_vmaf is None or by_neg is None:
                raise MeasurementError(
                    f"{encoder} on {source} does not reach both {vmaf} {target:g} and {neg} {target:g}."
                )
            each[source] = self._percent(by_vmaf, by_neg)
        return Delta(each, "%", f"{neg} {target:g} over {vmaf} {target:g}")

    @property
    def lost_wins(self) -> tuple[tuple[str, str], ...]:
        """(encoder, anchor) of each win by default VMAF that disappears under NEG.

        A win saves at least 1 % of bitrate by BD-rate, or with one target by the bitrate there.

        Raises:
            MeasurementError: If that is not known for a pair of encoders.
        """
        pairs = ((encoder, anchor) for encoder in self.labels for anchor in self.labels if encoder != anchor)
        return tuple(pair for pair in pairs if self._saving(*pair, "vmaf") <= -WIN < self._saving(*pair, "neg"))

    def speed(self, encoder: str, source: str | None = None) -> Speed | None:
        """Frames per second of encoding and decoding, None if it was not measured."""
        return self._bisection(encoder, self._source(source)).speed

    def _saving(self, encoder: str, anchor: str, name: str) -> Delta:
        metric = f"{name}.{self.metric.pool}"
        if len(self.targets) == 1:
            return self.rate_change(encoder, self.targets[0], anchor=anchor, metric=metric)
        return self.bd_rate(encoder, anchor=anchor, metric=metric)

    def _delta(self, encoder: str, anchor: str, metric: str | None, unit: str) -> Delta:
        chosen = self._metric(metric)
        # Targets are scores of their own metric and of its twin. Curves of any other metric are compared completely.
        twin = chosen.name in TWINS and self.metric.name in TWINS and chosen.pool == self.metric.pool
        bounded = len(self.targets) > 1 and (chosen == self.metric or twin)
        each: dict[str, float] = {}
        spans: list[tuple[float, float]] = []
        for source in self.bisections:
            test, base = (self._bisection(label, source) for label in (encoder, anchor))
            both = [target for target in self.targets if test[target].met and base[target].met]
            if bounded and len(both) < 2:
                raise MeasurementError(
                    f"{encoder} and {anchor} both meet {len(both)} of {len(self.targets)} targets on {source}, so "
                    f"their curves hardly overlap.\n  {_reasons(test)}\n  {_reasons(base)}"
                )
            between = (min(both), max(both)) if bounded else None
            spans += [between] if between else []
            try:
                curves = curve(base.probes, chosen), curve(test.probes, chosen)
                if unit == "%":
                    each[source] = bd_rate(*curves, between=between)
                else:
                    each[source] = bd_quality(*curves, between=between and _shared_rates(curves, between))
            except MeasurementError as error:
                raise MeasurementError(f"{encoder} against {anchor} on {source}: {error}") from None
        # The encoders can share other targets on other sources. The narrowest span holds for all of them.
        span = f" {max(low for low, _ in spans):g} to {min(high for _, high in spans):g}" if spans else ""
        return Delta(each, unit, f"{'BD-rate' if unit == '%' else 'BD-quality'}, {chosen}{span}")

    def _rate(self, encoder: str, target: float, source: str, metric: Metric) -> float | None:
        try:
            return rate_at(curve(self._bisection(encoder, source).probes, metric), target)
        except MeasurementError:
            # One point is not a curve.
            return None

    @staticmethod
    def _percent(base: float, other: float) -> float:
        return (other / base - 1) * 100

    def _metric(self, metric: str | None) -> Metric:
        if metric is None:
            return self.metric
        chosen = parse_metric(metric)
        probes = (probe for bisection in self.searches for probe in bisection.probes)
        if chosen.name not in TWINS and any(chosen.name not in probe.result.features for probe in probes):
            raise SettingsError(f"{metric} was not measured in this comparison. Request it with features=.")
        return chosen

    def _bisection(self, label: str, source: str) -> Bisection:
        if label not in self.labels:
            raise SettingsError(f"An encoder must be one of {', '.join(self.labels)}, not {label!r}.")
        return self.bisections[source][label]

    def _source(self, source: str | None) -> str:
        if source is None and len(self.bisections) == 1:
            return next(iter(self.bisections))
        if source is None or source not in self.bisections:
            raise SettingsError(f"source must be one of {', '.join(self.bisections)}, not {source!r}.")
        return source

    def __repr__(self) -> str:
        sources = plural(len(self.bisections), "source")
        return f"<Comparison of {', '.join(self.labels)} on {sources}, {self.probes} encodes>"

    def __str__(self) -> str:
        rows = (item for by_label in self.bisections.values() for item in by_label.items())
        return "\n".join(f"{label}: {bisection}" for label, bisection in rows)


def curve(probes: Sequence[Probe], metric: Metric) -> RateQuality:
    """The rate-quality curve through all trial encodes of a search."""
    return RateQuality(tuple((probe.bitrate, float(metric.of(probe.result))) for probe in probes))


def _shared_rates(curves: tuple[RateQuality, RateQuality], between: tuple[float, float]) -> tuple[float, float] | None:
    """The bitrates that both curves spend within a span of quality."""
    rates = []
    for each in curves:
        # A target that is met at the coarsest CRF lies below the curve; the end of the curve replaces it.
        (_, lowest), (_, highest) = each.points[0], each.points[-1]
        known = [rate_at(each, min(max(quality, lowest), highest)) for quality in between]
        rates.append([rate for rate in known if rate is not None])
    low, high = max(map(min, rates)), min(map(max, rates))
    return (low, high) if low < high else None


def _reasons(bisection: Bisection) -> str:
    return "; ".join(answer.why for answer in bisection.answers.values())
