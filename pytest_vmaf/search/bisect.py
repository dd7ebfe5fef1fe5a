"""Bisect targets: the CRF and the bitrate at which an encoder reaches a quality, exact, all targets from one search."""

from __future__ import annotations

import math
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pytest_vmaf.cache import key_of, remembered
from pytest_vmaf.encoding.cached import encode_key
from pytest_vmaf.encoding.cut import centre, cut
from pytest_vmaf.encoding.encode import EncodeJob, check_arguments, encoded_clip, make_encode
from pytest_vmaf.encoding.encoders import check_available
from pytest_vmaf.errors import EncodeError, MeasurementError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.fingerprint import stamp_of
from pytest_vmaf.media.inspect import count, count_frames, look
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan, checked_targets, crf_window
from pytest_vmaf.search.bisection import MET, Answer, Bisection, Speed
from pytest_vmaf.search.coverage import next_crf
from pytest_vmaf.search.crossings import Crossing, find_crossings
from pytest_vmaf.search.probe import Probe, Prober
from pytest_vmaf.text import printable


def bisect(request: BisectRequest, scorer: Scorer, plan: SearchPlan = SearchPlan()) -> Bisection:  # noqa: B008
    """Find the largest CRF at or above each target; it and its neighbour are always measured.

    Raises SettingsError for targets, presets and windows that cannot be, EncodeError where the encoder fails or ignores
    the CRF, and all that measuring raises. The error's ``probes`` hold what was measured before it.
    """
    cache = request.scoring.cache
    ffmpeg = find_ffmpeg(request.scoring.ffmpeg, cache).path
    check_available(request.encoder, ffmpeg, cache)
    check_arguments(request.encoder, request.arguments)
    preset = request.encoder.chosen_preset(request.preset)
    window = crf_window(request)
    source = plan.source or request.scoring.reference
    stamp = stamp_of(source)
    with _folder(request.keep) as folder:
        reference, sample = cut_sample(request.scoring, request.sample, ffmpeg, folder)
        video = look(plan.source or reference, ffmpeg, 2, request.scoring.timeout, cache)
        scoring = replace(
            request.scoring,
            reference=reference,
            distorted=plan.source or reference,
            features=(*request.scoring.features, *request.metric.features),
            progress=None,
        )
        targets = checked_targets(request, scoring, ffmpeg)
        # Of the reference against itself some features are infinite; only the metric's own is needed.
        itself = replace(scoring, features=request.metric.features)
        shown = sample_name(plan.name or str(request.scoring.reference), sample)
        self_score = measure(itself, scorer, shown if plan.source is None else None, shown)
        ceiling = float(request.metric.of(self_score))
        timeout = request.scoring.timeout
        job = EncodeJob(request.encoder, video, ffmpeg, preset, request.arguments, request.pix_fmt, timeout, cache)
        stem = plan.stem or request.scoring.reference.path.stem
        prober = Prober(
            job, scoring, scorer, request.metric, folder, stem=stem, reference=shown, kept=request.keep is not None
        )
        speed, repeats = None, dict[int, tuple[Probe, ...]]()
        try:
            crossings = _search(request, plan, prober, window, targets, ceiling)
            if not plan.flat:
                _refuse_scale(prober, window)
            if stamp_of(source) != stamp:
                raise EncodeError(f"{source.name} was written to during the search; its probes are not of one clip.")
            if plan.cover:
                _cover(request, plan, prober, window, [c.target for c in crossings if c.outcome in MET])
            if plan.timed and (met := [c.crf for c in crossings if c.crf is not None and c.outcome in MET]):
                speed = _timed_once(job, met[len(met) // 2], folder)
            if request.repeats > 1:
                again = Prober(
                    job, scoring, scorer, request.metric, folder, stem=f"{stem}-again", reference=shown, kept=False
                )
                repeats = _repeated(again, [c.crf for c in crossings if c.outcome in MET], request.repeats - 1)
        except BaseException as error:
            finished = tuple(_keep(prober.probes, request.keep, None).values())
            if isinstance(error, MeasurementError):
                _with_probes(error, finished)
            if isinstance(error, OSError):
                said = printable(str(error))
                raise _with_probes(
                    ScorerError(f"The system refused what the search needs: {said}."), finished
                ) from error
            raise
        probes = _keep(prober.probes, request.keep, {c.crf for c in crossings})
    answers = {c.target: _answer(c, request, probes, ceiling, window) for c in crossings}
    return Bisection(
        encoder=request.encoder,
        name=job.name,
        reference=str(request.scoring.reference),
        arguments=request.arguments,
        metric=request.metric,
        ceiling=ceiling,
        self_score=self_score,
        answers=answers,
        probes=tuple(probes.values()),
        sample=sample,
        speed=speed,
        repeats=repeats,
    )


def _search(
    request: BisectRequest,
    plan: SearchPlan,
    prober: Prober,
    window: tuple[int, int],
    targets: tuple[float, ...],
    ceiling: float,
) -> tuple[Crossing, ...]:
    # The search knows scales that grow coarser; one that grows finer is looked at in a mirror.
    low, high = window

    def mirrored(crf: int) -> int:
        return low + high - crf if request.encoder.larger_is_finer else crf

    found = find_crossings(
        lambda crf: prober(mirrored(crf)),
        window,
        targets,
        ceiling=ceiling,
        slope=request.encoder.slope and -abs(request.encoder.slope),
        start={t: mirrored(crf) for t, crf in request.start.items() if t in targets and low <= crf <= high} or None,
        workers=request.workers,
        progress=plan.progress,
        broken_off=prober.break_off,
    )
    # With several workers they were kept as they ended; the order that the search made them in does not depend on time.
    prober.probes = {mirrored(crf): prober.probes[mirrored(crf)] for crf, _ in found.probes}
    return tuple(
        replace(
            crossing,
            crf=None if crossing.crf is None else mirrored(crossing.crf),
            reversed=crossing.reversed and (mirrored(crossing.reversed[0]), mirrored(crossing.reversed[1])),
        )
        for crossing in found.crossings
    )


def _cover(
    request: BisectRequest, plan: SearchPlan, prober: Prober, window: tuple[int, int], targets: Sequence[float]
) -> None:
    """Probe on until the other of NEG and VMAF too is known closely on both sides of each target, as far as it goes."""
    other = replace(request.metric, name="vmaf" if request.metric.name == "neg" else "neg")
    coarser = -1 if request.encoder.larger_is_finer else 1
    ends = [crf * coarser for crf in window][::coarser]
    for target in targets:
        while True:
            probes = prober.probes.values()
            points = [(probe.crf * coarser, float(other.of(probe.result)), probe.encode.size) for probe in probes]
            following = next_crf(points, target, *ends)
            if following is None:
                break
            prober(following * coarser)
            if plan.progress:
                plan.progress(len(prober.probes), len(prober.probes))


def _timed_once(job: EncodeJob, crf: int, folder: Path) -> Speed:
    """The speed on this very machine, measured once for an encode that is known."""
    encode = encode_key(job, crf, folder / f"timed{job.encoder.suffix}")
    return remembered(
        job.cache,
        "look",
        key_of("speed", encode=encode, machine=platform.node()) if encode else None,
        lambda: _timed(job, crf, folder),
        lambda speed: [speed.encode, speed.decode],
        lambda data: Speed(crf, float(data[0]), float(data[1])),
    )


def _timed(job: EncodeJob, crf: int, folder: Path) -> Speed:
    path = folder / f"timed{job.encoder.suffix}"
    try:
        encode = make_encode(job, crf, path)
        begun = time.monotonic()
        count_frames(encoded_clip(job, path), job.ffmpeg, job.timeout)
        decoding = time.monotonic() - begun
    finally:
        path.unlink(missing_ok=True)
    return Speed(crf, encode.frames / (encode.seconds or math.inf), encode.frames / decoding)


def _repeated(prober: Prober, crfs: Sequence[int | None], times: int) -> dict[int, tuple[Probe, ...]]:
    """Encode and score each of these CRFs so many times."""
    found: dict[int, tuple[Probe, ...]] = {}
    for crf in sorted({crf for crf in crfs if crf is not None}):
        for attempt in range(1, times + 1):
            prober.job = replace(prober.job, attempt=attempt)
            prober(crf)
            found[crf] = (*found.get(crf, ()), prober.probes[crf])
    return found


def cut_sample(
    scoring: MeasureRequest, seconds: float | None, ffmpeg: str, folder: Path
) -> tuple[Clip, tuple[int, int] | None]:
    """The reference, or so many seconds from its middle, cut without loss into ``folder``; and which frames those are.

    Raises SettingsError for seconds that cannot be.
    """
    reference, timeout = scoring.reference, scoring.timeout
    if seconds is None:
        return reference, None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise SettingsError(f"sample is {seconds!r}; it is a number of seconds above 0.")
    video = look(reference, ffmpeg, 1, timeout, scoring.cache)
    if video.frame_rate is None:
        raise SettingsError(f"{reference.name} states no frame rate, so it has no seconds; say Clip(..., frame_rate=).")
    window = centre(count(reference, ffmpeg, timeout, scoring.cache), video.frame_rate, seconds)
    return cut(reference, [window], folder, ffmpeg, timeout=timeout, cache=scoring.cache)[0], window


def _refuse_scale(prober: Prober, window: tuple[int, int]) -> None:
    low, high = window
    if len(prober.probes) == 1 and low < high:
        # An easy target is met at the coarsest with one encode, which cannot tell whether the CRF changes anything.
        [only] = prober.probes
        far = low if only - low >= high - only else high
        middle = (only + far) // 2
        prober(far if middle == only else middle)
    coarser = -1 if prober.job.encoder.larger_is_finer else 1
    probes = sorted(prober.probes.values(), key=lambda probe: probe.crf * coarser)
    if len(probes) == 2 and probes[0].score < probes[1].score and probes[0].encode.size < probes[1].encode.size:
        raise EncodeError(
            f"The scale of {prober.job.name} seems to run the other way: CRF {probes[0].crf} has {prober.metric} "
            f"{probes[0].score:.3f}, CRF {probes[1].crf} {probes[1].score:.3f} and is larger.\n"
            f"  Say it: Encoder(..., larger_is_finer={not prober.job.encoder.larger_is_finer})."
        )
    if len(probes) > 1 and len({(probe.encode.size, probe.result.neg.unclipped.frames) for probe in probes}) == 1:
        numbers = sorted(probe.crf for probe in probes)
        raise EncodeError(
            f"{prober.job.name} ignores the CRF: {len(probes)} encodes from CRF {numbers[0]} to {numbers[-1]} have the "
            f"same {probes[0].encode.size} bytes and the same scores ({prober.metric} {probes[0].score:.3f}).\n"
            "  Does {crf} reach the encoder, and does no other argument set the quality?"
        )


def _answer(
    crossing: Crossing, request: BisectRequest, probes: Mapping[int, Probe], ceiling: float, window: tuple[int, int]
) -> Answer:
    metric, target, outcome = request.metric, crossing.target, crossing.outcome
    coarser = -1 if request.encoder.larger_is_finer else 1
    finest = window[::coarser][0]
    probe = None if crossing.crf is None else probes.get(crossing.crf)
    following = None if crossing.crf is None else probes.get(crossing.crf + coarser)
    what = f"{metric} {target:g} of {request.encoder.name}"
    if outcome == "above the ceiling":
        why = f"{what} cannot be reached: the reference itself has {ceiling:.3f}"
    elif outcome == "below at the finest":
        why = f"{what} is not reached: CRF {finest}, the finest, has {probes[finest].score:.3f}"
    elif outcome == "not monotone":
        places = " and ".join(f"CRF {crf} has {probes[crf].score:.3f}" for crf in crossing.reversed or ())
        why = f"{what} is at no one CRF, for the score does not fall: {places}"
    elif outcome == "met at the coarsest" and probe is not None:
        why = f"{what}: CRF {probe.crf} ({probe.score:.3f}), the coarsest, {probe.bitrate / 1000:.1f} kbit/s"
    elif probe is not None:
        beside = f"; CRF {following.crf}: {following.score:.3f}" if following else ""
        why = f"{what}: CRF {probe.crf} ({probe.score:.3f}{beside}), {probe.bitrate / 1000:.1f} kbit/s"
    else:
        why = f"{what}: {outcome}"
    return Answer(target, metric, outcome, why, probe, following)


def sample_name(name: str, sample: tuple[int, int] | None) -> str:
    """The reference as people know it, where what is scored is a part of it that was cut out."""
    return name if sample is None else f"{name}, frames {sample[0]} to {sum(sample) - 1}"


def _with_probes(error: MeasurementError, finished: tuple[Probe, ...]) -> MeasurementError:
    if finished:
        error.probes = finished
        done = "; ".join(f"CRF {probe.crf}: {probe.score:.3f}" for probe in finished)
        error.add_note(f"Probes finished before: {done}.")
    return error


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    # Beside what is kept, so that an encode is moved there and not copied.
    with tempfile.TemporaryDirectory(prefix=".pytest-vmaf-" if keep else "pytest-vmaf-", dir=keep) as folder:
        yield Path(folder)


def _keep(probes: Mapping[int, Probe], keep: Path | None, wanted: set[int | None] | None) -> dict[int, Probe]:
    """Move the encodes of the crossings to where they are kept; those of all probes where a search failed."""
    kept = dict(probes)
    for crf, probe in probes.items():
        path = probe.encode.path
        if path is not None and keep is not None:
            stays = wanted is None or crf in wanted
            if stays:
                os.replace(path, keep / path.name)
            kept[crf] = replace(probe, encode=replace(probe.encode, path=keep / path.name if stays else None))
    return kept
