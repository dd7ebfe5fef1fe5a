"""Features beside the score: their names, options and columns, as users write them and as libvmaf logs them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf import FakeScorer, GateViolation, Vmaf
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.scoring.features import (
    every_column_of,
    feature_columns,
    higher_is_better,
    logged_column,
    requested_features,
    resolve_feature,
)
from pytest_vmaf.scoring.models import registry

few = settings(max_examples=25, deadline=None)


@few
@given(st.sampled_from(sorted(set(feature_columns()) - {"motion"})))
def test_feature_of_a_column(column):
    assert column in every_column_of(resolve_feature(column))


def test_motion_is_a_feature_before_it_is_a_column():
    assert resolve_feature("motion") == "motion"
    assert feature_columns()["motion"] == "float_motion"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ssim", "float_ssim"),
        ("ms_ssim", "float_ms_ssim"),
        ("psnrr", "psnr"),
        ("camby", "cambi"),
        ("adm_ng", "adm_neg"),
        ("float_adm2", "adm2"),
        ("integer_adm2_egl_1", "integer_adm2_neg"),
        ("VMAF_integer_feature_vif_scale0_egl_1_score", "integer_vif_scale0_neg"),
        ("VMAF_feature_motion2_score", "motion2"),
    ],
)
def test_unknown_feature(wrong, right):
    with pytest.raises(
        SettingsError, match=rf"'{wrong}' is not a libvmaf feature\. Did you mean '{right}'\? Features: psnr, "
    ):
        resolve_feature(wrong)


def test_higher_is_better():
    worse_when_higher = {"gap", "cambi", "speed_chroma_u", "speed_chroma_v", "speed_chroma_uv", "speed_temporal"}
    worse_when_higher |= {f"{kind}aim{neg}" for kind in ("", "integer_") for neg in ("", "_neg")}
    assert {
        name for name in ("vmaf", "neg", "gap", *feature_columns()) if not higher_is_better(name)
    } == worse_when_higher


def test_columns_of_every_feature(score, footage, encode):
    reference = footage("320x180", 2)
    result = score(reference, encode(reference), features=tuple(registry()["features"]))
    assert set(result.features) == set(feature_columns())
    assert all(len(feature.frames) == 2 for feature in result.features.values())
    assert all(feature.scale.low is None for feature in result.features.values())


# Options


def test_options_are_sorted_and_short():
    written = "cambi=enc_width=960:enc_height=0540:cambi_topk=0.50"
    assert resolve_feature(written) == "cambi=cambi_topk=0.5:enc_height=540:enc_width=960"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cambi=", "must be NAME=OPTION=VALUE"),
        ("cambi=window_size", "must be NAME=OPTION=VALUE"),
        ("cambi=window_size=33:", "must be NAME=OPTION=VALUE"),
        ("cambi=window_sise=33", "no option 'window_sise'. Did you mean 'window_size'"),
        ("cambi=window_size=33:window_size=35", "the option window_size twice"),
        ("cambi=window_size=x", "window_size must be a whole number from 15 to 127, not 'x'"),
        ("cambi=window_size=33.5", "window_size must be a whole number from 15 to 127, not '33.5'"),
        ("cambi=cambi_topk=nan", "cambi_topk must be a number from 0.0001 to 1, not 'nan'"),
        ("cambi=cambi_topk=inf", "cambi_topk must be a number"),
        ("cambi=enc_width=960", "both enc_width and enc_height, or neither"),
        ("cambi=enc_width=200:enc_height=150", "at least 216"),
        ("psnr=min_sse=1", "psnr has no options here"),
        ("adm_neg=adm_enhn_gain_limit=1.2", "adm_neg has no options here"),
        ("nothing=a=1", "'nothing' is not a libvmaf feature"),
    ],
)
def test_invalid_options(text, message):
    with pytest.raises(SettingsError) as error:
        resolve_feature(text)
    assert message in str(error.value)


def test_options_include_the_plain_feature():
    assert requested_features(["psnr", "cambi", "cambi=window_size=33", "cambi"]) == ("psnr", "cambi=window_size=33")
    with pytest.raises(SettingsError, match="one set of options at a time, not with window_size=33 and window_size=35"):
        requested_features(["cambi=window_size=33", "cambi=window_size=35"])


@pytest.mark.parametrize(
    ("column", "options", "logged"),
    [
        ("integer_adm2_neg", {"adm_enhn_gain_limit": "1"}, "integer_adm2_egl_1"),
        ("vif_scale3_neg", {"vif_enhn_gain_limit": "1"}, "vif_scale3_egl_1"),
        ("motion2", {}, "motion2"),
        ("cambi", {"window_size": "65", "cambi_topk": "0.6"}, "cambi"),
        ("cambi", {"window_size": "33", "enc_bitdepth": "8"}, "cambi_encbd_8_ws_33"),
    ],
)
def test_name_in_the_log(column, options, logged):
    assert logged_column(column, feature_columns()[column], options) == logged


def test_options_are_part_of_the_scale(score, footage, encode):
    reference = footage("320x180", 2)
    encoded = encode(reference)
    plain = score(reference, encoded, features=("cambi",))["cambi"]
    other = score(reference, encoded, features=("cambi=window_size=33",))["cambi"]
    assert float(plain) != float(other)
    assert str(other.scale) == "cambi (window_size=33) at 320x180"
    with pytest.raises(TypeError, match="different scales"):
        assert plain < other


def test_encode_larger_than_the_picture(score, footage):
    reference = footage("320x180", 2)
    with pytest.raises(SettingsError, match="CAMBI's encode of 640x360 must not be larger than the picture of 320x180"):
        score(reference, reference, features=("cambi=enc_width=640:enc_height=360",))


def test_picture_too_small_for_cambi(footage, score):
    reference = footage("176x144", 2)
    with pytest.raises(SettingsError, match="CAMBI needs 216 pixels on the longer side of the picture, not 176x144"):
        score(reference, reference, features=("cambi",))


def test_columns_of_other_versions():
    gate = Vmaf(cache=False)
    old = {f"integer_adm_scale{scale}": 0.9 for scale in range(4)} | {"integer_adm2": 0.9}
    assert "integer_aim" not in gate.score("a.y4m", "b.y4m", scorer=FakeScorer(features=old), features="adm").features
    with pytest.raises(MeasurementError, match=r"integer_aim was not measured: libvmaf none does not give it \(adm\)"):
        gate.check("a.y4m", "b.y4m", scorer=FakeScorer(features=old), gates={"max_integer_aim": 0.1})
    new = FakeScorer(features={**old, "integer_aim": 0.05})
    assert gate.check("a.y4m", "b.y4m", scorer=new, gates={"max_integer_aim": 0.1})["integer_aim"] == 0.05
    with pytest.raises(GateViolation, match=r"integer_aim 0\.05"):
        gate.check("a.y4m", "b.y4m", scorer=new, gates={"max_integer_aim": 0.01})


def test_options_and_gates_request_the_feature_once():
    scorer = FakeScorer(features={"cambi": 2.0})
    result = Vmaf(cache=False).check("a.y4m", "b.y4m", scorer=scorer, features="cambi=window_size=33", max_cambi=5)
    assert str(result["cambi"].scale) == "cambi (window_size=33) at 1920x1080"
    assert result.provenance["notes"] == ["cambi is measured with window_size=33"]
