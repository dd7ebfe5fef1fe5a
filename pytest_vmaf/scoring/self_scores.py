"""Frames above 100: what the reference scores against itself, and which frames pass even that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.models import ModelPair
from pytest_vmaf.scoring.result import FramesAbove
from pytest_vmaf.scoring.score import Context
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest, verify

if TYPE_CHECKING:
    from pytest_vmaf.scoring.prepare import PreparedScoring

#: Self-scores kept for other encodes of the same reference.
LARGEST_CACHE = 64
_self_scores: dict[tuple[Any, ...], tuple[float, ...]] = {}


def frames_above(
    job: ScoreRequest,
    log: ScoreLog,
    models: ModelPair,
    context: Context,
    self_score: Callable[[], tuple[float, ...]],
) -> FramesAbove:
    """The frames above the model's range and above the reference's own score, which is asked for only if needed."""
    credited = log.columns[models.default.column]
    past = frames_past(job, log, models)
    lifted: list[tuple[int, float, float]] = []
    # An honest encode passes 100 too; what it never passes is the reference's score against itself.
    if past:
        own = self_score()
        if len(own) != len(credited):
            raise ScorerError(f"The reference has {len(own)} frames against itself, and {len(credited)} in the pair.")
        lifted = [(frame, credited[frame], own[frame]) for frame in past if credited[frame] > own[frame]]
    above = [frame for frame, score in enumerate(credited) if score > models.high]
    return FramesAbove(tuple(lifted), len(credited), len(above), models.high, context)


def frames_past(job: ScoreRequest, log: ScoreLog, models: ModelPair) -> list[int]:
    """The frames above the model's range; none of a clip that is the reference, which cannot pass its own score."""
    if job.reference == job.distorted:
        return []
    return [frame for frame, score in enumerate(log.columns[models.default.column]) if score > models.high]


def self_scores(prepared: Sequence[PreparedScoring]) -> tuple[tuple[float, ...], ...]:
    """Each reference against itself, unclipped, with credit; those that are not known yet all in one run.

    Kept in this process while the file stays the same. Raises ScorerError, PairError.
    """
    found = {number: known for number, each in enumerate(prepared) if (known := _self_scores.get(_key(each)))}
    missing = [number for number in range(len(prepared)) if number not in found]
    jobs = [prepared[number].job for number in missing]
    alone = [replace(job, distorted=job.reference, features=(), columns=job.columns[:2]) for job in jobs]
    if alone:
        scorer, name = prepared[0].scorer, prepared[0].can.name
        logs = score(scorer, alone, prepared[0].cache)
        for number, job, log in zip(missing, alone, logs, strict=True):
            if not isinstance(log, ScoreLog):
                raise ScorerError(f"The scorer {type(scorer).__name__} returned {type(log).__name__}, not ScoreLog.")
            verify(log, job, name)
            found[number] = log.columns[job.models[0].column]
            remember(prepared[number], found[number])
    return tuple(found[number] for number in range(len(prepared)))


def remember(prepared: PreparedScoring, own: tuple[float, ...]) -> None:
    """Keep the self-score of a pair's reference."""
    if prepared.can.reads_clips and prepared.stamp is not None:
        if len(_self_scores) >= LARGEST_CACHE:
            _self_scores.clear()
        _self_scores[_key(prepared)] = own


def _key(prepared: PreparedScoring) -> tuple[Any, ...]:
    job = prepared.job
    return (type(prepared.scorer), job.reference, job.models, prepared.can, job.tools, prepared.stamp)
