"""Clip: a file, and what the user states about it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from pytest_vmaf.errors import ClipError, MeasurementError
from pytest_vmaf.media.ntsc import ntsc_rate
from pytest_vmaf.media.part import describe_part, read_length, read_start, trim_filter
from pytest_vmaf.media.pixel_formats import pixel_format, raw_pixel_format
from pytest_vmaf.text import printable

#: The suffixes of raw video, and the pixel format that a file with one of them probably has.
RAW_SUFFIXES = {
    **dict.fromkeys((".yuv", ".raw", ".i420"), "yuv420p"),
    **dict.fromkeys((".yuy2", ".yuyv"), "yuyv422"),
    ".uyvy": "uyvy422",
    ".rgb": "rgb24",
    ".nv12": "nv12",
    ".nv21": "nv21",
    ".nv16": "nv16",
    ".p010": "p010le",
    ".p016": "p016le",
    ".v210": "v210",
}
#: The number in the names of a picture sequence, as printf and ffmpeg write it.
SEQUENCE = re.compile(r"%(?:0(?P<digits>\d{1,2}))?d")
#: The most pixels on a side of a picture.
LONGEST_SIDE = 65535
MOST_STREAMS = 1000


@dataclass(frozen=True)
class Clip:
    """A video, a picture or a numbered picture sequence.

    `Clip("a.mp4")`, `Clip("a.y4m")` and `Clip("a.png")` need nothing more. `Clip("frame_%04d.png")` is the sequence of
    those files, unless a file of exactly that name exists.

    Attributes:
        path: The file.
        width: Raw video only: the width in pixels.
        height: Raw video only: the height in pixels.
        pix_fmt: Raw video only: ffmpeg's name of the pixel format, for example `p010le`. By default that of the suffix
            (`nv12` for .nv12), else `yuv420p`.
        frame_rate: Frames per second (a number, a Fraction or "30000/1001"), in place of the rate that the file states.
            Frames are compared by index, so it changes times, never pairs.
        crop: The part of each picture to read, as (x, y, w, h) in pixels of the picture as it is shown, like `Region`:
            `crop=(0, 138, 1920, 804)` leaves out the black bars of a film.
        stream: Which video stream of the file to read, counted from 0 without cover pictures. By default the first that
            the file flags as default, else the first.
        film_grain: Whether decoders add the film grain that the file describes. False scores the pictures without it,
            and those of the encodes of a search whose source it is.
        start: The first frame to read: its number, or its time in seconds as a float or a text such as "1.5s".
        frames: How many frames to read, as an int; or how many seconds, as a float or a text. By default all.

    Raises:
        ClipError: If a field is invalid, or the name contains control characters.
    """

    path: Path
    width: int | None = None
    height: int | None = None
    pix_fmt: str | None = None
    frame_rate: Fraction | None = None
    crop: tuple[int, int, int, int] | None = None
    stream: int | None = None
    film_grain: bool = True
    start: int | float = 0
    frames: int | float | None = None

    def __init__(
        self,
        path: str | os.PathLike[str] | bytes,
        *,
        width: int | None = None,
        height: int | None = None,
        pix_fmt: str | None = None,
        frame_rate: Fraction | float | str | None = None,
        crop: Sequence[int] | None = None,
        stream: int | None = None,
        film_grain: bool = True,
        start: float | str = 0,
        frames: float | str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "path", _path(path))
        put(self, "width", width)
        put(self, "height", height)
        put(self, "pix_fmt", pix_fmt)
        put(self, "film_grain", film_grain)
        if not isinstance(film_grain, bool):
            raise ClipError(f"{self.name}: film_grain must be True or False, not {film_grain!r:.80}.")
        put(self, "frame_rate", _rate(frame_rate))
        put(self, "crop", crop if crop is None else _crop(crop, self.name))
        put(self, "stream", stream)
        put(self, "start", read_start(start, self.name))
        put(self, "frames", read_length(frames, self.name))
        if stream is not None and (type(stream) is not int or not 0 <= stream < MOST_STREAMS):
            raise ClipError(f"{self.name}: stream must be the number of a video stream, from 0 on, not {stream!r:.80}.")
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
        parts = [f"{self.width}x{self.height} {self.pix_fmt or 'yuv420p'}"] if self.is_raw else []
        if self.stream is not None:
            parts.append(f"stream {self.stream}")
        if self.crop is not None:
            x, y, width, height = self.crop
            parts.append(f"crop {width}x{height} at {x},{y}")
        if part := describe_part(self.start, self.frames):
            parts.append(part)
        return f"{self.name} ({', '.join(parts)})" if parts else self.name

    @property
    def is_part(self) -> bool:
        """Whether only a part of the clip's frames is read."""
        return bool(self.start) or self.frames is not None

    @property
    def trimming(self) -> str:
        """The ffmpeg filter that selects the frames of the part, before all others; "" for the whole clip."""
        if isinstance(self.start, float) or isinstance(self.frames, float):
            raise ClipError(f"{self}: seconds must be made frames first; see `pytest_vmaf.media.seconds.in_frames`.")
        return trim_filter(self.start, self.frames)

    @property
    def cropping(self) -> str:
        """The ffmpeg filter that crops each frame; "" for whole frames."""
        if self.crop is None:
            return ""
        x, y, width, height = self.crop
        # Without exact=1, ffmpeg rounds odd numbers where chroma is subsampled.
        crop = f"crop={width}:{height}:{x}:{y}:exact=1"
        # Where U and V alternate in a plane, ffmpeg would swap them at an odd x.
        planar = pixel_format(self.pix_fmt or "yuv420p").planar if self.is_raw else ""
        return f"scale,format={planar},{crop}" if planar else crop

    def spelled(self, **changes: object) -> str:
        """How a user writes this clip in Python, with these changes."""
        fields = ("width", "height", "pix_fmt", "frame_rate", "stream", "crop", "film_grain", "start", "frames")
        values = {name: changes.get(name, getattr(self, name)) for name in fields}
        texts = {
            name: f"{value}" if name == "crop" else repr(str(value) if name == "frame_rate" else value)
            for name, value in values.items()
            if value is not None and value is not True and (name, value) != ("start", 0)
        }
        return printable(f"Clip({', '.join([repr(str(self.path)), *(f'{k}={v}' for k, v in texts.items())])})")

    def _check_geometry(self) -> None:
        for what, value in (("width", self.width), ("height", self.height)):
            if type(value) is not int or not 1 <= value <= LONGEST_SIDE:
                raise ClipError(
                    f"{self.name}: {what} of raw video must be a whole number of pixels from 1 to {LONGEST_SIDE}, "
                    f"not {value!r:.80}."
                )
        if self.pix_fmt is None and (default := RAW_SUFFIXES.get(self.path.suffix.lower(), "yuv420p")) != "yuv420p":
            object.__setattr__(self, "pix_fmt", default)
        form = raw_pixel_format(self.pix_fmt or "yuv420p") if isinstance(self.pix_fmt, str | None) else None
        if form is None:
            raise ClipError(
                f"{self.name}: pix_fmt of raw video must be one of ffmpeg's names, for example yuv420p, yuv422p10le, "
                f"nv12, p010le, gray or rgb24, not {self.pix_fmt!r:.80}."
            )
        if self.pix_fmt is not None:
            object.__setattr__(self, "pix_fmt", form.name)

    def frame_bytes(self) -> int:
        """The size of a raw frame in bytes. Chroma planes of odd sides are rounded up, as in ffmpeg and libvmaf."""
        assert self.width is not None  # noqa: S101
        assert self.height is not None  # noqa: S101
        return pixel_format(self.pix_fmt or "yuv420p").frame_bytes(self.width, self.height)


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
    return Clip(clip)  # type: ignore[arg-type]  # Clip says what a path must be


