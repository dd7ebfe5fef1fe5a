"""Scratch folders: temporary folders, each named after its process, so that those of dead processes can be removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import weakref
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pytest_vmaf.media.child_signals import ENDING, deferred
from pytest_vmaf.media.termination import ended_by_signals

PREFIX = "pytest-vmaf-"
#: A scratch folder: where its process runs, and the process's number.
NAME = re.compile(rf"\.?{PREFIX}([0-9a-f]{{12}})-([1-9][0-9]{{0,9}})-[a-z0-9_]{{8}}")
#: The folders that this process has swept.
_swept: set[str] = set()


@contextlib.contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[str]:
    """Create a folder, and remove it with all it contains; on SIGTERM and SIGHUP too.

    Args:
        inside: Where to create it, under a hidden name. Default: the system's folder for temporary files.
    """
    parent = tempfile.gettempdir() if inside is None else str(inside)
    sweep(parent)
    prefix = ("" if inside is None else ".") + _prefix()
    with ended_by_signals():
        with deferred(signal.SIGINT, *ENDING):
            folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
        try:
            yield folder.name
        finally:
            with deferred(signal.SIGINT, *ENDING):
                folder.cleanup()


def lasting_folder() -> str:
    """Create a folder that the caller removes. If this process is killed, a later one removes it."""
    sweep()
    with deferred(signal.SIGINT, *ENDING):
        return tempfile.mkdtemp(prefix=_prefix())


def folder_of(owner: object) -> str:
    """Create a folder that is removed when nothing refers to an object any more, or when this process ends."""
    folder = lasting_folder()
    weakref.finalize(owner, _remove, folder, os.getpid())
    return folder


def _remove(folder: str, process: int) -> None:
    # A fork has the objects of its parent, whose folders must stay.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: str | None = None, *, again: bool = False) -> None:
    """Remove the scratch folders in a folder whose processes are dead. Once in each process, unless `again`.

    Others may share the folder, over a network too. So only folders of this user are removed, and only if their process
    ran on this machine, since it was booted, and in this container.

    Args:
        parent: The folder. Default: the system's folder for temporary files.
        again: Whether to sweep once more, after a process of this run has died.
    """
    parent = os.path.abspath(tempfile.gettempdir() if parent is None else parent)
    if not _place() or (parent in _swept and not again):
        return
    _swept.add(parent)
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            match = NAME.fullmatch(entry.name)
            if match is None or match[1] != _place() or not _is_dead(int(match[2])):
                continue
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid():
                    # It follows no links, and refuses a folder that becomes one.
                    shutil.rmtree(entry.path, ignore_errors=True)


def _prefix() -> str:
    return f"{PREFIX}{_place() or 'unknown'}-{os.getpid()}-"


@lru_cache(maxsize=1)
def _place() -> str:
    """Where the number of this process means this process: the machine, its boot, and the container's processes.

    "" where that cannot be told, and nothing is swept.
    """
    parts = [platform.node()]
    if sys.platform == "linux":
        try:
            parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
            parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
        except OSError:
            return ""
    elif sys.platform != "darwin":
        return ""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


def _is_dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    try:
        # A process that ended and was not waited for. Its name, in parentheses, may contain anything.
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in ("Z", "X")
