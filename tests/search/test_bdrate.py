"""BD-rate and BD-quality against a published implementation, and what must hold for any curves.

CURVES are made up: logistic in log2(bitrate) with noise, in the manner of the encoder they are named after; "psnr" is
the example in the README of bjontegaard. The expected values were computed by bjontegaard 1.3.0 with SciPy 1.17.1:

    options = dict(method="pchip", require_matching_points=False, min_overlap=0)
    points = (*zip(*CURVES[anchor]), *zip(*CURVES[test]))
    bjontegaard.bd_rate(*points, **options), bjontegaard.bd_psnr(*points, **options)

Signs and the interval (the overlap of both curves) are the same there. It only warns where we refuse, under 75 % of the
union by default, and gives NaN for curves that do not overlap.
"""

from __future__ import annotations

import math
import pickle
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.bdrate import RateQuality, bd_quality, bd_rate, bootstrap, rate_at

# fmt: off
CURVES = {
    "x264": ((299897, 69.0343), (537761, 81.0742), (1028350, 90.0679), (1716162, 93.837), (2668846, 96.0901), (5086733, 97.2878), (8626530, 97.9477)),  # noqa: E501
    "x264 fast": ((388645, 68.4243), (981345, 85.4084), (1674792, 90.9459), (4103900, 95.5718)),
    "x264 high": ((1739590, 93.7491), (2492044, 95.5588), (3799719, 96.6032), (5769786, 97.3762), (8734074, 97.6821), (13655880, 97.9638)),  # noqa: E501
    "x265": ((264942, 74.7348), (465425, 84.3063), (904846, 91.8605), (1377607, 94.5308), (2728956, 96.3484), (4693749, 97.8225)),  # noqa: E501
    "svtav1": ((211876, 76.6351), (330858, 84.8874), (495161, 89.8555), (674026, 92.5307), (1020717, 94.9573), (1578475, 96.4587), (2481488, 97.7092), (3740712, 97.8882)),  # noqa: E501
    "libaom": ((187257, 78.4112), (272099, 85.4058), (354654, 89.1491), (511751, 92.4928), (730390, 94.6891), (1061419, 96.263), (1336477, 96.5514), (2140199, 97.6684), (2754585, 97.796), (3958852, 97.9047)),  # noqa: E501
    "vvc": ((253649, 84.7922), (502548, 92.6609), (1047570, 95.8474), (2675854, 97.7013)),
    "crossing x264": ((269102, 69.9591), (500263, 88.0589), (1010620, 95.6619), (1853060, 97.5601), (3877177, 98.2548), (6986122, 98.399)),  # noqa: E501
    # So bent at both ends that the end condition of PCHIP is cut off at a slope of zero.
    "saturated": ((400000, 60.0), (401000, 71.5), (800000, 88.25), (1500000, 96.75), (2900000, 97.0), (9000000, 97.02)),
    "psnr anchor": ((1358240, 34.851), (2486440, 36.845), (4593600, 38.615), (9487760, 40.037)),
    "psnr test": ((1356240, 34.987), (2451520, 36.97), (4469000, 38.651), (9787800, 40.121)),
    "ssim x264": ((350000, 0.9121), (700000, 0.9452), (1400000, 0.9688), (2800000, 0.9831), (5600000, 0.9902)),
    "ssim svtav1": ((240000, 0.9198), (500000, 0.9531), (1050000, 0.9752), (2200000, 0.9869), (4700000, 0.9925), (7000000, 0.9941)),  # noqa: E501
}
# fmt: on
#: Anchor, test, BD-rate in percent, BD-quality in points.
DELTAS = [
    ("x264", "x265", -28.08522862669439, 2.903674029628246),
    ("x265", "x264", 39.05349080636788, -2.903674029628246),
    ("x264", "svtav1", -51.50657032096948, 5.948106903383539),
    ("x264", "libaom", -61.92594367769101, 7.091501840331942),
    ("x265", "libaom", -47.49694547047301, 4.307096078999628),
    ("svtav1", "libaom", -21.30129620887191, 1.599918954427048),
    ("x264 fast", "x264", -27.943470152528636, 3.6499471689751948),
    ("x264", "crossing x264", -39.90017825532154, 4.319680674974448),
    ("saturated", "x264", 9.535191793063547, -1.229204746566232),
    ("svtav1", "saturated", 70.02477668394668, -3.1760421268494032),
    ("psnr anchor", "psnr test", -4.41748535058858, 0.11969278542479501),
    ("ssim x264", "ssim svtav1", -41.88817666941183, 0.012883734207386243),
]
#: The same for curves that share 37, 21 and 6 % of their qualities.
SLIVERS = [
    ("x264 fast", "vvc", -76.16131305611835, 11.009523851123157),
    ("libaom", "x264 high", 194.74373707429976, -2.1835743005267867),
    ("x264 fast", "x264 high", -39.26039102095734, 1.835191087712239),
]
# With interpolators=True bjontegaard hands out its curves, whose integrate(low, high) gives these.
RATE_BETWEEN = [
    ("x264", "svtav1", (85, 95), -51.270563874367106),
    ("x265", "libaom", (90, 94.5), -47.85173477143751),
    ("x264", "crossing x264", (80, 85), -35.45717439063474),
]
QUALITY_BETWEEN = [
    ("x264", "svtav1", (500_000, 2_000_000), 5.552888099677389),
    ("x265", "libaom", (400_000, 900_000), 5.9954260119124605),
]
# 10**PchipInterpolator(quality, log10(rate))(x) of SciPy 1.17.1.
RATES = [
    ("x264", 85, 684159.9396039594),
    ("x264", 90.5, 1075468.4472795806),
    ("x264", 97, 4219228.244502577),
    ("saturated", 62, 400033.3383334597),
    ("saturated", 75, 420358.6519413534),
    ("saturated", 96.8, 1531419.4163529912),
    ("saturated", 97.01, 4465583.377721311),
    ("ssim svtav1", 0.92, 240728.96113288897),
    ("ssim svtav1", 0.95, 460288.3752642876),
    ("ssim svtav1", 0.994, 6810240.857942884),
]


