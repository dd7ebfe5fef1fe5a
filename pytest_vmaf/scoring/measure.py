"""One measurement: from a request to a verified Result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version

from pytest_vmaf.errors import PairError, ScorerError
from pytest_vmaf.media.order import codec_of
from pytest_vmaf.media.spool import explain_command
from pytest_vmaf.media.termination import ended_by_signals
from pytest_vmaf.media.timing import describe_variable_rate, has_one_rate, has_times
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.features import every_column_of, higher_is_better, option_notes, options_of
from pytest_vmaf.scoring.metric_scores import metric_provenance, metric_scores
from pytest_vmaf.scoring.order_warning import warn_of_order
from pytest_vmaf.scoring.prepare import BOOTSTRAP_COLUMNS, MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Context, Provenance, Scale, Score
from pytest_vmaf.scoring.scorer import ScoreLog, Scorer, ScoreRequest
from pytest_vmaf.scoring.seen_frames import refuse_unseen_frames
from pytest_vmaf.scoring.self_scores import frames_above, remember, self_scores
from pytest_vmaf.scoring.signs import refuse_displaced, sign_metrics
from pytest_vmaf.scoring.verify_log import verify_log
from pytest_vmaf.scoring.xpsnr import xpsnr_notes
from pytest_vmaf.text import plural

#: VMAF is not meaningful for a frame below this luma PSNR (dB), above this NEG and with a smaller gap than this.
#: Measured: honest encodes down to x264 at CRF 51 stay above 20 dB, and lose more NEG before they get there. Frames
#: that are enhanced beyond recognition have a large gap instead.
BLIND_PSNR, BLIND_NEG, BLIND_GAP = 15.0, 60.0, 3.0
#: ffmpeg's names of codecs that compress nothing, so that their bitrate says nothing.
UNCOMPRESSED = ("rawvideo", "wrapped_avframe", "v210", "v410", "r210", "v408")


def measure(request: MeasureRequest, scorer: Scorer, name: str | None = None, reference: str | None = None) -> Result:
    """Score a pair with the default model and its NEG variant in one run.

    Args:
        request: The clips and settings.
        scorer: The scorer backend.
        name: The distorted clip's name in the result; by default its path.
        reference: The reference's name in the result; by default its path.

    Raises:
        MeasurementError: If the clips cannot be measured as requested: `ClipError`, `PairError`, `ModelError` or
            `ScorerError`.
        SettingsError: If a setting is invalid.
    """
    # A run that begins early is stopped, and its folder removed, whatever ends this.
    with ended_by_signals():
        prepared = prepare(request, scorer, early=True)
        try:
            [log] = score(scorer, [prepared.job], prepared.cache, prepared.early)
        finally:
            if prepared.early:
                prepared.early.stop()
    result = conclude(prepared, log, name, reference=reference)
    if reference is None:
        # The clips of a search, whose names are others, are in the right order.
        warn_of_order(prepared, log, result)
    return result


def conclude(
    prepared: PreparedScoring,
    log: ScoreLog,
    name: str | None = None,
    command: str | None = None,
    reference: str | None = None,
    notes: Sequence[str] = (),
    own: tuple[float, ...] | None = None,
) -> Result:
    """Verify the log of a scoring and build its Result.

    Args:
        prepared: The scoring.
        log: Its log.
        name: The distorted clip's name in the result; by default its path.
        command: The command that repeats the measurement; by default the log's.
        reference: The reference's name in the result; by default its path.
        notes: What was changed in addition to the notes of the pair.
        own: The reference's self-score per frame if it is known; otherwise it is measured if needed.

    Raises:
        ScorerError: If the log is incomplete or not meaningful.
        PairError: If the clips have different lengths.
    """
    log = check_log(prepared, log)
    job, models = prepared.job, prepared.models
    if job.reference == job.distorted:
        remember(prepared, log.columns[models.default.column])
    context = context_of(prepared, replace(log, command=command or log.command), name, reference, notes)
    plugin_scores = metric_scores(prepared, log, context)
    above = frames_above(job, log, models, context, lambda: own or self_scores([prepared])[0])
    scores = {**scores_of(prepared, log, context), **plugin_scores}
    return Result(
        scores.pop("vmaf"), scores.pop("neg"), scores.pop("gap"), above, scores, signs=signs_of(prepared, log, context)
    )


def check_log(prepared: PreparedScoring, log: ScoreLog) -> ScoreLog:
    """The log, if it is complete, meaningful and of a required build. Raises ScorerError or PairError otherwise."""
    if prepared.require:
        from pytest_vmaf.scoring.build_check import check_build

        check_build(prepared, log)
    try:
        verify_log(log, prepared.job, prepared.can.name)
    except PairError as error:
        pair = prepared.pair
        hint = describe_variable_rate(pair.reference, pair.distorted) if pair else ""
        if pair and not hint and not pair.matched:
            hint = (
                "To score only the frames that both clips have, pass match_rate=True (--vmaf-match-rate). The result's "
                "notes name the others."
            )
        raise PairError(f"{error}\n  {hint}" if hint else str(error)) from None
    refuse_unseen_frames(prepared, log)
    check_meaningful(log, prepared.job)
    _refuse_frames(prepared, log)
    if prepared.job.signs and "displaced" not in prepared.allow:
        refuse_displaced(log, prepared.job)
    return log


def _refuse_frames(prepared: PreparedScoring, log: ScoreLog) -> None:
    """Raise PairError for times and fields of frames that are not allowed."""
    if not log.frame_problems:
        # Most logs. What follows reads the clips, and the file of a trial encode may be gone.
        return
    pair, allow = prepared.pair, set(prepared.allow)
    if pair is None or pair.matched or not has_times(pair.reference, pair.distorted, allow):
        allow.add("time_stamps")
    if not (pair and has_one_rate(pair.reference, pair.distorted, prepared.allow)):
        allow.add("holds")
    problems = [text for word, text in log.frame_problems.items() if word not in allow]
    if pair and problems:
        listed = "\n  - ".join(problems)
        clips = f"  reference: {pair.reference.clip}\n  distorted: {pair.distorted.clip}"
        raise PairError(f"not comparable: {listed}\n{clips}")


def context_of(
    prepared: PreparedScoring,
    log: ScoreLog,
    name: str | None = None,
    reference: str | None = None,
    notes: Sequence[str] = (),
) -> Context:
    """The context of a log's scores. `name` and `reference` replace the clips' paths, `notes` follow the pair's."""
    job, pair = prepared.job, prepared.pair
    own = (*option_notes(job.features), *xpsnr_notes(job, log, pair.frame_rate if pair else None))
    return Context(
        reference=reference or str(job.reference.clip),
        distorted=name or str(job.distorted.clip),
        frame_rate=pair.frame_rate if pair else Fraction(job.reference.clip.frame_rate or 25),
        provenance={
            **_provenance(prepared, log),
            "notes": [*(pair.notes if pair else ()), *own, *notes],
        },
        shots=prepared.shots,
        first=0 if job.reference.matched else job.reference.start,
    )


