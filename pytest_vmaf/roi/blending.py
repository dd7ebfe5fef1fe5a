"""Sample arithmetic: frame layouts, blend weights, blended frames, RGB conversion.

The arithmetic is that of vmaf-roi-score: float32, rounded half to even, at the bit depth of the clip. This module
needs numpy; import it where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import MaskError
from pytest_vmaf.media.pixel_formats import CHROMA_SHIFT, PLANAR_YUV
from pytest_vmaf.roi.resample import nearest, nearest_indices

Samples = NDArray[np.integer[Any]]
Alpha = NDArray[np.float32]
#: Y, U and V of one frame.
Planes = tuple[Samples, Samples, Samples]
#: Rectangles of an array (rows, columns).
Blocks = tuple[tuple[slice, slice], ...]
#: Bytes, a bytearray, a memoryview or a contiguous array (collections.abc.Buffer from Python 3.12 on).
Buffer = bytes | bytearray | memoryview | NDArray[Any]

#: Samples blended at a time, so that intermediate results stay in the processor's cache.
BLOCK = 1 << 16
#: The luma weights of red and blue by ffmpeg's name of the matrix (ITU-T H.273 table 4). bt2020c is read as bt2020nc,
#: which is slightly off in saturated colours; a saliency map does not show it.
MATRICES = {
    "bt709": (0.2126, 0.0722),
    **dict.fromkeys(("bt470bg", "smpte170m", "bt601"), (0.299, 0.114)),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    **dict.fromkeys(("bt2020nc", "bt2020c"), (0.2627, 0.0593)),
}
#: Limited range BT.601 with the digits of vmaf-roi-score, so that networks get the same picture bit by bit:
#: luma, V in red, U in green, V in green, U in blue.
BT601_LIMITED = (1.164383, 1.596027, 0.391762, 0.812968, 2.017232)


@dataclass(frozen=True)
class Layout:
    """A raw frame in memory: planar YUV, little-endian, as ffmpeg's `rawvideo` writes it.

    Attributes:
        width: Pixels in a row.
        height: Rows.
        chroma: Chroma subsampling: "420", "422" or "444".
        depth: Bits of a sample. Samples of more than 8 bits take two bytes.
    """

    width: int
    height: int
    chroma: str
    depth: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a sample."""
        return np.dtype(np.uint8 if self.depth == 8 else "<u2")

    @property
    def maximum(self) -> int:
        """The largest value of a sample."""
        return (1 << self.depth) - 1

    @property
    def chroma_width(self) -> int:
        """Samples in a row of U or V, rounded up."""
        return -(-self.width >> CHROMA_SHIFT[self.chroma][0])

    @property
    def chroma_height(self) -> int:
        """Rows of U or V, rounded up."""
        return -(-self.height >> CHROMA_SHIFT[self.chroma][1])

    @property
    def frame_bytes(self) -> int:
        """The size of a frame in bytes."""
        return (self.width * self.height + 2 * self.chroma_width * self.chroma_height) * self.dtype.itemsize


def layout_of(pix_fmt: str, width: int, height: int) -> Layout:
    """The layout of frames in one of ffmpeg's pixel formats.

    Raises:
        MaskError: If the format is not planar little-endian YUV, or a side is below 1.
    """
    form = PLANAR_YUV.fullmatch(pix_fmt)
    if form is None:
        raise MaskError(
            f"The pixel format {pix_fmt!r} cannot be masked: it must be planar little-endian YUV (yuv420p, yuv422p, "
            "yuv444p or one of their 10le, 12le, 14le and 16le forms). Convert both clips to one of these."
        )
    if min(width, height) < 1:
        raise MaskError(f"The sides of a frame must be at least 1 pixel, not {width}x{height}.")
    return Layout(width, height, form["chroma"], int(form["depth"] or 8))


