"""The difference between two encoders over several sources: the mean of their BD-rates or BD-qualities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.bdrate import RateQuality, bd_quality, bd_rate, bd_rate_noise
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.rate_curve import curve, operating_range, shared_rates, spaced_points


def mean_delta(
    pairs: Mapping[str, tuple[Bisection, Bisection]],
    names: tuple[str, str],
    targets: Sequence[float],
    metric: Metric,
    unit: str,
    *,
    bounded: bool,
) -> Delta:
    """Compare two encoders by one metric.

    Args:
        pairs: By source, the bisections of the encoder and of the anchor.
        names: The labels of both.
        targets: The targets of the searches.
        metric: What to compare by.
        unit: "%" for the BD-rate, "points" for the BD-quality.
        bounded: Whether the targets are scores of this metric. Otherwise it is compared over the qualities that the
            encoders have at these targets.

    Raises:
        MeasurementError: If the curves cannot be compared.
    """
    encoder, anchor = names
    each: dict[str, float] = {}
    noises: list[float] = []
    spans: list[tuple[float, float]] = []
    for source, (test, base) in pairs.items():
        both = [target for target in targets if test[target].met and base[target].met]
        if bounded and len(both) < 2:
            raise MeasurementError(
                f"{encoder} and {anchor} both meet {len(both)} of {len(targets)} targets on {source}, so "
                f"their curves hardly overlap.\n  {_reasons(test)}\n  {_reasons(base)}"
            )
        between = (min(both), max(both)) if len(both) > 1 else None
        spans += [between] if between and bounded else []
        try:
            curves = curve(spaced_points(base), metric), curve(spaced_points(test), metric)
            if between and not bounded:
                between = _range_of(test, base, curves, between)
            if unit == "%":
                each[source] = bd_rate(*curves, between=between)
                noises.append(bd_rate_noise(*curves, between=between))
            else:
                each[source] = bd_quality(*curves, between=between and shared_rates(curves, between))
        except MeasurementError as error:
            raise MeasurementError(f"{encoder} against {anchor} on {source}: {error}") from None
    # The encoders can share other targets on other sources. The narrowest span holds for all of them.
    span = f" {max(low for low, _ in spans):g} to {min(high for _, high in spans):g}" if spans else ""
    over = f"{'BD-rate' if unit == '%' else 'BD-quality'}, {metric}{span}"
    return Delta(each, unit, over, math.hypot(*noises) / len(each))


def _range_of(
    test: Bisection, base: Bisection, curves: tuple[RateQuality, RateQuality], between: tuple[float, float]
) -> tuple[float, float] | None:
    """The qualities by another metric where the encoders reach the targets. None for curves that are no help."""
    by_targets = [curve(bisection.points, base.metric) for bisection in (base, test)]
    low, high = operating_range(tuple(zip(by_targets, curves, strict=True)), between)
    return (low, high) if low < high else None


def _reasons(bisection: Bisection) -> str:
    return "; ".join(answer.why for answer in bisection.answers.values())
