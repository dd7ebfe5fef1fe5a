"""Whether the build that measures is a required one: that of a finished scoring, and an ffmpeg before it scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.media.ffmpeg import Ffmpeg
from pytest_vmaf.scoring.prepare import PreparedScoring
from pytest_vmaf.scoring.requirements import (
    Build,
    Requirement,
    file_digest,
    libvmaf_version,
    refuse_other_build,
)
from pytest_vmaf.scoring.scorer import RepeatableScorer, ScoreLog


def check_build(prepared: PreparedScoring, log: ScoreLog) -> None:
    """Raise ScorerError if a scoring was not made by a required build.

    A scorer that reads no clips meets no requirement.
    """
    if not prepared.can.reads_clips:
        listed = ", ".join(map(str, prepared.require))
        raise ScorerError(f"The scorer {prepared.can.name} reads no clips, so it cannot meet require={listed!r}.")
    runs, tools = (prepared.models.default, prepared.models.neg), prepared.job.tools
    names = [run.path.name if run.path else str(run.version) for run in runs]
    names += [run.path.stem for run in runs if run.path]
    build = Build(
        libvmaf=log.libvmaf,
        ffmpeg=tools.ffmpeg.version,
        models=tuple(dict.fromkeys(names)),
        ffmpeg_digest=partial(build_of, tools.ffmpeg.path, prepared.cache),
        model_digests=partial(_model_digests, prepared),
    )
    refuse_other_build(prepared.require, build)


def check_ffmpeg(requirements: Sequence[Requirement], ffmpeg: Ffmpeg, *, scores: bool) -> None:
    """Check what is known before anything is measured.

    Args:
        requirements: The requirements.
        ffmpeg: The ffmpeg in use.
        scores: Whether its libvmaf measures. Otherwise only ffmpeg itself is checked.

    Raises:
        ScorerError: If it is another build, or if it cannot score.
    """
    wanted = {each.name for each in requirements}
    version = libvmaf_version(ffmpeg.path) if scores and "libvmaf" in wanted else None
    known = [each for each in requirements if each.name != "model"]
    digest = partial(build_of, ffmpeg.path)
    refuse_other_build(known, Build(version, ffmpeg.version, None, digest, lambda: ()))


def _model_digests(prepared: PreparedScoring) -> Sequence[str]:
    paths = [run.path for run in (prepared.models.default, prepared.models.neg) if run.path]
    if paths:
        return [file_digest(path) for path in dict.fromkeys(paths)]
    scorer = prepared.scorer
    programs = scorer.programs(prepared.job.tools) if isinstance(scorer, RepeatableScorer) else ()
    return _existing(build_of(program, prepared.cache) for program in programs)


def _existing(digests: Iterable[str | None]) -> list[str]:
    return [digest for digest in digests if digest]