def curve(name: str) -> RateQuality:
    return RateQuality(CURVES[name])


def scaled(given: RateQuality, factor: float) -> RateQuality:
    return RateQuality(tuple((factor * rate, quality) for rate, quality in given.points))


def common(anchor: RateQuality, test: RateQuality, axis: int) -> tuple[float, float]:
    """The bitrates (axis 0) or qualities (axis 1) both curves have."""
    ends = [(points[0][axis], points[-1][axis]) for points in (anchor.points, test.points)]
    return max(first for first, _ in ends), min(last for _, last in ends)


@st.composite
def curves(draw: st.DrawFn, least: int = 4, low: float = 60.0) -> RateQuality:
    """A curve from 0.1 to 10 Mbit/s and from between 60 and 65 to between 90 and 98, so that any two overlap enough."""
    steps = st.integers(least - 1, 9).flatmap(
        lambda count: st.lists(st.tuples(*[st.floats(0.02, 1)] * 2), min_size=count, max_size=count)
    )
    drawn = draw(steps)
    start, end = draw(st.floats(low, low + 5)), draw(st.floats(90, 98))
    rate, quality, points = 0.0, 0.0, [(1e5, start)]
    for longer, better in drawn:
        rate, quality = rate + longer / sum(r for r, _ in drawn), quality + better / sum(q for _, q in drawn)
        points.append((1e5 * 100**rate, start + quality * (end - start)))
    return RateQuality(tuple(points))


# --- against the published implementation


@pytest.mark.parametrize(("anchor", "test", "rate", "quality"), DELTAS)
def test_deltas_equal_published(anchor: str, test: str, rate: float, quality: float) -> None:
    assert bd_rate(curve(anchor), curve(test)) == pytest.approx(rate, rel=0, abs=1e-9)
    assert bd_quality(curve(anchor), curve(test)) == pytest.approx(quality, rel=0, abs=1e-9)


@pytest.mark.parametrize(("anchor", "test", "rate", "quality"), DELTAS + SLIVERS)
def test_between_the_overlap_equals_published(anchor: str, test: str, rate: float, quality: float) -> None:
    pair = curve(anchor), curve(test)
    assert bd_rate(*pair, between=common(*pair, axis=1)) == pytest.approx(rate, rel=0, abs=1e-9)
    assert bd_quality(*pair, between=common(*pair, axis=0)) == pytest.approx(quality, rel=0, abs=1e-9)


