"""Tuning shot by shot: the CRF of each shot, the joined encode, and the comparison with one CRF."""

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

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
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
#: A search of one encode a shot, where the scores do not matter.
ONE: dict[str, Any] = {"target": 1, "crf": (30, 30), "fixed": False}


@pytest.fixture(scope="session")
def shots(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Clip]:
    """shots(HARD, EASY): a clip of shots of 16 frames each, clips once a session."""
    clips: dict[tuple[str, ...], Clip] = {}
    folder = tmp_path_factory.mktemp("shots")

    def clip(*scenes: str) -> Clip:
        if scenes not in clips:
            cuts = [
                f"{scene},trim=end_frame={FRAMES},format=yuv420p,setpts=N/25/TB[s{n}]" for n, scene in enumerate(scenes)
            ]
            joined = "".join(f"[s{n}]" for n in range(len(scenes)))
            graph = f"{';'.join(cuts)};{joined}concat=n={len(scenes)}"
            clips[scenes] = Clip(make("-filter_complex", graph, "-c:v", "ffv1", folder / f"clip{len(clips)}.mkv"))
        return clips[scenes]

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
def updates() -> list[tuple[int, float]]:
    """The progress of `tuned`."""
    return []


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def tuned(mixed: Clip, store: Path, updates: list[tuple[int, float]]) -> PerShot:
    return tune(mixed, keep=store, progress=lambda *numbers: updates.append(numbers))


@pytest.fixture(scope="session")
def decoded(ffmpeg: str) -> Callable[[Path], list[str]]:
    """Every frame of a clip, as a hash."""

    def hashes(path: Path) -> list[str]:
        argv = [ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:V:0", "-fps_mode", "passthrough"]
        lines = subprocess.check_output([*argv, "-f", "framehash", "-"], text=True).splitlines()
        return [line.rpartition(",")[2] for line in lines if not line.startswith("#")]

    return hashes


# What a search returns.


def test_shots_have_their_own_crf(tuned: PerShot) -> None:
    assert [(answer.shot.start, answer.shot.frames) for answer in tuned.shots] == [(0, 16), (16, 16), (32, 16)]
    assert all(answer.met and answer.probe.score >= 88 for answer in tuned.shots)
    assert len({answer.crf for answer in tuned.shots}) == 3
    assert tuned.met


@pytest.mark.slow
def test_each_shot_as_searched_alone(tuned: PerShot, mixed: Clip, ffmpeg: str, tmp_path: Path) -> None:
    parts = cut(mixed, [(0, 16), (16, 16), (32, 16)], tmp_path, ffmpeg)
    for answer, part in zip(tuned.shots, parts, strict=True):
        request = BisectRequest(MeasureRequest(part, part), ENCODERS["libx264"], (88,), preset="ultrafast", crf=WINDOW)
        alone = bisect(request, FfmpegScorer(), SearchPlan(flat=True))[88]
        assert (answer.crf, answer.probe.score, answer.met) == (alone.crf, alone.score, True)


def test_joined_encode_is_scored(tuned: PerShot, mixed: Clip, store: Path) -> None:
    path = tuned.encode.path
    assert path is not None
    assert [each.name for each in store.iterdir()] == [path.name] == [f"{mixed.path.stem}-libx264-per-shot.mp4"]
    by_hand = measure(MeasureRequest(mixed, Clip(path)), FfmpegScorer())
    assert tuned.score == by_hand.neg
    assert tuned.result.vmaf.frames == by_hand.vmaf.frames
    assert tuned.encode.frames == 48
    assert tuned.bitrate == pytest.approx(tuned.encode.size * 8 / (48 / 25))
    assert tuned.encode.size == pytest.approx(sum(answer.probe.encode.size for answer in tuned.shots), rel=0.01)


def test_worst_shot(tuned: PerShot) -> None:
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


def test_fixed_crf_at_equal_score(tuned: PerShot) -> None:
    assert tuned.fixed is not None
    answer = next(iter(tuned.fixed.answers.values()))
    assert answer.target == tuned.score
    assert answer.next_probe is not None
    assert answer.score >= tuned.score > answer.next_probe.score
    assert answer.next_probe.bitrate < tuned.fixed_bitrate <= answer.bitrate
    assert tuned.rate_change == pytest.approx((tuned.bitrate / tuned.fixed_bitrate - 1) * 100)


def test_str_and_repr(tuned: PerShot, mixed: Clip) -> None:
    head, *lines = str(tuned).splitlines()
    assert head.startswith(f"libx264 ultrafast per shot on {mixed}: 3 shots at NEG 88, joined {tuned.score:.3f} at ")
    assert lines[1].startswith(f"  frames 16 to 31: CRF 40, {tuned.shots[1].score:.3f}, ")
    worst, beside = tuned.worst_shot, tuned.fixed_worst_shot
    assert lines[3] == f"  The worst shot has NEG {worst:.3f}, and {beside:.3f} with one CRF."
    assert lines[4].startswith("  One CRF for the whole clip: NEG ")
    assert lines[4].endswith(f"a CRF for each shot takes {tuned.rate_change:+.2f} % bitrate.")
    assert repr(tuned).startswith("<PerShot of libx264 ultrafast per shot: 3 shots, NEG ")


def test_to_record(tuned: PerShot) -> None:
    record = json.loads(json.dumps(tuned.to_record(), allow_nan=False))
    assert [(shot["start"], shot["crf"], shot["met"]) for shot in record["shots"]] == [
        (answer.shot.start, answer.crf, True) for answer in tuned.shots
    ]
    assert record["worst_shot"] == tuned.worst_shot
    assert record["fixed"]["worst_shot"] == tuned.fixed_worst_shot
    assert record["fixed"]["rate_change_percent"] == tuned.rate_change
    assert record["models"]["neg_model"] == "vmaf_v0.6.1neg"


def test_progress(tuned: PerShot, updates: list[tuple[int, float]]) -> None:
    done = [numbers[0] for numbers in updates]
    assert done == sorted(done)
    assert updates[-1] == (tuned.probes, tuned.probes)
    assert all(encodes <= expected for encodes, expected in updates)


def test_probes_name_no_removed_file(tuned: PerShot) -> None:
    assert all(answer.probe.encode.path is None for answer in tuned.shots)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenes", "saved"),
    [((HARD, f"{HARD},vflip", HARD, f"{HARD},vflip"), 2)],
)
def test_alike_shots_share_a_start(
    scenes: tuple[str, ...], saved: int, shots: Callable[..., Clip], ffmpeg: str, tmp_path: Path
) -> None:
    clip = shots(*scenes)
    result = tune(clip, 96, fixed=False, crf=(2, 34))
    parts = cut(clip, [(answer.shot.start, answer.shot.frames) for answer in result.shots], tmp_path, ffmpeg)
    alone = 0
    for answer, part in zip(result.shots, parts, strict=True):
        scoring = MeasureRequest(part, part)
        request = BisectRequest(scoring, ENCODERS["libx264"], (96,), preset="ultrafast", crf=(2, 34))
        one = bisect(request, FfmpegScorer(), SearchPlan(flat=True))
        assert one[96].crf == answer.crf
        alone += len(one.probes)
    assert alone - result.probes >= saved


