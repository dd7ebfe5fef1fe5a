"""The table of statistics: names, labels and directions. `Estimate`: the value of one, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

StatisticName: TypeAlias = Literal["plcc", "srcc", "tau_b", "tau_b_95", "rmse", "rmse_star", "outlier_ratio"]
NAMES: tuple[StatisticName, ...] = get_args(StatisticName)


class Statistic(NamedTuple):
    """One row of the table.

    Attributes:
        label: The name in tables.
        higher_is_better: Whether a larger value means more agreement.
        is_mapped: Whether the metric is mapped to opinion scores before.
        needs_intervals: Whether it needs the confidence intervals of opinion scores.
        bounds: The lowest and the highest value that it can have.
    """

    label: str
    higher_is_better: bool
    is_mapped: bool
    needs_intervals: bool
    bounds: tuple[float, float]


STATISTICS: Mapping[str, Statistic] = {
    "plcc": Statistic("PLCC", True, True, False, (-1.0, 1.0)),
    "srcc": Statistic("SRCC", True, False, False, (-1.0, 1.0)),
    "tau_b": Statistic("tau-b", True, False, False, (-1.0, 1.0)),
    "tau_b_95": Statistic("tau-b 95", True, False, True, (-1.0, 1.0)),
    "rmse": Statistic("RMSE", False, True, False, (0.0, math.inf)),
    "rmse_star": Statistic("RMSE*", False, True, True, (0.0, math.inf)),
    "outlier_ratio": Statistic("outliers", False, True, True, (0.0, 1.0)),
}


@dataclass(frozen=True)
class Estimate:
    """A statistic of one metric.

    Attributes:
        value: The value; None if it is undefined.
        low: The lower end of the 95 % confidence interval; None if there is none.
        high: The upper end.
        why: Why the value is undefined, "" if it is not.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain data."""
        interval = None if self.low is None or self.high is None else [self.low, self.high]
        return {"value": self.value, "interval": interval, **({"why": self.why} if self.why else {})}
