"""`RatedClip`: a clip with its scores and its rating. Joins the two tables by the names of clips."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pytest_vmaf.correlation.ratings import Rating
from pytest_vmaf.correlation.scores import Scored
from pytest_vmaf.correlation.tables import listed
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.text import plural

#: How names are compared: as they are, or if more match then, without folders, or without suffixes, too.
FORMS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", lambda name: name),
    ("without their folders", lambda name: re.split(r"[/\\]", name)[-1]),
    ("without their folders and suffixes", lambda name: re.sub(r"(?<=.)\.\w{1,5}$", "", re.split(r"[/\\]", name)[-1])),
)


@dataclass(frozen=True)
class RatedClip:
    """A clip that metrics scored and viewers rated.

    Attributes:
        clip: Its name.
        codec: The codec, "" if it is unknown.
        source: The source, "" if it is unknown.
        mos: The mean opinion score.
        interval: Half the width of its 95 % confidence interval, None if it is unknown.
        scores: The scores by metric.
    """

    clip: str
    codec: str
    source: str
    mos: float
    interval: float | None
    scores: Mapping[str, float]


def join(
    scored: Mapping[str, Scored], ratings: Mapping[str, Rating], *, allow_missing: bool
) -> tuple[list[RatedClip], list[str]]:
    """Join scores and ratings by clip, in the order of the names.

    Returns:
        The clips that are in both, and notes about those that are not.

    Raises:
        MeasurementError: If a clip or a score is missing, unless `allow_missing`; and if nothing is left.
    """
    form, name, matched = _match(scored, ratings)
    notes = [f"The names of clips are compared {form}."] if form and matched else []
    theirs = {name(clip): rating for clip, rating in ratings.items()}
    unrated = [clip for clip in scored if name(clip) not in theirs]
    own = {name(clip) for clip in scored}
    unscored = [clip for clip in ratings if name(clip) not in own]
    incomplete = {
        clip: [metric for metric, value in each.scores.items() if value is None]
        for clip, each in scored.items()
        if name(clip) in theirs and None in each.scores.values()
    }
    lacks = [f"{clip} ({', '.join(names)})" for clip, names in incomplete.items()]
    problems = [
        f"{plural(len(names), 'clip')} without {what}: {listed(names)}"
        for what, names in (("a MOS", unrated), ("scores", unscored), ("a value of every metric", lacks))
        if names
    ]
    clips = [
        _viewed(clip, each, theirs[name(clip)])
        for clip, each in sorted(scored.items())
        if name(clip) in theirs and clip not in incomplete
    ]
    if not clips:
        raise MeasurementError("\n  ".join(["No clip has both a MOS and scores.", *(f"{each}." for each in problems)]))
    if problems and not allow_missing:
        hint = "Complete the tables, or leave these clips out with allow_missing (--allow-missing)."
        raise MeasurementError(
            "\n  ".join(["Not every clip has both a MOS and scores.", *(f"{each}." for each in problems), hint])
        )
    return clips, [*notes, *(f"Left out: {problem}." for problem in problems)]


def _match(scored: Collection[str], ratings: Collection[str]) -> tuple[str, Callable[[str], str], int]:
    """The form in which most names match, and the most exact of these."""
    forms = []
    for form, name in FORMS:
        own, theirs = [name(clip) for clip in scored], [name(clip) for clip in ratings]
        if len(set(own)) == len(own) and len(set(theirs)) == len(theirs):
            forms.append((form, name, len(set(own) & set(theirs))))
    return max(forms, key=lambda each: each[2])


def _viewed(clip: str, scored: Scored, rating: Rating) -> RatedClip:
    if scored.codec and rating.codec and scored.codec != rating.codec:
        raise MeasurementError(
            f"The clip {clip!r} has the codec {scored.codec!r} by its scores and {rating.codec!r} by its MOS."
        )
    codec, source = rating.codec or scored.codec or "", rating.source or scored.source or ""
    scores = {metric: value for metric, value in scored.scores.items() if value is not None}
    return RatedClip(clip, codec, source, rating.mos, rating.interval, scores)


def sources_of(clips: Sequence[RatedClip]) -> list[str]:
    """The different sources in order, empty if any clip has none."""
    names = sorted({clip.source for clip in clips})
    return [] if "" in names else names
