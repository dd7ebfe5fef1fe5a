"""What a clip or a program is, by the bytes of its files: the same under another name, and another after any change."""

from __future__ import annotations

import glob
import hashlib
import os
import time
from collections.abc import Iterable
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

from pytest_vmaf.quality.cache import Cache, key_of, remembered
from pytest_vmaf.quality.clip import SEQUENCE, Clip

#: Smaller files are read again sooner than a digest of them is found. In bytes.
SMALL = 4 << 20
#: A file may be written twice in one tick of its file system's clock, so that a fresh one is read again. In seconds.
FRESH = 2.0

#: What tells one state of a file from another: device, inode, size, and when its bytes and its inode were changed.
State = tuple[int, ...]


def files_of(clip: Clip) -> list[Path]:
    """The file of a clip, or those of a picture sequence in their order."""
    if not clip.is_sequence:
        return [clip.path]
    before, after = (glob.escape(part) for part in SEQUENCE.sub("\0", clip.path.name).split("\0"))
    return sorted(clip.path.parent.glob(f"{before}*{after}"))


def content_of(clip: Clip, cache: Cache | None = None) -> str:
    """BLAKE2b of the clip's files and of what is said of them (raw geometry, frame rate). Raises OSError."""
    said = repr((clip.width, clip.height, clip.pix_fmt, clip.frame_rate))
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
    """Tells, when it is called, whether clips are still the files that they were when it was made."""

    def __init__(self, *clips: Clip) -> None:
        self._clips = clips
        self._before = self._states()

    def __call__(self) -> bool:
        """False also where there is no file, and where one is gone."""
        return self._before is not None and self._states() == self._before

    def _states(self) -> tuple[State, ...] | None:
        try:
            return tuple(_state(path.stat()) for clip in self._clips for path in files_of(clip))
        except OSError:
            return None


#: Digests of files that lasted, in this process.
_known: dict[tuple[str, State], str] = {}


def _digest(path: Path, cache: Cache | None) -> str:
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
