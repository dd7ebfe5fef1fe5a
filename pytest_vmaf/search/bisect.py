"""`bisect`: the CRF and the bitrate at which an encoder reaches each target, exactly, all targets in one search."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypedDict

from pytest_vmaf.encoding.rate_modes import at, noun_of, usual_window
from pytest_vmaf.errors import EncodeError, MeasurementError, ScorerError
from pytest_vmaf.media.child_signals import ENDING, deferred
from pytest_vmaf.media.fingerprint import stamp_of
from pytest_vmaf.media.process import thread_refusals
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.pools import SHOT
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect_request import (
    TWINS,
    BisectRequest,
    SearchPlan,
    check_encoder,
    check_targets,
    make_job,
)
from pytest_vmaf.search.bisection import MET, Answer, Bisection, sample_name
from pytest_vmaf.search.crf_search import Crossing, find_crossings
from pytest_vmaf.search.curve_shapes import ANY, Shape, asymptote, shape_of
from pytest_vmaf.search.metric import with_metrics
from pytest_vmaf.search.points import USUAL_COVER, Points
from pytest_vmaf.search.probe import Probe, Trial
from pytest_vmaf.search.prober import Prober
from pytest_vmaf.search.sample import cut_sample
from pytest_vmaf.search.speed import cached_speed
from pytest_vmaf.search.step_check import check_steps
from pytest_vmaf.text import printable

PLAIN = SearchPlan()


class _Expected(TypedDict, total=False):
    shape: Shape
    part: tuple[float, float]


#: What to do about an encoder that ignores the CRF.
IGNORED = "Check that {crf} or {bitrate} reaches the encoder, and that no other argument sets the quality."
IGNORED_BY_A_CODEC = "Check that encode(frames, quality) uses the quality."


def bisect(request: BisectRequest, scorer: Scorer, plan: SearchPlan = PLAIN) -> Bisection:
    """Find the coarsest CRF at or above each target. It and its coarser neighbour are always measured.

    Args:
        request: The source, the encoder and the targets.
        scorer: What scores the trial encodes.
        plan: How to conduct the search, if another search does.

    Returns:
        The answers, and every trial encode.

    Raises:
        SettingsError: For targets, presets and windows that make no sense.
        EncodeError: If the encoder fails, or ignores the CRF.
        MeasurementError: If an encode cannot be scored. `error.probes` holds the trial encodes already made.
    """
    ffmpeg, preset = check_encoder(request)
    source = plan.source or request.scoring.reference
    stamp = stamp_of(source)
    if request.keep is not None:
        request.keep.mkdir(parents=True, exist_ok=True)
    # Inside `keep`, so that an encode is moved and not copied.
    with scratch_folder(request.keep) as temporary:
        folder = Path(temporary)
        reference, sample = cut_sample(request.scoring, request.sample, ffmpeg, folder)
        job = make_job(request, ffmpeg, preset, plan.source or reference)
        request = replace(request, crf=request.crf or usual_window(request.encoder.scale, job.source))
        features = (*request.scoring.features, *request.metric.features)
        scoring = replace(
            request.scoring,
            reference=reference,
            distorted=job.source.clip,
            features=features,
            metrics=with_metrics(request.scoring.metrics, request.metric),
            progress=None,
            shots_for=f"The metric {request.metric.text}" if request.metric.pool == SHOT else request.scoring.shots_for,
        )
        check_targets(request, scoring, ffmpeg)
        name = sample_name(plan.name or str(request.scoring.reference), sample)
        # Some features are infinite for the reference compared with itself; only the metric's own are needed.
        itself = replace(scoring, features=request.metric.features, metrics=request.metric.plugins)
        self_score = measure(itself, scorer, None if plan.source else name, name)
        top = request.metric.of(self_score)
        ceiling = float(top)
        stem = plan.stem or request.scoring.reference.stem
        new_prober = partial(Prober, job, scoring, scorer, request.metric, folder, reference=name)
        prober = new_prober(stem=stem, keep=request.keep is not None)
        speed, repeats = None, dict[float, tuple[Probe, ...]]()
        try:
            crossings, steps = _search(request, plan, prober, top), request.steps
            if not plan.flat:
                _check_scale(request, prober)
            points, searched = Points(request, plan, prober), len(prober.probes)
            points.prove(crossings)
            if stamp_of(source) != stamp:
                raise EncodeError(
                    f"{source.name} was written to during the search, so the trial encodes are not of one clip."
                )
            met = [crossing for crossing in crossings if crossing.outcome in MET]
            operating_points = [steps[each.crf] for each in met if each.crf is not None]
            if not plan.flat:
                check_steps(request, prober, operating_points)
            points.cover(crossings)
            if plan.progress and (count := len(prober.probes)) > searched:
                plan.progress(count, count)
            if plan.timed and operating_points:
                speed = cached_speed(job, operating_points[len(operating_points) // 2], folder)
            if request.repeats > 1:
                repeats = _repeat(new_prober(stem=f"{stem}-again"), operating_points, request.repeats - 1)
        except BaseException as error:
            finished = tuple(_move_encodes(prober.probes, request.keep, None).values())
            if isinstance(error, OSError):
                refusal = ScorerError(f"The system refused what the search needs: {printable(str(error))}.")
                raise _with_probes(refusal, finished) from error
            if isinstance(error, MeasurementError):
                _with_probes(error, finished)
            raise
        answers = {steps[crossing.crf] for crossing in crossings if crossing.crf is not None}
        # Which other encodes were measured completely depends on the way of the search.
        made = {
            crf: probe if steps.index(crf) in points.probes else probe.without_result()
            for crf, probe in prober.probes.items()
        }
        probes = _move_encodes(made, request.keep, answers)
    return Bisection(
        encoder=request.encoder,
        name=job.name,
        reference=str(request.scoring.reference),
        arguments=request.arguments,
        metric=request.metric,
        ceiling=ceiling,
        self_score=self_score,
        answers={crossing.target: _answer(crossing, request, probes, ceiling) for crossing in crossings},
        probes=tuple(probes.values()),
        sample=sample,
        speed=speed,
        repeats=repeats,
    )


def _search(request: BisectRequest, plan: SearchPlan, prober: Prober, top: Score) -> tuple[Crossing, ...]:
    # `find_crossings` knows numbers without a gap, of which a larger one is coarser: the places on the scale.
    steps = request.steps
    known = {target: request.encoder.scale.number(crf) for target, crf in request.start.items()}
    start = {target: steps.index(crf) for target, crf in known.items() if crf in steps and crf is not None}
    with thread_refusals():
        search = find_crossings(
            lambda place: prober(steps[place]),
            (0, len(steps) - 1),
            request.targets,
            glance=lambda place: prober.glance(steps[place]),
            ceiling=float(top),
            asymptote=asymptote(top, top.unclipped),
            slope=request.encoder.slope and -abs(request.encoder.slope) * request.encoder.crf_step,
            **_expected(request),
            uneven=round(1 / request.encoder.crf_step),
            similar=[(steps.index(crf), score) for crf, score in plan.similar if crf in steps],
            start=start,
            workers=request.workers,
            progress=_with_cover(plan, len(request.targets)),
            interrupted=prober.interrupt,
            uninterrupted=partial(deferred, signal.SIGINT, *ENDING),
        )
    # Several workers finish in any order; the order in which the search made the trial encodes does not vary.
    prober.probes = {steps[place]: prober.probes[steps[place]] for place, _ in search.probes}
    return search.crossings


def _expected(request: BisectRequest) -> _Expected:
    """The shape of the encoder's curve, and the part of it in the window. By bitrate and by other metrics, any."""
    scale, steps = request.encoder.scale.steps, request.steps
    if request.encoder.mode != "crf" or request.metric.name not in TWINS or request.encoder.larger_is_finer:
        return {}
    last = max(len(scale) - 1, 1)
    if (shape := shape_of(request.encoder.name, scale)) == ANY:
        return {}
    return {"shape": shape, "part": (scale.index(steps[0]) / last, scale.index(steps[-1]) / last)}


