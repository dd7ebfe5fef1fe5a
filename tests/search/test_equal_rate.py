"""Equal rate: what a metric was before and is now at one bitrate, what counts as a change, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.search.equal_rate import (
    GAIN,
    LOSS,
    EqualRate,
    EqualRateVerdict,
    Points,
    judge_equal_rate,
    rate_of_target,
    sorted_points,
)
from pytest_vmaf.search.metric import Metric

NEG, PSNR, CAMBI = Metric("neg"), Metric("psnr_y"), Metric("cambi")
#: The answer for NEG 90 and its coarser neighbour: 10 points of NEG, 5 dB and -2 points of CAMBI for each doubling.
BEFORE: Points = {"bitrate": [90_000, 110_000], "neg": [89, 91], "psnr_y": [36, 37], "cambi": [4.0, 3.6]}


def moved(rate: float = 1.0, **changes: float) -> Points:
    """The same encodes at so many times the bitrate, with these changes of their values."""
    return {
        name: [value * rate if name == "bitrate" else value + changes.get(name, 0) for value in values]
        for name, values in BEFORE.items()
    }


def judged(
    *now: Points, metrics: Mapping[Metric, bool] | None = None, before: Sequence[Points] = (BEFORE,)
) -> EqualRateVerdict:
    judges = [*(metrics or {NEG: True, PSNR: True}).items()]
    return judge_equal_rate("NEG 90", 90, [(points, [points]) for points in before], now, judges)


def changes(verdict: EqualRateVerdict) -> list[str]:
    return [each.change for each in (verdict.target, *verdict.others)]


def test_same_encodes() -> None:
    verdict = judged(BEFORE)
    assert verdict.rates == (pytest.approx(math.sqrt(90_000 * 110_000)),)
    assert (verdict.target.old, verdict.target.new) == (pytest.approx(90), pytest.approx(90))
    assert changes(verdict) == ["keeps", "keeps"]
    assert verdict.passed
    assert verdict.text == (
        "NEG 90: at the baseline's 99.5 kbit/s, NEG keeps its value (90.00 to 90.00); psnr_y keeps its value "
        "(36.50 to 36.50)"
    )


def test_gain_that_costs_another_metric() -> None:
    verdict = judged(moved(neg=2, psnr_y=-0.8))
    assert not verdict.passed
    assert verdict.text == (
        "NEG 90: at the baseline's 99.5 kbit/s, NEG gains 2.00 (90.00 to 92.00), but psnr_y loses 0.80 dB (36.50 to "
        "35.70), so the gain does not count"
    )
    assert [each.metric for each in verdict.losses] == [PSNR]


@pytest.mark.parametrize(
    "change",
    [
        {"neg": 2, "psnr_y": 0.8},
        {"neg": 2},
        # Nothing is gained that would not count.
        {"psnr_y": -0.8},
        {"neg": -2, "psnr_y": -0.8},
    ],
)
def test_what_passes(change: dict[str, float]) -> None:
    assert judged(moved(**change)).passed


def test_another_bitrate_is_not_a_change_of_quality() -> None:
    at_rate = judged(moved(1.1), metrics={NEG: True})
    # 10 % more bitrate for the same quality is a loss at equal bitrate.
    assert at_rate.target.change == "loses"
    assert at_rate.target.gain == pytest.approx(-2 * math.log(1.1) / math.log(110 / 90), rel=1e-6)


@pytest.mark.parametrize(("share", "metric", "change"), [
    (GAIN * 0.9, NEG, "keeps"), (GAIN * 1.1, NEG, "gains"), (LOSS * 0.9, PSNR, "keeps"), (LOSS * 1.1, PSNR, "gains"),
])  # fmt: skip
def test_noise_is_in_percent_of_bitrate(share: float, metric: Metric, change: str) -> None:
    slope = {NEG: 2, PSNR: 1}[metric] / math.log(110 / 90)
    verdict = judged(moved(**{metric.text: slope * math.log1p(share / 100)}))
    row = verdict.target if metric == NEG else verdict.others[0]
    assert row.change == change


def test_lower_is_better() -> None:
    metrics = {NEG: True, CAMBI: False}
    worse = judged(moved(neg=2, cambi=0.5), metrics=metrics)
    assert not worse.passed
    assert "but cambi loses 0.50 (3.80 to 4.30)" in worse.text
    better = judged(moved(neg=2, cambi=-0.5), metrics=metrics)
    assert better.passed
    assert better.others[0].gain == pytest.approx(0.5)


def test_sources_are_averaged() -> None:
    # One source loses 1 dB, the other gains more.
    verdict = judged(moved(neg=1, psnr_y=-1), moved(neg=1, psnr_y=1.5), before=(BEFORE, BEFORE))
    assert verdict.passed
    assert verdict.others[0].gain == pytest.approx(0.25)
    assert "at the baseline's 2 bitrates" in verdict.text
    assert not judged(moved(neg=1, psnr_y=-1), moved(neg=1, psnr_y=0.2), before=(BEFORE, BEFORE)).passed


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_no_extrapolation(rate: float) -> None:
    with pytest.raises(MeasurementError, match=r"neg at the baseline's 99\.5 kbit/s is not known\. .*nothing is extra"):
        judged(moved(rate))


def test_ends_of_the_range() -> None:
    # Met at the coarsest: one encode, whose bitrate is that of the target.
    one: Points = {name: values[:1] for name, values in BEFORE.items()}
    assert rate_of_target(one, "neg", 85) == 90_000
    rounded = {**BEFORE, "bitrate": [90_000.00004, 110_000]}
    assert judged(rounded, before=(one,)).target.new == pytest.approx(89)
    assert judged(one, before=(one,)).passed
    assert rate_of_target(BEFORE, "neg", 91) == pytest.approx(110_000)
    flat: Points = {"bitrate": [1, 2], "neg": [90, 90]}
    assert rate_of_target(flat, "neg", 90) == 2


def test_metric_that_is_not_monotone() -> None:
    bumpy: Points = {"bitrate": [80_000, 95_000, 105_000], "neg": [88, 91, 90.8], "psnr_y": [35, 36.6, 36.4]}
    verdict = judged(bumpy)
    assert 90.8 < verdict.target.new < 91
    assert 36.4 < verdict.others[0].new < 36.6


def test_sorted_points() -> None:
    rows = [(3.0, {"neg": 90.0}), (1.0, {"neg": 80.0}), (3.0, {"neg": 91.0})]
    assert sorted_points(rows) == {"bitrate": [1.0, 3.0], "neg": [80.0, 90.0]}


def test_text_of_metrics() -> None:
    assert EqualRate(Metric("float_ssim"), 0.95, 0.94, 0.001).text == "float_ssim loses 0.0100 (0.9500 to 0.9400)"
    assert EqualRate(Metric("psnr_y", "p5"), 40, 41, 0.1).text == "psnr_y p5 gains 1.00 dB (40.00 to 41.00)"
