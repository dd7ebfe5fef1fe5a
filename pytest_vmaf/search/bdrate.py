"""Rate-quality curves and the differences between two: BD-rate, BD-quality, and their confidence interval. Pure.

The Bjøntegaard deltas come from G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", ITU-T
VCEG-M33, 2001. As in the common test conditions since (JCTVC-L1100, JVET-T2010), each curve is a monotone piecewise
cubic (PCHIP) through its points, not the single cubic of VCEG-M33.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.pchip import pchip, pchip_integral

#: VCEG-M33 and the common test conditions (QP 22, 27, 32, 37) take four points: enough to see the curve bend.
LEAST_POINTS = 4
#: The share of the union of both curves, or of the requested interval, that both must cover. Below one half, the
#: average leaves out more than it covers, and rests on the ends of the curves, where the interpolation is weakest.
LEAST_OVERLAP = 0.5
#: libvmaf logs six decimals, so a smaller difference of quality is none.
QUALITY_STEP = 1e-6
#: The limit of bitrates and qualities, and the inverse of the lowest bitrate. Excludes NaN and infinities too.
LARGEST = 1e12
#: With two sources, a quarter of all resamples contains only the one: the 95 % interval always spans exactly the two.
LEAST_SOURCES = 3
#: The percentiles of a 95 % interval.
TAILS = ((1 - 0.95) / 2, 1 - (1 - 0.95) / 2)


@dataclass(frozen=True)
class RateQuality:
    """The rate-quality curve of one encoder on one source.

    Only points that rise strictly in rate and quality make the curve, ordered by rate. A point that costs at least as
    much as another without more quality (by 1e-6) is dropped: nobody would choose that encode, an average with it would
    be a point that was never measured, and no curve passes through both.

    Attributes:
        points: (bitrate in bit/s, quality) of the encodes, higher quality is better. The argument can be in any order.
        negated: Whether the qualities are those of a metric of which lower is better, times -1. Messages then print
            them without the sign.
        dropped: The points that are not on the curve.

    Raises:
        MeasurementError: For a bitrate that is not above 0, for values that are not finite, and for fewer than two
            points.
    """

    points: tuple[tuple[float, float], ...]
    negated: bool = False
    dropped: tuple[tuple[float, float], ...] = field(default=(), init=False, compare=False)

    def __post_init__(self) -> None:
        points = [(float(rate), float(quality)) for rate, quality in self.points]
        for rate, quality in points:
            if not (1 / LARGEST <= rate <= LARGEST and abs(quality) <= LARGEST):
                raise MeasurementError(
                    f"A point of a rate-quality curve must have a bitrate above 0, and both numbers below {LARGEST:g}, "
                    f"not {rate:g} bit/s and quality {quality:g}. Check the size, duration and score of that encode."
                )
        rising: list[tuple[float, float]] = []
        dropped: list[tuple[float, float]] = []
        # Sorted by the logarithm, which curves are a function of: rates with the same logarithm are one rate.
        for point in sorted(points, key=lambda point: (math.log10(point[0]), -point[1])):
            rises = not rising or point[1] - rising[-1][1] >= QUALITY_STEP
            (rising if rises else dropped).append(point)
        if len(rising) < 2:
            raise MeasurementError(
                f"A rate-quality curve needs 2 points that rise in bitrate and quality, not {len(rising)} of "
                f"{len(points)}. Encode at more CRFs, further apart; in vmaf.compare, pass more targets."
            )
        object.__setattr__(self, "points", tuple(rising))
        object.__setattr__(self, "dropped", tuple(dropped))


def bd_rate(anchor: RateQuality, test: RateQuality, *, between: tuple[float, float] | None = None) -> float:
    """BD-rate: the bitrate that `test` needs more than `anchor` at equal quality, in percent; negative: less.

    The result is (10^d - 1)·100. Here d is the mean of log10(test bitrate) - log10(anchor bitrate) over the qualities
    that both curves have, each curve a PCHIP of log10(bitrate) over quality, integrated exactly.

    Args:
        anchor: The curve to compare with.
        test: The curve to compare.
        between: The lowest and the highest quality to integrate over, by default all that both curves have.

    Raises:
        MeasurementError: If a curve has fewer than four points, or if both curves have less than half of the qualities
            that they span together (or that `between` spans) in common.
    """
    curves, shared = _rate_curves(anchor, test, between)
    return _percent(_mean_difference(curves, shared))


def bd_rate_noise(anchor: RateQuality, test: RateQuality, *, between: tuple[float, float] | None = None) -> float:
    """How far the BD-rate depends on single points: its uncertainty, in percentage points.

    Each point between the ends of a curve is left out in turn. The result is the square root of the sum of the squares
    of all changes. Tried on 328 pairs of curves that differ by less than 5 % (four natural clips, x264 and x265, seven
    metrics), each with the points of a search and with every CRF: the error of the BD-rate is at most this or 1 % in
    90 % of them with two targets, 98 % with four and all with six.

    Raises:
        MeasurementError: As `bd_rate`.
    """
    curves, shared = _rate_curves(anchor, test, between)
    whole = _percent(_mean_difference(curves, shared))
    means = [pchip_integral(x, y, *shared) / (shared[1] - shared[0]) for x, y in curves]
    squares = 0.0
    for (x, y), other, sign in zip(curves, means[::-1], (-1, 1), strict=True):
        for left_out in range(1, len(x) - 1):
            fewer = (x[:left_out] + x[left_out + 1 :], y[:left_out] + y[left_out + 1 :])
            changed = pchip_integral(*fewer, *shared) / (shared[1] - shared[0])
            squares += (_percent(sign * (changed - other)) - whole) ** 2
    return math.sqrt(squares)


def bd_quality(anchor: RateQuality, test: RateQuality, *, between: tuple[float, float] | None = None) -> float:
    """BD-quality: the points of quality that `test` has more than `anchor` at equal bitrate; positive: it is better.

    BD-PSNR of VCEG-M33 for any metric: the mean of the difference in quality over log10(bitrate), each curve a PCHIP of
    quality over log10(bitrate), integrated exactly.

    Args:
        anchor: The curve to compare with.
        test: The curve to compare.
        between: The lowest and the highest bitrate in bit/s to integrate over, by default all that both curves have.

    Raises:
        MeasurementError: As `bd_rate`, with overlap measured in log10(bitrate).
    """
    _require_points("BD-quality", anchor, test)
    interval = between and (math.log10(between[0]), math.log10(between[1]))
    curves = [(_log_rates(curve), _qualities(curve)) for curve in (anchor, test)]
    show, doubling = (lambda rate: f"{10**rate:,.0f} bit/s"), math.log10(2)
    shared = _overlap("BD-quality", curves, interval, "doublings of the bitrate", doubling, show)
    return _mean_difference(curves, shared)


def rate_at(curve: RateQuality, quality: float) -> float | None:
    """The bitrate in bit/s at this quality, on the curve that `bd_rate` integrates; None beyond its ends."""
    if not curve.points[0][1] <= quality <= curve.points[-1][1]:
        return None
    return float(10 ** pchip(_qualities(curve), _log_rates(curve), quality))


def quality_at(curve: RateQuality, rate: float) -> float:
    """The quality at this bitrate in bit/s, on the curve that `bd_quality` integrates; beyond its ends, that there."""
    lowest, highest = curve.points[0][0], curve.points[-1][0]
    return pchip(_log_rates(curve), _qualities(curve), math.log10(min(max(rate, lowest), highest)))


def bootstrap(values: Sequence[float], *, resamples: int = 10_000, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % confidence interval of the mean of one value for each source: the percentile bootstrap.

    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. The interval is too narrow for few
    sources: for values from a normal distribution, the 95 % interval holds the true mean in 75 % of cases with three
    sources, 85 % with five, 92 % with ten and 94 % with twenty.

    Args:
        values: One finite value for each source; their order makes no difference.
        resamples: The number of resamples.
        seed: The seed of the random generator.

    Returns:
        The lowest and the highest mean; None for fewer than three sources.
    """
    import numpy as np

    if len(values) < LEAST_SOURCES:
        return None
    chosen = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    means = np.sort(np.asarray(values, dtype=float))[chosen].mean(axis=1)
    low, high = np.quantile(means, TAILS)
    return float(low), float(high)


