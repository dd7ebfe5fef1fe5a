"""A run of ffmpeg that measures only XPSNR, for scorers that do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_vmaf.errors import LogError, ScorerError
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import RECONFIGURED, diagnose
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.features import XPSNR_COLUMNS
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest
from pytest_vmaf.scoring.xpsnr import filters, in_one_graph, needs_xpsnr, read_columns
from pytest_vmaf.text import plural

LOG = "xpsnr.txt"
NULL = ("-fps_mode", "passthrough", "-f", "null", "-")


def with_xpsnr(log: ScoreLog, request: ScoreRequest) -> ScoreLog:
    """The log with the XPSNR that its request asks for, measured here if the scorer did not measure it.

    Raises:
        LogError: If the scorer reports fewer or more frames than the clips have.
        ScorerError: If ffmpeg cannot decode the clips.
    """
    if not needs_xpsnr(request) or log.reference_frames != log.distorted_frames:
        return log
    if all(column in log.columns for column in XPSNR_COLUMNS):
        return log
    columns = measure_xpsnr(request)
    decoded = len(columns[XPSNR_COLUMNS[0]])
    if decoded != log.reference_frames:
        raise LogError(
            f"The scorer reports {plural(log.reference_frames, 'frame')}, but ffmpeg measured XPSNR of {decoded}: "
            f"{request.reference.clip.name} against {request.distorted.clip.name}. It must score every frame."
        )
    return replace(log, columns={**log.columns, **columns})


def measure_xpsnr(request: ScoreRequest) -> dict[str, tuple[float, ...]]:
    """The XPSNR of a pair, by column. Raises ScorerError if ffmpeg cannot decode the clips."""
    changes: list[str] = []

    def on_line(line: str) -> None:
        if not changes and RECONFIGURED.search(line):
            changes.append(line)

    clips = [request.distorted.clip, request.reference.clip]
    with scratch_folder() as folder:
        end = run(FfmpegCommand(tuple(_arguments(request)), cwd=folder, on_stderr=on_line), request.timeout)
        if changes and (reasons := diagnose(clips, changes, request.tools.ffmpeg.path, request.timeout)):
            raise ScorerError(reasons)
        if end.returncode != 0:
            raise ScorerError(f"ffmpeg could not measure XPSNR of the clips.\n{end.explain()}")
        return read_columns(Path(folder, LOG), request)


def _arguments(request: ScoreRequest) -> list[str]:
    argv = [request.tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "info", "-xerror", "-nostats"]
    for source in (request.distorted, request.reference):
        argv += input_arguments(source.clip)
    distorted, reference = (
        f"[{video_stream(source.clip, number)}]{source.chain}"
        for number, source in enumerate((request.distorted, request.reference))
    )
    if in_one_graph(request):
        measured = filters(request, "[reference]", "[distorted]", "[measured]", LOG)
        graph = f"{distorted}[distorted];{reference}[reference];{measured}"
        return [*argv, "-filter_complex", graph, "-map", "[measured]", *NULL]
    # Frames of raw video have no padding between their lines, which the filter takes for pixels.
    unpadded = ["-map", "[distorted]", "-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "null", "-", "-dec", "0:0"]
    measured = filters(request, "[reference]", "[dec:0]", "[measured]", LOG, copy=False)
    second = f"{reference}[reference];{measured}"
    argv += ["-filter_complex", f"{distorted}[distorted]", *unpadded, "-filter_complex", second]
    return [*argv, "-map", "[measured]", *NULL]