@pytest.mark.parametrize(("anchor", "test", "between", "rate"), RATE_BETWEEN)
def test_bd_rate_between_qualities(anchor: str, test: str, between: tuple[float, float], rate: float) -> None:
    assert bd_rate(curve(anchor), curve(test), between=between) == pytest.approx(rate, rel=0, abs=1e-9)


@pytest.mark.parametrize(("anchor", "test", "between", "quality"), QUALITY_BETWEEN)
def test_bd_quality_between_bitrates(anchor: str, test: str, between: tuple[float, float], quality: float) -> None:
    assert bd_quality(curve(anchor), curve(test), between=between) == pytest.approx(quality, rel=0, abs=1e-9)


@pytest.fixture(scope="module")
def bjontegaard() -> ModuleType:
    return pytest.importorskip("bjontegaard", reason="pip install bjontegaard to compare with it live")


@settings(max_examples=25, deadline=None)
@given(anchor=curves(), test=curves())
def test_any_two_curves_equal_published(bjontegaard: ModuleType, anchor: RateQuality, test: RateQuality) -> None:
    points = (*zip(*anchor.points, strict=True), *zip(*test.points, strict=True))
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    between = common(anchor, test, axis=0)
    assert bd_rate(anchor, test) == pytest.approx(bjontegaard.bd_rate(*points, **options), rel=1e-9, abs=1e-6)
    assert bd_quality(anchor, test, between=between) == pytest.approx(
        bjontegaard.bd_psnr(*points, **options), rel=1e-9, abs=1e-6
    )


# --- what must hold for any two curves


@settings(max_examples=25, deadline=None)
@given(curves())
def test_equal_curves_have_no_delta(same: RateQuality) -> None:
    assert bd_rate(same, RateQuality(same.points)) == 0
    assert bd_quality(same, RateQuality(same.points)) == 0


@settings(max_examples=25, deadline=None)
@given(curves(), curves(), st.floats(0.1, 10))
def test_bd_rate_of_scaled_bitrates(anchor: RateQuality, test: RateQuality, k: float) -> None:
    assert bd_rate(anchor, scaled(anchor, k)) == pytest.approx((k - 1) * 100, rel=1e-9, abs=1e-9)
    assert 1 + bd_rate(anchor, scaled(test, k)) / 100 == pytest.approx(k * (1 + bd_rate(anchor, test) / 100), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(curves(), st.floats(-50, 50))
def test_bd_quality_of_shifted_qualities(anchor: RateQuality, k: float) -> None:
    lifted = RateQuality(tuple((rate, quality + k) for rate, quality in anchor.points))
    assert bd_quality(anchor, lifted) == pytest.approx(k, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(curves(), curves())
def test_exchanged_anchor_gives_the_inverse(one: RateQuality, other: RateQuality) -> None:
    assert (1 + bd_rate(one, other) / 100) * (1 + bd_rate(other, one) / 100) == pytest.approx(1, rel=1e-9)
    assert bd_quality(one, other) == pytest.approx(-bd_quality(other, one), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(curves(), curves(), st.floats(71, 84))
def test_neighbouring_intervals_average(anchor: RateQuality, test: RateQuality, cut: float) -> None:
    def total(low: float, high: float) -> float:
        return math.log1p(bd_rate(anchor, test, between=(low, high)) / 100) * (high - low)

    assert total(70, cut) + total(cut, 85) == pytest.approx(total(70, 85), abs=1e-8)


# --- curves


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20)), min_size=1, max_size=20))
def test_curve_keeps_the_best_points(
    given_points: list[tuple[int, int]],
) -> None:
    best = {
        (rate, quality)
        for rate, quality in given_points
        if not any(r <= rate and q >= quality and (r, q) != (rate, quality) for r, q in given_points)
    }
    if len(best) < 2:
        with pytest.raises(MeasurementError, match=f"not {len(best)} of {len(given_points)}"):
            RateQuality(tuple(given_points))
        return
    made = RateQuality(tuple(given_points))
    assert made.points == tuple(sorted(best))
    assert sorted(made.points + made.dropped) == sorted(given_points)
    assert made == RateQuality(tuple(reversed(given_points)))


