"""Recommendations from the rows of a sweep: the CRF to use for a target score or below a bitrate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.rate_modes import noun_of
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.bisect_request import invalid
from pytest_vmaf.search.metric import Metric, parse_metric
from pytest_vmaf.search.rows import Row, Setup
from pytest_vmaf.text import printable


@dataclass(frozen=True, repr=False)
class Recommendation:
    """What one source needs with one encoder and preset, among the rows of a sweep.

    Attributes:
        setup: The source, the encoder and how its encodes were scored.
        metric: The metric of the target.
        row: The row to use, None if no row meets the conditions.
        why: A sentence about the row, or about the reason why there is none.
    """

    setup: Setup
    metric: Metric
    row: Row | None
    why: str

    @property
    def met(self) -> bool:
        """Whether a row meets the conditions."""
        return self.row is not None

    def to_dict(self) -> dict[str, Any]:
        """The recommendation as plain data; `row` is None if no row meets the conditions."""
        setup = self.setup
        return {
            "source": setup.source,
            "encoder": setup.encoder,
            "preset": setup.preset,
            "arguments": list(setup.arguments),
            "pix_fmt": setup.pix_fmt,
            "metric": self.metric.text,
            "model": setup.model,
            "neg_model": setup.neg_model,
            "met": self.met,
            "why": self.why,
            "row": self.row and self.row.to_dict(),
        }

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
    """Recommend a row for each source, encoder and preset (and whatever else distinguishes curves).

    With `target`, this is the coarsest row that reaches it: the one with the largest CRF, or the smallest if larger is
    finer for that encoder. With `max_bitrate`, it is the best row within it. With both, it is the coarsest row that
    meets both.

    Args:
        rows: The rows of a sweep.
        target: The lowest score allowed.
        max_bitrate: The highest bitrate allowed, in bit/s.
        metric: What the target is a score of: "neg", "vmaf", "neg.p5", "psnr_y", …
        encoder: Use only rows of this encoder.
        preset: Use only rows with this preset.
        source: Use only rows of this source. Only the file's name counts, not its folder.

    Returns:
        The recommendations in the order of the rows.

    Raises:
        SettingsError: For an invalid condition, or one that selects no row.
        MeasurementError: If there are no rows, or they were scored with different models, whose scores are not on one
            scale.
    """
    preset = None if preset is None else str(preset)
    if not rows:
        raise MeasurementError("There are no rows to recommend from. Run the sweep first.")
    if target is None and max_bitrate is None:
        raise SettingsError("Give target=93, max_bitrate=2_000_000 (bit/s), or both.")
    for what, number in (("target", target), ("max_bitrate", max_bitrate)):
        fits = isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < math.inf
        if number is not None and not fits:
            raise invalid(what, "a number above 0", number)
    wanted = parse_metric(metric)
    name = None if source is None else Path(source).name
    for what, value, names in (
        ("source", name, {row.setup.source for row in rows}),
        ("encoder", encoder, {row.setup.encoder for row in rows}),
        ("preset", preset, {row.setup.preset for row in rows if row.setup.preset is not None}),
    ):
        if value is not None and value not in names:
            raise SettingsError(f"No row has the {what} {value!r}. There are {_list(names)}.")
    curves: dict[Setup, dict[float, Row]] = {}
    for row in rows:
        setup = row.setup
        if name in (None, setup.source) and encoder in (None, setup.encoder) and preset in (None, setup.preset):
            # The later of two rows for one encode counts.
            curves.setdefault(setup, {})[row.crf] = row
    if not curves:
        raise SettingsError(f"No row has all of source {name!r}, encoder {encoder!r} and preset {preset!r}.")
    check_models(curves, wanted)
    return tuple(_recommend(setup, tuple(own.values()), wanted, target, max_bitrate) for setup, own in curves.items())


def check_models(setups: Iterable[Setup], metric: Metric) -> None:
    """Raise MeasurementError if the scores of rows are from several models, which have scales of their own."""
    attribute = {"vmaf": "model", "neg": "neg_model"}.get(metric.name)
    models = sorted({getattr(setup, attribute) for setup in setups}) if attribute else []
    if len(models) > 1:
        raise MeasurementError(
            f"The {metric} scores of the rows are from {len(models)} models: {_list(models)}. Their scores are not on "
            "one scale. Sweep each model into a file of its own, or pass the rows of one model."
        )


def _recommend(
    setup: Setup, rows: tuple[Row, ...], metric: Metric, target: float | None, max_bitrate: float | None
) -> Recommendation:
    finest_first = sorted(rows, key=lambda row: row.crf, reverse=setup.larger_is_finer)
    scores = {row.crf: _score(row, metric) for row in rows}

    noun = noun_of(setup.mode)

    def describe(row: Row) -> str:
        return f"{row.at} ({metric} {scores[row.crf]:.3f}, {_kbit(row.bitrate)})"

    def answer(row: Row | None, why: str) -> Recommendation:
        return Recommendation(setup, metric, row, f"{setup.name}: {why}")

    if len(rows) > 1 and len({(row.size, row.neg, row.vmaf) for row in rows}) == 1:
        return answer(None, f"all {len(rows)} rows have the same size and scores, so the encoder ignores the {noun}.")
    affordable = [row for row in finest_first if max_bitrate is None or row.bitrate <= max_bitrate]
    good = [row for row in finest_first if target is None or scores[row.crf] >= target]
    limit = "" if max_bitrate is None else _kbit(max_bitrate)
    if not good:
        best = max(finest_first, key=lambda row: scores[row.crf])
        return answer(None, f"no row reaches {metric} {target:g}; the best is {describe(best)}.")
    if not affordable:
        smallest = min(finest_first, key=lambda row: row.bitrate)
        return answer(None, f"no row has at most {limit}; the smallest is {describe(smallest)}.")
    if target is None:
        best = max(affordable, key=lambda row: (scores[row.crf], -row.bitrate))
        return answer(best, f"{describe(best)} is the best row with at most {limit}.")
    both = [row for row in good if row in affordable]
    if not both:
        best = max(affordable, key=lambda row: scores[row.crf])
        cheapest = min(good, key=lambda row: row.bitrate)
        return answer(
            None,
            f"no row reaches {metric} {target:g} with at most {limit}; the best within that is {describe(best)}, "
            f"the cheapest that reaches it {describe(cheapest)}.",
        )
    row = both[-1]
    place = finest_first.index(row)
    coarser = finest_first[place + 1 :]
    below = [finer for finer in finest_first[:place] if scores[finer.crf] < target]
    why = f"{describe(row)} is the coarsest row at or above {target:g}{f' with at most {limit}' if limit else ''}."
    why += (
        f" The next is {describe(coarser[0])}." if coarser else f" No coarser {noun} was swept; one may be enough, too."
    )
    if below:
        why += f" The curve is not monotone: {describe(below[-1])} is finer but below the target."
    return answer(row, why)


def _score(row: Row, metric: Metric) -> float:
    key = metric.name if metric.pool == "mean" else f"{metric.name}_{metric.pool}"
    if key not in row.scores:
        raise SettingsError(
            f"The row of {row.setup.name}, {row.at} has no {metric}. It has {_list(row.scores)}.\n"
            "  To measure a feature, sweep again with features=; the rows that lack it are made again."
        )
    return row.scores[key]


def _kbit(rate: float) -> str:
    return f"{rate / 1000:.1f} kbit/s"


def _list(names: Iterable[str]) -> str:
    return printable(", ".join(sorted(names)))
