"""`MetricDifference`: whether two metrics agree with viewers to a different degree, on the same clips."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from pytest_vmaf.correlation.coefficients import Floats
from pytest_vmaf.correlation.measure import interval
from pytest_vmaf.correlation.statistics import STATISTICS
from pytest_vmaf.correlation.student import tail, two_sided

#: The level of significance.
ALPHA = 0.05
#: Standard errors below this part of a difference are rounding.
ROUNDING = 1e-9
#: How a difference is tested.
FISHER, BOOTSTRAP = "Fisher z of dependent correlations", "paired bootstrap"


@dataclass(frozen=True)
class MetricDifference:
    """The difference between two metrics in one statistic.

    Attributes:
        statistic: The name of the statistic, for example "srcc".
        first: A metric.
        second: Another metric.
        value: The statistic of the first minus that of the second.
        low: The lower end of its 95 % confidence interval (paired bootstrap); None if there is none.
        high: The upper end.
        p: The probability of a difference of this size if there were none.
        adjusted_p: `p` after Holm's correction for all pairs of metrics in this statistic.
        test: How `p` was found.
        independent_p: For PLCC, `p` of ITU-T P.1401, 7.6.1, which takes both correlations for independent.
        bootstrap_p: `p` of the paired bootstrap, also for PLCC.
    """

    statistic: str
    first: str
    second: str
    value: float
    low: float | None
    high: float | None
    p: float
    adjusted_p: float
    test: str
    independent_p: float | None
    bootstrap_p: float

    @property
    def is_significant(self) -> bool:
        """Whether `adjusted_p` is below 0.05."""
        return self.adjusted_p < ALPHA

    @property
    def better(self) -> str:
        """The metric that agrees better with viewers; "" if the difference is not significant."""
        if not self.is_significant:
            return ""
        return self.first if (self.value > 0) == STATISTICS[self.statistic].higher_is_better else self.second

    def to_dict(self) -> dict[str, Any]:
        """The difference as plain data."""
        return {
            "statistic": self.statistic,
            "first": self.first,
            "second": self.second,
            "value": self.value,
            "interval": None if self.low is None or self.high is None else [self.low, self.high],
            "p": self.p,
            "adjusted_p": self.adjusted_p,
            "independent_p": self.independent_p,
            "bootstrap_p": self.bootstrap_p,
            "test": self.test,
            "significant": self.is_significant,
            "better": self.better or None,
        }


def compare_metrics(
    values: Mapping[str, Mapping[str, Floats]], predicted: Mapping[str, Floats], clips: int, blocks: int
) -> tuple[MetricDifference, ...]:
    """Compare every pair of metrics in every statistic that both have.

    Args:
        values: By metric and statistic: that of the clips, and that of each resample.
        predicted: By metric, the opinion scores that it predicts.
        clips: How many clips there are.
        blocks: How many blocks of them are drawn: clips or sources.
    """
    differences: list[MetricDifference] = []
    for statistic in STATISTICS:
        pairs = [
            _compare(statistic, pair, values, predicted, clips, blocks)
            for pair in combinations(values, 2)
            if all(np.isfinite(values[metric][statistic][0]) for metric in pair)
        ]
        differences += _adjusted(pairs)
    return tuple(differences)


def dependent_p(first: float, second: float, between: float, clips: int) -> float:
    """The two-sided p of two correlations with the same variable.

    Meng, Rosenthal and Rubin, "Comparing correlated correlation coefficients", Psychological Bulletin 111 (1992), on
    Fisher's z, which ITU-T P.1401 uses for independent ones.

    Args:
        first: The correlation of a variable with opinion scores.
        second: That of another one.
        between: The correlation of both.
        clips: How many clips there are.
    """
    if first == second:
        return 1.0
    if clips <= 3 or max(abs(first), abs(second), between) >= 1:
        return 1.0 if clips <= 3 else 0.0
    mean = (first * first + second * second) / 2
    f = min((1 - between) / (2 * (1 - mean)), 1.0)
    h = (1 - f * mean) / (1 - mean)
    z = (math.atanh(first) - math.atanh(second)) * math.sqrt((clips - 3) / (2 * (1 - between) * h))
    return two_sided(z)


def bootstrap_p(value: float, samples: Floats, blocks: int) -> float:
    """The two-sided p of a difference by its standard error in resamples, with Student's t of the blocks less one.

    Few blocks make resamples too alike: their variance is (n - 1) / n of the true one, and t accounts for its error.

    Args:
        value: The difference.
        samples: The difference in each resample.
        blocks: How many blocks were drawn, such as sources.
    """
    defined = samples[np.isfinite(samples)]
    if value == 0 or len(defined) < 2 or blocks < 2:
        return 1.0
    error = float(defined.std(ddof=1)) * math.sqrt(blocks / (blocks - 1))
    if error <= ROUNDING * abs(value):
        # No resample differs from another: all blocks agree, as in a sign test.
        return float(2.0 ** (1 - min(blocks, 1000)))
    return tail(value / error, blocks - 1)


def _compare(
    statistic: str,
    pair: tuple[str, str],
    values: Mapping[str, Mapping[str, Floats]],
    predicted: Mapping[str, Floats],
    clips: int,
    blocks: int,
) -> MetricDifference:
    first, second = (values[metric][statistic] for metric in pair)
    samples = first - second
    value = float(samples[0])
    low, high = interval(value, samples[1:])
    drawn = bootstrap_p(value, samples[1:], blocks)
    if statistic != "plcc":
        return MetricDifference(statistic, *pair, value, low, high, drawn, drawn, BOOTSTRAP, None, drawn)
    one, other = (predicted[metric] for metric in pair)
    between = float(np.corrcoef(one, other)[0, 1])
    p = dependent_p(float(first[0]), float(second[0]), between, clips)
    alone = two_sided((_z(first[0]) - _z(second[0])) / math.sqrt(2 / (clips - 3)))
    return MetricDifference(statistic, *pair, value, low, high, p, p, FISHER, alone, drawn)


def _z(r: float) -> float:
    # A correlation of 1 has no z.
    return math.atanh(min(max(float(r), -1 + 1e-12), 1 - 1e-12))


def _adjusted(pairs: Sequence[MetricDifference]) -> Iterable[MetricDifference]:
    """Holm's correction: the smallest p times the number of pairs, the next times one less, and so on."""
    order = sorted(range(len(pairs)), key=lambda at: pairs[at].p)
    adjusted, highest = [0.0] * len(pairs), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, pairs[at].p * (len(pairs) - rank)))
        adjusted[at] = highest
    return [replace(pair, adjusted_p=p) for pair, p in zip(pairs, adjusted, strict=True)]
