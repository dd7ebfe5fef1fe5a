"""Resampling of planes, masks and pictures: nearest sample, bilinear, padding.

This module needs numpy; import it where it is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Samples computed at a time, so that intermediate results stay in the processor's cache.
SAMPLES = 1 << 16


def nearest(plane: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Resize a plane by taking sample `min(i * old // new, old - 1)` on both axes."""
    if plane.shape == (height, width):
        return plane
    if plane.shape == (2 * height, 2 * width):
        # The same samples, without looking up each.
        return plane[::2, ::2].copy()
    return plane[nearest_indices(plane.shape[0], height)].take(nearest_indices(plane.shape[1], width), axis=1)


def nearest_indices(old: int, new: int) -> NDArray[np.intp]:
    """The old index for each of `new` samples of a row or a column of `old`."""
    return np.minimum(np.arange(new) * old // new, old - 1)


def upsample(
    mask: NDArray[np.float32], width: int, height: int, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Resize a mask bilinearly between the centres of its samples, with its edges repeated. Constants stay exact.

    Args:
        mask: The mask [H,W].
        width: Columns of the result.
        height: Rows of the result.
        out: A float32 array [height,width] to write to.
    """
    (top, down), (first, across) = _places(mask.shape[0], height), _places(mask.shape[1], width)
    # Along the rows first, while there are few of them.
    near, far = mask[:, first], mask[:, np.minimum(first + 1, mask.shape[1] - 1)]
    # Indexing by columns gives arrays in column order, and the rest reads rows.
    wide = np.ascontiguousarray(near + (far - near) * across)
    out = np.empty((height, width), np.float32) if out is None else out
    steps = np.diff(wide, axis=0, append=wide[-1:])
    count = max(1, SAMPLES // width)
    for begin in range(0, height, count):
        rows = slice(begin, begin + count)
        np.multiply(down[rows, None], steps.take(top[rows], axis=0), out=out[rows])
        out[rows] += wide.take(top[rows], axis=0)
    return out


def _places(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each new sample the old one before its centre, and its distance from that one, 0 to 1."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    before = centres.astype(np.intp)
    return before, (centres - before).astype(np.float32)


def pad(picture: NDArray[Any], multiple: int) -> NDArray[Any]:
    """Pad a picture [H,W,...] at the bottom and right to multiples, repeating its last row and column."""
    height, width = picture.shape[:2]
    below, beside = -height % multiple, -width % multiple
    if not below and not beside:
        return picture
    return np.pad(picture, ((0, below), (0, beside), *((0, 0),) * (picture.ndim - 2)), mode="edge")