def clip_name(clip: object) -> str:
    """The name of what was passed for a clip, in a message about it: it need not be a clip."""
    try:
        return str(as_clip(clip))  # type: ignore[arg-type]
    except (MeasurementError, OSError):
        return str(clip)


def _path(path: str | os.PathLike[str] | bytes) -> Path:
    if not isinstance(path, str | bytes | os.PathLike):
        first = next(iter(path), None) if isinstance(path, list | tuple) else path
        if hasattr(first, "__array__") or hasattr(first, "__dlpack__"):
            raise ClipError(
                f"A clip must be a file, not frames in memory ({type(first).__name__}). Write them to a file, for "
                "example as raw video, and pass Clip(path, width=…, height=…, pix_fmt=…, frame_rate=…)."
            )
        raise ClipError(f"A clip must be a path, a Clip or an encode, not {' '.join(repr(path).split()):.80}.")
    text = os.fsdecode(path)
    if not text:
        raise ClipError("A clip's path must not be empty.")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        # For example a lone surrogate from JSON. Those of os.fsdecode stand for bytes and are names.
        raise ClipError(f"The path {text!r:.200} contains a character that no file name can have.") from None
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        # Tools print names into their logs; a line break there could pass for a line of the tool's own.
        raise ClipError(f"The path {text!r} contains a control character. Rename the file.")
    return Path(text)


def _crop(crop: Sequence[int], name: str) -> tuple[int, int, int, int]:
    corners = tuple(crop) if isinstance(crop, Sequence) and not isinstance(crop, str | bytes) else ()
    if len(corners) != 4 or not all(type(number) is int and number <= LONGEST_SIDE for number in corners):
        raise ClipError(f"{name}: crop must be (x, y, w, h) in whole pixels, not {crop!r:.80}.")
    x, y, width, height = corners
    if min(x, y) < 0 or min(width, height) < 1:
        raise ClipError(f"{name}: crop must lie in the picture and not be empty: (x, y, w, h), not {crop!r:.80}.")
    return x, y, width, height


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
    return ntsc_rate(exact)
