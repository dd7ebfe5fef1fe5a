"""The source of a task, checked where the task runs."""

from __future__ import annotations

import os
import platform

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import Unchanged, content_of
from pytest_vmaf.text import printable


def check_source(clip: Clip, expected: str, cache: Cache | None) -> Unchanged:
    """Check in a worker that a clip is the one that the coordinator hashed.

    Args:
        clip: The clip, by the coordinator's path.
        expected: What `content_of` returned there.
        cache: Where digests are cached.

    Returns:
        What tells later whether the file was changed since.

    Raises:
        ClipError: If the clip is missing or cannot be read, or has other bytes.
    """
    where = f"on {platform.node()}, where the working directory is {printable(os.getcwd())}"
    if not clip.is_sequence and not clip.path.exists():
        raise ClipError(f"{clip} does not exist {where}.")
    unchanged = Unchanged(clip)
    try:
        content = content_of(clip, cache)
    except OSError as error:
        raise ClipError(f"{clip} cannot be read {where}: {error.strerror or error}.") from error
    if content != expected:
        raise ClipError(f"{clip} differs from the coordinator's file of that name {where}.")
    return unchanged
