"""Recommendations from the rows of a sweep: the CRF to use for a target or under a bitrate. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.probe import Metric, parse_metric
from pytest_vmaf.search.rows import Row, Setup
from pytest_vmaf.text import printable


@dataclass(frozen=True, repr=False)
class Recommendation:
    """What one source needs with one encoder and preset, by the rows there are.

    ``row`` is the one to use, None where no row holds what was asked; ``why`` is a sentence about it either way.
    """

    setup: Setup
    metric: Metric
    row: Row | None
    why: str

    @property
    def met(self) -> bool:
        """Whether a row holds what was asked."""
        return self.row is not None

    def __repr__(self) -> str:
        return f"<{self.why}>"


def recommend(
    rows: Sequence[Row],
    *,
    target: float | None = None,
    max_bitrate: float | None = None,
    metric: str = "neg",
    encoder: str | None = None,
    preset: str | None = None,
    source: str | Path | None = None,
) -> tuple[Recommendation, ...]:
    """For each source, encoder and preset (and all else that sets curves apart) the row to use, in the rows' order.

    With a ``target`` it is the coarsest row at or above it: the largest CRF, unless larger is finer on that encoder's
    scale. With ``max_bitrate`` (bit/s) it is the best row at or under it; with both the coarsest row that holds both.
    ``metric`` is "neg", "vmaf", "neg.p5", "psnr_y", …; ``source`` is the file name, whatever folder it is in.

    Raises SettingsError for a question that cannot be, or that no row is about, and MeasurementError for no rows, and
    for rows that were scored with different models: their scores are not on one scale.
    """
    preset = None if preset is None else str(preset)
    if not rows:
        raise MeasurementError("There are no rows to recommend from; run the sweep first.")
    _check(target, max_bitrate)
    asked = parse_metric(metric)
    name = None if source is None else Path(source).name
    for what, wanted, there in (
        ("source", name, {row.setup.source for row in rows}),
        ("encoder", encoder, {row.setup.encoder for row in rows}),
        ("preset", preset, {row.setup.preset for row in rows if row.setup.preset is not None}),
    ):
        if wanted is not None and wanted not in there:
            raise SettingsError(f"No row has the {what} {wanted!r}; there are {_listed(there)}.")
    curves: dict[Setup, dict[int, Row]] = {}
    for row in rows:
        setup = row.setup
        if name in (None, setup.source) and encoder in (None, setup.encoder) and preset in (None, setup.preset):
            # Of two rows for one encode the later one counts.
            curves.setdefault(setup, {})[row.crf] = row
    if not curves:
        raise SettingsError(f"No row has all of source {name!r}, encoder {encoder!r} and preset {preset!r}.")
    _refuse_mixture(curves, asked)
    return tuple(_best(setup, tuple(of.values()), asked, target, max_bitrate) for setup, of in curves.items())


def _check(target: float | None, max_bitrate: float | None) -> None:
    if target is None and max_bitrate is None:
        raise SettingsError("Say what to look for: target=93, max_bitrate=2_000_000 (bit/s), or both.")
    for what, number in (("target", target), ("max_bitrate", max_bitrate)):
        fits = isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < math.inf
        if number is not None and not fits:
            raise SettingsError(f"{what} is {number!r}; it is a number above 0.")


def _refuse_mixture(curves: dict[Setup, dict[int, Row]], metric: Metric) -> None:
    models = {
        "vmaf": sorted({setup.model for setup in curves}),
        "neg": sorted({setup.neg_model for setup in curves}),
    }.get(metric.name, [])
    if len(models) > 1:
        raise MeasurementError(
            f"The rows' {metric} is of {len(models)} models: {_listed(models)}. Their scores are not on one scale, so "
            "one number cannot be asked of all. Say source=, or sweep each model into a file of its own."
        )


def _best(
    setup: Setup, rows: tuple[Row, ...], metric: Metric, target: float | None, max_bitrate: float | None
) -> Recommendation:
    finest_first = sorted(rows, key=lambda row: row.crf, reverse=setup.larger_is_finer)
    scores = {row.crf: _score(row, metric) for row in rows}

    def shown(row: Row) -> str:
        return f"CRF {row.crf} ({metric} {scores[row.crf]:.3f}, {_kbit(row.bitrate)})"

    def answer(row: Row | None, why: str) -> Recommendation:
        return Recommendation(setup, metric, row, f"{setup.name}: {why}")

    if len(rows) > 1 and len({(row.size, row.neg, row.vmaf) for row in rows}) == 1:
        return answer(None, f"all {len(rows)} rows have the same size and scores, so the encoder ignores the CRF.")
    affordable = [row for row in finest_first if max_bitrate is None or row.bitrate <= max_bitrate]
    reached = [row for row in finest_first if target is None or scores[row.crf] >= target]
    limit = "" if max_bitrate is None else f"{_kbit(max_bitrate)}"
    if not reached:
        best = max(finest_first, key=lambda row: scores[row.crf])
        return answer(None, f"no row reaches {metric} {target:g}; the best is {shown(best)}.")
    if not affordable:
        smallest = min(finest_first, key=lambda row: row.bitrate)
        return answer(None, f"no row has at most {limit}; the smallest is {shown(smallest)}.")
    if target is None:
        best = max(affordable, key=lambda row: (scores[row.crf], -row.bitrate))
        return answer(best, f"{shown(best)} is the best row with at most {limit}.")
    both = [row for row in reached if row in affordable]
    if not both:
        best = max(affordable, key=lambda row: scores[row.crf])
        cheapest = min(reached, key=lambda row: row.bitrate)
        return answer(
            None,
            f"no row reaches {metric} {target:g} with at most {limit}; the best within that is {shown(best)}, "
            f"the cheapest that reaches it {shown(cheapest)}.",
        )
    row = both[-1]
    place = finest_first.index(row)
    within = f" with at most {limit}" if limit else ""
    why = f"{shown(row)} is the coarsest row at or above {target:g}{within}."
    coarser = finest_first[place + 1 :]
    why += f" The next is {shown(coarser[0])}." if coarser else " No coarser one was swept; one may do too."
    below = [finer for finer in finest_first[:place] if scores[finer.crf] < target]
    if below:
        why += f" The curve is not monotone: {shown(below[-1])} is finer and yet below the target."
    return answer(row, why)


def _score(row: Row, metric: Metric) -> float:
    key = metric.name if metric.pool == "mean" else f"{metric.name}_{metric.pool}"
    if key not in row.scores:
        raise SettingsError(
            f"{row.setup.name}, CRF {row.crf} holds no {metric}; it holds {_listed(row.scores)}.\n"
            "  A feature is measured when the sweep is asked for it, with features=; its rows are then made again."
        )
    return row.scores[key]


def _kbit(rate: float) -> str:
    return f"{rate / 1000:.1f} kbit/s"


def _listed(names: Iterable[str]) -> str:
    return printable(", ".join(sorted(names)))
