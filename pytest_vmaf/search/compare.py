"""Encoders against each other: what each needs for the same quality, and what enhancement has to do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pytest_vmaf.encoding.encode import check_arguments
from pytest_vmaf.encoding.encoders import check_available
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import look
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import TWINS, BisectRequest, SearchPlan, crf_window
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.probe import Probe


@dataclass(frozen=True)
class CompareRequest:
    """Encoders with their settings, by label, on one or several sources.

    Each of ``contenders`` is a request for a bisection whose ``scoring`` is put in place source by source.
    """

    scorings: tuple[MeasureRequest, ...]
    contenders: Mapping[str, BisectRequest]
    speed: bool = False
    progress: Callable[[int, float], None] | None = None


def compare(request: CompareRequest, scorer: Scorer) -> Comparison:
    """Bisect every contender on every source, one after the other, so that none disturbs another's speed.

    Raises, before anything is encoded, SettingsError for fewer than one contender, for a source given twice and for
    settings that an encoder has not, and ClipError for a source that cannot be read; and all that :func:`bisect`
    raises, the error's ``probes`` then hold those of all contenders.
    """
    if not request.contenders or not request.scorings:
        raise SettingsError("A comparison needs at least one encoder and one source.")
    names = [str(scoring.reference) for scoring in request.scorings]
    if len(set(names)) < len(names):
        raise SettingsError(f"A source is given twice: {', '.join(names)}.")
    cache = request.scorings[0].cache
    ffmpeg = find_ffmpeg(request.scorings[0].ffmpeg, cache).path
    for scoring in request.scorings:
        look(scoring.reference, ffmpeg, 1, scoring.timeout, cache)
    for contender in request.contenders.values():
        check_available(contender.encoder, ffmpeg, cache)
        check_arguments(contender.encoder, contender.arguments)
        contender.encoder.chosen_preset(contender.preset)
        crf_window(contender)
    found: dict[str, dict[str, Bisection]] = {name: {} for name in names}
    finished: list[Probe] = []
    runs = len(names) * len(request.contenders)
    for number, (name, scoring) in enumerate(zip(names, request.scorings, strict=True)):
        for label, contender in request.contenders.items():
            done = sum(map(len, found.values()))
            # Encodes are called after their source's file, and two of these may have one name.
            keep = contender.keep / f"source-{number}" if contender.keep and len(names) > 1 else contender.keep
            shown = overall(request.progress, len(finished), done, runs)
            try:
                plan = SearchPlan(cover=contender.metric.name in TWINS, timed=request.speed, progress=shown)
                one = bisect(replace(contender, scoring=scoring, keep=keep), scorer, plan)
            except MeasurementError as error:
                error.probes = (*finished, *error.probes)
                error.add_note(f"This was {label} on {name}; {_done(found)} of {runs} searches had been finished.")
                raise
            found[name][label] = one
            finished += one.probes
    first = next(iter(request.contenders.values()))
    return Comparison(first.metric, first.targets, found)


def _done(found: Mapping[str, Mapping[str, Bisection]]) -> str:
    names = [f"{label} on {source}" for source, by_label in found.items() for label in by_label]
    return f"{len(names)} ({', '.join(names)})" if names else "none"


def overall(
    progress: Callable[[int, float], None] | None, made: int, done: int, runs: int
) -> Callable[[int, float], None] | None:
    """The progress of one search as that of ``runs`` of them, ``done`` of which are over and took ``made`` probes."""
    if progress is None:
        return None

    def shown(probes: int, expected: float) -> None:
        mean = (made + expected) / (done + 1)
        progress(made + probes, made + expected + mean * (runs - done - 1))

    return shown
