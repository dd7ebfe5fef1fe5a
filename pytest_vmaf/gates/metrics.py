"""The table of metrics: name, label, unit, direction, and who measures each.

Gates, tolerances, reports, the terminal and the documentation take their metrics from here. The features come from
`model/registry.json`, which `scoring.models` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from pytest_vmaf.scoring.features import feature_columns, higher_is_better
from pytest_vmaf.scoring.signs import SIGNS

#: Who measures a metric: every scoring, small frames beside it, the packets of a stream, a libvmaf feature, `vmaf.roi`,
#: `vmaf.quality_map`, a search, a comparison, `vmaf.speed`, `vmaf.determinism`, or a plugin.
MetricSource = Literal[
    "score", "sign", "stream", "feature", "roi", "map", "encode", "comparison", "speed", "determinism", "plugin"
]


class Metric(NamedTuple):
    """One row of the table.

    Attributes:
        name: The name in gates, results and reports, for example `psnr_y`.
        label: The name in sentences and tables, for example `NEG`.
        unit: The unit of its values, "" for points and plain numbers.
        higher_is_better: Whether a larger value is better.
        source: Who measures it.
        pool: How a gate without a pool in its name pools the frames.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool
    source: MetricSource
    pool: str = "mean"


ABOVE = "above_100"
BD_RATE = "bd_rate"
BASE_METRICS = ("vmaf", "neg", "gap")
ROI_METRICS = ("vmaf_roi", "neg_roi", "vmaf_masked", "neg_masked", "gap_masked", "mask_coverage")
#: Those that need no default model.
NEG_ROI_METRICS = ("neg_roi", "neg_masked", "mask_coverage")
MAP_METRICS = ("neg_tile", "gap_tile", "neg_salient")
PART_METRICS = (*ROI_METRICS, *MAP_METRICS)
#: Numbers of the distorted clip's video stream whose packets and headers must be read for them.
PACKET_METRICS = ("peak_bitrate", "keyframe_distance", "level", "vbv_underflow")
#: Numbers of the distorted clip's video stream, which gates may limit.
STREAM_METRICS = ("bitrate", "size", *PACKET_METRICS)
#: Numbers of an encode, not of its frames.
ENCODE_METRICS = ("bitrate", "crf")
#: What `vmaf.speed` measures: numbers that gates may limit, what `max_speed_drop` limits of two commands, and what it
#: limits of a baseline.
ENCODE_FPS, DECODE_FPS = SPEED_GATES = ("encode_fps", "decode_fps")
SLOWDOWN, SPEED = "slowdown", "speed"
SPEED_METRICS = (*SPEED_GATES, SLOWDOWN, SPEED)
#: What `vmaf.determinism` counts of encodes that are not the same. `expect=` allows none.
CHANGED_PACKETS, CHANGED_FRAMES = CHANGES = ("changed_packets", "changed_frames")
#: What searches measure, and baselines of searches contain.
SEARCH_METRICS = (*ENCODE_METRICS, BD_RATE)

