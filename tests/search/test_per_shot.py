"""Tuning shot by shot: the CRF of each shot, the joined encode, and the comparison with one CRF."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from encoding.builders import FAST

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.encode import make_encode
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, function_encoder
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.encoding.join import join
from pytest_vmaf.errors import EncodeError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.per_shot import PerShot
from pytest_vmaf.search.tune_per_shot import PerShotRequest, tune_per_shot
from search.builders import copying

NOISE = "noise=alls=6:allf=t:all_seed=7"
#: A shot that is hard to encode, one that is black, one that is easy.
HARD = f"mandelbrot=s=160x120:r=25:end_scale=0.002,{NOISE}"
BLACK = "color=black:s=160x120:r=25"
EASY = "testsrc2=s=160x120:r=25"
FRAMES = 16
WINDOW = (16, 40)
#: A search of one encode a shot, where the scores do not matter.
ONE: dict[str, Any] = {"target": 1, "crf": (30, 30), "fixed": False, "scorer": FakeScorer(frames=48)}


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
    targets, scorer = settings.pop("targets", (target,)), settings.pop("scorer", None) or FfmpegScorer()
    base = BisectRequest(MeasureRequest(clip, clip), chosen, targets, **settings)
    return tune_per_shot(PerShotRequest(base, **own), scorer)


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
def decoded(ffmpeg: str) -> Callable[..., list[str]]:
    """Every frame of some clips, as a hash."""

    def hashes(*paths: Path) -> list[str]:
        inputs = [word for path in paths for word in ("-i", path)]
        streams = [word for number in range(len(paths)) for word in ("-map", f"{number}:V:0")]
        argv = [ffmpeg, "-nostdin", "-v", "error", *inputs, *streams, "-fps_mode", "passthrough"]
        lines = subprocess.check_output([*argv, "-f", "framehash", "-"], text=True).splitlines()
        rows = [line.split(",") for line in lines if not line.startswith("#")]
        return [row[-1] for number in range(len(paths)) for row in rows if int(row[0]) == number]

    return hashes


@pytest.fixture(scope="session")
def copy(mixed: Clip, encode: Callable[..., Path]) -> Encoder:
    """An encoder that writes the same encode for every shot."""
    return copying(encode(mixed.path, 30))


# What a search returns.


@pytest.mark.slow
def test_shots_have_their_own_crf(tuned: PerShot) -> None:
    assert [(answer.shot.start, answer.shot.frames) for answer in tuned.shots] == [(0, 16), (16, 16), (32, 16)]
    assert all(answer.met and answer.probe.score >= 88 for answer in tuned.shots)
    assert len({answer.crf for answer in tuned.shots}) == 3
    assert tuned.met


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_fixed_crf_at_equal_score(tuned: PerShot) -> None:
    assert tuned.fixed is not None
    answer = next(iter(tuned.fixed.answers.values()))
    assert answer.target == tuned.score
    assert answer.next_probe is not None
    assert answer.score >= tuned.score > answer.next_probe.score
    assert answer.next_probe.bitrate < tuned.fixed_bitrate <= answer.bitrate
    assert tuned.rate_change == pytest.approx((tuned.bitrate / tuned.fixed_bitrate - 1) * 100)


@pytest.mark.slow
def test_str_and_repr(tuned: PerShot, mixed: Clip) -> None:
    head, *lines = str(tuned).splitlines()
    assert head.startswith(f"libx264 ultrafast per shot on {mixed}: 3 shots at NEG 88, joined {tuned.score:.3f} at ")
    assert lines[1].startswith(f"  frames 16 to 31: CRF 40, {tuned.shots[1].score:.3f}, ")
    worst, beside = tuned.worst_shot, tuned.fixed_worst_shot
    assert lines[3] == f"  The worst shot has NEG {worst:.3f}, and {beside:.3f} with one CRF."
    assert lines[4].startswith("  One CRF for the whole clip: NEG ")
    assert lines[4].endswith(f"a CRF for each shot takes {tuned.rate_change:+.2f} % bitrate.")
    assert repr(tuned).startswith("<PerShot of libx264 ultrafast per shot: 3 shots, NEG ")


@pytest.mark.slow
def test_to_record(tuned: PerShot) -> None:
    record = json.loads(json.dumps(tuned.to_dict(), allow_nan=False))
    assert [(shot["start"], shot["crf"], shot["met"]) for shot in record["shots"]] == [
        (answer.shot.start, answer.crf, True) for answer in tuned.shots
    ]
    assert record["worst_shot"] == tuned.worst_shot
    assert record["fixed"]["worst_shot"] == tuned.fixed_worst_shot
    assert record["fixed"]["rate_change_percent"] == tuned.rate_change
    assert record["models"]["neg_model"] == "vmaf_v0.6.1neg"


@pytest.mark.slow
def test_progress(tuned: PerShot, updates: list[tuple[int, float]]) -> None:
    done = [numbers[0] for numbers in updates]
    assert done == sorted(done)
    assert updates[-1] == (tuned.probes, tuned.probes)
    assert all(encodes <= expected for encodes, expected in updates)


@pytest.mark.slow
def test_probes_name_no_removed_file(tuned: PerShot) -> None:
    assert all(answer.probe.encode.path is None for answer in tuned.shots)


@pytest.mark.slow
def test_alike_shots_share_a_start(shots: Callable[..., Clip], ffmpeg: str, tmp_path: Path) -> None:
    clip = shots(HARD, f"{HARD},vflip", HARD)
    last = tune(clip, 96, fixed=False, crf=(2, 34)).shots[-1]
    (part,) = cut(clip, [(32, 16)], tmp_path, ffmpeg)
    request = BisectRequest(MeasureRequest(part, part), ENCODERS["libx264"], (96,), preset="ultrafast", crf=(2, 34))
    alone = bisect(request, FfmpegScorer(), SearchPlan(flat=True))
    assert (last.crf, last.probe.score, last.met) == (alone[96].crf, alone[96].score, True)
    # With the answer of the shot before, only what proves it is encoded.
    assert last.probes == 2 <= len(alone.probes)


class ByShot(FakeScorer):
    """Scores by the CRF in the name of an encode; a shot with a larger number here is easier by so many CRFs."""

    def __init__(self, *easier: int) -> None:
        super().__init__(frames=48)
        self.easier = easier

    def score(self, request: ScoreRequest) -> ScoreLog:
        match = re.search(r"shot-(\d+)\S*-crf(\d+)\.", request.distorted.clip.path.name)
        neg = min(110.0 - int(match[2]) + self.easier[int(match[1])], 99) if match else 98.0
        return FakeScorer(neg, neg, self_score=99.5, frames=48).score(request)


@pytest.mark.slow
@pytest.mark.parametrize(("easier", "start"), [((0, 1, 0), {88: 23}), ((0, 9, 0), {}), ((11, 99, 0), {})])
def test_start_only_where_two_shots_are_alike(
    easier: tuple[int, ...], start: dict[float, int], mixed: Clip, copy: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the last case the second shot is met at the coarsest CRF, 34, which tells nothing about others.
    starts: list[dict[float, int]] = []

    def recording(request: BisectRequest, *others: Any) -> Any:
        starts.append(dict(request.start))
        return bisect(request, *others)

    monkeypatch.setattr("pytest_vmaf.search.tune_per_shot.bisect", recording)
    tune(mixed, encoder=copy, crf=(20, 34), fixed=False, scorer=ByShot(*easier))
    assert starts == [{}, {}, start]


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
def test_sample(mixed: Clip, copy: Encoder) -> None:
    result = tune(mixed, encoder=copy, sample=32 / 25, shortest=8, **ONE)
    assert [(answer.shot.start, answer.shot.frames) for answer in result.shots] == [(0, 8), (8, 16), (24, 8)]
    assert result.reference == f"{mixed}, frames 8 to 39"
    assert result.result.context.reference == result.reference


# Shots that cannot reach the target.


class ByName(FakeScorer):
    """Scores by the shot and the CRF in the name of an encode; the second shot reaches no more than 97.4."""

    def score(self, request: ScoreRequest) -> ScoreLog:
        name = request.distorted.clip.path.name
        crf = re.search(r"-crf(\d+)\.", name)
        easier = 1 if name.startswith("shot-0002") else 0
        neg = 98.0 if crf is None else 108 - int(crf[1]) + easier
        return FakeScorer(98, neg, self_score=97.4 if "shot-0001" in name else 99.5, frames=48).score(request)


@pytest.mark.slow
def test_unreachable_shot_gets_the_finest_crf(mixed: Clip, copy: Encoder) -> None:
    result = tune(mixed, 97.7, encoder=copy, fixed=False, crf=(4, 30), scorer=ByName())
    hard, black, easy = result.shots
    assert (hard.met, black.met, easy.met) == (True, False, True)
    assert black.crf == min(hard.crf, easy.crf) < max(hard.crf, easy.crf)
    assert "cannot be reached: the reference itself has 97.4" in black.why
    assert not result.met
    assert black.why in str(result)
    assert result.to_dict()["shots"][1]["met"] is False


@pytest.mark.slow
def test_fixed_crf_not_known(mixed: Clip, copy: Encoder) -> None:
    # The window has one CRF. The joined encode scores better than the whole clip at it, and no shot reaches the target.
    result = tune(mixed, 99.95, encoder=copy, crf=(30, 30), scorer=ByName())
    assert [(answer.crf, answer.met) for answer in result.shots] == [(30, False)] * 3
    assert not result.met
    assert result.fixed is not None
    with pytest.raises(MeasurementError, match=r"One CRF for the whole clip at NEG .* is not known: "):
        _ = result.rate_change
    assert "at equal score" not in str(result)
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.slow
def test_without_fixed_and_keep(mixed: Clip, copy: Encoder, temp: Path) -> None:
    result = tune(mixed, encoder=copy, **ONE)
    assert result.encode.path is None
    assert list(temp.iterdir()) == []
    assert result.fixed is None
    assert result.fixed_worst_shot is None
    assert result.to_dict()["fixed"] is None
    assert "One CRF" not in str(result)
    with pytest.raises(MeasurementError, match="is not known: it was not requested"):
        _ = result.rate_change


# Joining.


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAST if name != "libx264"])
def test_encoders_streams_join(
    name: str, job: Callable[..., EncodeJob], footage: Callable[..., Path], tmp_path: Path,
    decoded: Callable[..., list[str]],
) -> None:  # fmt: skip
    (preset, crf), encoder = FAST[name], ENCODERS[name]
    parts = [
        make_encode(
            job(encoder, footage("192x128", 6 + number), preset=preset, arguments=encoder.concat_arguments),
            crf,
            tmp_path / f"{number}{encoder.suffix}",
        )
        for number in range(2)
    ]
    path, joined = join(job(encoder, preset=preset), parts, tmp_path)
    assert decoded(path) == decoded(*(tmp_path / f"{number}{encoder.suffix}" for number in range(2)))
    assert joined.frames == 13


@pytest.mark.slow
def test_arguments_for_joining(shots: Callable[..., Clip]) -> None:
    encoder = replace(ENCODERS["libx264"], concat_arguments=("-bf", "0"))
    result = tune(shots(HARD, EASY), encoder=encoder, preset="ultrafast", arguments=("-g", "5"), **ONE)
    assert [" -bf 0 -g 5 " in answer.probe.encode.command for answer in result.shots] == [True, True]


@pytest.mark.slow
def test_streams_that_do_not_join(shots: Callable[..., Clip], temp: Path) -> None:
    # Its parts number their pictures in a way that only their own headers explain.
    encoder = replace(ENCODERS["libvvenc"], concat_arguments=(), preset="faster")
    with pytest.raises(EncodeError, match=r"do not join by copying|cannot be joined|does not decode") as caught:
        tune(shots(HARD, EASY), encoder=encoder, **{**ONE, "crf": (32, 32)})
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
    broken: str, note: str, mixed: Clip, copy: Encoder, temp: Path, tmp_path: Path
) -> None:
    def breaks(source: Path, output: Path, crf: int) -> None:
        if source.name.startswith(broken):
            raise RuntimeError("out of licences")
        copy.function(source, output, crf)  # type: ignore[misc]

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
