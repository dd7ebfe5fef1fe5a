"""Agreement of metrics: opinions and their noise, verdicts in words, judges, `max_disagreement`; mostly on curves."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.agreement import (
    NOISE,
    Agreement,
    judges_of,
    read_agree,
)
from pytest_vmaf.search.bdrate import RateQuality, bd_quality, bd_rate, bd_rate_noise
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.disagreement_gate import judge_disagreement, read_max_disagreement
from pytest_vmaf.search.metric import Metric, parse_quality
from search.builders import NEG, a_bisection, a_comparison, a_curve, a_probe, with_features


def opinions(**rates: float | tuple[float, ...] | None) -> Agreement:
    """An agreement of these BD-rates about "b" against "a"; None for what is unknown, several for several sources."""
    known = {
        name: Delta(
            {f"{n}.mkv": rate for n, rate in enumerate(each if isinstance(each, tuple) else (each,))}, "%", "BD-rate"
        )
        for name, each in rates.items()
        if each is not None
    }
    unknown = {name: "too few points" for name, each in rates.items() if each is None}
    return Agreement("b", "a", dict(sorted(known.items(), key=lambda item: item[1])), unknown, tuple(rates))


# Verdicts.


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        (
            {"neg": -5, "psnr_y": -3, "float_ssim": -8},
            "NEG, psnr_y and float_ssim agree that b is better than a (-8.0 to -3.0 %)",
        ),
        ({"neg": 5, "psnr_y": 3}, "NEG and psnr_y agree that b is worse than a (+3.0 to +5.0 %)"),
        ({"neg": -5, "psnr_y": 0.2}, "NEG alone says that b is better than a (-5.0 %); psnr_y says neither (+0.2 %)"),
        ({"neg": 0.1, "psnr_y": -4}, "psnr_y alone says that b is better than a (-4.0 %); NEG says neither (+0.1 %)"),
        (
            {"neg": -5, "psnr_y": 9, "float_ssim": 2, "ciede2000": 0.5},
            "metrics disagree: NEG says that b is better than a (-5.0 %), psnr_y and float_ssim say that it is worse "
            "(+2.0 to +9.0 %); ciede2000 says neither (+0.5 %)",
        ),
        ({"neg": 0.5, "psnr_y": -0.5}, "no metric shows a difference between b and a: NEG and psnr_y -0.5 to +0.5 %"),
        ({"neg": -5, "psnr_y": None}, "NEG alone says that b is better than a (-5.0 %); psnr_y cannot be compared"),
        (
            {"neg": None, "psnr_y": None},
            "no metric shows a difference between b and a; NEG and psnr_y cannot be compared",
        ),
        ({"neg": -5}, "NEG says that b is better than a (-5.0 %); no other metric was compared"),
    ],
)  # fmt: skip
def test_verdict(rates: dict[str, Any], verdict: str) -> None:
    agreement = opinions(**rates)
    assert agreement.verdict == verdict
    assert repr(agreement) == f"<{verdict}>"
    assert agreement.agree == ("disagree" not in verdict)


def test_noise_margin() -> None:
    assert opinions(neg=-NOISE).opinion("neg") == "better"
    assert opinions(neg=-NOISE + 0.001).opinion("neg") == "neither"
    noisy = opinions(neg=-4.0)
    rates = {"neg": Delta({"a": -4.0}, "%", "BD-rate", 4.5)}
    assert (noisy.opinion("neg"), replace(noisy, rates=rates).opinion("neg")) == ("better", "neither")
    assert replace(noisy, rates=rates).margin("neg") == 4.5


def test_interval_over_sources_decides() -> None:
    assert opinions(neg=(-9.0, -4.0, 8.0)).opinion("neg") == "neither"
    assert opinions(neg=(-9.0, -4.0, -3.0)).opinion("neg") == "better"


def test_lookup() -> None:
    agreement = opinions(neg=-5, psnr_y=None)
    assert dict(agreement) == {"neg": -5}
    assert "neg" in agreement
    assert "psnr_y" not in agreement
    with pytest.raises(MeasurementError, match="There is no BD-rate in psnr_y: too few points"):
        agreement["psnr_y"]
    with pytest.raises(KeyError, match="'float_ssim' was not measured, only neg, psnr_y"):
        agreement["float_ssim"]
    assert agreement.opinion("psnr_y") == "unknown"


def test_beside_another_comparison() -> None:
    both = opinions(neg=-5, psnr_y=-3).beside(v1=opinions(neg=-7, psnr_y=9), tiny=opinions(neg=None))
    assert both.verdict == "NEG, psnr_y and v1 agree that b is better than a (-7.0 to -3.0 %); tiny cannot be compared"
    assert list(both) == ["v1", "neg", "psnr_y"]
    with pytest.raises(SettingsError, match=r"neg is a metric of this comparison"):
        both.beside(neg=opinions(neg=1))
    with pytest.raises(SettingsError, match=r"v2 must be what bd_rates\(\) of another comparison returns, not 3"):
        both.beside(v2=3)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"v2 must be of b against a, not of c against a"):
        both.beside(v2=replace(opinions(neg=1), encoder="c"))


def test_data() -> None:
    data = opinions(neg=-5, psnr_y=3, float_ssim=None).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert (data["agree"], data["disagreement"], data["judges"]) == (False, None, ["neg", "psnr_y", "float_ssim"])
    assert list(data["bd_rates"]) == ["neg", "psnr_y", "float_ssim"]
    assert data["bd_rates"]["float_ssim"] == {"value": None, "why": "too few points", "opinion": "unknown"}
    assert opinions(neg=-5, psnr_y=3).to_dict()["disagreement"] == 8


# Which metrics count.


def test_default_judges() -> None:
    columns = (
        "vmaf neg psnr_y psnr_cb psnr_cr psnr_hvs psnr_hvs_y psnr_hvs_cb float_ssim float_ms_ssim ciede2000 cambi "
        "speed_chroma_u speed_temporal adm2 vif_scale0 integer_motion2 float_vif_scale3 xpsnr_y xpsnr_u lpips"
    )
    measured = [Metric(name) for name in columns.split()]
    chosen = [metric.name for metric in judges_of(NEG, measured, ())]
    assert chosen == ["neg", "psnr_y", "psnr_hvs", "float_ssim", "float_ms_ssim", "ciede2000", "xpsnr_y", "lpips"]
    assert judges_of(NEG, measured, (Metric("cambi"), NEG)) == (NEG, Metric("cambi"))
    assert judges_of(Metric("psnr_y"), measured[:4], ()) == (Metric("psnr_y"), NEG)
    assert judges_of(Metric("vmaf"), measured[:3], ())[:2] == (Metric("vmaf"), NEG)


@pytest.mark.parametrize("value", [[], "", ["psnr_y", ""], 5, ["psnr_y", 3], b"psnr_y", {"psnr_y": 1}, "a,,b"])
def test_invalid_agree(value: object) -> None:
    with pytest.raises(SettingsError, match="agree must be a list of metrics"):
        read_agree(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("psnr", r"agree: metric must be a measure of quality, not 'psnr'\. Did you mean 'psnr_y'"),
        (["gap"], "measure of quality, not 'gap'"),
        (["float_moment_ref1st"], "measure of quality"),
        (["psnr_y.stdev"], "with a pool of"),
        (["psnr_y.p500"], "with a pool of"),
    ],
)
def test_unknown_metrics(value: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_agree(value)


def test_read_agree() -> None:
    assert read_agree(None) == ()
    assert read_agree("psnr_y, float_ssim.p5,psnr_y") == (Metric("psnr_y"), Metric("float_ssim", "p5"))
    assert read_agree(("cambi",)) == (Metric("cambi"),)


# Comparisons.


def test_tuned_encoder() -> None:
    # 10 % cheaper by NEG, but its other metrics belong to encodes of lower quality.
    plain = with_features(a_curve(), psnr_y=lambda neg: neg / 2, float_ssim=lambda neg: neg / 100)
    tuned = with_features(a_curve(0.9), psnr_y=lambda neg: neg / 2 - 2, float_ssim=lambda neg: neg / 100 - 0.02)
    comparison = a_comparison(plain=plain, tuned=tuned)
    rates = comparison.bd_rates("tuned", anchor="plain")
    assert rates["neg"] == pytest.approx(-10, abs=0.1)
    # 4 points of NEG are worth 4/3 octaves of bitrate to these curves, 2 points 2/3.
    assert rates["psnr_y"] == pytest.approx((0.9 * 2 ** (4 / 3) - 1) * 100, rel=0.02)
    assert rates["float_ssim"] == pytest.approx((0.9 * 2 ** (2 / 3) - 1) * 100, rel=0.02)
    assert rates.verdict.startswith("metrics disagree: NEG says that tuned is better than plain (-10.0 %)")
    assert str(comparison).splitlines()[-1] == f"  {rates.verdict}"
    assert rates.disagreement == rates["psnr_y"] - rates["neg"]
    assert comparison.agreements[0].rates == rates.rates
    assert comparison.to_dict()["agreement"]["tuned"]["verdict"] == rates.verdict


def test_lower_is_better() -> None:
    # The same qualities, once as points that rise and once as faults that fall.
    plain = with_features(a_curve(), psnr_y=lambda neg: neg, cambi=lambda neg: 100 - neg)
    dear = with_features(a_curve(1.25), psnr_y=lambda neg: neg, cambi=lambda neg: 100 - neg)
    comparison = a_comparison(plain=plain, dear=dear)
    rates = comparison.bd_rates("dear", anchor="plain")
    assert rates["cambi"] == pytest.approx(rates["psnr_y"])
    assert (rates.opinion("cambi"), rates.opinion("psnr_y")) == ("worse", "worse")
    quality = [comparison.bd_quality("dear", anchor="plain", metric=name) for name in ("cambi", "psnr_y")]
    assert quality[0] == pytest.approx(quality[1])
    assert quality[0] < 0
    assert comparison.rate("plain", 12, metric="cambi") == pytest.approx(comparison.rate("plain", 88, metric="psnr_y"))
    assert "cambi" not in rates.judges
    assert "cambi" in replace(comparison, agree=(Metric("cambi"),)).bd_rates("dear", anchor="plain").judges


def test_range_of_lower_is_better_in_words() -> None:
    fine, coarse = (RateQuality(tuple((r, -q) for r, q in points), negated=True) for points in (
        ((1, 9), (2, 8), (3, 7), (4, 6)), ((5, 4), (6, 3), (7, 2), (8, 1)),
    ))  # fmt: skip
    with pytest.raises(MeasurementError, match="The anchor has 9 to 6, the test 4 to 1"):
        bd_rate(fine, coarse)
    assert bd_quality(fine, fine) == 0


def test_other_metrics_are_compared_at_the_targets() -> None:
    # Far from the targets, where only one search made encodes, the metric says something else.
    plain = with_features(a_curve(), psnr_y=lambda neg: neg / 2)
    odd = tuple(a_probe(crf, 115 - crf, 1.25 * 4000 / 2 ** (crf / 3 - 6)) for crf in (0, 6, *range(18, 39, 3), 45, 51))
    other = with_features(odd, psnr_y=lambda neg: neg / 2)
    rates = a_comparison(plain=plain, other=other).bd_rates("other", anchor="plain")
    assert rates["psnr_y"] == pytest.approx(25, abs=0.5)


def test_unknown_metric_of_a_comparison() -> None:
    flat = {"psnr_y": lambda neg: neg / 2, "cambi": lambda neg: 0.0}
    pair = a_comparison(plain=with_features(a_curve(), **flat), other=with_features(a_curve(1.25), **flat))
    rates = pair.bd_rates("other", anchor="plain")
    assert "needs 2 points that rise" in rates.unknown["cambi"]
    named = replace(pair, agree=(Metric("cambi"),)).bd_rates("other", anchor="plain")
    assert named.verdict == "NEG alone says that other is worse than plain (+25.0 %); cambi cannot be compared"
    with pytest.raises(MeasurementError, match=r"max_disagreement cannot be checked\. There is no BD-rate in cambi"):
        judge_disagreement([named], 5.0)
    with pytest.raises(SettingsError, match="An encoder must be one of plain, other, not 'x'"):
        pair.bd_rates("x", anchor="plain")


def test_no_encodes() -> None:
    none = replace(a_bisection(a_curve(), (94,)), probes=())
    answers = {99.9: replace(none[94], target=99.9, outcome="above the ceiling", probe=None, next_probe=None)}
    nothing = Comparison(NEG, (99.9,), {"a.mkv": dict.fromkeys("ab", replace(none, answers=answers))})
    rates = nothing.bd_rates("b", anchor="a")
    assert (dict(rates), list(rates.unknown)) == ({}, ["neg", "vmaf"])


def test_pools() -> None:
    pair = a_comparison(plain=a_curve(psnr=True), other=a_curve(1.25, psnr=True))
    pooled = replace(pair, metric=parse_quality("neg.p10"), agree=read_agree("psnr_y.p5"))
    assert list(pooled.bd_rates("other", anchor="plain").judges) == ["neg.p10", "psnr_y.p5"]
    assert {"neg.p10", "vmaf.p10", "psnr_y", "psnr_y.p5"} <= set(pooled.bd_rates("other", anchor="plain"))


# The gate.


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "10", [10]])
def test_invalid_limits(value: object) -> None:
    with pytest.raises(SettingsError, match="max_disagreement must be a number of percentage points from 0"):
        read_max_disagreement(value)


def test_max_disagreement() -> None:
    [verdict] = judge_disagreement([opinions(neg=-5, psnr_y=9.2, float_ssim=1)], 14)
    assert not verdict.passed
    assert verdict.text == (
        "BD-rates of b against a are 14.20 points apart (NEG -5.00 %, float_ssim +1.00 %, psnr_y +9.20 %); "
        "max_disagreement is 14"
    )
    assert judge_disagreement([opinions(neg=-5, psnr_y=9.2)], 14.2)[0].passed
    assert judge_disagreement([opinions(neg=-5)], None) == []
    with pytest.raises(MeasurementError, match="Only NEG was compared, so no metric can disagree"):
        judge_disagreement([opinions(neg=-5)], 10)


# Uncertainty.


def test_noise_of_few_points() -> None:
    smooth = [RateQuality(tuple((2.0**n * rate, 70 + 5 * n) for n in range(6))) for rate in (1.0, 1.1)]
    assert bd_rate_noise(*smooth) < 1e-9
    bumpy = RateQuality(tuple((2.0**n * 1.1, 70 + 5 * n + (0.8 if n == 2 else 0)) for n in range(6)))
    assert 1 < bd_rate_noise(smooth[0], bumpy) < 10
    with pytest.raises(MeasurementError, match="needs 4 points"):
        bd_rate_noise(smooth[0], RateQuality(((1, 1), (2, 2))))
