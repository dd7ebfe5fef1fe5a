"""Results of searches as plain data for JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import MeasurementError, Vmaf
from pytest_vmaf.encoding.encoders import function_encoder
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.metric import parse_metric
from pytest_vmaf.search.probe import MADE_WITH
from pytest_vmaf.search.recommend import recommend
from pytest_vmaf.search.speed import Speed, SpeedRound
from search.builders import a_bisection, a_comparison, a_curve, search


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """192x108, half a second."""
    return footage("192x108", 12)


def through_json(record: dict[str, Any]) -> Any:
    """What a program reads: equal to the record, so all of it has JSON's types and all numbers are finite."""
    data = json.loads(json.dumps(record, allow_nan=False))
    assert data == record
    return data


@pytest.mark.slow
def test_bisection(plain: Bisection, short: Path) -> None:
    data = through_json(plain.to_dict())
    assert (data["encoder"], data["reference"], data["metric"], data["neg"]) == ("libx264", str(short), "neg", True)
    assert data["met"] is False
    _, met, above = data["answers"]
    assert (above["target"], above["met"], above["outcome"]) == (99.9, False, "above the ceiling")
    assert "crf" not in above
    answer = plain[80]
    assert list(met) == [
        "target", "outcome", "met", "why", "crf", "score", "vmaf", "neg", "gap", "bitrate", "size", "frames",
        "duration", "path", "next_score",
    ]  # fmt: skip
    assert (met["crf"], met["score"], met["next_score"]) == (answer.crf, answer.score, answer.next_score)
    assert (met["bitrate"], met["size"], met["why"]) == (answer.bitrate, answer.size, answer.why)
    assert Path(met["path"]).stat().st_size > 0
    assert [probe["crf"] for probe in data["probes"]] == [probe.crf for probe in plain.probes]
    assert data["ceiling"] == plain.ceiling
    assert (data["sample"], data["speed"]) == (None, None)


def test_bisection_of_a_sample() -> None:
    speed = Speed(27, 250, (SpeedRound(1.0, None, 0.25),))
    sampled = replace(a_bisection(a_curve()), sample=(2, 8), speed=speed, metric=parse_metric("neg.p5"))
    data = through_json(sampled.to_dict())
    assert data["sample"] == {"start": 2, "frames": 8}
    assert data["speed"] == {"crf": 27, "encode": 250.0, "decode": 1000.0}
    assert (data["metric"], data["neg"]) == ("neg.p5", True)


def test_made_with(plain: Bisection) -> None:
    record = plain.to_dict()["made_with"]
    assert set(record) == set(MADE_WITH)
    assert None not in record.values()
    assert (record["model"], record["neg_model"], record["generation"]) == ("vmaf_v0.6.1", "vmaf_v0.6.1neg", "v0")
    assert replace(plain, probes=()).to_dict()["made_with"] == {}


def test_probe(plain: Bisection) -> None:
    probe = plain.points[0]
    data = through_json(probe.to_dict())
    assert data["score"] == data["neg"] == float(probe.result.neg)
    assert data["gap"] == pytest.approx(data["vmaf"] - data["neg"])
    assert data["bitrate"] == pytest.approx(data["size"] * 8 / data["duration"])
    assert data["frames"] == 8
    assert data["path"] == (probe.encode.path and str(probe.encode.path))
    assert f"-crf {probe.crf}" in data["command"]


def test_trial(plain: Bisection) -> None:
    """A trial encode that no answer rests on has the score of the search alone."""
    data = through_json(plain.points[0].without_result().to_dict())
    assert (data["vmaf"], data["neg"], data["gap"]) == (None, None, None)
    assert data["score"] == plain.points[0].score
    assert "-crf " in data["command"]


def test_comparison() -> None:
    comparison = a_comparison(first=a_curve(), second=a_curve(1.25, gap=5.0))
    data = through_json(comparison.to_dict())
    assert (data["anchor"], data["encoders"], data["targets"]) == ("first", ["first", "second"], [82, 88, 94])
    assert (data["metric"], data["neg"], data["met"]) == ("neg", True, True)
    assert list(data["bd_rate"]) == list(data["bd_quality"]) == ["second"]
    delta = float(comparison.bd_rate("second", anchor="first"))
    assert data["bd_rate"]["second"] == {"value": delta, "unit": "%", "interval": None, "per_source": {"a.mkv": delta}}
    assert data["bd_quality"]["second"]["unit"] == "points"
    assert data["neg_penalty"]["first"]["88"]["value"] == float(comparison.penalty("first", 88))
    assert data["lost_wins"] == [["second", "first"]]
    assert data["sources"]["a.mkv"]["second"] == through_json(comparison["second"].to_dict())


def test_comparison_record_of_unmet_targets() -> None:
    comparison = a_comparison((98, 99), first=a_curve(), second=a_curve(1.25))
    data = through_json(comparison.to_dict())
    assert data["met"] is False
    assert data["bd_rate"]["second"]["value"] is None
    assert "NEG 98 of libx264 is not reached" in data["bd_rate"]["second"]["why"]
    assert data["neg_penalty"]["first"]["98"]["value"] is None
    assert data["lost_wins"] is None


@pytest.mark.slow
def test_recommendation(clip: Path, tmp_path: Path) -> None:
    rows = Vmaf().sweep(clip, encoders=["libx264"], presets=["veryfast"], crfs=[25, 30], output=tmp_path / "rows.jsonl")
    (met,) = recommend(rows, target=80, metric="neg")
    data = through_json(met.to_dict())
    assert data["row"] == json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[0])
    assert (data["source"], data["encoder"], data["preset"]) == (clip.name, "libx264", "veryfast")
    assert (data["met"], data["metric"], data["neg_model"]) == (True, "neg", "vmaf_v0.6.1neg")
    (unmet,) = recommend(rows, target=99, metric="neg.p5")
    data = through_json(unmet.to_dict())
    assert (data["met"], data["row"], data["metric"], data["encoder"]) == (False, None, "neg.p5", "libx264")
    assert "no row reaches" in data["why"]


def test_probe_record_after_a_failure(short: Path, encode: Callable[..., Path]) -> None:
    file, calls = encode(short, 30), list[int]()

    def fails_the_second_time(source: Path, output: Path, crf: int) -> None:
        calls.append(crf)
        if len(calls) > 1:
            raise RuntimeError("enough")
        output.write_bytes(file.read_bytes())

    with pytest.raises(MeasurementError, match="enough") as caught:
        search(short, function_encoder(fails_the_second_time), 80)
    (probe,) = caught.value.probes
    data = through_json(probe.to_dict())
    assert (data["crf"], data["neg"]) == (calls[0], probe.score)


@pytest.mark.parametrize("text", ["neg", "vmaf", "neg.p5", "psnr_y.min", "vmaf.harmonic_mean"])
def test_metric_text(text: str) -> None:
    assert parse_metric(text).text == text
    assert parse_metric("neg.mean").text == "neg"
