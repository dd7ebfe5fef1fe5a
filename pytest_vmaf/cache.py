"""A folder of what was measured before. Entries are whole or not there, and found by the content they were made of.

An entry is one file: a line with the BLAKE2b of all that follows, a line of JSON, and then bytes, if there are any.
Whoever may write into the folder decides what its scores are: it deserves the trust that the tests' own code has.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from pytest_vmaf.errors import CacheWarning
from pytest_vmaf.text import printable

#: What is kept, each kind in a folder of its own: digests of large files, looks at clips and programs, scores, encodes
#: of searches, saliency.
KINDS = ("file", "look", "score", "encode", "mask")
#: Bytes kept by default, and the largest share of all that one entry may take.
SIZE, LARGEST = 2_000_000_000, 0.25
HEAD = re.compile(rb"pytest-vmaf-cache 1 ([0-9a-f]{64})\n")
NAME = re.compile(r"[0-9a-f]{64}")
LONGEST_JSON = 64 << 20
#: Of an entry that is read into memory, in bytes.
LARGEST_READ = 512 << 20
#: Bytes stored by this process since it last looked how much there is, by folder.
_stored: dict[Path, float] = {}
#: A file of this beginning is being written; one that is this many seconds old was left by a process that was killed.
UNFINISHED, ABANDONED = ".writing-", 3600.0
CHUNK = 1 << 20
#: What reading data of the wrong shape raises.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)

Made = TypeVar("Made")


@dataclass(frozen=True)
class Cache:
    """Where measurements are kept, and how many bytes they may take; the least recently used go first."""

    folder: Path
    size: int = SIZE


class Entry(NamedTuple):
    """What was kept: when it was made (ISO 8601, UTC), plain data, and bytes."""

    made: str
    data: Any
    blob: bytes


def key_of(kind: str, **parts: object) -> str:
    """The name of an entry: BLAKE2b of what it is made of. ``parts`` are plain data; another pytest-vmaf is another."""
    said = json.dumps([kind, _version(), parts], sort_keys=True, default=_refuse)
    return hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()


@lru_cache(maxsize=1)
def _version() -> str:
    # Looking it up in the installed package's data takes longer than most of what is kept here.
    return version("pytest-vmaf")


def _refuse(value: object) -> object:
    if isinstance(value, Integral):
        # NumPy's.
        return int(value)
    raise TypeError(f"{value!r} is no plain data, so two of it may look alike")


def fetch(cache: Cache | None, kind: str, key: str | None, into: Path | None = None) -> Entry | None:
    """What is kept under a key, or None. With ``into`` its bytes are written to that file instead of returned.

    An entry that is not whole is thrown away, with a CacheWarning.
    """
    if cache is None or key is None:
        return None
    path = _place(cache, kind, key)
    try:
        with _opened(path, min(cache.size, LARGEST_READ if into is None else cache.size)) as file:
            entry = _read(file, into)
        # The one that was used last stays longest; another user's stays as it is.
        with contextlib.suppress(OSError):
            os.utime(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, *UNREADABLE) as error:
        if into is not None:
            into.unlink(missing_ok=True)
        forget(cache, kind, key, str(error) or type(error).__name__)
        return None
    return entry


def forget(cache: Cache | None, kind: str, key: str | None, why: str) -> None:
    """Throw away an entry that says what cannot be, and say so."""
    if cache is None or key is None:
        return
    path = _place(cache, kind, key)
    with contextlib.suppress(OSError):
        path.unlink()
    _warn(f"An entry of the cache was broken and is made anew ({printable(why)[:200]}): {printable(str(path))}")


def store(cache: Cache | None, kind: str, key: str | None, data: Any, blob: bytes | Path = b"") -> None:
    """Keep plain data and bytes, or those of a file. Where nothing can be written a CacheWarning says so."""
    if cache is None or key is None:
        return
    size = blob.stat().st_size if isinstance(blob, Path) else len(blob)
    if size > cache.size * LARGEST:
        return
    said = json.dumps({"made": datetime.now(UTC).isoformat(timespec="seconds"), "data": data}, allow_nan=False)
    if len(said) >= LONGEST_JSON:
        return
    path = _place(cache, kind, key)
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        with os.fdopen(handle, "r+b") as file:
            whole = hashlib.blake2b(digest_size=32)
            file.write(b"pytest-vmaf-cache 1 " + b"0" * 64 + b"\n")
            for chunk in (said.encode() + b"\n", *_chunks(blob)):
                whole.update(chunk)
                file.write(chunk)
            file.seek(len(b"pytest-vmaf-cache 1 "))
            file.write(whole.hexdigest().encode())
        # For who shares the folder; what mkstemp makes is its owner's alone.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
        name = None
        _trim_now_and_then(cache, size + len(said))
    except OSError as error:
        _warn(f"The cache in {printable(str(cache.folder))} cannot be written: {error.strerror or error}.")
    finally:
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)


def remembered(
    cache: Cache | None,
    kind: str,
    key: str | None,
    make: Callable[[], Made],
    pack: Callable[[Made], Any],
    unpack: Callable[[Any], Made],
    holds: Callable[[], bool] = lambda: True,
) -> Made:
    """What is kept under a key, as ``unpack`` reads it; else what ``make`` gives, which is kept as ``pack`` says it.

    It is kept only if afterwards the key still ``holds``.
    """
    entry = fetch(cache, kind, key)
    if entry is not None:
        try:
            return unpack(entry.data)
        except UNREADABLE as error:
            forget(cache, kind, key, f"{type(error).__name__}: {error}")
    made = make()
    if cache is not None and key is not None and holds():
        store(cache, kind, key, pack(made))
    return made


def contents(cache: Cache) -> Mapping[str, tuple[int, int]]:
    """How many entries of each kind there are, and their bytes."""
    found = dict.fromkeys(KINDS, (0, 0))
    for path, state in _entries(cache):
        kind = path.parent.parent.name
        if NAME.fullmatch(path.name):
            found[kind] = found[kind][0] + 1, found[kind][1] + state.st_size
    return found


def clear(cache: Cache) -> int:
    """Remove every entry, and nothing else; how many bytes that were."""
    freed = 0
    for path, state in _entries(cache):
        with contextlib.suppress(OSError):
            path.unlink()
            freed += state.st_size
    for kind in KINDS:
        for folder in (*(cache.folder / kind).glob("[0-9a-f][0-9a-f]"), cache.folder / kind):
            # Those that hold something else stay.
            with contextlib.suppress(OSError):
                folder.rmdir()
    return freed


def _trim_now_and_then(cache: Cache, stored: int) -> None:
    """To look at all entries takes long where there are many: once for each hundredth of the size."""
    _stored[cache.folder] = _stored.get(cache.folder, cache.size) + stored
    if _stored[cache.folder] > cache.size / 100:
        _stored[cache.folder] = 0
        _trim(cache)


def _trim(cache: Cache) -> None:
    """Remove the least recently used until nine tenths of the size are left, and what killed processes left behind."""
    entries = []
    for path, state in _entries(cache):
        if path.name.startswith(UNFINISHED):
            if time.time() - state.st_mtime > ABANDONED:
                with contextlib.suppress(OSError):
                    path.unlink()
            continue
        # What it takes on the disk, where the system says that.
        entries.append((state.st_mtime_ns, max(state.st_size, 512 * getattr(state, "st_blocks", 0)), path))
    left = sum(size for _, size, _ in entries)
    if left <= cache.size:
        return
    for _, size, path in sorted(entries):
        if left <= cache.size * 0.9:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        left -= size


def _entries(cache: Cache) -> Iterator[tuple[Path, os.stat_result]]:
    """Our own files, by their names and places; whatever else lies there is nobody's business."""
    for kind in KINDS:
        for folder in (cache.folder / kind).glob("[0-9a-f][0-9a-f]"):
            if folder.is_symlink() or folder.parent.is_symlink():
                # What it leads to is nobody's business either.
                continue
            with contextlib.suppress(OSError), os.scandir(folder) as found:
                for each in found:
                    if NAME.fullmatch(each.name) or each.name.startswith(UNFINISHED):
                        with contextlib.suppress(OSError):
                            yield Path(each.path), each.stat(follow_symlinks=False)


