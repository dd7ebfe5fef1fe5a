"""`compare`: what several encoders need for the same quality, on one source or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.executors.placement import Placement
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bdrate import LEAST_POINTS
from pytest_vmaf.search.bisect_request import TWINS, BisectRequest, SearchPlan, check_encoder
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.search_tasks import Progress, Search, run_searches


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
    sources = source_names(request.scorings)
    for contender in request.contenders.values():
        ffmpeg, _ = check_encoder(contender)
    for scoring in request.scorings:
        inspect(scoring.reference, ffmpeg, 1, scoring.timeout, scoring.cache)
    searches = {
        (source, label): _search(request, label, number)
        for number, source in enumerate(sources)
        for label in request.contenders
    }
    answers = run_searches(list(searches.values()), scorer, request.placement, request.progress)
    bisections: dict[str, dict[str, Bisection]] = {source: {} for source in sources}
    for (source, label), bisection in zip(searches, answers, strict=True):
        bisections[source][label] = bisection
    first = next(iter(request.contenders.values()))
    return Comparison(first.metric, first.targets, bisections, request.agree)


def source_names(scorings: Sequence[MeasureRequest]) -> list[str]:
    """The names of several sources. Raises SettingsError if two are equal."""
    sources = [str(scoring.reference) for scoring in scorings]
    if len(set(sources)) < len(sources):
        unnamed = any(scoring.reference.in_memory for scoring in scorings)
        hint = ' Frames in memory need names: Clip.from_frames(frames, name="a").' if unnamed else ""
        raise SettingsError(f"Every source must be given once, not {', '.join(sources)}.{hint}")
    return sources


def keep_folder(keep: Path | None, number: int, sources: int) -> Path | None:
    """Where the encodes of a source are stored.

    Their names begin with that of their source, and two sources can share a name.

    Args:
        keep: The folder of all of them.
        number: The number of the source.
        sources: How many sources there are.
    """
    return keep / f"source-{number}" if keep and sources > 1 else keep


def _search(request: CompareRequest, label: str, number: int) -> Search:
    """The search of one encoder on the source of this number."""
    contender, scoring = request.contenders[label], request.scorings[number]
    keep = keep_folder(contender.keep, number, len(request.scorings))
    plan = SearchPlan(
        cover=contender.metric.name in TWINS,
        curve=len(contender.targets) > 1,
        rates=request.rates(label, number),
        beyond=request.beyond,
        points=LEAST_POINTS,
        timed=request.speed,
    )
    return Search(f"{label} on {scoring.reference}", replace(contender, scoring=scoring, keep=keep), plan)
