"""Scores by the metrics of plugins, measured beside the scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_vmaf.scoring.score import Context, Scale, Score

if TYPE_CHECKING:
    from pytest_vmaf.scoring.prepare import PreparedScoring
    from pytest_vmaf.scoring.scorer import ScoreLog


def metric_scores(prepared: PreparedScoring, log: ScoreLog, context: Context) -> dict[str, Score]:
    """The scores by metric, measured over the frames that were scored; of a scorer that reads no clips its own columns.

    Raises:
        MetricError: If a metric fails.
        ScorerError: If a clip cannot be decoded.
    """
    specs, job, pair = prepared.metrics, prepared.job, prepared.pair
    if not specs:
        return {}
    if pair is None:
        values = {spec.name: log.columns[spec.name] for spec in specs}
    else:
        from pytest_vmaf.metrics.cached import measure_metrics
        from pytest_vmaf.metrics.clip_pair import ClipPair

        sources = job.reference, job.distorted
        clips = ClipPair(
            reference=job.reference.clip,
            distorted=job.distorted.clip,
            chains=(sources[0].chain, sources[1].chain),
            turned=(sources[0].turned, sources[1].turned),
            width=job.width,
            height=job.height,
            pix_fmt=job.pix_fmt,
            matrix=pair.matrix,
            color_range=pair.color_range,
            frames=log.reference_frames,
            frame_rate=context.frame_rate,
            ffmpeg=job.tools.ffmpeg.path,
            threads=job.threads,
            timeout=job.timeout,
        )
        values = measure_metrics(specs, clips, prepared.cache)
    size = job.width, job.height
    return {
        spec.name: Score(
            values[spec.name], Scale(spec.name, "", "", *size, higher_is_better=spec.higher_is_better), context
        )
        for spec in specs
    }


def metric_provenance(prepared: PreparedScoring) -> dict[str, Any]:
    """The metrics of plugins in a result's provenance; empty if there are none."""
    if not prepared.metrics:
        return {}
    from pytest_vmaf.metrics.spec import describe

    return {"metrics": {spec.name: describe(spec) for spec in prepared.metrics}}
