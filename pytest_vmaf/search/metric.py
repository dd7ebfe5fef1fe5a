"""Metric: what the targets of a search are scores of."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.metrics import BASE_METRICS
from pytest_vmaf.scoring.features import feature_columns, higher_is_better, is_elementary
from pytest_vmaf.scoring.pools import OTHER_POOLS, POOLS, is_pool
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.text import did_you_mean

#: The prefixes of features without a ceiling (infinite for identical frames), and of those that do not measure quality.
NO_TARGETS = ("psnr_hvs", "ciede", "float_moment", "motion", "integer_motion")
#: The prefixes of what no rate-quality curve is of.
NO_QUALITY = ("gap", "float_moment", "motion", "integer_motion")


@dataclass(frozen=True)
class Metric:
    """What a target is a score of, for example "neg", "neg.p5" or "psnr_y.min".

    Attributes:
        name: The metric's name in results.
        pool: How the scores of the frames are pooled.
    """

    name: str
    pool: str = "mean"

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

    def of(self, result: Result) -> Score:
        """The score of a result by this metric."""
        return result[self.name].pooled(self.pool)


def parse_metric(text: str) -> Metric:
    """Read "neg" or "neg.p5". Raises SettingsError for unknown metrics, and those of which a lower score is better."""
    names = (*BASE_METRICS, *feature_columns())
    known = tuple(metric for metric in names if higher_is_better(metric) and not metric.startswith(NO_TARGETS))
    return _read(text, known, "one that falls with the quality")


def parse_quality(text: str) -> Metric:
    """Read a metric of a rate-quality curve, such as "psnr_y", "cambi" or "float_ssim.p5", whichever way it points.

    Raises:
        SettingsError: For unknown metrics, and for what does not measure quality (the gap, moments).
    """
    known = tuple(filter(is_quality, (*BASE_METRICS, *feature_columns())))
    return _read(text, known, "a measure of quality")


def is_quality(name: str) -> bool:
    """Whether a metric measures quality, so that it has a rate-quality curve."""
    return not name.startswith(NO_QUALITY)


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
