"""Tolerance, a limit on how much worse than its baseline a metric may become; reading tolerances."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import effective, frame_metrics, is_off, to_number
from pytest_vmaf.gates.metrics import SEARCH_METRICS, SPEED, metrics
from pytest_vmaf.gates.name_errors import unknown_metric, unknown_pool
from pytest_vmaf.gates.plugin_metrics import FindMetric, is_plugin_name, no_metric
from pytest_vmaf.scoring.features import feature_columns
from pytest_vmaf.scoring.pools import POOLS, is_window
from pytest_vmaf.scoring.signs import SIGNS
from pytest_vmaf.text import did_you_mean

FORM = re.compile(r"max_(?:(?P<metric>.+?)_)?(?P<direction>drop|rise)(?:_(?P<pool>.+))?")
#: The tolerances that apply unless they are set elsewhere, by the kind of baseline.
DEFAULTS: Mapping[str, Mapping[str, float | str]] = {
    "score": {"max_drop": 0.5, "max_drop_p5": 1.0, "max_neg_masked_drop": 0.5, "max_neg_salient_drop": 0.5},
    "bisect": {"max_bitrate_rise": "2%"},
    "compare": {"max_bd_rate_rise": 1.0},
    "speed": {"max_speed_drop": "5%"},
    "stream": {"max_bitrate_rise": "2%"},
}


@dataclass(frozen=True)
class Tolerance:
    """A limit on the change of a metric since its baseline.

    Attributes:
        name: The name as it was written, for example "max_drop_p5".
        metric: The metric, for example "neg".
        pool: How frames are pooled, one of `POOLS` or a window such as "worst_1s".
        direction: "drop" or "rise".
        limit: The largest change that passes; None switches off a tolerance that was set elsewhere.
        relative: Whether the limit is in percent of the baseline, not in the metric's unit.
        origin: Where it was set: "call", "marker", "manifest", "command line", "ini" or "default".
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
        """What the tolerance limits. max_drop and max_neg_drop_mean have the same key."""
        return self.metric, self.pool, self.direction

    @property
    def feature(self) -> str | None:
        """The libvmaf feature that must be measured for this tolerance, or None."""
        return feature_columns().get(self.metric)

    @property
    def plugin_metric(self) -> str | None:
        """The name of the plugin's metric that must be measured for this tolerance, or None."""
        return None if self.metric in metrics() else self.metric

    @property
    def limit_text(self) -> str:
        """The limit with its unit, for example "2 %"."""
        return "off" if self.limit is None else f"{self.limit:g}{' %' if self.relative else ''}"

    def worse(self, old: float, new: float) -> float:
        """How much worse the new value is than the old one, in the limit's unit; negative if it is better."""
        # Baselines have four decimals, and so has a difference of two.
        change = round(old - new if self.direction == "drop" else new - old, 4)
        if not self.relative or not change:
            return change
        return 100 * change / abs(old) if old else math.copysign(math.inf, change)

    def __str__(self) -> str:
        return f"{self.name}={self.limit_text} ({self.origin})"


def is_tolerance(name: str) -> bool:
    """Whether a name has the form of a tolerance's, valid or not."""
    return FORM.fullmatch(name) is not None


def parse_tolerance(name: str, limit: object, origin: str, find: FindMetric = no_metric) -> Tolerance:
    """Read one tolerance.

    Args:
        name: `max_[{metric}_]{drop|rise}[_{pool}]`; the metric is NEG by default.
        limit: A number from 0, or a percentage such as "2%".
        origin: Where it is set, for messages.
        find: Finds metrics of plugins.

    Raises:
        SettingsError: If the name or the limit is invalid.
    """
    match = FORM.fullmatch(name)
    if match is None:
        raise SettingsError(
            f"{name!r} ({origin}) is not a tolerance. Tolerances are max_[{{metric}}_]{{drop,rise}}[_{{pool}}], for "
            "example max_drop, max_drop_p5 or max_gap_rise."
        )
    # As in the names of gates, "roi" alone is the default score's.
    metric = re.sub("^roi$", "vmaf_roi", match["metric"] or "neg")
    direction, pool = match["direction"], match["pool"] or "mean"
    names = tuple(name for name in (*frame_metrics(), *SEARCH_METRICS, SPEED) if name not in SIGNS)
    if metric not in names and not (is_plugin_name(metric) and find(metric) is not None):
        suffix = f"_{match['pool']}" if match["pool"] else ""
        raise unknown_metric(name, origin, did_you_mean(metric, names, f"max_{{}}_{direction}{suffix}"), names)
    if metric in (*SEARCH_METRICS, SPEED) and match["pool"]:
        raise SettingsError(f"{name!r} ({origin}): {metric} has no pools. Write max_{metric}_{direction}.")
    if pool not in POOLS and not is_window(pool):
        raise unknown_pool(name, pool, origin)
    text = limit.strip() if isinstance(limit, str) else ""
    relative = text.endswith("%")
    number = None if is_off(limit) else to_number(text.removesuffix("%") if relative else limit)
    if number is not None and not number >= 0:
        expected = "a finite number from 0, a percentage such as '2%', or off"
        raise SettingsError(f"The limit of {name} ({origin}) must be {expected}, not {limit!r:.80}.")
    if metric == SPEED and (direction != "drop" or (number is not None and not relative)):
        raise SettingsError(
            f"{name} ({origin}) is not a limit of speeds. Write max_speed_drop with a percentage, for example '5%'."
        )
    return Tolerance(name, metric, pool, direction, number, relative, origin)


def in_force(layers: Iterable[Iterable[Tolerance]], kind: str) -> tuple[Tolerance, ...]:
    """The tolerances for a kind of baseline: each from the first layer that sets it, else the default ones."""
    defaults = [parse_tolerance(name, limit, "default") for name, limit in DEFAULTS[kind].items()]
    return effective([*layers, defaults])
