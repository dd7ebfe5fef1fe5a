"""What a clip or a program is, by the bytes of its files: the same under another name, and another after any change."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

from pytest_vmaf.cache import Cache, key_of, remembered
from pytest_vmaf.media.clip import Clip, numbered

#: Smaller files are read again sooner than a digest of them is found. In bytes.
SMALL = 4 << 20
#: Younger files are read again, in seconds: a file may be written twice in one tick of its clock, and what is written
#: through a memory map changes its time only once until the system has saved it (Linux: after 30 s, and up to 5).
FRESH = 60.0

#: What tells one state of a file from another: device, inode, size, and when its bytes and its inode were changed.
State = tuple[int, ...]


def files_of(clip: Clip) -> list[Path]:
    """The file of a clip, or those of a picture sequence in the order of their numbers."""
    if not clip.is_sequence:
        return [clip.path]
    numbers, item_name = numbered(clip)
    return [clip.path.absolute().parent / item_name(number) for number in numbers]


def content_of(clip: Clip, cache: Cache | None = None) -> str:
    """BLAKE2b of the clip's files and of what is said of them (raw geometry, frame rate). Raises OSError."""
    said = repr((clip.width, clip.height, clip.pix_fmt, clip.frame_rate))
    if clip.is_sequence:
        # Pictures are no film, and a number that is missing is an error.
        said += f" numbers {numbered(clip)[0]}"
    return digest(files_of(clip), said, cache)


def digest(files: Iterable[Path], said: str = "", cache: Cache | None = None) -> str:
    """BLAKE2b, 128 bits in hexadecimal, of a text and the bytes of files, each a whole of its own. Raises OSError.

    With a ``cache`` a large file that has not changed since is not read again.
    """
    whole = hashlib.blake2b(said.encode(), digest_size=16)
    for path in files:
        whole.update(bytes.fromhex(_digest(path, cache)))
    return whole.hexdigest()


class Unchanged:
    """Tells, when it is called, whether clips and further files are still what they were when it was made."""

    def __init__(self, *clips: Clip, files: Iterable[Path] = ()) -> None:
        self._clips, self._files = clips, tuple(files)
        self._before = self._states()

    def __call__(self) -> bool:
        """False also where there is no file, and where one is gone."""
        return self._before is not None and self._states() == self._before

    def _states(self) -> tuple[State, ...] | None:
        try:
            files = [path for clip in self._clips for path in files_of(clip)]
            return tuple(_state(path.stat()) for path in (*files, *self._files))
        except OSError:
            return None


#: Digests of files that lasted, in this process.
_known: dict[tuple[str, State], str] = {}


def _digest(path: Path, cache: Cache | None) -> str:
    if not path.is_file():
        # A pipe would be waited for.
        raise OSError(f"{path} is no regular file")
    with path.open("rb") as file:
        # Of the open file: a network's file system looks at the file itself then.
        stat = os.fstat(file.fileno())
        # On Windows nothing tells that a file was changed and its time set back.
        lasting = os.name == "posix" and time.time() - max(stat.st_mtime, stat.st_ctime) > FRESH
        name, state = str(path.absolute()), _state(stat)
        if lasting and (name, state) in _known:
            return _known[name, state]
        key = key_of("file", path=name, state=state) if cache and lasting and stat.st_size > SMALL else None
        found = remembered(cache, "file", key, partial(_read, file), str, _hexadecimal)
    if lasting:
        _known[name, state] = found
    return found


def _read(file: BufferedReader) -> str:
    return hashlib.file_digest(file, hashlib.blake2b).hexdigest()


def _hexadecimal(data: Any) -> str:
    if len(bytes.fromhex(data)) != hashlib.blake2b().digest_size:
        raise ValueError("it is no digest")
    return str(data)


def _state(stat: os.stat_result) -> State:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


Stamps = tuple[tuple[int, int] | None, ...]


def stamps_of(*clips: Clip) -> Stamps:
    """Size and time of each clip's file; None for a sequence, or where there is none."""
    stats = [clip.path.stat() if clip.path.exists() else None for clip in clips]
    return tuple(stat and (stat.st_size, stat.st_mtime_ns) for stat in stats)


def stamp_of(clip: Clip) -> tuple[int, ...] | None:
    """Which file this is, and as of when; None for a sequence, or where there is none."""
    stat = clip.path.stat() if clip.path.exists() else None
    return stat and (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
