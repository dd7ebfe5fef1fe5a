"""Parts of the picture, each scored in the one run that scores the whole, or that scores nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.roi.regions import Region, placed, refuse_length, refuse_outside, shown, window
from pytest_vmaf.scoring.cached import score
from pytest_vmaf.scoring.measure import checked, conclude
from pytest_vmaf.scoring.models import refuse_small
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import ScoreLog, Scorer, Source
from pytest_vmaf.scoring.self_scores import frames_past, self_scores
from pytest_vmaf.text import printable


@dataclass(frozen=True)
class Part:
    """What is scored beside the whole picture, or in its place: ``width`` x ``height`` pixels.

    ``window`` is the filter that cuts it out of both clips; ``distorted`` stands in the place of the distorted clip, of
    which no features are measured then.
    """

    name: str
    width: int
    height: int
    window: str = ""
    distorted: Source | None = None


def part_of(prepared: PreparedScoring, part: Part) -> PreparedScoring:
    """The scoring of a part, by the models of the whole. Raises ModelError where it is too small for them."""
    refuse_small(prepared.models, part.width, part.height, f"Pictures of {printable(part.name)!r}")
    job = prepared.job
    reference = replace(job.reference, window=part.window)
    distorted = replace(part.distorted or job.distorted, window=part.window)
    job = replace(job, reference=reference, distorted=distorted, width=part.width, height=part.height)
    if part.distorted is not None:
        job = replace(job, features=(), columns=tuple(run.column for run in job.models))
    return replace(prepared, job=job)


def score_together(scorings: Mapping[str, PreparedScoring]) -> dict[str, ScoreLog]:
    """Score the whole picture ("") and parts by name in one run where the scorer can. Raises ScorerError, PairError."""
    first = next(iter(scorings.values()))
    logs = score(first.scorer, [each.job for each in scorings.values()], first.cache)
    found = {}
    for (name, prepared), log in zip(scorings.items(), logs, strict=True):
        try:
            found[name] = checked(prepared, log)
        except ScorerError as error:
            # As the kind that it is, with its exit code.
            error.args = (f"{printable(name)}: {error}" if name else str(error),)
            raise
    return found


def conclude_all(
    scorings: Mapping[str, PreparedScoring], logs: Mapping[str, ScoreLog], labels: Mapping[str, str]
) -> dict[str, Result]:
    """A Result for each log, by its label; the references' own scores, where they are needed, come from one run."""
    past = {name: each for name, each in scorings.items() if frames_past(each.job, logs[name], each.models)}
    own = dict(zip(past, self_scores(list(past.values())), strict=True))
    clip = str(next(iter(scorings.values())).job.distorted.clip)
    return {
        name: conclude(each, logs[name], f"{clip} [{printable(labels[name])}]" if name else None, own=own.get(name))
        for name, each in scorings.items()
    }


def measure_regions(request: MeasureRequest, scorer: Scorer, regions: Mapping[str, Region]) -> Result:
    """Score the pair and rectangles of it in one pass: a Result whose ``regions`` hold one Result for each.

    Raises as :func:`~pytest_vmaf.scoring.measure.measure`; PairError for a region that is not inside of the picture,
    ModelError for one that is too small for the models.
    """
    prepared = prepare(request, scorer)
    job, source = prepared.job, prepared.job.reference
    scorings = {"": prepared}
    for name, region in regions.items():
        inside = placed(region, job.width, job.height)
        refuse_outside(name, inside, job.width, job.height, source.start)
        scorings[name] = part_of(prepared, Part(name, *region.size, window(inside, source.start, job.pix_fmt)))
    logs = score_together(scorings)
    frames = logs[""].reference_frames
    for name, region in regions.items():
        # Of an aligned pair nobody has counted the frames that only the reference has.
        total = frames if source.frames is None else max(len(region.boxes), source.start + frames)
        refuse_length(name, region, source.start, frames, total)
    results = conclude_all(scorings, logs, {name: f"{name} {shown(region)}" for name, region in regions.items()})
    return replace(results.pop(""), regions=results)
