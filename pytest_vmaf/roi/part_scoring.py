"""Scoring of parts of the picture, together with the whole picture or without it, in one run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from pytest_vmaf.errors import LogError, ScorerError
from pytest_vmaf.roi.regions import Region, move_inside, refuse_length, refuse_outside, region_label
from pytest_vmaf.scoring.advice import advised
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.features import refuse_sizes
from pytest_vmaf.scoring.measure import check_log, conclude
from pytest_vmaf.scoring.models import refuse_small
from pytest_vmaf.scoring.order_warning import warn_of_order
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.score import Score
from pytest_vmaf.scoring.scorer import ScoreLog, Scorer
from pytest_vmaf.scoring.self_scores import frames_past, self_scores
from pytest_vmaf.text import printable


def part_of(
    prepared: PreparedScoring, name: str, size: tuple[int, int], window: str, lead_window: str = ""
) -> PreparedScoring:
    """The scoring of a part of the picture, by the models of the whole picture.

    Args:
        prepared: The scoring of the whole picture.
        name: The part's name in messages.
        size: Its width and height in pixels.
        window: The ffmpeg filter that crops both clips to it.
        lead_window: This filter where the frames before the scored ones are its first ones; "" if that is the same.

    Raises:
        ModelError: If the part is too small for the models.
    """
    refuse_small(prepared.models, *size, f"Pictures of {printable(name)!r}")
    refuse_sizes(prepared.job.features, *size)
    sources = prepared.job.reference, prepared.job.distorted
    reference, distorted = (replace(each, window=window, lead_window=lead_window) for each in sources)
    models = advised(prepared.models, prepared.pair, size) if prepared.pair else prepared.models
    job = replace(
        prepared.job,
        reference=reference,
        distorted=distorted,
        width=size[0],
        height=size[1],
        models=(models.default, models.neg),
        signs=False,
    )
    return replace(prepared, job=job, models=models)


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
    counts = {name: log.reference_frames for name, log in checked.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{printable(name or 'whole picture')}: {count}" for name, count in list(counts.items())[:5])
        raise LogError(f"The scorer {first.can.name} must score as many frames of each part, not {listed}.")
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
        window, led = (crop_filter(inside, first, job.pix_fmt) for first in (source.start, source.start - job.lead[0]))
        scorings[name] = part_of(prepared, name, region.size, window, led if led != window else "")
    logs = score_together(scorings)
    frames = logs[""].reference_frames
    for name, region in regions.items():
        # In an aligned pair, the frames that only the reference has were not counted, nor are those around a part.
        end = source.start + frames
        total = end if source.frames is None else max(len(region.boxes), end)
        refuse_length(name, region, source.start, frames, total)
    # The self-scores that are needed come from one run.
    past = {name: each for name, each in scorings.items() if frames_past(each.job, logs[name], each.models)}
    own = dict(zip(past, self_scores(list(past.values())), strict=True))
    results = {}
    for name, region in regions.items():
        label = f"{job.distorted.clip} [{printable(f'{name} {region_label(region)}')}]"
        results[name] = conclude(scorings[name], logs[name], label, own=own.get(name))
    whole = conclude(prepared, logs[""], own=own.get(""))
    warn_of_order(prepared, logs[""], whole)
    return replace(whole, regions=results)


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


def crop_filter(region: Region, start: int = 0, pix_fmt: str = "yuv420p") -> str:
    """The ffmpeg filters that crop each frame to the region; their frame n shows box `start + n`."""
    corners = region.boxes[start:] or region.boxes[-1:] or ((region.x, region.y),)
    across, down = ([corner[axis] for corner in corners] for axis in (0, 1))
    w, h = region.size
    form = re.fullmatch(r"yuv42([02])p\d+le", pix_fmt)
    if form is None or not any(x % 2 for x in across):
        # Quoted, since an unquoted comma ends a filter.
        x, y = (f"'{each}'" if "," in each else each for each in map(_steps, (across, down)))
        # Without exact=1, ffmpeg rounds odd numbers where chroma is subsampled.
        return f"crop={w}:{h}:x={x}:y={y}:exact=1"
    # From an odd x on, crop reads chroma of two bytes a sample from between two samples. So the area of all boxes is
    # cropped from an even x on, and each plane is moved within that.
    left, top, half = min(across) // 2 * 2, min(down) // 2 * 2, 2 if form[1] == "0" else 1
    luma = _steps([x - left for x in across], "N"), _steps([y - top for y in down], "N")
    chroma = _steps([(x - left) // 2 for x in across], "N"), _steps([(y - top) // half for y in down], "N")
    planes = (("lum", luma), ("cb", chroma), ("cr", chroma))
    moved = ":".join(f"{plane}='{plane}(X+{by[0]},Y+{by[1]})'" for plane, by in planes)
    return (
        f"crop={max(across) + w - left}:{max(down) + h - top}:x={left}:y={top}:exact=1,"
        f"geq={moved}:interpolation=nearest,crop={w}:{h}:x=0:y=0:exact=1"
    )


def _steps(values: Sequence[int], number: str = "n") -> str:
    """An ffmpeg expression with the value of each frame, and the last value after them; `number` names the frame."""
    steps, begin = [], 0
    for value, run in groupby(values):
        steps.append((begin, value))
        begin += sum(1 for _ in run)

    # A tree, because ffmpeg refuses expressions that are nested 100 deep, and evaluates this one for each frame.
    def tree(low: int, high: int) -> str:
        if high - low == 1:
            return str(steps[low][1])
        middle = (low + high) // 2
        return f"if(lt({number},{steps[middle][0]}),{tree(low, middle)},{tree(middle, high)})"

    return tree(0, len(steps))
