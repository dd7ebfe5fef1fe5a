"""Quality maps: a grid of tiles, each scored on its own, in the one run that decodes the clips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import ScorerError, SettingsError
from pytest_vmaf.roi.part_scoring import empty_note, fields_with, part_of, score_together, with_view
from pytest_vmaf.scoring.measure import conclude, context_of, scores_of
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score, pooled
from pytest_vmaf.scoring.scorer import Scorer, ScoreRequest

#: Tiles of a larger grid are too small in any clip; more tiles in all are too many for one ffmpeg.
MOST_ON_SIDE, MOST_TILES = 64, 900
#: What every tile has.
MEASURED = ("vmaf", "neg", "gap")


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
        return _place_name(self.column, self.row)


@dataclass(frozen=True, repr=False, kw_only=True)
class QualityMap(Result):
    """The scores of each tile of a grid. As a Result it is that of the worst tile: the one with the lowest mean NEG.

    `neg_tile` and `gap_tile` are pooled over time first, and then the worst tile is taken. So
    `result.pooled("neg_tile", "p5")` is the lowest fifth percentile of any tile.

    Attributes:
        columns: Columns of the grid.
        rows: Rows of the grid.
        tiles: The tiles, row by row from the top left.
        distorted: The name of the distorted clip.
        whole: `width`, `height` and `filters` of the whole picture, as in the provenance of a Result.
        saliency: The name of the network that weights the tiles, "" for none.
    """

    columns: int
    rows: int
    tiles: tuple[Tile, ...]
    distorted: str
    whole: Mapping[str, Any] = field(hash=False)
    saliency: str = ""

    def __repr__(self) -> str:
        return f"<QualityMap {self.columns}x{self.rows}, worst NEG {self.neg:.2f} in {self.context.distorted}>"

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
        return self.neg

    @property
    def gap_tile(self) -> Score:
        """The gap of the tile with the largest mean gap."""
        return self["gap_tile"]

    @property
    def neg_salient(self) -> Score:
        """The mean NEG of the tiles, weighted in each frame by the share of saliency in each.

        Raises:
            KeyError: If the map was measured without `saliency`.
        """
        return self["neg_salient"]

    @property
    def neg_mean(self) -> float:
        """The mean NEG over tiles, weighted by area, and over time. It is close to the whole picture's NEG."""
        return sum(float(tile.neg) * tile.w * tile.h for tile in self.tiles) / sum(t.w * t.h for t in self.tiles)

    @property
    def worst_over_time(self) -> tuple[tuple[Tile, float], ...]:
        """For each frame the tile with the lowest NEG, and that NEG."""
        frames = zip(*(tile.neg.frames for tile in self.tiles), strict=True)
        return tuple(min(zip(self.tiles, values, strict=True), key=lambda each: each[1]) for values in frames)

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
            return (min if low else max)(scores, key=lambda score: pooled(score.frames, pool))
        if metric == "neg_salient" and not self.saliency:
            # For a gate, which must not pass because nothing was measured.
            raise SettingsError(
                "neg_salient was not measured, so its gate cannot be checked. Pass saliency=True to vmaf.map, or "
                "remove the gate with min_neg_salient=None."
            )
        return super().judged(metric, pool, bound)


