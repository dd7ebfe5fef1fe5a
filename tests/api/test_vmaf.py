"""Vmaf without pytest, scorers of one's own, and settings with their origins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_vmaf
from pytest_vmaf import (
    Clip,
    ClipError,
    FakeScorer,
    GateViolation,
    MeasurementError,
    ScoreLog,
    ScoreRequest,
    ScorerError,
    SettingsError,
    Vmaf,
)
from pytest_vmaf.options import OPTIONS
from pytest_vmaf.scoring.scorer import Capabilities, Scorer, Tools
from pytest_vmaf.settings import make_layer, resolve


def test_every_public_name_is_there_and_listed_in_order() -> None:
    assert pytest_vmaf.__all__ == sorted(pytest_vmaf.__all__)
    for name in pytest_vmaf.__all__:
        assert getattr(pytest_vmaf, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Regions'"):
        _ = pytest_vmaf.Regions


def test_it_works_without_pytest(reference: Path, encoded: Path) -> None:
    vmaf = Vmaf(min_neg=10)
    result = vmaf.score(reference, Clip(encoded))
    assert 10 < result.neg < result.vmaf.mean * 1.0
    assert [record["status"] for record in vmaf.records] == ["passed"]
    assert vmaf.records[0]["gates"][0]["origin"] == "call"


def test_the_self_score_is_the_ceiling(reference: Path, encoded: Path) -> None:
    vmaf = Vmaf()
    ceiling = vmaf.self_score(reference)
    assert ceiling.gap == pytest.approx(0, abs=0.05)
    assert vmaf.score(reference, encoded).neg < ceiling.neg
    assert not ceiling.above_100


def test_a_call_wins_over_the_object(reference: Path, encoded: Path) -> None:
    vmaf = Vmaf(min_neg=99.9)
    with pytest.raises(GateViolation, match="set by the call"):
        vmaf.score(reference, encoded)
    vmaf.score(reference, encoded, min_neg=1)


def test_check_can_switch_a_default_gate_off(reference: Path, sharpened: Path) -> None:
    vmaf = Vmaf()
    with pytest.raises(GateViolation, match=r"gap .* frames above 100"):
        vmaf.check(reference, sharpened)
    vmaf.check(reference, sharpened, max_gap=None, above_100=False)


def test_a_failed_measurement_is_recorded(reference: Path) -> None:
    vmaf = Vmaf()
    with pytest.raises(ClipError, match="does not exist"):
        vmaf.check(reference, "missing.mp4")
    assert vmaf.records[0]["status"] == "error"
    assert "missing.mp4" in vmaf.records[0]["error"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modle": "x"}, r"'modle' \(call\) is neither an option nor a gate; did you mean 'model'"),
        ({"threads": 0}, r"threads \(call\) is 0; it is a whole number from 1"),
        ({"timeout": float("nan")}, r"timeout \(call\) is nan; it is a number of seconds above 0"),
        ({"align": 1}, r"align \(call\) is 1; it is True or False"),
        ({"features": ["ssim"]}, r"'ssim' is no libvmaf feature; did you mean 'float_ssim'"),
        ({"allow": ["hdrr"]}, r"allow \(call\) is \['hdrr'\]; it is a list of hdr, interlaced, frame_rate"),
        ({"scale": "nearest"}, r"scale \(call\) is 'nearest'; it is one of bicubic"),
        ({"generation": "v2"}, r"generation \(call\) is 'v2'; it is one of v0, v1"),
        ({"scorer": "ffmpge"}, r"There is no scorer 'ffmpge'; did you mean 'ffmpeg'"),
        ({"scorer": object()}, r"it is a scorer's name, or an object with score\(\) and capabilities\(\)"),
        ({"min_neg": "high"}, r"The limit of min_neg \(call\) is 'high'"),
    ],
)
def test_wrong_settings_say_what_is_right(
    reference: Path, encoded: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Vmaf().score(reference, encoded, **settings)


def test_each_option_comes_from_the_nearest_layer() -> None:
    near = make_layer("call", {"threads": 3})
    far = make_layer("ini", {"threads": 5, "generation": "v1"})
    settings = resolve([near, far])
    assert settings.values["threads"] == 3
    assert settings.origins["threads"] == "call"
    assert settings.origins["generation"] == "ini"
    assert settings.origins["model"] == "default"
    assert set(settings.values) == {option.name for option in OPTIONS}


def test_the_fake_scorer_reads_no_clip_and_says_so() -> None:
    result = Vmaf(scorer=FakeScorer(vmaf=[96, 105], neg=[92, 94], self_score=101)).score("no.mkv", "such.mkv")
    assert result.neg == 93
    assert result.gap == 7.5
    assert list(result.above_100) == [1]
    assert result.vmaf.frames == (96, 100)
    assert result.provenance["fake"] is True


def test_the_fake_scorer_refuses_sequences_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        FakeScorer(vmaf=[1, 2], neg=[1, 2, 3])


class Broken:
    """A scorer whose log is made from the request by a function."""

    def __init__(self, log: Callable[[ScoreRequest], ScoreLog]) -> None:
        self.log = log

    def capabilities(self, tools: Tools) -> Capabilities:
        return Capabilities("broken", "1")

    def score(self, request: ScoreRequest) -> ScoreLog:
        return self.log(request)


def test_a_scorer_of_ones_own_is_verified(reference: Path, encoded: Path) -> None:
    scorer = Broken(lambda request: ScoreLog({"vmaf": (90.0,) * 24}, 24, 24, "x", "x"))
    assert isinstance(scorer, Scorer)
    with pytest.raises(ScorerError, match="The log has no column 'neg'; it has vmaf"):
        Vmaf(scorer=scorer).score(reference, encoded)


def test_a_model_that_has_no_phone_mode_is_an_error_about_the_measurement(reference: Path, encoded: Path) -> None:
    with pytest.raises(MeasurementError, match="has no phone mode"):
        Vmaf().score(reference, encoded, model="vmaf_4k_v0.6.1", phone=True)


CONFTEST = """
    from pytest_vmaf import FakeScorer

    def pytest_vmaf_scorer(config, name):
        if name == "farm":
            return FakeScorer(neg=config.getini("farm_neg"))

    def pytest_addoption(parser):
        parser.addini("farm_neg", "what the farm says", type="float", default=77.0)
