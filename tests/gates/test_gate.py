"""Gates: grammar, precedence, verdicts and messages."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings, strategies as st
from scoring.builders import a_result

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.gates.defaults import DEFAULT_GATES
from pytest_vmaf.gates.gate import Gate, effective, judge, parse_assignment, parse_gate, refuse_twice
from pytest_vmaf.gates.messages import describe
from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS, STREAM_METRICS
from pytest_vmaf.scoring.features import feature_columns
from pytest_vmaf.scoring.pools import POOLS

METRICS = (*BASE_METRICS, *feature_columns())
#: A result that is not compared with a baseline.
NOTHING = SimpleNamespace(failed=[], lines=[], also=[])
HUGE = pytest.param(10**400, id="an int past every float")
#: Every gate takes these: one on a score takes no share and nothing above 100.
limits = st.floats(1, 100) | st.integers(-200, 100)
few = settings(max_examples=25, deadline=None)


@few
@given(st.sampled_from(["min", "max"]), st.sampled_from(METRICS), st.none() | st.sampled_from(POOLS), limits)
def test_grammar(bound, metric, pool, limit):
    name = f"{bound}_{metric}" + (f"_{pool}" if pool else "")
    gate = parse_gate(name, limit, "call")
    assert (gate.name, gate.bound, gate.metric, gate.pool) == (name, bound, metric, pool or "mean")
    assert gate.limit == float(limit)
    assert gate.origin == "call"


@pytest.mark.parametrize("name", ["min_neg_p25", "max_gap_p99", "min_psnr_y_p50"])
def test_percentiles(name):
    assert parse_gate(name, 5, "call").pool == name.rpartition("_")[2]


@pytest.mark.parametrize("name", ["min_neg_worst_1s", "max_gap_worst_24f", "min_psnr_y_worst_2s", "min_neg_worst_shot"])
def test_windows(name):
    metric, _, pool = name[4:].rpartition("_worst_")
    gate = parse_gate(name, 5, "call")
    assert (gate.metric, gate.pool) == (metric, f"worst_{pool}")


def test_worst_window_is_judged():
    frames = (*(95.0,) * 30, *(60.0,) * 25, *(95.0,) * 30)
    result = a_result(frames, frames)
    gate = parse_gate("min_neg_worst_1s", 70, "call")
    [verdict] = judge(result, [gate])
    assert (verdict.value, verdict.passed) == (60.0, False)
    message = describe(result, [verdict], NOTHING)
    assert message.startswith("NEG worst_1s 60.000 < 70 (1 of 1 gate")
    assert "worst part: frame 30 (0:00:01.200) to frame 54 (0:00:02.160)" in message
    with pytest.raises(MeasurementError, match=r"worst_9s .* is longer than the clip of 85 frames"):
        judge(result, [parse_gate("min_neg_worst_9s", 70, "call")])


@pytest.mark.parametrize("name", ["min_neg_p0", "min_neg_p100", "min_neg_p05", "min_neg_p2.5"])
def test_no_percentiles(name):
    with pytest.raises(SettingsError, match=r"has an unknown pool\..* p1 to p99"):
        parse_gate(name, 5, "call")


@pytest.mark.parametrize(("name", "limit"), [("min_neg", 101), ("min_vmaf_p5", 0.93), ("min_neg_roi", 930)])
def test_limit_must_be_on_the_scale(name, limit):
    with pytest.raises(SettingsError, match=rf"The limit of {name} \(ini\) must be a score from 0 to 100"):
        parse_gate(name, limit, "ini")


@pytest.mark.parametrize("name", ["max_bitrate", "min_bitrate", "max_size"])
def test_stream_gates(name):
    gate = parse_gate(name, "2000000", "command line")
    assert (gate.metric, gate.limit) == (name[4:], 2_000_000)
    with pytest.raises(SettingsError, match=rf"{name[4:]} has no pools\. Write {name}\."):
        parse_gate(f"{name}_p5", 1, "call")


def test_both_names_of_above_100():
    one, other = (parse_gate(name, 5, "call") for name in ("above_100", "max_above_100"))
    assert one.key == other.key
    assert one.limit == other.limit == 5


@few
@given(st.sampled_from(["min", "max"]), st.sampled_from(METRICS), st.sampled_from(POOLS), limits)
def test_assignment(bound, metric, pool, limit):
    name = f"{bound}_{metric}_{pool}"
    assert parse_assignment(f" {name} = {limit!r} ", "ini") == parse_gate(name, limit, "ini")


words = st.sampled_from(
    ["min", "max", "neg", "vmaf", "gap", "p5", "psnr_y", "psnr_hvs", "y", "stdev", "=", "93", "", " "]
)
texts = st.text(max_size=20) | st.lists(words, max_size=5).map("_".join)


@few
@given(texts, st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.integers()))
def test_random_names_and_limits(name, limit):
    try:
        gate = parse_gate(name, limit, "marker")
    except SettingsError as error:
        gate, message = None, str(error)
    if gate is None:
        assert "marker" in message
    else:
        assert gate.name == name
        assert gate.metric in (*METRICS, ABOVE, *STREAM_METRICS)
        assert gate.limit is None or math.isfinite(gate.limit)


@few
@given(texts)
def test_random_assignments(text):
    try:
        text = str(parse_assignment(text, "command line"))
    except SettingsError as error:
        text = str(error)
    assert "command line" in text


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("min_ngg", " Did you mean 'min_neg'?"),
        ("min_negg", " Did you mean 'min_neg'?"),
        ("neg_min", " Did you mean 'min_neg'?"),
        ("max_dropp", " Did you mean 'max_drop'?"),
        ("min_psnr", " Did you mean 'min_psnr_y'?"),
        ("minimum_neg", " Did you mean 'min_neg'?"),
        ("above100", " Did you mean 'above_100'?"),
        ("min_ngg_p5", " Did you mean 'min_neg_p5'?"),
        ("max_gap_dropp", " Did you mean 'max_gap_drop'?"),
        ("min_above_100", " Metrics: vmaf"),
        ("min_dropp", " Metrics: vmaf"),
        ("min_neg_avg", " Pools: mean, min, max, median"),
        ("min_neg_harmonic", " Did you mean 'min_neg_harmonic_mean'?"),
        ("quality", " Gates are"),
        ("min_quality", " Metrics: vmaf, neg, gap"),
        ("min_vif", " The metrics of vif are integer_vif_scale0, integer_vif_scale1, "),
        ("min_xpsnr_p5", " Did you mean 'min_xpsnr_y_p5'?"),
    ],
)
def test_wrong_name_gets_a_hint(name, hint):
    with pytest.raises(
        SettingsError, match=rf"^'{name}' \(ini\) (is not a gate|has an unknown (metric|pool))\."
    ) as caught:
        parse_gate(name, 1, "ini")
    assert f".{hint}" in str(caught.value)
    assert "None" not in str(caught.value)


@pytest.mark.parametrize(
    "limit", ["", "nan", "inf", "-inf", "1e999", HUGE, math.nan, math.inf, "93%", True, [93], "on"]
)
def test_limit_must_be_a_number(limit):
    with pytest.raises(SettingsError, match=r"The limit of min_neg \(marker\) must be a finite number or off, not "):
        parse_gate("min_neg", limit, "marker")


@pytest.mark.parametrize("text", ["min_neg=70 max_gap=5", "min_neg=70, max_gap=5"])
@pytest.mark.parametrize(
    ("origin", "hint"), [("ini", "Write one gate per line."), ("command line", "Repeat the option for each gate.")]
)
def test_two_gates_in_one(text, origin, hint):
    with pytest.raises(SettingsError, match=rf"not '70.* {hint}"):
        parse_assignment(text, origin)


def test_assignment_without_limit():
    with pytest.raises(SettingsError, match="Write NAME=LIMIT, for example min_neg=93"):
        parse_assignment("min_neg", "command line")


@pytest.mark.parametrize("off", [None, False, "off", "OFF", "none", "false", "no"])
def test_off(off):
    assert parse_gate("max_gap", off, "marker").limit is None
    assert parse_gate(ABOVE, off, "marker").limit is None


@pytest.mark.parametrize(("limit", "frames"), [(True, 0), ("on", 0), ("True", 0), ("yes", 0), (0, 0), (3, 3), ("3", 3)])
def test_above_100_limits(limit, frames):
    assert parse_gate(ABOVE, limit, "call") == Gate(ABOVE, "max", ABOVE, "count", frames, "call")


@pytest.mark.parametrize("limit", [-1, 1.5, "some", "", math.nan, HUGE, [1]])
def test_above_100_limit_is_checked(limit):
    with pytest.raises(SettingsError, match=r"above_100 \(call\) must be on, off or a number of frames, not "):
        parse_gate(ABOVE, limit, "call")


def layer(origin: str, **gates: object) -> list[Gate]:
    """The gates of one place."""
    return [parse_gate(name, limit, origin) for name, limit in gates.items()]


def test_nearer_origin_wins():
    gates = effective(
        [layer("call", min_neg=95), layer("ini", min_neg=90, max_contrast=2), layer("default", **DEFAULT_GATES)]
    )
    set_elsewhere = {("min_neg", 95, "call"), ("max_contrast", 2, "ini")}
    defaults = {(name, float(limit) if limit is not True else 0, "default") for name, limit in DEFAULT_GATES.items()}
    assert {(gate.name, gate.limit, gate.origin) for gate in gates} == set_elsewhere | {
        each for each in defaults if each[0] != "max_contrast"
    }


def test_off_overrides_farther_origin():
    off = dict.fromkeys(DEFAULT_GATES, "off") | {ABOVE: False}
    gates = effective([layer("marker", **off), layer("default", **DEFAULT_GATES)])
    assert gates == ()


def test_default_pool_is_the_same_gate():
    (gate,) = effective([layer("call", min_neg_mean=95), layer("ini", min_neg=90)])
    assert (gate.name, gate.limit) == ("min_neg_mean", 95)
    assert len(effective([layer("call", min_neg=95, max_neg=99, min_neg_p5=90)])) == 3


@few
@given(st.floats(0, 100), st.floats(1, 100))
@example(93.5, 93.5)
def test_limits_are_inclusive(value, limit):
    result = a_result((value,), (value,))
    at_least, at_most = judge(result, layer("call", min_neg=limit, max_neg=limit))
    assert at_least.passed == (value >= limit)
    assert at_most.passed == (value <= limit)
    assert at_least.value == value


def test_each_pool_has_its_value():
    result = a_result((60.0, 80.0, 100.0), (50.0, 70.0, 90.0))
    limits = {f"min_neg_{pool}": 0 for pool in POOLS}
    values = {verdict.gate.pool: verdict.value for verdict in judge(result, layer("call", **limits))}
    score = result.neg
    assert values == {pool: float(getattr(score, pool)) for pool in POOLS}
    assert len(set(values.values())) == len(POOLS) - 1  # the median is the mean here


def test_above_100_counts_frames():
    result = a_result((101.0, 103.0), (93.0, 94.0), above=((0, 101.0, 100.5), (1, 103.0, 101.0)))
    verdicts = [judge(result, layer("call", above_100=allowed))[0] for allowed in (0, 1, 2)]
    assert [verdict.passed for verdict in verdicts] == [False, False, True]
    assert verdicts[0].value == 2


def test_off_is_not_judged():
    assert judge(a_result(), layer("call", min_neg="off")) == ()


def test_feature_of_a_column():
    (gate,) = layer("call", min_psnr_hvs_y_p5=30)
    assert (gate.metric, gate.pool, gate.feature) == ("psnr_hvs_y", "p5", "psnr_hvs")
    assert parse_gate("min_neg", 93, "call").feature is None


def test_str():
    assert str(parse_gate("min_neg_p5", "85", "marker")) == "min_neg_p5=85 (marker)"
    assert str(parse_gate(ABOVE, True, "default")) == "above_100=0 (default)"


def test_message_lists_everything():
    result = a_result((104.0, 99.0, 97.0), (90.0, 95.0, 80.0), above=((0, 104.0, 101.25),))
    gates = layer("marker", min_neg=93, min_vmaf=95) + layer("default", max_gap=3, above_100=True)
    text = describe(result, judge(result, gates), NOTHING)
    first, *rest = text.splitlines()
    assert "NEG 88.333 < 93; gap 11.667 > 3; 1 frame" in first
    assert "above 100 and the reference's own score, 0 allowed" in first
    assert "(3 of 4 gates failed)" in first
    body = "\n".join(rest)
    assert "min_neg: NEG 88.333 < 93 (missed by 4.67; set by the marker)" in body
    assert "worst frames: frame 2 (0:00:00.080) 80.00; frame 0 (0:00:00.000) 90.00" in body
    assert "worst frames: frame 2 (0:00:00.080) 17.00" in body
    assert "missed by 1 frame; set by the default" in body
    assert "frame 0 (0:00:00.000) 104.00, self-score 101.25" in body
    assert "  passed: VMAF 98.667 ≥ 95" in body
    assert "reference: ref.y4m" in body
    assert "distorted: out.mp4" in body
    assert "libvmaf 3.2.1" in body
    assert "enhancement" in body


def test_low_score_without_advice():
    result = a_result()
    text = describe(result, judge(result, layer("call", min_neg_p5=94)), NOTHING)
    assert "NEG p5 93.050 < 94" in text.splitlines()[0]
    assert "1 of 1" in text.splitlines()[0]
    assert "enhancement" not in text
    assert "passed:" not in text


def test_message_includes_the_baseline():
    result = a_result()
    compared = SimpleNamespace(
        failed=["NEG fell"], lines=["accept it: --vmaf-baseline-update"], also=["gap is as before"]
    )
    first, *rest = describe(result, judge(result, layer("call", min_neg=93)), compared).splitlines()
    assert first == "NEG fell (1 of 3 gates failed)"
    assert rest[:2] == ["  accept it: --vmaf-baseline-update", "  passed: NEG 93.500 ≥ 93; gap is as before"]


def test_one_gate_by_two_names():
    refuse_twice(layer("call", min_neg=95, max_neg=99))
    with pytest.raises(SettingsError, match=r"^min_neg and min_neg_mean \(call\) are the same gate\."):
        refuse_twice(layer("call", min_neg=95, min_neg_mean=95))


def test_bd_rate_has_no_gate() -> None:
    with pytest.raises(SettingsError, match=r"assert on comparison\.bd_rate\(…\), or pass baseline=True and "):
        parse_gate("max_bd_rate", -10, "call")
