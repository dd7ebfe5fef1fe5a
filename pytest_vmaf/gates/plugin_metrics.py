"""Metrics of plugins in gates: which names they may have, and how they are found."""

from __future__ import annotations

from collections.abc import Callable

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.metrics import metrics, note_metric
from pytest_vmaf.metrics.spec import NAME, MetricSpec
from pytest_vmaf.scoring.models import registry
from pytest_vmaf.scoring.pools import is_pool

#: Beginnings of names that mean something else: in gates, "roi" is short for "vmaf_roi"; and the columns of bootstrap
#: models.
TAKEN = ("roi_", "vmaf_roi_", "vmaf_bagging_", "neg_bagging_", "vmaf_stddev_", "neg_stddev_", "vmaf_ci_", "neg_ci_")

#: Finds a plugin's metric by its name, or None.
FindMetric = Callable[[str], MetricSpec | None]


def no_metric(name: str) -> MetricSpec | None:
    """A `FindMetric` for where there are no plugins."""
    return None


def check_plugin_metric(spec: MetricSpec) -> MetricSpec:
    """Raise SettingsError for a plugin's metric whose name has another meaning, and note how it is printed."""
    known = registry()
    own = {*metrics(), *known["features"], *known["not_features"]}
    if spec.name in own or f"{spec.name}_".startswith(TAKEN):
        raise SettingsError(f"{spec.name!r} is the name of a built-in metric. Give the metric another name.")
    if not is_plugin_name(spec.name):
        raise SettingsError(
            f"The name of a metric must not end like a pool or a tolerance, as {spec.name!r} does: a gate on it "
            "would be ambiguous. Give the metric another name."
        )
    note_metric(spec.name, spec.label, spec.unit, higher_is_better=spec.higher_is_better)
    return spec


def is_plugin_name(name: str) -> bool:
    """Whether a plugin's metric may have this name: gates on it can be told from its pools."""
    words = name.split("_")
    ends = ["_".join(words[at:]) for at in range(len(words))]
    reserved = any(is_pool(end) for end in ends) or {"drop", "rise"} & {*words}
    fits = NAME.fullmatch(name) is not None and not f"{name}_".startswith(TAKEN)
    return fits and not reserved and name not in metrics()


def find_in(text: str, find: FindMetric) -> tuple[str, str] | None:
    """The metric and the pool that `{metric}[_{pool}]` consists of; None if no plugin has such a metric.

    A metric that is followed by something else than a pool is found, too.
    """
    words = text.split("_")
    parts = [("_".join(words[:at]), "_".join(words[at:]) or "mean") for at in range(1, len(words) + 1)]
    possible = [(metric, pool) for metric, pool in parts if is_plugin_name(metric)]
    # First those with a pool. At most one of them can be meant, since no metric's name ends as a pool does.
    return next((part for part in sorted(possible, key=lambda part: not is_pool(part[1])) if find(part[0])), None)
