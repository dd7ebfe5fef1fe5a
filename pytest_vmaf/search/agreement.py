"""Agreement: the BD-rates of two encoders in several metrics, and whether these agree which encoder is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.gates.plugin_metrics import FindMetric, no_metric
from pytest_vmaf.scoring.features import is_elementary
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.search.bisect_request import TWINS
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.metric import Metric, metric_label, parse_quality, quality_metrics

#: A BD-rate nearer to 0 than this, in percent, counts as no difference: the points of another search of the same
#: encoders can turn its sign. Of 13 pairs of long NEG curves (63 CRFs) that differ by less than 5 %, 95 % were off by
#: less than 0.93. `bdrate.bd_rate_noise` finds where few points leave more open.
NOISE = 1.0
#: Beginnings of columns that are no independent judgement of the picture: VMAF itself and the elementary features that
#: VMAF is made of, and what is measured without the reference (CAMBI).
DEPENDENT = ("vmaf", "neg", "adm", "vif", "motion", "speed", "cambi")
#: Endings of the columns of chroma planes, which say little about the picture alone.
CHROMA = ("_cb", "_cr", "_u", "_v", "_uv")
#: What a metric says about an encoder: it needs less bitrate than the anchor, more, neither beyond noise; or nothing,
#: because the curves cannot be compared.
Opinion = Literal["better", "worse", "neither", "unknown"]


@dataclass(frozen=True, repr=False)
class Agreement(Mapping[str, Delta]):
    """The BD-rates of an encoder against an anchor: a mapping from the metrics to their `Delta`, lowest first.

    Looking up a metric whose curves cannot be compared raises a `MeasurementError` that says why.

    Attributes:
        encoder: The label of the encoder.
        anchor: The label of the encoder that it is compared with.
        rates: By metric, the BD-rate.
        unknown: By metric, why there is none.
        judges: The metrics that the verdict considers, that of the targets first.
    """

    encoder: str
    anchor: str
    rates: Mapping[str, Delta]
    unknown: Mapping[str, str]
    judges: tuple[str, ...]

    def __getitem__(self, metric: str) -> Delta:
        if metric in self.unknown:
            raise MeasurementError(f"There is no BD-rate in {metric}: {self.unknown[metric]}")
        if metric not in self.rates:
            names = ", ".join((*self.rates, *self.unknown))
            raise KeyError(f"{metric!r:.80} was not measured, only {names}. Request it with features= or agree=.")
        return self.rates[metric]

    def __contains__(self, metric: object) -> bool:
        return metric in self.rates

    def __iter__(self) -> Iterator[str]:
        return iter(self.rates)

    def __len__(self) -> int:
        return len(self.rates)

    def margin(self, metric: str) -> float:
        """The BD-rate below which a difference is noise, in percent: 1, or the effect of single encodes if larger."""
        return max(NOISE, self[metric].noise)

    def opinion(self, metric: str) -> Opinion:
        """Whether the encoder is "better" or "worse" by a metric; "neither" for noise, "unknown" without a BD-rate."""
        if metric in self.unknown:
            return "unknown"
        rate = self[metric]
        low, high = rate.interval or (rate, rate)
        if abs(rate) < self.margin(metric) or low <= 0 <= high:
            return "neither"
        return "better" if rate < 0 else "worse"

    def of(self, opinion: Opinion) -> tuple[str, ...]:
        """The metrics of the verdict with this opinion."""
        return tuple(metric for metric in self.judges if self.opinion(metric) == opinion)

    @property
    def agree(self) -> bool:
        """Whether no two metrics of the verdict contradict each other."""
        return not (self.of("better") and self.of("worse"))

    @property
    def verdict(self) -> str:
        """Whether the metrics agree, as a sentence without its full stop."""
        better, worse = self.of("better"), self.of("worse")
        others = self._others()
        if better and worse:
            return (
                f"metrics disagree: {self._say(better)} that {self.encoder} is better than {self.anchor} "
                f"({self._span(better)}), {self._say(worse)} that it is worse ({self._span(worse)}){others}"
            )
        if not (better or worse):
            what = f"no metric shows a difference between {self.encoder} and {self.anchor}"
            known = self.of("neither")
            return f"{what}: {_listed(known)} {self._span(known)}{others}" if known else f"{what}{others}"
        decided, word = (better, "better") if better else (worse, "worse")
        that = f"that {self.encoder} is {word} than {self.anchor} ({self._span(decided)})"
        if len(decided) > 1:
            return f"{_listed(decided)} agree {that}{others}"
        alone = " alone" if len(self.judges) > 1 else ""
        others = others or "; no other metric was compared"
        return f"{_listed(decided)}{alone} says {that}{others}"

    def beside(self, **others: Agreement) -> Agreement:
        """Add the metric of the targets of other comparisons to the verdict, such as NEG of VMAF v1.

        A search uses the scores of one model. Another comparison with `generation="v1"` reuses the cached encodes of
        the first one.

        Args:
            **others: The BD-rates of the same encoders in other comparisons, each under the name that it gets here.

        Raises:
            SettingsError: If these are other encoders, or a metric has this name already.
        """
        rates, unknown, judges = dict(self.rates), dict(self.unknown), [*self.judges]
        for name, other in others.items():
            if not isinstance(other, Agreement):
                raise SettingsError(f"{name} must be what bd_rates() of another comparison returns, not {other!r:.80}.")
            if (other.encoder, other.anchor) != (self.encoder, self.anchor):
                raise SettingsError(
                    f"{name} must be of {self.encoder} against {self.anchor}, not of {other.encoder} against "
                    f"{other.anchor}."
                )
            if name in (*rates, *unknown):
                raise SettingsError(f"{name} is a metric of this comparison. Give the other one another name.")
            metric = other.judges[0]
            if metric in other.rates:
                rates[name] = other.rates[metric]
            else:
                unknown[name] = other.unknown[metric]
            judges.append(name)
        ordered = dict(sorted(rates.items(), key=lambda item: item[1]))
        return replace(self, rates=ordered, unknown=unknown, judges=tuple(judges))

    @property
    def lines(self) -> tuple[str, ...]:
        """The verdict as a line below the BD-rate of the targets' metric; nothing if no other metric counts."""
        return (f"  {self.verdict}",) if len(self.judges) > 1 else ()

    @property
    def disagreement(self) -> float:
        """The largest minus the smallest BD-rate of the metrics of the verdict, in percentage points.

        Raises:
            MeasurementError: If there is only one, or if one of them is unknown.
        """
        if len(self.judges) < 2:
            raise MeasurementError(
                f"Only {_listed(self.judges)} was compared, so no metric can disagree. Name further ones, for example "
                'agree=["psnr_y", "float_ssim"].'
            )
        rates = [self[metric] for metric in self.judges]
        return max(rates) - min(rates)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data, with the BD-rate of every metric or why it is not known."""
        try:
            disagreement: float | None = self.disagreement
        except MeasurementError:
            disagreement = None
        known = {name: {**rate.to_dict(), "margin": self.margin(name)} for name, rate in self.rates.items()}
        unknown = {name: {"value": None, "why": why} for name, why in self.unknown.items()}
        return {
            "verdict": self.verdict,
            "agree": self.agree,
            "disagreement": disagreement,
            "judges": list(self.judges),
            "bd_rates": {name: {**rate, "opinion": self.opinion(name)} for name, rate in {**known, **unknown}.items()},
        }

    def __repr__(self) -> str:
        return f"<{self.verdict}>"

    def _others(self) -> str:
        """The metrics without a clear opinion, as the end of a sentence."""
        neither, unknown = self.of("neither"), self.of("unknown")
        parts = []
        if neither and (self.of("better") or self.of("worse")):
            parts.append(f"{self._say(neither)} neither ({self._span(neither)})")
        if unknown:
            parts.append(f"{_listed(unknown)} cannot be compared")
        return "".join(f"; {part}" for part in parts)

    def _say(self, metrics: Sequence[str]) -> str:
        return f"{_listed(metrics)} {'says' if len(metrics) == 1 else 'say'}"

    def _span(self, metrics: Sequence[str]) -> str:
        low, high = (f"{end(self[metric] for metric in metrics):+.1f}" for end in (min, max))
        return f"{low} %" if low == high else f"{low} to {high} %"


def agreement_of(
    names: tuple[str, str], judges: Sequence[Metric], measured: Sequence[Metric], bd_rate: Callable[[str], Delta]
) -> Agreement:
    """Compare two encoders in several metrics.

    Args:
        names: The labels of the encoder and of the anchor.
        judges: The metrics of the verdict.
        measured: The metrics that were measured.
        bd_rate: The BD-rate in a metric. It raises MeasurementError where there is none.
    """
    rates: dict[str, Delta] = {}
    unknown: dict[str, str] = {}
    for metric in dict.fromkeys((*judges, *measured)):
        try:
            rates[metric.text] = bd_rate(metric.text)
        except MeasurementError as error:
            unknown[metric.text] = str(error)
    ordered = dict(sorted(rates.items(), key=lambda item: item[1]))
    return Agreement(*names, ordered, unknown, tuple(metric.text for metric in judges))


def measured_metrics(target: Metric, results: Sequence[Result]) -> tuple[Metric, ...]:
    """The metrics of quality that all trial encodes have: that of the targets, VMAF, NEG and the features."""
    twins = [replace(target, name=name) for name in TWINS] if target.name in TWINS else map(Metric, TWINS)
    shared = [
        name for name in (results[0].features if results else ()) if all(name in each.features for each in results)
    ]
    return tuple(dict.fromkeys((target, *twins, *(Metric(name) for name in shared if name in quality_metrics()))))


def judges_of(target: Metric, measured: Sequence[Metric], named: Sequence[Metric]) -> tuple[Metric, ...]:
    """The metrics of a verdict: that of the targets, and those that are named.

    Without names these are all independent ones that were measured: full-reference metrics of the picture or its luma,
    not made of VMAF's own features. NEG is one of them for targets of another metric.
    """
    others = named or [metric for metric in measured if _independent(metric, target, {each.name for each in measured})]
    return tuple(dict.fromkeys((target, *others)))


def read_agree(value: object, find: FindMetric = no_metric) -> tuple[Metric, ...]:
    """Read `agree=`: metrics as a list or as text with commas.

    Args:
        value: What was given.
        find: Finds metrics of plugins.

    Raises:
        SettingsError: For anything else, and for unknown metrics.
    """
    if value is None:
        return ()
    names = value.split(",") if isinstance(value, str) else value
    if (
        not isinstance(names, Sequence)
        or isinstance(names, bytes)
        or not names
        or not all(isinstance(name, str) and name.strip() for name in names)
    ):
        raise SettingsError(
            f'agree must be a list of metrics, for example ["psnr_y", "float_ssim"], not {value!r:.80}.'
        )
    try:
        return tuple(dict.fromkeys(parse_quality(name.strip(), find) for name in names))
    except SettingsError as error:
        raise SettingsError(f"agree: {error}") from None


def _independent(metric: Metric, target: Metric, names: set[str]) -> bool:
    if metric.name == "neg":
        return target.name != "neg"
    plain = metric.name.removeprefix("float_").removeprefix("integer_")
    # The luma plane of a metric that was also measured for the whole picture.
    part = plain.endswith("_y") and metric.name.removesuffix("_y") in names
    dependent = metric.name in TWINS or is_elementary(metric.name) or plain.startswith(DEPENDENT)
    return not dependent and not plain.endswith(CHROMA) and not part


def _listed(metrics: Sequence[str]) -> str:
    names = [metric_label(metric) for metric in metrics]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
