"""Statistics of one metric on one group of clips, of all resamples, and the reasons for those that are undefined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pytest_vmaf.correlation.coefficients import Floats, Variable, pearson, tau_b
from pytest_vmaf.correlation.curve import COEFFICIENTS, MappingName, predictions, unit_scale
from pytest_vmaf.correlation.statistics import STATISTICS, Estimate
from pytest_vmaf.correlation.tied_ranks import tied_ranks

#: Numbers of a matrix of resamples that are in memory at once.
CHUNK = 1 << 21
#: Fewer clips have no mapping: an error needs more of them than the curve has coefficients.
FEWEST_MAPPED = COEFFICIENTS + 1
#: Fewer clips have no correlation: those of two are 1 or -1.
FEWEST = 3
#: The part of the resamples in which a statistic must be defined for an interval, and the probabilities of its ends.
MOST_DEFINED, ENDS = 0.9, (0.025, 0.975)
FLAT = "the mapping is flat, since the metric does not rise with the MOS"


@dataclass(frozen=True)
class Opinions:
    """The opinions about the clips of a group, of which more is better.

    Attributes:
        mos: The mean opinion scores.
        intervals: Half the widths of their confidence intervals, None if they are unknown.
        tied: Their ranks in which scores that viewers cannot tell apart are tied, None without intervals.
    """

    mos: Floats
    intervals: Floats | None
    tied: Floats | None

    @classmethod
    def of(cls, mos: Floats, intervals: Floats | None) -> Opinions:
        """Rank opinion scores."""
        return cls(mos, intervals, None if intervals is None else tied_ranks(mos, intervals))


def measure(
    weights: Floats, opinions: Opinions, metrics: Mapping[str, Floats], kind: MappingName
) -> dict[str, dict[str, Floats]]:
    """Every statistic of every metric and resample, NaN where it is undefined.

    Args:
        weights: One row per resample: how often it contains each clip.
        opinions: What viewers said.
        metrics: The values of each metric, of which more is better.
        kind: The mapping.
    """
    step = max(1, CHUNK // len(opinions.mos))
    parts: dict[str, list[dict[str, Floats]]] = {metric: [] for metric in metrics}
    for at in range(0, len(weights), step):
        drawn = weights[at : at + step]
        mos = Variable.of(drawn, opinions.mos)
        # The ranks of viewers are those of all metrics.
        mos_ranks, tied = mos.ranks(), None if opinions.tied is None else Variable.of(drawn, opinions.tied)
        for metric, values in metrics.items():
            x = Variable.of(drawn, values)
            statistics = dict.fromkeys(STATISTICS, np.full(len(drawn), np.nan))
            if len(values) >= FEWEST:
                statistics["srcc"] = pearson(drawn, x.ranks(), mos_ranks)
                statistics["tau_b"] = tau_b(drawn, x, mos)
                statistics["tau_b_95"] = statistics["tau_b_95"] if tied is None else tau_b(drawn, x, tied)
            parts[metric].append({**statistics, **_mapped(drawn, opinions, values, kind)})
    return {
        metric: {name: np.concatenate([part[name] for part in each]) for name in STATISTICS}
        for metric, each in parts.items()
    }


def _mapped(weights: Floats, opinions: Opinions, x: Floats, kind: MappingName) -> dict[str, Floats]:
    """The statistics of the mapped metric; none if there are too few clips or values for a mapping."""
    statistics: dict[str, Floats] = {}
    count, mos = weights.sum(axis=1), opinions.mos
    if len(x) < FEWEST_MAPPED or len(np.unique(x)) < COEFFICIENTS:
        return statistics
    predicted = predictions(kind, weights, unit_scale(x, falls=False), mos)
    mapped = np.isfinite(predicted).all(axis=1) & (count > COEFFICIENTS)
    safe = np.where(mapped[:, None], predicted, 0.0)
    error = np.abs(safe - mos)
    freedom = np.maximum(count - COEFFICIENTS, 1)
    statistics["plcc"] = np.where(mapped, pearson(weights, safe, mos), np.nan)
    statistics["rmse"] = np.where(mapped, np.sqrt((weights * error**2).sum(axis=1) / freedom), np.nan)
    if opinions.intervals is not None:
        beyond = np.maximum(error - opinions.intervals, 0.0)
        statistics["rmse_star"] = np.where(mapped, np.sqrt((weights * beyond**2).sum(axis=1) / freedom), np.nan)
        statistics["outlier_ratio"] = np.where(mapped, (weights * (beyond > 0)).sum(axis=1) / count, np.nan)
    return statistics


def estimates(values: Mapping[str, Floats], opinions: Opinions, x: Floats) -> dict[str, Estimate]:
    """Estimates from the statistics of the clips, the first row, and of the resamples, the others."""
    return {name: _estimate(name, each, opinions, x) for name, each in values.items()}


def interval(
    value: float, samples: Floats, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float] | tuple[None, None]:
    """The percentile interval of resamples, moved by their bias; None if too many of them are undefined.

    Resamples contain clips twice, which lowers errors and raises tau-b. So the interval is moved by the difference
    between the value and the median of the resamples.

    Args:
        value: The statistic of the clips.
        samples: Those of the resamples.
        bounds: The lowest and the highest value that the statistic can have.
    """
    defined = samples[np.isfinite(samples)]
    if not len(samples) or len(defined) < MOST_DEFINED * len(samples):
        return None, None
    low, middle, high = (float(each) for each in np.quantile(defined, (ENDS[0], 0.5, ENDS[1])))
    return max(low - middle + value, bounds[0]), min(high - middle + value, bounds[1])


def _estimate(name: str, values: Floats, opinions: Opinions, x: Floats) -> Estimate:
    if not np.isfinite(values[0]):
        return Estimate(None, why=_why(name, opinions, x))
    value = float(values[0])
    return Estimate(value, *interval(value, values[1:], STATISTICS[name].bounds))


def _why(name: str, opinions: Opinions, x: Floats) -> str:
    statistic = STATISTICS[name]
    fewest = FEWEST_MAPPED if statistic.is_mapped else FEWEST
    if len(x) < fewest:
        return f"there must be at least {fewest} clips, not {len(x)}"
    if statistic.needs_intervals and opinions.intervals is None:
        return "the MOS have no confidence intervals"
    if not np.ptp(x):
        return "the metric is constant"
    if not np.ptp(opinions.mos):
        return "the MOS are constant"
    if name == "tau_b_95" and opinions.tied is not None and not np.ptp(opinions.tied):
        return "all MOS are tied within their confidence intervals"
    if statistic.is_mapped and (different := len(np.unique(x))) < COEFFICIENTS:
        return f"the mapping needs {COEFFICIENTS} different values of the metric, not {different}"
    return FLAT
