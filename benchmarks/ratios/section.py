"""Section: a part of the page. Figure: a ratio in several rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.clips import Pair, make_pair
from benchmarks.paired import Cost, Spread, spread


@dataclass(frozen=True)
class Setup:
    """What the parts measure with.

    Attributes:
        source: The clip that all others are cut from.
        folder: Where clips and logs go.
        rounds: How often each ratio is measured.
        frames: No clip gets more frames; None for what each part needs.
        curves: Files of curves that were measured at every CRF.
        peer: The command `ffmpeg-quality-metrics`, or None.
        vmaf_tool: Netflix's command `vmaf`, or None.
    """

    source: Path
    folder: Path
    rounds: int
    frames: int | None = None
    curves: tuple[Path, ...] = ()
    peer: str | None = None
    vmaf_tool: str | None = None

    def count(self, frames: int) -> int:
        """So many frames, or fewer if clips are to be short."""
        return min(frames, self.frames or frames)

    def pair(self, width: int, height: int, frames: int, crf: int = 28) -> Pair:
        """A pair of this size in pixels and of at most so many frames."""
        return make_pair(self.source, self.folder, (width, height), self.count(frames), crf)


@dataclass(frozen=True)
class Section:
    """A part of the page: what is measured, in words and tables, and what the figures depend on."""

    title: str
    lines: tuple[str, ...]
    tools: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Figure:
    """What something costs in units of something else, in each round.

    Attributes:
        what: What is measured.
        base: What it is divided by.
        ours: What it cost in each round.
        theirs: What the base cost in each round.
        less: What is subtracted from `ours` before the division; empty for nothing.
        in_milliseconds: Whether the figure is the difference of both in milliseconds instead of their ratio.
    """

    what: str
    base: str
    ours: Sequence[Cost]
    theirs: Sequence[Cost]
    less: Sequence[Cost] = ()
    in_milliseconds: bool = False

    def spread(self, of: Callable[[Cost], float]) -> Spread:
        """The figure over all rounds, in CPU or wall seconds."""
        less = [of(cost) for cost in self.less] or [0.0] * len(self.ours)
        rounds = list(zip(map(of, self.ours), less, map(of, self.theirs), strict=True))
        if self.in_milliseconds:
            return spread([1000 * (ours - without - theirs) for ours, without, theirs in rounds])
        return spread([(ours - without) / theirs for ours, without, theirs in rounds])

    @property
    def row(self) -> str:
        """The row of a table."""
        cells = [self.what, self.base]
        for of in (_cpu, _wall):
            value = self.spread(of)
            if self.in_milliseconds:
                cells.append(f"{value.middle:+.1f} ms ({value.low:.1f} to {value.high:.1f})")
            else:
                cells.append(f"{value.middle:.2f} ({value.low:.2f} to {value.high:.2f})")
        cells.append(" / ".join(f"{median(map(_cpu, costs)):.2f}" for costs in (self.ours, self.theirs)))
        return f"| {' | '.join([*cells, str(len(self.ours))])} |"


def table(figures: Sequence[Figure]) -> tuple[str, ...]:
    """The lines of a table of figures: medians, with quartiles in brackets."""
    head = "| measured | compared with | CPU | time | CPU seconds of both | rounds |"
    return (head, "|---|---|---|---|---|---|", *(figure.row for figure in figures))


def _cpu(cost: Cost) -> float:
    return cost.cpu


def _wall(cost: Cost) -> float:
    return cost.wall
