"""The ffmpeg filters that crop each frame to a region."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from pytest_vmaf.roi.regions import Region


def crop_filter(region: Region, start: int = 0, pix_fmt: str = "yuv420p") -> str:
    """The ffmpeg filters that crop each frame to the region; their frame n shows box `start + n`."""
    corners = region.boxes[start:] or region.boxes[-1:] or ((region.x, region.y),)
    across, down = ([corner[axis] for corner in corners] for axis in (0, 1))
    w, h = region.size
    form = re.fullmatch(r"yuv42([02])p\d+le", pix_fmt)
    if form is None or not any(x % 2 for x in across):
        # Quoted, since an unquoted comma ends a filter.
        x, y = (f"'{each}'" if "," in each else each for each in map(_steps, (across, down)))
        # Without exact=1, ffmpeg rounds odd numbers where chroma is subsampled.
        return f"crop={w}:{h}:x={x}:y={y}:exact=1"
    # From an odd x on, crop reads chroma of two bytes a sample from between two samples. So the area of all boxes is
    # cropped from an even x on, and each plane is moved within that.
    left, top, half = min(across) // 2 * 2, min(down) // 2 * 2, 2 if form[1] == "0" else 1
    luma = _steps([x - left for x in across], "N"), _steps([y - top for y in down], "N")
    chroma = _steps([(x - left) // 2 for x in across], "N"), _steps([(y - top) // half for y in down], "N")
    planes = (("lum", luma), ("cb", chroma), ("cr", chroma))
    moved = ":".join(f"{plane}='{plane}(X+{by[0]},Y+{by[1]})'" for plane, by in planes)
    return (
        f"crop={max(across) + w - left}:{max(down) + h - top}:x={left}:y={top}:exact=1,"
        f"geq={moved}:interpolation=nearest,crop={w}:{h}:x=0:y=0:exact=1"
    )


def _steps(values: Sequence[int], number: str = "n") -> str:
    """An ffmpeg expression with the value of each frame, and the last value after them; `number` names the frame."""
    steps, begin = [], 0
    for value, run in groupby(values):
        steps.append((begin, value))
        begin += sum(1 for _ in run)

    # A tree, because ffmpeg refuses expressions that are nested 100 deep, and evaluates this one for each frame.
    def tree(low: int, high: int) -> str:
        if high - low == 1:
            return str(steps[low][1])
        middle = (low + high) // 2
        return f"if(lt({number},{steps[middle][0]}),{tree(low, middle)},{tree(middle, high)})"

    return tree(0, len(steps))
