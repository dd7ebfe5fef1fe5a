"""Failures in sentences: each kind of gate, errors, asserts and caught failures."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_vmaf.report.schema import DROP, IN_PERCENT, NO_BASELINE, RISE
from pytest_vmaf.report.sentences import explain, explain_gate, worst_moment
from report.builders import a_measurement, a_test, an_error


def a_gate(metric: str, value: float, limit: float, bound: str = "max", pool: str = "mean") -> dict[str, Any]:
    margin = value - limit if bound == "min" else limit - value
    about = {"name": f"{bound}_{metric}", "metric": metric, "pool": pool, "bound": bound, "origin": "call"}
    return {**about, "limit": limit, "value": value, "margin": margin, "passed": margin >= 0}


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (a_gate("neg", 91.1, 93, "min"), "NEG 91.10 is 1.90 below the minimum of 93"),
        (a_gate("neg", 84.1, 87, "min", "p5"), "NEG of the worst frames (p5) 84.10 is 2.90 below the minimum of 87"),
        (a_gate("neg", 64.1, 70, "min", "min"), "lowest NEG 64.10 is 5.90 below the minimum of 70"),
        (a_gate("gap", 14.7, 3), "gap 14.70 is 11.70 above the maximum of 3"),
        (a_gate("psnr_y", 33.0, 40, "min"), "psnr_y 33.00 dB is 7.00 below the minimum of 40"),
        (a_gate("contrast", 8.0, 1.5), "the contrast was raised (contrast 8.00 %, at most 1.5)"),
        (a_gate("enhancement", 105.28, 12.5), "the picture was sharpened (enhancement 105.28 ‰, at most 12.5)"),
        (a_gate("bitrate", 2_100_000, 2_000_000), "bitrate 2,100,000 bit/s is 100,000 above the maximum of 2,000,000"),
        (a_gate("above_100", 1, 0, pool="count"), "1 frame scored above 100 and above the reference itself"),
        (a_gate(f"{DROP}NEG", 2.67, 0.5), "NEG fell by 2.67 since the baseline, 0.5 allowed"),
        (a_gate(f"{RISE}bitrate{IN_PERCENT}", 8.25, 2), "bitrate rose by 8.25 % since the baseline, 2 % allowed"),
        (a_gate(NO_BASELINE, 0, 1, "min"), "the baseline is missing"),
    ],
)
def test_gates(gate: dict[str, Any], said: str) -> None:
    assert explain_gate(gate) == said


def test_two_gates_are_named() -> None:
    record = a_measurement([96.0, 97.0], [80.0, 90.0], min_neg=95, min_neg_p5=90, min_vmaf=99, max_gap=1)
    said = explain(a_test("failed", record))
    assert said.count(";") == 2
    assert said.endswith("; 2 more gates failed")
    assert worst_moment(a_test("failed", record)) == "worst in frame 0 (0:00.000)"


def test_region_is_named() -> None:
    face = {**a_measurement(82.0, 80.0, min_neg=85), "distorted": "o.mp4 [face 240x180+200+60]"}
    assert explain(a_test("failed", face)) == "Face: NEG 80.00 is 5.00 below the minimum of 85"


def test_other_ends() -> None:
    passed = a_measurement(95.0, 93.0, min_neg=90)
    assert explain(a_test("passed", passed)) == ""
    assert worst_moment(a_test("passed", passed)) == ""
    # An assert of the test's own.
    assert explain(a_test("failed", passed, message="assert 92.1 > 93\n  more")) == "Assert 92.1 > 93"
    error = a_test("error", an_error(), message="pytest_vmaf.ClipError: out.mp4 does not exist.\nCheck the path.")
    assert explain(error) == "ClipError: out.mp4 does not exist."
    long = explain(a_test("error", message="x" * 999))
    assert len(long) == 201
    caught = a_test("passed", a_measurement(32.0, 30.0, min_neg=91))
    assert explain(caught).startswith("A gate failed in this test, and the test caught the error")
