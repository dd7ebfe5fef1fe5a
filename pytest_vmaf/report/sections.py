"""Sections of a report and their blocks: how plugins, and the other packages, add what they measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report.collector import MOST_PICTURES, lighten, sections_size
from pytest_vmaf.report.record import plain
from pytest_vmaf.report.schema import SECTION, RecordDict
from pytest_vmaf.text import short_repr


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text.

    Attributes:
        text: The text. Markup in it is shown as it is.
    """

    text: str

    def to_record(self) -> RecordDict:
        """The paragraph as a `schema.BLOCK`."""
        return {"kind": "text", "text": self.text}


def _fold(folded: bool) -> RecordDict:
    return {"folded": True} if folded else {}


@dataclass(frozen=True)
class DataTable:
    """A table.

    Attributes:
        columns: The headings.
        rows: Rows with one value per column. Each is shown as `str(value)`, None as an empty cell.
        caption: A line of text for the table.
        folded: Show only the caption until it is clicked.
        links: An address for each row, which its first cell links to; "" for none. Only http and https are links.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""
    folded: bool = False
    links: Sequence[str] = ()

    def to_record(self) -> RecordDict:
        """The table as a `schema.BLOCK`.

        Raises:
            ValueError: If a row does not have one value per column, or the links are not one per row.
        """
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row must have {len(self.columns)} values, one per column, not {row!r:.80}")
        rows = [["" if value is None else f"{value}" for value in row] for row in self.rows]
        if self.links and len(self.links) != len(rows):
            raise ValueError(f"links must be {len(rows)} addresses, one per row, not {len(self.links)}")
        columns = [str(name) for name in self.columns]
        more = {**({"links": [*self.links]} if self.links else {}), **_fold(self.folded)}
        return {"kind": "table", "columns": columns, "rows": rows, "caption": self.caption, **more}


@dataclass(frozen=True)
class Line:
    """A line of a `Chart`.

    Attributes:
        name: The name in the legend.
        points: The points (x, y) that the line connects, in this order.
        marked: Indexes of the points with large dots.
        style: "line" connects dots, "dots" are dots alone, a "curve" has none, and a "course" marked ones.
        worse: Indexes of the marked points that are drawn as bad.
    """

    name: str
    points: Sequence[tuple[float, float]]
    marked: Sequence[int] = ()
    style: Literal["line", "dots", "curve", "course"] = "line"
    worse: Sequence[int] = ()


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis, drawn as SVG with a table of the data.

    Attributes:
        x: The name and unit of the horizontal axis.
        y: The name and unit of the vertical axis.
        lines: The lines.
        levels: Horizontal lines, each a name and a value.
        caption: A line of text for the chart.
        folded: Show only the caption until it is clicked.
        names: Names of places of the horizontal axis, such as the commit at 1: pairs of the place and its name.
    """

    x: str
    y: str
    lines: Sequence[Line]
    levels: Sequence[tuple[str, float]] = ()
    caption: str = ""
    folded: bool = False
    names: Sequence[tuple[float, str]] = ()

    def to_record(self) -> RecordDict:
        """The chart as a `schema.BLOCK`."""
        lines = []
        for line in self.lines:
            points = [[float(x), float(y)] for x, y in line.points]
            style = {} if line.style == "line" else {"style": line.style}
            marked = [int(index) for index in line.marked]
            worse = {"worse": [int(index) for index in line.worse]} if line.worse else {}
            lines.append({"name": line.name, "points": points, "marked": marked, **style, **worse})
        levels = [{"name": name, "value": float(value)} for name, value in self.levels]
        chart = {"x": self.x, "y": self.y, "lines": lines, "levels": levels, "caption": self.caption}
        names = {"names": [[float(x), name] for x, name in self.names]} if self.names else {}
        return {"kind": "chart", **chart, **names, **_fold(self.folded)}


@dataclass(frozen=True)
class Pictures:
    """Pictures of one frame next to each other.

    Attributes:
        pictures: Up to 6 pictures, each a caption and a JPEG (base64).
        width: The width of the pictures in pixels.
        height: The height of the pictures in pixels.
        full_width: The width of the full frame in pixels.
        full_height: The height of the full frame in pixels.
        caption: A line of text for all pictures.
        boxes: Up to 64 rectangles to draw on each picture: name, x, y, width and height in pixels of the full frame.
    """

    pictures: Sequence[tuple[str, str]]
    width: int
    height: int
    full_width: int
    full_height: int
    caption: str = ""
    boxes: Sequence[tuple[str, int, int, int, int]] = ()

    def to_record(self) -> RecordDict:
        """The pictures as a `schema.BLOCK`."""
        block = {
            "pictures": [{"caption": caption, "jpeg": jpeg} for caption, jpeg in self.pictures],
            **{name: getattr(self, name) for name in ("width", "height", "full_width", "full_height")},
            "boxes": [dict(zip(("name", "x", "y", "width", "height"), box, strict=True)) for box in self.boxes],
        }
        return {"kind": "shown", "shown": block, "caption": self.caption}


