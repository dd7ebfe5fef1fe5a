"""One measurement in chunks: from a request to the Result that the whole clip has."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from pytest_vmaf.errors import ClipError, ScorerError
from pytest_vmaf.executors.collect import collect
from pytest_vmaf.executors.placement import Placement
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.fingerprint import Unchanged, content_of
from pytest_vmaf.scoring.cached import fetch_score, score_key, store_score
from pytest_vmaf.scoring.chunks import Chunk, ChunkLog, ChunkScoring, ChunkTask, divide, join, refuse_inexact
from pytest_vmaf.scoring.lead import refuse_missing, with_lead, without_lead
from pytest_vmaf.scoring.measure import check_log, conclude, measure
from pytest_vmaf.scoring.order_warning import warn_of_order
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import RepeatableScorer, ScoreLog, Scorer, ScoreRequest
from pytest_vmaf.scoring.scorer_calls import call, name_of
from pytest_vmaf.scoring.self_scores import frames_past, remembered
from pytest_vmaf.scoring.survey import Survey, survey

#: The frame rate by which seconds are frames where a pair states none. Chunks of any length give the same scores.
ASSUMED_RATE = 25
#: A note of results whose chunks were scored by different processors.
MACHINES = "chunks were scored by processors with different features, which ffmpeg uses; last digits may differ"


@dataclass(frozen=True)
class Chunking:
    """How a scoring is divided: the length of a chunk in seconds; and where chunks are scored, None for here."""

    seconds: float
    placement: Placement | None = None


@dataclass(frozen=True)
class _Measurement:
    """What the chunks of a measurement share.

    Attributes:
        prepared: The scoring of the whole clip.
        chunking: How it is divided.
        ffmpeg: The path of the ffmpeg that the user names, or None.
    """

    prepared: PreparedScoring
    chunking: Chunking
    ffmpeg: str | None

    @property
    def length(self) -> int:
        """How many frames a chunk has."""
        rate = self.prepared.pair.frame_rate if self.prepared.pair else None
        return max(1, round(self.chunking.seconds * float(rate or ASSUMED_RATE)))


def measure_in_chunks(request: MeasureRequest, scorer: Scorer, chunking: Chunking) -> Result:
    """Score a pair as `measure` does, in chunks. A scorer that reads no clips has none.

    Raises:
        SettingsError: If chunks would not give the scores of the whole clip in every bit.
        MeasurementError: As `measure`, and if a chunk cannot be scored where it was sent.
    """
    prepared = prepare(request, scorer)
    if not prepared.can.reads_clips:
        return measure(request, scorer)
    refuse_inexact(prepared.job)
    whole = _Measurement(prepared, chunking, request.ffmpeg)
    log, alike = _score(whole, prepared.job)
    own = None
    if frames_past(prepared.job, log, prepared.models) and (own := remembered(prepared)) is None:
        own_log, own_alike = _score(whole, _self_scoring(prepared.job))
        own, alike = own_log.columns[prepared.models.default.column], alike and own_alike
    result = conclude(prepared, log, own=own, notes=() if alike else (MACHINES,))
    warn_of_order(prepared, log, result)
    return result


def _self_scoring(job: ScoreRequest) -> ScoreRequest:
    """The scoring of a job's reference against itself."""
    own = replace(job, distorted=job.reference, features=(), columns=job.columns[:2], optional_columns=(), signs=False)
    return replace(own, progress=None)


