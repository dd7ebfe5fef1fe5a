"""Groups of pictures: where decoding can start, how far apart, and what needs earlier frames."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple

from pytest_vmaf.bitstream.header import Picture


class Gop(NamedTuple):
    """Frames without a key frame between them.

    Attributes:
        frame: The first frame, in the order in which frames are shown.
        frames: How many they are, up to the next key frame or the end.
    """

    frame: int
    frames: int


class OpenGop(NamedTuple):
    """A group of pictures with frames that need others from before its key frame.

    Attributes:
        frame: The key frame, in the order in which frames are shown; 0 if the stream begins without one.
        packet: The index of its packet.
        why: Why it is open.
    """

    frame: int
    packet: int
    why: str


class GopReader:
    """Receives the pictures of a stream in the order in which they are decoded."""

    def __init__(self) -> None:
        self.frames = 0
        self._packets = 0
        self._keys, self._leading, self._key_packets = array("q"), array("q"), array("q")
        self._open: int | None = None
        self._begins_with_key = False

    def add(self, picture: Picture) -> None:
        """Add the picture of the next packet."""
        if picture.is_key:
            self._begins_with_key |= self._packets == 0
            self._keys.append(self.frames)
            self._leading.append(0)
            self._key_packets.append(self._packets)
        elif picture.is_leading and self._keys:
            self._leading[-1] += 1
        if picture.needs_earlier and self._open is None and self._keys:
            self._open = len(self._keys) - 1
        self.frames += picture.is_shown
        self._packets += 1

    @property
    def key_frames(self) -> array[int]:
        """The key frames, in the order in which frames are shown. Leading frames are shown before theirs."""
        return array("q", (key + leading for key, leading in zip(self._keys, self._leading, strict=True)))

    @property
    def open_gop(self) -> OpenGop | None:
        """The first open group, or None."""
        if not self._begins_with_key:
            return OpenGop(0, 0, "the stream does not begin with a key frame")
        if self._open is None:
            return None
        place = self._open
        frame, packet, leading = (
            self._keys[place] + self._leading[place],
            self._key_packets[place],
            self._leading[place],
        )
        if leading:
            return OpenGop(
                frame, packet, f"{leading} frame{'s' if leading > 1 else ''} before it can need earlier ones"
            )
        return OpenGop(frame, packet, "the key frame is decoded before frames that are shown earlier")


def longest_gop(keys: Iterable[int], frames: int) -> Gop:
    """The longest run from one key frame to the next, from the beginning to the first, or from the last to the end."""
    return max(_runs(keys, frames), key=lambda gop: gop.frames, default=Gop(0, frames))


def _runs(keys: Iterable[int], frames: int) -> Iterator[Gop]:
    for begin, end in pairwise(chain((0,), keys, (frames,))):
        if end > begin:
            yield Gop(begin, end - begin)
