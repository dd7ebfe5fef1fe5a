"""Demuxers and input arguments: a clip is read from its own file alone, in the format that its bytes show."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import RAW_SUFFIXES, SEQUENCE, Clip, Stream
from pytest_vmaf.media.sequence import numbered
from pytest_vmaf.media.tracks import default_track
from pytest_vmaf.media.uncompressed import check_raw_size, check_y4m_size, suggest_geometry
from pytest_vmaf.media.unreadable import is_stream, why_no_file, why_unsuitable

#: Formats that contain video or pictures themselves. Playlists, concat scripts, lavfi graphs and devices are not among
#: them: they read other files.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h261,h263,h264,hevc,vvc,evc,av1,obu,ivf,"
    "flv,mxf,gxf,nut,yuv4mpegpipe,rawvideo,ogg,asf,dv,mjpeg,rm,vc1,dirac,cavsvideo,avs2,avs3,apv,gif,apng,webp_anim,"
    "jpegxl_anim,jpegls_pipe"
)
#: Still pictures are recognised by their first bytes. By name, ffmpeg (image2) would take `%d` for a pattern, and read
#: other files than the one that was named.
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
CONTAINER_MAGIC = re.compile(
    rb"....ftyp|\x1aE\xdf\xa3|YUV4MPEG2|RIFF....AVI |DKIF|\x89PNG|\xff\xd8\xff|RIFF....WEBP|OggS|FLV\x01|"
    # Two packets of MPEG-TS; raw video may begin with a G too.
    rb"G..[\x10-\x3f\x50-\x7f\x90-\xbf\xd0-\xff].{184}G",
    re.DOTALL,
)


def input_arguments(clip: Clip) -> list[str]:
    """The ffmpeg arguments that read this clip from its own file and from nowhere else.

    Raises:
        ClipError: If the file is missing, empty or not a regular file, or a frame of uncompressed video is cut off.
    """
    arguments = [*decoder_arguments(clip), "-protocol_whitelist", "file"]
    if isinstance(clip, Stream):
        return [*arguments, *_raw_arguments(clip), "-i", f"file:{clip.path.absolute()}"]
    if clip.is_sequence:
        return [*arguments, *_sequence_arguments(clip)]
    head = _head(clip)
    form = _picture_demuxer(clip, head)
    if clip.is_raw:
        _check_not_container(clip, head)
        check_raw_size(clip)
        arguments += _raw_arguments(clip)
    else:
        check_y4m_size(clip, head)
        if reason := why_unsuitable(clip, head):
            raise ClipError(reason)
        if pix_fmt := RAW_SUFFIXES.get(clip.path.suffix.lower()):
            raise ClipError(
                f"{clip.name} looks like raw video, whose geometry is not in the file.\n"
                f"  State it: {suggest_geometry(clip, pix_fmt)}."
            )
        if AVIF_SEQUENCE.match(head):
            raise ClipError(
                f"{clip.name} is an animated AVIF or HEIF, from which ffmpeg would read a single picture.\n"
                "  Extract its frames first: ffmpeg -i IN -map 0:v:1 -c copy OUT.mp4"
            )
        arguments += ["-f", form] if form else ["-format_whitelist", DEMUXERS]
        if clip.frame_rate and form is None:
            arguments += ["-r", str(clip.frame_rate)]
    return [*arguments, "-i", f"file:{clip.path.absolute()}"]


def decoder_arguments(clip: Clip) -> list[str]:
    """The ffmpeg arguments of a clip's decoder. Decoders do not apply grain that they export."""
    return [] if clip.film_grain else ["-export_side_data", "film_grain"]


def _raw_arguments(clip: Clip) -> list[str]:
    rate = ["-framerate", str(clip.frame_rate)] if clip.frame_rate else []
    form = ["-f", "rawvideo", "-video_size", f"{clip.width}x{clip.height}"]
    if clip.pix_fmt == "v210":
        return ["-f", "v210", *form[2:], *rate]
    return [*form, "-pixel_format", clip.pix_fmt or "yuv420p", *rate]


