"""`compare`: what several encoders need for the same quality, on one source or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import TWINS, BisectRequest, SearchPlan, check_encoder
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.comparison import Comparison
from pytest_vmaf.search.metric import Metric
from pytest_vmaf.search.probe import Probe

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
    """

    scorings: tuple[MeasureRequest, ...]
    contenders: Mapping[str, BisectRequest]
    speed: bool = False
    progress: Progress | None = None
    agree: tuple[Metric, ...] = ()
    beyond: float = 1.0
    rates: Callable[[str, int], tuple[float, ...]] = lambda label, source: ()


def compare(request: CompareRequest, scorer: Scorer) -> Comparison:
    """Bisect every encoder on every source, one after the other, so that no search disturbs the speed of another.

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
    bisections: dict[str, dict[str, Bisection]] = {source: {} for source in sources}
    finished: list[Probe] = []
    labels: list[str] = []
    runs = len(sources) * len(request.contenders)
    for number, (source, scoring) in enumerate(zip(sources, request.scorings, strict=True)):
        for label, contender in request.contenders.items():
            # The file names of encodes begin with that of their source, and two sources can share a name.
            keep = contender.keep / f"source-{number}" if contender.keep and len(sources) > 1 else contender.keep
            progress = overall(request.progress, len(finished), len(labels), runs)
            twin, rates = contender.metric.name in TWINS, request.rates(label, number)
            plan = SearchPlan(
                cover=twin,
                curve=len(contender.targets) > 1,
                rates=rates,
                beyond=request.beyond,
                timed=request.speed,
                progress=progress,
            )
            try:
                bisection = bisect(replace(contender, scoring=scoring, keep=keep), scorer, plan)
            except MeasurementError as error:
                error.probes = (*finished, *error.probes)
                done = f"{len(labels)} ({', '.join(labels)})" if labels else "none"
                error.add_note(f"This was {label} on {source}; {done} of {runs} searches had been finished.")
                raise
            bisections[source][label] = bisection
            finished += bisection.probes
            labels.append(f"{label} on {source}")
    first = next(iter(request.contenders.values()))
    return Comparison(first.metric, first.targets, bisections, request.agree)


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
