"""The rate-quality curve through the trial encodes of a search."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vmaf.search.bdrate import RateQuality, rate_at
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe


def curve(probes: Sequence[Probe], metric: Metric) -> RateQuality:
    """The rate-quality curve through all trial encodes of a search."""
    return RateQuality(tuple((probe.bitrate, float(metric.of(probe.result))) for probe in probes))


def shared_rates(curves: tuple[RateQuality, RateQuality], between: tuple[float, float]) -> tuple[float, float] | None:
    """The bitrates that both curves spend within a span of quality."""
    rates = []
    for each in curves:
        # A target that is met at the coarsest CRF lies below the curve; the end of the curve replaces it.
        (_, lowest), (_, highest) = each.points[0], each.points[-1]
        known = [rate_at(each, min(max(quality, lowest), highest)) for quality in between]
        rates.append([rate for rate in known if rate is not None])
    low, high = max(map(min, rates)), min(map(max, rates))
    return (low, high) if low < high else None
