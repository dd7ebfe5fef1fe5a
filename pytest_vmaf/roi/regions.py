"""Regions: rectangles of the picture that are scored on their own, fixed or moving from frame to frame."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_vmaf.errors import ClipError, PairError, SettingsError
from pytest_vmaf.gates.metrics import ABOVE, BASE_METRICS
from pytest_vmaf.roi.tracks import FIELDS, Box, is_box, read_pixels, read_track
from pytest_vmaf.roi.untrusted import invalid
from pytest_vmaf.scoring.features import feature_columns
from pytest_vmaf.text import did_you_mean, plural, printable

#: ffmpeg scores only so many in one run.
MOST_REGIONS = 500


@dataclass(frozen=True)
class Region:
    """A rectangle of the picture that is scored on its own, with gates of its own.

    Coordinates are whole pixels of the reference as it is displayed (rotated, but not stretched if its pixels are not
    square), counted from its top left corner: x to the right, y downwards. A region must lie completely inside the
    picture.

    Example:
        `Region(600, 200, 320, 320, min_neg=90)` covers x from 600 to 919 and y from 200 to 519. Its gate is checked for
        this region only.

    Args:
        x: The first column.
        y: The first row.
        w: Width in pixels.
        h: Height in pixels.
        **gates: Gates for this region only, for example `min_neg=90`.

    Attributes:
        x: The first column; of a region that moves, in frame 0.
        y: The first row; of a region that moves, in frame 0.
        w: Width in pixels, the same in every frame.
        h: Height in pixels, the same in every frame.
        gates: The gates, as they were passed.
        boxes: The (x, y) of each frame of the reference from frame 0 on, for a region from `Region.track`; otherwise
            empty.
        holds: Whether the last box stays until the clip ends.
        inner: The boxes (x, y, w, h) themselves if they differ in size; otherwise empty. The region is then a window
            around them. Where such a window crosses the border of the picture, it is moved inside before scoring.

    Raises:
        SettingsError: If a number is not whole, `x` or `y` is below 0, `w` or `h` is below 1, or a keyword is not a
            gate.
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
        numbers = {
            name: read_pixels(value, f"{name} of a region", least)
            for (name, least), value in zip(FIELDS.items(), (x, y, w, h), strict=True)
        }
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
        """Make a region that moves, from a box (x, y, w, h) for each frame of the reference, from frame 0 on.

        Args:
            boxes: A list of boxes, a mapping `{frame: box}`, or the path of a JSON or CSV file. JSON holds a list of
                boxes, a list of objects with frame, x, y, w and h, or an object `{"0": box}`. CSV has a header with
                frame, x, y, w and h in any order; other columns are ignored, and without frame the rows are the frames.
            hold: Keep the box of the frame before where a frame has none. The first box also holds for the frames
                before it, the last box until the clip ends.
            largest: Allow boxes of different sizes. libvmaf scores pictures of one size, so the region is then a window
                of the largest width and height. It is centred on each box as nearly as the borders allow.
            **gates: Gates for this region only.

        Raises:
            ClipError: If the file cannot be read.
            SettingsError: If this is not a track, or a keyword is not a gate. The message names the file and the line
                or frame.
        """
        track = read_track(boxes, hold=hold, largest=largest)
        width, height = max(w for _, _, w, _ in track), max(h for *_, h in track)
        corners = tuple((x + (w - width) // 2, y + (h - height) // 2) for x, y, w, h in track)
        differ = any(box[2:] != (width, height) for box in track)
        x, y, w, h = track[0]
        region = _set(cls(x, y, w, h, **gates), x=corners[0][0], y=corners[0][1], w=width, h=height)
        return _set(region, boxes=corners, holds=bool(hold), inner=tuple(track) if differ else ())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, the same in every frame."""
        return self.w, self.h

    @property
    def moves(self) -> bool:
        """Whether its place differs between frames."""
        return any(corner != self.boxes[0] for corner in self.boxes)


def read_region(name: str, value: object) -> Region:
    """Read a region from a Region, four numbers (x, y, w, h), or the path of a track file.

    Raises:
        ClipError: If the file cannot be read.
        SettingsError: For anything else. The message begins with the region's name.
    """
    try:
        if isinstance(value, Region):
            return value
        if isinstance(value, str | os.PathLike):
            return Region.track(value)
        if isinstance(value, Collection) and is_box(value):
            return Region(*value)
    except (SettingsError, ClipError) as error:
        raise type(error)(f"Region {_quoted(name)}: {error}") from error
    forms = "Region(x, y, w, h), those four numbers, a track file, or Region.track([…]) with a box for each frame"
    raise invalid(f"Region {_quoted(name)}", forms, value)


def read_regions(regions: object) -> dict[str, Region]:
    """Read regions by name, each as in `read_region`.

    Raises:
        ClipError: If a track file cannot be read.
        SettingsError: If these are not regions.
    """
    if not isinstance(regions, Mapping) or not regions:
        example = "{'face': Region(600, 200, 320, 320)}"
        raise invalid("regions", f"a mapping of names to regions, for example {example}", regions)
    if len(regions) > MOST_REGIONS:
        raise SettingsError(f"regions must have at most {MOST_REGIONS} entries, not {len(regions)}.")
    for name in regions:
        # A worker could not send unprintable text, or it would change how a report reads.
        if not isinstance(name, str) or not name.strip() or len(name) > 60 or not name.isprintable():
            raise invalid("The name of a region", "printable text of up to 60 characters, for example 'face'", name)
    return {name: read_region(name, region) for name, region in regions.items()}


def refuse_outside(name: str, region: Region, width: int, height: int, first_frame: int = 0) -> None:
    """Check that a region lies completely inside a picture of this size, in pixels.

    Args:
        name: The region's name.
        region: The region. If it moves, only its boxes from `first_frame` on are checked.
        width: The picture's width.
        height: The picture's height.
        first_frame: The first frame of the reference that is scored.

    Raises:
        PairError: If it does not.
    """
    corners = region.boxes or ((region.x, region.y),)
    boxes = region.inner or tuple((x, y, *region.size) for x, y in corners)
    # After the last box, the last box holds.
    begin = min(first_frame, len(boxes) - 1)
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
            f"Region {_quoted(name)} reaches to {reach}{when}, but the picture has {width}x{height} pixels{others}.\n"
            "  A region must lie completely inside the displayed reference; x and y count from its top left corner."
        )
    if region.w > width or region.h > height:
        raise PairError(
            f"The window of region {_quoted(name)} must fit into the picture of {width}x{height} pixels. It has the "
            f"size of its largest box, {region.w}x{region.h}."
        )


def refuse_length(name: str, region: Region, start: int, frames: int, total: int) -> None:
    """Check that a track has one box for each frame of the reference. One that holds its last box may be shorter.

    Args:
        name: The region's name.
        region: The region.
        start: The first frame of the reference that is scored.
        frames: How many frames are scored.
        total: How many frames the reference has.

    Raises:
        PairError: If it has more or fewer boxes.
    """
    count = len(region.boxes)
    if count in (0, total) or (region.holds and count < total):
        return
    scored = "" if frames == total else f" (frames {start} to {start + frames - 1} are scored)"
    hint = "" if count > total else "; Region.track(…, hold=True) repeats the last one until the end"
    raise PairError(
        f"The track of region {_quoted(name)} has {count} box{'' if count == 1 else 'es'}, the reference "
        f"{plural(total, 'frame')}{scored}.\n"
        f"  It must have one box for each frame of the reference, from frame 0 on{hint}."
    )


def move_inside(region: Region, width: int, height: int) -> Region:
    """The region with its windows moved inside a picture of this size, in pixels, that contains all of its boxes.

    Only a region whose boxes differ in size has windows; any other is returned unchanged.
    """
    if not region.inner:
        return region
    corners = tuple((max(0, min(x, width - region.w)), max(0, min(y, height - region.h))) for x, y in region.boxes)
    return _set(copy.copy(region), x=corners[0][0], y=corners[0][1], boxes=corners)


def box_at(region: Region, frame: int, width: int, height: int) -> Box:
    """The box (x, y, w, h) that is scored in a frame of the reference, in a picture of this size."""
    inside = move_inside(region, width, height)
    x, y = inside.boxes[min(frame, len(inside.boxes) - 1)] if inside.boxes else (inside.x, inside.y)
    return (x, y, *inside.size)


def region_label(region: Region) -> str:
    """The size and place of a region: "320x320+600+200", or "320x320, moving"."""
    return f"{region.w}x{region.h}" + (", moving" if region.moves else f"+{region.x}+{region.y}")


def _check_gates(gates: Mapping[str, object]) -> None:
    for name in gates:
        if not name.startswith(("min_", "max_")) and name != ABOVE:
            metrics = (*BASE_METRICS, *feature_columns())
            names = (ABOVE, *(f"{bound}_{metric}" for bound in ("min", "max") for metric in metrics))
            raise SettingsError(
                f"{name!r} is not a gate of a region.{did_you_mean(name, names)} Gates are "
                "{min,max}_{metric}[_{pool}], for example min_neg=90, and above_100."
            )


def _quoted(name: str) -> str:
    return printable(repr(name))


def _set(region: Region, **values: object) -> Region:
    for name, value in values.items():
        object.__setattr__(region, name, value)
    return region