_LABELS = {
    "vmaf": "VMAF",
    "neg": "NEG",
    "vmaf_roi": "VMAF roi",
    "neg_roi": "NEG roi",
    "vmaf_masked": "VMAF masked",
    "neg_masked": "NEG masked",
    "gap_masked": "gap masked",
    "mask_coverage": "mask coverage",
    "neg_tile": "NEG of the worst tile",
    "gap_tile": "gap of the worst tile",
    "neg_salient": "NEG of salient tiles",
    "crf": "CRF",
    ENCODE_FPS: "encoding speed",
    DECODE_FPS: "decoding speed",
    CHANGED_PACKETS: "packets that differ",
    CHANGED_FRAMES: "frames with other scores",
    BD_RATE: "BD-rate",
    ABOVE: "frames above 100",
    "colour_loss": "colour loss",
    "colour_shift": "colour shift",
    "colour_matrix": "colour matrix",
    "level_shift": "level shift",
    "contrast_loss": "contrast loss",
    "patch": "worst patch",
    "colour_lag": "colour lag",
    "peak_bitrate": "peak bitrate",
    "keyframe_distance": "key frame distance",
    "vbv_underflow": "VBV underflow",
}
#: Where the mean would hide what one frame shows.
_POOLS = {"collapse": "max", "patch": "max"}
_UNITS = {
    "psnr": "dB",
    "psnr_hvs": "dB",
    "float_psnr": "dB",
    "float_ansnr": "dB",
    "xpsnr": "dB",
    "bitrate": "bit/s",
    "size": "bytes",
    "peak_bitrate": "bit/s",
    "keyframe_distance": "frames",
    "vbv_underflow": "bits",
    BD_RATE: "%",
    ENCODE_FPS: "frames/s",
    DECODE_FPS: "frames/s",
    SLOWDOWN: "%",
    SPEED: "frames/s",
    "colour_loss": "%",
    "colour_shift": "%",
    "contrast": "%",
    "contrast_loss": "%",
    "patch": "code values",
    "lag": "frames",
    "level_shift": "code values",
    "enhancement": "‰",
}


@lru_cache(maxsize=1)
def metrics() -> Mapping[str, Metric]:
    """Every metric by its name: those of every scoring first, then those of regions, features and searches."""
    sources: dict[str, MetricSource] = {
        **dict.fromkeys((*BASE_METRICS, ABOVE), "score"),
        **dict.fromkeys(SIGNS, "sign"),
        **dict.fromkeys(ROI_METRICS, "roi"),
        **dict.fromkeys(MAP_METRICS, "map"),
        **dict.fromkeys(feature_columns(), "feature"),
        **dict.fromkeys(ENCODE_METRICS, "encode"),
        **dict.fromkeys(STREAM_METRICS, "stream"),
        BD_RATE: "comparison",
        **dict.fromkeys(SPEED_METRICS, "speed"),
        **dict.fromkeys(CHANGES, "determinism"),
    }
    lower = {ABOVE, *STREAM_METRICS, BD_RATE, SLOWDOWN, *CHANGES, *SIGNS}
    return {
        name: Metric(
            name,
            label(name),
            _unit(name),
            name not in lower and higher_is_better(name),
            source,
            _POOLS.get(name, "mean"),
        )
        for name, source in sources.items()
    }


#: The metrics of plugins that this process has met, by name: for labels and units alone.
_of_plugins: dict[str, Metric] = {}


def plugin_metrics() -> tuple[str, ...]:
    """The names of the metrics of plugins that this process has met."""
    return tuple(_of_plugins)


def metric_of(name: str) -> Metric:
    """The metric of this name, of plugins too; one without label and unit for a name that this process has not met."""
    return metrics().get(name) or _of_plugins.get(name) or Metric(name, name, "", higher_is_better(name), "plugin")


def note_metric(name: str, label: str, unit: str, *, higher_is_better: bool) -> None:
    """Remember how a plugin's metric is printed. Records carry it to processes that lack the plugin."""
    if name not in metrics():
        _of_plugins[name] = Metric(name, label or name, unit, higher_is_better, "plugin")


def label(name: str) -> str:
    """The label of a metric; its own name where the table has no other, and for metrics of another version."""
    return _of_plugins[name].label if name in _of_plugins else _LABELS.get(name, name)


def decimals(name: str, value: float, *others: float) -> int:
    """The decimals of a printed value: none for counts, four for numbers between 0 and 1 such as SSIM, else two.

    A CRF has as many as its fraction, or as those of other CRFs beside it.
    """
    if name == "crf":
        return max(len(f"{each:.2f}".rstrip("0").partition(".")[2]) for each in (value, *others))
    if name in (*ENCODE_METRICS, *STREAM_METRICS, *CHANGES, ABOVE):
        return 1 if name == "level" else 0
    return 4 if abs(value) <= 2 and name not in (*BASE_METRICS, *SIGNS, *SPEED_METRICS) else 2


def _unit(name: str) -> str:
    return _UNITS.get(name) or _UNITS.get(feature_columns().get(name, ""), "")
