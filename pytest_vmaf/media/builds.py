"""Builds of programs, known by the bytes of their files and libraries, and the features of the machine."""

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
from typing import IO, NamedTuple

from pytest_vmaf.cache.entries import Cache, get_or_compute, key_of
from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.clip import Clip, Stream
from pytest_vmaf.media.command import Command
from pytest_vmaf.media.fingerprint import FileState, decoding_content, digest
from pytest_vmaf.media.process import run

#: Of the ELF format (System V ABI): kinds of segments, and entries of the dynamic one that name folders of libraries.
ELF, PT_DYNAMIC, PT_INTERP, RPATHS = b"\x7fELF", 2, 3, (15, 29)
#: How programs of other systems begin: PE, and Mach-O in its forms.
OTHER_FORMATS = (b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
#: The loader's line for a library: "libvmaf.so.3 => /usr/lib/libvmaf.so.3 (0x00007f…)".
LIBRARY = re.compile(r"\s*(?:\S+ => )?(/.+) \(0x[0-9a-f]+\)")
#: The one library that is not in a file: the kernel's.
VIRTUAL = re.compile(r"\s*linux-(?:vdso|gate)\.so\.\d+ ")
#: Variables that make the loader take other libraries than usual, and the index of the usual ones.
LOADER_VARIABLES, LIBRARY_INDEX = ("LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT"), Path("/etc/ld.so.cache")


class _Linking(NamedTuple):
    """The loader of a program, "" if it needs none, and whether the program names folders of libraries itself."""

    loader: str
    own_folders: bool


def build_of(program: str, cache: Cache | None = None) -> str | None:
    """A digest of the program and, on Linux, of the shared libraries that it loads.

    Libraries that a program loads by itself later are not included, nor any on other systems than Linux.

    Returns:
        The digest. None for a program whose file does not tell what runs: a script, which calls others, or a file of
        another name than the program, which may be many programs in one.
    """
    executable = shutil.which(os.path.expanduser(program))
    if executable is None:
        return None
    path = Path(executable).resolve()
    if Path(executable).stem.lower() not in path.name.lower():
        return None
    try:
        linking = _linking(path)
        if linking is None:
            return None
        return digest([path, *map(Path, _libraries(path, linking, cache))], "", cache)
    except (OSError, struct.error, IndexError, ValueError, OverflowError):
        # Not a complete program.
        return None


def clip_key(kind: str, clip: Clip, ffmpeg: str, cache: Cache | None, **parts: object) -> str | None:
    """The cache's key for something that an ffmpeg makes from a clip.

    Returns:
        The key. None if there is no cache, or the content or the build of ffmpeg is unknown.
    """
    if cache is None or isinstance(clip, Stream):
        return None
    build = build_of(ffmpeg, cache)
    try:
        return key_of(kind, clip=decoding_content(clip, cache), build=build, **parts) if build else None
    except OSError:
        return None


def _linking(path: Path) -> _Linking | None:
    """How an executable file is linked; None for a script."""
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] != ELF:
            return _Linking("", False) if head.startswith(OTHER_FORMATS) else None
        wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
        at, size, count = struct.unpack_from(order + ("32xQ14xHH" if wide else "28xI10xHH"), head)
        segments = {}
        for number in range(count):
            file.seek(at + number * size)
            kind, offset, length = struct.unpack_from(order + ("I4xQ16xQ" if wide else "II8xI"), file.read(size))
            segments[kind] = offset, length
        loader = os.fsdecode(_segment(file, *segments.get(PT_INTERP, (0, 0))).rstrip(b"\0"))
        dynamic = _segment(file, *segments.get(PT_DYNAMIC, (0, 0)))
    form = order + ("qQ" if wide else "iI")
    entries = struct.iter_unpack(form, dynamic[: len(dynamic) - len(dynamic) % struct.calcsize(form)])
    return _Linking(loader, any(tag in RPATHS for tag, _ in entries))


def _segment(file: IO[bytes], offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _libraries(path: Path, linking: _Linking, cache: Cache | None) -> tuple[str, ...]:
    if not linking.loader or sys.platform != "linux":
        return ()
    state = FileState.of(path)
    # Libraries of the system are found through one index, which changes whenever one comes or goes.
    usual = not linking.own_folders and not any(map(os.environ.get, LOADER_VARIABLES)) and LIBRARY_INDEX.exists()
    key = None
    if cache and usual:
        key = key_of("libraries", path=str(path), state=state, index=FileState.of(LIBRARY_INDEX))
    ask = partial(_ask_loader if usual else _ask_loader.__wrapped__, linking.loader, str(path), state)
    return get_or_compute(cache, "look", key, ask, list, _paths)


def _paths(data: list[str]) -> tuple[str, ...]:
    if not data or not all(isinstance(name, str) and name.startswith("/") for name in data):
        raise ValueError(f"{data!r:.80} are not libraries")
    return tuple(data)


@lru_cache(maxsize=32)
def _ask_loader(loader: str, path: str, state: FileState) -> tuple[str, ...]:
    """The files that the loader would load, as it lists them."""
    lines: list[str] = []
    with contextlib.suppress(ScorerError):
        end = run(Command((loader, "--list", path), on_stdout=lines.append), timeout=30)
        libraries = {match[1] for line in lines if (match := LIBRARY.fullmatch(line))}
        # A library by a relative path, or one that is missing, cannot be read.
        strange = [line for line in lines if line.strip() and not LIBRARY.fullmatch(line) and not VIRTUAL.match(line)]
        if end.returncode == 0 and libraries and not strange:
            # By their names: where they are does not matter.
            return tuple(sorted(libraries, key=lambda file: Path(file).name))
    raise OSError(f"{loader} does not list what {path} loads")


@lru_cache(maxsize=1)
def machine() -> tuple[str, ...]:
    """What numbers may depend on: the system, and the processor's features, by which ffmpeg and encoders choose.

    Measured: x264 writes something else without AVX, and so does ffmpeg's scaler.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    features = sorted({word for line in lines if re.match(r"flags|Features", line) for word in line.split()})
    return platform.machine(), platform.system(), " ".join(features) or platform.processor()