@pytest.mark.slow
def test_clip_without_a_cut(shots: Callable[..., Clip]) -> None:
    result = tune(shots(HARD))
    assert [(answer.shot.start, answer.shot.frames) for answer in result.shots] == [(0, 16)]
    assert result.fixed is not None
    # The same encode, so the same score, and nothing to gain; joining writes some bytes of headers anew.
    assert result.score == result.shots[0].probe.score
    assert next(iter(result.fixed.answers.values())).crf == result.shots[0].crf
    assert result.rate_change == pytest.approx(0, abs=0.2)
    assert result.worst_shot == result.fixed_worst_shot == pytest.approx(result.score)


@pytest.mark.slow
def test_sample(mixed: Clip) -> None:
    result = tune(mixed, sample=32 / 25, shortest=8, **ONE)
    assert [(answer.shot.start, answer.shot.frames) for answer in result.shots] == [(0, 8), (8, 16), (24, 8)]
    assert result.reference == f"{mixed}, frames 8 to 39"
    assert result.result.context.reference == result.reference


# Shots that cannot reach the target.


@pytest.mark.slow
def test_unreachable_shot_gets_the_finest_crf(mixed: Clip) -> None:
    result = tune(mixed, 97.7, fixed=False, crf=(4, 30))
    hard, black, easy = result.shots
    assert (hard.met, black.met, easy.met) == (True, False, True)
    assert black.crf == min(hard.crf, easy.crf)
    assert "cannot be reached: the reference itself has 97.4" in black.why
    assert not result.met
    assert black.why in str(result)
    assert result.to_record()["shots"][1]["met"] is False


@pytest.mark.slow
def test_fixed_crf_not_known(mixed: Clip) -> None:
    # The window has one CRF. The joined encode scores better than the whole clip at it, and no shot reaches the target.
    result = tune(mixed, 99.95, crf=(30, 30))
    assert [(answer.crf, answer.met) for answer in result.shots] == [(30, False)] * 3
    assert not result.met
    assert result.fixed is not None
    assert result.encode.frames == 48
    with pytest.raises(MeasurementError, match=r"One CRF for the whole clip at NEG .* is not known: "):
        _ = result.rate_change
    assert "at equal score" not in str(result)
    json.dumps(result.to_record(), allow_nan=False)