"""


@pytest.mark.parametrize("workers", [["-p", "no:xdist"], ["-n2"]], ids=["alone", "xdist"])
def test_a_conftest_brings_a_scorer(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        test_farm="""
        def test_a(vmaf):
            assert vmaf.score("a", "b").neg == 77
        """
    )
    result = pytester.runpytest_subprocess("--vmaf-scorer=farm", *workers)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["FAKE: some of these numbers were invented by FakeScorer; nothing was measured."])


@pytest.mark.parametrize("workers", [["-p", "no:xdist"], ["-n2"]], ids=["alone", "xdist"])
def test_an_installed_package_brings_a_scorer_loaded_when_asked_for(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    site = pytester.mkdir("site")
    info = site / "farm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: farm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest_vmaf.scorers]\nfarm = farm_scorer\n")
    (site / "farm_scorer.py").write_text(
        "import pluggy\n"
        "from pytest_vmaf import FakeScorer\n"
        "@pluggy.HookimplMarker('pytest')\n"
        "def pytest_vmaf_scorer(config, name):\n"
        "    return FakeScorer(neg=66) if name == 'farm' else None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    pytester.makepyfile(
        test_farm="""
        import sys

        def test_a(vmaf):
            assert "farm_scorer" not in sys.modules
            assert vmaf.score("a", "b", scorer="farm").neg == 66
            assert vmaf.score("a", "b", scorer="farm").neg == 66
        """
    )
    pytester.runpytest_subprocess(*workers).assert_outcomes(passed=1)


def test_what_the_system_refuses_is_an_error_about_the_measurement(
    reference: Path, encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    vmaf = Vmaf()
    with pytest.raises(ScorerError, match=r"The system refused what scoring needs: .*No such file or directory"):
        vmaf.score(reference, encoded)
    assert vmaf.records[0]["status"] == "error"


def test_a_self_score_takes_no_gates(reference: Path) -> None:
    with pytest.raises(SettingsError, match="self_score holds no gates"):
        Vmaf().self_score(reference, min_neg=10)


def test_invented_self_scores_are_not_kept_for_another_scorer(reference: Path, encoded: Path) -> None:
    high = Vmaf(scorer=FakeScorer(vmaf=105, self_score=110, frames=10)).score(reference, encoded)
    low = Vmaf(scorer=FakeScorer(vmaf=105, self_score=90, frames=24)).score(reference, encoded)
    assert len(high.above_100) == 0
    assert len(low.above_100) == 24


def test_features_compare_across_generations(reference: Path, encoded: Path) -> None:
    v0, v1 = (Vmaf().score(reference, encoded, generation=name) for name in ("v0", "v1"))
    assert v0["psnr_y"] == v1["psnr_y"]
