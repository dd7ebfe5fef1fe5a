"""`Correlation`: how well metrics agree with viewers, over all clips and per group of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_vmaf.correlation.curve import MappingName, MosCurve
from pytest_vmaf.correlation.differences import MetricDifference
from pytest_vmaf.correlation.join import RatedClip
from pytest_vmaf.correlation.statistics import STATISTICS, Estimate, StatisticName
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.html_views import html_of
from pytest_vmaf.text import did_you_mean, plural, printable

#: The version of `Correlation.to_dict`.
SCHEMA = 1
GroupKind = Literal["all", "codec", "source"]


@dataclass(frozen=True, repr=False)
class MetricAgreement:
    """How well one metric agrees with viewers on one group of clips.

    Attributes:
        metric: The metric.
        group: The name of the group: "all", a codec or a source.
        clips: How many clips the group has.
        estimates: Every statistic by its name, with its interval; a value of None says why it is undefined.
        curve: The mapping from the metric to opinion scores; None if there are too few clips for it.
        bias: By how much the metric overrates the group: the mean of what the mapping of all clips predicts minus the
            MOS, in its unit. None for the group of all clips.
        lower_is_better: Whether a lower value of the metric is better.
    """

    metric: str
    group: str
    clips: int
    estimates: Mapping[str, Estimate]
    curve: MosCurve | None
    bias: Estimate | None
    lower_is_better: bool

    @property
    def plcc(self) -> float:
        """Pearson's correlation of the mapped metric and the MOS."""
        return self.value("plcc")

    @property
    def srcc(self) -> float:
        """Spearman's rank correlation. Positive if a better value of the metric means a better MOS."""
        return self.value("srcc")

    @property
    def tau_b(self) -> float:
        """Kendall's tau-b."""
        return self.value("tau_b")

    @property
    def tau_b_95(self) -> float:
        """Kendall's tau-b, with clips that viewers cannot tell apart as ties."""
        return self.value("tau_b_95")

    @property
    def rmse(self) -> float:
        """The root of the mean squared error of the mapped metric, in the unit of the MOS."""
        return self.value("rmse")

    @property
    def rmse_star(self) -> float:
        """RMSE of the part of each error beyond the confidence interval of the MOS (epsilon-insensitive)."""
        return self.value("rmse_star")

    @property
    def outlier_ratio(self) -> float:
        """The proportion of clips whose error exceeds the confidence interval of the MOS."""
        return self.value("outlier_ratio")

    def value(self, statistic: StatisticName) -> float:
        """The value of a statistic.

        Raises:
            MeasurementError: If it is undefined, for example because the metric is constant.
            SettingsError: If the name is not that of a statistic.
        """
        if statistic not in self.estimates:
            hint = did_you_mean(str(statistic), STATISTICS)
            raise SettingsError(f"statistic must be one of {', '.join(STATISTICS)}, not {statistic!r}.{hint}")
        estimate = self.estimates[statistic]
        if estimate.value is None:
            name = f"{STATISTICS[statistic].label} of {printable(self.metric)}"
            where = "" if self.group == "all" else f" on {printable(self.group)}"
            raise MeasurementError(f"{name}{where} is undefined: {estimate.why}.")
        return estimate.value

    def to_dict(self) -> dict[str, Any]:
        """The agreement as plain data."""
        return {
            "metric": self.metric,
            "lower_is_better": self.lower_is_better,
            **{name: each.to_dict() for name, each in self.estimates.items()},
            "bias": self.bias and self.bias.to_dict(),
            "mapping": self.curve and self.curve.to_dict(),
        }

    def __repr__(self) -> str:
        numbers = (
            f"{STATISTICS[name].label} {each.value:.3f}"
            for name, each in self.estimates.items()
            if each.value is not None
        )
        return (
            f"<{printable(self.metric)}, {printable(self.group)}, {plural(self.clips, 'clip')}: {', '.join(numbers)}>"
        )


@dataclass(frozen=True)
class ClipGroup:
    """Clips that belong together.

    Attributes:
        kind: "all", "codec" or "source".
        name: "all", or the name of the codec or the source.
        clips: How many clips it has.
        ceiling: The tau-b 95 of the MOS themselves, which no metric can be expected to exceed.
        agreements: By metric.
    """

    kind: GroupKind
    name: str
    clips: int
    ceiling: Estimate
    agreements: Mapping[str, MetricAgreement]

    def to_dict(self) -> dict[str, Any]:
        """The group as plain data."""
        metrics = [each.to_dict() for each in self.agreements.values()]
        head = {"kind": self.kind, "name": self.name, "clips": self.clips}
        return {**head, "tau_b_95_ceiling": self.ceiling.to_dict(), "metrics": metrics}


