"""Video tracks of MP4, QuickTime and Matroska files: which one a player shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, NamedTuple

#: The most boxes or elements that are looked at in a file; a real one has its tracks among the first few.
MOST = 10_000
MATROSKA = b"\x1aE\xdf\xa3"
#: Identifiers of Matroska's elements.
SEGMENT, CLUSTER, TRACKS, TRACK, TRACK_TYPE, FLAG_DEFAULT = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0x83, 0x88
VIDEO = 1


class _Track(NamedTuple):
    """A track: its number, whether it is flagged as default, and the numbers of its chapter tracks."""

    number: int
    is_video: bool
    is_default: bool
    chapters: tuple[int, ...] = ()


def default_track(path: Path) -> int:
    """Which video track players show, counted from 0 without chapter pictures: the first default one, else the first.

    ffmpeg calls it `0:V:` and this number. Formats that flag no default have 0.
    """
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            # A pipe would be waited for.
            return 0
        return _default_track(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError:
        return 0


@lru_cache(maxsize=256)
def _default_track(path: Path, size: int, mtime: int, inode: int) -> int:
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(MATROSKA):
            tracks = list(_matroska_tracks(file, size))
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            tracks = list(_mp4_tracks(file, size))
        else:
            return 0
    pictures = {number for track in tracks for number in track.chapters}
    flags = [track.is_default for track in tracks if track.is_video and track.number not in pictures]
    return flags.index(True) if True in flags else 0


def _mp4_tracks(file: BinaryIO, size: int) -> Iterator[_Track]:
    for name, begin, end in _boxes(file, 0, size):
        if name != b"moov":
            continue
        for kind, *inside in _boxes(file, begin, end):
            if kind == b"trak":
                yield _mp4_track(file, *inside)
        return


def _mp4_track(file: BinaryIO, begin: int, end: int) -> _Track:
    number, flags, handler, chapters = 0, 0, b"", list[int]()
    for name, start, stop in _boxes(file, begin, end):
        if name == b"tkhd":
            data = _read(file, start, min(stop, start + 24))
            flags, wide = data[3] if len(data) > 3 else 0, data[:1] == b"\1"
            number = int.from_bytes(data[20:24] if wide else data[12:16])
        elif name == b"mdia":
            boxes = _boxes(file, start, stop)
            handler = next((_read(file, at, min(to, at + 12))[8:] for kind, at, to in boxes if kind == b"hdlr"), b"")
        elif name == b"tref":
            for kind, at, to in _boxes(file, start, stop):
                data = _read(file, at, min(to, at + 400)) if kind == b"chap" else b""
                chapters += [int.from_bytes(data[i : i + 4]) for i in range(0, len(data), 4)]
    return _Track(number, handler == b"vide", bool(flags & 1), tuple(chapters))


def _boxes(file: BinaryIO, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two positions: name, begin and end of the contents."""
    for _ in range(MOST):
        head = _read(file, position, position + 16)
        if position + 8 > end or len(head) < 8:
            return
        size, header = int.from_bytes(head[:4]), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16]), 16
        stop = min(end, position + size) if size else end
        if stop < position + header:
            return
        yield head[4:8], position + header, stop
        position = stop


def _matroska_tracks(file: BinaryIO, size: int) -> Iterator[_Track]:
    for name, begin, end in _elements(file, 0, size):
        if name != SEGMENT:
            continue
        for kind, start, stop in _elements(file, begin, end):
            if kind == CLUSTER:
                return
            if kind == TRACKS:
                for number, (entry, *inside) in enumerate(_elements(file, start, stop), 1):
                    if entry == TRACK:
                        fields = {
                            field: int.from_bytes(_read(file, at, min(to, at + 8)))
                            for field, at, to in _elements(file, *inside)
                            if field in (TRACK_TYPE, FLAG_DEFAULT)
                        }
                        # Matroska's default for the flag is to be set.
                        yield _Track(number, fields.get(TRACK_TYPE) == VIDEO, bool(fields.get(FLAG_DEFAULT, 1)))
                return


def _elements(file: BinaryIO, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The elements between two positions: identifier, begin and end of the contents."""
    for _ in range(MOST):
        head = _read(file, position, position + 12)
        if position >= end or len(head) < 2 or not head[0] or not (rest := head[9 - head[0].bit_length() :]):
            return
        length = 9 - head[0].bit_length()
        width = 9 - rest[0].bit_length() if rest[0] else 0
        if not width or len(rest) < width:
            return
        size = int.from_bytes(rest[:width]) & ((1 << 7 * width) - 1)
        begin = position + length + width
        # All ones mean that the size is unknown: the element goes on to the end.
        stop = end if size == (1 << 7 * width) - 1 else min(end, begin + size)
        yield int.from_bytes(head[:length]), begin, stop
        position = stop


def _read(file: BinaryIO, begin: int, end: int) -> bytes:
    file.seek(begin, os.SEEK_SET)
    return file.read(max(0, end - begin))
