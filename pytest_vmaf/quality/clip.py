"""Clip: what the user says about a file, checked; and how an ffmpeg is told to read it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pytest_vmaf.quality.errors import ClipError
from pytest_vmaf.quality.process import printable

#: Formats that hold video or pictures themselves. Playlists, concat scripts, lavfi graphs and devices are not among
#: them: a clip is read from its own file and from nowhere else.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h261,h263,h264,hevc,vvc,evc,av1,obu,ivf,"
    "flv,mxf,gxf,nut,yuv4mpegpipe,rawvideo,ogg,asf,dv,mjpeg,rm,vc1,dirac,cavsvideo,avs2,avs3,apv,gif,apng,webp_anim,"
    "jpegxl_anim,jpegls_pipe"
)
#: Still pictures are recognised by how their bytes begin; an ffmpeg that goes by the name (image2) reads `%d` as a
#: pattern, and other files than the one that was named.
PICTURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png_pipe"),
    (re.compile(rb"\xff\xd8\xff"), "jpeg_pipe"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp_pipe"),
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "jpegxl_pipe"),
    (re.compile(rb"BM"), "bmp_pipe"),
    (re.compile(rb"II\*\x00|MM\x00\*"), "tiff_pipe"),
    (re.compile(rb"qoif"), "qoi_pipe"),
    (re.compile(rb"P[2356]\s"), "ppm_pipe"),
    (re.compile(rb"P7\n"), "pam_pipe"),
    (re.compile(rb"SDPX|XPDS"), "dpx_pipe"),
    (re.compile(rb"v/1\x01"), "exr_pipe"),
    (re.compile(rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  "), "j2k_pipe"),
)
#: An animation in a picture format must not be read as its first frame alone.
ANIMATED = {"png_pipe": "apng", "webp_pipe": "webp_anim"}
AVIF = re.compile(rb"....ftyp(avif|mif1|miaf|heic)", re.DOTALL)
AVIF_SEQUENCE = re.compile(rb"....ftyp(avis|msf1|hevc|hevx)", re.DOTALL)
RAW_SUFFIXES = (".yuv", ".raw", ".rgb", ".i420", ".nv12")
CONTAINER_MAGIC = re.compile(
    rb"....ftyp|\x1aE\xdf\xa3|YUV4MPEG2|RIFF....AVI |DKIF|\x89PNG|\xff\xd8\xff|RIFF....WEBP|G@|OggS|FLV\x01", re.DOTALL
)
SEQUENCE = re.compile(r"%(?:0(?P<digits>\d+))?d")
RAW_PIX_FMT = re.compile(r"yuvj?(?P<chroma>420|422|444)p(?:(?P<depth>9|10|12|14|16)le)?")
CHROMA_SHIFT = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}


@dataclass(frozen=True)
class Clip:
    """A video, a picture or a numbered picture sequence, by path.

    ``Clip("a.mp4")``, ``Clip("a.y4m")``, ``Clip("a.png")`` need nothing more. Raw planar YUV says its ``width`` and
    ``height`` in pixels and its ``pix_fmt`` (ffmpeg's name, default ``yuv420p``). ``Clip("frame_%04d.png")`` is the
    sequence of those files, unless a file of just that name exists. ``frame_rate`` in frames/s (number, Fraction or
    "30000/1001") replaces the one the file states; frames are paired by index, so it changes times, never pairs.

    Raises ClipError for a geometry that cannot be, and for names with control characters.
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
        """Whether the name is a pattern of a numbered picture sequence."""
        return not self.is_raw and SEQUENCE.search(self.path.name) is not None and not self.path.exists()

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
                    f"{self.name}: raw video needs width= and height= as whole numbers of pixels; {what} is {value!r}."
                )
        if RAW_PIX_FMT.fullmatch(self.pix_fmt or "yuv420p") is None:
            raise ClipError(
                f"{self.name}: raw video is planar YUV, little-endian: yuv420p, yuv422p, yuv444p and their "
                f"10le, 12le, 14le and 16le forms; pix_fmt is {self.pix_fmt!r}."
            )

    def frame_bytes(self) -> int:
        """The size of one raw frame in bytes; odd sides round their chroma up, as ffmpeg and libvmaf do."""
        assert self.width is not None  # noqa: S101
        assert self.height is not None  # noqa: S101
        form = RAW_PIX_FMT.fullmatch(self.pix_fmt or "yuv420p")
        assert form is not None  # noqa: S101
        across, down = CHROMA_SHIFT[form["chroma"]]
        chroma = -(-self.width // (1 << across)) * -(-self.height // (1 << down))
        return (self.width * self.height + 2 * chroma) * (2 if form["depth"] else 1)


def as_clip(clip: Clip | str | os.PathLike[str] | bytes) -> Clip:
    """A path stands for ``Clip(path)``."""
    return clip if isinstance(clip, Clip) else Clip(clip)


def input_arguments(clip: Clip) -> list[str]:
    """The ffmpeg arguments that read this clip from its file and from nowhere else.

    Raises ClipError when the file is missing, empty, no regular file, or raw video of which a frame is cut off.
    """
    arguments = ["-protocol_whitelist", "file"]
    if clip.is_sequence:
        return [*arguments, *_sequence_arguments(clip)]
    head = _head(clip)
    form = _picture_demuxer(clip, head)
    if clip.is_raw:
        _check_raw_size(clip, head)
        arguments += ["-f", "rawvideo", "-video_size", f"{clip.width}x{clip.height}"]
        arguments += ["-pixel_format", clip.pix_fmt or "yuv420p"]
        if clip.frame_rate:
            arguments += ["-framerate", str(clip.frame_rate)]
    else:
        if clip.path.suffix.lower() in RAW_SUFFIXES:
            raise ClipError(
                f"{clip.name} looks like raw video, whose geometry is not in the file.\n"
                f'  Say it: Clip({str(clip.path)!r}, width=1920, height=1080, pix_fmt="yuv420p", frame_rate=24).'
            )
        if AVIF_SEQUENCE.match(head):
            raise ClipError(
                f"{clip.name} is an animated AVIF or HEIF, of which ffmpeg would show one picture.\n"
                "  Take its frames out first: ffmpeg -i IN -map 0:v:1 -c copy OUT.mp4"
            )
        arguments += ["-f", form] if form else ["-format_whitelist", DEMUXERS]
        if clip.frame_rate and form is None:
            arguments += ["-r", str(clip.frame_rate)]
    return [*arguments, "-i", f"file:{clip.path.absolute()}"]


def is_picture(clip: Clip) -> bool:
    """Whether this is one still picture, or a sequence of them."""
    if clip.is_raw:
        return False
    if clip.is_sequence:
        return True
    head = _head(clip)
    form = _picture_demuxer(clip, head)
    return form not in (None, *ANIMATED.values()) or AVIF.match(head) is not None


def _picture_demuxer(clip: Clip, head: bytes) -> str | None:
    form = next((demuxer for magic, demuxer in PICTURES if magic.match(head)), None)
    animated = (form == "png_pipe" and _is_apng(clip.path)) or (
        form == "webp_pipe" and head[12:16] == b"VP8X" and any(flags & 2 for flags in head[20:21])
    )
    return ANIMATED[form] if form and animated else form


def _is_apng(path: Path) -> bool:
    """Whether a PNG's animation chunk stands before its first picture, however much metadata precedes it."""
    with path.open("rb") as file:
        file.seek(8)
        while len(chunk := file.read(8)) == 8 and chunk[4:] != b"IDAT":
            if chunk[4:] == b"acTL":
                return True
            file.seek(int.from_bytes(chunk[:4]) + 4, os.SEEK_CUR)
    return False


def _path(path: str | os.PathLike[str] | bytes) -> Path:
    text = os.fsdecode(path)
    if not text:
        raise ClipError("A clip's path is empty.")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        # Tools print names into their logs; a line break there could pass for a line of the tool's own.
        raise ClipError(f"The path {text!r} has a control character in it; rename the file.")
    return Path(text)


def _rate(rate: Fraction | float | str | None) -> Fraction | None:
    if rate is None:
        return None
    try:
        exact = Fraction(rate) if not isinstance(rate, float) else Fraction(rate).limit_denominator(1001)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        exact = Fraction(0)
    if isinstance(rate, bool) or not 0 < exact <= 1000:
        raise ClipError(f'frame_rate is {rate!r}; it is frames per second, as 24, 59.94 or "30000/1001".')
    # 23.976, 29.97 and 59.94 stand for the NTSC rates.
    ntsc = Fraction(round(exact * 1001 / 1000) * 1000, 1001)
    return ntsc if exact.denominator not in (1, 1001) and abs(ntsc - exact) < Fraction(1, 200) else exact


def _head(clip: Clip) -> bytes:
    try:
        if not clip.path.is_file():
            raise ClipError(_why_no_file(clip))
        with clip.path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ClipError(f"{clip.name} cannot be read: {error.strerror or error}.") from error
    if not head:
        raise ClipError(f"{clip.name} is empty.")
    return head


def _why_no_file(clip: Clip) -> str:
    if clip.path.exists():
        return f"{clip.name} is not a regular file."
    if re.match(r"[a-z][a-z0-9+.-]+:/", clip.name, re.IGNORECASE):
        return f"{clip.name} is an address; clips are local files. Download it first."
    where = "" if clip.path.is_absolute() else f"\n  It was looked for in {printable(os.getcwd())}."
    return f"{clip.name} does not exist.{where}"


def _check_raw_size(clip: Clip, head: bytes) -> None:
    if CONTAINER_MAGIC.match(head):
        raise ClipError(
            f"{clip.name} is a container, not raw video: it begins with {head[:12]!r}.\n"
            "  Leave out width, height and pix_fmt; the file says them itself."
        )
    size, frame = clip.path.stat().st_size, clip.frame_bytes()
    if size % frame:
        raise ClipError(
            f"{clip}: {size} bytes are not a whole number of frames of {frame} bytes ({size / frame:.3f} frames).\n"
            "  The width, height or pix_fmt is wrong, or the file is cut off."
        )


def _sequence_arguments(clip: Clip) -> list[str]:
    match = SEQUENCE.search(clip.path.name)
    assert match is not None  # noqa: S101
    before, after = clip.path.name[: match.start()], clip.path.name[match.end() :]
    if SEQUENCE.search(after):
        raise ClipError(f"{clip.name}: a picture sequence has one number in its name, this has more.")
    digits = int(match["digits"] or 0)
    form = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    folder = clip.path.absolute().parent
    names = os.listdir(folder) if folder.is_dir() else []
    found = (form.fullmatch(name) for name in names)
    numbers = sorted(int(m[1]) for m in found if m and m[1] == f"{int(m[1]):0{digits}d}")
    if not numbers:
        raise ClipError(f"{clip.name} does not exist, and no file matches it as a numbered sequence.")
    missing = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    if missing:
        raise ClipError(
            f"{clip.name}: the sequence goes from {numbers[0]} to {numbers[-1]}, but number {missing[0]} is missing "
            f"({len(missing)} missing in all)."
        )
    # ffmpeg reads a % as the start of a number; elsewhere in the path it stands for itself.
    where = str(folder / "x")[:-1].replace("%", "%%")
    pattern = before.replace("%", "%%") + match[0] + after.replace("%", "%%")
    rate = ["-framerate", str(clip.frame_rate)] if clip.frame_rate else []
    return ["-f", "image2", *rate, "-start_number", str(numbers[0]), "-i", f"file:{where}{pattern}"]
