"""The masked clip: saliency to weights, and weights to frames between the reference and the distorted clip.

The arithmetic is the contract of vmaf-roi-score: float32, half to even, at the clip's own bit depth. This module needs
numpy; import it where it is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import MaskError, SettingsError
from pytest_vmaf.media.clip import CHROMA_SHIFT, RAW_PIX_FMT

Samples = NDArray[Any]
Alpha = NDArray[np.float32]
#: Y, U and V of one frame.
Planes = tuple[Samples, Samples, Samples]
#: Bytes, a bytearray, a memoryview or an array without gaps (collections.abc.Buffer from Python 3.12 on).
Buffer = bytes | bytearray | memoryview | Samples

#: Samples that are blended at a time, so that what stands between two steps stays in the cache.
BLOCK = 1 << 16
#: The luma weights of red and blue by ffmpeg's name of the matrix (ITU-T H.273 table 4). bt2020c is taken as its
#: non-constant twin: a little off in saturated colours, which a saliency map does not see.
MATRICES = {
    "bt709": (0.2126, 0.0722),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "bt601": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
}
#: Limited range BT.601 with as many digits as vmaf-roi-score has, so that networks see the same picture to the bit:
#: luma, V in red, U in green, V in green, U in blue.
BT601_LIMITED = (1.164383, 1.596027, 0.391762, 0.812968, 2.017232)


@dataclass(frozen=True)
class Layout:
    """How a raw frame lies in memory: planar YUV, little-endian, as ffmpeg's ``rawvideo`` writes it."""

    width: int
    height: int
    #: "420", "422" or "444".
    chroma: str
    #: Bits of a sample.
    depth: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """One byte up to 8 bits, else two, the lower first."""
        return np.dtype(np.uint8 if self.depth == 8 else "<u2")

    @property
    def maximum(self) -> int:
        """The largest value of a sample."""
        return (1 << self.depth) - 1

    @property
    def chroma_width(self) -> int:
        """Samples in a row of U or V; half a sample is a whole one."""
        return -(-self.width >> CHROMA_SHIFT[self.chroma][0])

    @property
    def chroma_height(self) -> int:
        """Rows of U or V; half a row is a whole one."""
        return -(-self.height >> CHROMA_SHIFT[self.chroma][1])

    @property
    def frame_bytes(self) -> int:
        """The size of a frame in bytes."""
        return (self.width * self.height + 2 * self.chroma_width * self.chroma_height) * self.dtype.itemsize


def layout_of(pix_fmt: str, width: int, height: int) -> Layout:
    """The layout of ffmpeg's ``pix_fmt`` at a size in pixels. Raises MaskError for all but planar little-endian YUV."""
    form = RAW_PIX_FMT.fullmatch(pix_fmt)
    if form is None:
        raise MaskError(
            f"The pixel format {pix_fmt!r} cannot be masked: masks are blended into planar YUV, little-endian "
            "(yuv420p, yuv422p, yuv444p and their 10le, 12le, 14le and 16le forms). Convert both clips to one of them."
        )
    if min(width, height) < 1:
        raise MaskError(f"A frame of {width}x{height} pixels cannot be masked; both sides are at least 1.")
    return Layout(width, height, form["chroma"], int(form["depth"] or 8))


def planes_of(frame: Buffer, layout: Layout) -> Planes:
    """Y, U and V of a frame's bytes, as views: written to, if the frame can be. Raises MaskError on another size."""
    content = np.frombuffer(frame, np.uint8)
    if content.size != layout.frame_bytes:
        raise MaskError(
            f"A frame has {content.size} bytes instead of the {layout.frame_bytes} of {layout.width}x{layout.height} "
            f"pixels in {':'.join(layout.chroma)} with {layout.depth} bits; it is cut off, or its size is another."
        )
    samples = content.view(layout.dtype)
    luma, chroma = layout.width * layout.height, layout.chroma_width * layout.chroma_height
    shape = (layout.chroma_height, layout.chroma_width)
    return (
        samples[:luma].reshape(layout.height, layout.width),
        samples[luma : luma + chroma].reshape(shape),
        samples[luma + chroma :].reshape(shape),
    )


