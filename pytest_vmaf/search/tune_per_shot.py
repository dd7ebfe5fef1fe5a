"""Tuning shot by shot: a search for each shot, the joined encode, and the comparison with one CRF."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.join import join
from pytest_vmaf.encoding.rate_modes import usual_window
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.executors.placement import Placement
from pytest_vmaf.files import write_atomically
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.media.shots import SHORTEST, THRESHOLD, Shot, detect_shots
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.pools import is_window, pooled
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import Scorer
from pytest_vmaf.search.bisect import bisect
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan, lowest_target, make_job
from pytest_vmaf.search.bisection import Bisection, sample_name
from pytest_vmaf.search.metric import Metric, with_metrics
from pytest_vmaf.search.per_shot import PerShot, ShotAnswer
from pytest_vmaf.search.probe import Trial
from pytest_vmaf.search.sample import cut_sample
from pytest_vmaf.search.search_tasks import Search, overall, run_searches


@dataclass(frozen=True)
class PerShotRequest:
    """What is tuned shot by shot.

    Attributes:
        bisect: The search, with one target, which is repeated for each shot.
        threshold: How different a new shot is, in percent of the luma range. None is the default of `detect_shots`.
        shortest: The minimum length of a shot, in frames. None is the default of `detect_shots`.
        fixed: Whether to compare with one CRF for the whole clip.
        progress: Called after each trial encode with the number made and the number expected in all.
        placement: Where the shots are searched, None for here. The workers must see the temporary folder of this
            process.
    """

    bisect: BisectRequest
    threshold: float | None = None
    shortest: int | None = None
    fixed: bool = True
    progress: Callable[[int, float], None] | None = None
    placement: Placement | None = None


def tune_per_shot(request: PerShotRequest, scorer: Scorer) -> PerShot:
    """Search each shot, join the encodes, and score the joined encode as a whole.

    The joined encode is decoded and compared with its parts frame by frame. A shot that cannot reach the target is
    encoded at the finest CRF that another shot needs.

    Args:
        request: What to tune.
        scorer: What scores the encodes.

    Raises:
        SettingsError: For more than one target, and for settings that make no sense.
        EncodeError: If the encoder fails, ignores the CRF, or makes streams that do not join.
        MeasurementError: If an encode cannot be scored. `error.probes` holds the trial encodes already made.
    """
    base = request.bisect
    if len(base.targets) != 1:
        raise SettingsError(f"Tuning shot by shot takes one target, not {len(base.targets)}.")
    if base.encoder.codec is not None:
        raise SettingsError(
            f"{base.encoder.name} is a codec in Python, whose bitstreams cannot be joined. Tuning shot by shot "
            "requires an encoder that writes a video stream."
        )
    if is_window(base.metric.pool):
        raise SettingsError(
            f"Tuning shot by shot reaches the target in every shot, so the metric must be {base.metric.name} without a "
            f"window, not {base.metric.text}."
        )
    request = replace(request, bisect=replace(base, arguments=(*base.encoder.concat_arguments, *base.arguments)))
    with scratch_folder() as name:
        tuning = _Tuning(request, scorer, Path(name))
        try:
            return tuning.run()
        except MeasurementError as error:
            error.probes = tuple(probe.without_file() for probe in (*tuning.probes, *error.probes))
            raise


@dataclass
class _Tuning:
    """One run: the request, and the finished searches of its shots."""

    request: PerShotRequest
    scorer: Scorer
    folder: Path
    bisections: list[Bisection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.base = self.request.bisect
        self.target = self.base.targets[0]

    @property
    def probes(self) -> list[Trial]:
        """The trial encodes of the finished searches."""
        return [probe for bisection in self.bisections for probe in bisection.probes]

    def run(self) -> PerShot:
        base, scoring = self.base, self.base.scoring
        cache, timeout, metric = scoring.cache, scoring.timeout, base.metric
        ffmpeg = find_ffmpeg(scoring.ffmpeg, cache).path
        reference, window = cut_sample(scoring, base.sample, ffmpeg, self.folder)
        label = sample_name(str(scoring.reference), window)
        job = make_job(base, ffmpeg, base.encoder.resolve_preset(base.preset), reference)
        # One window for all shots.
        self.base = base = replace(base, crf=base.crf or usual_window(base.encoder.scale, job.source))
        whole = self._search_for(reference)
        threshold = THRESHOLD if self.request.threshold is None else self.request.threshold
        shortest = SHORTEST if self.request.shortest is None else self.request.shortest
        shots = detect_shots(reference, ffmpeg, threshold=threshold, shortest=shortest, timeout=timeout, cache=cache)
        (self.folder / "cuts").mkdir()
        clips = cut(reference, shots, self.folder / "cuts", ffmpeg, timeout=timeout, cache=cache)
        if self.request.placement is not None:
            self._search_shots(clips, self.request.placement)
        else:
            for clip in clips:
                self._search_shot(clip, len(clips))
        answers = [self._answer(number, shot, clips[number]) for number, shot in enumerate(shots)]
        path, joined_encode = join(job, [answer.probe.encode for answer in answers], self.folder)
        encode = replace(joined_encode, name=f"{job.name} per shot").without_file()
        features = (*scoring.features, *metric.features)
        metrics = with_metrics(scoring.metrics, metric)
        joined = replace(whole.scoring, distorted=job.clip(path), features=features, metrics=metrics, progress=None)
        result = measure(joined, self.scorer, encode.name, label)
        score = float(metric.of(result))
        fixed = self._search_fixed(whole, score, answers) if score >= lowest_target(metric) else None
        if base.keep is not None:
            encode = replace(encode, path=_store(path, base.keep, base))
        shot_answers = tuple(_with_scores(answers, metric, result, fixed))
        return PerShot(encode.name, label, self.target, metric, shot_answers, encode, result, fixed)

    def _search_for(self, clip: Clip) -> BisectRequest:
        """The search with another source."""
        return replace(self.base, scoring=replace(self.base.scoring, reference=clip, distorted=clip), sample=None)

    def _search_shot(self, clip: Clip, shots: int) -> None:
        number = len(self.bisections)
        # A wrong start costs two encodes, and a search without one makes two to four: a start pays only if shots are
        # alike. The coarsest CRF of a shot, for example of a black one, tells nothing about others.
        known = [each[self.target].crf for each in self.bisections if each[self.target].outcome == "met"][-2:]
        places = [self.base.steps.index(crf) for crf in known]
        alike = len(places) == 2 and abs(places[0] - places[1]) <= 1
        start = {self.target: known[-1]} if alike else self.base.start
        one = replace(self._search_for(clip), start=start, keep=self._part(number))
        plan = SearchPlan(flat=shots > 1, progress=self._progress(shots + bool(self.request.fixed)))
        try:
            self.bisections.append(bisect(one, self.scorer, plan))
        except MeasurementError as error:
            error.add_note(f"This was shot {number + 1} of {shots}; {number} had been finished.")
            raise

    def _search_shots(self, clips: Sequence[Clip], placement: Placement) -> None:
        """Search the shots as tasks. None of them learns from another, which changes trial encodes and no answer."""
        plan = SearchPlan(flat=len(clips) > 1)
        searches = [
            Search(f"shot {number + 1} of {len(clips)}", replace(self._search_for(clip), keep=self._part(number)), plan)
            for number, clip in enumerate(clips)
        ]
        self.bisections += run_searches(searches, self.scorer, placement, self.request.progress)

    def _answer(self, number: int, shot: Shot, clip: Clip) -> ShotAnswer:
        """The answer of a shot. One that cannot reach the target is encoded at the finest CRF of the others."""
        answer, probes = self.bisections[number][self.target], len(self.bisections[number].probes)
        probe = answer.probe if answer.met else None
        if probe is None:
            encoder = self.base.encoder
            met = [each[self.target].crf for each in self.bisections if each[self.target].met]
            finest = (max if encoder.larger_is_finer else min)(met or self.base.steps)
            alone = replace(
                self._search_for(clip),
                # The window has one CRF, which is measured for any target. No encode reaches a target of 0.
                targets=(lowest_target(self.base.metric) or 1e-6,),
                crf=(finest, finest),
                start={},
                keep=self._part(number),
            )
            only = bisect(alone, self.scorer, SearchPlan(flat=True))
            probe, probes = only.points[0], probes + len(only.probes)
        return ShotAnswer(shot, probe, answer.met, answer.why, probes, probe.score)

    def _search_fixed(self, whole: BisectRequest, score: float, answers: Sequence[ShotAnswer]) -> Bisection | None:
        """Search the one CRF for the whole clip that has at least the score of the joined encode."""
        if not self.request.fixed:
            return None
        mean = statistics.mean(answer.crf for answer in answers)
        middle = min(whole.steps, key=lambda crf: abs(crf - mean))
        one = replace(whole, keep=None, targets=(score,), start={score: middle})
        reference = self.base.scoring.reference
        plan = SearchPlan(stem=reference.stem, progress=self._progress(len(self.bisections) + 1))
        try:
            return replace(bisect(one, self.scorer, plan), reference=str(reference))
        except MeasurementError as error:
            error.add_note("This was the search for one CRF for the whole clip; the shots had been finished.")
            raise

    def _part(self, number: int) -> Path:
        return self.folder / "parts" / f"{number:04d}"

    def _progress(self, searches: int) -> Callable[[int, float], None] | None:
        return overall(self.request.progress, len(self.probes), len(self.bisections), searches)


def _with_scores(
    answers: Sequence[ShotAnswer], metric: Metric, result: Result, fixed: Bisection | None
) -> Iterator[ShotAnswer]:
    """The answers with the scores of each shot in both encodes of the whole clip."""
    frames = result[metric.name].frames
    answer = next(iter(fixed.answers.values())) if fixed else None
    fixed_frames = answer.result[metric.name].frames if answer and answer.met else None
    for each in answers:
        own = slice(each.shot.start, each.shot.start + each.shot.frames)
        fixed_score = None if fixed_frames is None else pooled(fixed_frames[own], metric.pool)
        score = pooled(frames[own], metric.pool)
        yield replace(each, probe=each.probe.without_file(), score=score, fixed_score=fixed_score)


def _store(path: Path, folder: Path, request: BisectRequest) -> Path:
    """Copy the joined encode to its folder completely or not at all: the folder may be on another file system."""
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in request.encoder.name)
    target = folder / f"{request.scoring.reference.stem}-{name}-per-shot{request.encoder.suffix}"
    with path.open("rb") as file:
        write_atomically(target, file)
    return target
