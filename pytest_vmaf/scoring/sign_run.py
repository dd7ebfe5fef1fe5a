"""A run of ffmpeg that measures only the signs of the picture, beside scorers that do not."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import RECONFIGURED, diagnose
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.frame_lines import SHOWINFO, FrameLines
from pytest_vmaf.media.process import run
from pytest_vmaf.media.small_frames import BESIDE, OUTPUT, SMALL
from pytest_vmaf.scoring.scorer import ScoreRequest


def measure_signs(request: ScoreRequest) -> tuple[Mapping[str, tuple[float, ...]], Mapping[str, str]]:
    """The signs of a pair, by column, and what is wrong with the times and fields of its frames.

    Raises:
        ScorerError: If ffmpeg cannot decode the clips.
    """
    from pytest_vmaf.scoring.sign_meter import SignMeter

    meter, frames, changes = SignMeter(), FrameLines(), list[str]()

    def on_line(line: str) -> None:
        if not frames(line) and not changes and RECONFIGURED.search(line):
            changes.append(line)

    argv = [request.tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "info", "-xerror", "-nostats"]
    chains = []
    for number, (what, source) in enumerate((("distorted", request.distorted), ("reference", request.reference))):
        argv += [*([] if source.turned else ["-noautorotate"]), *input_arguments(source.clip)]
        chain = ",".join(filter(None, (source.trim, SHOWINFO, source.filters, SMALL)))
        chains.append(f"[{video_stream(source.clip, number)}]{chain}[small-{what}]")
    argv += ["-filter_complex", ";".join([*chains, BESIDE]), *OUTPUT]
    end = run(FfmpegCommand(tuple(argv), on_stderr=on_line, stdout_bytes=meter.feed), request.timeout)
    clips = [request.distorted.clip, request.reference.clip]
    if changes and (reasons := diagnose(clips, changes, request.tools.ffmpeg.path, request.timeout)):
        raise ScorerError(reasons)
    if end.returncode != 0:
        raise ScorerError(f"ffmpeg could not decode the clips for the signs of the picture.\n{end.explain()}")
    return meter.finish(), frames.problems(*request.scored_part)
