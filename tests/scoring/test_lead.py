"""Scores of parts: those of the same frames in the whole clip, by frames before and after that are scored with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_vmaf import Result, Vmaf
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import ClipError, LogError, MeasurementError, PairError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.plugins.vmaf_cli import VmafCliScorer
from pytest_vmaf.report.frame_pictures import worst_pictures
from pytest_vmaf.report.record import measurement_record
from pytest_vmaf.report.wording import moment
from pytest_vmaf.roi.regions import Region
from pytest_vmaf.scoring import self_scores
from pytest_vmaf.scoring.lead import without_lead
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.scorer import ScoreLog

#: Motion that rises and falls, of which a frame's score takes the smaller one of two changes.
SHAKEN = (
    "testsrc2=size=400x240:rate=25,format=yuv420p,crop=320:180:x=mod(n*n*7\\,60):y=mod(n*n*n*5\\,36),"
    "noise=alls=6:allf=t:all_seed=7"
)


@pytest.fixture(scope="module")
def shaken(make, encode, tmp_path_factory):
    """A clip of 24 frames in which everything moves, and its encode."""
    path = tmp_path_factory.mktemp("shaken") / "shaken.mkv"
    make("-f", "lavfi", "-i", SHAKEN, "-frames:v", 24, "-c:v", "ffv1", path)
    return path, encode(path, 30)


@pytest.fixture(scope="module")
def whole(shaken, score):
    """The result of the whole clip, with the signs of the picture."""
    return score(*shaken, signs=True)


@pytest.fixture(scope="module")
def cut(shaken, make, tmp_path_factory):
    """Frames 8 to 13 of the clip, cut by ffmpeg, and an encode of only these."""
    folder = tmp_path_factory.mktemp("cut")
    chain = "trim=start_frame=8:end_frame=14,setpts=PTS-STARTPTS"
    lossless = make("-i", shaken[0], "-vf", chain, "-f", "yuv4mpegpipe", folder / "cut.y4m")
    return lossless, make("-i", lossless, "-c:v", "libx264", "-crf", 30, "-preset", "veryfast", folder / "cut.mp4")


def parts(clips, **part):
    return [Clip(path, **part) for path in clips]


def unequal(part, whole, start):
    """The metrics in which a part differs from the same frames of the whole clip, in any bit."""
    frames = slice(start, start + len(part.vmaf.frames))
    return [name for name, each in part.scores.items() if each.unclipped.frames != whole[name].unclipped.frames[frames]]


@pytest.mark.slow
def test_scores_are_those_of_the_whole_clip(shaken, whole, score):
    part = score(*parts(shaken, start=8, frames=6), signs=True)
    assert unequal(part, whole, 8) == []
    assert len(part.vmaf.frames) == part.provenance["frames"] == 6
    assert part.context.distorted.endswith("(frames 8 to 13)")
    assert part.provenance["starts"] == [8, 8]
    assert "reference: frames 8 to 13; frame 0 of the result is frame 8 of the clip" in part.provenance["notes"]
    assert "trim=start_frame=7:end_frame=15" in part.provenance["command"]
    assert part.context.time_code(2) == "frame 2 (0:00:00.080; 10 in the reference)"
    assert moment(measurement_record(part, ()), 2) == "frame 2 (0:00.080; 10 in the reference)"
    assert Result.from_json(part.to_json()) == part
    assert Result.from_json(part.to_json()).context.first == 8


@pytest.mark.parametrize(
    "part",
    [
        {"start": 18, "frames": 6},
        *(pytest.param(each, marks=pytest.mark.slow) for each in ({"start": 18}, {"frames": 3}, {"start": 23})),
    ],
    ids=str,
)
def test_scores_at_the_edges(part, shaken, whole, score):
    result = score(*parts(shaken, **part))
    assert unequal(result, whole, part.get("start", 0)) == []
    assert len(result.vmaf.frames) == part.get("frames", 24 - part.get("start", 0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"generation": "v1"}, {"model": "vmaf_v1.0.16_hfr_3d0h"}, {"model": "vmaf_4k_v0.6.1"}], ids=str
)
def test_scores_by_other_models(settings, shaken, score):
    whole = score(*shaken, **settings)
    for start in (2, 8):
        assert unequal(score(*parts(shaken, start=start, frames=6), **settings), whole, start) == []


@pytest.mark.slow
def test_an_encode_of_the_part_alone(shaken, cut, score):
    by_part, by_file = score(Clip(shaken[0], start=8, frames=6), cut[1]), score(*cut)
    assert unequal(by_part, by_file, 0) == []
    assert by_part.bitrate == by_file.bitrate
    assert by_part.provenance["starts"] == [8, 0]


@pytest.mark.slow
def test_only_the_reference_has_frames_after_the_part(shaken, cut, score):
    # The distorted clip ends with its part, so frames after it would be compared with a repeated one.
    by_part = score(Clip(shaken[0], start=8, frames=6), Clip(cut[1], frames=6))
    assert unequal(by_part, score(*cut), 0) == []


@pytest.mark.slow
def test_self_score_of_another_lead(shaken, cut, score, make, tmp_path):
    """What a part scores with the frames around it is no limit for an encode that has none."""
    reference = shaken[0]
    encode = make("-i", cut[0], "-c:v", "libx264", "-qp", 1, tmp_path / "fine.mkv")
    clip = Clip(reference, start=8, frames=6)
    before = score(clip, encode, signs=False).above_100
    self_scores._self_scores.clear()
    # Remembers the self-score of the part, which was scored with its neighbours.
    score(clip, clip, same="ignore", signs=False)
    assert score(clip, encode, signs=False).above_100.frames == before.frames
    assert len(self_scores._self_scores) == 2


@pytest.mark.slow
def test_another_scorer(shaken, whole, standin):
    request = MeasureRequest(*parts(shaken, start=18, frames=4), vmaf_bin=standin)
    assert measure(request, VmafCliScorer()).neg.frames == pytest.approx(whole.neg.frames[18:22], abs=1e-6)
    short = [Clip(shaken[0], start=18, frames=7), Clip(shaken[1], start=18, frames=6)]
    with pytest.raises(PairError, match="the part of the reference has 7 frames, that of the distorted clip 6"):
        measure(replace(request, reference=short[0], distorted=short[1]), VmafCliScorer())


@pytest.mark.parametrize("starts", [(18, 18), pytest.param((18, 17), marks=pytest.mark.slow)])
def test_a_part_that_ends_after_the_clip(starts, shaken, score):
    clips = [Clip(path, start=start, frames=7) for path, start in zip(shaken, starts, strict=True)]
    with pytest.raises(ClipError, match=r"shaken\.mkv has 24 frames, 0 to 23, and no part of 7 frames from frame 18"):
        score(*clips, allow=("displaced",))


def test_a_part_has_no_bitrate(shaken, score):
    result = score(*parts(shaken, start=8, frames=6))
    with pytest.raises(MeasurementError, match=r"\(frames 8 to 13\) has no size: raw video, .* and parts of a clip"):
        assert result.bitrate
    with pytest.raises(ClipError, match=r"frames 8 to 13\) is a part of a clip, and gates on streams are about"):
        Vmaf(cache=False).stream(Clip(shaken[1], start=8, frames=6))


@pytest.mark.slow
def test_align_within_a_part(shaken, cut, score):
    aligned = score(Clip(shaken[0], start=6, frames=8), cut[1], align=True)
    assert unequal(aligned, score(*cut), 0) == []
    assert aligned.provenance["starts"] == [8, 0]
    assert "reference: frames 8 to 13; frame 0 of the result is frame 8 of the clip" in aligned.provenance["notes"]


def test_pictures_show_the_frames_of_the_part(shaken, whole, score):
    part = score(*parts(shaken, start=8, frames=6))
    rows = [{"frame": 3, "metric": "neg", "value": 1.0}]
    shown, _ = worst_pictures({**measurement_record(part, ()), "worst": rows}, *parts(shaken, start=8, frames=6), 1)
    rows = [{**rows[0], "frame": 11}]
    expected, _ = worst_pictures({**measurement_record(whole, ()), "worst": rows}, *map(Clip, shaken), 1)
    assert shown[0]["reference"] == expected[0]["reference"]
    assert shown[0]["distorted"] == expected[0]["distorted"]


@pytest.mark.slow
def test_parts_of_the_picture(shaken):
    vmaf, clips = Vmaf(cache=False), parts(shaken, start=8, frames=6)
    track = {"track": Region.track([(n, 2 * n, 128, 100) for n in range(24)])}
    regions = [vmaf.score(*pair, regions=track).regions["track"] for pair in (clips, shaken)]
    assert regions[0].neg.frames == regions[1].neg.frames[8:14]
    maps = [vmaf.map(*pair, grid=(2, 1)) for pair in (clips, shaken)]
    assert [tile.neg.frames for tile in maps[0].tiles] == [tile.neg.frames[8:14] for tile in maps[1].tiles]
    rois = [vmaf.roi(*pair, synthetic_mask=0.5) for pair in (clips, shaken)]
    assert rois[0].neg_full.frames == rois[1].neg_full.frames[8:14]
    # The masked clip is one of its own.
    assert rois[0].neg_masked.frames[1:-1] == rois[1].neg_masked.frames[9:13]


@pytest.mark.slow
def test_cached_by_part(shaken, score, tmp_path):
    cache = Cache(tmp_path)
    first = score(*parts(shaken, start=8, frames=6), cache=cache)
    other = score(*parts(shaken, start=9, frames=6), cache=cache)
    again = score(*parts(shaken, start=8, frames=6), cache=cache)
    assert [bool(each.provenance["cached"]) for each in (first, other, again)] == [False, False, True]
    assert again.neg.frames == first.neg.frames != other.neg.frames
    assert again.provenance["command"] == first.provenance["command"]


def test_a_scorer_that_scores_other_frames(shaken):
    request = MeasureRequest(*parts(shaken, start=8, frames=6))
    job = prepare(request, FfmpegScorer()).job
    log = ScoreLog({"neg": (1.0,) * 24}, 24, 24, "", "")
    with pytest.raises(LogError, match=r"must apply the filters of Source\.chain: it reports 24 frames, not 6 and 2"):
        without_lead(log, job)


@pytest.mark.slow
def test_align_names_the_part(shaken, cut, score):
    with pytest.raises(PairError, match=r"the other clip is a part of it, pass Clip\(.*mkv', start=8, frames=6\)\.$"):
        score(Clip(shaken[0], start=4), cut[1], align=True)
    assert len(score(Clip(shaken[0], start=8, frames=6), cut[1]).neg.frames) == 6
