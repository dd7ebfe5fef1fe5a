"""Cache: a folder of earlier measurements, found by the content they were made from.

An entry is one file: a line with the BLAKE2b of all that follows, a line of JSON, and then bytes, if there are any. It
is complete or not there. Anyone who can write to the folder can change scores: trust it as much as the tests' code.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pytest_vmaf.cache.folder import KINDS, LARGEST, NAME, UNFINISHED, Cache as Cache, link_above, trim_now_and_then
from pytest_vmaf.errors import CacheWarning, give_warning
from pytest_vmaf.files import load_json, share
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.text import printable

MAGIC = b"pytest-vmaf-cache 1 "
HEAD = re.compile(re.escape(MAGIC) + rb"([0-9a-f]{64})\n")
LONGEST_JSON = 64 << 20
#: The largest entry that is read into memory, in bytes.
LARGEST_READ = 512 << 20
CHUNK = 1 << 20
#: What reading data of the wrong shape raises.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)

T = TypeVar("T")


class Entry(NamedTuple):
    """A stored entry: when it was created (ISO 8601, UTC), plain data, and bytes."""

    created_at: str
    data: Any
    blob: bytes


def key_of(kind: str, **parts: object) -> str:
    """The name of an entry: BLAKE2b of what it is made from (plain data), this version of pytest-vmaf included."""
    text = json.dumps([kind, _version(), parts], sort_keys=True, default=_to_plain)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()


@lru_cache(maxsize=1)
def _version() -> str:
    # Looking it up in the installed package's data takes longer than most of what is cached here.
    return version("pytest-vmaf")


def _to_plain(value: object) -> object:
    if isinstance(value, Integral):
        # NumPy's.
        return int(value)
    raise TypeError(f"{value!r} is not plain data, so two different values may look alike")


def fetch(cache: Cache | None, kind: str, key: str | None, into: Path | None = None) -> Entry | None:
    """Read the entry with this key. A corrupt entry is removed, with a `CacheWarning`.

    Args:
        cache: The cache, if there is one.
        kind: One of KINDS.
        key: The name that `key_of` returned; None for what cannot be cached.
        into: A file that the entry's bytes are written to, instead of being returned.
    """
    if cache is None or key is None:
        return None
    path = _path_of(cache, kind, key)
    if link_above(path) is not None:
        return None
    try:
        entry = _read(path, min(cache.size, LARGEST_READ if into is None else cache.size), into)
        # The entry that was used last stays longest; another user's keeps its time.
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


def forget(cache: Cache | None, kind: str, key: str | None, reason: str) -> None:
    """Remove an entry with impossible content, with a `CacheWarning`."""
    if cache is None or key is None:
        return
    path = _path_of(cache, kind, key)
    with contextlib.suppress(OSError):
        path.unlink()
    _warn(f"A cache entry was corrupt and is made again ({printable(reason)[:200]}): {printable(str(path))}")


def store(cache: Cache | None, kind: str, key: str | None, data: object, blob: bytes | Path = b"") -> None:
    """Store plain data and bytes, or those of a file. If the folder cannot be written, there is a `CacheWarning`."""
    if cache is None or key is None:
        return
    size = blob.stat().st_size if isinstance(blob, Path) else len(blob)
    if size > cache.size * LARGEST:
        return
    text = json.dumps({"made": datetime.now(UTC).isoformat(timespec="seconds"), "data": data}, allow_nan=False)
    if len(text) >= LONGEST_JSON:
        return
    path = _path_of(cache, kind, key)
    if (link := link_above(path)) is not None:
        _warn(
            f"The cache cannot be written: {printable(str(link))} is a symbolic link. Remove it, or name the folder "
            "that it leads to as the cache's."
        )
        return
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            total = hashlib.blake2b(digest_size=32)
            file.write(MAGIC + b"0" * 64 + b"\n")
            for chunk in (text.encode() + b"\n", *_chunks(blob)):
                total.update(chunk)
                file.write(chunk)
            file.seek(len(MAGIC))
            file.write(total.hexdigest().encode())
        share(name)
        os.replace(name, path)
        trim_now_and_then(cache, size + len(text))
    except OSError as error:
        _warn(f"The cache in {printable(str(cache.folder))} cannot be written: {error.strerror or error}.")
    finally:
        with contextlib.suppress(OSError):
            # Gone, if all went well.
            os.unlink(name)


def get_or_compute(
    cache: Cache | None,
    kind: str,
    key: str | None,
    compute: Callable[[], T],
    pack: Callable[[T], object],
    unpack: Callable[[Any], T],
    is_current: Callable[[], bool] = lambda: True,
) -> T:
    """The cached value with this key; else a new one, which is stored.

    Args:
        cache: The cache, if there is one.
        kind: One of KINDS.
        key: The name that `key_of` returned; None for what cannot be cached.
        compute: Makes the value.
        pack: Turns it into plain data.
        unpack: The opposite. Raises one of UNREADABLE for data that `pack` never returns.
        is_current: Whether the key still names the value, once it is computed. Otherwise it is not stored.
    """
    entry = fetch(cache, kind, key)
    if entry is not None:
        try:
            return unpack(entry.data)
        except UNREADABLE as error:
            forget(cache, kind, key, f"{type(error).__name__}: {error}")
    value = compute()
    if cache is not None and key is not None and is_current():
        store(cache, kind, key, pack(value))
    return value


def _path_of(cache: Cache, kind: str, key: str) -> Path:
    assert kind in KINDS  # noqa: S101
    assert NAME.fullmatch(key)  # noqa: S101
    return cache.folder / kind / key[:2] / key


def _read(path: Path, limit: int, into: Path | None) -> Entry:
    # A pipe would be waited for, and a link leads to what was never stored here.
    state = path.lstat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("not a regular file")
    if state.st_size > limit:
        raise ValueError(f"its {state.st_size} bytes are more than the whole cache may have")
    with path.open("rb") as file, io.BytesIO() if into is None else into.open("wb") as copy:
        head = HEAD.fullmatch(file.readline(100))
        if head is None:
            raise ValueError("it does not begin like an entry")
        text = file.readline(LONGEST_JSON)
        total = hashlib.blake2b(text, digest_size=32)
        while chunk := file.read(CHUNK):
            total.update(chunk)
            copy.write(chunk)
        blob = copy.getvalue() if isinstance(copy, io.BytesIO) else b""
    if total.hexdigest().encode() != head[1]:
        raise ValueError("its bytes are not those that were written")
    entry: Any = load_json(text)
    conform(entry, {"made": str, "data": Any}, "entry")
    return Entry(datetime.fromisoformat(entry["made"]).isoformat(timespec="seconds"), entry["data"], blob)


def _chunks(blob: bytes | Path) -> Iterator[bytes]:
    with io.BytesIO(blob) if isinstance(blob, bytes) else blob.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _warn(message: str) -> None:
    # Where warnings are errors, a cache is still not a reason to fail a test.
    with contextlib.suppress(CacheWarning):
        give_warning(message, CacheWarning)
