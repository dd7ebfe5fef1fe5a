"""Comparison: BD-rates, bitrates at equal quality and the NEG penalty of encoders, each a `Delta`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.html_views import html_of
from pytest_vmaf.search.agreement import Agreement, agreement_of, judges_of, measured_metrics
from pytest_vmaf.search.bdrate import rate_at
from pytest_vmaf.search.bisect_request import TWINS
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.mean_delta import mean_delta
from pytest_vmaf.search.metric import Metric, parse_quality
from pytest_vmaf.search.rate_curve import curve
from pytest_vmaf.search.speed import Speed
from pytest_vmaf.text import plural

#: The smallest saving of bitrate, in percent, that counts as a win.
WIN = 1.0


@dataclass(frozen=True, repr=False)
class Comparison:
    """What several encoders need for the same quality, on one source or several.

    `comparison["libx264"]` is the `Bisection` of an encoder, if there is one source.

    Attributes:
        metric: What the targets are scores of.
        targets: The targets that every encoder was searched for.
        bisections: By source, and then by the encoder's label, the `Bisection`.
        agree: The metrics whose BD-rates are compared with that of `metric`; by default the independent ones measured.
    """

    metric: Metric
    targets: tuple[float, ...]
    bisections: Mapping[str, Mapping[str, Bisection]]
    agree: tuple[Metric, ...] = ()

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

    @property
    def measured(self) -> tuple[Metric, ...]:
        """Every metric of quality that all trial encodes have: that of the targets, VMAF, NEG and the features."""
        return measured_metrics(self.metric, [probe.result for each in self.searches for probe in each.points])

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain data: every search, and the differences from the first encoder."""
        anchor, *others = self.labels
        return {
            "metric": self.metric.text,
            "neg": self.metric.name == "neg",
            "targets": list(self.targets),
            "encoders": list(self.labels),
            "anchor": anchor,
            "met": self.met,
            "bd_rate": {label: _known(self.bd_rate, label, anchor=anchor) for label in others},
            "agreement": {each.encoder: each.to_dict() for each in self.agreements},
            "bd_quality": {label: _known(self.bd_quality, label, anchor=anchor) for label in others},
            "neg_penalty": {
                label: {f"{target:g}": _known(self.penalty, label, target) for target in self.targets}
                for label in self.labels
            },
            "lost_wins": self._known_lost_wins(),
            "sources": {
                source: {label: bisection.to_dict() for label, bisection in by_label.items()}
                for source, by_label in self.bisections.items()
            },
        }

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def _repr_html_(self) -> str | None:
        """The search's section of the report, for notebooks."""
        return html_of(self)

    def to_rows(self) -> list[dict[str, Any]]:
        """One row per source, encoder and target, for a table or a DataFrame."""
        return [
            {"source": source, "encoder": label, **row}
            for source, by_label in self.bisections.items()
            for label, bisection in by_label.items()
            for row in (answer.to_dict() for answer in bisection.answers.values())
        ]

    def _known_lost_wins(self) -> list[list[str]] | None:
        try:
            return [list(pair) for pair in self.lost_wins]
        except MeasurementError:
            return None

    def __getitem__(self, label: str) -> Bisection:
        if len(self.bisections) != 1:
            raise SettingsError(f"There are {len(self.bisections)} sources. Use .bisections[source][{label!r}].")
        return self._bisection(label, self._source(None))

    def bd_rate(self, encoder: str, *, anchor: str, metric: str | None = None) -> Delta:
        """How much more bitrate an encoder needs than the anchor for equal quality, in percent; negative: less.

        The Bjøntegaard delta (`pytest_vmaf.search.bdrate.bd_rate`) between the lowest and the highest target that both
        meet, or over the complete curves if there is one target; the mean over sources. Another metric is compared over
        the qualities that both have at these targets.

        Args:
            encoder: The label of the encoder.
            anchor: The label of the encoder to compare it with.
            metric: Another metric that was measured, for example "vmaf"; by default that of the targets.

        Raises:
            MeasurementError: If the curves hardly overlap, or have fewer than four points.
            SettingsError: For an unknown label, and a metric that was not measured.
        """
        return self._delta(encoder, anchor, metric, "%")

    def bd_rates(self, encoder: str, *, anchor: str) -> Agreement:
        """The BD-rate in every metric that was measured: a mapping from metrics to differences, the lowest first.

        `.verdict` says in words which metrics agree, and `.unknown` why a metric cannot be compared. See `bd_rate`.
        """
        judges = judges_of(self.metric, self.measured, self.agree)
        return agreement_of(
            (encoder, anchor), judges, self.measured, lambda name: self.bd_rate(encoder, anchor=anchor, metric=name)
        )

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """The BD-rates in every metric of each encoder against the first."""
        anchor, *others = self.labels
        return tuple(self.bd_rates(label, anchor=anchor) for label in others)

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
        pairs = {s: (self._bisection(encoder, s), self._bisection(anchor, s)) for s in self.bisections}
        return mean_delta(pairs, (encoder, anchor), self.targets, chosen, unit, bounded=bounded)

    def _rate(self, encoder: str, target: float, source: str, metric: Metric) -> float | None:
        try:
            through = curve(self._bisection(encoder, source).points, metric)
            return rate_at(through, -target if through.negated else target)
        except MeasurementError:
            # One point is not a curve.
            return None

    @staticmethod
    def _percent(base: float, other: float) -> float:
        return (other / base - 1) * 100

    def _metric(self, metric: str | None) -> Metric:
        if metric is None:
            return self.metric
        chosen = parse_quality(metric)
        probes = (probe for bisection in self.searches for probe in bisection.points)
        if chosen.name not in TWINS and any(chosen.name not in probe.result.features for probe in probes):
            raise SettingsError(f"{metric} was not measured in this comparison. Request it with features= or metrics=.")
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
        lines = [f"{label}: {bisection}" for label, bisection in rows]
        anchor, *others = self.labels
        for label in others:
            try:
                lines.append(f"{label} against {anchor}: {repr(self.bd_rate(label, anchor=anchor)).strip('<>')}")
                lines += self.bd_rates(label, anchor=anchor).lines
            except MeasurementError as error:
                lines.append(str(error))
        return "\n".join(lines)


def _known(difference: Callable[..., Delta], *arguments: object, **named: object) -> dict[str, Any]:
    """A difference as plain data, or why it is not known."""
    try:
        return difference(*arguments, **named).to_dict()
    except MeasurementError as error:
        return {"value": None, "why": str(error)}