def _with_cover(plan: SearchPlan, targets: int) -> Callable[[int, float], None] | None:
    """The progress of a search whose targets are covered afterwards, which takes about so many encodes for each."""
    progress = plan.progress
    if progress is None or not plan.cover:
        return progress
    return lambda done, expected: progress(done, expected + USUAL_COVER * targets)


def _check_scale(request: BisectRequest, prober: Prober) -> None:
    """Raise EncodeError if the encoder ignores the CRF, or if its scale runs the other way."""
    steps, at = request.steps, prober.job.at
    if len(prober.probes) == 1 and len(steps) > 1:
        # An easy target is met at the coarsest CRF with one encode, which cannot tell whether the CRF has an effect.
        [only] = map(steps.index, prober.probes)
        last = len(steps) - 1
        far = 0 if only >= last - only else last
        middle = (only + far) // 2
        prober.glance(steps[far if middle == only else middle])
    probes = sorted(prober.probes.values(), key=lambda probe: steps.index(probe.crf))
    if len(probes) == 2 and probes[0].score < probes[1].score and probes[0].encode.size < probes[1].encode.size:
        raise EncodeError(
            f"The scale of {prober.job.name} seems to run the other way: {at(probes[0].crf)} has {request.metric} "
            f"{probes[0].score:.3f}, {at(probes[1].crf)} has {probes[1].score:.3f} and is larger.\n"
            f"  If it does, use Encoder(..., larger_is_finer={not request.encoder.larger_is_finer})."
        )
    if len(probes) > 1 and _are_alike(probes):
        # Of a picture with little in it, most encodes are the same.
        for place in (0, len(steps) - 1):
            if steps[place] not in prober.probes:
                prober.glance(steps[place])
        probes = sorted(prober.probes.values(), key=lambda probe: steps.index(probe.crf))
    if len(probes) > 1 and _are_alike(probes):
        finest, coarsest = (prober.complete(probe.crf).result.neg for probe in (probes[0], probes[-1]))
        if finest.unclipped.frames != coarsest.unclipped.frames:
            return
        crfs = sorted(probe.crf for probe in probes)
        number = noun_of(request.encoder.mode)
        raise EncodeError(
            f"{prober.job.name} ignores the {number}: {len(probes)} encodes from {at(crfs[0])} to {crfs[-1]} have the "
            f"same {probes[0].encode.size} bytes and the same scores ({request.metric} {probes[0].score:.3f}).\n"
            f"  {IGNORED_BY_A_CODEC if request.encoder.codec is not None else IGNORED}"
        )


