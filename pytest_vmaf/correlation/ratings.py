"""`Rating`: what viewers said about a clip. Read from means with intervals, or from votes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from pytest_vmaf.correlation.scores import clip_name, lower_names, text_of
from pytest_vmaf.correlation.student import interval_factor
from pytest_vmaf.correlation.tables import Table, listed, name_of, number_of
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.text import closest_match, plural, printable

#: Other names of columns.
NAMES = {
    "ci95": "ci", "sd": "std", "stdev": "std", "votes": "n", "subject": "viewer", "participant": "viewer",
    "observer": "viewer", "score": "vote", "rating": "vote", "opinion": "vote",
}  # fmt: skip
KNOWN = ("clip", "mos", "ci", "std", "n", "vote", "viewer", "codec", "source", "encoder", "preset", "crf")


@dataclass(frozen=True)
class Rating:
    """The opinion of viewers about one clip.

    Attributes:
        mos: The mean opinion score.
        interval: Half the width of its 95 % confidence interval; None if it is unknown.
        codec: The codec, if the table has a column for it.
        source: The source, if the table has a column for it.
    """

    mos: float
    interval: float | None
    codec: str | None = None
    source: str | None = None


def read_ratings(table: Table) -> dict[str, Rating]:
    """The ratings by clip.

    Raises:
        MeasurementError: If the table is not one of opinion scores, or has impossible ones.
    """
    if table.document is not None:
        raise MeasurementError(f"{table.name} must be a list of objects with the keys clip and mos.")
    rows = [(where, lower_names(row, KNOWN, NAMES)) for where, row in table.rows]
    columns = {column for _, row in rows for column in row}
    if "mos" in columns:
        return _read_means(table.name, rows, columns)
    if "vote" in columns:
        return _read_votes(rows)
    viewers = [column for column in columns if column not in KNOWN]
    near = closest_match("mos", viewers)
    if len(viewers) < 2 or near:
        raise MeasurementError(
            f"{table.name} must have a column mos, or vote, or one for each viewer. "
            f"It has {listed(table.columns)}.{f' Did you mean {near!r}?' if near else ''}"
        )
    return _read_viewers(rows, viewers)


def _read_means(name: str, rows: Sequence[tuple[str, Mapping[str, object]]], columns: set[str]) -> dict[str, Rating]:
    if "ci" not in columns and ("std" in columns) != ("n" in columns):
        raise MeasurementError(f"{name} must have both std and n, or ci, for intervals.")
    ratings: dict[str, Rating] = {}
    lines: dict[str, str] = {}
    without: list[str] = []
    for where, row in rows:
        clip = clip_name(row, where)
        if clip in lines:
            raise MeasurementError(f"{where}: the clip {printable(clip)!r} is also in {lines[clip]}.")
        mos = number_of(row.get("mos"), f"{where}: mos")
        lines[clip] = where
        if mos is None:
            # As if the row were missing.
            continue
        interval = _interval(row, where)
        if interval is None:
            without.append(clip)
        ratings[clip] = Rating(mos, interval, *_groups(row))
    if without and len(without) < len(ratings):
        raise MeasurementError(
            f"{name}: {plural(len(without), 'clip')} of {len(ratings)} must have an interval like the others: "
            f"{listed(without)}."
        )
    return ratings


def _interval(row: Mapping[str, object], where: str) -> float | None:
    half = number_of(row.get("ci"), f"{where}: ci")
    if half is not None:
        if half < 0:
            raise MeasurementError(f"{where}: ci must be half the width of an interval and at least 0, not {half:g}.")
        return half
    spread, votes = number_of(row.get("std"), f"{where}: std"), number_of(row.get("n"), f"{where}: n")
    if spread is None or votes is None:
        return None
    if spread < 0:
        raise MeasurementError(f"{where}: std must be at least 0, not {spread:g}.")
    if votes < 2 or votes != int(votes):
        raise MeasurementError(f"{where}: n must be a whole number of votes, at least 2, not {votes:g}.")
    return interval_factor(int(votes)) * spread / math.sqrt(votes)


def _read_votes(rows: Sequence[tuple[str, Mapping[str, object]]]) -> dict[str, Rating]:
    votes: dict[str, list[float]] = {}
    groups: dict[str, tuple[str | None, str | None]] = {}
    places: dict[tuple[str, str], str] = {}
    for where, row in rows:
        clip = clip_name(row, where)
        if "viewer" in row:
            key = (clip, name_of(row["viewer"], f"{where}: viewer"))
            if key in places:
                raise MeasurementError(
                    f"{where}: viewer {printable(key[1])!r} also voted on {printable(clip)!r} in {places[key]}."
                )
            places[key] = where
        vote = number_of(row.get("vote"), f"{where}: vote")
        if vote is None:
            raise MeasurementError(f"{where}: the vote is missing.")
        votes.setdefault(clip, []).append(vote)
        if groups.setdefault(clip, _groups(row)) != _groups(row):
            raise MeasurementError(
                f"{where}: the clip {printable(clip)!r} has another codec or source in its other rows."
            )
    return {clip: _rating(clip, each, groups[clip]) for clip, each in votes.items()}


def _read_viewers(rows: Sequence[tuple[str, Mapping[str, object]]], viewers: Sequence[str]) -> dict[str, Rating]:
    ratings: dict[str, Rating] = {}
    for where, row in rows:
        clip = clip_name(row, where)
        if clip in ratings:
            raise MeasurementError(f"{where}: the clip {printable(clip)!r} is in more than one row.")
        cells = (number_of(row.get(viewer), f"{where}: {printable(viewer)}") for viewer in viewers)
        ratings[clip] = _rating(clip, [vote for vote in cells if vote is not None], _groups(row))
    return ratings


def _rating(clip: str, votes: Sequence[float], groups: tuple[str | None, str | None]) -> Rating:
    if len(votes) < 2:
        raise MeasurementError(
            f"The clip {printable(clip)!r} must have at least 2 votes for an interval, not {len(votes)}."
        )
    return Rating(fmean(votes), interval_factor(len(votes)) * stdev(votes) / math.sqrt(len(votes)), *groups)


def _groups(row: Mapping[str, object]) -> tuple[str | None, str | None]:
    return text_of(row.get("codec")) or None, text_of(row.get("source")) or None
