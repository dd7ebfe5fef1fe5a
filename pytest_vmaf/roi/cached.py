"""Masked scores and saliency from earlier runs, keyed by everything that they depend on."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from pytest_vmaf.cache.entries import UNREADABLE, Entry, fetch, forget, get_or_compute, key_of, store
from pytest_vmaf.cache.folder import LARGEST
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.media.builds import build_of, machine
from pytest_vmaf.media.fingerprint import Unchanged, content_of
from pytest_vmaf.roi.frame_masks import Mask, MaskStats
from pytest_vmaf.roi.saliency_network import Saliency, SaliencyMap
from pytest_vmaf.scoring.cached import fetch_score, pack_log, score_key, store_score, unpack_log
from pytest_vmaf.scoring.prepare import PreparedScoring
from pytest_vmaf.scoring.scorer import ModelRun, ScoreLog
from pytest_vmaf.scoring.verify_log import verify_log

#: The share of each part in the saliency of each frame, and the frames without saliency.
Shares = tuple[tuple[tuple[float, ...], ...], tuple[int, ...]]
#: The shapes of entries. `numbers` and `maps` are lengths in bytes of parts of the entry's blob.
MASKED_SHAPE = {
    "log": Any,
    "numbers": int,
    "coverage": [float],
    "empty": [int],
    "largest": float,
    "size": (int, int),
    "maps": [int],
}
MAPS_SHAPE = {"maps": [int], "shape": (int, int)}
SHARES_SHAPE = ([[float]], [int])


@dataclass(frozen=True)
class MaskedLogs:
    """The logs of a pair as it is and under a mask, and statistics about the mask."""

    full: ScoreLog
    masked: ScoreLog
    stats: MaskStats


class MaskedScoreCache:
    """The masked scoring of a pair in the cache.

    Args:
        prepared: The pair's scoring.
        mask: The settings of the mask.
        digest: The SHA-256 of the saliency network, "" for a synthetic mask.
        runs: The models of the masked clip, all of the pair's or some.
    """

    def __init__(self, prepared: PreparedScoring, mask: Mask, digest: str, runs: tuple[ModelRun, ...]) -> None:
        self._prepared, self._cache = prepared, prepared.cache
        self._columns = tuple(run.column for run in runs)
        self._unchanged = Unchanged(prepared.job.reference.clip, prepared.job.distorted.clip)
        self._full = score_key(prepared.scorer, prepared.job, self._cache)
        settings = {**asdict(mask), "saliency": digest, "stride": mask.every}
        some = {"models": self._columns} if runs != prepared.job.models else {}
        key = self._full and key_of("masked", full=self._full, mask=settings, versions=_versions(), **some)
        self._key = key or None

    def fetch(self) -> MaskedLogs | None:
        """The logs of an earlier run, if the entry is complete and intact."""
        entry = fetch(self._cache, "mask", self._key)
        full = fetch_score(self._prepared.scorer, self._prepared.job, self._cache, self._full)
        if entry is None or full is None:
            return None
        try:
            data = entry.data
            conform(data, MASKED_SHAPE, "entry")
            ends = accumulate(data["maps"], initial=data["numbers"])
            maps = [entry.blob[begin:end] for begin, end in pairwise(ends)]
            stats = MaskStats(data["coverage"], data["empty"], data["largest"], tuple(data["size"]), maps)
            logs = MaskedLogs(full, unpack_log(data["log"], entry.blob[: data["numbers"]]), stats)
            self._check(logs)
            return logs
        except (*UNREADABLE, MeasurementError, zlib.error) as error:
            forget(self._cache, "mask", self._key, f"{type(error).__name__}: {error}")
            return None

    def _check(self, logs: MaskedLogs) -> None:
        """Refuse values that no masking gives. Raises ValueError, zlib.error or MeasurementError."""
        stats, frames = logs.stats, logs.masked.reference_frames
        verify_log(logs.masked, replace(self._prepared.job, features=(), columns=self._columns), "the cache")
        valid = len(stats.coverage) == frames and all(0 <= share <= 1 for share in stats.coverage)
        valid = valid and all(0 <= frame < frames for frame in stats.empty)
        if not valid or any(len(zlib.decompress(each)) != stats.size[0] * stats.size[1] for each in stats.maps):
            raise ValueError("its masks are not those of a clip")

    def store(self, logs: MaskedLogs) -> None:
        """Store the logs, unless a clip has changed meanwhile."""
        if self._key is None or not self._unchanged():
            return
        store_score(self._cache, self._full, logs.full)
        log, numbers = pack_log(logs.masked)
        lengths = {"numbers": len(numbers), "maps": [len(each) for each in logs.stats.maps]}
        data = {"log": log, **vars(logs.stats), **lengths}
        store(self._cache, "mask", self._key, data, b"".join((numbers, *logs.stats.maps)))


class SaliencyCache:
    """A network's maps of the frames of a reference, in order, for the masks of other encodes."""

    def __init__(self, prepared: PreparedScoring, mask: Mask, network: Saliency) -> None:
        self._cache, self._unchanged = prepared.cache, Unchanged(prepared.job.reference.clip)
        self._key = _reference_key("looks", prepared, network.digest, every=mask.every, bt601=mask.bt601)
        entry = fetch(self._cache, "mask", self._key)
        self._stored = _unpack_maps(entry) if entry is not None else None
        self._calls, self._size = 0, 0
        self._maps: list[bytes] = []
        self._shape: tuple[int, ...] = 0, 0

    def __call__(self, compute: Callable[[], SaliencyMap]) -> SaliencyMap:
        """The next map: that of an earlier run, or else the result of `compute`."""
        self._calls += 1
        if self._stored is not None:
            try:
                return next(self._stored)
            except (*UNREADABLE, zlib.error, StopIteration) as error:
                # From here on as if there were no entry.
                forget(self._cache, "mask", self._key, f"{type(error).__name__}: {error}")
                self._stored = self._key = None
        saliency = compute()
        if self._cache is not None and self._key is not None and self._size <= self._cache.size * LARGEST:
            self._maps.append(zlib.compress(saliency.tobytes(), 1))
            self._shape, self._size = saliency.shape, self._size + len(self._maps[-1])
        return saliency

    def store(self, frames: int) -> None:
        """Store the maps of a clip that was read to its end, of this many frames."""
        if frames and self._stored is None and len(self._maps) == self._calls and self._unchanged():
            data = {"maps": [len(each) for each in self._maps], "shape": self._shape}
            store(self._cache, "mask", self._key, data, b"".join(self._maps))


