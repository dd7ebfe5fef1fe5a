"""Quality maps: the scores of a grid of tiles, as immutable values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.html_views import html_of
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Context, Score
from pytest_vmaf.text import no_attribute

#: What every tile has.
PLACE, MEASURED = ("column", "row", "x", "y", "w", "h"), ("vmaf", "neg", "gap")


@dataclass(frozen=True)
class Tile:
    """One tile of a quality map. Pixels are those of the reference as displayed, counted from its top left corner.

    Attributes:
        column: The tile's column in the grid, from 0 at the left.
        row: The tile's row in the grid, from 0 at the top.
        x: Its first column of pixels.
        y: Its first row of pixels.
        w: Its width in pixels.
        h: Its height in pixels.
        vmaf: VMAF of the tile, cropped out of both clips at the bit depth at which these are scored.
        neg: NEG of the tile.
        gap: VMAF minus NEG, unclipped.
    """

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
        """The tile's place in words: "tile in column 0, row 0"."""
        return place_name(self.column, self.row)


@dataclass(frozen=True, repr=False)
class QualityMap:
    """The scores of each tile of a grid, and of the whole picture.

    Attributes:
        whole: The measurement of the whole picture.
        columns: Columns of the grid.
        rows: Rows of the grid.
        tiles: The tiles, row by row from the top left.
        worst_result: What gates and baselines judge: the measurement of the tile with the lowest mean NEG.
        saliency: The name of the network that weights the tiles, "" for none.
    """

    whole: Result
    columns: int
    rows: int
    tiles: tuple[Tile, ...]
    worst_result: MapResult
    saliency: str = ""

    if not TYPE_CHECKING:  # Type checkers must know which attributes there are.

        def __getattr__(self, name: str) -> NoReturn:
            is_score = name in ("vmaf", "neg", "gap")
            raise no_attribute(self, name, f"quality_map.whole.{name} or quality_map.worst.{name}" if is_score else "")

    def __repr__(self) -> str:
        worst = f"NEG {self.worst.neg:.2f} in column {self.worst.column}, row {self.worst.row}"
        return f"<QualityMap {self.columns}x{self.rows} of {self.context.distorted}: NEG {self.whole.neg:.2f}, {worst}>"

    @property
    def context(self) -> Context:
        """The clips, frame rate and provenance of the whole picture."""
        return self.whole.context

    def tile(self, column: int, row: int) -> Tile:
        """The tile in a column and a row, both counted from 0 at the top left.

        Raises:
            IndexError: If the grid has no such tile.
        """
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            raise IndexError(f"column {column}, row {row} is not in a grid of {self.columns}x{self.rows}")
        return self.tiles[row * self.columns + column]

    @property
    def worst(self) -> Tile:
        """The tile with the lowest mean NEG."""
        return min(self.tiles, key=lambda tile: float(tile.neg))

    @property
    def neg_tile(self) -> Score:
        """NEG of the worst tile."""
        return self.worst_result["neg_tile"]

    @property
    def gap_tile(self) -> Score:
        """The gap of the tile with the largest mean gap."""
        return self.worst_result["gap_tile"]

    @property
    def neg_salient(self) -> Score:
        """The mean NEG of the tiles, weighted in each frame by the share of saliency in each.

        Raises:
            KeyError: If the map was measured without `saliency`.
        """
        return self.worst_result["neg_salient"]

    @property
    def worst_over_time(self) -> tuple[tuple[Tile, float], ...]:
        """For each frame the tile with the lowest NEG, and that NEG."""
        frames = zip(*(tile.neg.frames for tile in self.tiles), strict=True)
        return tuple(min(zip(self.tiles, values, strict=True), key=lambda each: each[1]) for values in frames)

    def to_rows(self) -> list[dict[str, Any]]:
        """One row per tile, for a table or a DataFrame."""
        return [
            {**{name: getattr(tile, name) for name in PLACE}, **{name: float(getattr(tile, name)) for name in MEASURED}}
            for tile in self.tiles
        ]

    def to_dict(self) -> dict[str, Any]:
        """The map as plain data."""
        grid = {"columns": self.columns, "rows": self.rows, "saliency": self.saliency}
        salient = float(self.neg_salient) if self.saliency else None
        return {**grid, "neg_salient": salient, "tiles": self.to_rows(), "whole": self.whole.to_dict()}

    def to_json(self) -> str:
        """The data of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def _repr_html_(self) -> str | None:
        """The map's section of the report, for notebooks."""
        return html_of(self)


@dataclass(frozen=True, repr=False, kw_only=True)
class MapResult(Result):
    """The result of a map's worst tile: the one with the lowest mean NEG.

    `neg_tile` and `gap_tile` are pooled over time first, and then the worst tile is taken. So
    `result.pooled("neg_tile", "p5")` is the lowest fifth percentile of any tile.

    Attributes:
        whole: The result of the whole picture.
        columns: Columns of the grid.
        rows: Rows of the grid.
        tiles: The tiles, row by row from the top left.
        saliency: The name of the network that weights the tiles, "" for none.
    """

    whole: Result
    columns: int
    rows: int
    tiles: tuple[Tile, ...]
    saliency: str = ""

    @property
    def quality_map(self) -> QualityMap:
        """The map."""
        return QualityMap(self.whole, self.columns, self.rows, self.tiles, self, self.saliency)

    def judged(self, metric: str, pool: str = "mean", bound: str = "") -> Score:
        """The score that a gate is compared with: that of the tile that is worst by this metric and pool.

        Args:
            metric: "vmaf", "neg", "gap", "neg_tile" or "gap_tile"; other metrics have one score.
            pool: How frames are pooled, for example "p5".
            bound: "min" for the lowest score and "max" for the highest. "" is the lowest, but the highest of gaps and
                of the spread ("stdev").

        Raises:
            SettingsError: If the metric is "neg_salient" and the map was measured without `saliency`.
        """
        # The tile with the largest gap need not be the one with the lowest NEG: a gate passes only if all tiles do.
        measured = metric.removesuffix("_tile")
        if measured in MEASURED:
            low = bound == "min" if bound else measured != "gap" and pool != "stdev"
            scores: list[Score] = [getattr(tile, measured) for tile in self.tiles]
            if pool == "stdev":
                return (min if low else max)(scores, key=lambda score: score.stdev)
            return (min if low else max)(scores, key=lambda score: float(score.pooled(pool)))
        if metric == "neg_salient" and not self.saliency:
            # For a gate, which must not pass because nothing was measured.
            raise SettingsError(
                "neg_salient was not measured, so its gate cannot be checked. Pass saliency=True to vmaf.quality_map, "
                "or remove the gate with min_neg_salient=None."
            )
        return super().judged(metric, pool, bound)


def place_name(column: int, row: int) -> str:
    """A tile's place in words."""
    return f"tile in column {column}, row {row}"
