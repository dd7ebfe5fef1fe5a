"""Scoring of parts of the picture, together with the whole picture or without it, in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.roi.crop_filter import crop_filter
from pytest_vmaf.roi.regions import Region, move_inside, refuse_length, refuse_outside, region_label
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.measure import check_log, conclude
from pytest_vmaf.scoring.models import refuse_small
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.scoring.scorer import ScoreLog, Scorer
from pytest_vmaf.scoring.self_scores import frames_past, self_scores
from pytest_vmaf.text import printable


def part_of(prepared: PreparedScoring, name: str, size: tuple[int, int], window: str) -> PreparedScoring:
    """The scoring of a part of the picture, by the models of the whole picture.

    Args:
        prepared: The scoring of the whole picture.
        name: The part's name in messages.
        size: Its width and height in pixels.
        window: The ffmpeg filter that crops both clips to it.

    Raises:
        ModelError: If the part is too small for the models.
    """
    refuse_small(prepared.models, *size, f"Pictures of {printable(name)!r}")
    reference, distorted = (replace(each, window=window) for each in (prepared.job.reference, prepared.job.distorted))
    job = replace(prepared.job, reference=reference, distorted=distorted, width=size[0], height=size[1])
    return replace(prepared, job=job)


def score_together(scorings: Mapping[str, PreparedScoring]) -> dict[str, ScoreLog]:
    """Score the whole picture ("") and parts by name, in one run if the scorer can.

    Raises:
        ScorerError: If the scorer fails.
        PairError: If the clips do not compare.
    """
    first = next(iter(scorings.values()))
    logs = score(first.scorer, [each.job for each in scorings.values()], first.cache)
    checked = {}
    for (name, prepared), log in zip(scorings.items(), logs, strict=True):
        try:
            checked[name] = check_log(prepared, log)
        except ScorerError as error:
            # The error itself, which keeps its class and its exit code.
            error.args = (f"{printable(name)}: {error}" if name else str(error),)
            raise
    return checked


def measure_regions(request: MeasureRequest, scorer: Scorer, regions: Mapping[str, Region]) -> Result:
    """Score the pair and its regions in one run: a Result whose `regions` hold one Result for each.

    Raises:
        PairError: If a region is not inside the picture, or a track has not one box for each frame.
        ModelError: If a region is too small for the models.
        MeasurementError: As in `pytest_vmaf.scoring.measure.measure`.
    """
    prepared = prepare(request, scorer)
    job, source = prepared.job, prepared.job.reference
    scorings = {"": prepared}
    for name, region in regions.items():
        inside = move_inside(region, job.width, job.height)
        refuse_outside(name, inside, job.width, job.height, source.start)
        scorings[name] = part_of(prepared, name, region.size, crop_filter(inside, source.start, job.pix_fmt))
    logs = score_together(scorings)
    frames = logs[""].reference_frames
    for name, region in regions.items():
        # In an aligned pair, the frames that only the reference has were not counted.
        total = frames if source.frames is None else max(len(region.boxes), source.start + frames)
        refuse_length(name, region, source.start, frames, total)
    # The self-scores that are needed come from one run.
    past = {name: each for name, each in scorings.items() if frames_past(each.job, logs[name], each.models)}
    own = dict(zip(past, self_scores(list(past.values())), strict=True))
    results = {}
    for name, region in regions.items():
        label = f"{job.distorted.clip} [{printable(f'{name} {region_label(region)}')}]"
        results[name] = conclude(scorings[name], logs[name], label, own=own.get(name))
    return replace(conclude(prepared, logs[""], own=own.get("")), regions=results)


def with_view(score: Score, view: str) -> Score:
    """The score, unclipped, with the part of the picture that it is of: "masked", "of the worst tile"."""
    return Score(score.unclipped.frames, replace(score.scale, view=view), score.context)


def fields_with(result: Result, scores: Mapping[str, Score]) -> dict[str, Any]:
    """The fields of a Result with more scores among its features, for a class that extends Result."""
    features = {**result.features, **scores}
    return {"features": features, **{name: getattr(result, name) for name in ("vmaf", "neg", "gap", "above_100")}}


def empty_note(frames: Sequence[int], note: str) -> list[str]:
    """A note about frames in which nothing is salient; `{}` in the text stands for these frames."""
    if not frames:
        return []
    first = f"frame {frames[0]}"
    return [note.format(first if len(frames) == 1 else f"{len(frames)} frames (the first is {first})")]
