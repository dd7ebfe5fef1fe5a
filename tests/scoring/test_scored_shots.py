"""The worst shot of a clip: in gates, baselines, searches and results."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
from baselines.sessions import LOCATION, session, store, updating

from pytest_vmaf import Clip, FakeScorer, GateViolation, PairError, Result, ScorerError, Vmaf
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare


@pytest.fixture(scope="module")
def scenes(make, tmp_path_factory):
    """A clip of two shots, 18 and 22 frames, of which x264 codes the second one badly, and its encode."""
    folder = tmp_path_factory.mktemp("scenes")
    easy, hard = "testsrc2=s=176x144,trim=end_frame=18", "mandelbrot=s=176x144:end_scale=0.002,trim=end_frame=22"
    graph = f"{easy},format=yuv420p[a];{hard},format=yuv420p,noise=alls=6:allf=t:all_seed=7[b];[a][b]concat=n=2"
    reference = make("-f", "lavfi", "-i", graph, "-c:v", "ffv1", folder / "scenes.mkv")
    return reference, make("-i", reference, "-c:v", "libx264", "-preset", "veryfast", "-crf", 34, folder / "scenes.mp4")


@pytest.fixture
def vmaf():
    return Vmaf(cache=False)


@pytest.mark.slow
def test_gate(scenes, vmaf):
    with pytest.raises(GateViolation, match=r"(?s)^NEG worst_shot \S+ < 95 .*: frame 18 .* to frame 39 ") as failure:
        vmaf.score(*scenes, min_neg_worst_shot=95)
    assert vmaf.records[-1]["windows"] == [{"metric": "neg", "first": 18, "frames": 22}]
    result = failure.value.result
    assert result.context.shots == ((0, 18), (18, 22))
    means = fmean(result.neg.frames[:18]), fmean(result.neg.frames[18:])
    assert means[1] < float(result.neg) < means[0]
    assert result.neg.pooled("worst_shot") == pytest.approx(means[1])
    assert Result.from_json(result.to_json()) == result
    assert Result.from_json(result.to_json()).context.shots == result.context.shots


def test_shots_are_only_detected_for_a_gate(scenes, vmaf):
    result = vmaf.score(*scenes)
    assert result.context.shots == ()
    assert "shots" not in result.to_json()


@pytest.mark.slow
def test_parts_and_aligned_pairs(scenes, make, tmp_path):
    def shots(reference, distorted, **settings):
        request = MeasureRequest(reference, distorted, shots_for="min_neg_worst_shot", **settings)
        return prepare(request, FfmpegScorer()).shots

    clips = [Clip(path, start=1, frames=36) for path in scenes]
    assert shots(*clips) == ((0, 17), (17, 19))
    assert shots(Clip(scenes[0]), Clip(scenes[1], start=2), align=True) == ((0, 16), (16, 22))
    with pytest.raises(PairError, match="min_neg_worst_shot needs the shots of the reference, of which match_rate"):
        shots(Clip(scenes[0]), Clip(make("-i", scenes[1], "-vf", "fps=12.5", tmp_path / "half.mp4")), match_rate=True)


def test_a_scorer_that_reads_no_clips():
    with pytest.raises(ScorerError, match="min_neg_worst_shot needs the shots of the reference, and the scorer 'fake'"):
        Vmaf(scorer=FakeScorer()).score("a.mp4", "b.mp4", min_neg_worst_shot=0)
    with pytest.raises(ScorerError, match=r"The metric neg\.worst_shot needs the shots"):
        prepare(MeasureRequest(Clip("a.mp4"), Clip("b.mp4"), shots_for="The metric neg.worst_shot"), FakeScorer())


@pytest.mark.slow
def test_baseline(scenes, tmp_path):
    place = replace(LOCATION, file=tmp_path / "__vmaf__" / "test_x.json")
    settings = {"baseline": "it", "max_drop": None, "max_drop_p5": None, "max_drop_worst_shot": 1}
    first = session(updating(place))
    worst = first.score(*scenes, **settings).neg.pooled("worst_shot")
    [entry] = store(first, place, lambda entry: entry["values"]["neg"].update(worst_shot=99.0)).values()
    assert entry["values"]["neg"]["worst_shot"] == 99
    with pytest.raises(GateViolation, match=rf"NEG worst_shot {worst:.2f} is \S+ below the baseline's 99.00"):
        session(place).score(*scenes, **settings)


@pytest.mark.slow
def test_target(scenes, vmaf):
    settings = {"encoder": "libx264", "preset": "veryfast", "crf": (26, 36), "targets": 70}
    bisection = vmaf.bisect(scenes[0], metric="neg.worst_shot", **settings)
    assert bisection[70].score >= 70
    measured = [probe for probe in bisection.probes if probe.result]
    assert measured
    for probe in measured:
        assert probe.score == pytest.approx(fmean(probe.result.neg.frames[18:]))
