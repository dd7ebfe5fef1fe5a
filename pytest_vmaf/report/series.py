"""What a report keeps of a measurement's frames, however long the clip: thinned series, counts, worst frames. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.gates.gate import Verdict
from pytest_vmaf.gates.metrics import ABOVE, ENCODE_METRICS, PART_METRICS
from pytest_vmaf.scoring.models import higher_is_better
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import POOLS

MOST_BUCKETS = 200
BINS = 20
#: Worst frames kept for each metric that asks for them.
WORST = 3


def thinned(frames: Sequence[float], *, lowest: bool, buckets: int = MOST_BUCKETS, digits: int = 3) -> list[float]:
    """At most ``buckets`` values in place of one per frame; each is the worst of its frames, so no minimum is lost.

    Bucket ``i`` stands for the frames from ``i * k`` to ``(i + 1) * k``, ``k`` being :func:`frames_per_bucket`.
    ``lowest`` says that low is bad; else each bucket keeps its maximum. Rounded to ``digits`` decimals.
    """
    size = frames_per_bucket(len(frames), buckets)
    worst = min if lowest else max
    return [round(worst(frames[start : start + size]), digits) for start in range(0, len(frames), size)]


def frames_per_bucket(frames: int, buckets: int = MOST_BUCKETS) -> int:
    """How many frames one bucket of :func:`thinned` stands for."""
    return max(1, math.ceil(frames / buckets))


def coarser(measurement: Mapping[str, Any], buckets: int = 100) -> Mapping[str, Any]:
    """A measurement's record with at most ``buckets`` points in each series, each still the worst of its frames."""
    series = measurement.get("series")
    if series is None or len(series["worst"]["neg"]) <= buckets:
        return measurement
    count = len(series["worst"]["neg"])
    size = frames_per_bucket(count, buckets)
    thinner = {
        name: thinned(values, lowest=higher_is_better(name), buckets=buckets, digits=6)
        for name, values in series["worst"].items()
    }
    above = {**measurement["above"], "buckets": sorted({at // size for at in measurement["above"]["buckets"]})}
    per_bucket = series["frames_per_bucket"] * size
    return {**measurement, "series": {"frames_per_bucket": per_bucket, "worst": thinner}, "above": above}


def frame_data(result: Result, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The frames of a measurement as a report shows them: a bounded amount of plain data, whatever the length."""
    gated = [v.gate.metric for v in verdicts if v.gate.feature or v.gate.metric in PART_METRICS]
    parts = [name for name in result.features if name in PART_METRICS]
    names = ["vmaf", "neg", "gap", *dict.fromkeys([*parts, *gated])]
    scores = {name: result[name] for name in names}
    count = len(result.neg.frames)
    size = frames_per_bucket(count)
    above = result.above_100
    rate = result.context.frame_rate
    return {
        "frames": count,
        "frame_rate": str(rate) if rate is not None else None,
        "pools": {name: _pools(result, name) for name in names},
        "series": {
            "frames_per_bucket": size,
            # Unclipped, as the gap is: what enhancement adds shows above 100 or not at all.
            "worst": {
                name: thinned(
                    score.unclipped.frames,
                    lowest=score.scale.higher_is_better,
                    # SSIM and its like live between 0 and 1.
                    digits=3 if name in ("vmaf", "neg", "gap") else 6,
                )
                for name, score in scores.items()
            },
        },
        "histogram": _histogram(result.vmaf.frames, result.neg.frames),
        "above": {
            "limit": above.limit,
            "past_limit": above.past_limit,
            "buckets": sorted({frame // size for frame in above}),
            "worst": [list(frame) for frame in above.worst(WORST)],
        },
        "worst": _worst(result, verdicts),
    }


def _pools(result: Result, name: str) -> dict[str, float]:
    values = {}
    for pool in POOLS:
        try:
            values[pool] = result.pooled(name, pool)
        except MeasurementError:
            # A gap of -1 has no harmonic mean.
            continue
    return values


def _histogram(vmaf: Sequence[float], neg: Sequence[float]) -> dict[str, Any]:
    low = math.floor(min(*vmaf, *neg) / 5) * 5
    high = max(math.ceil(max(*vmaf, *neg) / 5) * 5, low + 5)

    def count(frames: Sequence[float]) -> list[int]:
        bins = [0] * BINS
        for frame in frames:
            bins[min(BINS - 1, int((frame - low) / (high - low) * BINS))] += 1
        return bins

    return {"low": float(low), "high": float(high), "vmaf": count(vmaf), "neg": count(neg)}


def _worst(result: Result, verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """The worst frames by each violated gate, then by NEG: what somebody looks at first."""
    rows: list[dict[str, Any]] = []
    framed = [v for v in verdicts if v.gate.metric not in ENCODE_METRICS]
    asked = [(v.gate.metric, v.gate.pool, v.gate.bound) for v in framed if not v.passed]
    shown = {(metric, bound): pool for metric, pool, bound in [("neg", "mean", "min"), *reversed(asked)]}
    for metric, bound in dict.fromkeys([*((metric, bound) for metric, _, bound in asked), ("neg", "min")]):
        pool = shown[metric, bound]
        if metric == ABOVE:
            frames = [(frame, score) for frame, score, _ in result.above_100.worst(WORST)]
        else:
            frames = list(result.judged(metric, pool, bound).worst(WORST, lowest=bound == "min"))
        rows += [{"metric": metric, "frame": frame, "value": float(value)} for frame, value in frames]
    return rows
