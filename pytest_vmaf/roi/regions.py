"""Regions: rectangles of the picture that are scored on their own, standing still or moving from frame to frame."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pytest_vmaf.errors import ClipError, PairError, SettingsError
from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS
from pytest_vmaf.roi.tracks import FIELDS, Box, is_box, pixels, read_track, shown_value
from pytest_vmaf.scoring.models import feature_columns
from pytest_vmaf.text import did_you_mean, printable

#: Each is a scoring of its own, and ffmpeg takes only so many.
MOST_REGIONS = 500


@dataclass(frozen=True)
class Region:
    """A rectangle of the picture, in pixels: ``Region(x, y, w, h)``, from the top left corner of the displayed frame.

    Gates may stand beside it and hold for this region alone: ``Region(600, 200, 320, 320, min_neg=90)``. They are kept
    as they were given. Where it moves (:meth:`track`), ``x`` and ``y`` are those of the first frame and ``boxes`` holds
    the (x, y) of each frame of the reference, from frame 0. ``holds`` says that the last one stays until the clip ends.
    ``inner`` holds the boxes (x, y, w, h) themselves where they differ in size; the region is then a window around
    them, which :func:`placed` keeps inside the picture.

    Raises SettingsError for numbers that are not whole, for ``x`` and ``y`` below 0, ``w`` and ``h`` below 1, and for
    keywords that are no gates.
    """

    x: int
    y: int
    w: int
    h: int
    gates: Mapping[str, object] = field(hash=False)
    boxes: tuple[tuple[int, int], ...]
    holds: bool
    inner: tuple[Box, ...]

    def __init__(self, x: int, y: int, w: int, h: int, **gates: object) -> None:
        given = zip(FIELDS, (x, y, w, h), strict=True)
        numbers = {name: pixels(value, f"{name} of a region", FIELDS[name]) for name, value in given}
        _check_gates(gates)
        _set(self, **numbers, gates=gates, boxes=(), holds=False, inner=())

    @classmethod
    def track(
        cls,
        boxes: Sequence[Sequence[int]] | Mapping[int, Sequence[int]] | str | os.PathLike[str],
        *,
        hold: bool = False,
        largest: bool = False,
        **gates: object,
    ) -> Region:
        """A region that moves: a box (x, y, w, h) for each frame of the reference, from frame 0.

        ``boxes`` is a list of them, a mapping {frame: box}, or the path of a JSON file (a list of boxes, a list of
        objects with frame, x, y, w and h, or an object {"0": box}) or of a CSV file with a header (frame, x, y, w, h in
        any order, other columns are ignored; without frame, the rows are the frames). ``hold`` keeps the box of the
        frame before where a frame has none (the first box before it, the last one to the clip's end). libvmaf scores
        pictures of one size: where the boxes differ, ``largest`` takes a window of their largest width and height,
        centred on each box as nearly as the picture's borders allow.

        Raises SettingsError, which names the file and the line or frame, and ClipError for a file that cannot be read.
        """
        found = read_track(boxes, hold=hold, largest=largest)
        width, height = max(w for _, _, w, _ in found), max(h for *_, h in found)
        corners = tuple((x + (w - width) // 2, y + (h - height) // 2) for x, y, w, h in found)
        differ = any(box[2:] != (width, height) for box in found)
        x, y, w, h = found[0]
        return _set(
            cls(x, y, w, h, **gates),
            **dict(zip(FIELDS, (*corners[0], width, height), strict=True)),
            boxes=corners,
            holds=bool(hold),
            inner=tuple(found) if differ else (),
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, the same in every frame."""
        return self.w, self.h

    @property
    def moves(self) -> bool:
        """Whether it lies elsewhere in some frame than in the first."""
        return any(corner != self.boxes[0] for corner in self.boxes)


def read_region(name: str, value: object) -> Region:
    """The region that a value stands for: a Region, four numbers (x, y, w, h), or the path of a track's file.

    Raises SettingsError for anything else and as :meth:`Region.track`, with the region's name.
    """
    try:
        if isinstance(value, Region):
            return value
        if isinstance(value, str | os.PathLike):
            return Region.track(value)
        if is_box(value):
            four: Any = value
            return Region(*four)
    except (SettingsError, ClipError) as error:
        raise type(error)(f"Region {_quoted(name)}: {error}") from error
    raise SettingsError(
        f"Region {_quoted(name)} is {shown_value(value)}; it is Region(x, y, w, h) or those four numbers, a track's "
        "file, or Region.track([…]) with a box for each frame."
    )


def read_regions(regions: object) -> dict[str, Region]:
    """Regions by name, as :func:`read_region` reads each. Raises SettingsError."""
    if not isinstance(regions, Mapping) or not regions:
        raise SettingsError(
            f"regions is {shown_value(regions)}; it maps names to regions, as {{'face': Region(600, 200, 320, 320)}}."
        )
    if len(regions) > MOST_REGIONS:
        raise SettingsError(f"regions has {len(regions)} of them; {MOST_REGIONS} are scored at most.")
    for name in regions:
        # What cannot be printed could not be sent by a worker either, or would change how a report reads.
        if not isinstance(name, str) or not name.strip() or len(name) > 60 or not name.isprintable():
            raise SettingsError(
                f"{printable(repr(name)[:80])} is no name of a region; it is a printable text of up to 60 letters, as "
                "'face'."
            )
    return {name: read_region(name, region) for name, region in regions.items()}


def refuse_outside(name: str, region: Region, width: int, height: int, frames_from: int = 0) -> None:
    """Raise PairError where a region is not wholly inside a picture of this size, in pixels.

    Of a region that moves, only the boxes from frame ``frames_from`` on matter.
    """
    boxes = (
        region.inner or tuple((x, y, *region.size) for x, y in region.boxes) or ((region.x, region.y, *region.size),)
    )
    # Beyond the last box the last box is held.
    begin = min(frames_from, len(boxes) - 1)
    outside = [
        (frame, x + w, y + h)
        for frame, (x, y, w, h) in enumerate(boxes[begin:], begin)
        if x + w > width or y + h > height
    ]
    if outside:
        frame, right, bottom = outside[0]
        reach = f"x={right}" if right > width else f"y={bottom}"
        when = f" in frame {frame}" if region.boxes else ""
        others = f" ({len(outside)} frames reach beyond it)" if len(outside) > 1 else ""
        raise PairError(
            f"Region {_quoted(name)} reaches to {reach}{when}; the picture is {width}x{height} pixels{others}.\n"
            "  A region lies wholly inside the reference as it is displayed; x and y count from its top left corner."
        )
    if region.w > width or region.h > height:
        raise PairError(
            f"Region {_quoted(name)} has a window of {region.w}x{region.h}, as large as its largest box; the picture "
            f"is {width}x{height} pixels."
        )


def refuse_length(name: str, region: Region, start: int, frames: int, total: int) -> None:
    """Raise PairError where a track has not as many boxes as the reference has frames.

    ``total`` is the number of the reference's frames, of which ``frames`` are scored, from frame ``start`` on. A track
    that holds its last box may be shorter.
    """
    count = len(region.boxes)
    if count in (0, total) or (region.holds and count < total):
        return
    scored = "" if frames == total else f" (frames {start} to {start + frames - 1} are scored)"
    hint = "" if count > total else "; Region.track(…, hold=True) keeps the last one to the end"
    raise PairError(
        f"The track of region {_quoted(name)} has {count} boxes, the reference {total} frames{scored}.\n"
        f"  It needs one box for each frame of the reference, from frame 0{hint}."
    )


def placed(region: Region, width: int, height: int) -> Region:
    """The region with its windows moved inside a picture of this size, in pixels, that holds all of its boxes.

    Only a region whose boxes differ in size has such windows; any other comes back as it is.
    """
    if not region.inner:
        return region
    corners = tuple((max(0, min(x, width - region.w)), max(0, min(y, height - region.h))) for x, y in region.boxes)
    return _set(copy.copy(region), x=corners[0][0], y=corners[0][1], boxes=corners)


def window(region: Region, start: int = 0, pix_fmt: str = "yuv420p") -> str:
    """The ffmpeg filters that cut the region out of each frame; their frame n shows box ``start`` + n.

    ``exact=1``, without which ffmpeg rounds odd numbers where chroma is subsampled.
    """
    corners = region.boxes[start:] or region.boxes[-1:] or ((region.x, region.y),)
    across, down = ([corner[axis] for corner in corners] for axis in (0, 1))
    w, h = region.size
    form = re.fullmatch(r"yuv42([02])p\d+le", pix_fmt)
    if form is None or not any(x % 2 for x in across):
        # In a filter graph a comma ends the filter, unless it is quoted.
        x, y = (f"'{each}'" if "," in each else each for each in map(_stepped, (across, down)))
        return f"crop={w}:{h}:x={x}:y={y}:exact=1"
    # From an odd x on, crop takes chroma of two bytes a sample from between two samples. So what holds all of the boxes
    # is cut out from an even x on, and each plane is moved within that.
    left, top, half = min(across) // 2 * 2, min(down) // 2 * 2, 2 if form[1] == "0" else 1
    luma = _stepped([x - left for x in across], "N"), _stepped([y - top for y in down], "N")
    chroma = _stepped([(x - left) // 2 for x in across], "N"), _stepped([(y - top) // half for y in down], "N")
    planes = (("lum", luma), ("cb", chroma), ("cr", chroma))
    moved = ":".join(f"{plane}='{plane}(X+{by[0]},Y+{by[1]})'" for plane, by in planes)
    return (
        f"crop={max(across) + w - left}:{max(down) + h - top}:x={left}:y={top}:exact=1,"
        f"geq={moved}:interpolation=nearest,crop={w}:{h}:x=0:y=0:exact=1"
    )


def box_at(region: Region, frame: int, width: int, height: int) -> Box:
    """Where the region lies in a frame of the reference, in a picture of this size, as it is scored."""
    inside = placed(region, width, height)
    x, y = inside.boxes[min(frame, len(inside.boxes) - 1)] if inside.boxes else (inside.x, inside.y)
    return (x, y, *inside.size)


def shown(region: Region) -> str:
    """The region in a few letters: "320x320+600+200", or "320x320, moving"."""
    return f"{region.w}x{region.h}" + (", moving" if region.moves else f"+{region.x}+{region.y}")


def _stepped(values: Sequence[int], number: str = "n") -> str:
    """An ffmpeg expression that is values[n] in frame n, and the last value after them; ``number`` is n's name."""
    steps, begin = [], 0
    for value, run in groupby(values):
        steps.append((begin, value))
        begin += sum(1 for _ in run)

    # A tree, because ffmpeg refuses an expression that is nested 100 deep, and evaluates one for each frame.
    def tree(low: int, high: int) -> str:
        if high - low == 1:
            return str(steps[low][1])
        middle = (low + high) // 2
        return f"if(lt({number},{steps[middle][0]}),{tree(low, middle)},{tree(middle, high)})"

    return tree(0, len(steps))


def _check_gates(gates: Mapping[str, object]) -> None:
    for name in gates:
        if not name.startswith(("min_", "max_")) and name != ABOVE:
            metrics = (*BASE_METRICS, *feature_columns())
            names = (ABOVE, *(f"{bound}_{metric}" for bound in ("min", "max") for metric in metrics))
            raise SettingsError(
                f"{name!r} is no gate of a region.{did_you_mean(name, names)} Gates are "
                "{min,max}_{metric}[_{pool}], as min_neg=90, and above_100."
            )


def _quoted(name: str) -> str:
    return printable(repr(name))


def _set(region: Region, **values: object) -> Region:
    for name, value in values.items():
        object.__setattr__(region, name, value)
    return region
