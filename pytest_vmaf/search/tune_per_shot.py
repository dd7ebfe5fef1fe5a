"""One CRF a shot: each shot at the target on its own, joined, scored as a whole and compared with one fixed CRF."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.encode import EncodeJob, encoded_clip
from pytest_vmaf.encoding.join import join
from pytest_vmaf.encoding.shots import Shot, detect_shots
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import look
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import pooled
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect import bisect, cut_sample, sample_name
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan, lowest_target
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.compare import overall
from pytest_vmaf.search.per_shot import PerShot, ShotAnswer
from pytest_vmaf.search.probe import Metric, Probe


@dataclass(frozen=True)
class PerShotRequest:
    """One request for a bisection with one target, made anew for each shot.

    ``threshold`` and ``shortest`` (frames) are :func:`detect_shots`'s, its own where None. Without ``fixed`` the
    comparison with one CRF for the whole clip is left out.
    """

    bisect: BisectRequest
    threshold: float | None = None
    shortest: int | None = None
    fixed: bool = True
    progress: Callable[[int, float], None] | None = None


def tune_per_shot(request: PerShotRequest, scorer: Scorer) -> PerShot:
    """Search each shot, join the encodes and score them as a whole.

    Where two shots ended within one CRF of each other, the next search begins there. The joined encode is decoded and
    compared with its parts frame by frame. A shot that cannot reach the target is encoded at the finest CRF that any
    other shot needed. Raises EncodeError where the parts do not join, SettingsError for more than one target, and as
    :func:`pytest_vmaf.search.bisect.bisect`.
    """
    base = replace(request.bisect, arguments=(*request.bisect.encoder.joining, *request.bisect.arguments))
    request = replace(request, bisect=base)
    _check(request)
    found: list[Bisection] = []
    with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
        try:
            return _tune(request, scorer, Path(folder), found)
        except MeasurementError as error:
            finished = (*(probe for each in found for probe in each.probes), *error.probes)
            error.probes = tuple(map(_without_file, finished))
            raise


def _check(request: PerShotRequest) -> None:
    if len(request.bisect.targets) != 1:
        raise SettingsError(f"Shot by shot there is one target, not {len(request.bisect.targets)}.")
    threshold, shortest = request.threshold, request.shortest
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int | float)):
        raise SettingsError(f"threshold is {threshold!r:.80}; it is a percentage of the luma range, above 0 to 100.")
    if shortest is not None and type(shortest) is not int:
        raise SettingsError(f"shortest is {shortest!r:.80}; it is a whole number of frames from 1.")


def _tune(request: PerShotRequest, scorer: Scorer, folder: Path, found: list[Bisection]) -> PerShot:
    """What :func:`tune_per_shot` does; the shots' searches go to ``found`` as they are finished."""
    base = request.bisect
    cache, timeout = base.scoring.cache, base.scoring.timeout
    ffmpeg = find_ffmpeg(base.scoring.ffmpeg, cache).path
    named = {"threshold": request.threshold, "shortest": request.shortest}
    given = {name: value for name, value in named.items() if value is not None}
    reference, window = cut_sample(base.scoring, base.sample, ffmpeg, folder)
    shown = sample_name(str(base.scoring.reference), window)
    scoring = replace(base.scoring, reference=reference, distorted=reference)
    shots = detect_shots(reference, ffmpeg, timeout=timeout, cache=cache, **given)  # type: ignore[arg-type]
    (folder / "cuts").mkdir()
    windows = [(shot.start, shot.frames) for shot in shots]
    clips = cut(reference, windows, folder / "cuts", ffmpeg, timeout=timeout, cache=cache)
    for clip in clips:
        _search(request, scorer, clip, len(clips), folder / "parts", found)
    answers = _answers(base, scorer, shots, clips, found, folder / "parts")
    job = EncodeJob(
        base.encoder,
        look(reference, ffmpeg, 2, timeout, cache),
        ffmpeg,
        base.encoder.chosen_preset(base.preset),
        base.arguments,
        base.pix_fmt,
        timeout,
    )
    path, encode = join(job, [answer.probe.encode for answer in answers], folder)
    encode = replace(encode, name=f"{job.name} per shot", path=None)
    features = (*scoring.features, *base.metric.features)
    whole = replace(scoring, distorted=encoded_clip(job, path), features=features, progress=None)
    result = measure(whole, scorer, encode.name, shown)
    score = float(base.metric.of(result))
    fixed = (
        _fixed(request, scoring, score, answers, found, scorer)
        if request.fixed and score >= lowest_target(base.metric)
        else None
    )
    if base.keep is not None:
        encode = replace(encode, path=_kept(path, base.keep, base))
    return PerShot(
        name=encode.name,
        reference=shown,
        target=base.targets[0],
        metric=base.metric,
        shots=tuple(_judged(answers, base.metric, result, fixed)),
        encode=encode,
        result=result,
        fixed=fixed,
    )