def measure_map(
    request: MeasureRequest, scorer: Scorer, grid: tuple[int, int], salient: bool = False, network: Path | None = None
) -> QualityMap:
    """Score every tile of a grid by the default model and its NEG variant, in one run.

    Args:
        request: The pair and how to score it.
        scorer: Who scores it.
        grid: (columns, rows).
        salient: Whether to measure `neg_salient` as well.
        network: The path of the saliency network; None for the bundled one.

    Raises:
        SettingsError: If the grid is invalid.
        MaskError: If the network fails.
        ModelError: If the tiles are too small for the models.
        MeasurementError: As in `pytest_vmaf.scoring.measure.measure`.
    """
    columns, rows = _read_grid(grid)
    saliency = None
    if salient:
        from pytest_vmaf.roi.saliency_network import load_saliency

        saliency = load_saliency(network)
    prepared = prepare(request, scorer)
    if saliency is not None and not prepared.can.reads_clips:
        raise SettingsError(f"saliency needs a scorer that reads clips; {prepared.can.name!r} does not.")
    job = prepared.job
    places = {f"tile {place[0]},{place[1]}": place for place in _places(job, columns, rows)}
    scorings = {
        name: part_of(prepared, name, (w, h), f"crop={w}:{h}:x={x}:y={y}:exact=1")
        for name, (_, _, x, y, w, h) in places.items()
    }
    shares: Sequence[Sequence[float]] = ()
    empty: Sequence[int] = ()
    if saliency is not None:
        from pytest_vmaf.roi.cached import remembered_shares
        from pytest_vmaf.roi.tile_weights import salient_shares

        # Before the scoring, which takes much longer and would be in vain if nothing is salient.
        boxes = [place[2:] for place in places.values()]
        make = partial(salient_shares, prepared, saliency, boxes)
        shares, empty = remembered_shares(prepared, saliency.digest, boxes, make)
    logs = score_together(scorings)
    tiles = {}
    for name, place in places.items():
        label = f"{job.distorted.clip} [{_place_name(*place[:2])} of {columns}x{rows}]"
        scores = scores_of(scorings[name], logs[name], context_of(scorings[name], logs[name], label))
        tiles[name] = Tile(*place, scores["vmaf"], scores["neg"], scores["gap"])
    name, worst = min(tiles.items(), key=lambda item: float(item[1].neg))
    if saliency is not None and len(shares) != len(worst.neg.frames):
        raise ScorerError(f"{len(worst.neg.frames)} frames were scored, but saliency was computed for {len(shares)}.")
    notes = empty_note(empty, "map: nothing is salient in {}; tiles count by their area there")
    result = conclude(scorings[name], logs[name], worst.neg.context.distorted, notes=notes)
    gap = max((tile.gap for tile in tiles.values()), key=float)
    parts = {
        "neg_tile": with_view(result.neg, "of the worst tile"),
        "gap_tile": with_view(gap, "of the tile where it is largest"),
    }
    if saliency is not None:
        parts["neg_salient"] = _weighted(list(tiles.values()), shares, result)
    filters = {"reference": job.reference.chain, "distorted": job.distorted.chain}
    return QualityMap(
        **fields_with(result, parts),
        columns=columns,
        rows=rows,
        tiles=tuple(tiles.values()),
        distorted=str(job.distorted.clip),
        whole={"width": job.width, "height": job.height, "filters": filters},
        saliency=saliency.name if saliency else "",
    )


def _weighted(tiles: Sequence[Tile], shares: Sequence[Sequence[float]], result: Result) -> Score:
    """Σ share · NEG over the tiles of each frame; the shares of a frame add up to 1."""
    frames = tuple(
        sum(weight * score for weight, score in zip(weights, scores, strict=True))
        for weights, scores in zip(shares, zip(*(tile.neg.frames for tile in tiles), strict=True), strict=True)
    )
    return Score(frames, replace(result.neg.scale, view="of the salient tiles"), result.context)


def _place_name(column: int, row: int) -> str:
    return f"tile in column {column}, row {row}"


def _read_grid(grid: object) -> tuple[int, int]:
    sides = tuple(grid) if isinstance(grid, Sequence) and not isinstance(grid, str | bytes) else ()
    if len(sides) != 2 or not all(type(side) is int and 1 <= side <= MOST_ON_SIDE for side in sides):
        raise SettingsError(
            f"grid must be (columns, rows), each between 1 and {MOST_ON_SIDE}, for example (4, 4); got {grid!r:.80}."
        )
    if sides[0] * sides[1] > MOST_TILES:
        raise SettingsError(f"grid must have at most {MOST_TILES} tiles, not {sides[0] * sides[1]}; got {grid!r:.80}.")
    return sides[0], sides[1]


def _places(job: ScoreRequest, columns: int, rows: int) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Column, row, x, y, w and h of each tile, row by row."""
    # From an odd pixel on, ffmpeg's crop reads subsampled chroma of two bytes from between two samples.
    step = 2 if re.fullmatch(r"yuv42[02]p\d+le", job.pix_fmt) else 1
    for row, (y, bottom) in enumerate(pairwise(_edges(job.height, rows))):
        for column, (x, right) in enumerate(pairwise(_edges(job.width, columns, step))):
            yield column, row, x, y, right - x, bottom - y


def _edges(length: int, parts: int, step: int = 1) -> list[int]:
    """The edges of the parts of a side: each part begins at a multiple of `step`, and they differ by less than two."""
    return [*(length * part // parts // step * step for part in range(parts)), length]
