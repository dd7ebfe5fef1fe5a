"""The gate `max_disagreement`: how far the BD-rates of a comparison may be apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.agreement import Agreement
from pytest_vmaf.search.bdrate import LARGEST
from pytest_vmaf.search.metric import metric_label

#: How far beyond the bitrates of the answers a comparison of metrics encodes, as a factor. With targets an octave of
#: bitrate apart, half of the range is then known even where a metric takes 2.5 times the bitrate for the same quality.
BEYOND = 1.6


@dataclass(frozen=True)
class DisagreementVerdict:
    """The gate `max_disagreement`, checked for one encoder.

    Attributes:
        agreement: The BD-rates of the encoder.
        limit: The limit, in percentage points.
    """

    agreement: Agreement
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the spread of BD-rates is at most the limit."""
        return self.agreement.disagreement <= self.limit

    @property
    def text(self) -> str:
        """The spread in words, with the BD-rate of each metric."""
        rates = sorted((self.agreement[metric], metric) for metric in self.agreement.judges)
        numbers = ", ".join(f"{metric_label(metric)} {rate:+.2f} %" for rate, metric in rates)
        names = f"{self.agreement.encoder} against {self.agreement.anchor}"
        spread = f"BD-rates of {names} are {self.agreement.disagreement:.2f} points apart ({numbers})"
        return f"{spread}; max_disagreement is {self.limit:g}"


def judge_disagreement(agreements: Iterable[Agreement], limit: float | None) -> list[DisagreementVerdict]:
    """Check `max_disagreement` for each encoder.

    Raises:
        MeasurementError: If the BD-rates cannot be compared: a gate that was not checked must not pass.
    """
    verdicts = [] if limit is None else [DisagreementVerdict(each, limit) for each in agreements]
    for verdict in verdicts:
        try:
            _ = verdict.passed
        except MeasurementError as error:
            raise MeasurementError(f"max_disagreement cannot be checked. {error}") from None
    return verdicts


def require_judges(limit: float | None, encoders: int, metric: str, agree: Sequence[str]) -> None:
    """Check before anything is encoded that `max_disagreement` can be checked.

    Raises:
        SettingsError: If there is only one encoder, or only one metric.
    """
    if limit is None:
        return
    if encoders < 2:
        raise SettingsError("max_disagreement compares encoders with the first one. Give at least two.")
    if agree and {*agree} == {metric}:
        raise SettingsError(
            f"max_disagreement needs a metric other than {metric}, the metric of the targets. Name more "
            'ones, for example agree=["psnr_y", "float_ssim"].'
        )


def read_max_disagreement(value: object) -> float | None:
    """Read `max_disagreement=`, in percentage points. Raises SettingsError for what is not a number from 0."""
    if value is None:
        return None
    try:
        limit = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        limit = math.nan
    if not 0 <= limit < LARGEST:
        raise SettingsError(f"max_disagreement must be a number of percentage points from 0, not {value!r:.80}.")
    return limit
