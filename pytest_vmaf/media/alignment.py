"""Alignment: at which frames two clips start, by the PSNR of thumbnails. A pure function."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vmaf.media.inspect import THUMBNAIL

#: How many frames are compared and how far a shift may reach, in frames: at first, and if that is not conclusive.
ROUNDS = ((16, 8), (240, 60))
#: A shift is accepted if its PSNR is higher than without a shift by this much, in dB.
MARGIN_DB = 3.0
#: Below this PSNR, in dB, two pictures are different pictures, and not one that was encoded badly.
FLOOR_DB = 24.0


@dataclass(frozen=True)
class Alignment:
    """Where two clips start.

    Attributes:
        offset: Frame 0 of the distorted clip shows this frame of the reference. If it is negative, the distorted clip
            has frames before the reference's first.
        certain: False if more frames may change the result: nothing moved, nothing matched, or the best offset is the
            largest that was tried.
    """

    offset: int
    certain: bool


def find_offset(reference: bytes, distorted: bytes, reach: int) -> Alignment:
    """Compare thumbnails of the first frames of both clips.

    A shift is accepted if it raises the mean PSNR of the overlap by at least 3 dB.

    Args:
        reference: Pictures of 64x36 8-bit luma, one after the other.
        distorted: As `reference`.
        reach: The largest shift that is tried, in frames, in both directions.
    """
    import numpy as np

    size = THUMBNAIL[0] * THUMBNAIL[1]
    ref = np.frombuffer(reference, np.uint8).reshape(-1, size).astype(np.float32)
    dis = np.frombuffer(distorted, np.uint8).reshape(-1, size).astype(np.float32)

    def psnr(a: np.ndarray, b: np.ndarray, shift: int) -> float | None:
        a, b = a[max(shift, 0) :], b[max(-shift, 0) :]
        overlap = min(len(a), len(b))
        if overlap < 4:
            return None
        mse = ((a[:overlap] - b[:overlap]) ** 2).mean(axis=1)
        # Less than rounding to 8 bits leaves, so that the PSNR of identical frames is high, not infinite.
        return float((10 * np.log10(255**2 / np.maximum(mse, 0.25))).mean())

    by_shift = {s: value for s in range(-reach, reach + 1) if (value := psnr(ref, dis, s)) is not None}
    if 0 not in by_shift:
        return Alignment(0, certain=False)

    def unshifted(shift: int) -> float:
        # The same distorted frames without the shift. Otherwise a shift gains by leaving out bad frames.
        first, overlap = max(-shift, 0), min(len(ref) - max(shift, 0), len(dis) - max(-shift, 0))
        return psnr(ref[first : first + overlap], dis[first : first + overlap], 0) or 0.0

    best = max(by_shift, key=lambda s: (by_shift[s], -abs(s)))
    if best and by_shift[best] >= max(by_shift[0] + MARGIN_DB, unshifted(best) + MARGIN_DB, FLOOR_DB):
        return Alignment(best, certain=abs(best) < max(by_shift))
    moves = any((psnr(ref, ref, s) or 99.0) < 45.0 for s in by_shift if s)
    return Alignment(0, certain=moves and by_shift[0] >= FLOOR_DB)
