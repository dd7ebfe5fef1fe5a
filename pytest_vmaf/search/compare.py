"""`compare`: what several encoders need for the same quality, on one source or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.executors.placement import Placement
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import TWINS, BisectRequest, SearchPlan, check_encoder
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.search.search_tasks import Search, run_searches

Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class CompareRequest:
    """Encoders and sources to compare.

    Attributes:
        scorings: One for each source, at least one: the reference, and how to score.
        contenders: By label, a bisection of each encoder, at least one. Its source is replaced by each of the sources.
        speed: Whether to measure the speed of encoding and decoding.
        agree: The metrics whose BD-rates are compared with that of the targets.
        beyond: How far beyond the bitrates of the answers to encode, as a factor, so that metrics can be compared that
            differ much where the metric of the targets does not.
        rates: By label and number of the source, the bitrates in bit/s that the encodes must surround.
        progress: Called with the number of trial encodes made, and the number expected in all.
        placement: Where the searches run, None for here, one after the other.
    """

    scorings: tuple[MeasureRequest, ...]
    contenders: Mapping[str, BisectRequest]
    speed: bool = False
    progress: Progress | None = None
    agree: tuple[Metric, ...] = ()
    beyond: float = 1.0
    rates: Callable[[str, int], tuple[float, ...]] = lambda label, source: ()
    placement: Placement | None = None


def compare(request: CompareRequest, scorer: Scorer) -> Comparison:
    """Bisect every encoder on every source. Speeds are measured alone, so that no search disturbs them.

    Raises:
        SettingsError: Before anything is encoded, for a source given twice, or invalid encoder settings.
        ClipError: Before anything is encoded, for a source that cannot be read.
        MeasurementError: If a search fails. `error.probes` holds the trial encodes of all searches.
    """
    sources = [str(scoring.reference) for scoring in request.scorings]
    if len(set(sources)) < len(sources):
        unnamed = any(scoring.reference.in_memory for scoring in request.scorings)
        hint = ' Frames in memory need names: Clip.from_frames(frames, name="a").' if unnamed else ""
        raise SettingsError(f"Every source must be given once, not {', '.join(sources)}.{hint}")
    for contender in request.contenders.values():
        ffmpeg, _ = check_encoder(contender)
    for scoring in request.scorings:
        inspect(scoring.reference, ffmpeg, 1, scoring.timeout, scoring.cache)
    searches = {
        (source, label): _search(request, label, number)
        for number, source in enumerate(sources)
        for label in request.contenders
    }
    if request.placement is None:
        answers = _search_here(list(searches.values()), scorer, request.progress)
    else:
        answers = run_searches(list(searches.values()), scorer, request.placement, request.progress)
    bisections: dict[str, dict[str, Bisection]] = {source: {} for source in sources}
    for (source, label), bisection in zip(searches, answers, strict=True):
        bisections[source][label] = bisection
    first = next(iter(request.contenders.values()))
    return Comparison(first.metric, first.targets, bisections, request.agree)


def _search(request: CompareRequest, label: str, number: int) -> Search:
    """The search of one encoder on the source of this number."""
    contender, scoring = request.contenders[label], request.scorings[number]
    # The file names of encodes begin with that of their source, and two sources can share a name.
    several = contender.keep is not None and len(request.scorings) > 1
    keep = contender.keep / f"source-{number}" if contender.keep and several else contender.keep
    plan = SearchPlan(
        cover=contender.metric.name in TWINS,
        curve=len(contender.targets) > 1,
        rates=request.rates(label, number),
        beyond=request.beyond,
        timed=request.speed,
    )
    return Search(f"{label} on {scoring.reference}", replace(contender, scoring=scoring, keep=keep), plan)


def _search_here(searches: Sequence[Search], scorer: Scorer, progress: Progress | None) -> list[Bisection]:
    finished: list[Probe] = []
    bisections: list[Bisection] = []
    for search in searches:
        plan = replace(search.plan, progress=overall(progress, len(finished), len(bisections), len(searches)))
        try:
            bisections.append(bisect(search.request, scorer, plan))
        except MeasurementError as error:
            error.probes = (*finished, *error.probes)
            names = [each.name for each in searches[: len(bisections)]]
            done = f"{len(names)} ({', '.join(names)})" if names else "none"
            error.add_note(f"This was {search.name}; {done} of {len(searches)} searches had been finished.")
            raise
        finished += bisections[-1].probes
    return bisections


def overall(progress: Progress | None, encodes: int, done: int, runs: int) -> Progress | None:
    """The progress of one search as that of several.

    Args:
        progress: What to call with the trial encodes of all searches.
        encodes: The number of trial encodes of the searches that are done.
        done: The number of searches that are done.
        runs: The number of searches in all.
    """
    if progress is None:
        return None

    def update(probes: int, expected: float) -> None:
        mean = (encodes + expected) / (done + 1)
        progress(encodes + probes, encodes + expected + mean * (runs - done - 1))

    return update
