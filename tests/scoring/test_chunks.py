"""Chunks: the frames that each is scored with, and whole clips that are scored in chunks, in every bit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pytest_vmaf import Result, Vmaf
from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import ClipError, LogError, PairError, ScorerError, SettingsError
from pytest_vmaf.executors.placement import Placement
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring import self_scores, sign_meter
from pytest_vmaf.scoring.chunks import SIGN_REACH, Chunk, cut, divide, refuse_inexact
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.measure_chunks import Chunking, measure_in_chunks
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog, Scorer, ScoreRequest, Tools


@dataclass
class NumberingScorer:
    """Reads no clip, and scores each frame by its number, which must be right in chunks with frames around them.

    Attributes:
        broken: Changes a log.
    """

    broken: Callable[[ScoreRequest, ScoreLog], ScoreLog] = lambda request, log: log

    def capabilities(self, tools: Tools) -> Capabilities:
        return Capabilities("numbers", "1")

    def score(self, request: ScoreRequest) -> ScoreLog:
        start, count = request.reference.start, request.reference.frames or 0
        numbers = tuple(float(frame) for frame in range(start, start + count))
        columns = dict.fromkeys(request.columns, numbers)
        log = ScoreLog(columns, count, count, "libvmaf 1", f"score {start} {count}", stream=(100, count))
        return self.broken(request, log)


@pytest.fixture(scope="module")
def job(reference: Path, encoded: Path) -> ScoreRequest:
    """The scoring of 12 frames, with signs."""
    return prepare(MeasureRequest(Clip(reference), Clip(encoded), signs=True), FfmpegScorer()).job


def test_frames_around_chunks(job: ScoreRequest) -> None:
    assert SIGN_REACH == sign_meter.REACH
    plain = replace(job, signs=False)
    assert divide(plain, 12, 5, (0, 0)) == [Chunk(0, 5, (0, 1)), Chunk(5, 5, (1, 1)), Chunk(10, 2, (1, 0))]
    # A part is scored with the frames around it.
    assert divide(plain, 4, 3, (1, 1)) == [Chunk(0, 3, (1, 1)), Chunk(3, 1, (1, 1))]
    assert divide(job, 30, 12, (1, 0)) == [Chunk(0, 12, (1, 8)), Chunk(12, 12, (8, 6)), Chunk(24, 6, (8, 0))]
    high = replace(plain, models=tuple(replace(run, version="vmaf_v1.0.16_hfr_3d0h") for run in job.models))
    assert divide(high, 12, 6, (0, 0)) == [Chunk(0, 6, (0, 2)), Chunk(6, 6, (4, 0))]
    weighted = replace(plain, columns=(*job.columns, "xpsnr_y"), xpsnr_rate=50)
    assert divide(weighted, 12, 6, (0, 0))[1] == Chunk(6, 6, (2, 0))


def test_frames_of_chunks(job: ScoreRequest) -> None:
    chunk = cut(job, Chunk(5, 4, (1, 1)))
    assert [each.trim for each in (chunk.reference, chunk.distorted)] == ["trim=start_frame=5:end_frame=9"] * 2
    assert chunk.reference.filters == job.reference.filters
    assert chunk.lead == (1, 1)
    # Filters select the frames of aligned pairs.
    aligned = replace(job.reference, start=3, frames=9, filters="trim=start_frame=3:end_frame=12,settb=AVTB")
    chunk = cut(replace(job, reference=aligned), Chunk(5, 4, (1, 0)))
    assert (chunk.reference.trim, chunk.reference.filters) == ("trim=start_frame=8:end_frame=12", "settb=AVTB")
    part = replace(job.reference, start=3, frames=9, trim="trim=start_frame=3:end_frame=12")
    assert cut(replace(job, reference=part), Chunk(0, 4, (0, 0))).reference.trim == "trim=start_frame=3:end_frame=7"


def test_what_is_not_exact(job: ScoreRequest) -> None:
    refuse_inexact(job)
    file = replace(job.models[0], version=None, path=Path("model.json"))
    bootstrap = replace(job.models[0], bootstrap=True)
    matched = replace(job.reference, matched=True)
    for changes, words in (
        ({"features": ("psnr", "speed_temporal")}, "the feature speed_temporal, which may depend on any frame before"),
        ({"models": (file, file)}, "a model from a file"),
        ({"models": (bootstrap, bootstrap)}, "a model with a confidence interval"),
        ({"reference": matched}, "match_rate"),
    ):
        with pytest.raises(SettingsError, match=rf"^chunk= cannot be combined with {words}"):
            refuse_inexact(replace(job, **changes))


def numbered(scorer: Scorer, clips: tuple[Path, Path], seconds: float = 0.2, **settings: object) -> Result:
    """The result of two clips in chunks."""
    with ThreadPoolExecutor(2) as pool:
        chunking = Chunking(seconds, Placement(pool))
        return measure_in_chunks(MeasureRequest(*map(Clip, clips), **settings), scorer, chunking)  # type: ignore[arg-type]


@pytest.mark.slow
def test_order_of_chunks(reference: Path, encoded: Path, tmp_path: Path) -> None:
    result = numbered(NumberingScorer(), (reference, encoded))
    assert result.neg.unclipped.frames == tuple(map(float, range(12)))
    assert result.bitrate > 0
    # A scorer that counts no packets has no bitrate, whole or in chunks.
    silent = NumberingScorer(lambda request, log: replace(log, stream=(0, 0)))
    assert "size" not in numbered(silent, (reference, encoded)).provenance


def test_broken_chunks(reference: Path, encoded: Path) -> None:
    clips = reference, encoded

    def second(change: Callable[[ScoreLog], ScoreLog]) -> NumberingScorer:
        return NumberingScorer(lambda request, log: change(log) if request.reference.start else log)

    def fail(log: ScoreLog) -> ScoreLog:
        raise ScorerError("no more")

    for change, error, words in (
        (fail, ScorerError, "no more"),
        (
            lambda log: replace(log, libvmaf="libvmaf 2"),
            ScorerError,
            "different builds of libvmaf: libvmaf 1, libvmaf 2",
        ),
        (lambda log: replace(log, reference_frames=3, distorted_frames=3), LogError, "values of"),
        (lambda log: replace(log, columns={}), LogError, "has no column"),
    ):
        with pytest.raises(error, match=words):
            numbered(second(change), clips)
    with pytest.raises(ScorerError) as caught:
        numbered(second(fail), clips, seconds=0.24)
    assert caught.value.__notes__ == [f"This was frames 6 to 11 of {encoded}."]


@pytest.mark.slow
def test_other_lengths(reference: Path, encoded: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    short = make("-i", reference, "-frames:v", 11, "-c:v", "ffv1", tmp_path / "short.mkv")
    with pytest.raises(PairError, match="12 frames in the reference, 11 in the distorted clip"):
        numbered(NumberingScorer(), (reference, short))
    request = MeasureRequest(Clip(reference, start=4, frames=9), Clip(encoded, start=4, frames=9))
    with pytest.raises(ClipError, match="has 12 frames, 0 to 11, and no part of 9 frames from frame 4"):
        measure_in_chunks(request, NumberingScorer(), Chunking(0.2))


def test_call(reference: Path, encoded: Path, tmp_path: Path) -> None:
    vmaf = Vmaf(scorer=FakeScorer(frames=12), cache=False)
    # A scorer that reads no clips has no chunks.
    for chunk in (1, 0.5, "2s", 1e9):
        assert vmaf.check(reference, encoded, chunk=chunk).neg == 93.0
    with ThreadPoolExecutor(1) as pool:
        for settings, words in (
            ({"executor": pool}, r"executor= needs chunk="),
            ({"chunk": 1, "executor": 4}, r"executor must be a concurrent.futures.Executor, not 4. Pass ProcessPool"),
            *(({"chunk": bad}, "chunk must be a number of seconds above 0") for bad in (0, "x", True, [1], 1e400)),
            ({"chunk": 1, "regions": {"a": (0, 0, 64, 64)}}, "without regions"),
        ):
            with pytest.raises(SettingsError, match=words):
                vmaf.check(reference, encoded, **settings)
        assert vmaf.records[-1]["status"] == "error"
    for method in (vmaf.roi, vmaf.quality_map):
        with pytest.raises(SettingsError, match=r"chunk= is an option of vmaf\.score\(\) and vmaf\.check\(\)"):
            method(reference, encoded, chunk=1)
    with pytest.raises(SettingsError, match=r"chunk \(call\) must be passed to vmaf\.score\(\) or vmaf\.check\(\)"):
        Vmaf(chunk=1)


@pytest.mark.slow
def test_cached_chunks(reference: Path, encoded: Path, tmp_path: Path, score: Callable[..., Result]) -> None:
    cache, clips = Cache(tmp_path), (Clip(reference), Clip(encoded))
    request = MeasureRequest(*clips, signs=True, cache=cache)
    first = measure_in_chunks(request, FfmpegScorer(), Chunking(0.2))
    assert not first.provenance["cached"]
    # The whole clip is in the cache then, and so are the chunks.
    whole = score(*clips, signs=True, cache=cache)
    assert whole.provenance["cached"]
    assert (whole.neg.frames, whole.signs) == (first.neg.frames, first.signs)
    assert whole.provenance["command"] == first.provenance["command"]
    assert measure_in_chunks(request, FfmpegScorer(), Chunking(0.3)).provenance["cached"]


def in_chunks(clips: tuple[Clip, Clip], seconds: float, **settings: object) -> Result:
    """The result in chunks, by the ffmpeg scorer, as if nothing had been measured before."""
    self_scores._self_scores.clear()
    return measure_in_chunks(MeasureRequest(*clips, **settings), FfmpegScorer(), Chunking(seconds))  # type: ignore[arg-type]


def test_every_bit(reference: Path, sharpened: Path, enhanced: Result) -> None:
    chunks = in_chunks((Clip(reference), Clip(sharpened)), 0.28, features=("float_ssim",))
    assert chunks == enhanced
    assert chunks.provenance == enhanced.provenance
    assert chunks.above_100.frames == enhanced.above_100.frames != ()
    assert chunks.neg.worst(3) == enhanced.neg.worst(3)
    assert (chunks.neg.p5, chunks.bitrate) == (enhanced.neg.p5, enhanced.bitrate)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "settings"),
    [
        ({}, {"generation": "v1"}),
        ({}, {"model": "vmaf_v1.0.16_hfr_3d0h", "features": ("xpsnr", "motion", "float_motion")}),
        ({"start": 2, "frames": 5}, {"signs": True, "features": ("xpsnr",)}),
        ({"start": 3}, {"align": True, "signs": True}),
    ],
    ids=str,
)
def test_every_bit_of(
    part: dict[str, int], settings: dict[str, object], make: Callable[..., Path], footage: Callable[..., Path],
    encode: Callable[..., Path], score: Callable[..., Result], tmp_path: Path,
) -> None:  # fmt: skip
    reference, shake = footage("216x160", 8, 50), "crop=iw-16:ih-16:mod(n*n*7\\,16):mod(n*n*5\\,16),scale=216:160"
    reference = make("-i", reference, "-vf", shake, "-c:v", "ffv1", tmp_path / "shaken.mkv")
    aligned = "align" in settings
    clips = Clip(reference, **({} if aligned else part)), Clip(encode(reference, 30), **part)  # type: ignore[arg-type]
    whole = score(*clips, **settings)
    # One frame each, so that the first and the last frame of a chunk are the same.
    chunks = in_chunks(clips, 0.02, **settings)
    assert chunks == whole
    assert {name: each.frames for name, each in chunks.signs.items()} == {n: s.frames for n, s in whole.signs.items()}
    assert chunks.provenance == whole.provenance