#: The former name of `Pictures`.
Shown = Pictures


@dataclass(frozen=True)
class HeatMap:
    """The values of a grid of tiles over time, shown as colours, with a slider over the frames.

    Attributes:
        columns: The columns of the grid, up to 64.
        rows: The rows of the grid, up to 64.
        frames: Up to 600 frames, each with its number, its time in seconds (or None) and its values row by row. The
            value of a tile that was not scored is None. All frames together may have 200,000 values.
        low: The value of the colour for bad.
        high: The value of the colour for good.
        metric: The name of what the values are, for example "NEG".
        caption: A line of text for the map.
        worst: Indexes of up to 12 `frames`, the worst first. By default it is the frame with the lowest tile.
        pictures: A picture (JPEG, base64) to lie under the tiles, by an index of `worst`.
        size: The width and height of a frame. The tiles have its shape.
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

    def to_record(self) -> RecordDict:
        """The map as a `schema.BLOCK`, with values rounded to 3 decimals."""
        frames, lowest = [], []
        for number, time, values in self.frames:
            rounded = [None if value is None else round(float(value), 3) for value in values]
            frames.append({"frame": number, "time": None if time is None else float(time), "values": rounded})
            lowest.append(min((value for value in rounded if value is not None), default=float("inf")))
        worst = list(self.worst) or [lowest.index(least) for least in sorted(lowest)[:1]]
        # Pictures are left out from the end, so the worst frame's comes first.
        order = sorted(self.pictures, key=lambda index: [*worst, index].index(index))
        pictures = [{"index": index, "jpeg": self.pictures[index]} for index in order]
        width, height = self.size
        grid = {"columns": self.columns, "rows": self.rows, "width": width, "height": height, "metric": self.metric}
        colours = {"low": float(self.low), "high": float(self.high)}
        heat = {**grid, **colours, "frames": frames, "worst": worst, "pictures": pictures}
        return {"kind": "heat", "heat": heat, "caption": self.caption}


@dataclass(frozen=True)
class Section:
    """A titled part of a test's details, or of the whole report.

    Attributes:
        title: The heading.
        blocks: What it shows, from top to bottom.
    """

    title: str
    blocks: Sequence[Paragraph | DataTable | Chart | Pictures | HeatMap] = field(default_factory=tuple)

    def to_record(self) -> RecordDict:
        """The section as a `schema.SECTION`, in exact JSON types.

        Raises:
            ValueError: If a block does not have the shape that the schema requires. The error names the place.
        """
        if not isinstance(self.blocks, Sequence) or isinstance(self.blocks, str | bytes):
            raise ValueError(f"section.blocks must be a list of blocks, not {short_repr(self.blocks)}")
        blocks = [_record_of(block, f"section.blocks[{number}]") for number, block in enumerate(self.blocks)]
        record: RecordDict = plain({"title": self.title, "blocks": blocks})
        conform(record, SECTION, "section")
        return record


def _record_of(block: Paragraph | DataTable | Chart | Pictures | HeatMap, where: str) -> RecordDict:
    if not hasattr(block, "to_record"):
        raise ValueError(f"{where} must be a Paragraph, DataTable, Chart, Pictures or HeatMap, not {short_repr(block)}")
    try:
        return block.to_record()
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{where} ({type(block).__name__}) has a value of the wrong type: {error}") from error


#: Builds a section. Its argument is the number of pictures that the section may have.
SectionMaker = Callable[[int], Section]
#: The title of the section that says that a plugin has failed.
FAILED = "A plugin failed"


def collect_sections(call: Callable[[], Sequence[Section | Sequence[Section] | None]], hook: str) -> list[RecordDict]:
    """Call a hook and return its sections as records, in the order of the plugins.

    If a plugin fails, one section with the error takes the place of all. Pictures beyond the limit of a report are left
    out.

    Args:
        call: Calls the hook. Each of its results is a section, several sections or None.
        hook: The name of the hook, for the error.
    """
    try:
        results = [_listed(result) for result in call() if result]
        records = [section.to_record() for sections in results for section in sections]
        while sections_size(records) > MOST_PICTURES:
            lighten(records)
        return records
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # Not only Exception: pytest.skip and importorskip in a hook must not end the run.
        text = f"The sections of {hook} could not be built: {type(error).__name__}: {error}"
        return [Section(FAILED, [Paragraph(text)]).to_record()]


def plugin_errors(document: Mapping[str, Any]) -> list[str]:
    """Why sections of plugins are missing from a report, each reason once."""
    everywhere = [*document["sections"], *(section for test in document["tests"] for section in test["sections"])]
    texts = [section["blocks"][0]["text"] for section in everywhere if section["title"] == FAILED]
    return list(dict.fromkeys(texts))


def _listed(result: object) -> Sequence[Section]:
    sections = [*result] if isinstance(result, Sequence) and not isinstance(result, str) else [result]
    for section in sections:
        if not hasattr(section, "to_record"):
            raise TypeError(f"the hook must return Sections, not {short_repr(section)}")
    return cast("list[Section]", sections)
