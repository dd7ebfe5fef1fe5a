"""Whether a scorer of others has seen every frame of its clips, which are counted."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_vmaf.errors import LogError
from pytest_vmaf.media.clip import Clip, Stream
from pytest_vmaf.media.fingerprint import FileState, stamp_of
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.scoring.scorer_calls import is_our_own, name_of
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    from pytest_vmaf.cache.entries import Cache
    from pytest_vmaf.scoring.prepare import PreparedScoring
    from pytest_vmaf.scoring.scorer import ScoreLog


def refuse_unseen_frames(prepared: PreparedScoring, log: ScoreLog) -> None:
    """Raise LogError if the scorer reports fewer or more frames than a clip has."""
    job = prepared.job
    if not prepared.can.reads_clips or is_our_own(prepared.scorer):
        return
    for source, reported in ((job.reference, log.reference_frames), (job.distorted, log.distorted_frames)):
        if isinstance(source.clip, Stream) or source.matched:
            continue
        stamp = stamp_of(source.clip)
        decoded = source.scored(_count(source.clip.as_key, stamp, job.tools.ffmpeg.path, job.timeout, prepared.cache))
        if decoded != reported:
            raise LogError(
                f"The scorer {name_of(prepared.scorer)} reports {plural(reported, 'frame')} of {source.clip.name}, "
                f"and must score all {decoded}."
            )


@lru_cache(maxsize=64)
def _count(clip: Clip, stamp: FileState | None, ffmpeg: str, timeout: float | None, cache: Cache | None) -> int:
    return count_frames(clip, ffmpeg, timeout, cache)
