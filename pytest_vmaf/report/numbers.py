"""Every number of a measurement by name, with its unit and direction: what trackers and comparisons of runs read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS, metric_of, metrics
from pytest_vmaf.report.schema import Record
from pytest_vmaf.scoring.pools import is_pool

#: The numbers of a stream that one can want more or less of.
OF_STREAM = ("bitrate", "peak_bitrate", "size")


@dataclass(frozen=True)
class Number:
    """One number of a measurement.

    Attributes:
        metric: The name of the metric, for example "psnr_y".
        pool: How the frames are pooled; "mean" for what has no frames.
        value: The number.
        standard_error: That of the mean of repeated encodes, None for a single encode.
    """

    metric: str
    pool: str
    value: float
    standard_error: float | None = None

    @property
    def name(self) -> str:
        """The metric, with its pool where that is not the usual one: "neg", "neg_p5"."""
        usual = self.pool in ("mean", "count", metric_of(self.metric).pool)
        return self.metric if usual else f"{self.metric}_{self.pool}"

    @property
    def label(self) -> str:
        """The metric in words, for example "NEG p5"."""
        metric = metric_of(self.metric)
        return metric.label if self.name == self.metric else f"{metric.label} {self.pool}"

    @property
    def unit(self) -> str:
        """The unit, "" for points and plain numbers."""
        return metric_of(self.metric).unit

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger number is better."""
        return metric_of(self.metric).higher_is_better


def read_number(name: str, value: float) -> Number:
    """The number of a name such as "neg_p5", of which `Number.name` is the inverse."""
    cuts = [] if name in metrics() else [cut for cut, sign in enumerate(name) if sign == "_"]
    metric, pool = next(((name[:cut], name[cut + 1 :]) for cut in cuts if is_pool(name[cut + 1 :])), (name, ""))
    return Number(metric, pool or metric_of(metric).pool, value)


def numbers_of(measurement: Record) -> dict[str, Number]:
    """The numbers of a measurement by their names; none if nothing was measured.

    Scores come first, then features, signs and the numbers of the stream, then the pools that gates limit. The means of
    repeated encodes replace those of the one that was scored.
    """
    if measurement["status"] == "error":
        return {}
    numbers: dict[str, Number] = {}
    for number in (*_measured(measurement), *_gated(measurement)):
        numbers.setdefault(number.name, number)
    for name, spread in _repeated(measurement).items():
        numbers[name] = Number(name, "mean", spread["mean"], spread["standard_error"])
    return numbers


def _measured(measurement: Record) -> Iterator[Number]:
    for name in (*BASE_METRICS, ABOVE):
        if measurement.get(name) is not None:
            yield Number(name, "mean", float(measurement[name]))
    for group in ("features", "signs"):
        for name, value in (measurement.get(group) or {}).items():
            yield Number(name, metric_of(name).pool, float(value))
    stream = measurement.get("stream") or {"size": (measurement.get("provenance") or {}).get("size")}
    for name in OF_STREAM:
        if stream.get(name) is not None:
            yield Number(name, "mean", float(stream[name]))


def _gated(measurement: Record) -> Iterator[Number]:
    for gate in measurement["gates"]:
        # Names with spaces are sentences: a change since a baseline, a spread, a missing baseline.
        if gate.get("value") is not None and not gate.get("text") and " " not in gate["metric"]:
            yield Number(gate["metric"], gate["pool"], float(gate["value"]))


def _repeated(measurement: Record) -> Record:
    repeats = measurement.get("repeats") or {}
    return {name: repeats[name] for name in ("neg", "bitrate") if repeats.get(name)}
