"""ClipLike: what stands for a clip in a call, such as a path, an encode or frames in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from io import IOBase
from itertools import chain
from typing import Protocol

from pytest_vmaf.errors import ClipError, EncodeError, MeasurementError, MetricError
from pytest_vmaf.media.array_like import Frames, is_array
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.spool import UNNAMED


class HasClip(Protocol):
    """An object that has a clip, such as an `Encode` or the answer of a search."""

    @property
    def clip(self) -> Clip:
        """The clip."""


#: Iterables that are not frames in memory.
NO_FRAMES = (str, bytes, bytearray, memoryview, os.PathLike, Clip, Mapping, Set, IOBase, type)
#: What the methods of `Vmaf` take as a clip.
ClipLike = Clip | HasClip | str | os.PathLike[str] | bytes | Frames


def as_clip(clip: ClipLike, role: str = "") -> Clip:
    """Read what stands for a clip: a path, a `Clip`, frames, or an object that has a clip, such as an `Encode`.

    Frames are written to a file, and an iterator is read to its end, so this must be called once for each.

    Args:
        clip: What stands for a clip.
        role: What errors call frames, for example "reference".

    Raises:
        ClipError: If it is none of these.
    """
    owned = getattr(clip, "clip", clip)
    if isinstance(owned, Clip):
        return owned
    if are_frames(clip):
        from pytest_vmaf.media.spool_frames import spool_frames

        return Clip.of_spool(spool_frames(clip, role=role))
    return Clip(clip)  # type: ignore[arg-type]  # Clip says what a path must be


def as_pair(reference: ClipLike, distorted: ClipLike, *, alone: bool = False) -> tuple[Clip, Clip]:
    """Read both clips of a pair, as `as_clip` does. The same object is read once.

    Args:
        reference: The reference.
        distorted: The distorted clip.
        alone: Whether a clip is compared with itself. Otherwise an iterator cannot be both.

    Raises:
        ClipError: If one is not a clip.
    """
    clip = as_clip(reference, "reference")
    if distorted is reference and (alone or not isinstance(distorted, Iterator)):
        return clip, clip
    try:
        return clip, as_clip(distorted, "distorted")
    except BaseException:
        discard([reference], [clip])
        raise


def discard(given: Sequence[object], clips: Sequence[Clip]) -> None:
    """Remove the files of frames in memory that a call was given and has made clips of, since it has failed.

    An error may live longer than its call, with all that the call knows.
    """
    for each, clip in zip(given, clips, strict=False):
        if are_frames(each):
            clip.discard()


def is_encode(value: object) -> bool:
    """Whether an object has a clip, such as an `Encode`. Arrays have a method of that name."""
    return isinstance(getattr(value, "clip", None), Clip)


def own_cause(error: BaseException) -> BaseException | None:
    """What a function, a generator or a metric of the user raised, if that is the cause of an error."""
    is_own = isinstance(error, EncodeError | MetricError) or (isinstance(error, ClipError) and error.frame is not None)
    return error.__cause__ if is_own else None


def are_frames(value: object) -> bool:
    """Whether a value can only be frames in memory: an array, a list of arrays or another iterable. Reads none."""
    if isinstance(value, NO_FRAMES) or is_encode(value):
        return False
    if is_array(value) or isinstance(value, Iterator):
        return True
    if isinstance(value, Sequence):
        return _is_frame(next(iter(value), None))
    kind = type(value)
    return hasattr(kind, "__iter__") or (hasattr(kind, "__getitem__") and hasattr(kind, "__len__"))


def as_sources(sources: object) -> list[object]:
    """One source or several, as a list. Of an iterable, the first item tells whether it gives frames or clips."""
    if isinstance(sources, NO_FRAMES) or is_array(sources) or hasattr(sources, "clip"):
        return [sources]
    if not are_frames(sources) and not isinstance(sources, Iterable):
        return [sources]
    items = iter(sources)  # type: ignore[call-overload]  # old sequences have no __iter__
    try:
        first = next(items)
    except StopIteration:
        return []
    except Exception as error:
        return [_raising(error)]
    if not _is_frame(first) or getattr(first, "ndim", 0) == 4:
        return [first, *items]
    return [sources if isinstance(sources, Sequence) else chain([first], items)]


def are_several(sources: object) -> bool:
    """Whether a value is a list of clips, and not a clip or the frames of one."""
    if not isinstance(sources, Sequence) or isinstance(sources, NO_FRAMES):
        return False
    items = as_sources(sources)
    return len(items) != 1 or items[0] is not sources


def _is_frame(value: object) -> bool:
    """Whether this is an array or a group of planes."""
    planes = value if isinstance(value, list | tuple) and value else (value,)
    return all(map(is_array, planes))


def _raising(error: Exception) -> Iterator[object]:
    """Frames of which making the first one raised."""
    raise error
    yield


def clip_name(clip: object) -> str:
    """The name of what was passed for a clip, in a message about it: it need not be a clip."""
    try:
        if are_frames(clip):
            return UNNAMED
        return str(as_clip(clip))  # type: ignore[arg-type]
    except (MeasurementError, OSError):
        return str(clip)
