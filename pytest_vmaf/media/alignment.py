"""Whether two clips start at the same frame, found by PSNR on small early frames. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vmaf.media.inspect import THUMBNAIL

#: How many frames are looked at and how far a shift may reach, in frames: first, and where that does not settle it.
LOOKS = ((16, 8), (240, 60))
#: By how much, in dB, a shift must beat no shift to be believed.
MARGIN_DB = 3.0
#: Below this PSNR, in dB, two pictures are not the same one, however badly encoded.
FLOOR_DB = 24.0


@dataclass(frozen=True)
class Alignment:
    """``offset``: the distorted clip's frame 0 shows the reference's frame ``offset`` (negative: it starts late).

    ``certain`` is False where more frames may tell more: nothing moved, nothing fitted, or the best offset is the
    largest that was tried.
    """

    offset: int
    certain: bool


def find_offset(reference: bytes, distorted: bytes, reach: int) -> Alignment:
    """Compare thumbnails (64x36 8-bit luma, one after the other) of the first frames of both clips.

    Shifts of up to ``reach`` frames either way are tried. One is believed when it raises the mean PSNR of the overlap
    by at least 3 dB over no shift.
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
        # 0.25 is below what rounding to 8 bits leaves, so that identical frames count as very like, not infinitely.
        return float((10 * np.log10(255**2 / np.maximum(mse, 0.25))).mean())

    by_shift = {s: value for s in range(-reach, reach + 1) if (value := psnr(ref, dis, s)) is not None}
    if 0 not in by_shift:
        return Alignment(0, certain=False)

    def unshifted(shift: int) -> float:
        # The same distorted frames without the shift: else bad frames that a shift leaves out make it look good.
        first, overlap = max(-shift, 0), min(len(ref) - max(shift, 0), len(dis) - max(-shift, 0))
        return psnr(ref[first : first + overlap], dis[first : first + overlap], 0) or 0.0

    best = max(by_shift, key=lambda s: (by_shift[s], -abs(s)))
    if best and by_shift[best] >= max(by_shift[0] + MARGIN_DB, unshifted(best) + MARGIN_DB, FLOOR_DB):
        return Alignment(best, certain=abs(best) < max(by_shift))
    moves = any((psnr(ref, ref, s) or 99.0) < 45.0 for s in by_shift if s)
    return Alignment(0, certain=moves and by_shift[0] >= FLOOR_DB)
