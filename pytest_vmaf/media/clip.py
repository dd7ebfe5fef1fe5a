"""Clip: a file, and what the user states about it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip_fields import LONGEST_SIDE, read_crop, read_path, read_rate
from pytest_vmaf.media.part import describe_part, read_length, read_start, trim_filter
from pytest_vmaf.media.pixel_formats import pixel_format, raw_pixel_format
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.media.array_like import Frames
    from pytest_vmaf.media.spool import Spool

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
MOST_STREAMS = 1000
#: The frame rate of frames in memory where nothing states one. ffmpeg's own for raw video.
USUAL_RATE = Fraction(25)


@dataclass(frozen=True)
class Clip:
    """A video, a picture or a numbered picture sequence.

    `Clip("a.mp4")`, `Clip("a.y4m")` and `Clip("a.png")` need nothing more. `Clip("frame_%04d.png")` is the sequence of
    those files, unless a file of exactly that name exists. `Clip.from_frames` makes a clip of frames in memory.

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
    #: The temporary file of frames in memory, which lives as long as its clips do.
    _spool: Spool | None = field(default=None, repr=False, compare=False)

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
        _spool: Spool | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "_spool", _spool)
        put(self, "path", read_path(path))
        put(self, "width", width)
        put(self, "height", height)
        put(self, "pix_fmt", pix_fmt)
        put(self, "film_grain", film_grain)
        if not isinstance(film_grain, bool):
            raise ClipError(f"{self.name}: film_grain must be True or False, not {film_grain!r:.80}.")
        put(self, "frame_rate", read_rate(frame_rate))
        put(self, "crop", crop if crop is None else read_crop(crop, self.name))
        put(self, "stream", stream)
        put(self, "start", read_start(start, self.name))
        put(self, "frames", read_length(frames, self.name))
        if stream is not None and (type(stream) is not int or not 0 <= stream < MOST_STREAMS):
            raise ClipError(f"{self.name}: stream must be the number of a video stream, from 0 on, not {stream!r:.80}.")
        if self.is_raw:
            self._check_geometry()

    @classmethod
    def from_frames(
        cls,
        frames: Frames,
        *,
        pix_fmt: str | None = None,
        frame_rate: Fraction | float | str | None = None,
        layout: str | None = None,
        name: str | None = None,
    ) -> Clip:
        """Make a clip of frames in memory. They are written to a temporary file, one by one.

        The file is removed when no clip refers to it any more, at the latest when the process ends.

        Args:
            frames: An array of all frames, [N,H,W,3] for RGB or [N,H,W] for grey; an iterable, for example a generator,
                of frames [H,W,3] or [H,W]; or planes: a tuple (Y, U, V) of arrays [N,H,W], or an iterable of tuples
                (Y, U, V) of arrays [H,W]. Arrays are NumPy's or another library's, in CPU memory.
            pix_fmt: ffmpeg's name of the pixel format. Needed for planes ("yuv420p", "yuv420p10le") and for uint16
                ("rgb48le", "gbrp10le"). By default, uint8 is "rgb24" or "gray", and floats, which are from 0 to 1, are
                rounded to 16 bits ("rgb48le" or "gray16le").
            frame_rate: Frames per second. By default that of the clip that these frames are compared with, else 25.
            layout: The order of the axes where it is not that above: "NCHW" for arrays [N,3,H,W], or frames [3,H,W].
            name: The clip's name in messages, reports and baselines. By default "frames in memory".

        Raises:
            ClipError: If these are not frames, if they differ from each other, or if making one raises an exception,
                which is the error's cause. `error.frame` is the number of the frame.
        """
        from pytest_vmaf.media.spool_frames import spool_frames

        rate = read_rate(frame_rate)
        return cls.of_spool(spool_frames(frames, pix_fmt=pix_fmt, layout=layout, name=name), rate)

    @classmethod
    def of_spool(cls, spool: Spool, rate: Fraction | None = None) -> Clip:
        """The clip of frames in memory that were written to a file."""
        size = spool.width, spool.height
        return cls(spool.path, width=size[0], height=size[1], pix_fmt=spool.pix_fmt, frame_rate=rate, _spool=spool)

    @property
    def bitstream(self) -> int:
        """The bytes that a codec in Python decoded these frames from; 0 for any other clip."""
        return self._spool.bitstream if self._spool else 0

    @property
    def in_memory(self) -> bool:
        """Whether the clip was made of frames in memory."""
        return self._spool is not None

    def discard(self) -> None:
        """Remove the temporary file of frames in memory now. The clip, and those made of it, cannot be read then."""
        if self._spool:
            self._spool.remove()

    @property
    def as_key(self) -> Clip:
        """An equal clip that does not keep the file of frames in memory."""
        return replace(self, _spool=None) if self._spool else self

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
        """The path, safe to print; of frames in memory what they are called."""
        return self._spool.title if self._spool else printable(str(self.path))

    @property
    def title(self) -> str:
        """The name without folders: what baselines and progress lines call the clip."""
        return self._spool.title if self._spool else self.path.name

    @property
    def stem(self) -> str:
        """What the names of encodes of the clip begin with."""
        return self._spool.stem if self._spool else self.path.stem

    def __str__(self) -> str:
        parts = [f"{self.width}x{self.height} {self.pix_fmt or 'yuv420p'}"] if self.is_raw else []
        if self._spool:
            parts = [self._spool.shape]
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

    def __repr__(self) -> str:
        return f"<Clip {self}>" if self._spool else self.spelled()

    def spelled(self, **changes: object) -> str:
        """How a user writes this clip in Python, with these changes."""
        fields = ("width", "height", "pix_fmt", "frame_rate", "stream", "crop", "film_grain", "start", "frames")
        values = {name: changes.get(name, getattr(self, name)) for name in fields}
        texts = {
            name: f"{value}" if name == "crop" else repr(str(value) if name == "frame_rate" else value)
            for name, value in values.items()
            if value is not None and value is not True and (name, value) != ("start", 0)
        }
        words = [f"{name}={text}" for name, text in texts.items()]
        if self._spool:
            # What the frames are, they know themselves.
            words = [word for word in words if word.partition("=")[0] not in ("width", "height", "pix_fmt")]
            return printable(f"dataclasses.replace({', '.join(['Clip.from_frames(…)', *words])})")
        return printable(f"Clip({', '.join([repr(str(self.path)), *words])})")

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
