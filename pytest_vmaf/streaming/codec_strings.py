"""What a stream is coded as, in the words of a manifest: the CODECS string of RFC 6381."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.streaming.mp4 import LARGEST_HEAD, find, walk
from pytest_vmaf.text import printable

#: Bytes of a visual sample entry before its own boxes (ISO/IEC 14496-12 12.1.3), after its header.
ENTRY = 78
#: Primaries, transfer, matrix (ISO/IEC 23091-2) and full range.
Colour = tuple[int, int, int, int]
BT709: Colour = (1, 1, 1, 0)
UNSPECIFIED: Colour = (2, 2, 2, 0)


def codec_string(path: Path, ffmpeg: str, timeout: float | None = None) -> str:
    """The CODECS string of the first video stream of an encode, from the decoder's configuration in the stream itself.

    ``avc1.640028``, ``hvc1.2.4.L120.90``, ``av01.0.08M.10``, ``vp09.00.31.08``, ``vvc1.1.L67.CQA``; HEVC is named as
    it is packaged, hvc1. The file may be in any container, or a bare stream: ffmpeg puts its first frames into a
    fragmented MP4, and the configuration record is read from there. ``timeout`` in seconds.
    Raises ClipError when the file cannot be read, or is in none of these codecs.
    """
    clip = Clip(path)
    head = bytearray()

    def heard(chunk: bytes) -> None:
        head.extend(chunk[: LARGEST_HEAD - len(head)])

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning", *input_arguments(clip)]
    # delay_moov: the header is written after the first frames, when bitstream filters have found the configuration.
    argv += ["-map", "0:V:0", "-c", "copy", "-frames:v", "2", "-movflags", "+frag_keyframe+delay_moov"]
    argv += ["-f", "mp4", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), stdout_bytes=heard), timeout or INSPECT_TIMEOUT)
    if end.returncode != 0:
        raise ClipError(f"{clip} has no video that can be put into MP4, so its codec has no name.\n{end.explain()}")
    try:
        return movie_codec_string(bytes(head))
    except ClipError as error:
        raise ClipError(f"{clip}: its codec cannot be named. {error}") from error


def movie_codec_string(head: bytes) -> str:
    """The CODECS string of an MP4 file's first track, from the file's first bytes. Raises ClipError as codec_string."""
    table = find(head, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    # Version, flags and the number of entries; the first entry is meant.
    entry = next(walk(head, table.body + 8, table.end), None)
    if entry is None or entry.body + ENTRY > entry.end:
        raise ClipError("It describes no pictures.")
    boxes: dict[bytes, bytes] = {}
    for box in walk(head, entry.body + ENTRY, entry.end):
        boxes.setdefault(box.kind, head[box.body : box.end])
    for kind, (shortest, name) in CONFIGURATIONS.items():
        if (record := boxes.get(kind)) is not None:
            if len(record) < shortest:
                raise ClipError(f"Its configuration {kind.decode()} has {len(record)} bytes, and needs {shortest}.")
            return name(record, _colour(boxes.get(b"colr", b"")))
    raise ClipError(
        f"It is coded as {printable(entry.kind.decode('latin-1'))!r}; manifests are written for H.264, HEVC, AV1, VP9 "
        "and VVC."
    )


def _colour(colr: bytes) -> Colour | None:
    """The ``colr`` box (ISO/IEC 14496-12 12.1.5), where it has code points and says anything."""
    if colr[:4] != b"nclx" or len(colr) < 11:
        return None
    primaries, transfer, matrix = (int.from_bytes(colr[at : at + 2]) for at in (4, 6, 8))
    colour = (primaries, transfer, matrix, colr[10] >> 7)
    return None if colour == UNSPECIFIED else colour


def _avc(record: bytes, _: Colour | None) -> str:
    """ISO/IEC 14496-15 E.2, RFC 6381 3.3: profile, constraint flags and level as hexadecimal bytes."""
    return f"avc1.{record[1:4].hex()}"


def _hevc(record: bytes, _: Colour | None) -> str:
    """ISO/IEC 14496-15 E.3: profile space and profile, compatibility flags (reversed), tier and level, constraints."""
    space = ("", "A", "B", "C")[record[1] >> 6]
    tier = "H" if record[1] & 0x20 else "L"
    compatible = int(f"{int.from_bytes(record[2:6]):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in record[6:12].rstrip(b"\0"))
    return f"hvc1.{space}{record[1] & 0x1F}.{compatible:X}.{tier}{record[12]}{constraints}"


def _av1(record: bytes, colour: Colour | None) -> str:
    """AV1 Codec ISO Media File Format Binding, section 5. The optional fields stand where one is not its default."""
    flags = record[2]
    profile, level, tier = record[1] >> 5, record[1] & 0x1F, "H" if flags & 0x80 else "M"
    depth = 8 if not flags & 0x40 else 12 if profile == 2 and flags & 0x20 else 10
    across, down, position = flags >> 3 & 1, flags >> 2 & 1, flags & 3
    chroma = f"{across}{down}{position if across and down else 0}"
    # Colour that the stream does not describe is left at the defaults, as the binding says.
    primaries, transfer, matrix, full = colour or BT709
    tail = f".{flags >> 4 & 1}.{chroma}.{primaries:02}.{transfer:02}.{matrix:02}.{full}"
    return f"av01.{profile}.{level:02}{tier}.{depth:02}" + ("" if tail == ".0.110.01.01.01.0" else tail)


def _vp9(record: bytes, _: Colour | None) -> str:
    """VP Codec ISO Media File Format Binding: the optional fields stand where one is not its default."""
    if record[0] != 1:
        raise ClipError(f"Its configuration vpcC is of version {record[0]}, not 1.")
    profile, level, packed, *colour = record[4:10]
    depth, chroma, full = packed >> 4, packed >> 1 & 7, packed & 1
    usual = chroma == 1 and (*colour, full) in (BT709, UNSPECIFIED)
    tail = "".join(f".{value:02}" for value in (chroma, *colour, full))
    return f"vp09.{profile:02}.{level:02}.{depth:02}" + ("" if usual else tail)


def _vvc(record: bytes, _: Colour | None) -> str:
    """ISO/IEC 14496-15 E.6: profile, tier and level, constraints in base32 (RFC 4648) without the zeros at the end.

    The constraints are ptl_frame_only_constraint_flag, ptl_multilayer_enabled_flag and general_constraint_info. The
    optional fields after them, sub-profiles and the output layer set, are left out.
    """
    if not record[4] & 1:
        raise ClipError("Its configuration vvcC says no profile and level.")
    length = record[8] & 0x3F
    constraints = record[11 : 11 + length]
    if not length or len(constraints) < length:
        raise ClipError(f"Its configuration vvcC is cut off: {len(constraints)} of {length} bytes of constraints.")
    tier = "H" if record[9] & 1 else "L"
    encoded = base64.b32encode(constraints.rstrip(b"\0") or b"\0").decode().rstrip("=")
    return f"vvc1.{record[9] >> 1}.{tier}{record[10]}.C{encoded}"


#: By the configuration box: how many bytes it has at least, and who names it.
CONFIGURATIONS: dict[bytes, tuple[int, Callable[[bytes, Colour | None], str]]] = {
    b"avcC": (4, _avc),
    b"hvcC": (13, _hevc),
    b"av1C": (4, _av1),
    b"vpcC": (10, _vp9),
    b"vvcC": (12, _vvc),
}
