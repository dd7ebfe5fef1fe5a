"""Sections of a report: how another room, or a plugin, adds what it found. Plain data, shown by the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_vmaf.report.record import plain


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`."""
        return {"kind": "text", "text": self.text}


@dataclass(frozen=True)
class DataTable:
    """A table: ``columns`` are its headings, ``rows`` hold one value (shown as text) for each."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`. Raises ValueError for a row of another length than the columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} values in a table of {len(self.columns)} columns: {row!r:.80}")
        rows = [["" if value is None else f"{value}" for value in row] for row in self.rows]
        return {"kind": "table", "columns": [str(name) for name in self.columns], "rows": rows, "caption": self.caption}


@dataclass(frozen=True)
class Line:
    """A line through ``points`` (x, y); ``marked`` are the indexes of points to stand out."""

    name: str
    points: Sequence[tuple[float, float]]
    marked: Sequence[int] = ()


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis, drawn as SVG with a data table; ``levels`` are named horizontal lines."""

    x: str
    y: str
    lines: Sequence[Line]
    levels: Sequence[tuple[str, float]] = ()
    caption: str = ""

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`."""
        lines = [
            {
                "name": line.name,
                "points": [[float(x), float(y)] for x, y in line.points],
                "marked": [int(index) for index in line.marked],
            }
            for line in self.lines
        ]
        levels = [{"name": name, "value": float(value)} for name, value in self.levels]
        return {
            "kind": "chart",
            "x": self.x,
            "y": self.y,
            "lines": lines,
            "levels": levels,
            "caption": self.caption,
        }


@dataclass(frozen=True)
class Shown:
    """Pictures of one frame beside each other, each a caption and a JPEG (base64) of ``width`` and ``height``.

    ``boxes`` are drawn upon each: a name with x, y, width and height in pixels of the full frame.
    """

    pictures: Sequence[tuple[str, str]]
    width: int
    height: int
    full_width: int
    full_height: int
    caption: str = ""
    boxes: Sequence[tuple[str, int, int, int, int]] = ()

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`."""
        shown = {
            "pictures": [{"caption": caption, "jpeg": jpeg} for caption, jpeg in self.pictures],
            "width": self.width,
            "height": self.height,
            "full_width": self.full_width,
            "full_height": self.full_height,
            "boxes": [
                {"name": name, "x": x, "y": y, "width": width, "height": height}
                for name, x, y, width, height in self.boxes
            ],
        }
        return {"kind": "shown", "shown": shown, "caption": self.caption}


@dataclass(frozen=True)
class HeatMap:
    """The values of a grid of tiles over time, as colours; a slider goes through the frames.

    ``frames`` hold a frame's number, its time in s (or None) and its values row by row, None for a tile that was not
    scored: at most 600 frames of at most 64x64 tiles, and 200,000 values in all. Colours go from ``low`` (bad) to
    ``high`` (good). ``worst`` are indexes of ``frames`` (at most 12), the worst first; without them it is the frame
    with the lowest tile. ``pictures`` (JPEG, base64) by such an index lie under the tiles, which have the shape of a
    frame of ``size``.
    """

    columns: int
    rows: int
    frames: Sequence[tuple[int, float | None, Sequence[float | None]]]
    low: float
    high: float
    metric: str
    caption: str = ""
    worst: Sequence[int] = ()
    pictures: Mapping[int, str] = field(default_factory=dict)
    size: tuple[int, int] = (16, 9)

    def to_record(self) -> dict[str, Any]:
        """As a block of `schema.BLOCK`."""
        # Nobody sees more digits, and there are many values.
        values = [[None if v is None else round(float(v), 3) for v in given] for _, _, given in self.frames]
        frames = [
            {"frame": number, "time": None if time is None else float(time), "values": rounded}
            for (number, time, _), rounded in zip(self.frames, values, strict=True)
        ]
        lowest: list[float] = [min((v for v in each if v is not None), default=float("inf")) for each in values]
        worst = list(self.worst) or [lowest.index(least) for least in sorted(lowest)[:1]]

        def order(item: tuple[int, str]) -> int:
            return worst.index(item[0]) if item[0] in worst else len(worst)

        heat = {
            "columns": self.columns,
            "rows": self.rows,
            "width": self.size[0],
            "height": self.size[1],
            "metric": self.metric,
            "low": float(self.low),
            "high": float(self.high),
            "frames": frames,
            "worst": worst,
            # The worst frame's is the last to be left out.
            "pictures": [{"index": index, "jpeg": jpeg} for index, jpeg in sorted(self.pictures.items(), key=order)],
        }
        return {"kind": "heat", "heat": heat, "caption": self.caption}


def collect_sections(
    call: Callable[[], Sequence[Section | Sequence[Section] | None]], hook: str
) -> list[dict[str, Any]]:
    """What a hook's implementations gave, as records. Where one fails, that is said in the section's place.

    Together they may have as many pictures as a whole report; what is beyond that is left out.
    """
    from pytest_vmaf.report.collector import MOST_PICTURES, lighten, sections_size

    try:
        given = [
            section for answer in call() if answer for section in (answer if isinstance(answer, Sequence) else [answer])
        ]
        records = [section.to_record() for section in given]
        while sections_size(records) > MOST_PICTURES:
            lighten(records)
        return records
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # Not only Exception: pytest.skip and importorskip in a hook must not end the run.
        text = f"The sections of {hook} could not be made: {type(error).__name__}: {error}"
        return [Section("A plugin failed", [Paragraph(text)]).to_record()]


@dataclass(frozen=True)
class Section:
    """A titled part of a test's entry or of the whole report."""

    title: str
    blocks: Sequence[Paragraph | DataTable | Chart | Shown | HeatMap] = field(default_factory=tuple)

    def to_record(self) -> dict[str, Any]:
        """As `schema.SECTION`, in exact JSON types. Raises ValueError where it does not fit there."""
        from pytest_vmaf.report.schema import SECTION
        from pytest_vmaf.shapes import conform

        record: dict[str, Any] = plain({"title": self.title, "blocks": [block.to_record() for block in self.blocks]})
        conform(record, SECTION, "section")
        return record


#: Builds a section. Its argument is the number of pictures that the section may have.
SectionMaker = Callable[[int], Section]