@pytest.mark.slow
def test_without_fixed_and_keep(mixed: Clip, temp: Path) -> None:
    result = tune(mixed, **ONE)
    assert result.encode.path is None
    assert list(temp.iterdir()) == []
    assert result.fixed is None
    assert result.fixed_worst_shot is None
    assert result.to_record()["fixed"] is None
    assert "One CRF" not in str(result)
    with pytest.raises(MeasurementError, match="is not known: it was not requested"):
        _ = result.rate_change


# Joining.


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_encoders_streams_join(
    name: str, shots: Callable[..., Clip], make: Callable[..., Path], ffmpeg: str, tmp_path: Path,
    decoded: Callable[[Path], list[str]],
) -> None:  # fmt: skip
    clip, (preset, crf), encoder = shots(HARD, EASY), FAST[name], ENCODERS[name]
    result = tune(clip, 1, encoder=name, preset=preset, crf=(crf, crf), keep=tmp_path / "kept", fixed=False)
    assert result.encode.path is not None
    (tmp_path / "parts").mkdir()
    frames = []
    for n, part in enumerate(cut(clip, [(0, 16), (16, 16)], tmp_path / "parts", ffmpeg)):
        options = [word.format(preset=preset, crf=crf) for word in encoder.arguments]
        path = tmp_path / f"{n}{encoder.suffix}"
        frames += decoded(make("-i", part.path, "-c:v", name, *options, *encoder.joining, path))
    assert decoded(result.encode.path) == frames
    assert len(frames) == 32


@pytest.mark.slow
def test_streams_that_do_not_join(shots: Callable[..., Clip], temp: Path) -> None:
    # Its parts number their pictures in a way that only their own headers explain.
    encoder = replace(ENCODERS["libvvenc"], joining=(), preset="faster")
    with pytest.raises(EncodeError, match=r"do not join by copying|cannot be joined|does not decode") as caught:
        tune(shots(HARD, EASY), 1, encoder=encoder, crf=(32, 32), fixed=False)
    assert len(caught.value.probes) == 2
    assert list(temp.iterdir()) == []


@pytest.mark.slow
def test_bare_streams_with_strange_names(
    shots: Callable[..., Clip], make: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def own(source: Path, output: Path, crf: int) -> None:
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-bf", 0, "-crf", crf, output)

    strange = tmp_path / "it's \\ a %d folder"
    strange.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(strange))
    encoder = replace(function_encoder(own), name="../../own '1'", suffix=".h264")
    result = tune(shots(HARD, EASY), encoder=encoder, keep=tmp_path / "kept", **ONE)
    assert (result.encode.frames, result.met) == (32, True)
    assert result.encode.path is not None
    assert result.encode.path.parent == tmp_path / "kept"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [result.encode.path.name]
    assert list(strange.iterdir()) == []


# Failing, and what stays.


@pytest.mark.parametrize(
    ("broken", "note"),
    [
        ("shot-0001", "This was shot 2 of 3; 1 had been finished."),
        pytest.param(
            "clip",
            "This was the search for one CRF for the whole clip; the shots had been finished.",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_failure_names_the_search(
    broken: str, note: str, mixed: Clip, make: Callable[..., Path], temp: Path, tmp_path: Path
) -> None:
    def breaks(source: Path, output: Path, crf: int) -> None:
        if source.name.startswith(broken):
            raise RuntimeError("out of licences")
        make("-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, output)

    with pytest.raises(EncodeError, match=r"breaks raised RuntimeError at CRF \d+: out of licences") as caught:
        tune(mixed, encoder=function_encoder(breaks), keep=tmp_path / "kept", **{**ONE, "fixed": True})
    assert caught.value.__notes__[-1] == note
    assert caught.value.probes
    assert all(probe.encode.path is None for probe in caught.value.probes)
    assert list(temp.iterdir()) == []
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"targets": (80, 90)}, "takes one target, not 2"),
        ({"targets": ()}, "takes one target, not 0"),
        ({"threshold": "6"}, "threshold must be a percentage of the luma range, above 0 to 100, not '6'"),
        ({"threshold": 0}, "threshold must be a percentage .*, not 0"),
        ({"threshold": float("nan")}, "threshold must be .*, not nan"),
        ({"shortest": 0}, "shortest must be .*, not 0"),
        ({"shortest": 1.5}, "shortest must be a whole number of frames from 1, not 1.5"),
        ({"shortest": True}, "shortest must be .*, not True"),
        ({"preset": "fastest"}, "has no preset 'fastest'"),
        ({"target": 101}, "A target of NEG must be between 1 and 100, not 101"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], said: str, mixed: Clip, temp: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        tune(mixed, **settings)
    assert list(temp.iterdir()) == []
