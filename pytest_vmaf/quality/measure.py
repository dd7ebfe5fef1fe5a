"""The one path from a request to a Result: check the pair, run the scorer, verify the log, build the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from typing import Any, TypeVar

from pytest_vmaf.quality.clip import Clip
from pytest_vmaf.quality.errors import ModelError, ScorerError
from pytest_vmaf.quality.ffmpeg import find_ffmpeg
from pytest_vmaf.quality.models import ModelPair, higher_is_better, registry, resolve_feature, resolve_model
from pytest_vmaf.quality.pair import Pair, check_pair
from pytest_vmaf.quality.result import FramesAbove, Result
from pytest_vmaf.quality.score import Context, Scale, Score
from pytest_vmaf.quality.scorer import Capabilities, ScoreLog, Scorer, ScoreRequest, Source, Tools, verify

BOOTSTRAP_COLUMNS = ("bagging", "stddev", "ci_p95_lo", "ci_p95_hi")
#: Below this luma PSNR (dB), above this NEG and within this gap a frame's score says nothing.
BLIND_PSNR, BLIND_NEG, BLIND_GAP = 15.0, 60.0, 3.0
#: Self-scores kept for other encodes of the same reference.
LARGEST_CACHE = 64


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


def measure(request: MeasureRequest, scorer: Scorer, name: str | None = None, reference: str | None = None) -> Result:
    """Score the pair with and without enhancement credit in one pass; ``name`` and ``reference`` stand for the clips.

    Raises MeasurementError (ClipError, PairError, ModelError, ScorerError) for all that keeps the numbers from being
    what was asked, and SettingsError for unknown words.
    """
    prepared = prepare(request, scorer)
    return conclude(prepared, scorer.score(prepared.job), name, reference=reference)


def prepare(request: MeasureRequest, scorer: Scorer) -> Prepared:
    """Check the pair, and say what has to be scored. Raises as :func:`measure`."""
    stamp = stamp_of(request.reference)
    tools = Tools(find_ffmpeg(request.ffmpeg), request.vmaf_bin)
    can = _answered(scorer.capabilities(tools), Capabilities, scorer)
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
    return Prepared(job, models, can, pair, scorer, stamp)


def conclude(
    prepared: Prepared,
    log: ScoreLog,
    name: str | None = None,
    command: str | None = None,
    reference: str | None = None,
) -> Result:
    """Verify the log of a scoring and build its Result, where ``name`` and ``reference`` stand for the clips.

    ``command`` is what repeats the measurement, where that is more than the scoring. Raises ScorerError, PairError.
    """
    job, models, can, pair = prepared.job, prepared.models, prepared.can, prepared.pair
    log = _answered(log, ScoreLog, prepared.scorer)
    verify(log, job, can.name)
    _refuse_blindness(log, job)
    size = job.width, job.height
    if job.reference == job.distorted:
        _remember(prepared, log.columns[models.credit.column])
    context = Context(
        reference=reference or str(job.reference.clip),
        distorted=name or str(job.distorted.clip),
        frame_rate=pair.frame_rate if pair else Fraction(job.reference.clip.frame_rate or 25),
        provenance=_provenance(job, replace(log, command=command or log.command), can, models, pair, size),
    )
    above = _above(job, log, models, context, lambda: _self_score(prepared))
    return _result(log, models, context, above, size)


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


def _above(
    job: ScoreRequest,
    log: ScoreLog,
    models: ModelPair,
    context: Context,
    self_score: Callable[[], tuple[float, ...]],
) -> FramesAbove:
    credited = log.columns[models.credit.column]
    past = [frame for frame, score in enumerate(credited) if score > models.high]
    lifted: list[tuple[int, float, float]] = []
    # An honest encode passes 100 too; what it never passes is the reference's score against itself. And a clip that
    # is the reference cannot.
    if past and job.reference != job.distorted:
        own = self_score()
        if len(own) != len(credited):
            raise ScorerError(f"The reference has {len(own)} frames against itself, and {len(credited)} in the pair.")
        lifted = [(frame, credited[frame], own[frame]) for frame in past if credited[frame] > own[frame]]
    return FramesAbove(tuple(lifted), len(credited), len(past), models.high, context)


_self_scores: dict[tuple[Any, ...], tuple[float, ...]] = {}


def _self_score(prepared: Prepared) -> tuple[float, ...]:
    """The reference against itself, unclipped, with credit; kept in this process while the file stays the same."""
    job, scorer = prepared.job, prepared.scorer
    known = _self_scores.get(_self_key(prepared))
    if known is not None:
        return known
    alone = replace(job, distorted=job.reference, features=(), columns=job.columns[:2])
    log = _answered(scorer.score(alone), ScoreLog, scorer)
    verify(log, alone, prepared.can.name)
    own = log.columns[job.models[0].column]
    _remember(prepared, own)
    return own


def _remember(prepared: Prepared, own: tuple[float, ...]) -> None:
    if prepared.can.reads_clips and prepared.stamp is not None:
        if len(_self_scores) >= LARGEST_CACHE:
            _self_scores.clear()
        _self_scores[_self_key(prepared)] = own


def _self_key(prepared: Prepared) -> tuple[Any, ...]:
    job = prepared.job
    return (type(prepared.scorer), job.reference, job.models, prepared.can, job.tools, prepared.stamp)


def stamp_of(clip: Clip) -> tuple[int, ...] | None:
    """Which file this is, and as of when; None for a sequence, or where there is none."""
    stat = clip.path.stat() if clip.path.exists() else None
    return stat and (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _result(log: ScoreLog, models: ModelPair, context: Context, above: FramesAbove, size: tuple[int, int]) -> Result:
    def score(metric: str, frames: tuple[float, ...], model: str, low: float | None, high: float | None) -> Score:
        scale = Scale(metric, model, models.generation if model else "", *size, low, high, higher_is_better(metric))
        return Score(frames, scale, context)

    credited, neg = log.columns[models.credit.column], log.columns[models.neg.column]
    rest = [column for column in log.columns if column not in (models.credit.column, models.neg.column)]
    return Result(
        vmaf=score("vmaf", credited, models.name, models.low, models.high),
        neg=score("neg", neg, models.neg_name, models.low, models.high),
        # Near the ceiling the clip would hide the gap.
        gap=score("gap", tuple(a - b for a, b in zip(credited, neg, strict=True)), models.label, None, None),
        above_100=above,
        # A bootstrap model's interval belongs to that model; a feature is the same whatever model stands beside it.
        features={
            column: score(column, log.columns[column], _interval_model(column, models), None, None) for column in rest
        },
    )


def _interval_model(column: str, models: ModelPair) -> str:
    parts = {f"{run.column}_{part}" for run in (models.credit, models.neg) for part in BOOTSTRAP_COLUMNS}
    return models.label if models.credit.bootstrap and column in parts else ""


def _provenance(
    job: ScoreRequest,
    log: ScoreLog,
    can: Capabilities,
    models: ModelPair,
    pair: Pair | None,
    size: tuple[int, int],
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
        "width": size[0],
        "height": size[1],
        "pix_fmt": job.pix_fmt,
        "matrix": pair.matrix if pair else "unknown",
        "color_range": pair.color_range if pair else "tv",
        "filters": {"reference": job.reference.filters, "distorted": job.distorted.filters},
        "notes": list(pair.notes) if pair else [],
        "command": log.command,
    }
