"""`agree=` and `max_disagreement=` as users pass them: real encodes of a short clip, with scores that are made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from baselines.sessions import LOCATION, session, store, updating
from search.builders import TwoMetrics, named_x264

from pytest_vmaf import Encoder, FakeScorer, GateViolation, MeasurementError, SettingsError, Vmaf
from pytest_vmaf.baselines.check import BaselineLocation
from pytest_vmaf.search.disagreement_gate import BEYOND, judge_disagreement


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """Twelve frames of 160x120 pixels."""
    return footage("160x120", 12)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache that the tests share, so that each encode is made once."""
    return str(tmp_path_factory.mktemp("cache"))


OPTIONS: dict[str, Any] = {"targets": [50, 65], "speed": False}


@pytest.fixture(scope="session")
def pair(ffmpeg: str) -> dict[str, Encoder]:
    """Two names of one encoder."""
    return {name: named_x264(ffmpeg, name) for name in ("plain", "tuned")}


@pytest.mark.slow
def test_comparison(clip: Path, cache: str, pair: dict[str, Encoder]) -> None:
    vmaf = Vmaf(scorer=TwoMetrics(tuned=(3.0, -1.5)), cache_dir=cache)
    comparison = vmaf.compare(clip, encoders=pair, agree=["psnr_y"], **OPTIONS)
    rates = comparison.bd_rates("tuned", anchor="plain")
    assert rates.judges == ("neg", "psnr_y")
    # Two CRFs finer by NEG, and two coarser by PSNR.
    assert rates["neg"] < -10
    assert rates["psnr_y"] > 10
    assert rates.verdict.startswith("metrics disagree: NEG says that tuned is better than plain")
    [section] = [each for each in vmaf.sections if each["title"] == "Agreement of metrics"]
    text, table, chart = section["blocks"]
    assert text["text"] == f"Metrics disagree{rates.verdict.removeprefix('metrics disagree')}."
    assert {"NEG", "VMAF"} == {row[1] for row in table["rows"][:2]}
    assert [line["name"] for line in chart["lines"]] == ["tuned", "no difference"]
    assert [level["name"] for level in chart["levels"]] == [row[1] for row in table["rows"]]


@pytest.mark.slow
def test_max_disagreement(clip: Path, cache: str, pair: dict[str, Encoder]) -> None:
    vmaf = Vmaf(scorer=TwoMetrics(tuned=(3.0, -1.5)), cache_dir=cache)
    with pytest.raises(
        GateViolation, match=r"BD-rates of tuned against plain are \d+\.\d\d points apart \(NEG -"
    ) as caught:
        vmaf.compare(clip, encoders=pair, agree="psnr_y", max_disagreement=10, **OPTIONS)
    assert "; max_disagreement is 10 (1 of 1 gates failed)\n" in str(caught.value)
    [gate] = [gate for gate in vmaf.records[0]["gates"] if gate["name"] == "max_disagreement"]
    assert not gate["passed"]
    assert gate["value"] > 10 == gate["limit"]
    assert gate["margin"] == 10 - gate["value"]
    assert vmaf.records[0]["status"] == "failed"

    passing = Vmaf(scorer=TwoMetrics(tuned=(3.0, 1.5)), cache_dir=cache)
    comparison = passing.compare(clip, encoders=pair, agree="psnr_y", max_disagreement=10, **OPTIONS)
    assert [gate["passed"] for gate in passing.records[0]["gates"] if gate["name"] == "max_disagreement"] == [True]
    # The searches went on beyond the answers, so that metrics which differ more have curves to compare.
    for bisection in comparison.searches:
        rates = [probe.bitrate for probe in bisection.probes]
        assert min(rates) <= bisection[50].bitrate / BEYOND
        assert max(rates) >= bisection[65].bitrate * BEYOND


