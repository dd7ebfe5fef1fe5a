"""Windows of frames: where they begin, and how their values become one for each frame. No input or output."""

from __future__ import annotations

from collections.abc import Sequence


def window_starts(total: int, frames: int, stride: int) -> tuple[int, ...]:
    """The first frames of the windows of a clip of `total` frames. The last window ends with the clip."""
    if total < frames:
        return ()
    starts = list(range(0, total - frames + 1, stride))
    if starts[-1] != total - frames:
        starts.append(total - frames)
    return tuple(starts)


def spread(values: Sequence[Sequence[float]], starts: Sequence[int], frames: int, total: int) -> tuple[float, ...]:
    """One value for each frame: the mean of the windows that contain it, else that of the window before it.

    Args:
        values: For each window one value, or one for each of its frames.
        starts: The first frame of each window, in order.
        frames: The frames of a window.
        total: The frames of the clip.
    """
    sums, counts = [0.0] * total, [0] * total
    for start, numbers in zip(starts, values, strict=True):
        for place in range(frames):
            sums[start + place] += numbers[place] if len(numbers) > 1 else numbers[0]
            counts[start + place] += 1
    result: list[float] = []
    for total_of_frame, count in zip(sums, counts, strict=True):
        # The first window begins with the clip, so a frame without one has a frame before it.
        result.append(total_of_frame / count if count else result[-1])
    return tuple(result)