def _are_alike(probes: Sequence[Trial]) -> bool:
    return len({(probe.encode.size, probe.score) for probe in probes}) == 1


def _repeat(prober: Prober, crfs: Sequence[float], times: int) -> dict[float, tuple[Probe, ...]]:
    """Encode and score each of these CRFs so many times."""
    repeats: dict[float, tuple[Probe, ...]] = dict.fromkeys(sorted(crfs), ())
    for crf in repeats:
        for attempt in range(1, times + 1):
            prober.job = replace(prober.job, attempt=attempt)
            prober(crf)
            repeats[crf] += (prober.complete(crf),)
    return repeats


def _answer(crossing: Crossing, request: BisectRequest, probes: Mapping[float, Trial], ceiling: float) -> Answer:
    steps, place = request.steps, crossing.crf
    evidence = {"below at the finest": (0,), "not monotone": crossing.reversed}.get(crossing.outcome) or ()
    # The next coarser CRF was not measured where it is outside the window.
    coarser = None if place is None or place + 1 == len(steps) else _whole(probes.get(steps[place + 1]))
    return Answer(
        target=crossing.target,
        metric=request.metric,
        outcome=crossing.outcome,
        encoder=request.encoder.name,
        mode=request.encoder.mode,
        ceiling=ceiling,
        probe=None if place is None else _whole(probes.get(steps[place])),
        next_probe=coarser,
        evidence=tuple((steps[each], probes[steps[each]].score) for each in evidence),
    )


def _whole(probe: Trial | None) -> Probe | None:
    return probe if isinstance(probe, Probe) else None


def _with_probes(error: MeasurementError, finished: tuple[Trial, ...]) -> MeasurementError:
    if finished:
        error.probes = finished
        scores = "; ".join(f"{at(probe.encode.mode, probe.crf)}: {probe.score:.3f}" for probe in finished)
        error.add_note(f"Trial encodes finished before: {scores}.")
    return error


def _move_encodes(probes: Mapping[float, Trial], keep: Path | None, crfs: set[float] | None) -> dict[float, Trial]:
    """Move the encodes of these CRFs to `keep`; None for all of them, after a search that failed."""
    moved = dict(probes)
    for crf, probe in probes.items():
        path = probe.encode.path
        if path is not None and keep is not None:
            target = keep / path.name if crfs is None or crf in crfs else None
            if target is not None:
                os.replace(path, target)
            encode = replace(probe.encode, path=target) if target is not None else probe.encode.without_file()
            if target is None and probe.encode.pictures is not None:
                probe.encode.pictures.discard()
            moved[crf] = replace(probe, encode=encode)
    return moved