@dataclass(frozen=True, repr=False)
class Correlation:
    """How well metrics agree with viewers.

    `correlation["neg"].srcc` is the SRCC of NEG over all clips, `correlation.of("neg", codec="av1").srcc` that of one
    codec.

    Attributes:
        metrics: The metrics.
        everything: The group of all clips.
        codecs: The groups of each codec, if there are several.
        sources: The groups of each source, if there are several.
        differences: Every pair of metrics in every statistic, over all clips.
        clips: The clips with their scores and opinions, by name.
        notes: What was left out, and what to keep in mind.
        mapping: "cubic" or "logistic".
        block: The unit that is drawn in a resample: "clip" or "source".
        resamples: How many resamples the intervals are from.
        seed: The seed of the resamples.
        mos_lower_is_better: Whether a lower MOS is better, such as a DMOS of impairment.
    """

    metrics: tuple[str, ...]
    everything: ClipGroup
    codecs: tuple[ClipGroup, ...]
    sources: tuple[ClipGroup, ...]
    differences: tuple[MetricDifference, ...]
    clips: tuple[RatedClip, ...] = field(hash=False)
    notes: tuple[str, ...]
    mapping: MappingName
    block: Literal["clip", "source"]
    resamples: int
    seed: int
    mos_lower_is_better: bool

    @property
    def groups(self) -> tuple[ClipGroup, ...]:
        """All groups, that of all clips first."""
        return (self.everything, *self.codecs, *self.sources)

    @property
    def ceiling(self) -> float | None:
        """The tau-b 95 of the MOS itself over all clips; None without confidence intervals."""
        return self.everything.ceiling.value

    def of(self, metric: str, *, codec: str | None = None, source: str | None = None) -> MetricAgreement:
        """The agreement of a metric, over all clips or on those of a codec or of a source.

        Raises:
            SettingsError: If the study does not have the metric, codec or source.
        """
        if codec is not None and source is not None:
            raise SettingsError("Give codec or source, not both.")
        group = self.everything
        for kind, name, groups in (("codec", codec, self.codecs), ("source", source, self.sources)):
            if name is not None:
                names = {each.name: each for each in groups}
                if name not in names:
                    raise SettingsError(f"{kind} must be one of {', '.join(names) or 'none'}, not {name!r}.")
                group = names[name]
        if metric not in group.agreements:
            hint = did_you_mean(str(metric), self.metrics)
            raise SettingsError(f"metric must be one of {', '.join(self.metrics)}, not {metric!r}.{hint}")
        return group.agreements[metric]

    def __getitem__(self, metric: str) -> MetricAgreement:
        return self.of(metric)

    def __iter__(self) -> Iterator[MetricAgreement]:
        return iter(self.everything.agreements.values())

    def __len__(self) -> int:
        return len(self.metrics)

    def __contains__(self, metric: object) -> bool:
        return metric in self.metrics

    def to_dict(self) -> dict[str, Any]:
        """The correlation as plain data, in exact JSON types. What is undefined is None, with its reason in `why`."""
        return {
            "schema": SCHEMA,
            "metrics": list(self.metrics),
            "clips": self.everything.clips,
            "mapping": self.mapping,
            "confidence": 0.95,
            "resamples": self.resamples,
            "resampled": self.block,
            "seed": self.seed,
            "groups": [group.to_dict() for group in self.groups],
            "differences": [each.to_dict() for each in self.differences],
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """`to_dict` as strict JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_rows(self) -> list[dict[str, Any]]:
        """A flat row for each metric and group, for a DataFrame."""
        return [
            {
                "group": group.name,
                "kind": group.kind,
                "clips": group.clips,
                "metric": metric,
                **{name: each.value for name, each in agreement.estimates.items()},
                "bias": agreement.bias and agreement.bias.value,
            }
            for group in self.groups
            for metric, agreement in group.agreements.items()
        ]

    def _repr_html_(self) -> str | None:
        return html_of(self)

    def __repr__(self) -> str:
        return (
            f"<Correlation of {', '.join(map(printable, self.metrics))} with {plural(self.everything.clips, 'clip')}>"
        )