def check_meaningful(log: ScoreLog, job: ScoreRequest) -> None:
    """Raise ScorerError if VMAF is not meaningful for some frames.

    VMAF v0 gives a flat reference frame (black, a title card) about 97 whatever the distorted clip shows. PSNR, where
    it was measured, reveals such frames.
    """
    psnr = log.columns.get("psnr_y")
    if psnr is None or len(job.models) < 2:
        return
    default, neg = (log.columns[run.column] for run in job.models)
    blind = [
        frame
        for frame, score in enumerate(neg)
        if psnr[frame] < BLIND_PSNR and score > BLIND_NEG and default[frame] - score < BLIND_GAP
    ]
    if blind:
        first = blind[0]
        raw = "" if not (job.reference.clip.is_raw or job.distorted.clip.is_raw) else ", or a pix_fmt is wrong"
        raise ScorerError(
            f"VMAF is not meaningful for {len(blind)} of {plural(len(neg), 'frame')}: frame {first} has NEG "
            f"{neg[first]:.1f} but a luma PSNR of only {psnr[first]:.1f} dB.\n"
            f"  The reference is flat there (black frame, title card) or the brightness differs strongly{raw}.\n"
            f"  Compare these frames: {job.reference.clip.name} and {job.distorted.clip.name}."
        )