def test_point_of_worse_quality_is_dropped() -> None:
    wavy = RateQuality(((1e6, 90), (2e6, 94), (2.1e6, 93.8), (4e6, 96), (8e6, 97)))
    assert wavy.points == ((1e6, 90), (2e6, 94), (4e6, 96), (8e6, 97))
    assert wavy.dropped == ((2.1e6, 93.8),)


def test_quality_step() -> None:
    assert RateQuality(((1e6, 99.0), (2e6, 99.0000005), (3e6, 99.5))).points == ((1e6, 99.0), (3e6, 99.5))


def test_rates_with_equal_logarithms() -> None:
    rate, next_rate = 3e6, math.nextafter(3e6, math.inf)
    assert math.log10(rate) == math.log10(next_rate)
    pair = RateQuality(((1e6, 90), (rate, 95), (next_rate, 96), (5e6, 97), (6e6, 98)))
    assert pair.points == ((1e6, 90), (next_rate, 96), (5e6, 97), (6e6, 98))
    assert bd_quality(pair, pair) == 0


@pytest.mark.parametrize(
    "point",
    [
        (0, 95),
        (-1e6, 95),
        (math.nan, 95),
        (math.inf, 95),
        (1e6, math.nan),
        (1e6, math.inf),
        (1e6, -math.inf),
        (1, 1e300),
    ],
)
def test_invalid_point(point: tuple[float, float]) -> None:
    with pytest.raises(MeasurementError, match="A point of a rate-quality curve must have a bitrate above 0"):
        RateQuality((*CURVES["x264"], point))


def test_curve_pickles() -> None:
    made = RateQuality((*CURVES["x264"], (9e6, 90.0)))
    copy = pickle.loads(pickle.dumps(made))
    assert (copy.points, copy.dropped) == (made.points, ((9e6, 90.0),))


# --- refusals


@pytest.mark.parametrize("delta", [bd_rate, bd_quality])
def test_three_points_are_too_few(delta) -> None:
    few = RateQuality(((1e6, 90), (2e6, 94), (2.1e6, 93), (4e6, 96)))
    with pytest.raises(
        MeasurementError, match=r"needs 4 points .*; the test has 3 of 4\. Encode at more .*pass more targets"
    ):
        delta(curve("x264"), few)
    with pytest.raises(MeasurementError, match=r"the anchor has 3 of 4"):
        delta(few, curve("x264"))


def test_bd_rate_of_little_overlap() -> None:
    low = RateQuality(((1e6, 88), (2e6, 90), (3e6, 91), (4e6, 92.3)))
    high = RateQuality(((1e6, 92), (2e6, 93), (3e6, 95), (4e6, 96.1)))
    with pytest.raises(MeasurementError) as refused:
        bd_rate(low, high)
    assert str(refused.value) == (
        "BD-rate needs curves that share 50 % of the 8.1 points of quality that they span together, not 0.3 (3 %).\n"
        "  The anchor has 88 to 92.3, the test 92 to 96.1.\n"
        "  Encode at CRFs that bring both to the same range, or give the interval you mean with between=(low, high)."
    )
    assert bd_rate(low, high, between=(92, 92.3)) < 0


def test_bd_quality_of_little_overlap() -> None:
    cheap = RateQuality(((1e6, 88), (2e6, 90), (3e6, 91), (4e6, 92.3)))
    with pytest.raises(MeasurementError) as refused:
        bd_quality(cheap, scaled(cheap, 2))
    assert str(refused.value) == (
        "BD-quality needs curves that share 50 % of the 3 doublings of the bitrate that they span together, "
        "not 1 (33 %).\n"
        "  The anchor has 1,000,000 bit/s to 4,000,000 bit/s, the test 2,000,000 bit/s to 8,000,000 bit/s.\n"
        "  Encode at CRFs that bring both to the same range, or give the interval you mean with between=(low, high)."
    )


@pytest.mark.parametrize("delta", [bd_rate, bd_quality])
def test_curves_without_overlap(delta) -> None:
    apart = RateQuality(tuple((100 * rate, quality + 40) for rate, quality in CURVES["x264"]))
    with pytest.raises(MeasurementError, match=r"share 50 % of the .*, not 0 \(0 %\)"):
        delta(curve("x264"), apart)