def planes_of(frame: Buffer, layout: Layout) -> Planes:
    """Y, U and V of a frame as views of its bytes; writable if the frame is.

    Raises:
        MaskError: If the frame has another size than the layout.
    """
    content = np.frombuffer(frame, np.uint8)
    if content.size != layout.frame_bytes:
        raise MaskError(
            f"A frame of {layout.width}x{layout.height} pixels in {':'.join(layout.chroma)} with {layout.depth} bits "
            f"must have {layout.frame_bytes} bytes, not {content.size}. The clip is truncated, or its size differs."
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
    """The weight of the distorted clip in each pixel: clip((mask − threshold) / fade, 0, 1).

    Args:
        mask: Saliency [H,W], finite and within 0 to 1. May be the same array as `out`.
        threshold: The saliency up to which the weight is 0, within 0 to 1.
        fade: The weight is 1 from `threshold + fade` on, 0 or more. With a fade of 0 it is 1 from the threshold itself
            on.
        out: The array to write to, if there is a fade.
    """
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


@dataclass(frozen=True, eq=False)
class Weights:
    """Alpha for the luma and the chroma samples of a frame, reusable while the mask stays the same.

    Attributes:
        layout: The frame's layout.
        luma: Alpha of the luma samples, and blocks that contain all of it that is above 0.
        chroma: The same for U and V.
    """

    layout: Layout
    luma: tuple[Alpha, Blocks]
    chroma: tuple[Alpha, Blocks]


def weights_of(alpha: Alpha, layout: Layout) -> Weights:
    """The weights of an alpha [H,W] of the frame's size; chroma takes the nearest luma sample."""
    chroma = nearest(alpha, layout.chroma_width, layout.chroma_height)
    return Weights(layout, (alpha, _blocks(alpha)), (chroma, _blocks(chroma)))


def _blocks(alpha: Alpha) -> Blocks:
    """One block for every few rows with an alpha above 0, from the first such column to the last."""
    step = max(1, BLOCK // alpha.shape[1])
    blocks = []
    for top in range(0, alpha.shape[0], step):
        rows = slice(top, top + step)
        columns = np.flatnonzero(alpha[rows].max(axis=0))
        if columns.size:
            blocks.append((rows, slice(int(columns[0]), int(columns[-1]) + 1)))
    return tuple(blocks)


def blend(reference: Planes, distorted: Planes, weights: Weights, out: Planes) -> None:
    """Write `rint(reference * (1 - alpha) + distorted * alpha)` to `out`, clipped to the bit depth.

    Where alpha is 0 the result is exactly the reference's sample, since float32 represents 16 bits exactly. Therefore
    only blocks with an alpha above 0 are computed.

    Args:
        reference: Y, U and V of the reference.
        distorted: Y, U and V of the distorted clip.
        weights: The weight of the distorted clip in each sample.
        out: The planes to write to; they may be the reference's own.
    """
    maximum = weights.layout.maximum
    planes = (weights.luma, weights.chroma, weights.chroma)
    for ref, dis, (alpha, blocks), target in zip(reference, distorted, planes, out, strict=True):
        if target is not ref:
            target[:] = ref
        for block in blocks:
            blended, other = ref[block].astype(np.float32), dis[block].astype(np.float32)
            blended *= 1 - alpha[block]
            other *= alpha[block]
            blended += other
            np.rint(blended, out=blended)
            target[block] = blended
        # Two bytes can hold more than 10 or 12 bits, and in a damaged clip they may.
        if maximum < np.iinfo(target.dtype).max:
            np.minimum(target, maximum, out=target)


def rgb_of(planes: Planes, layout: Layout, matrix: str = "unknown", color_range: str = "tv") -> NDArray[np.uint8]:
    """Convert a frame to 8-bit RGB [H,W,3] for a network, with chroma by the nearest sample.

    Args:
        planes: Y, U and V.
        layout: Their layout.
        matrix: ffmpeg's name of the colour matrix. An unknown one is BT.709 for frames of more than 576 lines and
            BT.601 for others, as in players. "bt601" with "tv" is exactly what vmaf-roi-score computes.
        color_range: "tv" (limited), "pc" (full) or "unknown", which is read as limited.

    Raises:
        MaskError: If the matrix is not one of YUV (RGB, YCgCo, ICtCp), or the range is unknown.
    """
    if matrix == "unknown":
        matrix = "bt709" if layout.height > 576 else "bt601"
    if matrix not in MATRICES or color_range not in ("tv", "pc", "unknown"):
        raise MaskError(
            f"A saliency network cannot read the colour matrix {matrix!r} in the range {color_range!r}. The matrix "
            f"must be one of {', '.join(MATRICES)}, and the range tv (limited) or pc (full)."
        )
    full = color_range == "pc"
    gain, *chroma = _factors(matrix, full)
    # From samples to the 8-bit scale: full range is stretched to the largest value, limited range is shifted.
    scale = np.float32(layout.maximum / 255 if full else 1 << (layout.depth - 8))
    centre, black = np.float32(1 << (layout.depth - 1)), np.float32(0 if full else 16 << (layout.depth - 8))
    blue, red = (plane.astype(np.float32) - centre for plane in planes[1:])
    parts = [factor * plane for factor, plane in zip(chroma, (red, blue, red, blue), strict=True)]
    down, across = nearest_indices(red.shape[0], layout.height), nearest_indices(red.shape[1], layout.width)
    rgb = np.empty((layout.height, layout.width, 3), np.uint8)
    step = max(1, BLOCK // layout.width)
    for top in range(0, layout.height, step):
        rows = slice(top, top + step)
        in_red, blue_in_green, red_in_green, in_blue = (part[down[rows]].take(across, axis=1) for part in parts)
        luma = (planes[0][rows].astype(np.float32) - black) * gain
        # The order of the terms is that of vmaf-roi-score: float32 sums depend on it.
        for index, channel in enumerate((luma + in_red, luma - blue_in_green - red_in_green, luma + in_blue)):
            channel /= scale
            rgb[rows, :, index] = np.clip(np.rint(channel, out=channel), 0, 255, out=channel)
    return rgb


def _factors(matrix: str, full: bool) -> list[np.float32]:
    """The factors of luma, V in red, U in green, V in green, U in blue (ITU-R BT.709 section 3)."""
    red, blue = MATRICES[matrix]
    gain, swing = (1.0, 1.0) if full else (255 / 219, 255 / 224)
    in_red, in_blue, green = 2 * (1 - red) * swing, 2 * (1 - blue) * swing, 1 - red - blue
    factors = (gain, in_red, in_blue * blue / green, in_red * red / green, in_blue)
    is_601 = (red, blue) == MATRICES["bt601"] and not full
    return [np.float32(factor) for factor in (BT601_LIMITED if is_601 else factors)]
