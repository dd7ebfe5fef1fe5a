"""Quality maps: a grid of tiles, each scored on its own in the one run that decodes the clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from pytest_vmaf.quality.errors import SettingsError
from pytest_vmaf.quality.measure import MeasureRequest, conclude, context_of, prepare, scores_of
from pytest_vmaf.quality.result import Result
from pytest_vmaf.quality.score import Score
from pytest_vmaf.quality.scorer import Scorer
from pytest_vmaf.roi.parts import Part, part_of, score_together

#: More tiles than this on a side are too small to say anything on any clip.
MOST_TILES = 64


@dataclass(frozen=True)
class Tile:
    """One tile of a map: its place in the grid, counted from 0 at the top left, its pixels, and its scores."""

    column: int
    row: int
    x: int
    y: int
    w: int
    h: int
    vmaf: Score
    neg: Score
    gap: Score

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return f"tile in column {self.column}, row {self.row}"


@dataclass(frozen=True, repr=False, kw_only=True)
class QualityMap(Result):
    """The scores of each tile of a grid. As a Result it is that of the worst tile: the lowest NEG, as a mean over time.

    ``tiles`` go row by row from the top left. ``neg_tile`` and ``gap_tile`` pool over time first and take the worst
    tile then, so that ``result.pooled("neg_tile", "p5")`` is the lowest fifth percentile of any tile.
    """

    columns: int
    rows: int
    tiles: tuple[Tile, ...]
    saliency: str = ""

    def __repr__(self) -> str:
        return f"<QualityMap {self.columns}x{self.rows}, worst NEG {self.neg:.2f} in {self.context.distorted}>"

    def tile(self, column: int, row: int) -> Tile:
        """The tile of a column and a row, counted from 0 at the top left. Raises IndexError."""
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            raise IndexError(f"column {column}, row {row} is not in a grid of {self.columns}x{self.rows}")
        return self.tiles[row * self.columns + column]

    @property
    def worst(self) -> Tile:
        """The tile with the lowest NEG, as a mean over time."""
        return min(self.tiles, key=lambda tile: float(tile.neg))

    @property
    def neg_tile(self) -> Score:
        """NEG of the worst tile."""
        return self.neg

    @property
    def gap_tile(self) -> Score:
        """The gap of the tile where it is largest, as a mean over time."""
        return self["gap_tile"]

    @property
    def neg_salient(self) -> Score:
        """NEG of the tiles, weighted in each frame by how salient they are. Raises KeyError without ``saliency``."""
        return self["neg_salient"]

    @property
    def neg_mean(self) -> float:
        """NEG as the mean over tiles by their area, and over time; it follows the whole picture's, but is not it."""
        return sum(float(tile.neg) * tile.w * tile.h for tile in self.tiles) / sum(t.w * t.h for t in self.tiles)

    @property
    def worst_over_time(self) -> tuple[tuple[Tile, float], ...]:
        """For each frame the tile with the lowest NEG, and that NEG."""
        frames = zip(*(tile.neg.frames for tile in self.tiles), strict=True)
        return tuple(min(zip(self.tiles, values, strict=True), key=lambda each: each[1]) for values in frames)

    def pooled(self, metric: str, pool: str = "mean") -> float:
        """As of any Result; of ``neg_tile`` and ``gap_tile`` the worst tile by this very pool."""
        if metric == "neg_tile":
            return min(_pooled(tile.neg, pool) for tile in self.tiles)
        if metric == "gap_tile":
            return max(_pooled(tile.gap, pool) for tile in self.tiles)
        return super().pooled(metric, pool)


def measure_map(
    request: MeasureRequest, scorer: Scorer, grid: tuple[int, int], salient: bool = False, network: Path | None = None
) -> QualityMap:
    """Score every tile of a grid of (columns, rows), with and without enhancement credit, in one run.

    ``salient`` pools the tiles by saliency too, by the ``network`` at a path (None: the one that comes along). Raises
    as :func:`~pytest_vmaf.quality.measure.measure`, MaskError for the network, SettingsError for a grid that is none,
    ModelError for tiles that are too small for the models.
    """
    columns, rows = _grid(grid)
    prepared = prepare(request, scorer)
    job = prepared.job
    places = {}
    for row, (top, bottom) in enumerate(pairwise(_edges(job.height, rows))):
        for column, (left, right) in enumerate(pairwise(_edges(job.width, columns))):
            places[f"tile {column},{row}"] = (column, row, left, top, right - left, bottom - top)
    scorings = {
        name: part_of(prepared, Part(name, w, h, f"crop={w}:{h}:x={x}:y={y}:exact=1"))
        for name, (_, _, x, y, w, h) in places.items()
    }
    logs = score_together(scorings)
    tiles = []
    for name, place in places.items():
        found = scores_of(scorings[name], logs[name], context_of(scorings[name], logs[name]))
        tiles.append(Tile(*place, found["vmaf"], found["neg"], found["gap"]))
    worst = min(tiles, key=lambda tile: float(tile.neg))
    name = f"tile {worst.column},{worst.row}"
    label = f"{job.distorted.clip} [{worst.name} of {columns}x{rows}]"
    result = conclude(scorings[name], logs[name], label)
    gap = max(tiles, key=lambda tile: float(tile.gap)).gap
    parts = {
        "neg_tile": _shown(result.neg, "of the worst tile"),
        "gap_tile": _shown(gap, "of the tile where it is largest"),
    }
    by = ""
    if salient:
        from pytest_vmaf.roi.salience import salient_shares

        shares, by = salient_shares(prepared, network, [place[2:] for place in places.values()])
        parts["neg_salient"] = _weighted(tiles, shares, result)
    return QualityMap(
        vmaf=result.vmaf,
        neg=result.neg,
        gap=result.gap,
        above_100=result.above_100,
        features={**result.features, **parts},
        columns=columns,
        rows=rows,
        tiles=tuple(tiles),
        saliency=by,
    )


def _weighted(tiles: Sequence[Tile], shares: Sequence[Sequence[float]], result: Result) -> Score:
    """Σ share · NEG over the tiles of each frame; the shares of a frame add up to 1."""
    frames = []
    for frame, weights in enumerate(shares):
        frames.append(sum(w * tile.neg.frames[frame] for w, tile in zip(weights, tiles, strict=True)))
    return Score(tuple(frames), replace(result.neg.scale, view="of the salient tiles"), result.context)


def _shown(score: Score, view: str) -> Score:
    return Score(score.unclipped.frames, replace(score.scale, view=view), score.context)


def _pooled(score: Score, pool: str) -> float:
    return score.stdev if pool == "stdev" else float(score.pooled(pool))


def _grid(grid: Any) -> tuple[int, int]:
    right = isinstance(grid, Sequence) and not isinstance(grid, str) and len(grid) == 2
    if not right or not all(type(side) is int and 1 <= side <= MOST_TILES for side in grid):
        raise SettingsError(f"grid is {grid!r:.80}; it is (columns, rows), each from 1 to {MOST_TILES}, as (4, 4).")
    return grid[0], grid[1]


def _edges(length: int, parts: int) -> list[int]:
    """Where ``parts`` parts of a side begin and end: together they are the side, and differ by one pixel at most."""
    return [length * part // parts for part in range(parts + 1)]