def _search(
    request: PerShotRequest, scorer: Scorer, clip: Clip, shots: int, parts: Path, found: list[Bisection]
) -> None:
    """Search the next shot."""
    base, target = request.bisect, request.bisect.targets[0]
    # A start that is wrong costs two encodes, and a search without one takes two to four: shots must be alike for it to
    # pay. At the coarsest end a shot, as a black one, says nothing of others.
    known = [each[target].crf for each in found if each[target].outcome == "met"][-2:]
    alike = len(known) == 2 and abs(known[0] - known[1]) <= 1
    one = replace(
        base,
        scoring=replace(base.scoring, reference=clip, distorted=clip),
        sample=None,
        start={target: known[-1]} if alike else base.start,
        keep=parts / f"{len(found):04d}",
    )
    plan = SearchPlan(flat=shots > 1, progress=_progress(request, found, shots + bool(request.fixed)))
    try:
        found.append(bisect(one, scorer, plan))
    except MeasurementError as error:
        error.add_note(f"This was shot {len(found) + 1} of {shots}; {len(found)} had been finished.")
        raise


def _progress(request: PerShotRequest, found: Sequence[Bisection], runs: int) -> Callable[[int, float], None] | None:
    return overall(request.progress, sum(len(each.probes) for each in found), len(found), runs)


def _answers(
    base: BisectRequest,
    scorer: Scorer,
    shots: Sequence[Shot],
    clips: Sequence[Clip],
    found: Sequence[Bisection],
    parts: Path,
) -> list[ShotAnswer]:
    target = base.targets[0]
    finer = max if base.encoder.larger_is_finer else min
    low, high = base.crf or base.encoder.crf_range
    met = [each[target].crf for each in found if each[target].met]
    finest = finer(met) if met else finer(low, high)
    answers = []
    for number, (shot, clip, each) in enumerate(zip(shots, clips, found, strict=True)):
        answer, probes = each[target], len(each.probes)
        probe = answer.probe if answer.met else None
        if probe is None:
            # Any target makes the search measure the one number that there is.
            alone = replace(
                base,
                scoring=replace(base.scoring, reference=clip, distorted=clip),
                sample=None,
                # Of 0, for a metric that begins there, no encode says anything.
                targets=(lowest_target(base.metric) or 1e-6,),
                crf=(finest, finest),
                start={},
                keep=parts / f"{number:04d}",
            )
            made = bisect(alone, scorer, SearchPlan(flat=True))
            probe, probes = made.probes[0], probes + len(made.probes)
        answers.append(ShotAnswer(shot, probe, answer.met, answer.why, probes, probe.score))
    return answers


def _fixed(
    request: PerShotRequest,
    scoring: MeasureRequest,
    score: float,
    answers: Sequence[ShotAnswer],
    found: Sequence[Bisection],
    scorer: Scorer,
) -> Bisection:
    """The one CRF for the whole clip that has at least the joined encode's score."""
    base = request.bisect
    middle = round(statistics.mean(answer.crf for answer in answers))
    whole = replace(
        base,
        scoring=scoring,
        sample=None,
        keep=None,
        targets=(score,),
        start={score: middle},
    )
    plan = SearchPlan(stem=base.scoring.reference.path.stem, progress=_progress(request, found, len(found) + 1))
    try:
        return replace(bisect(whole, scorer, plan), reference=str(base.scoring.reference))
    except MeasurementError as error:
        error.add_note("This was the search for one CRF for the whole clip; the shots had been finished.")
        raise


def _judged(
    answers: Sequence[ShotAnswer], metric: Metric, result: Result, fixed: Bisection | None
) -> Iterator[ShotAnswer]:
    """The answers with each shot's scores in the encodes of the whole clip."""
    frames = result[metric.name].frames
    answer = next(iter(fixed.answers.values())) if fixed else None
    beside = answer.result[metric.name].frames if answer and answer.met else None
    for each in answers:
        own = slice(each.shot.start, each.shot.start + each.shot.frames)
        fixed_score = None if beside is None else pooled(beside[own], metric.pool)
        probe = _without_file(each.probe)
        yield replace(each, probe=probe, score=pooled(frames[own], metric.pool), fixed_score=fixed_score)


def _without_file(probe: Probe) -> Probe:
    """The probe without its encode, which is gone when the search is over."""
    return replace(probe, encode=replace(probe.encode, path=None))


def _kept(path: Path, keep: Path, base: BisectRequest) -> Path:
    """Move the joined encode to where it is kept, whole or not at all: it may be a copy to another file system."""
    keep.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in base.encoder.name)
    to = keep / f"{base.scoring.reference.path.stem}-{name}-per-shot{base.encoder.suffix}"
    part = to.with_name(f".{to.name}.part")
    try:
        shutil.copyfile(path, part)
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)
    return to