def may_be_blind(log: ScoreLog, job: ScoreRequest) -> bool:
    """Whether VMAF may not be meaningful for a frame that one model alone has scored: the gap to the other tells."""
    return len(job.models) < 2 and any(value < BLIND_PSNR for value in log.columns.get("psnr_y", ()))


def scores_of(prepared: PreparedScoring, log: ScoreLog, context: Context) -> dict[str, Score]:
    """The scores of a log by metric: "vmaf", "neg" and "gap" first, or "neg" alone, then every other column."""
    job, models = prepared.job, prepared.models
    default, neg = log.columns.get(models.default.column), log.columns[models.neg.column]
    intervals = [f"{run.column}_{part}" for run in job.models for part in BOOTSTRAP_COLUMNS if run.bootstrap]

    options = {column: options_of(each) for each in job.features for column in every_column_of(each)}

    # A confidence interval belongs to its model; a feature is the same with any model, but not with other options.
    labels = {**dict.fromkeys(job.columns, ""), **dict.fromkeys(intervals, models.label), **options}

    def build(metric: str, frames: tuple[float, ...], model: str, low: float | None, high: float | None) -> Score:
        generation = models.generation if model and metric not in options else ""
        scale = Scale(metric, model, generation, job.width, job.height, low, high, higher_is_better(metric))
        return Score(frames, scale, context)

    base = {"neg": build("neg", neg, models.neg_name, models.low, models.high)}
    if default is not None:
        # Unclipped: near the ceiling, clipped scores would hide the gap.
        gap = tuple(a - b for a, b in zip(default, neg, strict=True))
        vmaf = build("vmaf", default, models.name, models.low, models.high)
        base = {"vmaf": vmaf, **base, "gap": build("gap", gap, models.label, None, None)}
    return {
        **base,
        **{
            column: build(column, log.columns[column], label, None, None)
            for column, label in labels.items()
            if column in log.columns and column not in (models.default.column, models.neg.column)
        },
    }


def signs_of(prepared: PreparedScoring, log: ScoreLog, context: Context) -> dict[str, Score]:
    """The signs of the picture by metric, if they were measured."""
    job, models = prepared.job, prepared.models
    if not job.signs:
        return {}
    return {
        metric: Score(frames, Scale(metric, "", "", job.width, job.height, higher_is_better=False), context)
        for metric, frames in sign_metrics(log, models, job.width * job.height).items()
    }


def _provenance(prepared: PreparedScoring, log: ScoreLog) -> Provenance:
    job, can, models, pair = prepared.job, prepared.can, prepared.models, prepared.pair
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
        "command": explain_command(log.command),
        "cached": log.cached,
        "encoder": pair.distorted.encoder if pair else "",
        **_stream(prepared, log),
        **metric_provenance(prepared),
    }


def _stream(prepared: PreparedScoring, log: ScoreLog) -> dict[str, float]:
    """The size of the distorted clip's video stream in bytes, and how long it lasts, in seconds."""
    (size, frames), video = log.stream, prepared.pair.distorted if prepared.pair else None
    if (bitstream := prepared.job.distorted.clip.bitstream) and video and video.frame_rate and not video.clip.is_part:
        return {"size": bitstream, "seconds": float(log.distorted_frames / video.frame_rate)}
    if (
        not size
        or video is None
        or video.clip.is_part
        or not video.frame_rate
        or video.is_picture
        or codec_of(video) in UNCOMPRESSED
    ):
        return {}
    return {"size": size, "seconds": float(frames / video.frame_rate)}
