"""A measurement's frames in a bounded size, whatever the length of the clip: series, histograms, worst frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction

from pytest_vmaf.baselines.entry import pools_of
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.gates.gate import Verdict
from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS, ENCODE_METRICS, PART_METRICS, STREAM_METRICS, metric_of
from pytest_vmaf.report.schema import Record, RecordDict
from pytest_vmaf.scoring.pools import POOLS, is_window, pooled
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score

MOST_BUCKETS = 200
BINS = 20
#: Worst frames recorded for each metric.
WORST = 3

#: The caption of a chart whose points may be replaced by the lowest among them.
WORST_POINTS = "Each point is the worst of its frames."


def thin(frames: Sequence[float], *, lowest: bool, buckets: int = MOST_BUCKETS, digits: int = 3) -> list[float]:
    """Reduce a series to at most `buckets` values. Each is the worst of its frames, so no minimum is lost.

    Bucket `i` contains the frames from `i * k` up to `(i + 1) * k`, where `k` is `frames_per_bucket`.

    Args:
        frames: One value per frame.
        lowest: Whether low values are bad. Otherwise each bucket takes its maximum.
        buckets: The most values to return.
        digits: Values are rounded to this many decimals.
    """
    size = frames_per_bucket(len(frames), buckets)
    worst = min if lowest else max
    return [round(worst(frames[start : start + size]), digits) for start in range(0, len(frames), size)]


def frames_per_bucket(frames: int, buckets: int = MOST_BUCKETS) -> int:
    """The number of frames in one bucket of `thin`."""
    return max(1, math.ceil(frames / buckets))


def coarsen(measurement: Record, buckets: int = 100) -> Record:
    """Reduce the series of a measurement's record to at most `buckets` points, each still the worst of its frames."""
    series = measurement.get("series")
    if series is None or len(series["worst"]["neg"]) <= buckets:
        return measurement
    size = frames_per_bucket(len(series["worst"]["neg"]), buckets)
    worst = {
        name: thin(values, lowest=metric_of(name).higher_is_better, buckets=buckets, digits=6)
        for name, values in series["worst"].items()
    }
    above = {**measurement["above"], "buckets": sorted({at // size for at in measurement["above"]["buckets"]})}
    per_bucket = series["frames_per_bucket"] * size
    return {**measurement, "series": {"frames_per_bucket": per_bucket, "worst": worst}, "above": above}


def frame_data(result: Result, verdicts: Sequence[Verdict]) -> RecordDict:
    """The part of a measurement's record that is about its frames."""
    gated = [v.gate.metric for v in verdicts if v.gate.feature or v.gate.metric in PART_METRICS]
    # Metrics of plugins were asked for by name.
    parts = [name for name in result.features if name in PART_METRICS or name in result.provenance.get("metrics", ())]
    names = dict.fromkeys([*BASE_METRICS, *parts, *gated])
    size = frames_per_bucket(len(result.neg.frames))
    above, rate = result.above_100, result.context.frame_rate
    return {
        "frames": len(result.neg.frames),
        **({"first_frame": result.context.first} if result.context.first else {}),
        "frame_rate": str(rate) if rate is not None else None,
        "pools": {name: _pools(result, name) for name in names},
        "series": {
            "frames_per_bucket": size,
            "worst": {name: _worst_of_buckets(result[name], name) for name in names},
        },
        "histogram": histogram(result.vmaf.frames, result.neg.frames),
        "above": {
            "limit": above.limit,
            "past_limit": above.past_limit,
            "buckets": sorted({frame // size for frame in above}),
            "worst": [list(frame) for frame in above.worst(WORST)],
        },
        "worst": _worst(result, verdicts),
        **({"windows": windows} if (windows := _windows(result, verdicts)) else {}),
    }


def _pools(result: Result, name: str) -> dict[str, float]:
    """A metric in each of its pools. Of a quality map, scores are those of one tile, as everywhere in the record."""
    if name not in BASE_METRICS:
        return pools_of(result, name)
    # Clipped at each access.
    frames, pools = result[name].frames, dict[str, float]()
    for pool in POOLS:
        with suppress(MeasurementError):
            pools[pool] = pooled(frames, pool)
    return pools


def _worst_of_buckets(score: Score, name: str) -> list[float]:
    # Unclipped like the gap: enhancement shows above 100 or not at all. SSIM, for example, is between 0 and 1.
    digits = 3 if name in BASE_METRICS else 6
    return thin(score.unclipped.frames, lowest=score.scale.higher_is_better, digits=digits)


def histogram(vmaf: Sequence[float], neg: Sequence[float]) -> RecordDict:
    """Count default and NEG scores in common bins, between multiples of 5 points."""
    low = math.floor(min(*vmaf, *neg) / 5) * 5
    high = max(math.ceil(max(*vmaf, *neg) / 5) * 5, low + 5)

    def count(scores: Sequence[float]) -> list[int]:
        bins = [0] * BINS
        for score in scores:
            bins[min(BINS - 1, int((score - low) / (high - low) * BINS))] += 1
        return bins

    return {"low": float(low), "high": float(high), "vmaf": count(vmaf), "neg": count(neg)}


def _worst(result: Result, verdicts: Sequence[Verdict]) -> list[RecordDict]:
    """The worst frames by each failed gate, then by NEG."""
    failed = [v.gate for v in verdicts if not v.passed and v.gate.metric not in (*ENCODE_METRICS, *STREAM_METRICS)]
    # The first failed gate of a metric and bound chooses the pool, NEG's mean if there is none.
    pools = {("neg", "min"): "mean"} | {(gate.metric, gate.bound): gate.pool for gate in reversed(failed)}
    rows: list[RecordDict] = []
    for metric, bound in dict.fromkeys([*((gate.metric, gate.bound) for gate in failed), ("neg", "min")]):
        if metric == ABOVE:
            frames = [(frame, score) for frame, score, _ in result.above_100.worst(WORST)]
        else:
            frames = _worst_frames(result.judged(metric, pools[metric, bound], bound), pools[metric, bound], bound)
        rows += [{"metric": metric, "frame": frame, "value": float(value)} for frame, value in frames]
    return rows


def _worst_frames(score: Score, pool: str, bound: str) -> list[tuple[int, float]]:
    """The worst frames, of the worst window if the gate is on that."""
    if not is_window(pool):
        return list(score.worst(WORST, lowest=bound == "min"))
    window = score.worst_window(pool)
    frames = score.worst(len(score.frames), lowest=bound == "min")
    return [(frame, value) for frame, value in frames if 0 <= frame - window.first < window.frames][:WORST]


def _windows(result: Result, verdicts: Sequence[Verdict]) -> list[RecordDict]:
    """The worst windows of the gates on windows, failed or not."""
    rows = []
    for gate in (verdict.gate for verdict in verdicts if is_window(verdict.gate.pool)):
        window = result.judged(gate.metric, gate.pool, gate.bound).worst_window(gate.pool)
        rows.append({"metric": gate.metric, "first": window.first, "frames": window.frames})
    return rows


def time_axis(frame_rate: Fraction | None) -> tuple[str, Callable[[int], float]]:
    """The time axis of a chart: its unit, and where a frame is. It counts frames if the frame rate is unknown."""
    if frame_rate is None:
        return "frame", float
    return "s", lambda frame: float(frame / frame_rate)
