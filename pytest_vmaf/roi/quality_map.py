"""Quality maps: a grid of tiles, each scored on its own in the one run that decodes the clips."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.errors import ScorerError, SettingsError
from pytest_vmaf.roi.part_scoring import Part, part_of, score_together
from pytest_vmaf.scoring.measure import conclude, context_of, scores_of
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.scoring.scorer import Scorer

if TYPE_CHECKING:
    from pytest_vmaf.roi.network import Saliency

#: More tiles than this on a side are too small to say anything on any clip; more in all are too many for ffmpeg.
MOST_ON_SIDE, MOST_TILES = 64, 900
#: What every tile has.
MEASURED = ("vmaf", "neg", "gap")


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
        return _named(self.column, self.row)


@dataclass(frozen=True, repr=False, kw_only=True)
class QualityMap(Result):
    """The scores of each tile of a grid. As a Result it is that of the worst tile: the lowest NEG, as a mean over time.

    ``tiles`` go row by row from the top left. ``neg_tile`` and ``gap_tile`` pool over time first and take the worst
    tile then, so that ``result.pooled("neg_tile", "p5")`` is the lowest fifth percentile of any tile.
    """

    columns: int
    rows: int
    tiles: tuple[Tile, ...]
    #: The distorted clip, and of the whole picture ``width``, ``height`` and ``filters``, as in the provenance.
    distorted: str
    whole: Mapping[str, Any] = field(hash=False)
    #: The network that the tiles were weighted by, "" for none.
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

    def judged(self, metric: str, pool: str = "mean", bound: str = "") -> Score:
        """Of "vmaf", "neg", "gap", "neg_tile" and "gap_tile" the score of the tile that is worst by this very pool.

        That is for a gate the one that is the first to violate it; without a ``bound`` the lowest score, or where less
        is better (gaps, and the spread) the highest. Raises SettingsError for ``neg_salient`` of a map without
        ``saliency``.
        """
        # The tile with the largest gap need not be the one with the lowest NEG: no gate holds because of another tile.
        measured = metric.removesuffix("_tile")
        if measured in MEASURED:
            low = bound == "min" if bound else measured != "gap" and pool != "stdev"
            scores: list[Score] = [getattr(tile, measured) for tile in self.tiles]
            return (min if low else max)(scores, key=lambda score: _pooled(score, pool))
        if metric == "neg_salient" and not self.saliency:
            # A gate asks, which must not hold because nothing was measured.
            raise SettingsError(
                "neg_salient was not measured, so its gate holds nothing; pass saliency=True to vmaf.map, or take the "
                "gate back with min_neg_salient=None."
            )
        return super().judged(metric, pool, bound)


def measure_map(
    request: MeasureRequest, scorer: Scorer, grid: tuple[int, int], salient: bool = False, network: Path | None = None
) -> QualityMap:
    """Score every tile of a grid of (columns, rows), with and without enhancement credit, in one run.

    ``salient`` pools the tiles by saliency too, by the ``network`` at a path (None: the one that comes along). Raises
    as :func:`~pytest_vmaf.scoring.measure.measure`, MaskError for the network, SettingsError for a grid that is none,
    ModelError for tiles that are too small for the models.
    """
    columns, rows = _grid(grid)
    saliency: Saliency | None = None
    if salient:
        from pytest_vmaf.roi.network import load_saliency

        saliency = load_saliency(network)
    prepared = prepare(request, scorer)
    if saliency is not None and not prepared.can.reads_clips:
        raise SettingsError(f"The scorer {prepared.can.name!r} reads no clip, and saliency is that of one.")
    job = prepared.job
    # From an odd pixel on, ffmpeg's crop takes subsampled chroma of two bytes from between two samples.
    across = 2 if re.fullmatch(r"yuv42[02]p\d+le", job.pix_fmt) else 1
    places = {}
    for row, (top, bottom) in enumerate(pairwise(_edges(job.height, rows))):
        for column, (left, right) in enumerate(pairwise(_edges(job.width, columns, across))):
            places[f"tile {column},{row}"] = (column, row, left, top, right - left, bottom - top)
    scorings = {
        name: part_of(prepared, Part(name, w, h, f"crop={w}:{h}:x={x}:y={y}:exact=1"))
        for name, (_, _, x, y, w, h) in places.items()
    }
    shares: Sequence[Sequence[float]] = ()
    empty: Sequence[int] = ()
    if saliency is not None:
        from pytest_vmaf.roi.cached import remembered_shares
        from pytest_vmaf.roi.tile_weights import salient_shares

        # Before the scoring, which takes much longer: where nothing is salient it would be in vain.
        boxes = [place[2:] for place in places.values()]
        shares, empty = remembered_shares(
            prepared, saliency.digest, boxes, lambda: salient_shares(prepared, saliency, boxes)
        )
    logs = score_together(scorings)
    tiles = []
    for name, place in places.items():
        label = f"{job.distorted.clip} [{_named(*place[:2])} of {columns}x{rows}]"
        found = scores_of(scorings[name], logs[name], context_of(scorings[name], logs[name], label))
        tiles.append(Tile(*place, found["vmaf"], found["neg"], found["gap"]))
    worst = min(tiles, key=lambda tile: float(tile.neg))
    name = f"tile {worst.column},{worst.row}"
    if saliency is not None and len(shares) != len(worst.neg.frames):
        raise ScorerError(
            f"{len(worst.neg.frames)} frames were scored, and {len(shares)} looked at for what is salient."
        )
    result = conclude(scorings[name], logs[name], worst.neg.context.distorted, notes=_empty_note(empty))
    gap = max(tiles, key=lambda tile: float(tile.gap)).gap
    parts = {
        "neg_tile": _shown(result.neg, "of the worst tile"),
        "gap_tile": _shown(gap, "of the tile where it is largest"),
    }
    if saliency is not None:
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
        distorted=str(job.distorted.clip),
        whole={
            "width": job.width,
            "height": job.height,
            "filters": {"reference": job.reference.chain, "distorted": job.distorted.chain},
        },
        saliency=saliency.name if saliency else "",
    )


def _empty_note(empty: Sequence[int]) -> list[str]:
    if not empty:
        return []
    which = f"frame {empty[0]}" if len(empty) == 1 else f"{len(empty)} frames, the first is {empty[0]}"
    return [f"map: nothing is salient in {which}; tiles count by their area there"]


def _weighted(tiles: Sequence[Tile], shares: Sequence[Sequence[float]], result: Result) -> Score:
    """Σ share · NEG over the tiles of each frame; the shares of a frame add up to 1."""
    frames = []
    for weights, scores in zip(shares, zip(*(tile.neg.frames for tile in tiles), strict=True), strict=True):
        frames.append(sum(weight * score for weight, score in zip(weights, scores, strict=True)))
    return Score(tuple(frames), replace(result.neg.scale, view="of the salient tiles"), result.context)


def _shown(score: Score, view: str) -> Score:
    return Score(score.unclipped.frames, replace(score.scale, view=view), score.context)


def _named(column: int, row: int) -> str:
    return f"tile in column {column}, row {row}"


def _pooled(score: Score, pool: str) -> float:
    return score.stdev if pool == "stdev" else float(score.pooled(pool))


def _grid(grid: Any) -> tuple[int, int]:
    right = isinstance(grid, Sequence) and not isinstance(grid, str | bytes) and len(grid) == 2
    if not right or not all(type(side) is int and 1 <= side <= MOST_ON_SIDE for side in grid):
        raise SettingsError(f"grid is {grid!r:.80}; it is (columns, rows), each from 1 to {MOST_ON_SIDE}, as (4, 4).")
    if grid[0] * grid[1] > MOST_TILES:
        raise SettingsError(f"grid is {grid!r:.80}, {grid[0] * grid[1]} tiles; {MOST_TILES} are scored at most.")
    return grid[0], grid[1]


def _edges(length: int, parts: int, step: int = 1) -> list[int]:
    """Where ``parts`` parts of a side begin and end: together they are the side, and each begins at a multiple of
    ``step``. They differ by less than two steps.
    """
    return [*(length * part // parts // step * step for part in range(parts)), length]
