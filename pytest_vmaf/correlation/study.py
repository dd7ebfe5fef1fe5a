"""`Study`: the clips as arrays of numbers of which more is better. Measures the metrics on groups of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pytest_vmaf.correlation.coefficients import Floats, Variable, tau_b
from pytest_vmaf.correlation.correlation import ClipGroup, GroupKind, MetricAgreement
from pytest_vmaf.correlation.curve import MosCurve, fit_curve
from pytest_vmaf.correlation.join import RatedClip, sources_of
from pytest_vmaf.correlation.measure import Opinions, estimates, interval, measure
from pytest_vmaf.correlation.request import Request
from pytest_vmaf.correlation.resampling import resample
from pytest_vmaf.correlation.scores import is_lower_better
from pytest_vmaf.correlation.statistics import Estimate
from pytest_vmaf.correlation.tables import listed
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import did_you_mean, plural, printable

#: The name of the opinion scores in `lower_is_better`.
MOS = "mos"
#: Fewer sources, or fewer clips, give intervals that are too narrow.
FEW_BLOCKS = 8
#: The most resamples of the clips of a single source.
MOST_OF_SOURCE = 500
#: An SRCC below this, over all clips, is the sign of a metric of which a lower value is better.
REVERSED = -0.3
NO_INTERVALS = "the MOS have no confidence intervals"
ALL_TIED = "all MOS are tied within their confidence intervals"


@dataclass(frozen=True)
class Study:
    """The clips and what is known about them.

    Attributes:
        request: The arguments.
        clips: The clips, by name.
        x: The values of each metric, of which more is better.
        opinions: The mean opinion scores, of which more is better.
        intervals: Half the widths of their confidence intervals, None if they are unknown.
        curves: The mapping of each metric, over all clips.
        sources: The different sources.
        block: What is drawn together in a resample.
    """

    request: Request
    clips: tuple[RatedClip, ...]
    x: Mapping[str, Floats]
    opinions: Floats
    intervals: Floats | None
    curves: Mapping[str, MosCurve | None]
    sources: tuple[str, ...]
    block: Literal["clip", "source"]

    @classmethod
    def of(cls, request: Request, metrics: Sequence[str], columns: Sequence[str], clips: Sequence[RatedClip]) -> Study:
        """Arrange the clips.

        Args:
            request: The arguments.
            metrics: The metrics.
            columns: The columns of the table, which may have metrics that are not used.
            clips: The clips, by name.

        Raises:
            SettingsError: If `lower_is_better` or `resample_by` do not fit them.
        """
        for name in request.lower_is_better:
            if name not in (*metrics, *columns, MOS):
                hint = did_you_mean(name, (*metrics, MOS))
                raise SettingsError(
                    f"lower_is_better: there is no metric {name!r}.{hint} There are: {listed(metrics)}."
                )
        sources = sources_of(clips)
        if request.resample_by == "source" and len(sources) < 2:
            raise SettingsError('resample_by="source" needs a column source with several sources, and no empty cell.')
        intervals = None if clips[0].interval is None else np.array([clip.interval or 0.0 for clip in clips])
        sign = -1.0 if MOS in request.lower_is_better else 1.0
        opinions = sign * np.array([clip.mos for clip in clips])
        x = {name: np.array([clip.scores[name] for clip in clips]) for name in metrics}
        x = {name: -values if falls(request, name) else values for name, values in x.items()}
        curves = {name: _curve(request, name, values, opinions) for name, values in x.items()}
        block = request.resample_by or ("source" if len(sources) > 1 else "clip")
        return cls(request, tuple(clips), x, opinions, intervals, curves, tuple(sources), block)

    @property
    def mos_falls(self) -> bool:
        """Whether a lower opinion score is better."""
        return MOS in self.request.lower_is_better

    @property
    def blocks(self) -> int:
        """How many blocks of clips are drawn."""
        return len(self.sources) if self.block == "source" else len(self.clips)

    def predictions(self) -> dict[str, Floats]:
        """What each metric predicts for the clips, of which more is better. Metrics without a mapping are left out."""
        sign = -1.0 if self.mos_falls else 1.0
        return {
            name: sign * np.array([curve.predict(clip.scores[name]) for clip in self.clips])
            for name, curve in self.curves.items()
            if curve is not None
        }


def falls(request: Request, metric: str) -> bool:
    """Whether a lower value of a metric is better."""
    return metric in request.lower_is_better or is_lower_better(metric)


def measure_group(
    study: Study, kind: GroupKind, name: str, at: Sequence[int]
) -> tuple[ClipGroup, Mapping[str, Mapping[str, Floats]]]:
    """Measure every metric on a group of clips.

    Args:
        study: All clips.
        kind: The kind of the group.
        name: Its name.
        at: The indexes of its clips.

    Returns:
        The group; and by metric and statistic the value of the clips, followed by those of the resamples.
    """
    index = np.asarray(at)
    by_clip = study.block == "clip" or kind == "source"
    blocks = [study.clips[each].clip if by_clip else study.clips[each].source for each in at]
    # There are many sources, with few clips each.
    resamples = min(study.request.resamples, MOST_OF_SOURCE) if kind == "source" else study.request.resamples
    weights = resample(blocks, resamples, study.request.seed, f"{kind} {name}")
    if len(set(blocks)) == 1:
        # All resamples of a single block are equal, which is not certainty.
        weights = weights[:1]
    intervals = None if study.intervals is None else study.intervals[index]
    opinions = Opinions.of(study.opinions[index], intervals)
    predicted = study.predictions()
    own = {metric: x[index] for metric, x in study.x.items()}
    values, agreements = measure(weights, opinions, own, study.request.mapping), {}
    for metric, x in own.items():
        curve, bias = study.curves[metric], None
        if kind != "all":
            curve = _curve(study.request, metric, x, opinions.mos)
            bias = _bias(weights, predicted[metric][index] - opinions.mos if metric in predicted else None)
        agreements[metric] = MetricAgreement(
            metric=metric,
            group=name,
            clips=len(at),
            estimates=estimates(values[metric], opinions, x),
            curve=curve,
            bias=bias,
            lower_is_better=falls(study.request, metric),
        )
    return ClipGroup(kind, name, len(at), _ceiling(opinions), agreements), values


def cautions(study: Study, everything: ClipGroup) -> list[str]:
    """Notes that warn about the numbers."""
    notes = []
    for metric, agreement in everything.agreements.items():
        srcc = agreement.estimates["srcc"].value
        if srcc is not None and srcc < REVERSED:
            name = printable(metric)
            remedy = f" If lower is better, name it in lower_is_better (--lower-is-better {name})."
            remedy = "" if agreement.lower_is_better else remedy
            notes.append(f"{name} gets worse as the MOS gets better (SRCC {srcc:.2f}).{remedy}")
    if study.blocks < FEW_BLOCKS:
        number = plural(study.blocks, study.block)
        notes.append(f"Intervals are from resamples of {number}, too few: the intervals are too narrow.")
    return notes


def _curve(request: Request, metric: str, x: Floats, opinions: Floats) -> MosCurve | None:
    """The mapping from a metric to opinion scores, in the units of both."""
    lower, mos_lower = falls(request, metric), MOS in request.lower_is_better
    own_x, own_mos = (-x if lower else x), (-opinions if mos_lower else opinions)
    return fit_curve(request.mapping, own_x, own_mos, falls=lower, mos_falls=mos_lower)


def _bias(weights: Floats, error: Floats | None) -> Estimate:
    if error is None:
        return Estimate(None, why="the metric has no mapping over all clips")
    samples = weights @ error / weights.sum(axis=1)
    return Estimate(float(samples[0]), *interval(float(samples[0]), samples[1:]))


def _ceiling(opinions: Opinions) -> Estimate:
    if opinions.tied is None:
        return Estimate(None, why=NO_INTERVALS)
    one = np.ones((1, len(opinions.mos)))
    [value] = tau_b(one, Variable.of(one, opinions.mos), Variable.of(one, opinions.tied))
    return Estimate(float(value)) if np.isfinite(value) else Estimate(None, why=ALL_TIED)
