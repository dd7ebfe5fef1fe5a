"""MeasureRequest, what a measurement is asked for, and PreparedScoring, the checked pair and its scoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import MeasurementError, ModelError, PairError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.fingerprint import same_content, stamp_of
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.pair import Pair, check_pair
from pytest_vmaf.media.usual_pair import USUAL_DEPTH, plan_usual_pair
from pytest_vmaf.scoring.advice import advised, least_depth, note_advice
from pytest_vmaf.scoring.cached import capabilities
from pytest_vmaf.scoring.features import XPSNR, columns_of, optional_columns_of, refuse_sizes, requested_features
from pytest_vmaf.scoring.lead import lead_of
from pytest_vmaf.scoring.missing_chroma import note_missing_chroma
from pytest_vmaf.scoring.models import LARGEST_HD_SIDE, ModelPair, resolve_model
from pytest_vmaf.scoring.scorer import Capabilities, Scorer, ScoreRequest, Source, Tools
from pytest_vmaf.scoring.xpsnr import RATES, rate_class, refuse_without_filter

if TYPE_CHECKING:
    from pytest_vmaf.metrics.spec import MetricSpec
    from pytest_vmaf.scoring.early_run import EarlyRun
    from pytest_vmaf.scoring.requirements import Requirement

#: The columns that a bootstrap model adds to its own.
BOOTSTRAP_COLUMNS = ("bagging", "stddev", "ci_p95_lo", "ci_p95_hi")


@dataclass(frozen=True)
class MeasureRequest:
    """Two clips and how to score them. The settings are those of `pytest_vmaf.Vmaf`.

    `shots_for` names the gate, the tolerance or the metric that needs the shots of the reference.
    """

    reference: Clip
    distorted: Clip
    model: str = "auto"
    generation: str = "v0"
    phone: bool = False
    features: tuple[str, ...] = ()
    scale: str | None = None
    align: bool = False
    match_rate: bool = False
    allow: tuple[str, ...] = ()
    threads: int = 1
    timeout: float | None = None
    ffmpeg: str | None = None
    vmaf_bin: str = "vmaf"
    progress: Callable[[int, int | None], None] | None = None
    cache: Cache | None = None
    signs: bool = False
    same: Literal["ignore", "note", "refuse"] = "ignore"
    require: tuple[Requirement, ...] = ()
    shots_for: str = ""
    metrics: tuple[MetricSpec, ...] = ()


@dataclass(frozen=True)
class PreparedScoring:
    """A checked pair, ready to be scored.

    Attributes:
        job: What the scorer gets.
        models: The pair of models.
        can: The scorer's capabilities.
        pair: The checked pair, or None if the scorer reads no clips.
        scorer: The scorer.
        stamp: Identifies the state of the reference's file before anything was measured, or None.
        cache: Where scores are cached, or None.
        allow: The properties that are allowed, as in `MeasureRequest`.
        require: Which builds may measure.
        shots: The shots of the reference, by its scored frames, if something needs them.
        metrics: Metrics of plugins to measure beside the scores. A scorer that reads no clips gives their columns.
        early: The scoring, if it may run already. Whoever requested it must stop it.
    """

    job: ScoreRequest
    models: ModelPair
    can: Capabilities
    pair: Pair | None
    scorer: Scorer
    stamp: tuple[int, ...] | None
    cache: Cache | None = None
    allow: tuple[str, ...] = ()
    require: tuple[Requirement, ...] = ()
    shots: tuple[tuple[int, int], ...] = ()
    metrics: tuple[MetricSpec, ...] = ()
    early: EarlyRun | None = field(default=None, compare=False)


def prepare(request: MeasureRequest, scorer: Scorer, *, early: bool = False) -> PreparedScoring:
    """Check the pair, and plan its scoring. Raises as `measure` does.

    With `early`, the scoring may begin at once: see `EarlyRun`. Then the caller must stop it.
    """
    stamp = stamp_of(request.reference)
    tools = Tools(find_ffmpeg(request.ffmpeg, request.cache), request.vmaf_bin)
    can = capabilities(scorer, tools, request.cache)
    # PSNR is always measured: it costs next to nothing, and shows where VMAF is not meaningful.
    names = (*request.features, *(("psnr",) if can.reads_clips else ()))
    features = requested_features(names)
    if XPSNR in features and can.reads_clips:
        refuse_without_filter(tools.ffmpeg)
    pair, run = None, _early_run(request, scorer, tools, can, features) if early else None
    try:
        if can.reads_clips:
            pair = _check(request, tools, run.look if run else lambda clip: None)
            refuse_sizes(features, pair.width, pair.height)
        job, models, pair = _plan(request, tools, can, features, pair)
        shots: tuple[tuple[int, int], ...] = ()
        if request.shots_for:
            from pytest_vmaf.scoring.scored_shots import scored_shots

            shots = scored_shots(request.shots_for, job, can, pair, request.cache)
    except BaseException:
        if run:
            run.stop()
        raise
    return PreparedScoring(
        job,
        models,
        can,
        pair,
        scorer,
        stamp,
        request.cache,
        request.allow,
        request.require,
        shots,
        request.metrics,
        early=run,
    )


def _early_run(
    request: MeasureRequest, scorer: Scorer, tools: Tools, can: Capabilities, features: tuple[str, ...]
) -> EarlyRun | None:
    """The scoring of the pair if it is like most; None if it cannot be, or the scorer shows no first frames."""
    unusual = request.scale or request.align or request.match_rate or XPSNR in features or not request.signs
    if unusual or least_depth(request.model, request.generation) > USUAL_DEPTH or not can.reads_clips:
        return None
    from pytest_vmaf.scoring.early_run import EarlyRun, can_run_early

    if not can_run_early(scorer, request.reference, request.distorted):
        return None
    usual = plan_usual_pair(request.reference, request.distorted)
    try:
        job, _, _ = _plan(request, tools, can, features, usual)
    except (MeasurementError, SettingsError):
        # What is wrong is said once the clips are known.
        return None
    return EarlyRun(scorer, job, request.progress, LARGEST_HD_SIDE if request.model == "auto" else None)


def _check(request: MeasureRequest, tools: Tools, look: Callable[[Clip], Video | None]) -> Pair:
    pair = check_pair(
        request.reference,
        request.distorted,
        tools.ffmpeg.path,
        scale=request.scale,
        align=request.align,
        match=request.match_rate,
        least_depth=least_depth(request.model, request.generation),
        allow=request.allow,
        timeout=request.timeout,
        cache=request.cache,
        look=look,
    )
    return _with_same_note(request, pair)


def _plan(
    request: MeasureRequest, tools: Tools, can: Capabilities, features: tuple[str, ...], pair: Pair | None
) -> tuple[ScoreRequest, ModelPair, Pair | None]:
    """What the scorer gets, the models, and the pair with notes on both. Raises ModelError."""
    width, height, pix_fmt = (pair.width, pair.height, pair.pix_fmt) if pair else (1920, 1080, "yuv420p")
    sources = _sources(request, pair) if pair else (Source(request.reference, ""), Source(request.distorted, ""))
    models = resolve_model(
        request.model,
        generation=request.generation,
        phone=request.phone,
        width=width,
        height=height,
        frame_rate=pair.frame_rate if pair else Fraction(request.reference.frame_rate or 0),
    )
    if pair:
        models = advised(models, pair)
        pair = note_advice(note_missing_chroma(pair, models, features), models)
    if models.default.bootstrap and not can.bootstrap:
        raise ModelError(
            f"{models.name} gives a confidence interval, which the scorer {can.name!r} does not support. "
            "Use --vmaf-scorer=vmaf."
        )
    rate = rate_class(pair.frame_rate) if pair and XPSNR in features else 0
    job = ScoreRequest(
        reference=sources[0],
        distorted=sources[1],
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        models=(models.default, models.neg),
        features=tuple(name for name in features if name != XPSNR),
        columns=(*_columns(models, features), *(() if can.reads_clips else (each.name for each in request.metrics))),
        tools=tools,
        threads=request.threads,
        timeout=request.timeout,
        progress=_progress(request.progress, pair),
        optional_columns=_optional_columns(models if can.reads_clips else None, features),
        signs=request.signs and can.reads_clips,
        lead=lead_of((models.default, models.neg), *sources, RATES.get(rate, 0)),
        xpsnr_rate=rate,
    )
    return job, models, pair


def _sources(request: MeasureRequest, pair: Pair) -> tuple[Source, Source]:
    """The clips, with the filters and frames of the pair."""

    def source(number: int, clip: Clip, filters: str, turned: bool) -> Source:
        return Source(
            clip,
            filters,
            pair.starts[number],
            pair.lengths[number],
            turned=turned,
            trim=pair.trims[number],
        )

    return (
        replace(
            source(0, request.reference, pair.reference_filters, turned=pair.reference.rotation is not None),
            matched=pair.matched,
        ),
        source(1, request.distorted, pair.distorted_filters, turned=pair.distorted.rotation is not None),
    )


def _with_same_note(request: MeasureRequest, pair: Pair) -> Pair:
    """The pair, with a note if both clips are the same file. Raises PairError where that is refused."""
    if request.same == "ignore" or not same_content(request.reference, request.distorted, request.cache):
        return pair
    same_path = request.reference.path.resolve() == request.distorted.path.resolve()
    what = f"same: the distorted clip is {'the reference itself' if same_path else 'a copy of the reference'}"
    if request.same == "refuse" and "same" not in request.allow:
        raise PairError(
            f"{what}, byte by byte: the score would say nothing about an encode.\n"
            f"  reference: {request.reference}\n  distorted: {request.distorted}\n"
            "  Does a fixture return its source? For the ceiling of a clip, use vmaf.self_score(). Otherwise pass\n"
            '  allow=["same"] (--vmaf-allow=same).'
        )
    return replace(pair, notes=(*pair.notes, what))


def _progress(update: Callable[[int, int | None], None] | None, pair: Pair | None) -> Callable[[int], None] | None:
    return update and (lambda done: update(done, pair.reference.frames_expected if pair else None))


def _columns(models: ModelPair, features: tuple[str, ...]) -> tuple[str, ...]:
    columns = [models.default.column, models.neg.column]
    if models.default.bootstrap:
        columns += [f"{column}_{part}" for column in tuple(columns) for part in BOOTSTRAP_COLUMNS]
    return (*columns, *(column for feature in features for column in columns_of(feature)))


def _optional_columns(models: ModelPair | None, features: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of the models' details, and those of features that not every libvmaf gives."""
    more = (column for feature in features for column in optional_columns_of(feature))
    return tuple(dict.fromkeys((*(models.detail_columns if models else ()), *more)))
