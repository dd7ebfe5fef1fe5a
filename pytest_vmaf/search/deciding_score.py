"""Deciding scores: a trial encode scored by the metric of the targets alone, with one model instead of two."""

from __future__ import annotations

from dataclasses import replace

from pytest_vmaf.scoring.features import XPSNR, columns_of, requested_features
from pytest_vmaf.scoring.measure import check_log, context_of, may_be_blind
from pytest_vmaf.scoring.prepare import PreparedScoring
from pytest_vmaf.scoring.score import Scale, Score
from pytest_vmaf.scoring.scorer import RepeatableScorer, ScoreLog
from pytest_vmaf.search.bisect_request import TWINS
from pytest_vmaf.search.metric import Metric


def for_one_metric(prepared: PreparedScoring, metric: Metric) -> PreparedScoring | None:
    """The scoring reduced to what one metric needs, and PSNR, which shows where VMAF is not meaningful.

    Returns:
        The scoring; None if it must stay complete: for metrics that are measured beside libvmaf, for confidence
        intervals, and for scorers that do not state that they repeat their numbers.
    """
    needed = {feature.partition("=")[0] for feature in requested_features((*metric.features, "psnr"))}
    beside = metric.plugin is not None or XPSNR in needed
    if beside or prepared.models.default.bootstrap or not isinstance(prepared.scorer, RepeatableScorer):
        return None
    # Those of the complete scoring, with its options.
    features = tuple(feature for feature in prepared.job.features if feature.partition("=")[0] in needed)
    run = prepared.models.default if metric.name == "vmaf" else prepared.models.neg
    columns = (run.column, *(column for feature in features for column in columns_of(feature)))
    job = replace(prepared.job, models=(run,), features=features, columns=columns, optional_columns=(), xpsnr_rate=0)
    return replace(prepared, job=job, metrics=())


def deciding_score(prepared: PreparedScoring, log: ScoreLog, metric: Metric) -> float | None:
    """Verify the log of a scoring by `for_one_metric`, and pool its frames.

    Returns:
        The score; None if only the complete scoring tells whether it is meaningful.

    Raises:
        MeasurementError: If the log is incomplete, or not of these clips.
    """
    log = check_log(prepared, log)
    if may_be_blind(log, prepared.job):
        return None
    models = prepared.models
    low, high = (models.low, models.high) if metric.name in TWINS else (None, None)
    scale = Scale(metric.name, "", "", prepared.job.width, prepared.job.height, low, high)
    return float(Score(log.columns[metric.name], scale, context_of(prepared, log)).pooled(metric.pool))
