"""The numbers of a measurement."""

from __future__ import annotations

from pytest_vmaf.report.numbers import numbers_of, read_number
from report.builders import EXPECTATION, STREAM, a_measurement, an_error


def test_scores_features_and_gated_pools() -> None:
    measurement = a_measurement(
        [95.0, 95.0], [90.0, 96.0], columns={"float_ssim": 0.9}, min_float_ssim=0.5, min_neg_p5=50
    )
    numbers = numbers_of(measurement)
    assert numbers["neg"].value == 93
    assert numbers["neg_p5"].value < 93
    assert numbers["float_ssim"].higher_is_better
    assert not numbers["gap"].higher_is_better
    assert [*numbers][:3] == ["vmaf", "neg", "gap"]


def test_names() -> None:
    for name, metric, pool in (
        ("neg", "neg", "mean"),
        ("neg_p5", "neg", "p5"),
        ("psnr_y_harmonic_mean", "psnr_y", "harmonic_mean"),
        ("neg_worst_1s", "neg", "worst_1s"),
        ("collapse", "collapse", "max"),
        ("of_a_plugin", "of_a_plugin", "mean"),
    ):
        number = read_number(name, 1.0)
        assert (number.metric, number.pool, number.name) == (metric, pool, name)
    assert read_number("neg_p5", 1.0).label == "NEG p5"


def test_what_is_no_number() -> None:
    assert numbers_of(an_error()) == {}
    drop = {**EXPECTATION, "metric": "drop of NEG", "text": None}
    measurement = {**a_measurement(), "gates": [EXPECTATION, drop], "stream": STREAM}
    numbers = numbers_of(measurement)
    assert {"codec", "drop of NEG"}.isdisjoint(numbers)
    assert (numbers["bitrate"].value, numbers["bitrate"].unit) == (8.5, "bit/s")


def test_repeated_encodes() -> None:
    repeats = {"neg": {"mean": 92.5, "standard_error": 0.25}, "bitrate": {"mean": 1e6, "standard_error": 10.0}}
    numbers = numbers_of({**a_measurement(), "repeats": repeats})
    assert (numbers["neg"].value, numbers["neg"].standard_error) == (92.5, 0.25)
    assert numbers["vmaf"].standard_error is None
    assert numbers["bitrate"].value == 1e6
