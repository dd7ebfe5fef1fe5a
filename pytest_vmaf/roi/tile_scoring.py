"""Scoring of a grid of tiles, each on its own, and of the whole picture, in the one run that decodes the clips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from pytest_vmaf.errors import ScorerError, SettingsError
from pytest_vmaf.roi.part_scoring import empty_note, fields_with, part_of, score_together, with_view
from pytest_vmaf.roi.quality_map import MapResult, Tile, place_name
from pytest_vmaf.scoring.measure import conclude, context_of, scores_of
from pytest_vmaf.scoring.order_warning import warn_of_order
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.scoring.scorer import Scorer, ScoreRequest
from pytest_vmaf.scoring.xpsnr import without_xpsnr

#: Tiles of a larger grid are too small in any clip; more tiles in all are too many for one ffmpeg.
MOST_ON_SIDE, MOST_TILES = 64, 900


def measure_map(
    request: MeasureRequest, scorer: Scorer, grid: tuple[int, int], salient: bool = False, network: Path | None = None
) -> MapResult:
    """Score the whole picture and every tile of a grid by the default model and its NEG variant, in one run.

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
    # XPSNR weights by the size of the picture, so that of a tile says nothing.
    plain = replace(prepared, job=without_xpsnr(job))
    places = {f"tile {place[0]},{place[1]}": place for place in _places(job, columns, rows)}
    scorings = {
        name: replace(part_of(plain, name, (w, h), f"crop={w}:{h}:x={x}:y={y}:exact=1"), metrics=())
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
    logs = score_together({"": prepared, **scorings})
    tiles = {}
    for name, place in places.items():
        label = f"{job.distorted.clip} [{place_name(*place[:2])} of {columns}x{rows}]"
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
    whole = conclude(prepared, logs[""], notes=notes)
    warn_of_order(prepared, logs[""], whole)
    return MapResult(
        **fields_with(result, parts),
        whole=whole,
        columns=columns,
        rows=rows,
        tiles=tuple(tiles.values()),
        saliency=saliency.name if saliency else "",
    )


def _weighted(tiles: Sequence[Tile], shares: Sequence[Sequence[float]], result: Result) -> Score:
    """Σ share · NEG over the tiles of each frame; the shares of a frame add up to 1."""
    frames = tuple(
        sum(weight * score for weight, score in zip(weights, scores, strict=True))
        for weights, scores in zip(shares, zip(*(tile.neg.frames for tile in tiles), strict=True), strict=True)
    )
    return Score(frames, replace(result.neg.scale, view="of the salient tiles"), result.context)


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
