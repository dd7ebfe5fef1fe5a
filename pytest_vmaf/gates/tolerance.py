"""Tolerances: how much worse than its baseline a number may be, and where each was set. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import OFF_WORDS
from pytest_vmaf.gates.metrics import BASE_METRICS, PART_METRICS, SEARCH_METRICS
from pytest_vmaf.scoring.models import feature_columns, resolve_feature
from pytest_vmaf.scoring.score import POOLS
from pytest_vmaf.text import closest_match

FORM = re.compile(r"max_(?:(?P<metric>.+?)_)?(?P<direction>drop|rise)(?:_(?P<pool>.+))?")
#: What a baseline holds when nothing else is said, by the kind of its entry.
DEFAULTS: Mapping[str, Mapping[str, float | str]] = {
    "score": {"max_drop": 0.5, "max_drop_p5": 1.0, "max_neg_masked_drop": 0.5, "max_neg_salient_drop": 0.5},
    "bisect": {"max_bitrate_rise": "2%"},
    "compare": {"max_bd_rate_rise": 1.0},
}


@dataclass(frozen=True)
class Tolerance:
    """How far a metric's pool may go in a ``direction`` ("drop", "rise") from its baseline.

    ``limit`` is in the metric's own unit, or with ``relative`` in percent of the baseline; None switches it off.
    """

    name: str
    metric: str
    pool: str
    direction: str
    limit: float | None
    relative: bool
    origin: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is held against: max_drop and max_neg_drop_mean are one tolerance."""
        return self.metric, self.pool, self.direction

    @property
    def feature(self) -> str | None:
        """The libvmaf feature that must be measured for it, if it is not VMAF itself."""
        return resolve_feature(self.metric) if self.metric in feature_columns() else None

    @property
    def shown(self) -> str:
        """The limit, as it was written."""
        return "off" if self.limit is None else f"{self.limit:g}{' %' if self.relative else ''}"

    def worse(self, old: float, new: float) -> float:
        """How much worse the new value is than the old one (negative: better), in the limit's unit."""
        # Both have four decimals; so has what lies between them.
        change = round(old - new if self.direction == "drop" else new - old, 4)
        if not self.relative or not change:
            return change
        return 100 * change / abs(old) if old else math.copysign(math.inf, change)

    def __str__(self) -> str:
        return f"{self.name}={self.shown} ({self.origin})"


def is_tolerance(name: str) -> bool:
    """Whether a keyword is one of a tolerance, right or wrong."""
    return FORM.fullmatch(name) is not None


def parse_tolerance(name: str, limit: object, origin: str) -> Tolerance:
    """Read ``max_[{metric}_]{drop|rise}[_{pool}]`` with its limit: a number from 0, or a text as "2%".

    Raises SettingsError with the nearest name for an unknown metric or pool.
    """
    match = FORM.fullmatch(name)
    if match is None:
        raise SettingsError(f"{name!r} ({origin}) is no tolerance; it is max_drop, max_drop_p5, max_gap_rise, ….")
    metric, direction, pool = match["metric"] or "neg", match["direction"], match["pool"] or "mean"
    # As among the gates, "roi" alone is the default score's.
    metric = re.sub("^roi$", "vmaf_roi", metric)
    metrics = (*BASE_METRICS, *PART_METRICS, *feature_columns(), *SEARCH_METRICS)
    if metric not in metrics:
        near = f"max_{closest_match(metric, metrics)}_{direction}"
        raise SettingsError(
            f"{name!r} ({origin}) asks for an unknown metric; did you mean {near!r}? There are "
            f"{', '.join(each for each in metrics if not each.startswith('float_moment'))}."
        )
    if metric in SEARCH_METRICS and match["pool"]:
        raise SettingsError(f"{name!r} ({origin}): {metric} has no pools; say max_{metric}_{direction}.")
    if pool not in POOLS:
        stem = name.removesuffix(f"_{pool}")
        raise SettingsError(
            f"{name!r} ({origin}) asks for an unknown pool; did you mean {f'{stem}_{closest_match(pool, POOLS)}'!r}? "
            f"There are {', '.join(POOLS)}."
        )
    number, relative = _limit(name, limit, origin)
    return Tolerance(name, metric, pool, direction, number, relative, origin)


def refuse_tolerance_twice(tolerances: Iterable[Tolerance]) -> None:
    """Raises SettingsError for two tolerances of one place that are one by two names."""
    seen: dict[tuple[str, str, str], Tolerance] = {}
    for each in tolerances:
        first = seen.setdefault(each.key, each)
        if first.name != each.name:
            raise SettingsError(f"{first.name} and {each.name} ({each.origin}) are one tolerance; give it once.")


def in_force(layers: Iterable[Iterable[Tolerance]], kind: str) -> tuple[Tolerance, ...]:
    """Each tolerance from the first layer that sets it, else the default ones; without those switched off."""
    defaults = [parse_tolerance(name, limit, "default") for name, limit in DEFAULTS[kind].items()]
    chosen: dict[tuple[str, str, str], Tolerance] = {}
    for layer in (*layers, defaults):
        for each in {each.key: each for each in layer}.values():
            chosen.setdefault(each.key, each)
    return tuple(each for each in chosen.values() if each.limit is not None)


def _limit(name: str, limit: object, origin: str) -> tuple[float | None, bool]:
    if limit is None or limit is False or (isinstance(limit, str) and limit.lower() in OFF_WORDS):
        return None, False
    text = limit.strip() if isinstance(limit, str) else limit
    relative = isinstance(text, str) and text.endswith("%")
    try:
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise ValueError
        value = float(text.removesuffix("%") if isinstance(text, str) else text)
    except (ValueError, OverflowError):
        value = math.nan
    if not 0 <= value < math.inf:
        raise SettingsError(
            f"The limit of {name} ({origin}) is {limit!r:.80}; it is a finite number from 0, a text as '2%', or off."
        )
    return value, relative
