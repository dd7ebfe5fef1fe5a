"""`Limit`: a gate on a statistic of every metric, for example `min_srcc=0.9` or `min_srcc_worst_codec=0.85`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_vmaf.correlation.correlation import Correlation, MetricAgreement
from pytest_vmaf.correlation.statistics import NAMES, STATISTICS, StatisticName
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.text import did_you_mean, printable, short_repr

Pool: TypeAlias = Literal["worst_codec", "worst_source"]
POOLS: tuple[Pool, ...] = ("worst_codec", "worst_source")
NAME = re.compile(rf"(min|max)_({'|'.join(sorted(STATISTICS, key=len, reverse=True))})(?:_({'|'.join(POOLS)}))?")


@dataclass(frozen=True)
class Limit:
    """A limit of a statistic.

    Attributes:
        name: The name, for example "min_srcc_worst_codec".
        statistic: The statistic.
        pool: "worst_codec", "worst_source", or None for all clips.
        limit: The lowest value allowed, or the highest of a statistic of which a lower one is better.
    """

    name: str
    statistic: StatisticName
    pool: Pool | None
    limit: float

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `min_srcc=0.9`.

        Raises:
            SettingsError: If it is not a gate.
        """
        name, equals, number = text.partition("=")
        name = name.strip().replace("-", "_")
        match = NAME.fullmatch(name)
        if match is None:
            raise SettingsError(f"--gate: there is no gate {printable(name)!r}.{did_you_mean(name, gate_names())}")
        bound = match[1]
        statistic = next(each for each in NAMES if each == match[2])
        pool = next((each for each in POOLS if each == match[3]), None)
        if bound != _bound(statistic):
            raise SettingsError(f"--gate: {name} must be {_bound(statistic)}{name[3:]}: limit the worse side.")
        try:
            limit = float(number)
        except ValueError:
            limit = math.nan
        if not equals or not math.isfinite(limit):
            raise SettingsError(f"--gate {name} must be a number, for example {name}=0.9, not {short_repr(number)}.")
        return cls(name, statistic, pool, limit)

    def failures(self, correlation: Correlation) -> Iterator[str]:
        """A sentence for each metric that is beyond the limit.

        Raises:
            MeasurementError: If the statistic is undefined, or there are no such groups.
        """
        for metric in correlation.metrics:
            worst = min(self._agreements(correlation, metric), key=lambda each: self._margin(each))
            if self._margin(worst) < 0:
                group = "" if worst.group == "all" else f" on {printable(worst.group)}"
                value = worst.estimates[self.statistic].value
                yield (
                    f"{self.name}={self.limit:g}: {STATISTICS[self.statistic].label} of {printable(metric)}{group} is "
                    f"{value:.4f}."
                )

    def _agreements(self, correlation: Correlation, metric: str) -> list[MetricAgreement]:
        if self.pool is None:
            return [correlation[metric]]
        kind = self.pool.removeprefix("worst_")
        groups = correlation.codecs if kind == "codec" else correlation.sources
        if not groups:
            raise MeasurementError(f"{self.name} needs a column {kind} with several {kind}s.")
        return [group.agreements[metric] for group in groups]

    def _margin(self, agreement: MetricAgreement) -> float:
        value = agreement.value(self.statistic)
        return value - self.limit if _bound(self.statistic) == "min" else self.limit - value


def gate_names() -> list[str]:
    """The names of all gates on all clips."""
    return [f"{_bound(name)}_{name}" for name in NAMES]


def _bound(statistic: StatisticName) -> str:
    return "min" if STATISTICS[statistic].higher_is_better else "max"
