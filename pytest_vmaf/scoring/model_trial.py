"""Which models a scorer can compute: scores two frames to find out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.errors import MeasurementError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import INSPECT_TIMEOUT, Ffmpeg, FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.scorer import ModelRun, ScoreLog, Scorer, ScoreRequest, Source, Tools
from pytest_vmaf.scoring.verify_log import verify_log

#: Large enough for every model of the registry. Motion needs two frames.
WIDTH, HEIGHT, FRAMES = 640, 480, 2
PICTURE = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25,format=yuv420p"
FILTERS = "settb=AVTB,setpts=N"


def computed_models(scorer: Scorer, ffmpeg: Ffmpeg, names: Sequence[str]) -> tuple[list[str], str]:
    """The built-in models that a scorer computes, and the version that its libvmaf gives itself, "" without any.

    A libvmaf may have a model and fail to compute it: version 3.2.0 loads those of v1, and some of its builds give no
    score.

    Raises:
        ScorerError: If ffmpeg cannot make the two frames.
    """
    with scratch_folder() as folder:
        clip = Path(folder, "clip.y4m")
        argv = (ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", PICTURE)
        end = run(FfmpegCommand((*argv, "-frames:v", str(FRAMES), str(clip))), INSPECT_TIMEOUT)
        if end.returncode != 0 or not clip.exists():
            raise ScorerError(f"ffmpeg cannot make two frames to try a scorer with.\n{end.explain()}")
        return _computed(scorer, Source(Clip(clip), FILTERS), Tools(ffmpeg), names)


def _computed(scorer: Scorer, source: Source, tools: Tools, names: Sequence[str]) -> tuple[list[str], str]:
    """All of these models in one run; if that fails, each half of them."""
    try:
        return list(names), _score(scorer, source, tools, names).libvmaf
    except MeasurementError:
        if len(names) < 2:
            return [], ""
    middle = len(names) // 2
    (first, version), (second, other) = (
        _computed(scorer, source, tools, part) for part in (names[:middle], names[middle:])
    )
    return [*first, *second], version or other


def _score(scorer: Scorer, source: Source, tools: Tools, names: Sequence[str]) -> ScoreLog:
    request = ScoreRequest(
        reference=source,
        distorted=source,
        width=WIDTH,
        height=HEIGHT,
        pix_fmt="yuv420p",
        models=tuple(ModelRun(name, version=name) for name in names),
        features=(),
        columns=tuple(names),
        tools=tools,
        timeout=INSPECT_TIMEOUT,
    )
    log = scorer.score(request)
    verify_log(log, request, "doctor")
    return log
