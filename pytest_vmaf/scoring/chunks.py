"""Chunks: one scoring in pieces, each with the frames around it that its values depend on, equal in every bit."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import ClipError, ScorerError, SettingsError
from pytest_vmaf.executors.parcel import Named, Parcel
from pytest_vmaf.executors.placement import Placement, worker_threads
from pytest_vmaf.executors.source import check_source
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.part import trim_filter
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.lead import HIGH_FRAME_RATE, USUAL
from pytest_vmaf.scoring.scorer import ScoreLog, Scorer, ScoreRequest, Source
from pytest_vmaf.scoring.scorer_calls import name_of
from pytest_vmaf.scoring.verify_log import verify_log
from pytest_vmaf.scoring.xpsnr import RATES, needs_xpsnr
from pytest_vmaf.text import plural, printable

#: The features whose values depend on no more frames before and after their own than the scores do. Measured.
EXACT = (
    *("psnr", "float_psnr", "xpsnr", "psnr_hvs", "float_ssim", "float_ms_ssim", "ciede", "cambi", "speed_chroma"),
    *("float_moment", "adm", "adm_neg", "float_adm", "float_adm_neg", "vif", "vif_neg", "float_vif", "float_vif_neg"),
    *("motion", "float_motion", "float_ansnr"),
)
#: How many frames of the reference, before and after its own, signs compare a frame with: `sign_meter.REACH`.
SIGN_REACH = 8


@dataclass(frozen=True)
class Chunk:
    """Some frames of a scoring: the first one, how many, and how many before and after are scored with them."""

    first: int
    count: int
    lead: tuple[int, int]


class ChunkLog(NamedTuple):
    """The log of a chunk, and the features of the processor that it was scored on."""

    chunk: Chunk
    log: ScoreLog
    machine: tuple[str, ...]


@dataclass(frozen=True)
class ChunkScoring:
    """What the chunks of a scoring share.

    Attributes:
        job: The scoring of the whole clip.
        scorer: The scorer.
        cache: Where logs of chunks are cached, or None.
        contents: What `content_of` returns for the reference and for the distorted clip.
        build: The version and the digest of the ffmpeg that scores.
        ffmpeg: The path of the ffmpeg that the user names, or None.
        threads: The threads of libvmaf that the user gave; 0 for those of the worker.
        slots: How many tasks run at once where this runs; 0 if the executor does not tell.
        unchanged: In a worker, returns whether the clips are still what they were; else None.
    """

    job: ScoreRequest
    scorer: Scorer
    cache: Cache | None
    contents: tuple[str, str]
    build: tuple[str, str | None]
    ffmpeg: str | None = None
    threads: int = 0
    slots: int = 0
    unchanged: Unchanged | None = None

    def score(self, chunk: Chunk) -> ChunkLog:
        """Score a chunk in this process.

        Raises:
            ClipError: If a clip was changed meanwhile.
            MeasurementError: If the chunk cannot be scored.
        """
        job = cut(self.job, chunk)
        [log] = score(self.scorer, [job], self.cache)
        verify_log(log, job, name_of(self.scorer))
        if log.reference_frames != chunk.count:
            reported = plural(log.reference_frames, "frame")
            raise ScorerError(f"The scorer {name_of(self.scorer)} reports {reported} of {chunk.count}.")
        if self.unchanged is not None and not self.unchanged():
            names = f"{self.job.reference.clip.name} or {self.job.distorted.clip.name}"
            raise ClipError(f"{names} was changed while it was scored.")
        return ChunkLog(chunk, log, machine())

    def pack(self, placement: Placement) -> Parcel[ChunkScoring]:
        """The scoring on its way to workers. Raises SettingsError if it cannot go."""
        job = replace(self.job, progress=None)
        # Workers may have another working directory.
        job = replace(job, reference=_absolute(job.reference), distorted=_absolute(job.distorted))
        placed = replace(self, job=job, threads=placement.threads, slots=placement.slots)
        return placement.pack(placed, [Named("scorer", name_of(self.scorer), self.scorer)])

    @cached_property
    def bench(self) -> ChunkScoring:
        """In a worker: this scoring with the programs of this machine.

        Raises:
            MeasurementError: If a clip or a program is not what the coordinator has.
        """
        job, cache = self.job, self.cache
        clips = job.reference.clip, job.distorted.clip
        # Before hashing, so that a change during the hashing is noticed.
        unchanged = Unchanged(*clips)
        for clip, content in zip(clips, self.contents, strict=True):
            check_source(clip, content, cache)
        ffmpeg = find_ffmpeg(self.ffmpeg, cache)
        if (ffmpeg.version, build_of(ffmpeg.path, cache)) != self.build:
            raise ScorerError(
                f"On {platform.node()}, ffmpeg ({printable(ffmpeg.path)}, {ffmpeg.version}) is another build than "
                f"where the measurement was started ({self.build[0]}). Install the same one."
            )
        threads = worker_threads(self.threads, self.slots)
        job = replace(job, tools=replace(job.tools, ffmpeg=ffmpeg), threads=threads)
        return replace(self, job=job, unchanged=unchanged)


@dataclass(frozen=True)
class ChunkTask:
    """A task: one chunk of a scoring.

    Attributes:
        scoring: The scoring.
        chunk: The chunk.
        clip: The distorted clip's name.
    """

    scoring: Parcel[ChunkScoring]
    chunk: Chunk
    clip: str

    @property
    def name(self) -> str:
        """The frames and the clip."""
        return f"frames {self.chunk.first} to {self.chunk.first + self.chunk.count - 1} of {self.clip}"

    def run(self) -> ChunkLog:
        """Score the chunk in a worker. Raises MeasurementError."""
        return self.scoring.open().bench.score(self.chunk)


def refuse_inexact(job: ScoreRequest) -> None:
    """Raise SettingsError if chunks of a scoring may differ from the whole clip in some bit."""
    unknown = [name for each in job.features if (name := each.partition("=")[0]) not in EXACT]
    reasons = [f"the feature {name}, which may depend on any frame before" for name in dict.fromkeys(unknown)]
    if any(model.version is None for model in job.models):
        reasons.append("a model from a file, which may depend on any frame before")
    if any(model.bootstrap for model in job.models):
        reasons.append("a model with a confidence interval, whose chunks were never compared with the whole")
    if job.reference.matched or job.distorted.matched:
        reasons.append("match_rate, which drops and doubles frames")
    if reasons:
        raise SettingsError(f"chunk= cannot be combined with {'; '.join(reasons)}. Leave one of them out.")


def divide(job: ScoreRequest, frames: int, length: int, around: tuple[int, int]) -> list[Chunk]:
    """The chunks of a scoring.

    Args:
        job: The scoring.
        frames: How many frames it has.
        length: How many frames a chunk has; the last one has the rest.
        around: How many frames before and after those of the job are scored with them.
    """
    before, after = _reach(job)
    chunks = []
    for first in range(0, frames, length):
        count = min(length, frames - first)
        rest = frames - first - count
        chunks.append(Chunk(first, count, (min(before, first + around[0]), min(after, rest + around[1]))))
    return chunks


def cut(job: ScoreRequest, chunk: Chunk) -> ScoreRequest:
    """The scoring of a chunk."""
    reference, distorted = _cut(job.reference, chunk), _cut(job.distorted, chunk)
    return replace(job, reference=reference, distorted=distorted, lead=chunk.lead, progress=None)


def join(logs: Sequence[ScoreLog], scorer: str) -> ScoreLog:
    """One log of those of all chunks, in their order.

    Raises:
        ScorerError: If they come from different builds of libvmaf.
    """
    builds = dict.fromkeys(log.libvmaf for log in logs)
    if len(builds) > 1:
        raise ScorerError(f"{scorer} scored chunks with different builds of libvmaf: {', '.join(builds)}.")
    frames = sum(log.reference_frames for log in logs)
    return replace(
        logs[0],
        columns=_concatenated([log.columns for log in logs]),
        signs=_concatenated([log.signs for log in logs]),
        reference_frames=frames,
        distorted_frames=frames,
        pooled_means={},
        cached="",
        frame_problems={},
    )


def _reach(job: ScoreRequest) -> tuple[int, int]:
    """How many frames before and after a frame its values depend on."""
    high = any(model.version and "_hfr_" in model.version for model in job.models)
    before, after = HIGH_FRAME_RATE if high else USUAL
    if needs_xpsnr(job):
        before = max(before, RATES.get(job.xpsnr_rate, 0))
    return (max(before, SIGN_REACH), max(after, SIGN_REACH)) if job.signs else (before, after)


def _absolute(source: Source) -> Source:
    return replace(source, clip=replace(source.clip, path=source.clip.path.absolute()))


def _cut(source: Source, chunk: Chunk) -> Source:
    """The source with the frames of a chunk, which the filter before all others selects."""
    selected, filters = trim_filter(source.start, source.frames), source.filters
    if selected and not source.trim:
        # Those of an aligned pair are selected by its filters.
        filters = filters.removeprefix(selected).removeprefix(",")
    start = source.start + chunk.first
    return replace(source, start=start, frames=chunk.count, filters=filters, trim=trim_filter(start, chunk.count))


def _concatenated(tables: Sequence[Mapping[str, tuple[float, ...]]]) -> dict[str, tuple[float, ...]]:
    """The columns that all tables have."""
    names = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: tuple(value for table in tables for value in table[name]) for name in names}
