"""`correlate`: from tables to statistics, intervals, differences and notes."""

from __future__ import annotations

import json

import pytest

from correlation.builders import CODECS, Rows, a_study
from pytest_vmaf import Correlation, SettingsError, correlate
from pytest_vmaf.correlation.statistics import STATISTICS


@pytest.fixture(scope="module")
def study() -> tuple[Rows, Rows]:
    return a_study(sources=5, qualities=4)


@pytest.fixture(scope="module")
def correlation(study: tuple[Rows, Rows]) -> Correlation:
    return correlate(*study, lower_is_better="lpips", resamples=300)


def test_groups(correlation: Correlation) -> None:
    assert correlation.metrics == ("neg", "vmaf", "psnr_y", "lpips")
    assert (correlation.everything.clips, len(correlation)) == (60, 4)
    assert [group.name for group in correlation.codecs] == list(CODECS)
    assert {group.clips for group in correlation.codecs} == {20}
    assert [group.name for group in correlation.sources] == [f"s{number}" for number in range(5)]
    assert correlation.block == "source"
    assert correlation.of("neg", codec="avc") is correlation.codecs[0].agreements["neg"]


def test_values_and_intervals(correlation: Correlation) -> None:
    for group in correlation.groups:
        for agreement in group.agreements.values():
            for name, each in agreement.estimates.items():
                assert each.value is not None, (group.name, agreement.metric, name)
                assert each.low is not None
                assert each.high is not None
                assert each.low <= each.value <= each.high
    neg, psnr = correlation["neg"], correlation["psnr_y"]
    for name, statistic in STATISTICS.items():
        ours, theirs = neg.estimates[name].value, psnr.estimates[name].value
        assert ours is not None
        assert theirs is not None
        assert (ours > theirs) == statistic.higher_is_better
    assert correlation.ceiling is not None
    assert neg.tau_b_95 < correlation.ceiling < 1


def test_errors_by_their_definitions(study: tuple[Rows, Rows], correlation: Correlation) -> None:
    # ITU-T P.1401: the mapping takes four degrees of freedom, and half an interval is t s / √n.
    half = 2.0686576 * 0.7 / 24**0.5
    for agreement in correlation:
        curve = agreement.curve
        assert curve is not None
        errors = [
            abs(curve.predict(row[agreement.metric]) - opinion["mos"]) for row, opinion in zip(*study, strict=True)
        ]
        beyond = [max(0, error - half) for error in errors]
        freedom = len(errors) - 4
        assert agreement.rmse == pytest.approx((sum(error**2 for error in errors) / freedom) ** 0.5)
        assert agreement.rmse_star == pytest.approx((sum(error**2 for error in beyond) / freedom) ** 0.5)
        assert agreement.outlier_ratio == sum(error > half for error in errors) / len(errors)
    overrated = [
        correlation["vmaf"].curve.predict(row["vmaf"]) - opinion["mos"]  # type: ignore[union-attr]
        for row, opinion in zip(*study, strict=True)
        if row["codec"] == "neural"
    ]
    bias = correlation.of("vmaf", codec="neural").bias
    assert bias is not None
    assert bias.value == pytest.approx(sum(overrated) / len(overrated))


def test_asking_for_what_is_not_there(correlation: Correlation) -> None:
    for ask, said in (
        (lambda: correlation["nge"], ", not 'nge'. Did you mean 'neg'?"),
        (lambda: correlation.of("neg", codec="vp9"), "codec must be one of avc, hevc, neural, not 'vp9'."),
        (lambda: correlation.of("neg", codec="avc", source="s0"), "Give codec or source, not both."),
        (lambda: correlation["neg"].value("scc"), "Did you mean 'srcc'?"),  # type: ignore[arg-type]
    ):
        with pytest.raises(SettingsError) as refused:
            ask()
        assert said in str(refused.value)


def test_bias_of_a_codec(correlation: Correlation) -> None:
    biases = {codec: correlation.of("vmaf", codec=codec).bias for codec in CODECS}
    values = {codec: bias.value for codec, bias in biases.items() if bias is not None and bias.value is not None}
    assert values["neural"] > 0.15
    assert max(values["avc"], values["hevc"]) < 0
    assert correlation["vmaf"].bias is None


def test_differences(correlation: Correlation) -> None:
    found = {(each.statistic, each.first, each.second): each for each in correlation.differences}
    assert len(found) == 6 * len(STATISTICS)
    srcc = found["srcc", "neg", "psnr_y"]
    assert (srcc.better, srcc.test) == ("neg", "paired bootstrap")
    rmse = found["rmse", "neg", "psnr_y"]
    assert rmse.value < 0
    plcc = found["plcc", "neg", "psnr_y"]
    assert plcc.test.startswith("Fisher z")
    assert plcc.independent_p is not None
    # Both are correlated with each other, which the test for independent ones ignores.
    assert plcc.p < plcc.independent_p < 0.01
    assert all(each.p <= each.adjusted_p <= 1 for each in correlation.differences)


def test_order_of_rows_changes_nothing(study: tuple[Rows, Rows], correlation: Correlation) -> None:
    scores, opinions = study
    again = correlate(scores[::-1], opinions[5:] + opinions[:5], lower_is_better=["lpips"], resamples=300)
    assert again.to_dict() == correlation.to_dict()
    other = correlate(*study, metrics=["neg"], resamples=300, seed=1)
    assert other["neg"].srcc == correlation["neg"].srcc
    assert other["neg"].estimates["srcc"].low != correlation["neg"].estimates["srcc"].low


def test_reversed_scales(study: tuple[Rows, Rows], correlation: Correlation) -> None:
    scores, opinions = study
    worse = [{**row, "mos": 6 - row["mos"]} for row in opinions]
    again = correlate(scores, worse, metrics=["vmaf", "lpips"], lower_is_better=["lpips", "mos"], resamples=100)
    assert again.mos_lower_is_better
    for metric in again.metrics:
        for name, each in correlation[metric].estimates.items():
            assert again[metric].estimates[name].value == pytest.approx(each.value)
        ours, theirs = correlation[metric].curve, again[metric].curve
        assert ours is not None
        assert theirs is not None
        assert theirs.predict(ours.low) == pytest.approx(6 - ours.predict(ours.low))
    bias, again_bias = correlation.of("vmaf", codec="neural").bias, again.of("vmaf", codec="neural").bias
    assert bias is not None
    assert again_bias is not None
    assert again_bias.value == pytest.approx(bias.value)
    unnamed = correlate(*study, metrics=["lpips"], resamples=100)
    assert unnamed["lpips"].srcc == pytest.approx(-correlation["lpips"].srcc)
    assert unnamed["lpips"].estimates["plcc"].why.startswith("the mapping is flat")
    assert any("--lower-is-better lpips" in note for note in unnamed.notes)


def test_plain_data(correlation: Correlation) -> None:
    data = json.loads(correlation.to_json())
    assert data == correlation.to_dict()
    assert [group["name"] for group in data["groups"][:2]] == ["all", "avc"]
    assert len(correlation.to_rows()) == 9 * 4
    assert "neg" in correlation
    assert "ssim" not in correlation
    assert repr(correlation["neg"]).startswith("<neg, all, 60 clips: PLCC 0.9")
