"""Self-scores of a reference, and the frames of a distorted clip that score higher than the reference itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.models import ModelPair
from pytest_vmaf.scoring.result import FramesAbove
from pytest_vmaf.scoring.score import Context
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest
from pytest_vmaf.scoring.signs import is_flat
from pytest_vmaf.scoring.verify_log import verify_log

if TYPE_CHECKING:
    from pytest_vmaf.scoring.prepare import PreparedScoring

#: How many references' self-scores this process remembers.
MOST_REFERENCES = 64
#: How much rounding alone moves scores where frames were RGB in between: 0.045 at most, of an identity codec.
ROUNDING = 0.1
_self_scores: dict[tuple[object, ...], tuple[float, ...]] = {}


def frames_above(
    job: ScoreRequest,
    log: ScoreLog,
    models: ModelPair,
    context: Context,
    self_score: Callable[[], tuple[float, ...]],
) -> FramesAbove:
    """The frames above the model's range and above the reference's self-score.

    Honest encodes have frames above 100, too, but none above the reference's score against itself.

    Args:
        job: The scoring.
        log: Its log.
        models: Its models.
        context: The clips, for the result.
        self_score: Measures the reference's self-score, per frame. Called only if a frame is above the range.

    Raises:
        ScorerError: If the self-score has another number of frames.
    """
    scores = log.columns[models.default.column]
    lifted: list[tuple[int, float, float]] = []
    if past := frames_past(job, log, models):
        own = self_score()
        if len(own) != len(scores):
            raise ScorerError(f"The reference has {len(own)} frames against itself, but {len(scores)} in the pair.")
        margin = ROUNDING if job.distorted.clip.bitstream else 0.0
        lifted = [(frame, scores[frame], own[frame]) for frame in past if scores[frame] > own[frame] + margin]
    above = sum(score > models.high for score in scores)
    return FramesAbove(tuple(lifted), len(scores), above, models.high, context)


def frames_past(job: ScoreRequest, log: ScoreLog, models: ModelPair) -> list[int]:
    """The frames above the model's range, without flat ones; none if the distorted clip is the reference."""
    if job.reference == job.distorted:
        return []
    past = [frame for frame, score in enumerate(log.columns[models.default.column]) if score > models.high]
    spread = log.signs.get("spread")
    # Nearly flat frames score anything.
    return [frame for frame in past if spread is None or not is_flat(spread[frame])]


def self_scores(scorings: Sequence[PreparedScoring]) -> tuple[tuple[float, ...], ...]:
    """Score each reference against itself, all in one run.

    A self-score is remembered in this process for as long as the reference's file stays the same.

    Returns:
        For each scoring the unclipped default scores per frame.

    Raises:
        ScorerError: If a reference cannot be scored.
    """
    scores = {number: remembered(each) for number, each in enumerate(scorings)}
    missing = [number for number, own in scores.items() if own is None]
    jobs = [scorings[number].job for number in missing]
    jobs = [
        replace(job, distorted=job.reference, features=(), columns=job.columns[:2], optional_columns=(), signs=False)
        for job in jobs
    ]
    if jobs:
        logs = score(scorings[0].scorer, jobs, scorings[0].cache)
        for number, job, log in zip(missing, jobs, logs, strict=True):
            verify_log(log, job, scorings[0].can.name)
            scores[number] = log.columns[job.models[0].column]
            remember(scorings[number], log.columns[job.models[0].column])
    return tuple(own for own in scores.values() if own is not None)


def remembered(prepared: PreparedScoring) -> tuple[float, ...] | None:
    """The self-score of a pair's reference, if this process remembers it."""
    return _self_scores.get(_key(prepared))


def remember(prepared: PreparedScoring, own: tuple[float, ...]) -> None:
    """Remember the self-score of a pair's reference."""
    if prepared.can.reads_clips and prepared.stamp is not None:
        if len(_self_scores) >= MOST_REFERENCES:
            _self_scores.clear()
        _self_scores[_key(prepared)] = own


def _key(prepared: PreparedScoring) -> tuple[object, ...]:
    job = prepared.job
    reference = replace(job.reference, clip=job.reference.clip.as_key)
    # The frames around a part change its first and last scores.
    return (type(prepared.scorer), reference, job.lead, job.models, prepared.can, job.tools, prepared.stamp)
