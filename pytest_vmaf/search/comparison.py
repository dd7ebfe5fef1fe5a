"""What a comparison found, and what can be asked of it: BD-rates, bitrates at equal quality, the NEG penalty."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.bdrate import RateQuality, bd_quality, bd_rate, bootstrap, rate_at
from pytest_vmaf.search.bisection import Bisection, Speed
from pytest_vmaf.search.probe import Metric, Probe, parse_metric

#: A difference that is smaller, in percent, nobody calls a win.
WIN = 1.0
#: One quality with and without credit for enhancement, on one scale: their targets are numbers of both.
TWINS = ("vmaf", "neg")


class Delta(float):
    """A difference between two encoders, pooled over sources: a float (the mean) that knows where it comes from.

    ``unit`` is "%" or "points". ``per_source`` maps each source to its own; ``interval`` is the 95 % percentile
    bootstrap interval of the mean over sources, None for fewer than three. ``over`` says which scores were compared.
    """

    per_source: Mapping[str, float]
    interval: tuple[float, float] | None
    unit: str
    over: str

    def __new__(cls, per_source: Mapping[str, float], unit: str, over: str) -> Delta:
        """``per_source`` holds at least one."""
        self = super().__new__(cls, math.fsum(per_source.values()) / len(per_source))
        self.per_source, self.unit, self.over = per_source, unit, over
        self.interval = bootstrap(list(per_source.values()))
        return self

    def __reduce__(self) -> tuple[type[Delta], tuple[Mapping[str, float], str, str]]:
        return Delta, (self.per_source, self.unit, self.over)

    def __repr__(self) -> str:
        unit = " %" if self.unit == "%" else f" {self.unit}"
        spread = f", 95 %: {self.interval[0]:+.2f} to {self.interval[1]:+.2f}" if self.interval else ""
        sources = f"{len(self.per_source)} source{'' if len(self.per_source) == 1 else 's'}"
        return f"<{float(self):+.2f}{unit} ({self.over}, {sources}{spread})>"

    __str__ = float.__repr__

    def __format__(self, spec: str) -> str:
        return float.__format__(float(self), spec)


@dataclass(frozen=True, repr=False)
class Comparison:
    """What every encoder needed on every source. ``bisections[source][label]`` is a Bisection."""

    metric: Metric
    targets: tuple[float, ...]
    bisections: Mapping[str, Mapping[str, Bisection]]

    @property
    def labels(self) -> tuple[str, ...]:
        """The encoders, in the order they were given."""
        return tuple(next(iter(self.bisections.values())))

    @property
    def met(self) -> bool:
        """Whether every encoder met every target on every source."""
        return all(found.met for by_label in self.bisections.values() for found in by_label.values())

    @property
    def probes(self) -> int:
        """How many encodes it took."""
        return sum(len(found.probes) for by_label in self.bisections.values() for found in by_label.values())

    def __getitem__(self, label: str) -> Bisection:
        """The Bisection of an encoder, where there is one source."""
        if len(self.bisections) != 1:
            raise SettingsError(f"There are {len(self.bisections)} sources; say .bisections[source][{label!r}].")
        return next(iter(self.bisections.values()))[self._label(label)]

    def bd_rate(self, encoder: str, *, anchor: str, metric: str | None = None) -> Delta:
        """How much more bitrate the encoder needs than the anchor for equal quality, in percent; less is negative.

        Between the lowest and the highest target that both meet (or over all of both curves, with one target), as the
        mean over sources. ``metric`` is the comparison's own, or another that was measured, as "vmaf".
        Raises MeasurementError where the curves hardly overlap, or have fewer than four points.
        """
        return self._delta(encoder, anchor, metric, bd_rate, "%")

    def bd_quality(self, encoder: str, *, anchor: str, metric: str | None = None) -> Delta:
        """How many points more quality the encoder has than the anchor at equal bitrate. As :meth:`bd_rate`."""
        return self._delta(encoder, anchor, metric, bd_quality, "points")

    def rate(self, encoder: str, target: float, source: str | None = None, *, metric: str | None = None) -> float:
        """The bitrate in bit/s at exactly this quality, interpolated between the two encodes around it.

        ``source`` may be left out where there is one. Raises MeasurementError where the encoder does not get there.
        """
        source, chosen = self._source(source), self._metric(metric)
        rate = self._on_curve(encoder, target, source, chosen)
        if rate is None:
            found = self.bisections[source][encoder]
            why = found[target].why if target in found.answers and chosen == self.metric else "encode further"
            raise MeasurementError(
                f"{encoder} on {source} was not measured on both sides of {chosen} {target:g}, so its bitrate there is "
                f"not known: {why}."
            )
        return rate

    def rate_change(self, encoder: str, target: float, *, anchor: str, metric: str | None = None) -> Delta:
        """How much more bitrate the encoder needs than the anchor at one target, in percent, as the mean over sources.

        Less is negative. Raises MeasurementError where one of both does not get there.
        """
        rates = {s: [self.rate(one, target, s, metric=metric) for one in (encoder, anchor)] for s in self.bisections}
        each = {source: (test / base - 1) * 100 for source, (test, base) in rates.items()}
        return Delta(each, "%", f"bitrate at {self._metric(metric)} {target:g}")

    def penalty(self, encoder: str, target: float) -> Delta:
        """How much more bitrate NEG asks than default VMAF for the same number, in percent: enhancement's share.

        Raises MeasurementError where one of both is not reached, and where the targets are of another metric.
        """
        if self.metric.name not in TWINS:
            raise MeasurementError(f"The targets are of {self.metric}; what NEG asks beyond VMAF is known of theirs.")
        vmaf, neg = (replace(self.metric, name=name) for name in TWINS)
        each = {}
        for source in self.bisections:
            credited, asked = (self._on_curve(encoder, target, source, metric) for metric in (vmaf, neg))
            if credited is None or asked is None:
                raise MeasurementError(f"{encoder} on {source} has not both {vmaf} {target:g} and {neg} {target:g}.")
            each[source] = (asked / credited - 1) * 100
        return Delta(each, "%", f"{neg} {target:g} over {vmaf} {target:g}")

    @property
    def lost_wins(self) -> tuple[tuple[str, str], ...]:
        """(encoder, anchor) of each win by default VMAF, of a percent of bitrate or more, that is none by NEG.

        By BD-rate, or with one target by the bitrate there. Raises MeasurementError where that is not known of a pair.
        """
        pairs = ((encoder, anchor) for encoder in self.labels for anchor in self.labels if encoder != anchor)
        return tuple(pair for pair in pairs if self._difference(*pair, "vmaf") <= -WIN < self._difference(*pair, "neg"))

    def speed(self, encoder: str, source: str | None = None) -> Speed | None:
        """Frames per second of encoding and decoding; None where it was not measured."""
        return self.bisections[self._source(source)][self._label(encoder)].speed

    def _difference(self, encoder: str, anchor: str, name: str) -> Delta:
        metric = f"{name}.{self.metric.pool}"
        if len(self.targets) == 1:
            return self.rate_change(encoder, self.targets[0], anchor=anchor, metric=metric)
        return self.bd_rate(encoder, anchor=anchor, metric=metric)

    def _delta(
        self,
        encoder: str,
        anchor: str,
        metric: str | None,
        delta: Callable[..., float],
        unit: str,
    ) -> Delta:
        chosen = self._metric(metric)
        # Targets are numbers of the comparison's own metric and of its twin; another's curves are compared whole.
        twin = chosen.name in TWINS and self.metric.name in TWINS and chosen.pool == self.metric.pool
        bounded = len(self.targets) > 1 and (chosen == self.metric or twin)
        name = "BD-rate" if unit == "%" else "BD-quality"
        each: dict[str, float] = {}
        spans: list[tuple[float, float]] = []
        for source in self.bisections:
            test, base = (self.bisections[source][self._label(label)] for label in (encoder, anchor))
            both = [target for target in self.targets if test[target].met and base[target].met]
            if bounded and len(both) < 2:
                raise MeasurementError(
                    f"{encoder} and {anchor} share {len(both)} of {len(self.targets)} targets on {source}, so their "
                    f"curves hardly overlap.\n  {_why(test)}\n  {_why(base)}"
                )
            between = (min(both), max(both)) if bounded else None
            spans += [between] if between else []
            try:
                curves = curve(base.probes, chosen), curve(test.probes, chosen)
                each[source] = delta(*curves, between=between if unit == "%" else _rates(curves, between))
            except MeasurementError as error:
                raise MeasurementError(f"{encoder} against {anchor} on {source}: {error}") from None
        # Of sources whose encoders share other targets the narrowest span is what all of them say something of.
        span = f" {max(low for low, _ in spans):g} to {min(high for _, high in spans):g}" if spans else ""
        return Delta(each, unit, f"{name}, {chosen}{span}")

    def _on_curve(self, encoder: str, target: float, source: str, metric: Metric) -> float | None:
        try:
            return rate_at(curve(self.bisections[source][self._label(encoder)].probes, metric), target)
        except MeasurementError:
            # One point is no curve.
            return None

    def _metric(self, metric: str | None) -> Metric:
        if metric is None:
            return self.metric
        chosen = parse_metric(metric)
        if chosen.name not in TWINS and any(
            chosen.name not in probe.result.features
            for by_label in self.bisections.values()
            for found in by_label.values()
            for probe in found.probes
        ):
            raise SettingsError(f"{metric} was not measured in this comparison; ask for it with features=.")
        return chosen

    def _label(self, label: str) -> str:
        if label not in self.labels:
            raise SettingsError(f"{label!r} was not compared; there are {', '.join(self.labels)}.")
        return label

    def _source(self, source: str | None) -> str:
        if source is None and len(self.bisections) == 1:
            return next(iter(self.bisections))
        if source is None or source not in self.bisections:
            raise SettingsError(f"{source!r} is none of the sources: {', '.join(self.bisections)}.")
        return source

    def __repr__(self) -> str:
        sources = f"{len(self.bisections)} source{'s'[: len(self.bisections) > 1]}"
        return f"<Comparison of {', '.join(self.labels)} on {sources}, {self.probes} encodes>"

    def __str__(self) -> str:
        return "\n".join(
            f"{label}: {found}" for by_label in self.bisections.values() for label, found in by_label.items()
        )


def curve(probes: Sequence[Probe], metric: Metric) -> RateQuality:
    """The rate-quality curve through all probes of a search."""
    return RateQuality(tuple((probe.bitrate, float(metric.of(probe.result))) for probe in probes))


def _rates(curves: tuple[RateQuality, RateQuality], between: tuple[float, float] | None) -> tuple[float, float] | None:
    """The bitrates that both curves spend within a span of quality."""
    if between is None:
        return None
    rates = []
    for each in curves:
        # A target that is met at the coarsest CRF lies below the curve, whose own end stands for it.
        ends = each.points[0], each.points[-1]
        known = [rate_at(each, min(max(quality, ends[0][1]), ends[1][1])) for quality in between]
        rates.append([rate for rate in known if rate is not None])
    low, high = max(map(min, rates)), min(map(max, rates))
    return (low, high) if low < high else None


def _why(found: Bisection) -> str:
    return "; ".join(answer.why for answer in found.answers.values())
