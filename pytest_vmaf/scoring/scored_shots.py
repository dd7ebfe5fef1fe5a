"""The shots of a reference, by the frames that are scored."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_vmaf.errors import PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import FileState, stamp_of
from pytest_vmaf.media.shots import Shot, detect_shots
from pytest_vmaf.scoring.scorer import Capabilities, ScoreRequest

if TYPE_CHECKING:
    from pytest_vmaf.cache.entries import Cache
    from pytest_vmaf.media.pair import Pair


def scored_shots(
    what: str, job: ScoreRequest, can: Capabilities, pair: Pair | None, cache: Cache | None
) -> tuple[tuple[int, int], ...]:
    """The first scored frame and the number of scored frames of each shot, of those that have any.

    Args:
        what: The gate, the tolerance or the metric that needs them, for messages.
        job: The scoring.
        can: The scorer's capabilities.
        pair: The checked pair.
        cache: Where shots are cached.

    Raises:
        ScorerError: If the scorer reads no clips.
        PairError: If frames of the reference are dropped or doubled.
        ClipError: If the reference cannot be decoded.
    """
    if not can.reads_clips or pair is None:
        raise ScorerError(
            f"{what} needs the shots of the reference, and the scorer {can.name!r} reads no clips. Switch it off "
            "there, or use a window such as worst_24f."
        )
    if pair.matched:
        raise PairError(
            f"{what} needs the shots of the reference, of which match_rate drops or doubles frames. Use a window such "
            "as worst_1s."
        )
    source = job.reference
    shots = _detect(source.clip.as_key, stamp_of(source.clip), job.tools.ffmpeg.path, job.timeout, cache)
    # Those of a part, and of an aligned pair, are counted from its first frame.
    skipped = source.start - int(source.clip.start)
    end = shots[-1].start + shots[-1].frames if source.frames is None else skipped + source.frames
    spans = [(max(shot.start, skipped), min(shot.start + shot.frames, end)) for shot in shots]
    return tuple((begin - skipped, stop - begin) for begin, stop in spans if begin < stop)


@lru_cache(maxsize=64)
def _detect(
    clip: Clip, stamp: FileState | None, ffmpeg: str, timeout: float | None, cache: Cache | None
) -> tuple[Shot, ...]:
    """The trial encodes of a search share the reference."""
    return detect_shots(clip, ffmpeg, timeout=timeout, cache=cache)
