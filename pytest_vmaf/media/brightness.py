"""Brightness of a pair: which range its samples have where tags are missing, or contradict the pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_vmaf.media.inspect import THUMBNAIL, Video
from pytest_vmaf.media.pixel_formats import MATRIX_OPTIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A tag is doubted if the pictures differ by at least this mean square in 8-bit levels, while in another range they
#: differ by less, and this many times less. A wrong range makes 4 to 300, and then the right one fits as encodes do, by
#: 0.1 to 3. The coarsest encodes differ by 50, and no other range fits them.
DIFFERENCE, TIMES_BETTER = 3.0, 6.0


def with_same_luma(ref: Video, dis: Video, look: Callable[..., Video]) -> tuple[Video, Video]:
    """Both clips; if only one is RGB, its thumbnails are made by the matrix of the other.

    Args:
        ref: The reference.
        dis: The distorted clip.
        look: `inspect` for a clip, with `luma`.
    """
    by_601 = MATRIX_OPTIONS["smpte170m"], MATRIX_OPTIONS["bt470bg"]
    lumas = [
        MATRIX_OPTIONS.get(other.matrix, by_601[0]) if (video.format.kind, other.format.kind) == ("rgb", "yuv") else ""
        for video, other in ((ref, dis), (dis, ref))
    ]
    first, second = (
        look(video.clip, luma=luma) if luma and luma not in by_601 else video
        for video, luma in zip((ref, dis), lumas, strict=True)
    )
    return first, second


def quantiles(levels: bytes) -> NDArray[np.float64]:
    """The 256 quantiles of 8-bit levels, evenly spaced and interpolated: those of `numpy.quantile`, by counting."""
    import numpy as np

    places = np.linspace(0, 1, 256) * (len(levels) - 1)
    before = np.floor(places).astype(int)
    counts = np.cumsum(np.bincount(np.frombuffer(levels, np.uint8), minlength=256))
    low, high = (counts.searchsorted(np.minimum(each, len(levels) - 1), side="right") for each in (before, before + 1))
    spread: NDArray[np.float64] = low + (high - low) * (places - before)
    return spread


@dataclass(frozen=True)
class Brightness:
    """How far the brightnesses of two clips are apart, if the range of the distorted clip is changed.

    The same pictures have the same brightnesses, whatever happens to their details. They are compared as thumbnails in
    full range, sorted.

    Attributes:
        as_tagged: The mean square of the differences.
        expanded: The same after the distorted clip's levels are expanded from limited to full range.
        squeezed: The same after they are squeezed from full to limited range.
    """

    as_tagged: float
    expanded: float
    squeezed: float

    @classmethod
    def of(cls, ref: Video, dis: Video, offset: int = 0) -> Brightness:
        """Measure the frames that both clips have, if frame 0 of `dis` shows frame `offset` of `ref`."""
        size = THUMBNAIL[0] * THUMBNAIL[1]
        first, second = ref.thumbnails[max(offset, 0) * size :], dis.thumbnails[max(-offset, 0) * size :]
        if not (length := min(len(first), len(second))):
            return cls(0.0, 0.0, 0.0)
        import numpy as np

        a, b = (quantiles(levels[:length]) for levels in (first, second))
        limited = np.clip((b - 16) * 255 / 219, 0, 255)
        return cls(*(float(((a - other) ** 2).mean()) for other in (b, limited, b * 219 / 255 + 16)))

    def contradiction(self) -> str:
        """How the distorted clip differs from the reference if only its range is wrong, in words; otherwise ""."""
        best = min(self.expanded, self.squeezed)
        if not best < DIFFERENCE <= self.as_tagged or best * TIMES_BETTER > self.as_tagged:
            return ""
        return "squeezed from full to limited range" if self.expanded < self.squeezed else "expanded to full range"

    def ranges(self, ref: Video, dis: Video) -> tuple[str, str]:
        """The ranges of both clips, "tv" or "pc": by their tags, or as assumed without.

        YUV without a tag is limited range. Some writers fill grey without a tag with limited range and some with full
        range, so the other clip tells which it is.
        """
        ranges = [_stated(video) for video in (ref, dis)]
        if ranges[0] is None:
            # Its levels were not expanded. Squeezing the other's is the same comparison.
            ranges[0] = (ranges[1] if dis.format.kind == "grey" else None) or self._nearer(self.squeezed)
        if ranges[1] is None:
            ranges[1] = ranges[0] if ref.format.kind == "grey" else self._nearer(self.expanded)
        first, second = (each or "pc" for each in ranges)
        return first, second

    def _nearer(self, if_limited: float) -> str:
        return "tv" if if_limited < self.as_tagged else "pc"


def _stated(video: Video) -> str | None:
    if video.color_range in ("tv", "pc"):
        return video.color_range
    return {"yuv": "tv", "rgb": "pc", "grey": None}[video.format.kind]