@pytest.mark.parametrize(("top", "enough"), [(94.01, True), (93.99, False)])
def test_half_of_the_union_is_enough(top: float, enough: bool) -> None:
    wide = RateQuality(((1e6, 90), (2e6, 92), (3e6, 96), (4e6, 98)))
    narrow = RateQuality(((1e6, 90), (2e6, 92), (3e6, 93), (4e6, top)))
    if enough:
        assert bd_rate(wide, narrow) > 0
    else:
        with pytest.raises(MeasurementError, match="49 %"):
            bd_rate(wide, narrow)


def test_half_of_the_interval_is_enough() -> None:
    # Both have 78.4112 to 97.9047.
    pair = curve("x264"), curve("libaom")
    assert bd_rate(*pair, between=(60, 97.5)) == bd_rate(*pair, between=(78.4112, 97.5))
    with pytest.raises(
        MeasurementError,
        match=r"of the 36.3 points of quality from 60 to 96.3, not 17.9 \(49 %\).*\n.*\n.*give an interval that both",
    ):
        bd_rate(*pair, between=(60, 96.3))


# --- along one curve


@pytest.mark.parametrize(("name", "quality", "rate"), RATES)
def test_rate_at_equals_scipy(name: str, quality: float, rate: float) -> None:
    assert rate_at(curve(name), quality) == pytest.approx(rate, rel=1e-11)


def test_two_points_make_a_line() -> None:
    line = RateQuality(((1e6, 90), (4e6, 94)))
    assert rate_at(line, 92) == pytest.approx(2e6)


def test_beyond_the_ends_of_a_curve() -> None:
    x264 = curve("x264")
    assert [rate_at(x264, quality) for quality in (69.0342, 97.9478, -math.inf, math.inf, math.nan)] == [None] * 5


@settings(max_examples=25, deadline=None)
@given(curves(least=2))
def test_a_curve_passes_through_its_points(any_curve: RateQuality) -> None:
    for rate, quality in any_curve.points:
        assert rate_at(any_curve, quality) == pytest.approx(rate, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(curves(least=2), st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_curves_are_monotone(any_curve: RateQuality, ways: list[float]) -> None:
    (_, worst), (_, best) = any_curve.points[0], any_curve.points[-1]
    rates = [rate_at(any_curve, min(worst + way * (best - worst), best)) for way in sorted(ways)]
    assert all(less * (1 - 1e-12) <= more for less, more in pairwise(rates))


# --- over sources

SOURCES = [-31.2093, -24.8171, -40.1338, -28.3014, -35.9757, -12.4462]


def test_bootstrap_holds_the_mean() -> None:
    low, high = bootstrap(SOURCES)
    assert min(SOURCES) < low < sum(SOURCES) / len(SOURCES) < high < max(SOURCES)


def test_bootstrap_is_deterministic() -> None:
    assert bootstrap(SOURCES, seed=3, resamples=200) == bootstrap(SOURCES[::-1], seed=3, resamples=200)
    assert bootstrap(SOURCES, seed=3, resamples=200) != bootstrap(SOURCES, seed=4, resamples=200)


def test_bootstrap_width() -> None:
    def width(values: list[float]) -> float:
        low, high = bootstrap(values)
        return high - low

    # Its width goes with the root of their number.
    assert width(SOURCES) == pytest.approx(2 * width(SOURCES * 4), rel=0.05)


def test_bootstrap_of_many_sources() -> None:
    values = [float(value) for value in range(200)]
    low, high = bootstrap(values)
    error = math.sqrt((200**2 - 1) / 12 / 200)
    assert (low, high) == pytest.approx((99.5 - 1.96 * error, 99.5 + 1.96 * error), abs=0.4)


def test_bootstrap_coverage() -> None:
    import numpy as np

    samples = np.random.default_rng(5).normal(-30, 10, size=(400, 20))
    intervals = [bootstrap(list(sample), resamples=1000, seed=seed) for seed, sample in enumerate(samples)]
    assert 0.90 <= sum(low <= -30 <= high for low, high in intervals) / 400 <= 0.97


def test_bootstrap_of_two_sources() -> None:
    assert [bootstrap(SOURCES[:count]) for count in range(3)] == [None] * 3
    assert bootstrap(SOURCES[:3]) is not None


def test_bootstrap_of_equal_sources() -> None:
    assert bootstrap([-30.0] * 5) == (-30.0, -30.0)
