"""SourceFrames: the frames of a source, which a codec reads as it encodes them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from fractions import Fraction
from typing import Any

from pytest_vmaf.errors import MeasurementError


class SourceFrames(Iterable[Any]):
    """The frames of a source, as NumPy arrays that belong to the codec. A few of them are in memory at once.

    Each iteration reads all frames from the first on. `list(frames)` or `numpy.stack(list(frames))` has all of them in
    memory.

    Attributes:
        width: In pixels.
        height: In pixels.
        pix_fmt: ffmpeg's name of their layout.
        frame_rate: Frames per second.
    """

    def __init__(
        self, read: Callable[[], Iterator[Any]], width: int, height: int, pix_fmt: str, frame_rate: Fraction
    ) -> None:
        self.width, self.height, self.pix_fmt, self.frame_rate = width, height, pix_fmt, frame_rate
        self._read = read
        self._passes: list[Generator[Any, None, None]] = []
        self._is_closed = False
        #: How many frames were read in the longest iteration.
        self._taken = 0
        #: How many frames there are; None until an iteration came to its end.
        self._count: int | None = None
        self._error: MeasurementError | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._is_closed:
            raise RuntimeError("The frames of the source can be read only while encode() runs.")
        self._passes.append(self._pass())
        return self._passes[-1]

    def __repr__(self) -> str:
        return f"<SourceFrames {self.width}x{self.height} {self.pix_fmt}, {self.frame_rate} frames/s>"

    def _pass(self) -> Generator[Any, None, None]:
        frames, number = self._read(), 0
        try:
            for number, frame in enumerate(frames, 1):
                self._taken = max(self._taken, number)
                yield frame
            self._count = number
        except MeasurementError as error:
            # The codec may catch it.
            self._error = error
            raise
        finally:
            if isinstance(frames, Generator):
                frames.close()


def frames_taken(frames: SourceFrames) -> int:
    """How many frames the codec read so far."""
    return frames._taken


def finish(frames: SourceFrames) -> int | None:
    """End all iterations.

    Returns:
        How many frames the source has; None if no iteration came to its end.

    Raises:
        MeasurementError: If the source could not be read, even if the codec caught that.
    """
    passes, frames._passes, frames._is_closed = frames._passes, [], True
    for each in passes:
        # A thread of the codec may still be reading.
        with contextlib.suppress(ValueError):
            each.close()
    if frames._error is not None:
        raise frames._error
    return frames._count
