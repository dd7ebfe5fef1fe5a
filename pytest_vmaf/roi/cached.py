"""Masked scores and saliency of earlier runs, by all that they were made of."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from pytest_vmaf.cache import LARGEST, UNREADABLE, Entry, fetch, forget, key_of, remembered, store
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.fingerprint import Unchanged, content_of
from pytest_vmaf.roi.frame_masks import Mask, MaskStats
from pytest_vmaf.roi.network import Map, Saliency
from pytest_vmaf.scoring.cached import fetch_score, pack_log, score_key, store_score, unpack_log
from pytest_vmaf.scoring.prepare import PreparedScoring
from pytest_vmaf.scoring.scorer import ScoreLog, verify

Shares = tuple[tuple[tuple[float, ...], ...], tuple[int, ...]]


@dataclass(frozen=True)
class Masked:
    """What scoring a pair as it is and masked gave, and what the masks were like."""

    full: ScoreLog
    masked: ScoreLog
    seen: MaskStats


@dataclass(frozen=True)
class BaselineLocation:
    """Where a masked scoring is kept: the names of its two halves, and whether the clips are still what they were."""

    full: str | None
    masked: str | None
    unchanged: Unchanged


def place_of(prepared: PreparedScoring, mask: Mask, network: str) -> BaselineLocation:
    """Where the masked scoring of a pair belongs; ``network`` is the digest of the saliency network, "" for none."""
    unchanged = Unchanged(prepared.job.reference.clip, prepared.job.distorted.clip)
    full = score_key(prepared.scorer, prepared.job, prepared.cache)
    if full is None:
        return BaselineLocation(None, None, unchanged)
    how = {**asdict(mask), "saliency": network, "stride": mask.every}
    key = key_of("masked", full=full, mask=how, versions=_versions())
    return BaselineLocation(full, key, unchanged)


def restore(prepared: PreparedScoring, place: BaselineLocation) -> Masked | None:
    """The masked scoring that is kept at a place, None where it is not there whole."""
    entry = fetch(prepared.cache, "mask", place.masked)
    full = fetch_score(prepared.scorer, prepared.job, prepared.cache, place.full)
    if entry is None or full is None:
        return None
    try:
        data, numbers = entry.data, int(entry.data["numbers"])
        seen = MaskStats()
        seen.coverage = [float(share) for share in data["coverage"]]
        seen.empty = [int(frame) for frame in data["empty"]]
        seen.largest = float(data["largest"])
        seen.size = int(data["size"][0]), int(data["size"][1])
        ends = accumulate(map(int, data["maps"]), initial=numbers)
        seen.maps = [entry.blob[begin:end] for begin, end in pairwise(ends)]
        masked = unpack_log(data["log"], entry.blob[:numbers])
        _check(prepared, masked, seen)
        return Masked(full, masked, seen)
    except (*UNREADABLE, MeasurementError, zlib.error) as error:
        forget(prepared.cache, "mask", place.masked, f"{type(error).__name__}: {error}")
        return None


def _check(prepared: PreparedScoring, masked: ScoreLog, seen: MaskStats) -> None:
    """Refuse what no masking gives. Raises ValueError, zlib.error, MeasurementError."""
    frames = masked.reference_frames
    columns = tuple(run.column for run in prepared.job.models)
    verify(masked, replace(prepared.job, features=(), columns=columns), "the cache")
    right = len(seen.coverage) == frames and all(0 <= share <= 1 for share in seen.coverage)
    right = right and all(0 <= frame < frames for frame in seen.empty)
    if not right or any(len(zlib.decompress(each)) != seen.size[0] * seen.size[1] for each in seen.maps):
        raise ValueError("masks that no clip gives")


def keep(prepared: PreparedScoring, place: BaselineLocation, made: Masked) -> None:
    """Keep a masked scoring, unless a clip was written to meanwhile."""
    if place.masked is None or not place.unchanged():
        return
    store_score(prepared.cache, place.full, made.full)
    log, numbers = pack_log(made.masked)
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


class SaliencyCache:
    """A network's answers upon the frames of a reference, in the order it is asked, for the masks of other encodes."""

    def __init__(self, prepared: PreparedScoring, mask: Mask, network: Saliency) -> None:
        self._cache, self._unchanged = prepared.cache, Unchanged(prepared.job.reference.clip)
        how = {"every": mask.every, "bt601": mask.bt601}
        self._key = _reference_key("looks", prepared, network.digest, **how)
        self._entry = fetch(self._cache, "mask", self._key)
        self._asked, self._size = 0, 0
        self._maps: list[bytes] = []
        self._shape = 0, 0

    def __call__(self, look: Callable[[], Map]) -> Map:
        """The answer of an earlier run, else that of ``look``."""
        self._asked += 1
        if self._entry is not None:
            return self._recalled(self._entry, self._asked - 1, look)
        found = look()
        if self._cache is not None and self._key is not None and self._size <= self._cache.size * LARGEST:
            self._maps.append(zlib.compress(found.tobytes(), 1))
            self._shape, self._size = (found.shape[0], found.shape[1]), self._size + len(self._maps[-1])
        return found

    def _recalled(self, entry: Entry, number: int, look: Callable[[], Map]) -> Map:
        import numpy as np

        try:
            ends = [0, *accumulate(map(int, entry.data["maps"]))]
            deflated = entry.blob[ends[number] : ends[number + 1]]
            return np.frombuffer(zlib.decompress(deflated), np.float32).reshape(entry.data["shape"])
        except (*UNREADABLE, zlib.error) as error:
            # From here on as if nothing had been kept.
            forget(self._cache, "mask", self._key, f"{type(error).__name__}: {error}")
            self._entry = self._key = None
            return look()

    def keep(self, frames: int) -> None:
        """Keep the answers of a clip that was looked at to its end, of so many frames."""
        if frames and self._entry is None and len(self._maps) == self._asked and self._unchanged():
            data = {"maps": [len(each) for each in self._maps], "shape": self._shape}
            store(self._cache, "mask", self._key, data, b"".join(self._maps))


def _reference_key(what: str, prepared: PreparedScoring, network: str, **how: object) -> str | None:
    """The name of what a network makes of the reference of a pair."""
    job, cache = prepared.job, prepared.cache
    build = build_of(job.tools.ffmpeg.path, cache) if cache else None
    if build is None:
        return None
    source = [content_of(job.reference.clip, cache), job.reference.clip.path.suffix.lower(), job.reference.chain]
    return key_of(
        what,
        source=source,
        colours=[prepared.pair.matrix, prepared.pair.color_range] if prepared.pair else [],
        picture=[job.width, job.height, job.pix_fmt],
        network=network,
        build=build,
        versions=_versions(),
        how=how,
    )


def remembered_shares(
    prepared: PreparedScoring, network: str, boxes: Sequence[Sequence[int]], make: Callable[[], Shares]
) -> Shares:
    """What ``make`` gives, the shares of boxes in the saliency of the reference, once for a reference and network."""
    unchanged = Unchanged(prepared.job.reference.clip)
    key = _reference_key("shares", prepared, network, boxes=boxes)
    return remembered(prepared.cache, "mask", key, make, list, _shares, unchanged)


def _shares(data: Any) -> Shares:
    shares, empty = data
    return tuple(tuple(map(float, each)) for each in shares), tuple(map(int, empty))


def _versions() -> list[str]:
    """What computes saliency and masks, and where."""
    from importlib.metadata import version

    import numpy as np

    return [*machine(), np.__version__, version("onnxruntime")]
