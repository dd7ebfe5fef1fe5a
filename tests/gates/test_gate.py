"""Gates: their grammar, who wins, when one holds, and how a violation is worded."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring.builders import a_result

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import DEFAULT_GATES, Gate, effective, judge, parse_assignment, parse_gate
from pytest_vmaf.gates.messages import describe
from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS
from pytest_vmaf.scoring.models import feature_columns
from pytest_vmaf.scoring.score import POOLS

METRICS = (*BASE_METRICS, *feature_columns())
HUGE = pytest.param(10**400, id="an int past every float")
limits = st.floats(-1e6, 1e6) | st.integers(-200, 200)


@given(st.sampled_from(["min", "max"]), st.sampled_from(METRICS), st.none() | st.sampled_from(POOLS), limits)
def test_every_name_of_the_grammar_is_read(bound, metric, pool, limit):
    name = f"{bound}_{metric}" + (f"_{pool}" if pool else "")
    gate = parse_gate(name, limit, "call")
    assert (gate.name, gate.bound, gate.metric, gate.pool) == (name, bound, metric, pool or "mean")
    assert gate.limit == float(limit)
    assert gate.origin == "call"


@given(st.sampled_from(["min", "max"]), st.sampled_from(METRICS), st.sampled_from(POOLS), limits)
def test_an_assignment_reads_as_its_parts(bound, metric, pool, limit):
    name = f"{bound}_{metric}_{pool}"
    assert parse_assignment(f" {name} = {limit!r} ", "ini") == parse_gate(name, limit, "ini")


words = st.sampled_from(
    ["min", "max", "neg", "vmaf", "gap", "p5", "psnr_y", "psnr_hvs", "y", "stdev", "=", "93", "", " "]
)
texts = st.text(max_size=20) | st.lists(words, max_size=5).map("_".join)


@given(texts, st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.integers()))
def test_any_other_name_or_limit_is_a_settings_error(name, limit):
    try:
        gate = parse_gate(name, limit, "marker")
    except SettingsError as error:
        gate, said = None, str(error)
    if gate is None:
        assert "marker" in said
    else:
        assert gate.name == name
        assert name == ABOVE or gate.metric in METRICS
        assert gate.limit is None or math.isfinite(gate.limit)


@given(texts)
def test_any_other_assignment_is_a_settings_error(text):
    try:
        said = str(parse_assignment(text, "command line"))
    except SettingsError as error:
        said = str(error)
    assert "command line" in said


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("min_ngg", "'min_neg'"),
        ("min_psnr", "'min_psnr_y'|'min_psnr_cb'|'min_psnr_cr'"),
        ("min_neg_p6", "'min_neg_p5'"),
        ("min_neg_avg", "There are mean, min, max, median"),
        ("minimum_neg", "'min_neg'"),
        ("neg", "'min_neg'|'max_neg'"),
        ("above100", "'above_100'"),
        ("max_above_100", "max_"),
    ],
)
def test_a_wrong_name_gets_the_nearest_right_one(name, hint):
    with pytest.raises(SettingsError, match=rf"'{name}' \(ini\).*({hint})"):
        parse_gate(name, 1, "ini")


@pytest.mark.parametrize(
    "limit", ["", "nan", "inf", "-inf", "1e999", HUGE, math.nan, math.inf, "93%", True, [93], "on"]
)
def test_a_limit_that_is_no_number_is_refused(limit):
    with pytest.raises(SettingsError, match=r"The limit of min_neg \(marker\) is .*; it is a finite number, or off"):
        parse_gate("min_neg", limit, "marker")


def test_an_assignment_without_a_limit_shows_how_one_looks():
    with pytest.raises(SettingsError, match="write NAME=LIMIT, as min_neg=93"):
        parse_assignment("min_neg", "command line")


@pytest.mark.parametrize("off", [None, False, "off", "OFF", "none", "false", "no"])
def test_a_gate_can_be_switched_off(off):
    assert parse_gate("max_gap", off, "marker").limit is None
    assert parse_gate(ABOVE, off, "marker").limit is None


@pytest.mark.parametrize(("limit", "frames"), [(True, 0), ("on", 0), ("True", 0), ("yes", 0), (0, 0), (3, 3), ("3", 3)])
def test_above_100_takes_on_or_a_number_of_frames(limit, frames):
    assert parse_gate(ABOVE, limit, "call") == Gate(ABOVE, "max", ABOVE, "count", frames, "call")


@pytest.mark.parametrize("limit", [-1, 1.5, "some", "", math.nan, HUGE, [1]])
def test_above_100_takes_nothing_else(limit):
    with pytest.raises(SettingsError, match=r"above_100 \(call\)"):
        parse_gate(ABOVE, limit, "call")


def layer(origin: str, **gates: object) -> list[Gate]:
    """The gates of one place."""
    return [parse_gate(name, limit, origin) for name, limit in gates.items()]


def test_the_nearer_origin_wins():
    gates = effective(
        [layer("call", min_neg=95), layer("ini", min_neg=90, max_gap=2), layer("default", **DEFAULT_GATES)]
    )
    assert {(gate.name, gate.limit, gate.origin) for gate in gates} == {
        ("min_neg", 95, "call"),
        ("max_gap", 2, "ini"),
        (ABOVE, 0, "default"),
    }


def test_off_takes_back_what_a_farther_origin_asks():
    gates = effective([layer("marker", max_gap="off", above_100=False), layer("default", **DEFAULT_GATES)])
    assert gates == ()


def test_a_name_with_and_without_its_default_pool_is_one_gate():
    (gate,) = effective([layer("call", min_neg_mean=95), layer("ini", min_neg=90)])
    assert (gate.name, gate.limit) == ("min_neg_mean", 95)
    assert len(effective([layer("call", min_neg=95, max_neg=99, min_neg_p5=90)])) == 3


@given(st.floats(0, 100), st.floats(0, 100))
def test_holds_exactly_when_the_value_is_on_its_side_of_the_limit(value, limit):
    result = a_result((value,), (value,))
    at_least, at_most = judge(result, layer("call", min_neg=limit, max_neg=limit))
    assert at_least.passed == (value >= limit)
    assert at_most.passed == (value <= limit)
    assert at_least.value == value


def test_equality_passes():
    assert all(verdict.passed for verdict in judge(a_result(), layer("call", min_neg=93.5, max_gap=2, max_neg=93.5)))


def test_each_pool_is_held_against_its_own_value():
    result = a_result((60.0, 80.0, 100.0), (50.0, 70.0, 90.0))
    asked = {f"min_neg_{pool}": 0 for pool in POOLS}
    values = {verdict.gate.pool: verdict.value for verdict in judge(result, layer("call", **asked))}
    score = result.neg
    assert values == {pool: float(getattr(score, pool)) for pool in POOLS}
    assert len(set(values.values())) == len(POOLS) - 1  # the median is the mean here


def test_above_100_counts_frames():
    result = a_result((101.0, 103.0), (93.0, 94.0), above=((0, 101.0, 100.5), (1, 103.0, 101.0)))
    verdicts = [judge(result, layer("call", above_100=allowed))[0] for allowed in (0, 1, 2)]
    assert [verdict.passed for verdict in verdicts] == [False, False, True]
    assert verdicts[0].value == 2


def test_a_gate_that_is_off_is_not_judged():
    assert judge(a_result(), layer("call", min_neg="off")) == ()


def test_features_are_gated_by_column_and_name_the_feature_they_need():
    (gate,) = layer("call", min_psnr_hvs_y_p5=30)
    assert (gate.metric, gate.pool, gate.feature) == ("psnr_hvs_y", "p5", "psnr_hvs")
    assert parse_gate("min_neg", 93, "call").feature is None


def test_a_gate_is_shown_with_its_origin():
    assert str(parse_gate("min_neg_p5", "85", "marker")) == "min_neg_p5=85 (marker)"
    assert str(parse_gate(ABOVE, True, "default")) == "above_100=0 (default)"


def test_a_failure_lists_every_violation_with_its_worst_frames_and_what_held():
    result = a_result((104.0, 99.0, 97.0), (90.0, 95.0, 80.0), above=((0, 104.0, 101.25),))
    gates = layer("marker", min_neg=93, min_vmaf=95) + layer("default", **DEFAULT_GATES)
    text = describe(result, judge(result, gates))
    first, *rest = text.splitlines()
    assert "NEG 88.333 < 93; gap 11.667 > 3; 1 frame" in first
    assert "above 100 and the reference's own score, 0 allowed" in first
    assert "3 of 4" in first
    body = "\n".join(rest)
    assert "min_neg: NEG 88.333 < 93 (missed by 4.67; set by the marker)" in body
    assert "worst frames: frame 2 (0:00:00.080) 80.00; frame 0 (0:00:00.000) 90.00" in body
    assert "worst frames: frame 2 (0:00:00.080) 17.00" in body
    assert re.search(r"missed by 1 frames?; set by the default", body)
    assert "frame 0 (0:00:00.000) 104.00, self-score 101.25" in body
    assert "held: VMAF 98.667 ≥ 95" in body
    assert "reference: ref.y4m" in body
    assert "distorted: out.mp4" in body
    assert "libvmaf 3.2.1" in body
    assert "enhancement" in body


def test_a_low_score_alone_brings_no_advice_on_enhancement():
    result = a_result()
    text = describe(result, judge(result, layer("call", min_neg_p5=94)))
    assert "NEG p5 93.050 < 94" in text.splitlines()[0]
    assert "1 of 1" in text.splitlines()[0]
    assert "enhancement" not in text
    assert "held:" not in text
