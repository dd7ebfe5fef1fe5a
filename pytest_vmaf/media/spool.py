"""Spool: the file that frames in memory are written to, and how long it lives."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pytest_vmaf.media.scratch import lasting_folder
from pytest_vmaf.text import plural, printable

#: The name of clips of frames that have no name.
UNNAMED = "frames in memory"
#: The name of such a clip in results; see `Spool.shape`.
IN_MEMORY = re.compile(
    rf"(?:(?P<name>.+) \(\d+ frames? in memory, |{UNNAMED} \(\d+ frames?, )\d+x\d+ \w+[,)]", re.DOTALL
)
#: The spools of this process whose file exists, by its path.
_spools: weakref.WeakValueDictionary[str, Spool] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Spool:
    """A raw file with frames that were in memory. It is removed when nothing refers to it, or when the process ends.

    Copies of a spool are the spool itself. In another process, a pickled one is the file without being its owner.

    Attributes:
        path: The file.
        name: What the user calls the frames; "" for nothing.
        width: In pixels.
        height: In pixels.
        pix_fmt: ffmpeg's name of the pixel format.
        frames: How many frames there are.
        digest: Identifies their content.
        bitstream: The bytes that a codec in Python decoded them from; 0 for other frames.
        owned: Whether this process removes the file.
    """

    path: Path
    name: str
    width: int
    height: int
    pix_fmt: str
    frames: int
    digest: str
    bitstream: int = 0
    owned: bool = field(default=True, repr=False)
    _end: Callable[[], object] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.owned:
            object.__setattr__(self, "_end", weakref.finalize(self, _remove, str(self.path.parent), os.getpid()))
            _spools[str(self.path)] = self

    @property
    def title(self) -> str:
        """The name, or "frames in memory"."""
        return self.name or UNNAMED

    @property
    def shape(self) -> str:
        """What the frames are, for example "24 frames in memory, 176x144 rgb24"."""
        count = plural(self.frames, "frame")
        where = " decoded" if self.bitstream else " in memory" if self.name else ""
        return f"{count}{where}, {self.width}x{self.height} {self.pix_fmt}"

    @property
    def stem(self) -> str:
        """The title as a part of file names."""
        return re.sub(r"[^\w.-]+", "-", self.title, flags=re.ASCII).strip("-.")[:60] or "frames"

    @property
    def placeholder(self) -> str:
        """What stands for the file in commands and messages."""
        return f"{self.stem}-{self.digest[:6]}.raw"

    def remove(self) -> None:
        """Remove the file now, if this process owns it."""
        if self._end is not None:
            self._end()

    def __copy__(self) -> Spool:
        return self

    def __deepcopy__(self, memo: object) -> Spool:
        return self

    def __reduce__(self) -> tuple[Callable[..., Spool], tuple[object, ...]]:
        size = self.width, self.height
        return _restore, (str(self.path), self.name, *size, self.pix_fmt, self.frames, self.digest, self.bitstream)


def title_of(name: str) -> str:
    """The short name of a result's clip: the file without its folders, or the name of frames in memory."""
    found = IN_MEMORY.match(name)
    return (found["name"] or UNNAMED) if found else Path(name).name


@contextlib.contextmanager
def spool_path() -> Iterator[Path]:
    """The path of a new file in a folder of its own, which is removed if the body of the `with` statement raises."""
    folder = lasting_folder()
    try:
        yield Path(folder, "frames.raw")
    except BaseException:
        _remove(folder, os.getpid())
        raise


def without_spools(text: str) -> str:
    """A text in which placeholders stand for the temporary files of frames in memory."""
    if "frames.raw" in text:
        for path, spool in list(_spools.items()):
            for name in (path, printable(path)):
                text = text.replace(name, spool.placeholder)
    return text


def explain_command(command: str) -> str:
    """A shell command in which placeholders stand for frames in memory, and a comment that says so."""
    explained = without_spools(command)
    names = sorted({spool.placeholder for spool in list(_spools.values()) if spool.placeholder in explained})
    if not names:
        return explained
    what = "holds frames that were in memory" if len(names) == 1 else "hold frames that were in memory"
    return f"{explained}  # {' and '.join(names)} {what}"


def _restore(
    path: str, name: str, width: int, height: int, pix_fmt: str, frames: int, digest: str, bitstream: int
) -> Spool:
    live = _spools.get(path)
    return live or Spool(Path(path), name, width, height, pix_fmt, frames, digest, bitstream, owned=False)


def _remove(folder: str, process: int) -> None:
    # A fork has the spools of its parent, and must leave them there.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
