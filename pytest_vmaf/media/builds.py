"""Which build of a program this is: by the bytes of its file and of the libraries that it loads."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import struct
import sys
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from pytest_vmaf.cache import Cache, key_of, remembered
from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.fingerprint import digest
from pytest_vmaf.media.process import run

#: Of the ELF format (System V ABI): kinds of segments, and entries of the dynamic one that name folders of libraries.
ELF, PT_DYNAMIC, PT_INTERP, RPATHS = b"\x7fELF", 2, 3, (15, 29)
#: What programs of other systems begin with: PE, and Mach-O in its forms.
OTHERS = (b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
#: What the loader says of each library: "libvmaf.so.3 => /usr/lib/libvmaf.so.3 (0x00007f…)".
LOADED = re.compile(r"\s*(?:\S+ => )?(/.+) \(0x[0-9a-f]+\)")
#: The one library that is in no file: the kernel's.
VIRTUAL = re.compile(r"\s*linux-(?:vdso|gate)\.so\.\d+ ")
#: What tells the loader to take other libraries than usual, and where it finds the usual ones.
TOLD, USUAL = ("LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"), Path("/etc/ld.so.cache")


class _Linked(NamedTuple):
    """What loads a program: "" for one that is loaded as it is. ``own`` says that it names folders of its own."""

    loader: str
    own: bool


def build_of(program: str, cache: Cache | None = None) -> str | None:
    """A digest of the program and, on Linux, of the shared libraries it loads; None where that would not say what runs.

    That is so for scripts, which call others, and for a program that goes by another name than its file, as one file
    may be many. Libraries that a program loads by itself later, and on other systems than Linux all, are not seen.
    """
    found = shutil.which(os.path.expanduser(program))
    if found is None:
        return None
    path = Path(found).resolve()
    if Path(found).stem.lower() not in path.name.lower():
        return None
    try:
        linked = _linked(path)
        if linked is None:
            return None
        return digest([path, *map(Path, _libraries(path, linked, cache))], "", cache)
    except (OSError, struct.error, IndexError, ValueError, OverflowError):
        # Not a whole program.
        return None


def _linked(path: Path) -> _Linked | None:
    """How an executable file is linked; None for a script."""
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] != ELF:
            return _Linked("", False) if head.startswith(OTHERS) else None
        wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
        at, size, count = struct.unpack_from(order + ("32xQ14xHH" if wide else "28xI10xHH"), head)
        segments = {}
        for number in range(count):
            file.seek(at + number * size)
            kind, offset, length = struct.unpack_from(order + ("I4xQ16xQ" if wide else "II8xI"), file.read(size))
            segments[kind] = offset, length
        loader = os.fsdecode(_bytes(file, *segments[PT_INTERP]).rstrip(b"\0")) if PT_INTERP in segments else ""
        dynamic = _bytes(file, *segments[PT_DYNAMIC]) if PT_DYNAMIC in segments else b""
    form = order + ("qQ" if wide else "iI")
    whole = len(dynamic) - len(dynamic) % struct.calcsize(form)
    return _Linked(loader, any(tag in RPATHS for tag, _ in struct.iter_unpack(form, dynamic[:whole])))


def _bytes(file: IO[bytes], offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _libraries(path: Path, linked: _Linked, cache: Cache | None) -> tuple[str, ...]:
    if not linked.loader or sys.platform != "linux":
        return ()
    told = tuple(os.environ.get(name) for name in TOLD)
    # Libraries of the system are found through one index, which changes whenever one comes or goes.
    usual = not linked.own and not any(told) and USUAL.exists()
    key = key_of("libraries", path=str(path), state=_state(path), index=_state(USUAL)) if cache and usual else None
    listed = partial(_listed if usual else _listed.__wrapped__, linked.loader, str(path), _state(path))
    return remembered(cache, "look", key, listed, list, _names)


def _names(data: Any) -> tuple[str, ...]:
    if not data or not all(isinstance(name, str) and name.startswith("/") for name in data):
        raise ValueError(f"{data!r:.80} are no libraries")
    return tuple(data)


@lru_cache(maxsize=32)
def _listed(loader: str, path: str, state: tuple[int, ...]) -> tuple[str, ...]:
    """The files that the loader would load, by its own word."""
    heard: list[str] = []
    with contextlib.suppress(ScorerError):
        end = run(Command((loader, "--list", path), on_stdout=heard.append), timeout=30)
        found = [match[1] for line in heard if (match := LOADED.fullmatch(line))]
        # A library by a relative path, or one that is not found, says nothing that could be read.
        strange = [line for line in heard if line.strip() and not LOADED.fullmatch(line) and not VIRTUAL.match(line)]
        if end.returncode == 0 and found and not strange:
            # By their names: where they lie does not matter.
            return tuple(sorted(set(found), key=lambda file: Path(file).name))
    raise OSError(f"{loader} does not say what {path} loads")


def _state(path: Path) -> tuple[int, ...]:
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


@lru_cache(maxsize=1)
def machine() -> tuple[str, ...]:
    """What of the machine numbers may depend on: what its processor can (ffmpeg and encoders choose by it), the system.

    Measured: x264 writes something else without AVX, and so does ffmpeg's scaler.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    can = sorted({word for line in lines if re.match(r"flags|Features", line) for word in line.split()})
    return platform.machine(), platform.system(), " ".join(can) or platform.processor()
