"""`run_searches`: several bisections as tasks on an executor, each of which is a whole search."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from pytest_vmaf.errors import ClipError, MeasurementError
from pytest_vmaf.executors.collect import collect
from pytest_vmaf.executors.failures import Failure, failure_error
from pytest_vmaf.executors.parcel import Named, Parcel
from pytest_vmaf.executors.placement import Placement, worker_threads
from pytest_vmaf.executors.source import check_source
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.fingerprint import content_of
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.cached import capabilities
from pytest_vmaf.scoring.scorer import Scorer, Tools
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan, check_encoder, make_job
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.curve_shapes import ANY, shape_of
from pytest_vmaf.search.probe import Trial
from pytest_vmaf.search.sample import cut_sample
from pytest_vmaf.search.speed import Speed, cached_speed
from pytest_vmaf.search.sweep_curves import program_hash

Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Search:
    """One bisection.

    Attributes:
        name: What it is, for messages, for example "libx264 on ref.y4m".
        request: The request.
        plan: How to conduct it. Its progress is not reported by workers.
    """

    name: str
    request: BisectRequest
    plan: SearchPlan


@dataclass(frozen=True)
class _PlacedSearch:
    """A search on its way to a worker.

    Attributes:
        search: The search.
        scorer: What scores.
        sources: Each clip that it reads, with what `content_of` returned for it.
        programs: The versions of the coordinator's programs.
        threads: The threads of libvmaf that the user gave; 0 for those of the worker.
        slots: How many tasks run at once where this runs; 0 if the executor does not tell.
    """

    search: Search
    scorer: Scorer
    sources: tuple[tuple[Clip, str], ...]
    programs: Mapping[str, str]
    threads: int
    slots: int


@dataclass(frozen=True)
class _SearchTask:
    name: str
    parcel: Parcel[_PlacedSearch]

    def run(self) -> Bisection:
        placed = self.parcel.open()
        request, scoring = placed.search.request, placed.search.request.scoring
        unchanged = [check_source(clip, expected, scoring.cache) for clip, expected in placed.sources]
        for name, here in _programs(request, placed.scorer).items():
            if here != placed.programs[name]:
                raise MeasurementError(
                    f"On {platform.node()}, {name} is {here!r}, but where the search was started it is "
                    f"{placed.programs[name]!r}. Install the same versions."
                )
        scoring = replace(scoring, threads=worker_threads(placed.threads, placed.slots))
        bisection = bisect(replace(request, scoring=scoring), placed.scorer, placed.search.plan)
        if not all(each() for each in unchanged):
            raise ClipError(f"{scoring.reference} was changed during the search; search it again.")
        return bisection


def run_searches(
    searches: Sequence[Search], scorer: Scorer, placement: Placement | None, progress: Progress | None = None
) -> list[Bisection]:
    """Run searches here one after the other, or on an executor.

    On an executor, a search whose plan is timed is timed here when all have ended, so that nothing disturbs it.

    Args:
        searches: What to search.
        scorer: What scores.
        placement: Where to search, None for here.
        progress: Called with the number of trial encodes, and the number expected in all.

    Returns:
        The bisections, in the order of the searches.

    Raises:
        SettingsError: If an encoder cannot be sent to workers.
        MeasurementError: If a search fails; on an executor when all have ended. `error.probes` holds the trial encodes
            of the others.
    """
    return _run_here(searches, scorer, progress) if placement is None else _run(searches, scorer, placement, progress)


def _run_here(searches: Sequence[Search], scorer: Scorer, progress: Progress | None) -> list[Bisection]:
    finished: list[Trial] = []
    bisections: list[Bisection] = []
    for number, search in enumerate(searches):
        alike = [done for before, done in zip(searches[:number], bisections, strict=True) if _are_alike(before, search)]
        plan = replace(
            search.plan,
            similar=tuple((point.crf, point.score) for done in alike[-1:] for point in done.points),
            progress=overall(progress, len(finished), number, len(searches)),
        )
        try:
            bisections.append(bisect(search.request, scorer, plan))
        except MeasurementError as error:
            error.probes = (*finished, *error.probes)
            if len(searches) == 1:
                raise
            names = [each.name for each in searches[: len(bisections)]]
            done = f"{len(names)} ({', '.join(names)})" if names else "none"
            error.add_note(f"This was {search.name}; {done} of {len(searches)} searches had been finished.")
            raise
        finished += bisections[-1].probes
    return bisections


def _are_alike(one: Search, other: Search) -> bool:
    """Whether two searches probably have similar curves: of one source, by encoders with the same quantisers."""
    requests = one.request, other.request
    kinds = [
        (each.scoring, each.sample, each.metric, each.encoder.mode, each.steps, search.plan.source)
        for each, search in zip(requests, (one, other), strict=True)
    ]
    encoders = [each.encoder for each in requests]
    shapes = [shape_of(encoder.name, encoder.scale.steps) for encoder in encoders]
    related = encoders[0].name == encoders[1].name or shapes[0] == shapes[1] != ANY
    return related and kinds[0] == kinds[1]


def _run(
    searches: Sequence[Search], scorer: Scorer, placement: Placement, progress: Progress | None
) -> list[Bisection]:
    tasks = [_SearchTask(search.name, _pack(search, scorer, placement)) for search in searches]
    places = {id(task): place for place, task in enumerate(tasks)}
    bisections: dict[int, Bisection] = {}
    failures: list[Failure] = []
    encodes = 0
    with closing(collect(placement.executor, tasks)) as results:
        try:
            for each in results:
                for bisection in each.values:
                    bisections[places[id(each.task)]] = bisection
                    encodes += len(bisection.probes)
                if each.error is not None:
                    failures.append(Failure(each.task.name, each.error, places[id(each.task)]))
                if progress and bisections:
                    progress(encodes, encodes / len(bisections) * len(searches))
        except MeasurementError as error:
            if not failures:
                raise
            failures.append(Failure("the rest", error, len(tasks)))
    if failures:
        failure = failure_error(failures, len(searches), "search")
        if isinstance(failure, MeasurementError):
            failure.probes = tuple(probe for each in bisections.values() for probe in each.probes)
        raise failure
    return [_timed(search, bisections[place]) for place, search in enumerate(searches)]


def _pack(search: Search, scorer: Scorer, placement: Placement) -> Parcel[_PlacedSearch]:
    request = search.request
    scoring = replace(request.scoring, progress=None)
    plan = replace(search.plan, progress=None, timed=False)
    clips = [scoring.reference, *([plan.source] if plan.source else [])]
    placed = _PlacedSearch(
        replace(search, request=replace(request, scoring=scoring), plan=plan),
        scorer,
        tuple((clip, content_of(clip, scoring.cache)) for clip in clips),
        _programs(request, scorer),
        placement.threads,
        placement.slots,
    )
    parts = [Named("encoder", request.encoder.name, request.encoder), Named("scorer", type(scorer).__name__, scorer)]
    return placement.pack(placed, [*parts, *(Named("metric", spec.name, spec) for spec in scoring.metrics)])


def _programs(request: BisectRequest, scorer: Scorer) -> dict[str, str]:
    """What must be the same wherever parts of one answer are measured."""
    scoring = request.scoring
    ffmpeg = find_ffmpeg(scoring.ffmpeg, scoring.cache)
    can = capabilities(scorer, Tools(ffmpeg, scoring.vmaf_bin), scoring.cache)
    _, preset = check_encoder(request)
    return {
        "pytest-vmaf": version("pytest-vmaf"),
        "ffmpeg": ffmpeg.version,
        "the scorer": f"{can.name} {can.version}".strip(),
        "the encoder's program": program_hash(request.encoder, preset, request.arguments, ffmpeg.path),
    }


def _timed(search: Search, bisection: Bisection) -> Bisection:
    """The bisection with the speed of its middle answer, if its plan is timed."""
    crfs = [answer.crf for answer in bisection.answers.values() if answer.met and answer.crf is not None]
    if not search.plan.timed or not crfs:
        return bisection
    return replace(bisection, speed=_speed(search, crfs[len(crfs) // 2]))


def _speed(search: Search, crf: float) -> Speed:
    request = search.request
    ffmpeg, preset = check_encoder(request)
    with scratch_folder() as name:
        folder = Path(name)
        reference, _ = cut_sample(request.scoring, request.sample, ffmpeg, folder)
        return cached_speed(make_job(request, ffmpeg, preset, search.plan.source or reference), crf, folder)


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
