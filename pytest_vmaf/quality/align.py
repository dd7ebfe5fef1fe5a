"""Whether two clips start at the same frame, found by PSNR on small early frames. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vmaf.quality.ffmpeg import THUMBNAIL

#: The largest offset looked for, in frames either way.
MAX_OFFSET = 8
#: How many frames are looked at, first and, where nothing moves in those, second.
LOOKS = (16, 240)
#: By how much, in dB, a shift must beat no shift to be believed.
MARGIN_DB = 3.0
#: A shift whose PSNR is lower than this, in dB, pairs pictures that are not the same.
FLOOR_DB = 24.0


@dataclass(frozen=True)
class Alignment:
    """``offset``: the distorted clip's frame 0 shows the reference's frame ``offset`` (negative: it starts late).

    ``certain`` is False when nothing moved in the frames looked at, so that every offset looks alike.
    """

    offset: int
    certain: bool


def find_offset(reference: bytes, distorted: bytes) -> Alignment:
    """Compare thumbnails (64x36 8-bit luma, one after the other) of the first frames of both clips.

    An offset is believed when it raises the mean PSNR of the overlap by at least 3 dB over no offset.
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

    shifts = [s for s in range(-MAX_OFFSET, MAX_OFFSET + 1) if psnr(ref, dis, s) is not None]
    if 0 not in shifts:
        return Alignment(0, certain=False)
    by_shift = {s: psnr(ref, dis, s) or 0.0 for s in shifts}
    best = max(shifts, key=lambda s: (by_shift[s], -abs(s)))
    moves = any((psnr(ref, ref, s) or 99.0) < 45.0 for s in shifts if s)
    if best and by_shift[best] >= max(by_shift[0] + MARGIN_DB, FLOOR_DB):
        return Alignment(best, certain=True)
    return Alignment(0, certain=moves)
