"""Shot by shot: each at the target on its own, joined frame by frame, and what one CRF for all would have done."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from encoding.builders import FAST
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.per_shot import PerShot
from pytest_vmaf.search.tune_per_shot import PerShotRequest, tune_per_shot

NOISE = "noise=alls=6:allf=t:all_seed=7"
#: A shot that is hard to encode, one that is black, one that is easy.
HARD = f"mandelbrot=s=160x120:r=25:end_scale=0.002,{NOISE}"
BLACK = "color=black:s=160x120:r=25"
EASY = "testsrc2=s=160x120:r=25"
FRAMES = 16
WINDOW = (16, 40)


@pytest.fixture(scope="session")
def shots(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Clip]:
    """shots(HARD, EASY): a clip of shots of 16 frames each, made once a session."""
    made: dict[tuple[str, ...], Clip] = {}
    folder = tmp_path_factory.mktemp("shots")

    def clip(*scenes: str) -> Clip:
        if scenes not in made:
            cuts = [
                f"{scene},trim=end_frame={FRAMES},format=yuv420p,setpts=N/25/TB[s{n}]" for n, scene in enumerate(scenes)
            ]
            joined = "".join(f"[s{n}]" for n in range(len(scenes)))
            graph = f"{';'.join(cuts)};{joined}concat=n={len(scenes)}"
            made[scenes] = Clip(make("-filter_complex", graph, "-c:v", "ffv1", folder / f"clip{len(made)}.mkv"))
        return made[scenes]

    return clip


def tune(clip: Clip, target: float = 88, encoder: str | Encoder = "libx264", **settings: Any) -> PerShot:
    chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
    if encoder == "libx264":
        settings.setdefault("preset", "ultrafast")
    settings.setdefault("crf", WINDOW)
    own = {n: settings.pop(n) for n in ("threshold", "shortest", "fixed", "progress") if n in settings}
    targets = settings.pop("targets", (target,))
    base = BisectRequest(MeasureRequest(clip, clip), chosen, targets, **settings)
    return tune_per_shot(PerShotRequest(base, **own), FfmpegScorer())


@pytest.fixture(scope="session")
def mixed(shots: Callable[..., Clip]) -> Clip:
    return shots(HARD, BLACK, EASY)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def tuned(mixed: Clip, kept: Path) -> PerShot:
    return tune(mixed, keep=kept)


@pytest.fixture(scope="session")
def decoded(ffmpeg: str) -> Callable[[Path], list[str]]:
    """Every frame of a clip, as a hash."""

    def hashes(path: Path) -> list[str]:
        argv = [ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:V:0", "-fps_mode", "passthrough"]
        lines = subprocess.check_output([*argv, "-f", "framehash", "-"], text=True).splitlines()
        return [line.rpartition(",")[2] for line in lines if not line.startswith("#")]

    return hashes


# What is found.


def test_each_shot_has_the_crf_that_a_search_of_its_own_finds(
    tuned: PerShot, mixed: Clip, ffmpeg: str, tmp_path: Path
) -> None:
    assert [(answer.shot.start, answer.shot.frames) for answer in tuned.shots] == [(0, 16), (16, 16), (32, 16)]
    parts = cut(mixed, [(0, 16), (16, 16), (32, 16)], tmp_path, ffmpeg)
    for answer, part in zip(tuned.shots, parts, strict=True):
        request = BisectRequest(MeasureRequest(part, part), ENCODERS["libx264"], (88,), preset="ultrafast", crf=WINDOW)
        alone = bisect(request, FfmpegScorer(), SearchPlan(flat=True))[88]
        assert (answer.crf, answer.probe.score, answer.met) == (alone.crf, alone.score, True)
    assert len({answer.crf for answer in tuned.shots}) == 3
    assert tuned.met


def test_the_joined_encode_is_scored_as_a_whole(tuned: PerShot, mixed: Clip, kept: Path) -> None:
    path = tuned.encode.path
    assert path is not None
    assert [each.name for each in kept.iterdir()] == [path.name] == [f"{mixed.path.stem}-libx264-per-shot.mp4"]
    by_hand = measure(MeasureRequest(mixed, Clip(path)), FfmpegScorer())
    assert tuned.score == by_hand.neg
    assert tuned.result.vmaf.frames == by_hand.vmaf.frames
    assert tuned.encode.frames == 48
    assert tuned.bitrate == pytest.approx(tuned.encode.size * 8 / (48 / 25))
    assert tuned.encode.size == pytest.approx(sum(answer.probe.encode.size for answer in tuned.shots), rel=0.01)


def test_the_worst_shot_is_better_than_with_one_crf(tuned: PerShot) -> None:
    assert tuned.fixed is not None
    answer = next(iter(tuned.fixed.answers.values()))
    for one, frames in enumerate((range(16), range(16, 32), range(32, 48))):
        mean, beside = (
            statistics.fmean(result.neg.frames[frame] for frame in frames) for result in (tuned.result, answer.result)
        )
        assert tuned.shots[one].score == pytest.approx(mean)
        assert tuned.shots[one].fixed_score == pytest.approx(beside)
    assert tuned.worst_shot == min(shot.score for shot in tuned.shots)
    assert tuned.fixed_worst_shot == min(shot.fixed_score for shot in tuned.shots)  # type: ignore[type-var]
    assert answer.score >= tuned.score
    assert tuned.worst_shot > tuned.fixed_worst_shot + 1  # type: ignore[operator]


def test_one_crf_has_at_least_the_score_and_is_compared_at_an_equal_one(tuned: PerShot) -> None:
    assert tuned.fixed is not None
    answer = next(iter(tuned.fixed.answers.values()))
    assert answer.target == tuned.score
    assert answer.next_probe is not None
    assert answer.score >= tuned.score > answer.next_probe.score
    assert answer.next_probe.bitrate < tuned.fixed_bitrate <= answer.bitrate
    assert tuned.rate_change == pytest.approx((tuned.bitrate / tuned.fixed_bitrate - 1) * 100)


def test_it_shows_itself(tuned: PerShot, mixed: Clip) -> None:
    head, *lines = str(tuned).splitlines()
    assert head.startswith(f"libx264 ultrafast per shot on {mixed}: 3 shots at NEG 88, joined {tuned.score:.3f} at ")
    assert lines[1].startswith(f"  frames 16 to 31: CRF 40, {tuned.shots[1].score:.3f}, ")
    worst, beside = tuned.worst_shot, tuned.fixed_worst_shot
    assert lines[3] == f"  The worst shot has NEG {worst:.3f}, and {beside:.3f} with one CRF."
    assert lines[4].startswith("  One CRF for the whole clip: NEG ")
    assert lines[4].endswith(f"the shots' own spend {tuned.rate_change:+.2f} % bitrate beside it.")
    assert repr(tuned).startswith("<PerShot of libx264 ultrafast per shot: 3 shots, NEG ")


def test_as_plain_data_it_holds_every_shot_and_the_one_crf(tuned: PerShot) -> None:
    record = json.loads(json.dumps(tuned.to_record(), allow_nan=False))
    assert [(shot["start"], shot["crf"], shot["met"]) for shot in record["shots"]] == [
        (answer.shot.start, answer.crf, True) for answer in tuned.shots
    ]
    assert record["worst_shot"] == tuned.worst_shot
    assert record["fixed"]["worst_shot"] == tuned.fixed_worst_shot
    assert record["fixed"]["rate_change_percent"] == tuned.rate_change
    assert record["models"]["neg_model"] == "vmaf_v0.6.1neg"


def test_no_file_is_said_that_is_gone(tuned: PerShot) -> None:
    assert all(answer.probe.encode.path is None for answer in tuned.shots)


@pytest.mark.parametrize(
    ("scenes", "saved"),
    [((HARD, f"{HARD},vflip", HARD, f"{HARD},vflip"), 2), ((HARD, BLACK, HARD), 0), ((HARD, EASY, HARD), 0)],
)
def test_shots_that_are_alike_share_what_they_know_and_others_lose_nothing_by_it(
    scenes: tuple[str, ...], saved: int, shots: Callable[..., Clip], ffmpeg: str, tmp_path: Path
) -> None:
    clip = shots(*scenes)
    found = tune(clip, 96, fixed=False, crf=(2, 34))
    parts = cut(clip, [(answer.shot.start, answer.shot.frames) for answer in found.shots], tmp_path, ffmpeg)
    alone = 0
    for answer, part in zip(found.shots, parts, strict=True):
        scoring = MeasureRequest(part, part)
        request = BisectRequest(scoring, ENCODERS["libx264"], (96,), preset="ultrafast", crf=(2, 34))
        one = bisect(request, FfmpegScorer(), SearchPlan(flat=True))
        assert one[96].crf == answer.crf
        alone += len(one.probes)
    assert alone - found.probes >= saved


def test_a_clip_without_a_cut_is_one_shot(shots: Callable[..., Clip]) -> None:
    found = tune(shots(HARD))
    assert [(answer.shot.start, answer.shot.frames) for answer in found.shots] == [(0, 16)]
    assert found.fixed is not None
    # The same encode, so the same score, and nothing to gain; joining writes some bytes of headers anew.
    assert found.score == found.shots[0].probe.score
    assert next(iter(found.fixed.answers.values())).crf == found.shots[0].crf
    assert found.rate_change == pytest.approx(0, abs=0.2)
    assert found.worst_shot == found.fixed_worst_shot == pytest.approx(found.score)


def test_shots_are_cut_as_they_are_asked_for(mixed: Clip) -> None:
    assert len(tune(mixed, shortest=17, fixed=False).shots) == 1
    assert len(tune(mixed, threshold=100.0, fixed=False).shots) == 1


def test_a_sample_is_cut_before_shots_are_looked_for(mixed: Clip) -> None:
    found = tune(mixed, sample=32 / 25, shortest=8, fixed=False)
    assert [(answer.shot.start, answer.shot.frames) for answer in found.shots] == [(0, 8), (8, 16), (24, 8)]
    assert found.reference == f"{mixed}, frames 8 to 39"
    assert found.result.context.reference == found.reference


# Shots that cannot reach the target.


def test_a_black_shot_that_cannot_reach_the_target_gets_the_finest_crf_of_the_others(mixed: Clip) -> None:
    found = tune(mixed, 97.7, fixed=False, crf=(4, 30))
    hard, black, easy = found.shots
    assert (hard.met, black.met, easy.met) == (True, False, True)
    assert black.crf == min(hard.crf, easy.crf)
    assert "cannot be reached: the reference itself has 97.4" in black.why
    assert not found.met
    assert black.why in str(found)
    assert found.to_record()["shots"][1]["met"] is False


def test_where_no_shot_reaches_the_target_the_finest_crf_is_used(mixed: Clip) -> None:
    found = tune(mixed, 99.95)
    assert [answer.crf for answer in found.shots] == [16, 16, 16]
    assert not any(answer.met for answer in found.shots)
    assert not found.met
    assert found.fixed is not None
    assert found.encode.frames == 48


def test_one_crf_that_is_not_known_is_said(mixed: Clip) -> None:
    # The whole clip has one CRF that may be used, and the joined encode scores better than it.
    found = tune(mixed, 60, crf=(30, 30))
    with pytest.raises(MeasurementError, match=r"One CRF for the whole clip at NEG .* is not known: "):
        _ = found.rate_change
    assert "beside it" not in str(found)
    json.dumps(found.to_record(), allow_nan=False)


def test_without_the_comparison_nothing_is_said_of_one_crf(mixed: Clip) -> None:
    found = tune(mixed, fixed=False)
    assert found.fixed is None
    assert found.fixed_worst_shot is None
    assert found.to_record()["fixed"] is None
    assert "One CRF" not in str(found)
    with pytest.raises(MeasurementError, match="is not known: it was not asked for"):
        _ = found.rate_change


# Joining.


@pytest.mark.parametrize("name", FAST)
def test_every_software_encoders_streams_join_to_the_frames_that_encodes_by_hand_have(
    name: str, shots: Callable[..., Clip], make: Callable[..., Path], ffmpeg: str, tmp_path: Path,
    decoded: Callable[[Path], list[str]],
) -> None:  # fmt: skip
    clip, (preset, crf), encoder = shots(HARD, EASY), FAST[name], ENCODERS[name]
    found = tune(clip, 1, encoder=name, preset=preset, crf=(crf, crf), keep=tmp_path / "kept", fixed=False)
    assert found.encode.path is not None
    (tmp_path / "parts").mkdir()
    frames = []
    for n, part in enumerate(cut(clip, [(0, 16), (16, 16)], tmp_path / "parts", ffmpeg)):
        options = [word.format(preset=preset, crf=crf) for word in encoder.arguments]
        path = tmp_path / f"{n}{encoder.suffix}"
        frames += decoded(make("-i", part.path, "-c:v", name, *options, *encoder.joining, path))
    assert decoded(found.encode.path) == frames
    assert len(frames) == 32


def test_streams_that_do_not_join_are_found_out(shots: Callable[..., Clip], temp: Path) -> None:
    # Its parts number their pictures in a way that only their own headers explain.
    encoder = replace(ENCODERS["libvvenc"], joining=())
    with pytest.raises(EncodeError, match=r"do not join by copying|cannot be joined|does not decode") as caught:
        tune(shots(HARD, EASY), 1, encoder=encoder, crf=(32, 32), fixed=False)
    assert len(caught.value.probes) == 2
    assert list(temp.iterdir()) == []


def test_names_with_quotes_and_slashes_are_only_names(
    shots: Callable[..., Clip], make: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(source: Path, output: Path, crf: int) -> None:
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    strange = tmp_path / "it's \\ a %d folder"
    strange.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(strange))
    encoder = function_encoder(own, name="../../own '1'")
    found = tune(shots(HARD, EASY), encoder=encoder, keep=tmp_path / "kept", fixed=False)
    assert found.encode.path is not None
    assert found.encode.path.parent == tmp_path / "kept"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [found.encode.path.name]
    assert list(strange.iterdir()) == []


def test_bare_streams_join_too(shots: Callable[..., Clip], make: Callable[..., Path]) -> None:
    def own(source: Path, output: Path, crf: int) -> None:
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-bf", 0, "-crf", crf, output)

    found = tune(shots(HARD, EASY), encoder=function_encoder(own, suffix=".h264"), fixed=False)
    assert found.encode.frames == 32
    assert found.met


# Failing, and what stays.


@pytest.mark.parametrize(
    ("broken", "note"),
    [
        ("shot-0001", "This was shot 2 of 3; 1 had been finished."),
        ("clip", "This was the search for one CRF for the whole clip; the shots had been finished."),
    ],
)
def test_a_failure_says_where_and_leaves_nothing(
    broken: str, note: str, mixed: Clip, make: Callable[..., Path], temp: Path, tmp_path: Path
) -> None:
    def breaks(source: Path, output: Path, crf: int) -> None:
        if source.name.startswith(broken):
            raise RuntimeError("out of licences")
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    with pytest.raises(EncodeError, match=r"breaks raised RuntimeError at CRF \d+: out of licences") as caught:
        tune(mixed, encoder=function_encoder(breaks), keep=tmp_path / "kept")
    assert caught.value.__notes__[-1] == note
    assert caught.value.probes
    assert all(probe.encode.path is None for probe in caught.value.probes)
    assert list(temp.iterdir()) == []
    assert not (tmp_path / "kept").exists()


def test_without_keep_no_file_stays(mixed: Clip, temp: Path) -> None:
    assert tune(mixed, fixed=False).encode.path is None
    assert list(temp.iterdir()) == []


def test_progress_rises_with_the_probes(mixed: Clip) -> None:
    told: list[tuple[int, float]] = []
    found = tune(mixed, progress=lambda *numbers: told.append(numbers))
    done = [numbers[0] for numbers in told]
    assert done == sorted(done)
    assert told[-1] == (found.probes, found.probes)
    assert all(made <= expected for made, expected in told)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"targets": (80, 90)}, "Shot by shot there is one target, not 2"),
        ({"targets": ()}, "Shot by shot there is one target, not 0"),
        ({"threshold": "6"}, "threshold is '6'; it is a percentage"),
        ({"threshold": 0}, "threshold is 0; it is a percentage"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"shortest": 0}, "shortest is 0"),
        ({"shortest": 1.5}, "shortest is 1.5; it is a whole number of frames"),
        ({"shortest": True}, "shortest is True"),
        ({"preset": "fastest"}, "has no preset 'fastest'"),
        ({"target": 101}, "The target 101 cannot be"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str, mixed: Clip, temp: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        tune(mixed, **settings)
    assert list(temp.iterdir()) == []
