"""The folder of the cache: what it contains, how large it is, and what may be removed from it."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: The kinds of entries, each in a folder of its own: digests of large files, what was read from clips and programs,
#: scores, encodes of searches, saliency.
KINDS = ("file", "look", "score", "encode", "mask")
#: The default size in bytes, and the largest share of it that one entry may take.
SIZE, LARGEST = 2_000_000_000, 0.25
NAME = re.compile(r"[0-9a-f]{64}")
#: Bytes that this process stored since it last added up the entries, by folder.
_stored: dict[Path, float] = {}
#: The name of a file that is being written begins like this. After so many seconds, the process that wrote it is dead.
UNFINISHED, ABANDONED = ".writing-", 3600.0


@dataclass(frozen=True)
class Cache:
    """A folder of entries, which may take `size` bytes. The least recently used are removed first."""

    folder: Path
    size: int = SIZE


def contents(cache: Cache) -> Mapping[str, tuple[int, int]]:
    """How many entries of each kind there are, and their bytes."""
    totals = dict.fromkeys(KINDS, (0, 0))
    for path, state in _entries(cache):
        kind = path.parent.parent.name
        if NAME.fullmatch(path.name):
            totals[kind] = totals[kind][0] + 1, totals[kind][1] + state.st_size
    return totals


def clear(cache: Cache) -> int:
    """Remove every entry and nothing else, and return how many bytes that were."""
    freed = 0
    for path, state in _entries(cache):
        with contextlib.suppress(OSError):
            path.unlink()
            freed += state.st_size
    for kind in KINDS:
        for folder in (*_folders(cache, kind), cache.folder / kind):
            # Folders that contain something else stay.
            with contextlib.suppress(OSError):
                folder.rmdir()
    return freed


def trim_now_and_then(cache: Cache, stored: int) -> None:
    """Trim once for each hundredth of the size: adding up many entries takes long."""
    _stored[cache.folder] = _stored.get(cache.folder, cache.size) + stored
    if _stored[cache.folder] > cache.size / 100:
        _stored[cache.folder] = 0
        _trim(cache)


def _trim(cache: Cache) -> None:
    """Remove the least recently used down to nine tenths of the size, and what killed processes left behind."""
    entries = []
    for path, state in _entries(cache):
        if path.name.startswith(UNFINISHED):
            if time.time() - state.st_mtime > ABANDONED:
                with contextlib.suppress(OSError):
                    path.unlink()
            continue
        # What it takes on the disk, if the system states that.
        entries.append((state.st_mtime_ns, max(state.st_size, 512 * getattr(state, "st_blocks", 0)), path))
    total = sum(size for _, size, _ in entries)
    if total <= cache.size:
        return
    for _, size, path in sorted(entries):
        if total <= cache.size * 0.9:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


def _entries(cache: Cache) -> Iterator[tuple[Path, os.stat_result]]:
    """Our own files, by their names and places. Other files in the folder are left alone, as is what links lead to."""
    for kind in KINDS:
        for folder in _folders(cache, kind):
            with contextlib.suppress(OSError), os.scandir(folder) as files:
                for file in files:
                    if NAME.fullmatch(file.name) or file.name.startswith(UNFINISHED):
                        with contextlib.suppress(OSError):
                            yield Path(file.path), file.stat(follow_symlinks=False)


def _folders(cache: Cache, kind: str) -> Iterator[Path]:
    """The folders of a kind's entries, without what links lead to."""
    folders = (cache.folder / kind).glob("[0-9a-f][0-9a-f]")
    return (folder for folder in folders if not folder.is_symlink() and not folder.parent.is_symlink())


def link_above(path: Path) -> Path | None:
    """The link among the folders of an entry, which would lead out of the cache. The cache's own folder may be one."""
    return next((folder for folder in (path.parent.parent, path.parent) if folder.is_symlink()), None)
