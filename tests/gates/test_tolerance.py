"""Tolerances: names, limits and hints."""

from __future__ import annotations

import math

import pytest

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.gate import refuse_twice
from pytest_vmaf.gates.tolerance import is_tolerance, parse_tolerance


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("max_ngg_drop", "has an unknown metric. Did you mean 'max_neg_drop'? Metrics: vmaf, neg, gap"),
        ("max_quality_drop", "has an unknown metric. Metrics: vmaf, neg, gap"),
        ("drop_max_gap", "is not a tolerance. Tolerances are max_"),
        ("max_drop_meen", "has an unknown pool. Did you mean 'max_drop_mean'? Pools: mean"),
        ("max_drop_average", "has an unknown pool. Pools: mean"),
    ],
)
def test_wrong_name_gets_a_hint(name, problem):
    with pytest.raises(SettingsError) as caught:
        parse_tolerance(name, 1, "ini")
    assert str(caught.value).startswith(f"'{name}' (ini) {problem}")


def test_search_metrics_have_no_pools():
    with pytest.raises(SettingsError, match=r"bitrate has no pools\. Write max_bitrate_rise\."):
        parse_tolerance("max_bitrate_rise_p5", 1, "call")


@pytest.mark.parametrize("limit", [-1, "-1%", "many", "off%", True, math.nan, [1], "%"])
def test_limit_must_be_a_number(limit):
    with pytest.raises(SettingsError, match=r"max_drop \(call\) must be a finite number from 0, a percentage such as"):
        parse_tolerance("max_drop", limit, "call")


@pytest.mark.parametrize("off", [None, False, "off", "None"])
def test_off(off):
    tolerance = parse_tolerance("max_drop", off, "call")
    assert (tolerance.limit, tolerance.relative, str(tolerance)) == (None, False, "max_drop=off (call)")


def test_one_tolerance_by_two_names():
    twice = [parse_tolerance(name, 1, "call") for name in ("max_drop", "max_neg_drop_mean")]
    with pytest.raises(SettingsError, match=r"max_drop and max_neg_drop_mean \(call\) are the same tolerance"):
        refuse_twice(twice, "tolerance")


def test_is_tolerance():
    assert is_tolerance("max_drop")
    assert is_tolerance("max_ngg_rise_p6")
    assert not is_tolerance("max_gap")


def test_feature_of_a_column():
    assert parse_tolerance("max_psnr_y_drop", 1, "call").feature == "psnr"
    assert parse_tolerance("max_drop", 1, "call").feature is None
