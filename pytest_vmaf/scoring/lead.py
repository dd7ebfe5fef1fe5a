"""Lead-in: the frames around a part that are scored with it, because motion is measured between frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import LogError
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.media.part import refuse_outside, trim_filter
from pytest_vmaf.scoring.scorer import ModelRun, ScoreLog, ScoreRequest, Source

#: How many frames before and after a frame its scores depend on, by the kind of model. Measured: with these, the scores
#: and signs of a part are those of the same frames in the whole clip, bit by bit. Motion is the smaller one of the
#: changes from the previous frame and to the next; models for high frame rates average it, and take that of the first
#: frame of a clip from the second after it.
USUAL, HIGH_FRAME_RATE = (1, 1), (4, 2)


def lead_of(models: Sequence[ModelRun], reference: Source, distorted: Source, least: int = 0) -> tuple[int, int]:
    """How many frames are scored before a part and after it: as many as the models need and both clips have.

    Whether the clips have frames after their parts is only known when they are decoded.

    Args:
        models: The models.
        reference: The reference.
        distorted: The distorted clip.
        least: How many frames before a part other measurements need.
    """
    if not reference.trim or not distorted.trim or reference.matched:
        return 0, 0
    # Nobody knows what a model from a file needs.
    plain = all(model.version and "_hfr_" not in model.version for model in models)
    before, after = USUAL if plain else HIGH_FRAME_RATE
    ends = reference.frames is not None and distorted.frames is not None
    return min(max(before, least), reference.start, distorted.start), after if ends else 0


def with_lead(request: ScoreRequest) -> ScoreRequest:
    """The request that a scorer gets: its sources begin and end with the frames that are only scored for others."""
    before, after = request.lead
    if not before and not after:
        return request
    sources = [_longer(source, before, after) for source in (request.reference, request.distorted)]
    return replace(request, reference=sources[0], distorted=sources[1])


def without_lead(log: ScoreLog, request: ScoreRequest) -> ScoreLog:
    """The log of `with_lead(request)`, with the frames of the request alone.

    Args:
        log: A log with as many frames of both clips.
        request: The request.

    Raises:
        LogError: If it has more frames than the scorer was asked for.
    """
    before, after = request.lead
    if not before and not after:
        return log
    frames, stated = max(0, log.reference_frames - before), request.reference.frames
    if stated is not None and frames > stated + after:
        raise LogError(
            f"The scorer must apply the filters of Source.chain: it reports {log.reference_frames} frames, not "
            f"{stated} and {before + after} around them."
        )
    frames = frames if stated is None else min(frames, stated)

    def part(columns: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        return {name: values[before : before + frames] for name, values in columns.items()}

    return replace(
        log,
        columns=part(log.columns),
        signs=part(log.signs),
        reference_frames=frames,
        distorted_frames=frames,
        # Those are of all frames, and were compared with them.
        pooled_means={},
    )


def refuse_missing(request: ScoreRequest, log: ScoreLog | None = None, cache: Cache | None = None) -> None:
    """Raise ClipError if a clip ends within its part. Without a log, the frames of the clips are counted."""
    counts = (log.reference_frames, log.distorted_frames) if log else (-1, -1)
    for source, scored in zip((request.reference, request.distorted), counts, strict=True):
        if source.trim and not source.matched and source.frames is not None and scored < source.frames:
            count = count_frames(source.clip, request.tools.ffmpeg.path, request.timeout, cache)
            refuse_outside(source.clip.name, source.start, source.frames, count)


def _longer(source: Source, before: int, after: int) -> Source:
    start = source.start - before
    frames = None if source.frames is None else before + source.frames + after
    window = source.lead_window or source.window
    return replace(source, start=start, frames=frames, trim=trim_filter(start, frames), window=window)