@pytest.mark.slow
def test_nothing_to_disagree(clip: Path, cache: str, pair: dict[str, Encoder]) -> None:
    vmaf = Vmaf(scorer=TwoMetrics(), cache_dir=cache)
    with pytest.raises(MeasurementError, match=r"max_disagreement cannot be checked\. Only NEG was compared"):
        vmaf.compare(clip, encoders=pair, max_disagreement=10, **OPTIONS)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("compare", {"agree": []}, "agree must be a list of metrics"),
        ("compare", {"agree": ["psnr_z"]}, "agree: metric must be a measure of quality, not 'psnr_z'"),
        ("compare", {"max_disagreement": -1}, "max_disagreement must be a number of percentage points from 0"),
        (
            "compare",
            {"max_disagreement": 5},
            "max_disagreement compares encoders with the first one. Give at least two",
        ),
        (
            "compare",
            {"max_disagreement": 5, "agree": "neg", "encoders": ["libx264", "libx265"]},
            "max_disagreement needs a metric other than neg, the metric of the targets",
        ),
        ("compare", {"max_disagree": 1}, r"max_disagreement= is a keyword of vmaf\.compare"),
        ("bisect", {"agree": ["psnr_y"]}, r"agree compares vmaf\.bisect with its baseline.* Add baseline=True"),
        ("bisect", {"max_disagreement": 1}, r"max_disagreement is a gate of vmaf\.compare"),
        ("per_shot", {"agree": ["psnr_y"]}, r"agree is an option of vmaf\.compare"),
    ],
)
def test_invalid_options(method: str, settings: dict[str, Any], message: str, clip: Path) -> None:
    vmaf = Vmaf(scorer=FakeScorer())
    own: dict[str, Any] = {
        "compare": {"encoders": ["libx264"]},
        "bisect": {"encoder": "libx264", "targets": [50]},
        "per_shot": {"encoder": "libx264", "target": 50},
    }[method]
    with pytest.raises(SettingsError, match=message):
        getattr(vmaf, method)(clip, **{**own, **settings})


# Real scores.


@pytest.fixture(scope="session")
def natural(make: Callable[..., Path], bunny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of natural footage, 176x144."""
    output = tmp_path_factory.mktemp("natural") / "bunny.mkv"
    picture = ("-vf", "scale=176:144", "-pix_fmt", "yuv420p", "-frames:v", 12, "-c:v", "ffv1")
    return make("-ss", 2, "-i", bunny, *picture, output)


#: Sharpening before the encode, which raises NEG at low bitrates, and a slower search, which raises every metric.
TUNED, SLOWER = ("-vf", "unsharp=5:5:0.3"), ("-x264-params", "subme=7:me=umh:ref=4:trellis=2")


@pytest.mark.slow
def test_real_comparison(natural: Path, cache: str, ffmpeg: str) -> None:
    # Sharpening is in the documentation's page on comparisons, and in the next test.
    encoders = {name: named_x264(ffmpeg, name, *more) for name, more in {"plain": (), "slower": SLOWER}.items()}
    settings: dict[str, Any] = {"targets": [60, 75], "crf": (30, 45), "speed": False}
    agree = ["xpsnr_y", "psnr_y.worst_shot"]
    comparison = Vmaf(cache_dir=cache).compare(natural, encoders=encoders, agree=agree, **settings)
    [slower] = comparison.agreements
    assert slower.verdict.startswith("NEG, xpsnr_y and psnr_y worst_shot agree that slower is better than plain (-")
    [judgement] = judge_disagreement([slower], 12)
    assert judgement.passed


@pytest.mark.slow
def test_real_baseline(natural: Path, cache: str, ffmpeg: str, tmp_path: Path) -> None:
    place = replace(LOCATION, file=tmp_path / "__vmaf__" / "test_x.json")
    settings: dict[str, Any] = {"targets": [60], "crf": (30, 45), "baseline": "it", "agree": ["xpsnr_y", "float_ssim"]}

    def bisect(place: BaselineLocation, *arguments: str) -> Vmaf:
        vmaf = session(place, cache_dir=cache)
        # A changed encoder under its old name.
        encoder = Encoder("libx264", arguments=("-preset", "ultrafast", "-crf", "{crf}", *arguments))
        vmaf.bisect(natural, encoder=encoder, **settings)
        return vmaf

    store(bisect(updating(place)), place)
    bisect(place)
    bisect(place, *SLOWER)
    with pytest.raises(GateViolation, match=r"NEG 60: .*NEG gains .* but xpsnr_y loses .* so the gain does not count"):
        bisect(place, *TUNED)
