"""Vmaf without pytest, scorers of one's own, and settings with their origins."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from pytest_vmaf.gates.defaults import DEFAULT_GATES
from pytest_vmaf.option_table import OPTIONS
from pytest_vmaf.scoring.scorer import Capabilities, Scorer, Tools
from pytest_vmaf.settings import make_layer, resolve


def test_public_names() -> None:
    assert len(set(pytest_vmaf.__all__)) == len(pytest_vmaf.__all__)
    assert set(pytest_vmaf.__all__) == set(pytest_vmaf._MODULES)
    for name in pytest_vmaf.__all__:
        assert getattr(pytest_vmaf, name) is not None
    assert pytest_vmaf.Vmaf.__mro__ == (Vmaf, object)
    with pytest.raises(AttributeError, match="no attribute 'Regions'"):
        _ = pytest_vmaf.Regions


def test_without_pytest(reference: Path, encoded: Path) -> None:
    vmaf = Vmaf(min_neg=10)
    result = vmaf.score(reference, Clip(encoded))
    assert 10 < result.neg < result.vmaf.mean * 1.0
    assert [record["status"] for record in vmaf.records] == ["passed"]
    assert vmaf.records[0]["gates"][0]["origin"] == "call"


def test_attributes_that_do_not_exist() -> None:
    result = Vmaf(scorer=FakeScorer(vmaf=95, neg=93)).score("a.mkv", "b.mkv")
    with pytest.raises(AttributeError, match=r"'Result' object has no attribute 'psnr_hvs'$"):
        result.psnr_hvs  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"'Score' object has no attribute 'p25'; use score\.percentile\(25\)"):
        result.neg.p25  # type: ignore[attr-defined]  # noqa: B018
    assert pickle.loads(pickle.dumps(result)) == copy.deepcopy(result) == result


@pytest.mark.slow
def test_metric_as_an_attribute(reference: Path, encoded: Path) -> None:
    with pytest.raises(AttributeError, match=r"'Result' object has no attribute 'psnr_y'; use result\['psnr_y'\]"):
        Vmaf().score(reference, encoded).psnr_y  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"use quality_map\.whole\.neg or quality_map\.worst\.neg"):
        Vmaf().quality_map(reference, encoded, grid=(1, 1)).neg  # type: ignore[attr-defined]  # noqa: B018


def test_self_score_is_ceiling(reference: Path, encoded: Path) -> None:
    vmaf = Vmaf()
    ceiling = vmaf.self_score(reference)
    assert ceiling.gap == pytest.approx(0, abs=0.05)
    assert vmaf.score(reference, encoded).neg < ceiling.neg
    assert not ceiling.above_100


def test_call_wins_over_object(reference: Path, encoded: Path) -> None:
    vmaf = Vmaf(min_neg=99.9)
    with pytest.raises(GateViolation, match="set by the call"):
        vmaf.score(reference, encoded)
    vmaf.score(reference, encoded, min_neg=1)


@pytest.mark.slow
def test_default_gates_switched_off(reference: Path, sharpened: Path) -> None:
    vmaf = Vmaf()
    with pytest.raises(GateViolation, match=r"enhancement .* frames above 100"):
        vmaf.check(reference, sharpened)
    vmaf.check(reference, sharpened, max_enhancement=None, max_contrast=None, above_100=False)


def test_error_is_recorded(reference: Path) -> None:
    vmaf = Vmaf()
    with pytest.raises(ClipError, match="does not exist"):
        vmaf.check(reference, "missing.mp4")
    assert vmaf.records[0]["status"] == "error"
    assert "missing.mp4" in vmaf.records[0]["error"]


@pytest.mark.parametrize("settings", [{"regions": {"face": 3}}, {"scorer": "none"}])
def test_error_is_recorded_with_its_gates(settings: dict[str, Any]) -> None:
    vmaf = Vmaf(scorer=FakeScorer(vmaf=95, neg=93))
    with pytest.raises(SettingsError):
        vmaf.check("a.mkv", "b.mkv", min_neg=90, **settings)
    assert [gate["name"] for gate in vmaf.records[0]["gates"]] == ["min_neg", *DEFAULT_GATES]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modle": "x"}, r"'modle' \(call\) is neither a setting nor a gate. Did you mean 'model'"),
        ({"width": 640}, r"'width' \(call\) describes a clip, .* Pass Clip\(path, width=640, …\)"),
        ({"pix_fmt": "gray"}, r"Pass Clip\(path, pix_fmt='gray', …\) .* To gate it: stream={'pix_fmt': 'gray'}"),
        ({"codec": "h264"}, r"'codec' \(call\) .* belongs in stream=: stream={'codec': 'h264'}"),
        ({"min_neg": 930}, r"The limit of min_neg \(call\) must be a score from 0 to 100"),
        ({"min_vmaf_p5": 0.93}, r"The limit of min_vmaf_p5 \(call\) must be a score from 0 to 100"),
        ({"threads": 0}, r"threads \(call\) must be a whole number of at least 1, not 0"),
        ({"threads": 10**9}, r"threads \(call\) must be at most \d+ on this machine, which has \d+ cores?, not 10{9}"),
        ({"timeout": 10**400}, r"timeout \(call\) must be at most 1e\+09 seconds, not 10{9}"),
        ({"timeout": float("nan")}, r"timeout \(call\) must be a number of seconds above 0, not nan"),
        ({"align": 1}, r"align \(call\) must be True or False, not 1"),
        ({"features": ["ssim"]}, r"'ssim' is not a libvmaf feature. Did you mean 'float_ssim'"),
        ({"allow": ["hdrr"]}, r"allow \(call\) must be a list of hdr, interlaced, frame_rate, .*, not \['hdrr'\]"),
        ({"scale": "nearest"}, r"scale \(call\) must be one of bicubic, .*, not 'nearest'"),
        ({"generation": "v2"}, r"generation \(call\) must be one of v0, v1, not 'v2'"),
        ({"scorer": "ffmpge"}, r"There is no scorer 'ffmpge'. Did you mean 'ffmpeg'"),
        ({"scorer": object()}, r"must be the name of a scorer, or an object with score\(\) and capabilities\(\), not"),
        ({"min_neg": "high"}, r"The limit of min_neg \(call\) must be a finite number or off, not 'high'"),
    ],
)
def test_invalid_settings(reference: Path, encoded: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Vmaf().score(reference, encoded, **settings)


def test_nearest_layer_wins() -> None:
    near = make_layer("call", {"threads": 3})
    far = make_layer("ini", {"threads": 5, "generation": "v1"})
    settings = resolve([near, far])
    assert settings.values["threads"] == 3
    assert settings.origins["threads"] == "call"
    assert settings.origins["generation"] == "ini"
    assert settings.origins["model"] == "default"
    assert set(settings.values) == {option.name for option in OPTIONS}


def test_fake_scorer() -> None:
    result = Vmaf(scorer=FakeScorer(vmaf=[96, 105], neg=[92, 94], self_score=101)).score("no.mkv", "such.mkv")
    assert result.neg == 93
    assert result.gap == 7.5
    assert list(result.above_100) == [1]
    assert result.vmaf.frames == (96, 100)
    assert result.provenance["fake"] is True


def test_fake_scorer_lengths() -> None:
    with pytest.raises(ValueError, match="must have one length"):
        FakeScorer(vmaf=[1, 2], neg=[1, 2, 3])


class Broken:
    """A scorer whose log is made from the request by a function."""

    def __init__(self, log: Callable[[ScoreRequest], ScoreLog]) -> None:
        self.log = log

    def capabilities(self, tools: Tools) -> Capabilities:
        return Capabilities("broken", "1")

    def score(self, request: ScoreRequest) -> ScoreLog:
        return self.log(request)


def test_own_scorer_is_verified(reference: Path, encoded: Path) -> None:
    scorer = Broken(lambda request: ScoreLog({"vmaf": (90.0,) * 24}, 24, 24, "x", "x"))
    assert isinstance(scorer, Scorer)
    with pytest.raises(ScorerError, match="The log has no column 'neg'; it has vmaf"):
        Vmaf(scorer=scorer).score(reference, encoded)


def test_model_without_phone_mode(reference: Path, encoded: Path) -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize("workers", [["-p", "no:xdist"], ["-n1"]], ids=["alone", "xdist"])
def test_scorer_from_conftest(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        test_farm="""
        def test_a(vmaf):
            assert vmaf.score("a", "b").neg == 77
        """
    )
    run = pytester.runpytest_subprocess if "-n1" in workers else pytester.runpytest
    result = run("--vmaf-scorer=farm", *workers)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["FAKE: some of these numbers were invented by FakeScorer; nothing was measured."])


def test_scorer_from_entry_point(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.syspath_prepend(site)
    pytester.makepyfile(
        test_farm="""
        import sys

        def test_a(vmaf):
            assert "farm_scorer" not in sys.modules
            assert vmaf.score("a", "b", scorer="farm").neg == 66
            assert vmaf.score("a", "b", scorer="farm").neg == 66
        """
    )
    pytester.runpytest("-p", "no:xdist").assert_outcomes(passed=1)


def test_system_error(reference: Path, encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    vmaf = Vmaf()
    with pytest.raises(ScorerError, match=r"The system refused what scoring needs: .*No such file or directory"):
        vmaf.score(reference, encoded)
    assert vmaf.records[0]["status"] == "error"


def test_imports_of_a_score() -> None:
    code = (
        "import sys; from pytest_vmaf import FakeScorer, Vmaf; Vmaf(scorer=FakeScorer()).check('a', 'b', max_gap=9);"
        "late = ('jinja2', 'rich', 'onnxruntime', 'pytest_vmaf.bitstream.', 'pytest_vmaf.search', 'pytest_vmaf.enc');"
        "print([name for name in sys.modules if name.startswith(late)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_self_score_takes_no_gates(reference: Path) -> None:
    with pytest.raises(SettingsError, match="self_score checks no gates"):
        Vmaf().self_score(reference, min_neg=10)


def test_fake_self_scores_stay_apart(reference: Path, encoded: Path) -> None:
    high = Vmaf(scorer=FakeScorer(vmaf=105, self_score=110, frames=10)).score(reference, encoded)
    low = Vmaf(scorer=FakeScorer(vmaf=105, self_score=90, frames=24)).score(reference, encoded)
    assert len(high.above_100) == 0
    assert len(low.above_100) == 24


@pytest.mark.slow
def test_features_across_generations(reference: Path, encoded: Path) -> None:
    v0, v1 = (Vmaf().score(reference, encoded, generation=name) for name in ("v0", "v1"))
    # v1 is scored at 10 bit.
    assert v0["psnr_y"] == pytest.approx(float(v1["psnr_y"]), abs=0.2)
