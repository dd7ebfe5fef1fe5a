"""The VMAF models: the pair of a name, size or file, and what libvmaf makes of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import ModelError, ScorerError, SettingsError
from pytest_vmaf.scoring.models import (
    ModelPair,
    model_names,
    registry,
    resolve_model,
)

few = settings(max_examples=25, deadline=None)

HD = {"width": 1920, "height": 1080}
UHD = {"width": 3840, "height": 2160}
ENTRIES = registry()["models"]
#: The bootstrap models do not load in ffmpeg's filter.
IN_FFMPEG = [entry["name"] for entry in ENTRIES if not entry.get("bootstrap")]
V1 = {"vmaf_v1.0.16_3d0h", "vmaf_v1.0.16_5d0h", "vmaf_v1.0.16_1d5h_2160", "vmaf_v1.0.16_3d0h_2160"}


@pytest.mark.parametrize("name", model_names())
def test_pair_by_either_name(name):
    entry = next(e for e in ENTRIES if name in (e["name"], e.get("neg")))
    pair = resolve_model(name, **UHD)
    assert pair == resolve_model(entry["name"], **UHD)
    assert (pair.default.column, pair.neg.column) == ("vmaf", "neg")
    assert (pair.default.version, pair.low, pair.high) == (entry["name"], *entry["range"])
    assert pair.default != pair.neg
    assert pair.name != pair.neg_name
    assert pair.generation == entry["generation"]


def test_published_neg_model():
    pair = resolve_model("vmaf_v0.6.1", **HD)
    assert (pair.default.version, pair.neg.version) == ("vmaf_v0.6.1", "vmaf_v0.6.1neg")
    assert pair.default.overrides == pair.neg.overrides == ()
    assert pair.label == "vmaf_v0.6.1 / vmaf_v0.6.1neg"


def test_v1_pair():
    pair = resolve_model(generation="v1", **HD)
    assert pair.neg.version == pair.default.version == "vmaf_v1.0.16_3d0h"
    assert pair.neg.overrides == ()
    assert pair.default.overrides == (("adm.adm_enhn_gain_limit", "100"),)
    assert (pair.name, pair.neg_name) == ("vmaf_v1.0.16_3d0h credited", "vmaf_v1.0.16_3d0h")


def test_gain_limited_pair():
    pair = resolve_model("vmaf_float_4k_v0.6.1", **UHD)
    assert dict(pair.neg.overrides) == {"float_adm.adm_enhn_gain_limit": "1", "float_vif.vif_enhn_gain_limit": "1"}
    assert pair.neg_name == "vmaf_float_4k_v0.6.1 gain-limited"


@pytest.mark.parametrize(
    ("generation", "width", "height", "phone", "name"),
    [
        ("v0", 1920, 1080, False, "vmaf_v0.6.1"),
        ("v0", 320, 180, False, "vmaf_v0.6.1"),
        ("v0", 2560, 1440, False, "vmaf_v0.6.1"),
        ("v0", 3840, 1440, False, "vmaf_v0.6.1"),
        ("v0", 3840, 1608, False, "vmaf_4k_v0.6.1"),
        ("v0", 3840, 2160, False, "vmaf_4k_v0.6.1"),
        ("v0", 2160, 3840, False, "vmaf_4k_v0.6.1"),
        ("v0", 1080, 1920, False, "vmaf_v0.6.1"),
        ("v0", 1920, 1080, True, "vmaf_v0.6.1"),
        ("v0", 3840, 2160, True, "vmaf_v0.6.1"),
        ("v1", 1920, 1080, False, "vmaf_v1.0.16_3d0h"),
        ("v1", 3840, 2160, False, "vmaf_v1.0.16_1d5h_2160"),
        ("v1", 1920, 1080, True, "vmaf_v1.0.16_5d0h"),
    ],
)
def test_auto(generation, width, height, phone, name):
    pair = resolve_model("auto", generation=generation, phone=phone, width=width, height=height)
    assert pair.default.version == name
    assert pair.phone is phone


def test_named_model_wins():
    assert resolve_model("vmaf_v0.6.1", generation="v1", **UHD).default.version == "vmaf_v0.6.1"


def test_registry_names_exist():
    named = {name for choice in registry()["auto"].values() for name in choice.values()}
    named |= {entry["phone"] for entry in ENTRIES if entry["phone"] not in (None, "transform")}
    assert named <= set(model_names())


def test_phone_mode_v0():
    pair = resolve_model("vmaf_v0.6.1neg", phone=True, **HD)
    assert pair.default.transform
    assert pair.neg.transform
    assert pair.label == "vmaf_v0.6.1 (phone) / vmaf_v0.6.1neg (phone)"
    assert not resolve_model("vmaf_v0.6.1", **HD).default.transform


def test_phone_mode_v1():
    pair = resolve_model("vmaf_v1.0.16_hfr_3d0h", phone=True, **HD)
    assert pair.default.version == pair.neg.version == "vmaf_v1.0.16_hfr_5d0h"
    assert not pair.default.transform
    assert pair.phone


@pytest.mark.parametrize("name", [entry["name"] for entry in ENTRIES if entry["phone"] is None])
def test_no_phone_mode_at_2160_lines(name):
    with pytest.raises(ModelError, match=rf"{name} is for 2160-line displays and has no phone mode\. Leave out phone"):
        resolve_model(name, phone=True, **UHD)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("vmaf_v0.61", "vmaf_v0.6.1"),
        ("vmaf_4k", "vmaf_4k_v0.6.1"),
        ("vmaf_v0.6.1.neg", "vmaf_v0.6.1neg"),
    ],
)
def test_unknown_model(wrong, right):
    with pytest.raises(ModelError, match=rf"'{wrong}' is not a known VMAF model\. Did you mean '{right}") as caught:
        resolve_model(wrong, **HD)
    assert all(f"\n  {name}" in str(caught.value) for name in model_names())
    assert "the path of a model's JSON file" in str(caught.value)


def test_unknown_generation():
    with pytest.raises(SettingsError, match="generation must be one of v0, v1, not 'v2'"):
        resolve_model("auto", generation="v2", **HD)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_frames_too_small(entry):
    short, long = entry["min_side"], entry["min_long_side"]
    too_small = [(short - 1, long), (long, short - 1), *([(long - 1, long - 1)] if long > short else [])]
    for width, height in too_small:
        with pytest.raises(
            ModelError, match=rf"Frames of {width}x{height} are too small for .*, which needs {short} pixels"
        ):
            resolve_model(entry["name"], width=width, height=height)
    assert resolve_model(entry["name"], width=long, height=short) == resolve_model(
        entry["name"], width=short, height=long
    )


# Models by their files


def model_json(folder: Path, name: str = "mine.json", **changes: object) -> Path:
    """A file with those parts of a VMAF model that are read."""
    model = {
        "feature_names": [
            "VMAF_integer_feature_adm2_score",
            "VMAF_integer_feature_motion2_score",
            "VMAF_integer_feature_vif_scale0_score",
        ],
        "score_clip": [0, 100],
        **changes,
    }
    path = folder / name
    path.write_text(json.dumps({"model_dict": {key: value for key, value in model.items() if value is not None}}))
    return path


def test_file_pair(tmp_path):
    path = model_json(tmp_path)
    pair = resolve_model(str(path), **HD)
    assert pair.default.path == pair.neg.path == path
    assert dict(pair.default.overrides) == {"adm.adm_enhn_gain_limit": "100", "vif.vif_enhn_gain_limit": "100"}
    assert dict(pair.neg.overrides) == {"adm.adm_enhn_gain_limit": "1", "vif.vif_enhn_gain_limit": "1"}
    assert (pair.low, pair.high, pair.generation) == (0, 100, "v0")
    assert "sha256" in pair.name
    assert pair.neg_name == f"{pair.name} gain-limited"


@pytest.mark.parametrize("limit", [1, 1.0, "1", "1.0"])
def test_neg_file(tmp_path, limit):
    options = [{"adm_enhn_gain_limit": limit}, {}, {"vif_enhn_gain_limit": limit}]
    pair = resolve_model(str(model_json(tmp_path, feature_opts_dicts=options)), **HD)
    assert dict(pair.neg.overrides) == {"adm.adm_enhn_gain_limit": "1", "vif.vif_enhn_gain_limit": "1"}
    assert dict(pair.default.overrides) == {"adm.adm_enhn_gain_limit": "100", "vif.vif_enhn_gain_limit": "100"}
    assert pair.name == f"{pair.neg_name} credited"


@pytest.mark.parametrize(
    "options",
    [
        [{"adm_enhn_gain_limit": 100.0}, {}, {"vif_enhn_gain_limit": 100.0}],
        [{"adm_enhn_gain_limit": 10}, {}, {"vif_enhn_gain_limit": "10.0"}],
        [{"adm_enhn_gain_limit": 1}, {}, {"vif_enhn_gain_limit": 100}],
    ],
)
def test_file_cannot_pretend_to_be_neg(tmp_path, options):
    pair = resolve_model(str(model_json(tmp_path, feature_opts_dicts=options)), **HD)
    assert pair.neg_name == f"{pair.name} gain-limited"
    assert dict(pair.neg.overrides) == {"adm.adm_enhn_gain_limit": "1", "vif.vif_enhn_gain_limit": "1"}


def test_float_file(tmp_path):
    names = ["VMAF_feature_adm2_score", "VMAF_feature_vif_scale0_score"]
    pair = resolve_model(str(model_json(tmp_path, feature_names=names)), **HD)
    assert dict(pair.neg.overrides) == {"float_adm.adm_enhn_gain_limit": "1", "float_vif.vif_enhn_gain_limit": "1"}


def test_files_of_one_name(tmp_path):
    (tmp_path / "other").mkdir()
    one = resolve_model(str(model_json(tmp_path)), **HD)
    other = resolve_model(str(model_json(tmp_path / "other", score_clip=[0, 110])), **HD)
    assert one.name.partition("sha256")[2] != other.name.partition("sha256")[2]
    assert other.high == 110


def test_file_named_as_a_known_model(tmp_path):
    path = model_json(
        tmp_path, "vmaf_v1.0.16_5d0h.json", feature_names=["VMAF_integer_feature_adm3_score", "Speed_chroma_x"]
    )
    with pytest.raises(ModelError, match=r"too small .* which needs 266 pixels"):
        resolve_model(str(path), width=265, height=300)
    assert resolve_model(str(path), width=266, height=266).generation == "v1"


@pytest.mark.parametrize("relative", ["mine.json", "./mine.json", "sub/../mine.json"])
def test_relative_path(tmp_path, monkeypatch, relative):
    model_json(tmp_path)
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_model(relative, **HD).default.path.is_absolute()


@pytest.mark.parametrize(
    "changes",
    [
        {"feature_names": None},
        {"feature_names": 3},
        {"score_clip": None},
        {"score_clip": [0]},
        {"score_clip": [100, 0]},
        {"score_clip": ["a", "b"]},
        {"score_clip": [0, 10**400]},
        {"feature_opts_dicts": 7},
        {"feature_opts_dicts": ["ab"]},
        {"feature_opts_dicts": [1]},
    ],
)
def test_file_without_parts(tmp_path, changes):
    with pytest.raises(
        ModelError, match=r"mine\.json is not a VMAF model in JSON with feature_names and score_clip \("
    ):
        resolve_model(str(model_json(tmp_path, **changes)), **HD)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"model_dict": []}', "[" * 100_000, "\xff", '{"a": NaN}'])
def test_file_of_another_kind(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"a\.json is not a VMAF model in JSON"):
        resolve_model(str(tmp_path / "a.json"), **HD)


def test_file_with_infinite_range(tmp_path):
    path = model_json(tmp_path)
    for bound in ("Infinity", "NaN", "1e999"):
        path.write_text(
            json.dumps(
                {"model_dict": {"feature_names": ["VMAF_integer_feature_adm2_score"], "score_clip": [0, "?"]}}
            ).replace('"?"', bound)
        )
        with pytest.raises(ModelError, match="is not a VMAF model in JSON"):
            resolve_model(str(path), **HD)


def test_missing_or_huge_file(tmp_path):
    with pytest.raises(ModelError, match=r"none\.json cannot be read: No such file"):
        resolve_model(str(tmp_path / "none.json"), **HD)
    with pytest.raises(ModelError, match="is not a regular file"):
        resolve_model(f"{tmp_path}/", **HD)
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(ModelError, match=r"huge\.json is too large for a VMAF model"):
        resolve_model(str(tmp_path / "huge.json"), **HD)


def test_file_without_gain(tmp_path):
    path = model_json(tmp_path, feature_names=["VMAF_integer_feature_motion2_score"])
    with pytest.raises(ModelError, match="uses neither adm nor vif, so there is no enhancement gain to leave out"):
        resolve_model(str(path), **HD)


@few
@given(st.text(max_size=12))
def test_random_names(name):
    try:
        resolve_model(name, **HD)
    except ModelError:
        assert name not in model_names()


# What ffmpeg's libvmaf makes of them


@pytest.fixture(scope="session")
def wide(footage, encode):
    """A reference that is large enough for every model, and an encode of it."""
    clip = footage("384x328", 2)
    return clip, encode(clip, 30)


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_FFMPEG)
def test_every_model_scores(name, wide, score):
    result = score(*wide, model=name)
    assert len(result.vmaf.frames) == len(result.neg.frames) == 2
    assert 20 < result.neg <= result.vmaf.scale.high
    assert result.gap > 0
    assert result.provenance["model"].startswith(name)


def test_bootstrap_model(score, reference, encoded):
    with pytest.raises(
        ModelError,
        match=r"vmaf_b_v0\.6\.3 gives a confidence interval, .*'ffmpeg' does not support\. Use --vmaf-scorer=vmaf",
    ):
        score(reference, encoded, model="vmaf_b_v0.6.3")


def by_hand(pairs) -> str:
    """The libvmaf options that run both models of each pair."""
    models = [model for pair in pairs for model in (pair.default, pair.neg)]
    options = [
        [f"version={model.version}", f"name=x{number}", *(f"{option}={value}" for option, value in model.overrides)]
        for number, model in enumerate(models)
    ]
    return "model='" + "|".join(r"\:".join(each) for each in options) + "'"


@pytest.fixture(scope="session")
def blank(make, tmp_path_factory):
    """blank(width, height): a short clip of that size."""
    folder = tmp_path_factory.mktemp("sizes")

    def clip(width: int, height: int) -> Path:
        path = folder / f"{width}x{height}.mkv"
        if not path.exists():
            size = ("-s", f"{width}x{height}", "-pix_fmt", "yuv420p")
            make("-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", 3, *size, "-c:v", "ffv1", path)
        return path

    return clip


SIZES = sorted({(entry["min_side"], entry["min_long_side"]) for entry in ENTRIES})


@pytest.mark.slow
@pytest.mark.parametrize(("short", "long"), SIZES)
def test_smallest_frames(short, long, blank, libvmaf):
    pairs = [resolve_model(name, **UHD) for name in IN_FFMPEG]
    pairs = [pair for pair in pairs if (pair.min_side, pair.min_long_side) == (short, long)]

    def scores(width: int, height: int, *pairs: ModelPair) -> bool:
        clip = blank(width, height)
        raw = libvmaf(clip, clip, by_hand(pairs))
        columns = raw.log.columns if raw.log is not None else {}
        return raw.returncode == 0 and all(len(columns.get(f"x{n}", ())) == 3 for n in range(2 * len(pairs)))

    assert pairs
    for width, height in ((short, long), (long, short), (short, 1000), (1000, short)):
        assert scores(width, height, *pairs), (width, height)
    for pair in pairs:
        # Reading past a frame's end is not sure to crash one pixel below the limit.
        assert not scores(1000, short - 2, pair), pair.name
        if long > short:
            assert not scores(long - 1, long - 1, pair), pair.name
            assert not scores(short, long - 1, pair), pair.name


@pytest.mark.parametrize("name", ["vmaf_v0.6.1", pytest.param("vmaf_4k_v0.6.1", marks=pytest.mark.slow)])
def test_gain_override_is_neg(name, libvmaf, reference, sharpened):
    limited = rf"version={name}\:name=a\:adm.adm_enhn_gain_limit=1\:vif.vif_enhn_gain_limit=1"
    log = libvmaf(sharpened, reference, rf"model='{limited}|version={name}neg\:name=b|version={name}\:name=c'").log
    assert log.columns["a"] == log.columns["b"]
    assert log.columns["a"] != log.columns["c"]


@pytest.mark.slow
def test_float_model(score, reference, encoded, honest):
    integer, real = honest, score(reference, encoded, model="vmaf_float_v0.6.1")
    assert float(real.neg) == pytest.approx(float(integer.neg), abs=0.1)
    assert float(real.gap) == pytest.approx(float(integer.gap), abs=0.1)


def test_phone_mode_scores_higher(score, reference, encoded, honest):
    plain, phone = honest, score(reference, encoded, phone=True)
    assert phone.neg.unclipped.frames != plain.neg.unclipped.frames
    assert float(phone.neg) > float(plain.neg) + 1
    assert phone.vmaf.scale.model == "vmaf_v0.6.1 (phone)"


@pytest.mark.slow
def test_v1_gap(score, wide, encode):
    reference, honest = wide
    enhanced = encode(reference, 16, "unsharp=5:5:1.0")
    assert score(reference, honest, generation="v1").gap < 2.6
    result = score(reference, enhanced, generation="v1")
    assert result.gap > 5
    assert result.provenance["generation"] == "v1"


@pytest.mark.parametrize("name", ["with space.json", "colon:comma,[x].json", "it's |.json"])
def test_model_file_scores(name, tmp_path, score, reference, encoded):
    path = os.environ.get("PYTEST_VMAF_MODEL_JSON")
    if not path:
        pytest.skip("set PYTEST_VMAF_MODEL_JSON to libvmaf's vmaf_v0.6.1.json or vmaf_v0.6.1neg.json to run this")
    (tmp_path / name).write_bytes(Path(path).read_bytes())
    by_file, built_in = score(reference, encoded, model=str(tmp_path / name)), score(reference, encoded)
    assert by_file.vmaf.unclipped.frames == built_in.vmaf.unclipped.frames
    assert by_file.neg.unclipped.frames == built_in.neg.unclipped.frames


def test_unusable_model_file(tmp_path, score, reference, encoded):
    with pytest.raises(ScorerError, match="exited normally but wrote no log, so nothing was scored"):
        score(reference, encoded, model=str(model_json(tmp_path)))
    with pytest.raises(ScorerError, match=r"lacks one of the models .*mine\.json"):
        score(reference, encoded, model=str(model_json(tmp_path, model_type="UNHEARD_OF")))
