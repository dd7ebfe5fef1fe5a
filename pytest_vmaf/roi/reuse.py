"""Masked scores and saliency of earlier runs, by all that they were made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any

from pytest_vmaf.quality.cache import UNREADABLE, fetch, forget, key_of, remembered, store
from pytest_vmaf.quality.content import Unchanged, content_of
from pytest_vmaf.quality.measure import Prepared
from pytest_vmaf.quality.programs import build_of
from pytest_vmaf.quality.recall import keep_score, machine, packed_log, recalled, score_key, unpacked_log
from pytest_vmaf.quality.scorer import ScoreLog
from pytest_vmaf.roi.masking import Mask, Seen

Shares = tuple[tuple[tuple[float, ...], ...], tuple[int, ...]]


@dataclass(frozen=True)
class Masked:
    """What scoring a pair as it is and masked gave, and what the masks were like."""

    full: ScoreLog
    masked: ScoreLog
    seen: Seen


@dataclass(frozen=True)
class Place:
    """Where a masked scoring is kept: the names of its two halves, and whether the clips are still what they were."""

    full: str | None
    masked: str | None
    unchanged: Unchanged


def place_of(prepared: Prepared, mask: Mask, network: str) -> Place:
    """Where the masked scoring of a pair belongs; ``network`` is the digest of the saliency network, "" for none."""
    unchanged = Unchanged(prepared.job.reference.clip, prepared.job.distorted.clip)
    full = score_key(prepared.scorer, prepared.job, prepared.cache)
    if full is None:
        return Place(None, None, unchanged)
    how = {**asdict(mask), "saliency": network, "stride": mask.every}
    key = key_of("masked", full=full, mask=how, versions=_versions())
    return Place(full, key, unchanged)


def restore(prepared: Prepared, place: Place) -> Masked | None:
    """The masked scoring that is kept at a place, None where it is not there whole."""
    entry = fetch(prepared.cache, "mask", place.masked)
    full = recalled(prepared.scorer, prepared.job, prepared.cache, place.full)
    if entry is None or full is None:
        return None
    try:
        data, numbers = entry.data, int(entry.data["numbers"])
        seen = Seen()
        seen.coverage = [float(share) for share in data["coverage"]]
        seen.empty = [int(frame) for frame in data["empty"]]
        seen.largest = float(data["largest"])
        seen.size = int(data["size"][0]), int(data["size"][1])
        ends = accumulate(map(int, data["maps"]), initial=numbers)
        seen.maps = [entry.blob[begin:end] for begin, end in pairwise(ends)]
        return Masked(full, unpacked_log(data["log"], entry.blob[:numbers]), seen)
    except UNREADABLE as error:
        forget(prepared.cache, "mask", place.masked, f"{type(error).__name__}: {error}")
        return None


def keep(prepared: Prepared, place: Place, made: Masked) -> None:
    """Keep a masked scoring, unless a clip was written to meanwhile."""
    if place.masked is None or not place.unchanged():
        return
    keep_score(prepared.cache, place.full, made.full)
    log, numbers = packed_log(made.masked)
    seen = made.seen
    data = {
        "log": log,
        "numbers": len(numbers),
        "coverage": seen.coverage,
        "empty": seen.empty,
        "largest": seen.largest,
        "size": seen.size,
        "maps": [len(each) for each in seen.maps],
    }
    store(prepared.cache, "mask", place.masked, data, b"".join((numbers, *seen.maps)))


def remembered_shares(
    prepared: Prepared, network: str, boxes: Sequence[Sequence[int]], make: Callable[[], Shares]
) -> Shares:
    """What ``make`` gives, the shares of boxes in the saliency of the reference, once for a reference and network."""
    job, cache = prepared.job, prepared.cache
    unchanged = Unchanged(job.reference.clip)
    build = build_of(job.tools.ffmpeg.path, cache) if cache else None
    key = None
    if build is not None:
        source = [content_of(job.reference.clip, cache), job.reference.clip.path.suffix.lower(), job.reference.chain]
        colours = [prepared.pair.matrix, prepared.pair.color_range] if prepared.pair else []
        parts = {"source": source, "colours": colours, "picture": [job.width, job.height, job.pix_fmt]}
        key = key_of("shares", **parts, network=network, boxes=boxes, build=build, versions=_versions())
    return remembered(cache, "mask", key, make, list, _shares, unchanged)


def _shares(data: Any) -> Shares:
    shares, empty = data
    return tuple(tuple(map(float, each)) for each in shares), tuple(map(int, empty))


def _versions() -> list[str]:
    """What computes saliency and masks, and where."""
    from importlib.metadata import version

    import numpy as np

    return [*machine(), np.__version__, version("onnxruntime")]
