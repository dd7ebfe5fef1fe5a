"""The protocols of metrics that plugins implement: `Metric`, `ClipMetric`, and what a `ClipMetric` reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, SupportsFloat, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

#: A picture: float32, [H,W,3] for `colour = "rgb"`, [H,W] for `colour = "luma"`; of a metric with `frames = T`, T of
#: them in one array with another axis in front.
Pictures: TypeAlias = "NDArray[np.float32]"
#: What a metric returns: one number, or several in order.
Values: TypeAlias = "SupportsFloat | Sequence[float] | NDArray[np.floating[Any]]"


class Metric(Protocol):
    """A metric that compares pictures, or windows of pictures, of the reference and of the distorted clip.

    Two attributes and a method are required. A metric may also have these attributes:

    - `label`: the name in sentences and tables; by default `name`.
    - `unit`: the unit of its values, for example `"dB"`; by default none.
    - `range`: the lowest and the highest value that are possible, None for no bound: `(0, 1)`. A value outside is an
      error.
    - `colour`: `"rgb"` (the default) or `"luma"`.
    - `frames`: how many frames `measure` gets at a time; 1 by default. With T frames, its arguments are [T,H,W,3].
    - `stride`: the distance between the first frames of two windows; by default `frames`. The last window ends with the
      clip.
    - `version`: a text that changes when the values do. Only the values of a metric that has one are cached.

    Pictures are float32 with the precision of the clip's bit depth; black is 0 and white is 1. RGB is made with the
    clip's matrix, or with BT.709 if the clip names none, and is clipped to that range. Luma is not clipped. Pictures
    have passed through the same filters as for scoring. `measure` gets new arrays in each call, which it may change.
    Two threads never call it at once.
    """

    @property
    def name(self) -> str:
        """The name in gates, results and reports: lowercase letters, digits and underscores."""

    @property
    def direction(self) -> str:
        """Which value is better: "higher" or "lower"."""

    def measure(self, reference: Pictures, distorted: Pictures, /) -> Values:
        """Compare a picture, or a window of T pictures, of both clips.

        Returns:
            A number. For a window, either one number, or T numbers, one for each frame. A frame in several windows gets
            the mean.
        """


class ClipMetric(Protocol):
    """A metric that compares complete clips. It may have the attributes of `Metric`, except `frames` and `stride`."""

    @property
    def name(self) -> str:
        """The name in gates, results and reports."""

    @property
    def direction(self) -> str:
        """Which value is better: "higher" or "lower"."""

    def measure_clip(self, pairs: FramePairs, /) -> Values:
        """Compare two clips, frame by frame as `pairs` yields them.

        Returns:
            One number for the clip, which every frame gets, or one for each frame.
        """


class FramePairs(Protocol):
    """The frames of both clips. They can be iterated over once: each element is (reference, distorted)."""

    @property
    def frames(self) -> int:
        """How many pairs there are."""

    @property
    def width(self) -> int:
        """The width of each picture in pixels."""

    @property
    def height(self) -> int:
        """The height of each picture in pixels."""

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames per second, None if it is unknown."""

    def __iter__(self) -> Iterator[tuple[Pictures, Pictures]]:
        """The pairs, one after the other."""


#: What `metrics=` may contain: a metric, the name of one, or the path of an ONNX file.
MetricLike: TypeAlias = Metric | ClipMetric | str | os.PathLike[str]