def _unpack_maps(entry: Entry) -> Iterator[SaliencyMap]:
    import numpy as np

    conform(entry.data, MAPS_SHAPE, "entry")
    for begin, end in pairwise(accumulate(entry.data["maps"], initial=0)):
        yield np.frombuffer(zlib.decompress(entry.blob[begin:end]), np.float32).reshape(entry.data["shape"])


def remembered_shares(
    prepared: PreparedScoring, network: str, boxes: Sequence[Sequence[int]], make: Callable[[], Shares]
) -> Shares:
    """The shares of boxes in the saliency of a reference: those of an earlier run, or else the result of `make`.

    Args:
        prepared: The pair's scoring.
        network: The SHA-256 of the saliency network.
        boxes: The boxes (x, y, w, h).
        make: Computes the shares.
    """
    unchanged = Unchanged(prepared.job.reference.clip)
    key = _reference_key("shares", prepared, network, boxes=boxes)
    return get_or_compute(prepared.cache, "mask", key, make, list, _read_shares, unchanged)


def _read_shares(data: Any) -> Shares:
    conform(data, SHARES_SHAPE, "entry")
    shares, empty = data
    return tuple(map(tuple, shares)), tuple(empty)


def _reference_key(kind: str, prepared: PreparedScoring, network: str, **settings: object) -> str | None:
    """The key of what a network makes of a pair's reference; None if nothing can be stored."""
    job, cache = prepared.job, prepared.cache
    build = build_of(job.tools.ffmpeg.path, cache) if cache else None
    if build is None:
        return None
    clip = job.reference.clip
    return key_of(
        kind,
        source=[content_of(clip, cache), clip.path.suffix.lower(), job.reference.chain],
        colours=[prepared.pair.matrix, prepared.pair.color_range] if prepared.pair else [],
        picture=[job.width, job.height, job.pix_fmt],
        network=network,
        build=build,
        versions=_versions(),
        how=settings,
    )


def _versions() -> list[str]:
    """What computes saliency and masks: the machine and the libraries."""
    from importlib.metadata import version

    import numpy as np

    return [*machine(), np.__version__, version("onnxruntime")]
