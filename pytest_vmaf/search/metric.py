"""Metric: what the targets of a search are scores of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.metrics import BASE_METRICS, plugin_metrics
from pytest_vmaf.gates.plugin_metrics import FindMetric, is_plugin_name, no_metric
from pytest_vmaf.metrics.spec import MetricSpec
from pytest_vmaf.scoring.features import feature_columns, higher_is_better, is_elementary
from pytest_vmaf.scoring.pools import OTHER_POOLS, POOLS, is_pool
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.text import did_you_mean

#: The prefixes of features without a ceiling (infinite for identical frames), and of those that do not measure quality.
NO_TARGETS = ("psnr_hvs", "ciede", "float_moment", "motion", "integer_motion")
#: The prefixes of metrics that have no rate-quality curve.
NO_QUALITY = ("gap", "float_moment", "motion", "integer_motion")


@dataclass(frozen=True)
class Metric:
    """What a target is a score of, for example "neg", "neg.p5" or "psnr_y.min".

    Attributes:
        name: The metric's name in results.
        pool: How the scores of the frames are pooled.
        plugin: The metric of a plugin that must be measured for it, or None.
    """

    name: str
    pool: str = "mean"
    plugin: MetricSpec | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        name = {"vmaf": "VMAF", "neg": "NEG"}.get(self.name, self.name)
        return name if self.pool == "mean" else f"{name} {self.pool}"

    @property
    def text(self) -> str:
        """The metric as users write it: "neg", "neg.p5"."""
        return self.name if self.pool == "mean" else f"{self.name}.{self.pool}"

    @property
    def features(self) -> tuple[str, ...]:
        """The libvmaf features that must be measured for this metric."""
        return (feature_columns()[self.name],) if self.name in feature_columns() else ()

    @property
    def plugins(self) -> tuple[MetricSpec, ...]:
        """The metrics of plugins that must be measured for this metric."""
        return () if self.plugin is None else (self.plugin,)

    def of(self, result: Result) -> Score:
        """The score of a result by this metric."""
        return result[self.name].pooled(self.pool)


def metric_label(text: str) -> str:
    """A metric as it is printed, of a name that was read before: "NEG p5" for "neg.p5"."""
    name, _, pool = text.partition(".")
    return str(Metric(name, pool or "mean"))


def parse_metric(text: str, find: FindMetric = no_metric) -> Metric:
    """Read "neg" or "neg.p5". Raises SettingsError for unknown metrics, and those of which a lower score is better.

    Args:
        text: The metric, as users write it.
        find: Finds metrics of plugins.
    """
    plugin = _find(text, find)
    if plugin is not None and not plugin.higher_is_better:
        raise SettingsError(
            f"metric must be one that falls with the quality, and a lower {plugin.name} is better. Search for another "
            f"metric, and check this one on the encode that is found: gates={{'max_{plugin.name}': 0.1}}. Or let the "
            "plugin return the negative."
        )
    if plugin is not None:
        return replace(_read(text, (plugin.name,), ""), plugin=plugin)
    names = (*BASE_METRICS, *feature_columns())
    known = tuple(metric for metric in names if higher_is_better(metric) and not metric.startswith(NO_TARGETS))
    return _read(text, known, "one that falls with the quality")


def parse_quality(text: str, find: FindMetric = no_metric) -> Metric:
    """Read a metric of a rate-quality curve, such as "psnr_y", "cambi" or "float_ssim.p5", whichever way it points.

    Args:
        text: The metric, as users write it.
        find: Finds metrics of plugins. Those that were measured in this process are known without it.

    Raises:
        SettingsError: For unknown metrics, and for what does not measure quality (the gap, moments).
    """
    if (plugin := _find(text, find)) is not None:
        return replace(_read(text, (plugin.name,), ""), plugin=plugin)
    return _read(text, quality_metrics(), "a measure of quality")


def quality_metrics() -> tuple[str, ...]:
    """The metrics that measure quality, so that they have rate-quality curves."""
    names = (name for name in (*BASE_METRICS, *feature_columns()) if not name.startswith(NO_QUALITY))
    return (*names, *plugin_metrics())


def with_metrics(metrics: Sequence[MetricSpec], metric: Metric) -> tuple[MetricSpec, ...]:
    """The metrics of plugins to measure, with that of the targets if it is one."""
    return (*metrics, *(each for each in metric.plugins if each.name not in [other.name for other in metrics]))


def _find(text: str, find: FindMetric) -> MetricSpec | None:
    name = str(text).partition(".")[0]
    return find(name) if is_plugin_name(name) else None


def _read(text: str, known: tuple[str, ...], requirement: str) -> Metric:
    name, dot, pool = str(text).partition(".")
    if name not in known:
        raise SettingsError(
            f"metric must be {requirement}, not {text!r}.{did_you_mean(name, known)} "
            f"Metrics are {', '.join(each for each in known if not is_elementary(each))}."
        )
    if dot and (pool == "stdev" or not is_pool(pool)):
        pools = ", ".join(each for each in POOLS if each != "stdev")
        raise SettingsError(
            f"metric must be {name} with a pool of {pools}, {OTHER_POOLS}, for example {name}.p5, not {text!r}."
        )
    return Metric(name, pool or "mean")
