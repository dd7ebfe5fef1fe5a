"""Results of searches as plain data for JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import Encoder, MeasurementError, Vmaf
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.probe import parse_metric
from pytest_vmaf.search.recommend import recommend
from pytest_vmaf.search.serialize import (
    MADE_WITH,
    bisection_record,
    comparison_record,
    made_with,
    metric_text,
    probe_record,
    recommendation_record,
)


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """192x108, half a second."""
    return footage("192x108", 12)


@pytest.fixture(scope="session")
def found(clip: Path) -> Bisection:
    """Two targets, of which one is above what the reference has."""
    return Vmaf().bisect(clip, encoder="libx264", preset="veryfast", targets=[99.99, 80], metric="neg")


@pytest.fixture(scope="session")
def comparison(clip: Path) -> Comparison:
    """Two presets of one encoder."""
    encoders = ["libx264:veryfast", "libx264:ultrafast"]
    return Vmaf().compare(clip, encoders=encoders, targets=[70, 80], metric="neg", speed=False)


def through_json(record: dict[str, Any]) -> Any:
    """What a program reads: equal to what was written, so nothing in it was another type or no number."""
    data = json.loads(json.dumps(record, allow_nan=False))
    assert data == record
    return data


def test_bisection_record(found: Bisection, clip: Path) -> None:
    data = through_json(bisection_record(found))
    assert (data["encoder"], data["reference"], data["metric"], data["neg"]) == ("libx264", str(clip), "neg", True)
    assert data["met"] is False
    above, met = data["answers"]
    assert (above["target"], above["met"], above["outcome"]) == (99.99, False, "above the ceiling")
    assert "crf" not in above
    answer = found[80]
    assert (met["crf"], met["score"], met["next_score"]) == (answer.crf, answer.score, answer.next_score)
    assert (met["bitrate"], met["size"], met["why"]) == (answer.bitrate, answer.size, answer.why)
    assert [probe["crf"] for probe in data["probes"]] == [probe.crf for probe in found.probes]
    assert data["ceiling"] == found.ceiling
    assert (data["sample"], data["speed"]) == (None, None)


def test_made_with(found: Bisection) -> None:
    with_what = bisection_record(found)["made_with"]
    assert set(with_what) == set(MADE_WITH)
    assert None not in with_what.values()
    assert (with_what["model"], with_what["neg_model"], with_what["generation"]) == (
        "vmaf_v0.6.1", "vmaf_v0.6.1neg", "v0",
    )  # fmt: skip
    assert made_with(()) == {}


def test_probe_record(found: Bisection) -> None:
    probe = found.probes[0]
    data = through_json(probe_record(probe))
    assert data["score"] == data["neg"] == float(probe.result.neg)
    assert data["gap"] == pytest.approx(data["vmaf"] - data["neg"])
    assert data["bitrate"] == pytest.approx(data["size"] * 8 / data["duration"])
    assert data["frames"] == 12
    assert data["path"] is None
    assert f"-crf {probe.crf}" in data["command"]


def test_bisection_record_of_a_sample(clip: Path, tmp_path: Path) -> None:
    found = Vmaf().bisect(
        clip, encoder="libx264", preset="veryfast", targets=80, metric="neg.p5", sample=0.32, keep=tmp_path
    )
    data = through_json(bisection_record(found))
    assert data["sample"] == {"start": 2, "frames": 8}
    assert (data["metric"], data["neg"]) == ("neg.p5", True)
    (answer,) = data["answers"]
    assert Path(answer["path"]).stat().st_size > 0
    assert data["probes"][0]["frames"] == 8


def test_comparison_record(comparison: Comparison, clip: Path) -> None:
    data = through_json(comparison_record(comparison))
    first, second = comparison.labels
    assert (data["anchor"], data["encoders"], data["targets"]) == (first, [first, second], [70.0, 80.0])
    assert (data["metric"], data["neg"], data["met"]) == ("neg", True, True)
    assert list(data["bd_rate"]) == list(data["bd_quality"]) == [second]
    wanted = comparison.bd_rate(second, anchor=first)
    assert data["bd_rate"][second] == {
        "value": float(wanted), "unit": "%", "interval": None, "per_source": {str(clip): float(wanted)},
    }  # fmt: skip
    assert data["bd_quality"][second]["unit"] == "points"
    assert data["neg_penalty"][first]["80"]["value"] == float(comparison.penalty(first, 80))
    assert data["sources"][str(clip)][second] == through_json(bisection_record(comparison[second]))


def test_comparison_record_of_unmet_targets(clip: Path) -> None:
    encoders = ["libx264:veryfast", "libx264:ultrafast"]
    comparison = Vmaf().compare(clip, encoders=encoders, targets=[99.98, 99.99], metric="neg", speed=False)
    data = through_json(comparison_record(comparison))
    assert data["met"] is False
    assert data["bd_rate"]["libx264:ultrafast"]["value"] is None
    assert "99.98" in data["bd_rate"]["libx264:ultrafast"]["why"]
    assert data["neg_penalty"]["libx264:veryfast"]["99.98"]["value"] is None
    assert data["lost_wins"] is None


def test_recommendation_record(clip: Path, tmp_path: Path) -> None:
    rows = Vmaf().sweep(clip, encoders=["libx264"], presets=["veryfast"], crfs=[25, 30], output=tmp_path / "rows.jsonl")
    (met,) = recommend(rows, target=80, metric="neg")
    data = through_json(recommendation_record(met))
    assert data["row"] == json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[0])
    assert (data["source"], data["encoder"], data["preset"]) == (clip.name, "libx264", "veryfast")
    assert (data["met"], data["metric"], data["neg_model"]) == (True, "neg", "vmaf_v0.6.1neg")
    (unmet,) = recommend(rows, target=99, metric="neg.p5")
    said = through_json(recommendation_record(unmet))
    assert (said["met"], said["row"], said["metric"], said["encoder"]) == (False, None, "neg.p5", "libx264")
    assert "no row reaches" in said["why"]


def test_probe_record_after_a_failure(clip: Path, tmp_path: Path) -> None:
    def fails_the_second_time(source: Path, output: Path, crf: int) -> None:
        if calls:
            raise RuntimeError("enough")
        calls.append(crf)
        output.write_bytes(stream.read_bytes())

    calls: list[int] = []
    kept = Vmaf().bisect(clip, encoder="libx264", preset="veryfast", targets=80, keep=tmp_path)
    stream = kept[80].encode.path
    assert stream is not None
    with pytest.raises(MeasurementError, match="enough") as caught:
        Vmaf().bisect(clip, encoder=Encoder("mine", function=fails_the_second_time), targets=80)
    (probe,) = caught.value.probes
    data = through_json(probe_record(probe))
    assert (data["crf"], data["neg"]) == (calls[0], kept[80].score)


@pytest.mark.parametrize("text", ["neg", "vmaf", "neg.p5", "psnr_y.min", "vmaf.harmonic_mean"])
def test_metric_text(text: str) -> None:
    assert metric_text(parse_metric(text)) == text
    assert metric_text(parse_metric("neg.mean")) == "neg"
