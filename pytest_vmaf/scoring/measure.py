"""The one path from a request to a Result: check the pair, run the scorer, verify the log, build the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from typing import Any

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.pair import Pair
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.models import ModelPair, higher_is_better
from pytest_vmaf.scoring.prepare import BOOTSTRAP_COLUMNS, MeasureRequest, PreparedScoring, _answered, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Context, Scale, Score
from pytest_vmaf.scoring.scorer import Capabilities, ScoreLog, Scorer, ScoreRequest, verify
from pytest_vmaf.scoring.self_scores import frames_above, remember, self_scores

#: Below this luma PSNR (dB), above this NEG and within this gap a frame's score says nothing.
BLIND_PSNR, BLIND_NEG, BLIND_GAP = 15.0, 60.0, 3.0


def measure(request: MeasureRequest, scorer: Scorer, name: str | None = None, reference: str | None = None) -> Result:
    """Score the pair with and without enhancement credit in one pass; ``name`` and ``reference`` stand for the clips.

    Raises MeasurementError (ClipError, PairError, ModelError, ScorerError) for all that keeps the numbers from being
    what was asked, and SettingsError for unknown words.
    """
    prepared = prepare(request, scorer)
    [log] = score(scorer, [prepared.job], prepared.cache)
    return conclude(prepared, log, name, reference=reference)


def conclude(
    prepared: PreparedScoring,
    log: ScoreLog,
    name: str | None = None,
    command: str | None = None,
    reference: str | None = None,
    notes: Sequence[str] = (),
    own: tuple[float, ...] | None = None,
) -> Result:
    """Verify the log of a scoring and build its Result, where ``name`` and ``reference`` stand for the clips.

    ``command`` is what repeats the measurement, where that is more than the scoring, ``notes`` what was changed beside
    the pair's own, ``own`` the reference's self-score if it is known. Raises ScorerError, PairError.
    """
    log = check_log(prepared, log)
    job, models = prepared.job, prepared.models
    if job.reference == job.distorted:
        remember(prepared, log.columns[models.default.column])
    context = context_of(prepared, replace(log, command=command or log.command), name, reference, notes)
    above = frames_above(job, log, models, context, lambda: own or self_scores([prepared])[0])
    found = scores_of(prepared, log, context)
    return Result(found.pop("vmaf"), found.pop("neg"), found.pop("gap"), above, found)


def check_log(prepared: PreparedScoring, log: ScoreLog) -> ScoreLog:
    """The log of a scoring, if it is whole and says something. Raises ScorerError, PairError."""
    log = _answered(log, ScoreLog, prepared.scorer)
    verify(log, prepared.job, prepared.can.name)
    check_meaningful(log, prepared.job)
    return log


def context_of(
    prepared: PreparedScoring,
    log: ScoreLog,
    name: str | None = None,
    reference: str | None = None,
    notes: Sequence[str] = (),
) -> Context:
    """Where the scores of a log come from; ``name`` and ``reference`` stand for the clips."""
    job, pair = prepared.job, prepared.pair
    return Context(
        reference=reference or str(job.reference.clip),
        distorted=name or str(job.distorted.clip),
        frame_rate=pair.frame_rate if pair else Fraction(job.reference.clip.frame_rate or 25),
        provenance={**_provenance(job, log, prepared.can, prepared.models, pair), "notes": _notes(pair, notes)},
    )


def check_meaningful(log: ScoreLog, job: ScoreRequest) -> None:
    """VMAF v0 gives a flat frame (black, a title) about 97 whatever the other clip shows; PSNR knows better.

    Measured: honest encodes down to x264 crf 51 keep above 20 dB, and fall to a NEG of 11 before that; frames that are
    enhanced beyond recognition have a large gap instead.
    """
    psnr = log.columns.get("psnr_y")
    if psnr is None:
        return
    credited, neg = (log.columns[run.column] for run in job.models)
    blind = [
        frame
        for frame, score in enumerate(neg)
        if psnr[frame] < BLIND_PSNR and score > BLIND_NEG and credited[frame] - score < BLIND_GAP
    ]
    if blind:
        first = blind[0]
        raise ScorerError(
            f"VMAF is blind in {len(blind)} of {len(neg)} frames: frame {first} has a NEG of {neg[first]:.1f} although "
            f"its luma PSNR is {psnr[first]:.1f} dB.\n"
            "  The reference is flat there (black, a title card), or the brightness is far off, and VMAF says nothing\n"
            f"  about such frames. Look at them: {job.reference.clip.name} and {job.distorted.clip.name}."
        )


def _notes(pair: Pair | None, more: Sequence[str]) -> list[str]:
    return [*(pair.notes if pair else ()), *more]


def scores_of(prepared: PreparedScoring, log: ScoreLog, context: Context) -> dict[str, Score]:
    """The scores of a log by metric: "vmaf", "neg", "gap", then every other column."""
    job, models = prepared.job, prepared.models

    def made(metric: str, frames: tuple[float, ...], model: str, low: float | None, high: float | None) -> Score:
        generation = models.generation if model else ""
        scale = Scale(metric, model, generation, job.width, job.height, low, high, higher_is_better(metric))
        return Score(frames, scale, context)

    credited, neg = log.columns[models.default.column], log.columns[models.neg.column]
    rest = [column for column in log.columns if column not in (models.default.column, models.neg.column)]
    return {
        "vmaf": made("vmaf", credited, models.name, models.low, models.high),
        "neg": made("neg", neg, models.neg_name, models.low, models.high),
        # Near the ceiling the clip would hide the gap.
        "gap": made("gap", tuple(a - b for a, b in zip(credited, neg, strict=True)), models.label, None, None),
        # A bootstrap model's interval belongs to that model; a feature is the same whatever model stands beside it.
        **{column: made(column, log.columns[column], _interval_model(column, models), None, None) for column in rest},
    }


def _interval_model(column: str, models: ModelPair) -> str:
    parts = {f"{run.column}_{part}" for run in (models.default, models.neg) for part in BOOTSTRAP_COLUMNS}
    return models.label if models.default.bootstrap and column in parts else ""


def _provenance(
    job: ScoreRequest,
    log: ScoreLog,
    can: Capabilities,
    models: ModelPair,
    pair: Pair | None,
) -> Mapping[str, Any]:
    return {
        "pytest_vmaf": version("pytest-vmaf"),
        "model": models.name,
        "neg_model": models.neg_name,
        "generation": models.generation,
        "phone": models.phone,
        "clip": f"{models.low:g} to {models.high:g} (the gap and above_100 are unclipped)",
        "scorer": can.name,
        "scorer_version": can.version,
        "fake": not can.reads_clips,
        "ffmpeg": job.tools.ffmpeg.version,
        "ffmpeg_path": job.tools.ffmpeg.path,
        "libvmaf": log.libvmaf,
        "threads": job.threads,
        "frames": log.reference_frames,
        "width": job.width,
        "height": job.height,
        "pix_fmt": job.pix_fmt,
        "matrix": pair.matrix if pair else "unknown",
        "color_range": pair.color_range if pair else "tv",
        "filters": {"reference": job.reference.chain, "distorted": job.distorted.chain},
        "starts": [job.reference.start, job.distorted.start],
        "command": log.command,
        "cached": log.cached,
        "encoder": pair.distorted.encoder if pair else "",
    }
