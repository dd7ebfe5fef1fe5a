"""Rate-quality curves, and what differs between two of them: BD-rate, BD-quality, an interval over sources. Pure.

The Bjøntegaard deltas (ITU-T VCEG-M33, "Calculation of average PSNR differences between RD-curves", 2001) with the
piecewise cubic that the common test conditions have used since (JCTVC-L1100, JVET-T2010) instead of the single cubic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_vmaf.errors import MeasurementError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: VCEG-M33 and the common test conditions (QP 22, 27, 32, 37) take four points: enough to see the curve bend.
LEAST_POINTS = 4
#: The share of the union of both curves, or of the asked interval, that both must cover. Below one half the average
#: would speak for less than it leaves out, and rest on the ends of the curves, where the interpolation is weakest.
LEAST_OVERLAP = 0.5
#: libvmaf logs six decimals: less than this is not more quality.
QUALITY_STEP = 1e-6
#: No bitrate and no quality is this large, and no bitrate as small as its inverse. Keeps out NaN and infinities too.
ABSURD = 1e12
#: Of two sources a quarter of all resamples hold only the one: a 95 % interval is always from the one to the other.
LEAST_SOURCES = 3


@dataclass(frozen=True)
class RateQuality:
    """One encoder on one source: points of (bitrate in bit/s, quality; higher is better), in any order when made.

    Kept are the points nobody could better for less, ordered by rate, so that rate and quality both rise strictly: a
    point that costs at least as much as another and has not more quality (by 1e-6) goes to ``dropped``. Nobody would
    choose that encode, averaging it in would invent a point that was never measured, and no curve passes through both.

    Raises MeasurementError for a bitrate that is not above 0, for what is not finite, and for fewer than two points.
    """

    points: tuple[tuple[float, float], ...]
    dropped: tuple[tuple[float, float], ...] = field(default=(), init=False, compare=False)

    def __post_init__(self) -> None:
        given = [(float(rate), float(quality)) for rate, quality in self.points]
        for rate, quality in given:
            if not (1 / ABSURD <= rate <= ABSURD and abs(quality) <= ABSURD):
                raise MeasurementError(
                    f"{rate:g} bit/s at a quality of {quality:g} is no point of a rate-quality curve: the bitrate must "
                    f"be above 0 and both under {ABSURD:g}. Look at that encode's size, duration and score."
                )
        kept: list[tuple[float, float]] = []
        dropped: list[tuple[float, float]] = []
        # By the logarithm, which the curves are drawn over: rates that it cannot tell apart are one rate.
        for point in sorted(given, key=lambda point: (math.log10(point[0]), -point[1])):
            rises = not kept or point[1] - kept[-1][1] >= QUALITY_STEP
            (kept if rises else dropped).append(point)
        if len(kept) < 2:
            raise MeasurementError(
                f"{len(kept)} of {len(given)} points rise in bitrate and quality, and a rate-quality curve needs two. "
                "Encode the source at more CRFs, further apart."
            )
        object.__setattr__(self, "points", tuple(kept))
        object.__setattr__(self, "dropped", tuple(dropped))


def bd_rate(anchor: RateQuality, test: RateQuality, *, between: tuple[float, float] | None = None) -> float:
    """The bitrate the test needs more than the anchor at equal quality, in percent; negative: it needs less.

    (10^d - 1)·100, where d is the mean over quality of the difference of log10(bitrate), each curve a PCHIP through
    its points, integrated exactly over the qualities both curves have; ``between=(low, high)`` keeps to those.

    Raises MeasurementError for a curve of fewer than four points and for curves that overlap in less than half of what
    they span together, or of ``between``; SettingsError if that is no interval.
    """
    _require_points("BD-rate", anchor, test)
    curves = [(_qualities(curve), _log_rates(curve)) for curve in (anchor, test)]
    shared = _overlap("BD-rate", curves, between, "points of quality", 1, lambda quality: f"{quality:.4g}")
    return math.expm1(math.log(10) * _mean_difference(curves, shared)) * 100


def bd_quality(anchor: RateQuality, test: RateQuality, *, between: tuple[float, float] | None = None) -> float:
    """The quality the test has more than the anchor at equal bitrate, in points of the metric; positive: it is better.

    VCEG-M33's BD-PSNR for any metric: the mean over log10(bitrate) of the difference in quality, each curve a PCHIP.
    ``between=(low, high)`` are bitrates in bit/s here. Raises what :func:`bd_rate` raises, overlap and interval
    measured in log10(bitrate).
    """
    _require_points("BD-quality", anchor, test)
    if between is not None and not min(between) > 0:
        raise SettingsError(f"between={between} is no interval of bitrates: give (low, high) in bit/s, above 0.")
    asked = between and (math.log10(between[0]), math.log10(between[1]))
    curves = [(_log_rates(curve), _qualities(curve)) for curve in (anchor, test)]
    show, doubling = (lambda rate: f"{10**rate:,.0f} bit/s"), math.log10(2)
    shared = _overlap("BD-quality", curves, asked, "doublings of the bitrate", doubling, show)
    return _mean_difference(curves, shared)


def rate_at(curve: RateQuality, quality: float) -> float | None:
    """The bitrate in bit/s that reaches this quality, on the curve :func:`bd_rate` integrates; None beyond its ends.

    Between two points it is not exactly the inverse of :func:`quality_at`: either is the usual curve of its delta.
    """
    if not curve.points[0][1] <= quality <= curve.points[-1][1]:
        return None
    return float(10 ** _pchip(_qualities(curve), _log_rates(curve), quality))


def quality_at(curve: RateQuality, rate: float) -> float | None:
    """The quality at this bitrate in bit/s, on the curve :func:`bd_quality` integrates; None beyond its ends."""
    if not curve.points[0][0] <= rate <= curve.points[-1][0]:
        return None
    return _pchip(_log_rates(curve), _qualities(curve), math.log10(rate))


def bootstrap(
    values: Sequence[float], *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float] | None:
    """A confidence interval of the mean of one value a source, such as its BD-rate: the percentile bootstrap.

    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. The same for the same values in any
    order and the same seed. None for fewer than three sources: an interval would claim what was not measured. With
    few it is too narrow: of values from a normal distribution the 95 % interval holds the true mean in 75 % of cases
    for three sources, 85 % for five, 92 % for ten and 94 % for twenty.

    Raises MeasurementError for a value that is not finite; SettingsError for a confidence outside of 0 to 1 and for
    too few resamples to have its percentiles.
    """
    import numpy as np

    if not 0 < confidence < 1:
        raise SettingsError(f"confidence={confidence} must lie between 0 and 1, such as 0.95.")
    tail = (1 - confidence) / 2
    if resamples * tail < 1:
        raise SettingsError(
            f"resamples={resamples} have no {tail:.2%} percentile: ask for {math.ceil(1 / tail)} or more."
        )
    if not all(math.isfinite(value) for value in values):
        raise MeasurementError(
            f"{list(values)} has values that are not finite: leave out the sources without a result."
        )
    if len(values) < LEAST_SOURCES:
        return None
    chosen = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    means = np.sort(np.asarray(values, dtype=float))[chosen].mean(axis=1)
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


#: Where a curve is drawn over and its values there, both strictly rising.
_Curve = tuple[list[float], list[float]]


def _log_rates(curve: RateQuality) -> list[float]:
    return [math.log10(rate) for rate, _ in curve.points]


def _qualities(curve: RateQuality) -> list[float]:
    return [quality for _, quality in curve.points]


def _require_points(name: str, anchor: RateQuality, test: RateQuality) -> None:
    for role, curve in (("anchor", anchor), ("test", test)):
        if len(curve.points) < LEAST_POINTS:
            given = len(curve.points) + len(curve.dropped)
            raise MeasurementError(
                f"{name} needs {LEAST_POINTS} points that rise in bitrate and quality; the {role} has "
                f"{len(curve.points)} of {given} given. Encode the source at more CRFs, further apart."
            )


def _overlap(
    name: str,
    curves: Sequence[_Curve],
    between: tuple[float, float] | None,
    unit: str,
    size: float,
    show: Callable[[float], str],
) -> tuple[float, float]:
    """The interval to integrate over: where both curves are, within ``between``; refused if that is too little."""
    (first, last), (other_first, other_last) = ((x[0], x[-1]) for x, _ in curves)
    low, high = (min(first, other_first), max(last, other_last)) if between is None else between
    if not (math.isfinite(high - low) and low < high):
        raise SettingsError(f"between=({show(low)}, {show(high)}) is no interval: give (low, high), low below high.")
    start, end = max(first, other_first, low), min(last, other_last, high)
    width = max(end - start, 0.0)
    if width < LEAST_OVERLAP * (high - low):
        whole, remedy = "that they span together", "name the interval you mean with between=(low, high)"
        if between is not None:
            whole, remedy = f"from {show(low)} to {show(high)}", "ask for an interval that both reach"
        raise MeasurementError(
            f"{name} refused: the curves share {width / size:.3g} of the {(high - low) / size:.3g} {unit} {whole} = "
            f"{math.floor(100 * width / (high - low))} %, and {100 * LEAST_OVERLAP:g} % are needed.\n"
            f"  The anchor has {show(first)} to {show(last)}, the test {show(other_first)} to {show(other_last)}.\n"
            f"  Encode at CRFs that bring both to the same range, or {remedy}."
        )
    return start, end


def _mean_difference(curves: Sequence[_Curve], shared: tuple[float, float]) -> float:
    anchor, test = (_pchip_integral(x, y, *shared) for x, y in curves)
    return (test - anchor) / (shared[1] - shared[0])


def _pchip(x: Sequence[float], y: Sequence[float], at: float) -> float:
    """The monotone piecewise cubic through rising points, at a place within them."""
    import numpy as np

    xs, ys, slopes = np.asarray(x), np.asarray(y), _slopes(x, y)
    i = min(int(np.searchsorted(xs, at, side="right")), len(xs) - 1) - 1
    h = xs[i + 1] - xs[i]
    s = (at - xs[i]) / h
    return float(
        (1 + 2 * s) * (1 - s) ** 2 * ys[i]
        + s * (1 - s) ** 2 * h * slopes[i]
        + s**2 * (3 - 2 * s) * ys[i + 1]
        + s**2 * (s - 1) * h * slopes[i + 1]
    )


def _pchip_integral(x: Sequence[float], y: Sequence[float], low: float, high: float) -> float:
    """The exact integral of :func:`_pchip` from low to high, both within the points."""
    import numpy as np

    xs, ys, slopes = np.asarray(x), np.asarray(y), _slopes(x, y)
    h = np.diff(xs)

    def up_to(end: float) -> float:
        s = np.clip((end - xs[:-1]) / h, 0, 1)
        rise = s**3 - s**4 / 2  # the antiderivative of s²(3 - 2s)
        pieces = h * (
            (s - rise) * ys[:-1]
            + (s**2 / 2 - 2 * s**3 / 3 + s**4 / 4) * h * slopes[:-1]
            + rise * ys[1:]
            + (s**4 / 4 - s**3 / 3) * h * slopes[1:]
        )
        return float(pieces.sum())

    return up_to(high) - up_to(low)


def _slopes(x: Sequence[float], y: Sequence[float]) -> NDArray[np.float64]:
    """PCHIP's derivatives at the points; both x and y rise strictly, so no slope is zero or negative.

    Within, the weighted harmonic mean of F. N. Fritsch and J. Butland (SIAM J. Sci. Stat. Comput. 5, 1984, 300-304),
    monotone in the sense of F. N. Fritsch and R. E. Carlson (SIAM J. Numer. Anal. 17, 1980, 238-246). At the ends the
    three-point formula of C. Moler, "Numerical Computing with MATLAB", 2004, section 3.6, as in MATLAB and SciPy.
    """
    import numpy as np

    h = np.diff(x)
    m = np.diff(y) / h
    slopes = np.full(len(x), m[0])
    if len(m) > 1:
        right, left = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        slopes[1:-1] = (right + left) / (right / m[:-1] + left / m[1:])
        for end, (h0, h1), (m0, m1) in ((0, h[:2], m[:2]), (-1, h[:-3:-1], m[:-3:-1])):
            slopes[end] = max(((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1), 0)
    return slopes
