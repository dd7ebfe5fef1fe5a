"""Values of metrics from earlier runs: cached by everything they depend on."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from pytest_vmaf.cache.entries import UNREADABLE, Cache, fetch, forget, key_of, store
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.clip import Stream
from pytest_vmaf.media.fingerprint import Unchanged, decoding_content
from pytest_vmaf.metrics.clip_pair import ClipPair
from pytest_vmaf.metrics.network_metric import NetworkMetric
from pytest_vmaf.metrics.spec import MetricSpec

#: Raised when values change for another reason than the metric, for example the colours of its pictures.
METRICS_VERSION = 1
DATA = {"frames": int}


def measure_metrics(
    specs: Sequence[MetricSpec], pair: ClipPair, cache: Cache | None = None
) -> dict[str, tuple[float, ...]]:
    """The values of metrics by name, one for each frame: from the cache if they are there, else measured.

    Raises:
        MeasurementError: As `run_metrics`.
    """
    unchanged = Unchanged(pair.reference, pair.distorted) if cache is not None else None
    keys = {spec.name: _key(spec, pair, cache) for spec in specs}
    values = {spec.name: _fetch(cache, keys[spec.name], pair.frames) for spec in specs}
    if missing := [spec for spec in specs if values[spec.name] is None]:
        from pytest_vmaf.metrics.run_metrics import run_metrics

        for name, frames in run_metrics(missing, pair).items():
            values[name] = frames
            if keys[name] is not None and unchanged is not None and unchanged():
                store(cache, "score", keys[name], {"frames": len(frames)}, _packed(frames))
    return {name: frames for name, frames in values.items() if frames is not None}


def _key(spec: MetricSpec, pair: ClipPair, cache: Cache | None) -> str | None:
    """The key of a metric's values, None if they must not be cached."""
    clips = pair.reference, pair.distorted
    if cache is None or not spec.version or any(isinstance(clip, Stream) for clip in clips):
        return None
    try:
        build = build_of(pair.ffmpeg, cache)
        if build is None:
            return None
        kind = type(spec.metric)
        return key_of(
            "metric",
            version=METRICS_VERSION,
            machine=machine(),
            build=build,
            metric=[f"{kind.__module__}.{kind.__qualname__}", spec.name, spec.version, _runtime(spec)],
            form=[spec.frames, spec.stride, spec.colour, spec.size, spec.planar, spec.low, spec.high],
            clips=[decoding_content(clip, cache) for clip in clips],
            prepared=[pair.chains, pair.turned, pair.width, pair.height, pair.pix_fmt],
            colours=[pair.matrix, pair.color_range],
            frame_rate=str(pair.frame_rate),
        )
    except OSError:
        # A clip is missing, which the measurement reports.
        return None


def _runtime(spec: MetricSpec) -> str:
    """The version of what runs a network; "" for other metrics, whose own version covers what they use."""
    if not isinstance(spec.metric, NetworkMetric):
        return ""
    try:
        return version("onnxruntime")
    except PackageNotFoundError:
        return "unknown"


def _fetch(cache: Cache | None, key: str | None, frames: int) -> tuple[float, ...] | None:
    entry = fetch(cache, "score", key)
    if entry is None:
        return None
    try:
        conform(entry.data, DATA, "metric")
        values = array("d", entry.blob)
        if sys.byteorder == "big":  # pragma: no cover
            values.byteswap()
        if len(values) != frames or not all(map(math.isfinite, values)):
            raise ValueError(f"there must be {frames} finite values, not {len(values)}")
    except UNREADABLE as error:
        forget(cache, "score", key, f"{type(error).__name__}: {error}")
        return None
    return tuple(values)


def _packed(values: Sequence[float]) -> bytes:
    numbers = array("d", values)
    if sys.byteorder == "big":  # pragma: no cover
        numbers.byteswap()
    return numbers.tobytes()
