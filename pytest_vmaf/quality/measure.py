"""The one path from a request to a Result: check the pair, run the scorer, verify the log, build the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from typing import Any, TypeVar

from pytest_vmaf.quality.above import frames_above, remember, self_scores, stamp_of
from pytest_vmaf.quality.cache import Cache
from pytest_vmaf.quality.clip import Clip
from pytest_vmaf.quality.errors import ModelError, ScorerError
from pytest_vmaf.quality.ffmpeg import find_ffmpeg
from pytest_vmaf.quality.models import ModelPair, higher_is_better, registry, resolve_feature, resolve_model
from pytest_vmaf.quality.pair import Pair, check_pair
from pytest_vmaf.quality.recall import capabilities, score
from pytest_vmaf.quality.result import Result
from pytest_vmaf.quality.score import Context, Scale, Score
from pytest_vmaf.quality.scorer import Capabilities, ScoreLog, Scorer, ScoreRequest, Source, Tools, verify

BOOTSTRAP_COLUMNS = ("bagging", "stddev", "ci_p95_lo", "ci_p95_hi")
#: Below this luma PSNR (dB), above this NEG and within this gap a frame's score says nothing.
BLIND_PSNR, BLIND_NEG, BLIND_GAP = 15.0, 60.0, 3.0


Answer = TypeVar("Answer", Capabilities, ScoreLog)


@dataclass(frozen=True)
class MeasureRequest:
    """Two clips and how to score them; see :class:`pytest_vmaf.Vmaf` for what each setting means."""

    reference: Clip
    distorted: Clip
    model: str = "auto"
    generation: str = "v0"
    phone: bool = False
    features: tuple[str, ...] = ()
    scale: str | None = None
    align: bool = False
    allow: tuple[str, ...] = ()
    threads: int = 1
    timeout: float | None = None
    ffmpeg: str | None = None
    vmaf_bin: str = "vmaf"
    progress: Callable[[int, int | None], None] | None = None
    cache: Cache | None = None


@dataclass(frozen=True)
class Prepared:
    """A pair that was checked, and the scoring that is asked for. ``pair`` is None where no clip is read."""

    job: ScoreRequest
    models: ModelPair
    can: Capabilities
    pair: Pair | None
    scorer: Scorer
    #: Tells whether the reference's file was written since; taken before anything was measured.
    stamp: tuple[int, ...] | None
    cache: Cache | None = None


def measure(request: MeasureRequest, scorer: Scorer, name: str | None = None, reference: str | None = None) -> Result:
    """Score the pair with and without enhancement credit in one pass; ``name`` and ``reference`` stand for the clips.

    Raises MeasurementError (ClipError, PairError, ModelError, ScorerError) for all that keeps the numbers from being
    what was asked, and SettingsError for unknown words.
    """
    prepared = prepare(request, scorer)
    [log] = score(scorer, [prepared.job], prepared.cache)
    return conclude(prepared, log, name, reference=reference)


def prepare(request: MeasureRequest, scorer: Scorer) -> Prepared:
    """Check the pair, and say what has to be scored. Raises as :func:`measure`."""
    stamp = stamp_of(request.reference)
    tools = Tools(find_ffmpeg(request.ffmpeg, request.cache), request.vmaf_bin)
    can = _answered(capabilities(scorer, tools, request.cache), Capabilities, scorer)
    # PSNR always goes along: it costs next to nothing, and sees what VMAF is blind to.
    names = (*request.features, *(("psnr",) if can.reads_clips else ()))
    features = tuple(dict.fromkeys(resolve_feature(name) for name in names))
    pair = None
    width, height, pix_fmt = 1920, 1080, "yuv420p"
    sources = Source(request.reference, ""), Source(request.distorted, "")
    if can.reads_clips:
        pair = check_pair(
            request.reference,
            request.distorted,
            tools.ffmpeg.path,
            scale=request.scale,
            align=request.align,
            allow=request.allow,
            timeout=request.timeout,
            cache=request.cache,
        )
        width, height, pix_fmt = pair.width, pair.height, pair.pix_fmt
        sources = (
            Source(request.reference, pair.reference_filters, pair.starts[0], pair.frames),
            Source(request.distorted, pair.distorted_filters, pair.starts[1], pair.frames),
        )
    models = resolve_model(
        request.model, generation=request.generation, phone=request.phone, width=width, height=height
    )
    if models.credit.bootstrap and not can.bootstrap:
        raise ModelError(
            f"{models.name} gives a confidence interval, which the scorer {can.name!r} cannot; use --vmaf-scorer=vmaf."
        )
    job = ScoreRequest(
        reference=sources[0],
        distorted=sources[1],
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        models=(models.credit, models.neg),
        features=features,
        columns=_columns(models, features),
        tools=tools,
        threads=request.threads,
        timeout=request.timeout,
        progress=_counting(request.progress, pair),
    )
    return Prepared(job, models, can, pair, scorer, stamp, request.cache)


def conclude(
    prepared: Prepared,
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
    log = checked(prepared, log)
    job, models = prepared.job, prepared.models
    if job.reference == job.distorted:
        remember(prepared, log.columns[models.credit.column])
    context = context_of(prepared, replace(log, command=command or log.command), name, reference, notes)
    above = frames_above(job, log, models, context, lambda: own or self_scores([prepared])[0])
    found = scores_of(prepared, log, context)
    return Result(found.pop("vmaf"), found.pop("neg"), found.pop("gap"), above, found)


def checked(prepared: Prepared, log: ScoreLog) -> ScoreLog:
    """The log of a scoring, if it is whole and says something. Raises ScorerError, PairError."""
    log = _answered(log, ScoreLog, prepared.scorer)
    verify(log, prepared.job, prepared.can.name)
    _refuse_blindness(log, prepared.job)
    return log


def context_of(
    prepared: Prepared,
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


def _answered(answer: Answer, kind: type[Answer], scorer: Scorer) -> Answer:
    if not isinstance(answer, kind):
        raise ScorerError(
            f"The scorer {type(scorer).__name__} returned {type(answer).__name__}, not {kind.__name__}; "
            "pytest_vmaf.quality.scorer says what a scorer is."
        )
    return answer


def _counting(progress: Callable[[int, int | None], None] | None, pair: Pair | None) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda done: progress(done, pair.reference.frames_expected if pair else None)


def _columns(models: ModelPair, features: tuple[str, ...]) -> tuple[str, ...]:
    known = registry()["features"]
    columns = [models.credit.column, models.neg.column]
    if models.credit.bootstrap:
        columns += [f"{column}_{part}" for column in tuple(columns) for part in BOOTSTRAP_COLUMNS]
    return (*columns, *(column for feature in features for column in known[feature]["columns"]))


def _refuse_blindness(log: ScoreLog, job: ScoreRequest) -> None:
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


def scores_of(prepared: Prepared, log: ScoreLog, context: Context) -> dict[str, Score]:
    """The scores of a log by metric: "vmaf", "neg", "gap", then every other column."""
    job, models = prepared.job, prepared.models

    def made(metric: str, frames: tuple[float, ...], model: str, low: float | None, high: float | None) -> Score:
        generation = models.generation if model else ""
        scale = Scale(metric, model, generation, job.width, job.height, low, high, higher_is_better(metric))
        return Score(frames, scale, context)

    credited, neg = log.columns[models.credit.column], log.columns[models.neg.column]
    rest = [column for column in log.columns if column not in (models.credit.column, models.neg.column)]
    return {
        "vmaf": made("vmaf", credited, models.name, models.low, models.high),
        "neg": made("neg", neg, models.neg_name, models.low, models.high),
        # Near the ceiling the clip would hide the gap.
        "gap": made("gap", tuple(a - b for a, b in zip(credited, neg, strict=True)), models.label, None, None),
        # A bootstrap model's interval belongs to that model; a feature is the same whatever model stands beside it.
        **{column: made(column, log.columns[column], _interval_model(column, models), None, None) for column in rest},
    }


def _interval_model(column: str, models: ModelPair) -> str:
    parts = {f"{run.column}_{part}" for run in (models.credit, models.neg) for part in BOOTSTRAP_COLUMNS}
    return models.label if models.credit.bootstrap and column in parts else ""


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