#: The abscissas and the ordinates of a curve, both strictly rising.
_Curve = tuple[list[float], list[float]]


def _log_rates(curve: RateQuality) -> list[float]:
    return [math.log10(rate) for rate, _ in curve.points]


def _qualities(curve: RateQuality) -> list[float]:
    return [quality for _, quality in curve.points]


def _rate_curves(
    anchor: RateQuality, test: RateQuality, between: tuple[float, float] | None
) -> tuple[list[_Curve], tuple[float, float]]:
    """Both curves of a BD-rate, and the qualities to integrate over."""
    _require_points("BD-rate", anchor, test)
    curves = [(_qualities(curve), _log_rates(curve)) for curve in (anchor, test)]
    sign = -1 if anchor.negated else 1
    shared = _overlap("BD-rate", curves, between, "points of quality", 1, lambda quality: f"{sign * quality:.4g}")
    return curves, shared


def _percent(difference: float) -> float:
    """A difference of log10(bitrate) as percent of bitrate."""
    return math.expm1(math.log(10) * difference) * 100


def _require_points(name: str, anchor: RateQuality, test: RateQuality) -> None:
    for role, curve in (("anchor", anchor), ("test", test)):
        if len(curve.points) < LEAST_POINTS:
            points = len(curve.points) + len(curve.dropped)
            raise MeasurementError(
                f"{name} needs {LEAST_POINTS} points that rise in bitrate and quality; the {role} has "
                f"{len(curve.points)} of {points}. Encode at more CRFs, further apart; in vmaf.compare, pass more "
                "targets."
            )


def _overlap(
    name: str,
    curves: Sequence[_Curve],
    between: tuple[float, float] | None,
    unit: str,
    size: float,
    show: Callable[[float], str],
) -> tuple[float, float]:
    """The interval to integrate over: what both curves have, within `between`. Refuses one that is too short."""
    (first, last), (other_first, other_last) = ((x[0], x[-1]) for x, _ in curves)
    low, high = (min(first, other_first), max(last, other_last)) if between is None else between
    start, end = max(first, other_first, low), min(last, other_last, high)
    width = max(end - start, 0.0)
    if width < LEAST_OVERLAP * (high - low):
        span, remedy = "that they span together", "give the interval you mean with between=(low, high)"
        if between is not None:
            span, remedy = f"from {show(low)} to {show(high)}", "give an interval that both reach"
        raise MeasurementError(
            f"{name} needs curves that share {100 * LEAST_OVERLAP:g} % of the {(high - low) / size:.3g} {unit} {span}, "
            f"not {width / size:.3g} ({math.floor(100 * width / (high - low))} %).\n"
            f"  The anchor has {show(first)} to {show(last)}, the test {show(other_first)} to {show(other_last)}.\n"
            f"  Encode at CRFs that bring both to the same range, or {remedy}."
        )
    return start, end


def _mean_difference(curves: Sequence[_Curve], shared: tuple[float, float]) -> float:
    anchor, test = (pchip_integral(x, y, *shared) for x, y in curves)
    return (test - anchor) / (shared[1] - shared[0])