def _place(cache: Cache, kind: str, key: str) -> Path:
    assert kind in KINDS  # noqa: S101
    assert NAME.fullmatch(key)  # noqa: S101
    return cache.folder / kind / key[:2] / key


@contextlib.contextmanager
def _opened(path: Path, most: int) -> Iterator[IO[bytes]]:
    # A pipe would be waited for, and a link leads to what nobody kept here.
    state = path.lstat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is no regular file")
    if state.st_size > most:
        raise ValueError(f"it has {state.st_size} bytes, more than the whole cache may have")
    with path.open("rb") as file:
        yield file


def _read(file: IO[bytes], into: Path | None) -> Entry:
    head = HEAD.fullmatch(file.readline(100))
    if head is None:
        raise ValueError("it does not begin as an entry does")
    said = file.readline(LONGEST_JSON)
    whole = hashlib.blake2b(said, digest_size=32)
    if into is None:
        blob = file.read()
        whole.update(blob)
    else:
        blob = b""
        with into.open("wb") as copy:
            while chunk := file.read(CHUNK):
                whole.update(chunk)
                copy.write(chunk)
    if whole.hexdigest().encode() != head[1]:
        raise ValueError("its bytes are not those that were written")
    entry = json.loads(said, parse_constant=_refuse_constant)
    return Entry(datetime.fromisoformat(entry["made"]).isoformat(timespec="seconds"), entry["data"], blob)


def _chunks(blob: bytes | Path) -> Iterator[bytes]:
    if isinstance(blob, bytes):
        yield blob
        return
    with blob.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _warn(message: str) -> None:
    # Where warnings are errors, a cache is still no reason to fail a test.
    with contextlib.suppress(CacheWarning):
        warnings.warn(message, CacheWarning, stacklevel=3)
