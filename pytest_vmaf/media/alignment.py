"""Alignment: at which frames two clips start, by the PSNR of thumbnails. A pure function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import THUMBNAIL
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: How many frames are compared and how far a shift may reach, in frames: at first, and if that is not conclusive. The
#: last is for what begins with many seconds of black or of a title card.
ROUNDS = ((16, 8), (240, 60), (1200, 60))
#: A frame whose neighbours have this PSNR or more, in dB, looks the same wherever it is.
STILL_DB = 45.0
#: If there are so many frames that move, they alone decide: the others match whatever the shift is.
MOVING_FRAMES = 8
#: A shift is accepted if its PSNR is higher than without a shift by this much, in dB.
MARGIN_DB = 3.0
#: Where the picture moves slowly, a shift to later frames is accepted, too, if the pictures are nearer by so large a
#: share of what the reference moves in it, which must be so large a share of what coding leaves. Coarse encodes that
#: repeat pictures resemble a shift to earlier frames, but never this one.
SLOW_GAIN, SLOW_PART = 0.4, 0.1
#: The most that a frame counts for that, in squared levels.
MOST_SQUARED = 64.0
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
        moves: Whether enough frames move.
    """

    offset: int
    certain: bool
    moves: bool = field(default=False, compare=False)


def find_offset(reference: bytes, distorted: bytes, reach: int) -> Alignment:
    """Compare thumbnails of the first frames of both clips.

    A shift is accepted if it raises the mean PSNR of the overlap by at least 3 dB. Frames that are like their
    neighbours, for example black ones, do not count if enough others move.

    Args:
        reference: Pictures of 64x36 8-bit luma, one after the other.
        distorted: As `reference`.
        reach: The largest shift that is tried, in frames, in both directions.
    """
    import numpy as np

    size = THUMBNAIL[0] * THUMBNAIL[1]
    ref = np.frombuffer(reference, np.uint8).reshape(-1, size).astype(np.float32)
    dis = np.frombuffer(distorted, np.uint8).reshape(-1, size).astype(np.float32)

    moves = _moves(ref)
    enough = int(moves.sum()) >= MOVING_FRAMES

    def psnr(shift: int, at: int | None = None) -> float | None:
        """The mean PSNR at a shift, by default, or at another one, of the same frames of the distorted clip."""
        first = max(-shift, 0)
        last = min(len(dis), len(ref) - shift)
        frames = np.arange(first, last)
        if enough:
            # The shift may bring a frame that moves, or take one away.
            frames = frames[moves[frames + shift] | moves[np.minimum(frames, len(ref) - 1)]]
        frames = frames if at is None else frames[(frames + at >= 0) & (frames + at < len(ref))]
        if len(frames) < 4:
            return None
        mse = ((ref[frames + (shift if at is None else at)] - dis[frames]) ** 2).mean(axis=1)
        # Less than rounding to 8 bits leaves, so that the PSNR of identical frames is high, not infinite.
        return float((10 * np.log10(255**2 / np.maximum(mse, 0.25))).mean())

    by_shift = {s: value for s in range(-reach, reach + 1) if (value := psnr(s)) is not None}
    if 0 not in by_shift:
        return Alignment(0, certain=False)
    best = max(by_shift, key=lambda s: (by_shift[s], -abs(s)))
    # The same distorted frames without the shift. Otherwise a shift gains by leaving out bad frames.
    unshifted = psnr(best, at=0) or 0.0
    is_nearer = by_shift[best] >= max(by_shift[0], unshifted) + MARGIN_DB or (
        enough and best > 0 and _is_slow_shift(ref, dis, best)
    )
    if best and by_shift[best] >= FLOOR_DB and is_nearer:
        return Alignment(best, abs(best) < max(by_shift), enough)
    return Alignment(0, enough and by_shift[0] >= FLOOR_DB, enough)


def _is_slow_shift(ref: NDArray[np.float32], dis: NDArray[np.float32], shift: int) -> bool:
    """Whether a shift explains a large share of the difference that little motion makes, whatever the brightness."""
    import numpy as np

    last = min(len(dis), len(ref) - shift)
    own, other, pictures = (
        each - each.mean(axis=1, keepdims=True) for each in (ref[:last], ref[shift : last + shift], dis[:last])
    )
    # No single frame decides, such as the first after a black leader.
    without, shifted, moved = (
        np.minimum(((a - b) ** 2).mean(axis=1), MOST_SQUARED)
        for a, b in ((own, pictures), (other, pictures), (other, own))
    )
    gain, move = float((without - shifted).sum()), float(moved.sum())
    return gain > SLOW_GAIN * move and move > SLOW_PART * float(shifted.sum())


def _moves(pictures: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pictures differ from one of their neighbours."""
    import numpy as np

    changes = (np.diff(pictures, axis=0) ** 2).mean(axis=1) > 255**2 / 10 ** (STILL_DB / 10)
    moves: NDArray[np.bool_] = np.zeros(len(pictures), bool)
    moves[1:] |= changes
    moves[:-1] |= changes
    return moves


def describe_offset(offset: int) -> str:
    """Which clip starts later, in a sentence."""
    frames = plural(abs(offset), "frame")
    if offset > 0:
        return f"alignment: the distorted clip starts {frames} into the reference (by PSNR of the first frames)."
    return f"alignment: the distorted clip has {frames} before the reference's first (by PSNR of the first frames)."


def own_part_remedy(reference: Clip, distorted: Clip) -> str:
    """How to read an encode of a part alone, of which the same part was read once more; "" for other pairs."""
    if not reference.start or distorted.start != reference.start or distorted.frames is None:
        return ""
    own = distorted.spelled(start=0, frames=distorted.frames)
    return f" If the distorted clip is an encode of that part alone, read it from its first frame: {own}."


def offset_remedy(reference: Clip, distorted: Clip, offset: int) -> str:
    """How to compare clips that do not start together, in a sentence."""
    for part, whole, start in ((reference, distorted, -offset), (distorted, reference, offset)):
        if part.frames is not None and not whole.is_part and start > 0:
            return f"Take the same part of both clips: {whole.spelled(start=start, frames=part.frames)}."
    return "Pass align=True (--vmaf-align) to skip the frames only one has."
