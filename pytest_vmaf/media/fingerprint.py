"""Fingerprints: the content of clips and files, and the state that shows whether a file changed.

The content is the same under another name, and another after any change.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pytest_vmaf.cache.entries import Cache, get_or_compute, key_of
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.sequence import numbered
from pytest_vmaf.media.tracks import default_track

#: Smaller files are read again sooner than their digest is looked up. In bytes.
SMALL = 4 << 20
#: Younger files are read again, in seconds: a file may be written twice in one tick of its clock, and what is written
#: through a memory map changes its time only once until the system has saved it (Linux: after 30 s, and up to 5).
FRESH = 60.0


class FileState(NamedTuple):
    """What changes with a file: its inode, its size, and when its bytes and its inode were written, in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int

    @classmethod
    def of(cls, file: Path | int) -> FileState:
        """The state of a file, by path or file descriptor.

        Raises:
            OSError: If there is no such file.
        """
        stat = os.stat(file)
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


Stamps: TypeAlias = tuple[tuple[int, int] | None, ...]


def stamp_of(clip: Clip) -> FileState | None:
    """The state of a clip's file; None for a picture sequence, or if there is no file."""
    return FileState.of(clip.path) if clip.path.exists() else None


def stamps_of(*clips: Clip) -> Stamps:
    """Size and time of each clip's file; None for a picture sequence, or if there is no file."""
    return tuple(state and (state.size, state.mtime) for state in map(stamp_of, clips))


class Unchanged:
    """Tells, when it is called, whether clips and further files are still what they were when it was created."""

    def __init__(self, *clips: Clip, files: Iterable[Path] = ()) -> None:
        self._clips, self._files = clips, tuple(files)
        self._before = self._states()

    def __call__(self) -> bool:
        """False also if a file did not exist, or does not any more."""
        return self._before is not None and self._states() == self._before

    def _states(self) -> list[FileState] | None:
        try:
            return [FileState.of(path) for path in (*(p for clip in self._clips for p in files_of(clip)), *self._files)]
        except OSError:
            return None


def files_of(clip: Clip) -> list[Path]:
    """The file of a clip, or those of a picture sequence in the order of their numbers."""
    if not clip.is_sequence:
        return [clip.path]
    numbers, item_name = numbered(clip)
    return [clip.path.absolute().parent / item_name(number) for number in numbers]


def content_of(clip: Clip, cache: Cache | None = None) -> str:
    """BLAKE2b of the clip's files and of what the user stated about them, such as raw geometry and crop.

    Raises:
        OSError: If a file cannot be read.
    """
    stated = repr((clip.width, clip.height, clip.pix_fmt, clip.frame_rate))
    plain = clip.is_raw or clip.is_sequence
    stream = clip.stream if clip.stream is not None else 0 if plain else default_track(clip.path)
    options = (clip.crop, stream, clip.film_grain)
    if options != (None, 0, True):
        stated += f" options {options}"
    if clip.is_part:
        stated += f" part {clip.start, clip.frames}"
    if clip.is_sequence:
        # Pictures are not a film, and a missing number is an error.
        stated += f" numbers {numbered(clip)[0]}"
    return digest(files_of(clip), stated, cache)


def decoding_content(clip: Clip, cache: Cache | None = None) -> list[str]:
    """The content of a clip and the end of its name, which may tell ffmpeg what is in a file.

    Raises:
        OSError: If a file cannot be read.
    """
    return [content_of(clip, cache), clip.path.suffix.lower()]


def same_content(a: Clip, b: Clip, cache: Cache | None = None) -> bool:
    """Whether two clips are the same frames of the same bytes: one file, a link to it, or a copy.

    Raises:
        OSError: If a file cannot be read.
    """
    files = files_of(a), files_of(b)
    sizes = ([path.stat().st_size for path in each] for each in files)
    if len(files[0]) != len(files[1]) or next(sizes) != next(sizes):
        return False
    if a.start == b.start:
        # Clips of other lengths do not compare, so these have the same frames, however their end is stated.
        a, b = replace(a, frames=None), replace(b, frames=None)
    return content_of(a, cache) == content_of(b, cache)


def digest(files: Iterable[Path], text: str = "", cache: Cache | None = None) -> str:
    """BLAKE2b, 128 bits in hexadecimal, of a text and the bytes of files, each hashed on its own.

    With a `cache`, a large file that has not changed since is not read again.

    Raises:
        OSError: If a file cannot be read.
    """
    total = hashlib.blake2b(text.encode(), digest_size=16)
    for path in files:
        total.update(bytes.fromhex(_digest(path, cache)))
    return total.hexdigest()


def file_hash(files: Sequence[Path], algorithm: str, cache: Cache | None = None) -> str:
    """The hash, in hexadecimal, of the bytes of one file, or of several one after the other.

    A single file that has not changed since is not read again: as in `digest`.

    Raises:
        OSError: If a file cannot be read.
    """
    if len(files) == 1:
        return _digest(files[0], cache, algorithm)
    total = hashlib.new(algorithm, usedforsecurity=False)
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()


#: Digests of files that are old enough to be trusted, in this process.
_known: dict[tuple[str, str, FileState], str] = {}


def _digest(path: Path, cache: Cache | None, algorithm: str = "blake2b") -> str:
    if not path.is_file():
        # A pipe would be waited for.
        raise OSError(f"{path} is not a regular file")
    with path.open("rb") as file:
        # Of the open file: a network's file system checks the file itself then.
        state = FileState.of(file.fileno())
        # On Windows nothing tells that a file was changed and its time set back.
        lasting = os.name == "posix" and time.time() - max(state.mtime, state.ctime) / 1e9 > FRESH
        name = str(path.absolute())
        if lasting and (algorithm, name, state) in _known:
            return _known[algorithm, name, state]
        other = {} if algorithm == "blake2b" else {"algorithm": algorithm}
        key = key_of("file", path=name, state=state, **other) if cache and lasting and state.size > SMALL else None
        value = get_or_compute(
            cache, "file", key, partial(_read, file, algorithm), str, partial(_hexadecimal, algorithm=algorithm)
        )
    if lasting:
        _known[algorithm, name, state] = value
    return value


def _read(file: BufferedReader, algorithm: str) -> str:
    return hashlib.file_digest(file, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()


def _hexadecimal(data: str, algorithm: str) -> str:
    if len(bytes.fromhex(data)) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise ValueError("not a digest")
    return data
