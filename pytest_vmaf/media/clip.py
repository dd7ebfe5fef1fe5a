"""Clip: a file, and what the user states about it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from pytest_vmaf.errors import ClipError, MeasurementError
from pytest_vmaf.text import printable

RAW_SUFFIXES = (".yuv", ".raw", ".rgb", ".i420", ".nv12")
#: The number in the names of a picture sequence, as printf and ffmpeg write it.
SEQUENCE = re.compile(r"%(?:0(?P<digits>\d{1,2}))?d")
RAW_PIX_FMT = re.compile(r"yuvj?(?P<chroma>420|422|444)p(?:(?P<depth>9|10|12|14|16)le)?")
CHROMA_SHIFT = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}


@dataclass(frozen=True)
class Clip:
    """A video, a picture or a numbered picture sequence.

    `Clip("a.mp4")`, `Clip("a.y4m")` and `Clip("a.png")` need nothing more. `Clip("frame_%04d.png")` is the sequence of
    those files, unless a file of exactly that name exists.

    Attributes:
        path: The file.
        width: Raw planar YUV only: the width in pixels.
        height: Raw planar YUV only: the height in pixels.
        pix_fmt: Raw planar YUV only: ffmpeg's name of the pixel format, by default `yuv420p`.
        frame_rate: Frames per second (a number, a Fraction or "30000/1001"), in place of the rate that the file states.
            Frames are compared by index, so it changes times, never pairs.

    Raises:
        ClipError: If the geometry is impossible, or the name contains control characters.
    """

    path: Path
    width: int | None = None
    height: int | None = None
    pix_fmt: str | None = None
    frame_rate: Fraction | None = None

    def __init__(
        self,
        path: str | os.PathLike[str] | bytes,
        *,
        width: int | None = None,
        height: int | None = None,
        pix_fmt: str | None = None,
        frame_rate: Fraction | float | str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "path", _path(path))
        put(self, "width", width)
        put(self, "height", height)
        put(self, "pix_fmt", pix_fmt)
        put(self, "frame_rate", _rate(frame_rate))
        if self.is_raw:
            self._check_geometry()

    @property
    def is_raw(self) -> bool:
        """Whether this is raw video, whose geometry only the user knows."""
        return self.width is not None or self.height is not None or self.pix_fmt is not None

    @property
    def is_sequence(self) -> bool:
        """Whether the path is the pattern of a numbered picture sequence."""
        try:
            return not self.is_raw and SEQUENCE.search(self.path.name) is not None and not self.path.exists()
        except OSError:
            # A name that no file can have; opening it fails with the reason.
            return False

    @property
    def name(self) -> str:
        """The path, safe to print."""
        return printable(str(self.path))

    def __str__(self) -> str:
        if not self.is_raw:
            return self.name
        return f"{self.name} ({self.width}x{self.height} {self.pix_fmt or 'yuv420p'})"

    def _check_geometry(self) -> None:
        for what, value in (("width", self.width), ("height", self.height)):
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
                raise ClipError(
                    f"{self.name}: {what} of raw video must be a whole number of pixels from 1 to 65535, not {value!r}."
                )
        if RAW_PIX_FMT.fullmatch(self.pix_fmt or "yuv420p") is None:
            raise ClipError(
                f"{self.name}: pix_fmt of raw video must be yuv420p, yuv422p, yuv444p or one of their 9le, 10le, 12le, "
                f"14le and 16le forms, not {self.pix_fmt!r}."
            )

    def frame_bytes(self) -> int:
        """The size of a raw frame in bytes. Chroma planes of odd sides are rounded up, as in ffmpeg and libvmaf."""
        assert self.width is not None  # noqa: S101
        assert self.height is not None  # noqa: S101
        form = RAW_PIX_FMT.fullmatch(self.pix_fmt or "yuv420p")
        assert form is not None  # noqa: S101
        across, down = CHROMA_SHIFT[form["chroma"]]
        chroma = -(-self.width // (1 << across)) * -(-self.height // (1 << down))
        return (self.width * self.height + 2 * chroma) * (2 if form["depth"] else 1)


@dataclass(frozen=True, init=False)
class Stream(Clip):
    """Raw frames in a named pipe that this process writes while a scorer reads them. It cannot be inspected first.

    Internal: created where frames are modified before scoring.
    """


class HasClip(Protocol):
    """An object that has a clip, such as an `Encode` or the answer of a search."""

    @property
    def clip(self) -> Clip:
        """The clip."""


#: What the methods of `Vmaf` take as a clip.
ClipLike = Clip | HasClip | str | os.PathLike[str] | bytes


def numbered(clip: Clip) -> tuple[list[int], Callable[[int], str]]:
    """The numbers of a picture sequence's files, in order, and a function that gives the file name for a number."""
    match = SEQUENCE.search(clip.path.name)
    assert match is not None  # noqa: S101
    before, after = clip.path.name[: match.start()], clip.path.name[match.end() :]
    digits = int(match["digits"] or 0)
    form = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    folder = clip.path.absolute().parent
    names = os.listdir(folder) if folder.is_dir() else []
    matches = map(form.fullmatch, names)
    numbers = sorted(int(m[1]) for m in matches if m and m[1] == f"{int(m[1]):0{digits}d}")
    return numbers, lambda number: f"{before}{number:0{digits}d}{after}"


def as_clip(clip: ClipLike) -> Clip:
    """Read what stands for a clip: a path, a `Clip`, or an object that has one, such as an `Encode`.

    Raises:
        ClipError: If it is none of these.
    """
    owned = getattr(clip, "clip", clip)
    if isinstance(owned, Clip):
        return owned
    if not isinstance(clip, str | bytes | os.PathLike):
        raise ClipError(f"A clip must be a path, a Clip or an encode, not {clip!r:.80}.")
    return Clip(clip)


def clip_name(clip: object) -> str:
    """The name of what was passed for a clip, in a message about it: it need not be a clip."""
    try:
        return str(as_clip(clip))  # type: ignore[arg-type]
    except (MeasurementError, OSError):
        return str(clip)


def _path(path: str | os.PathLike[str] | bytes) -> Path:
    text = os.fsdecode(path)
    if not text:
        raise ClipError("A clip's path must not be empty.")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        # Tools print names into their logs; a line break there could pass for a line of the tool's own.
        raise ClipError(f"The path {text!r} contains a control character. Rename the file.")
    return Path(text)


def _rate(rate: Fraction | float | str | None) -> Fraction | None:
    if rate is None:
        return None
    if isinstance(rate, str) and len(rate) > 32:
        raise ClipError("frame_rate must be a text of at most 32 characters.")
    try:
        exact = Fraction(rate) if not isinstance(rate, float) else Fraction(rate).limit_denominator(1001)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        exact = Fraction(0)
    if isinstance(rate, bool) or not 0 < exact <= 1000:
        raise ClipError(f'frame_rate must be frames per second, for example 24, 59.94 or "30000/1001", not {rate!r}.')
    # 23.976, 29.97 and 59.94 stand for the NTSC rates.
    ntsc = Fraction(round(exact * 1001 / 1000) * 1000, 1001)
    return ntsc if exact.denominator not in (1, 1001) and abs(ntsc - exact) < Fraction(1, 200) else exact
