"""CODECS strings (RFC 6381): the name of a stream's codec, profile and level in a manifest."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.streaming.mp4 import LARGEST_HEAD, find_box, walk
from pytest_vmaf.text import printable

#: Bytes of a visual sample entry between its header and its own boxes (ISO/IEC 14496-12 12.1.3).
ENTRY = 78
#: Primaries, transfer and matrix (ISO/IEC 23091-2), and 1 for full range.
Colour = tuple[int, int, int, int]
BT709: Colour = (1, 1, 1, 0)
UNSPECIFIED: Colour = (2, 2, 2, 0)


def codec_string(path: Path, ffmpeg: str, timeout: float | None = None) -> str:
    """Read the CODECS string of an encode's first video stream from its decoder configuration.

    ffmpeg writes the first frames to a fragmented MP4, which contains the configuration.

    Args:
        path: The encode, in any container or as a bare stream.
        ffmpeg: Path of the ffmpeg.
        timeout: Time limit in seconds.

    Returns:
        For example "avc1.640028", "hvc1.2.4.L120.90", "av01.0.08M.10", "vp09.00.31.08" or "vvc1.1.L67.CQA". HEVC is
        hvc1, as it is packaged.

    Raises:
        ClipError: If the file cannot be read, or has another codec.
    """
    clip = Clip(path)
    head = bytearray()

    def on_chunk(chunk: bytes) -> None:
        head.extend(chunk[: LARGEST_HEAD - len(head)])

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "warning", *input_arguments(clip)]
    # delay_moov: the header follows the first frames, from which bitstream filters get the configuration.
    argv += ["-map", "0:V:0", "-c", "copy", "-frames:v", "2", "-movflags", "+frag_keyframe+delay_moov"]
    argv += ["-f", "mp4", "pipe:1"]
    end = run(FfmpegCommand(tuple(argv), stdout_bytes=on_chunk), timeout or INSPECT_TIMEOUT)
    if end.returncode != 0:
        raise ClipError(f"{clip} has no video that MP4 supports, so it has no CODECS string.\n{end.explain()}")
    try:
        return movie_codec_string(bytes(head))
    except ClipError as error:
        raise ClipError(f"{clip} has no CODECS string. {error}") from error


def movie_codec_string(head: bytes) -> str:
    """Read the CODECS string of an MP4 file's first track.

    Args:
        head: The first bytes of the file.

    Raises:
        ClipError: If the header is damaged, or the track has another codec.
    """
    table = find_box(head, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    # After version, flags and the number of entries comes the first entry.
    entry = next(walk(head, table.body + 8, table.end), None)
    if entry is None or entry.body + ENTRY > entry.end:
        raise ClipError("The first track is not video.")
    boxes: dict[bytes, bytes] = {}
    for box in walk(head, entry.body + ENTRY, entry.end):
        boxes.setdefault(box.kind, head[box.body : box.end])
    for kind, (shortest, name) in CONFIGURATIONS.items():
        if (record := boxes.get(kind)) is not None:
            if len(record) < shortest:
                raise ClipError(f"The configuration {kind.decode()} must have {shortest} bytes, not {len(record)}.")
            return name(record, _colour(boxes.get(b"colr", b"")))
    raise ClipError(f"The codec must be H.264, HEVC, AV1, VP9 or VVC, not {printable(entry.kind.decode('latin-1'))!r}.")


def _colour(colr: bytes) -> Colour | None:
    """The `colr` box (ISO/IEC 14496-12 12.1.5), if it has code points that are specified."""
    if colr[:4] != b"nclx" or len(colr) < 11:
        return None
    primaries, transfer, matrix = (int.from_bytes(colr[at : at + 2]) for at in (4, 6, 8))
    colour = (primaries, transfer, matrix, colr[10] >> 7)
    return None if colour == UNSPECIFIED else colour


def _avc(record: bytes, _: Colour | None) -> str:
    """Profile, constraint flags and level as hexadecimal bytes (ISO/IEC 14496-15 E.2, RFC 6381 3.3)."""
    return f"avc1.{record[1:4].hex()}"


def _hevc(record: bytes, _: Colour | None) -> str:
    """Profile space and profile, reversed compatibility flags, tier and level, constraints (ISO/IEC 14496-15 E.3)."""
    space = ("", "A", "B", "C")[record[1] >> 6]
    tier = "H" if record[1] & 0x20 else "L"
    compatible = int(f"{int.from_bytes(record[2:6]):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in record[6:12].rstrip(b"\0"))
    return f"hvc1.{space}{record[1] & 0x1F}.{compatible:X}.{tier}{record[12]}{constraints}"


def _av1(record: bytes, colour: Colour | None) -> str:
    """AV1 Codec ISO Media File Format Binding, section 5. Optional fields are omitted if all have their defaults."""
    flags = record[2]
    profile, level, tier = record[1] >> 5, record[1] & 0x1F, "H" if flags & 0x80 else "M"
    depth = 8 if not flags & 0x40 else 12 if profile == 2 and flags & 0x20 else 10
    across, down, position = flags >> 3 & 1, flags >> 2 & 1, flags & 3
    chroma = f"{across}{down}{position if across and down else 0}"
    # If the stream does not describe its colours, the binding prescribes the defaults.
    primaries, transfer, matrix, full = colour or BT709
    tail = f".{flags >> 4 & 1}.{chroma}.{primaries:02}.{transfer:02}.{matrix:02}.{full}"
    return f"av01.{profile}.{level:02}{tier}.{depth:02}" + ("" if tail == ".0.110.01.01.01.0" else tail)


def _vp9(record: bytes, _: Colour | None) -> str:
    """VP Codec ISO Media File Format Binding. Optional fields are omitted if all have their defaults."""
    if record[0] != 1:
        raise ClipError(f"The configuration vpcC must have version 1, not {record[0]}.")
    profile, level, packed, *colour = record[4:10]
    depth, chroma, full = packed >> 4, packed >> 1 & 7, packed & 1
    usual = chroma == 1 and (*colour, full) in (BT709, UNSPECIFIED)
    tail = "".join(f".{value:02}" for value in (chroma, *colour, full))
    return f"vp09.{profile:02}.{level:02}.{depth:02}" + ("" if usual else tail)


def _vvc(record: bytes, _: Colour | None) -> str:
    """Profile, tier and level, constraints in base32 (RFC 4648) without trailing zeros (ISO/IEC 14496-15 E.6).

    The constraints are ptl_frame_only_constraint_flag, ptl_multilayer_enabled_flag and general_constraint_info. The
    optional fields after them, sub-profiles and the output layer set, are omitted.
    """
    if not record[4] & 1:
        raise ClipError("The configuration vvcC has no profile and level.")
    length = record[8] & 0x3F
    constraints = record[11 : 11 + length]
    if not length or len(constraints) < length:
        raise ClipError(f"The configuration vvcC is cut off: {len(constraints)} of {length} bytes of constraints.")
    tier = "H" if record[9] & 1 else "L"
    encoded = base64.b32encode(constraints.rstrip(b"\0") or b"\0").decode().rstrip("=")
    return f"vvc1.{record[9] >> 1}.{tier}{record[10]}.C{encoded}"


#: For each configuration box, its smallest size in bytes and the function that reads it.
CONFIGURATIONS: dict[bytes, tuple[int, Callable[[bytes, Colour | None], str]]] = {
    b"avcC": (4, _avc),
    b"hvcC": (13, _hevc),
    b"av1C": (4, _av1),
    b"vpcC": (10, _vp9),
    b"vvcC": (12, _vvc),
}