def alpha_of(mask: NDArray[np.float32], threshold: float = 0.3, fade: float = 0.1, out: Alpha | None = None) -> Alpha:
    """How much of the distorted clip each pixel shows, 0 to 1: nothing below the threshold, all from threshold + fade.

    ``mask`` is finite saliency [H,W] in [0,1], and may be ``out``, which is written to if given. Without
    a fade the step is hard, the threshold itself is salient.
    Raises SettingsError for a threshold outside [0,1] and a fade that is negative or not finite.
    """
    if not 0 <= threshold <= 1:
        raise SettingsError(f"threshold is {threshold!r}; it is a saliency from 0 to 1.")
    if not (fade >= 0 and math.isfinite(fade)):
        raise SettingsError(f"fade is {fade!r}; it is the width of the soft band above the threshold, 0 or more.")
    low, width = np.float32(threshold), np.float32(fade)
    if width == 0:
        return (mask >= low).astype(np.float32)
    alpha: Alpha = np.subtract(mask, low, out=out, dtype=np.float32)
    with np.errstate(over="ignore"):
        alpha /= width
    return np.clip(alpha, 0, 1, out=alpha)


def coverage(alpha: Alpha) -> float:
    """The share of the picture that is scored: the mean of alpha over luma samples, 0 to 1."""
    return float(alpha.mean(dtype=np.float64))


def nearest(plane: Samples, width: int, height: int) -> Samples:
    """The plane at another size, each sample taken from ``min(i * old // new, old - 1)`` on both axes."""
    if plane.shape == (height, width):
        return plane
    return plane[_nearest_places(plane.shape[0], height)].take(_nearest_places(plane.shape[1], width), axis=1)


