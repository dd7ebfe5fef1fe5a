"""Equal rate: what an encoder scored before and scores now at the same bitrate, in several metrics. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Literal

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.gates.metrics import decimals, metrics
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.text import plural

#: A metric falls where its loss is worth more than this share of bitrate, in percent. Of 504 encodes of 15 NEG curves,
#: 95 % lie within 2.9 % of the bitrate that their neighbours on the curve predict.
LOSS = 3.0
#: The metric of the targets gains where its rise is worth more than this. Two thirds of these encodes lie within 1.1 %.
#: A doubtful gain that costs another metric a clear loss is not one to count on.
GAIN = 1.0
BITRATE = "bitrate"
#: Bitrates are stored with four decimals, so that ends of curves may be off by this share.
ROUNDING = 1e-6
#: Encodes by rising bitrate: under "bitrate" in bit/s, and under each metric's text its values.
Points = Mapping[str, Sequence[float]]
Change = Literal["gains", "loses", "keeps"]


@dataclass(frozen=True)
class EqualRate:
    """One metric before and now at equal bitrate, each as the mean over the sources.

    Attributes:
        metric: The metric.
        old: Its value before.
        new: Its value now.
        allowed: The change that counts as none, in the metric's unit.
        higher_is_better: Whether a larger value is better.
    """

    metric: Metric
    old: float
    new: float
    allowed: float
    higher_is_better: bool = True

    @property
    def gain(self) -> float:
        """How much better the new value is, negative if it is worse."""
        return self.new - self.old if self.higher_is_better else self.old - self.new

    @property
    def change(self) -> Change:
        """Whether the metric "gains", "loses", or "keeps" its value within the noise."""
        if abs(self.gain) <= self.allowed:
            return "keeps"
        return "gains" if self.gain > 0 else "loses"

    @property
    def text(self) -> str:
        """The change in words: "psnr_y loses 1.10 dB (34.12 to 33.02)"."""
        known = metrics().get(self.metric.name)
        unit = f" {known.unit}" if known and known.unit else ""
        digits = decimals(self.metric.name, self.old)
        numbers = f"{self.old:.{digits}f} to {self.new:.{digits}f}"
        if self.change == "keeps":
            return f"{self.metric} keeps its value ({numbers})"
        return f"{self.metric} {self.change} {abs(self.gain):.{digits}f}{unit} ({numbers})"


@dataclass(frozen=True)
class EqualRateVerdict:
    """Whether the gain of an encoder counts, at the bitrates that it needed for one target before.

    Attributes:
        where: The target, for example "NEG 93"; in a comparison with the encoder's label before it.
        rates: The bitrate on each source, in bit/s.
        target: The metric of the targets.
        others: The independent metrics.
    """

    where: str
    rates: tuple[float, ...]
    target: EqualRate
    others: tuple[EqualRate, ...]

    @property
    def losses(self) -> tuple[EqualRate, ...]:
        """The independent metrics that lose."""
        return tuple(each for each in self.others if each.change == "loses")

    @property
    def passed(self) -> bool:
        """Whether the metric of the targets does not gain while another one loses."""
        return self.target.change != "gains" or not self.losses

    @property
    def text(self) -> str:
        """The verdict in words, with the numbers."""
        rate = f"{self.rates[0] / 1000:.1f} kbit/s"
        at = f"{self.where}: at the baseline's {rate if len(self.rates) == 1 else plural(len(self.rates), 'bitrate')}"
        if self.passed:
            return f"{at}, {'; '.join(each.text for each in (self.target, *self.others))}"
        texts = [each.text for each in self.losses]
        lost = " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
        return f"{at}, {self.target.text}, but {lost}, so the gain does not count"


def rate_of_target(points: Points, metric: str, target: float) -> float:
    """The bitrate at exactly the target, log-linear between the answer and its coarser neighbour, if there is one."""
    rates, values = points[BITRATE], points[metric]
    if len(rates) < 2 or (values[-1] - target) * (values[0] - target) > 0 or values[0] == values[-1]:
        return rates[-1]
    share = (values[-1] - target) / (values[-1] - values[0])
    return math.exp((1 - share) * math.log(rates[-1]) + share * math.log(rates[0]))


def judge_equal_rate(
    where: str,
    target: float,
    before: Sequence[tuple[Points, Sequence[Points]]],
    now: Sequence[Points],
    judges: Sequence[tuple[Metric, bool]],
) -> EqualRateVerdict:
    """Compare the metrics of an encoder before and now, at the bitrates that it needed for a target before.

    Args:
        where: The name of the target.
        target: The target.
        before: For each source, the answer and its neighbour, and those of all targets.
        now: For each source, the encodes of the new search.
        judges: The metric of the targets, then the independent ones, each with whether a larger value is better.

    Raises:
        MeasurementError: If the new encodes do not surround these bitrates. Nothing is extrapolated.
    """
    rates = tuple(rate_of_target(points, judges[0][0].text, target) for points, _ in before)
    rows: list[EqualRate] = []
    for metric, higher in judges:
        old = [_value_at(points, metric.text, rate, where) for (points, _), rate in zip(before, rates, strict=True)]
        new = [_value_at(points, metric.text, rate, where) for points, rate in zip(now, rates, strict=True)]
        slopes = [
            max(_slope(every, metric.text), _slope([_around(points, rate)], metric.text))
            for (_, every), points, rate in zip(before, now, rates, strict=True)
        ]
        share = LOSS if rows else GAIN
        rows.append(EqualRate(metric, fmean(old), fmean(new), fmean(slopes) * math.log1p(share / 100), higher))
    return EqualRateVerdict(where, rates, rows[0], tuple(rows[1:]))


def _value_at(points: Points, metric: str, rate: float, where: str) -> float:
    """The value at a bitrate, linear over its logarithm between the encodes around it."""
    rates = points[BITRATE]
    if not rates[0] * (1 - ROUNDING) <= rate <= rates[-1] * (1 + ROUNDING):
        raise MeasurementError(
            f"{where}: {metric} at the baseline's {rate / 1000:.1f} kbit/s is not known. The encodes of this search "
            f"have {rates[0] / 1000:.1f} to {rates[-1] / 1000:.1f} kbit/s, and nothing is extrapolated.\n"
            "  Search a wider range (crf=), or write the baseline again if the targets have changed."
        )
    near = _around(points, rate)
    (low, high), (start, end) = near[BITRATE], near[metric]
    share = 0.0 if low == high else math.log(min(max(rate, low), high) / low) / math.log(high / low)
    return start + share * (end - start)


def _around(points: Points, rate: float) -> Points:
    """The two encodes around a bitrate; twice the same one at the end of the range."""
    rates = points[BITRATE]
    last = next((number for number, each in enumerate(rates) if each >= rate), len(rates) - 1)
    first = last if rates[last] == rate or not last else last - 1
    return {name: (values[first], values[last]) for name, values in points.items()}


def _slope(every: Sequence[Points], metric: str) -> float:
    """How much a metric changes with the logarithm of the bitrate, from the smallest encode to the largest."""
    pairs = sorted(
        (rate, value) for points in every for rate, value in zip(points[BITRATE], points[metric], strict=True)
    )
    (low, start), (high, end) = pairs[0], pairs[-1]
    return abs(end - start) / math.log(high / low) if high > low else 0.0


def sorted_points(rows: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, list[float]]:
    """Encodes as `Points`. Of several with one bitrate, the first one counts."""
    ordered = sorted(rows, key=lambda row: row[0])
    distinct = [ordered[0], *(b for a, b in pairwise(ordered) if b[0] > a[0])]
    names = distinct[0][1]
    return {
        BITRATE: [rate for rate, _ in distinct],
        **{name: [values[name] for _, values in distinct] for name in names},
    }
