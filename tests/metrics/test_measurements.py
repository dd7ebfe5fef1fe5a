"""Metrics of plugins in measurements: the cache, parts, regions, masks, tiles, FakeScorer, searches and baselines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics.builders import absolute, network
from pytest_vmaf import Clip, FakeScorer, GateViolation, MetricError, Region, Result, SettingsError, Vmaf
from pytest_vmaf.metrics import run_metrics as runner

Array = np.ndarray[Any, Any]


class Difference:
    name, label, direction, unit = "difference", "Difference", "lower", "‰"

    def __init__(self, **attributes: object) -> None:
        self.calls = 0
        vars(self).update(attributes)

    def measure(self, reference: Array, distorted: Array) -> float:
        self.calls += 1
        self.shape = reference.shape
        return 1000 * float(np.abs(reference - distorted).mean())


@pytest.fixture(scope="session")
def coded(clip: Path, encode: Callable[..., Path]) -> Path:
    return encode(clip, 34)


@pytest.fixture
def session(tmp_path: Path) -> Vmaf:
    return Vmaf(cache_dir=tmp_path / "cache", signs=False)


@pytest.mark.slow
def test_cache(session: Vmaf, clip: Path, coded: Path) -> None:
    unversioned, first, second = Difference(), Difference(version="1"), Difference(version="2")
    results = [session.score(clip, coded, metrics=[each]) for each in (unversioned, first, second)]
    assert (unversioned.calls, first.calls, second.calls) == (12, 12, 12)
    results += [session.score(clip, coded, metrics=[each]) for each in (unversioned, first, second)]
    assert (unversioned.calls, first.calls, second.calls) == (24, 12, 12)
    assert len({result["difference"].frames for result in results}) == 1


def test_cache_by_bytes(
    session: Vmaf, clip: Path, coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    real = runner.run_metrics

    def run(specs: Any, pair: Any) -> Any:
        runs.extend(spec.name for spec in specs)
        return real(specs, pair)

    monkeypatch.setattr(runner, "run_metrics", run)
    path, copy = tmp_path / "net.onnx", tmp_path / "copy.onnx"
    content = network(*absolute(), direction="lower", metric="net")
    for file in (path, copy):
        file.write_bytes(content)
        session.score(clip, coded, metrics=[file])
    assert runs == ["net"]
    path.write_bytes(network(*absolute(), direction="lower", metric="net", normalise="imagenet"))
    session.score(clip, coded, metrics=[path])
    assert runs == ["net", "net"]


@pytest.mark.slow
def test_part(session: Vmaf, clip: Path, coded: Path) -> None:
    metric = Difference()
    whole = session.score(clip, coded, metrics=metric)["difference"].frames
    part = session.score(Clip(clip, start=3, frames=5), Clip(coded, start=3, frames=5), metrics=metric)
    assert part["difference"].frames == whole[3:8]


@pytest.mark.slow
def test_crop(session: Vmaf, clip: Path, coded: Path) -> None:
    metric = Difference()
    session.score(Clip(clip, crop=(16, 0, 160, 128)), Clip(coded, crop=(16, 0, 160, 128)), metrics=metric)
    assert metric.shape == (128, 160, 3)


@pytest.mark.slow
def test_region(session: Vmaf, clip: Path, coded: Path) -> None:
    metric = Difference()
    with pytest.raises(GateViolation, match=r"face: Difference p95 \d+\.\d+ > 0\.01") as caught:
        session.score(clip, coded, metrics=metric, regions={"face": Region(21, 13, 65, 49, max_difference_p95=0.01)})
    result = caught.value.result
    assert isinstance(result, Result)
    assert float(result.regions["face"]["difference"]) != float(result["difference"])
    assert metric.calls == 24


@pytest.mark.slow
def test_roi_and_tiles(session: Vmaf, clip: Path, coded: Path) -> None:
    metric = Difference()
    roi = session.roi(clip, coded, metrics=metric, synthetic_mask=1.0, gates={"max_difference": 500})
    tiles = session.quality_map(clip, coded, grid=(2, 2), metrics=metric)
    assert roi["difference"] == tiles.whole["difference"] > 0
    with pytest.raises(SettingsError, match=r"max_difference is not a gate of vmaf\.quality_map"):
        session.quality_map(clip, coded, grid=(2, 2), metrics=metric, gates={"max_difference": 500})


@pytest.mark.slow
def test_self_score(session: Vmaf, clip: Path) -> None:
    assert session.self_score(clip, metrics=Difference())["difference"] == 0


def test_fake_scorer(session: Vmaf) -> None:
    metric = Difference()
    with pytest.raises(Exception, match=r"FakeScorer has no 'difference'\. Pass features="):
        session.score("a.mkv", "b.mkv", metrics=metric, scorer=FakeScorer())
    fake = FakeScorer(features={"difference": [1.0, 3.0]})
    result = session.score("a.mkv", "b.mkv", metrics=metric, scorer=fake, gates={"max_difference_max": 3})
    assert result["difference"] == 2
    assert metric.calls == 0
    assert not result["difference"].scale.higher_is_better
    assert result["difference"].worst()[0] == (1, 3.0)


def test_result(session: Vmaf, clip: Path, coded: Path) -> None:
    result = session.score(clip, coded, metrics=[Difference(range=(0, 500), version="3")])
    assert Result.from_json(result.to_json())["difference"].frames == result["difference"].frames
    assert result.provenance["metrics"]["difference"] == {
        "label": "Difference",
        "unit": "‰",
        "higher_is_better": False,
        "low": 0.0,
        "high": 500.0,
        "version": "3",
    }
    assert "difference" in result.to_rows()[0]


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (["nowhere"], "There is no metric 'nowhere'"),
        ([3], "must be a list of metrics, of their names and of paths of ONNX files"),
        (Difference, r"must be an object, for example Difference\(\), not a class"),
        ([Difference(), Difference()], "one metric of each name"),
        ([Difference(name="vmaf")], "is the name of a built-in metric"),
        ([object()], "must be a list of metrics"),
    ],
)
def test_invalid_setting(metrics: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Vmaf().score("a", "b", metrics=metrics)


def test_gate_needs_its_metric() -> None:
    with pytest.raises(SettingsError, match=r"'min_nowhere' \(call\) has an unknown metric"):
        Vmaf().score("a", "b", gates={"min_nowhere": 1})


def test_nothing_left_behind(session: Vmaf, clip: Path, coded: Path, temp: Path) -> None:
    before = threading.active_count()

    class Broken(Difference):
        def measure(self, reference: Array, distorted: Array) -> float:
            raise AssertionError("broken")

    with pytest.raises(MetricError, match=r"difference failed at frame 0 .*AssertionError: broken"):
        session.score(clip, coded, metrics=[Broken()])
    assert threading.active_count() == before
    assert not list(temp.iterdir())


@pytest.mark.slow
def test_target(session: Vmaf, clip: Path) -> None:
    class Likeness(Difference):
        name, direction = "likeness", "higher"

        def measure(self, reference: Array, distorted: Array) -> float:
            return 100 - super().measure(reference, distorted)

    found = session.bisect(clip, encoder="libx264:ultrafast", targets=[80], metric="likeness", metrics=[Likeness()])
    answer = found[80]
    assert answer.result["likeness"] >= 80 > found[80].next_score
    with pytest.raises(SettingsError, match="a lower difference is better"):
        session.bisect(clip, encoder="libx264", targets=[80], metric="difference", metrics=[Difference()])


@pytest.mark.slow
def test_bd_rate(session: Vmaf, clip: Path) -> None:
    class Negative(Difference):
        name, direction = "negative", "higher"

        def measure(self, reference: Array, distorted: Array) -> float:
            return -super().measure(reference, distorted)

    encoders = {"slow": "libx264:slow", "fast": "libx264:ultrafast"}
    metrics = [Difference(), Negative()]
    found = session.compare(
        clip, encoders=encoders, targets=[50, 80], metrics=metrics, agree=["difference"], speed=False
    )
    rates = [found.bd_rate("slow", anchor="fast", metric=name) for name in ("difference", "negative", "neg")]
    assert rates[0] == pytest.approx(rates[1])
    assert max(rates) < 0
    gains = [found.bd_quality("slow", anchor="fast", metric=name) for name in ("difference", "negative")]
    assert gains[0] == pytest.approx(gains[1])
    assert min(gains) > 0