def _nearest_places(old: int, new: int) -> NDArray[np.intp]:
    return np.minimum(np.arange(new) * old // new, old - 1)


@dataclass(frozen=True, eq=False)
class Weights:
    """Alpha for the samples of luma and chroma, and boxes (rows, columns) that hold all of it that is above 0.

    Made once for as long as a mask stays the same.
    """

    layout: Layout
    luma: tuple[Alpha, tuple[tuple[slice, slice], ...]]
    chroma: tuple[Alpha, tuple[tuple[slice, slice], ...]]


def weights_of(alpha: Alpha, layout: Layout) -> Weights:
    """The weights for an alpha of the frame's size; chroma takes the nearest luma sample's."""
    chroma = nearest(alpha, layout.chroma_width, layout.chroma_height)
    return Weights(layout, (alpha, _boxes(alpha)), (chroma, _boxes(chroma)))


def _boxes(alpha: Alpha) -> tuple[tuple[slice, slice], ...]:
    """One box for each few rows that keep anything, from the first column that does to the last."""
    step = max(1, BLOCK // alpha.shape[1])
    boxes = []
    for top in range(0, alpha.shape[0], step):
        rows = slice(top, top + step)
        kept = np.flatnonzero(alpha[rows].max(axis=0))
        if kept.size:
            boxes.append((rows, slice(int(kept[0]), int(kept[-1]) + 1)))
    return tuple(boxes)


def blend(reference: Planes, distorted: Planes, weights: Weights, out: Planes) -> None:
    """Write ``rint(reference * (1 - alpha) + distorted * alpha)`` to ``out``, clipped to the bit depth.

    ``out`` may be the reference's planes themselves. Where alpha is 0 that is the reference's sample exactly, as
    float32 holds 16 bits; so only the boxes are computed.
    """
    maximum = weights.layout.maximum
    planes = (weights.luma, weights.chroma, weights.chroma)
    for ref, dis, (alpha, boxes), target in zip(reference, distorted, planes, out, strict=True):
        if target is not ref:
            target[:] = ref
        for block in boxes:
            blended, other = ref[block].astype(np.float32), dis[block].astype(np.float32)
            blended *= 1 - alpha[block]
            other *= alpha[block]
            blended += other
            np.rint(blended, out=blended)
            target[block] = blended
        # Two bytes hold more than 10 or 12 bits, and a damaged clip may.
        if maximum < np.iinfo(target.dtype).max:
            np.minimum(target, maximum, out=target)


def rgb_of(planes: Planes, layout: Layout, matrix: str = "unknown", color_range: str = "tv") -> NDArray[np.uint8]:
    """The frame as 8-bit RGB [H,W,3], as networks see it, chroma by the nearest sample.

    ``matrix`` and ``color_range`` are ffmpeg's names. An unknown matrix is BT.709 for frames of more than 576 lines
    and BT.601 for others, as players take it; an unknown range is "tv" (limited). "bt601" with "tv" is exactly what
    vmaf-roi-score computes. Raises MaskError for what is not YUV by a matrix (RGB, YCgCo, ICtCp).
    """
    if matrix == "unknown":
        matrix = "bt709" if layout.height > 576 else "bt601"
    if matrix not in MATRICES or color_range not in ("tv", "pc", "unknown"):
        raise MaskError(
            f"A clip with the colour matrix {matrix!r} in the range {color_range!r} cannot be shown to a saliency "
            f"network; it reads {', '.join(MATRICES)} in the range tv (limited) or pc (full)."
        )
    full = color_range == "pc"
    gain, *chroma = _factors(matrix, full)
    # From samples to the 8-bit scale; full range is stretched to the last value, limited range is shifted.
    scale = np.float32(layout.maximum / 255 if full else 1 << (layout.depth - 8))
    centre, black = np.float32(1 << (layout.depth - 1)), np.float32(0 if full else 16 << (layout.depth - 8))
    blue, red = (plane.astype(np.float32) - centre for plane in planes[1:])
    parts = [factor * plane for factor, plane in zip(chroma, (red, blue, red, blue), strict=True)]
    down, across = _nearest_places(red.shape[0], layout.height), _nearest_places(red.shape[1], layout.width)
    rgb = np.empty((layout.height, layout.width, 3), np.uint8)
    step = max(1, BLOCK // layout.width)
    for top in range(0, layout.height, step):
        rows = slice(top, top + step)
        in_red, blue_in_green, red_in_green, in_blue = (part[down[rows]].take(across, axis=1) for part in parts)
        luma = (planes[0][rows].astype(np.float32) - black) * gain
        # The order of the terms is vmaf-roi-score's: sums of float32 depend on it.
        for index, channel in enumerate((luma + in_red, luma - blue_in_green - red_in_green, luma + in_blue)):
            channel /= scale
            rgb[rows, :, index] = np.clip(np.rint(channel, out=channel), 0, 255, out=channel)
    return rgb


def _factors(matrix: str, full: bool) -> list[np.float32]:
    """The factors of luma, and of chroma: V in red, U in green, V in green, U in blue (ITU-R BT.709 section 3)."""
    red, blue = MATRICES[matrix]
    if (red, blue) == MATRICES["bt601"] and not full:
        gain, in_red, blue_in_green, red_in_green, in_blue = BT601_LIMITED
    else:
        gain, swing, green = (1.0, 1.0, 1 - red - blue) if full else (255 / 219, 255 / 224, 1 - red - blue)
        in_red, in_blue = 2 * (1 - red) * swing, 2 * (1 - blue) * swing
        blue_in_green, red_in_green = in_blue * blue / green, in_red * red / green
    return [np.float32(factor) for factor in (gain, in_red, blue_in_green, red_in_green, in_blue)]


def upsample(
    mask: NDArray[np.float32], width: int, height: int, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The mask at another size: bilinear between the samples' centres, the edges held. A constant stays what it is.

    Written to ``out`` where that is given, a float32 array [height,width].
    """
    (top, down), (left, across) = _places(mask.shape[0], height), _places(mask.shape[1], width)
    # Along the rows first, while they are few.
    near, far = mask[:, left], mask[:, np.minimum(left + 1, mask.shape[1] - 1)]
    # Those two lie in memory column by column, and rows are read now.
    wide = np.ascontiguousarray(near + (far - near) * across)
    out = np.empty((height, width), np.float32) if out is None else out
    # All rows between the same two rows of the mask at once.
    starts = np.flatnonzero(np.diff(top, prepend=-1))
    for begin, end in zip(starts, (*starts[1:], height), strict=True):
        upper = wide[top[begin]]
        step = wide[min(top[begin] + 1, len(wide) - 1)] - upper
        np.multiply(down[begin:end, None], step, out=out[begin:end])
        out[begin:end] += upper
    return out


def _places(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each new sample the old one before its centre, and how far on to the next it lies, 0 to 1."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    before = centres.astype(np.intp)
    return before, (centres - before).astype(np.float32)


def pad(picture: Samples, multiple: int) -> Samples:
    """A picture [H,W,...] whose sides are multiples, its last row and column repeated. The top left is the picture."""
    height, width = picture.shape[:2]
    below, beside = -height % multiple, -width % multiple
    if not below and not beside:
        return picture
    return np.pad(picture, ((0, below), (0, beside), *((0, 0),) * (picture.ndim - 2)), mode="edge")