def _score(whole: _Measurement, job: ScoreRequest) -> tuple[ScoreLog, bool]:
    """The log of a scoring, and whether processors with the features of this one made it."""
    scorer, cache = whole.prepared.scorer, whole.prepared.cache
    unchanged = Unchanged(job.reference.clip, job.distorted.clip)
    key = score_key(scorer, job, cache)
    if stored := fetch_score(scorer, job, cache, key):
        return stored, True
    job, counted = _count(whole.prepared, job)
    frames = _frames(job, counted)
    before = job.lead[0]
    around = before, counted.reference_frames - before - frames
    logs, machines = _score_chunks(whole, job, divide(job, frames, whole.length, around))
    if not unchanged():
        raise ClipError(
            f"{job.reference.clip.name} or {job.distorted.clip.name} was changed while its chunks were scored."
        )
    log = join(logs, name_of(scorer))
    log = replace(
        log,
        command=str(call(scorer, "command", with_lead(job))) if isinstance(scorer, RepeatableScorer) else log.command,
        frame_problems=counted.problems,
        # Of a scorer that does not count packets, the whole clip has no bitrate either.
        stream=counted.stream if all(size for size, _ in (each.stream for each in logs)) else (0, 0),
    )
    if machines == {machine()}:
        store_score(cache, key, log)
    return log, machines == {machine()}


def _count(prepared: PreparedScoring, job: ScoreRequest) -> tuple[ScoreRequest, Survey]:
    """The frames of both clips; and the job, without frames after a part that only one of the clips has.

    Raises:
        PairError: If the clips have different lengths.
        ClipError: If a clip ends within its part.
        ScorerError: If there is no frame.
    """
    led = with_lead(job)
    counted = survey(led)
    counts = counted.reference_frames, counted.distorted_frames
    if counts[0] == counts[1] > 0:
        return job, counted
    if counts[0] != counts[1] and job.lead[1]:
        return _count(prepared, replace(job, lead=(job.lead[0], 0)))
    refuse_missing(job)
    check_log(replace(prepared, job=led, require=()), ScoreLog({}, *counts, "", "(nothing was scored)"))
    raise ScorerError("No frame was decoded.")


def _frames(job: ScoreRequest, counted: Survey) -> int:
    """How many frames are to be scored. Raises ClipError if a clip ends within its part."""
    counts = counted.reference_frames, counted.distorted_frames
    log = without_lead(ScoreLog({}, *counts, "", ""), job)
    refuse_missing(job, log)
    return log.reference_frames


def _score_chunks(
    whole: _Measurement, job: ScoreRequest, chunks: Sequence[Chunk]
) -> tuple[list[ScoreLog], set[tuple[str, ...]]]:
    """The logs of all chunks in their order, and the features of the processors that made them."""
    prepared, cache, ffmpeg = whole.prepared, whole.prepared.cache, job.tools.ffmpeg
    try:
        contents = content_of(job.reference.clip, cache), content_of(job.distorted.clip, cache)
    except OSError as error:
        raise ClipError(f"The clips cannot be read: {error}.") from error
    build = ffmpeg.version, build_of(ffmpeg.path, cache)
    scoring = ChunkScoring(job, prepared.scorer, cache, contents, build, whole.ffmpeg)
    logs, machines, done = dict[int, ScoreLog](), set[tuple[str, ...]](), 0
    placement = whole.chunking.placement
    made = _chunks_here(scoring, chunks) if placement is None else _chunks_elsewhere(scoring, chunks, placement)
    with closing(made):
        for each in made:
            logs[each.chunk.first] = each.log
            machines.add(each.machine)
            done += each.chunk.count
            if job.progress is not None:
                job.progress(done)
    return [logs[chunk.first] for chunk in chunks], machines


def _chunks_here(scoring: ChunkScoring, chunks: Sequence[Chunk]) -> Generator[ChunkLog, None, None]:
    for chunk in chunks:
        yield scoring.score(chunk)


def _chunks_elsewhere(
    scoring: ChunkScoring, chunks: Sequence[Chunk], placement: Placement
) -> Generator[ChunkLog, None, None]:
    """The logs as they come. The first chunk that fails ends the others."""
    parcel, name = scoring.pack(placement), scoring.job.distorted.clip.name
    tasks = (ChunkTask(parcel, chunk, name) for chunk in chunks)
    with closing(collect(placement.executor, tasks)) as results:
        for each in results:
            if each.error is not None:
                each.error.add_note(f"This was {each.task.name}.")
                raise each.error
            yield from each.values