def _check_not_container(clip: Clip, head: bytes) -> None:
    if CONTAINER_MAGIC.match(head):
        raise ClipError(
            f"{clip.name} is a container, not raw video: it begins with {head[:12]!r}.\n"
            "  Leave out width, height and pix_fmt: the file states them itself."
        )


def video_stream(clip: Clip, number: int = 0) -> str:
    """How ffmpeg names the video stream of a clip that is its input `number`.

    By default, the one that players show. V, not v: a cover picture is not a clip.
    """
    plain = clip.is_raw or clip.is_sequence
    stream = clip.stream if clip.stream is not None else 0 if plain else default_track(clip.path)
    return f"{number}:V:{stream}"


def states_shape(clip: Clip) -> bool:
    """Whether the file could state a sample aspect ratio: raw video, pictures, bare AV1 and VP9 and some y4m cannot."""
    if clip.is_raw or is_picture(clip):
        return False
    head = _head(clip)
    bare = head.startswith((b"DKIF", b"\x12\x00")) or clip.path.suffix.lower() in (".obu", ".ivf")
    y4m = head.partition(b"\n")[0] if head.startswith(b"YUV4MPEG2") else None
    return not bare and (y4m is None or re.search(rb" A(?!0:)\d+:", y4m) is not None)


def is_known(path: Path) -> bool:
    """Whether a file begins like a container or a picture. A missing file counts as one."""
    return not path.is_file() or CONTAINER_MAGIC.match(_head(Clip(path))) is not None


def states_times(path: Path) -> bool:
    """Whether a file begins like a container that states a time for each frame. y4m and bare streams do not."""
    head = _head(Clip(path))
    return CONTAINER_MAGIC.match(head) is not None and not head.startswith(b"YUV4MPEG2")


def states_rate_alone(path: Path) -> bool:
    """Whether a file states one frame rate for all frames, and no time for any: y4m."""
    return _head(Clip(path)).startswith(b"YUV4MPEG2")


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
    """Whether a PNG has an animation chunk before its first picture, after any amount of metadata."""
    with path.open("rb") as file:
        file.seek(8)
        while len(chunk := file.read(8)) == 8 and chunk[4:] != b"IDAT":
            if chunk[4:] == b"acTL":
                return True
            file.seek(int.from_bytes(chunk[:4]) + 4, os.SEEK_CUR)
    return False


def _head(clip: Clip) -> bytes:
    try:
        if is_stream(clip) or not clip.path.is_file():
            raise ClipError(why_no_file(clip))
        with clip.path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ClipError(f"{clip.name} cannot be read: {error.strerror or error}.") from error
    if not head:
        raise ClipError(f"{clip.name} is empty.")
    return head


def _sequence_arguments(clip: Clip) -> list[str]:
    match = SEQUENCE.search(clip.path.name)
    assert match is not None  # noqa: S101
    before, after = clip.path.name[: match.start()], clip.path.name[match.end() :]
    if SEQUENCE.search(after):
        raise ClipError(f"{clip.name}: the name of a picture sequence must contain exactly one number.")
    folder = clip.path.absolute().parent
    numbers, item_name = numbered(clip)
    if not numbers:
        raise ClipError(f"{clip.name} does not exist, and no file matches it as a numbered sequence.")
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if missing:
        first = next(number + 1 for number, following in pairwise(numbers) if following != number + 1)
        raise ClipError(
            f"{clip.name}: the sequence goes from {numbers[0]} to {numbers[-1]}, but number {first} is missing "
            f"({missing} missing in total)."
        )
    for number in numbers:
        # ffmpeg would silently end the sequence at an empty file, and wait for ever for a pipe.
        picture = folder / item_name(number)
        if not picture.is_file() or picture.stat().st_size == 0:
            raise ClipError(f"{clip.name}: number {number} is empty or not a regular file.")
    # ffmpeg takes a % for the start of a number; elsewhere in the path it is escaped.
    where = str(folder / "x")[:-1].replace("%", "%%")
    pattern = before.replace("%", "%%") + match[0] + after.replace("%", "%%")
    rate = ["-framerate", str(clip.frame_rate)] if clip.frame_rate else []
    return ["-f", "image2", *rate, "-start_number", str(numbers[0]), "-i", f"file:{where}{pattern}"]
