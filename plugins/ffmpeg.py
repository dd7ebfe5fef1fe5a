"""The default scorer: ffmpeg's libvmaf filter, which decodes and scores in one process, without a temporary video."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from pytest_vmaf.errors import LogError, ScorerError
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.diagnosis import RECONFIGURED, diagnose
from pytest_vmaf.media.ffmpeg import (
    DAMAGED,
    DECODED,
    ENCODED,
    INSTALL,
    OUTPUT,
    READ,
    FfmpegCommand,
    by_hand,
    has_loopback,
    on_progress,
)
from pytest_vmaf.media.frame_lines import FrameLines
from pytest_vmaf.media.process import run, stop
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.feature_options import read_scores
from pytest_vmaf.scoring.ffmpeg_graph import arguments, graph_file, inputs, log_name, xpsnr_log_name
from pytest_vmaf.scoring.logs import Log
from pytest_vmaf.scoring.model_files import copy_commands, copy_models, model_file_names
from pytest_vmaf.scoring.scorer import Capabilities, EncodeStep, ModelRun, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.scoring.xpsnr import in_one_graph, needs_xpsnr, read_columns
from pytest_vmaf.scoring.xpsnr_run import with_xpsnr
from pytest_vmaf.text import printable, shell_join

if TYPE_CHECKING:
    from pytest_vmaf.media.early_looks import EarlyLooks
    from pytest_vmaf.scoring.sign_meter import SignMeter

hookimpl = pluggy.HookimplMarker("pytest")
PYAV = (
    "  Or score with the libvmaf of PyAV: pip install 'pytest-vmaf[pyav]' (Python 3.12 or later), --vmaf-scorer=pyav."
)
#: Linux refuses an argument of more than 128 KiB.
LONGEST_ARGUMENT = 100_000
#: The number of the output that counts the frames of a loopback decoder: after the encode and the scores.
COUNTER = 2
#: ffmpeg silently converts pixels if the two inputs differ. Both chains end in the same format, so it never should.
CONVERTED = re.compile(r"auto-inserting filter '(\S+)' between .* and the filter 'Parsed_libvmaf")


@hookimpl
def pytest_vmaf_scorer(config: object, name: str) -> FfmpegScorer | None:
    """The scorer, if its name is `ffmpeg`."""
    return FfmpegScorer() if name == "ffmpeg" else None


class FfmpegScorer:
    """Scores with the libvmaf filter of the ffmpeg in use."""

    def capabilities(self, tools: Tools) -> Capabilities:
        """The version of ffmpeg.

        Raises:
            ScorerError: If it was built without libvmaf.
        """
        if not tools.ffmpeg.has_libvmaf:
            raise ScorerError(
                f"{printable(tools.ffmpeg.path)} ({tools.ffmpeg.version}) was built without libvmaf.\n{INSTALL}\n{PYAV}"
            )
        return Capabilities(name="ffmpeg", version=tools.ffmpeg.version)

    def programs(self, tools: Tools) -> tuple[str, ...]:
        """The ffmpeg alone: it contains libvmaf or loads it."""
        return (tools.ffmpeg.path,)

    def command(self, request: ScoreRequest) -> str:
        """The shell command that scores these two clips."""
        models = model_file_names(request.models)
        return _repeat(models, by_hand(arguments(_without_signs([request]), models)))

    def can_encode(self, tools: Tools) -> bool:
        """Whether this ffmpeg can decode its own encodes while it makes them (7.1 and later)."""
        return has_loopback(tools.ffmpeg.path)

    def score(self, request: ScoreRequest) -> ScoreLog:
        """Run the filter once over both clips. Raises ScorerError with ffmpeg's last lines if it fails."""
        return _run([request], None)[0]

    def score_and_look(self, request: ScoreRequest, looks: EarlyLooks) -> ScoreLog:
        """As `score`, and show the first frames of both clips."""
        return _run([request], None, looks)[0]

    def stop(self, looks: EarlyLooks) -> None:
        """Stop the run with these looks, if it runs."""
        if command := looks.command:
            stop(command)

    def score_together(self, requests: Sequence[ScoreRequest]) -> tuple[ScoreLog, ...]:
        """Run a filter for each request in one process, which decodes each clip once. Raises as `score`."""
        return _run(requests, None)

    def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
        """Encode, decode the encode and score it, in one process. Raises as `score`."""
        return _run([request], step)[0]


def _run(
    requests: Sequence[ScoreRequest], step: EncodeStep | None, looks: EarlyLooks | None = None
) -> tuple[ScoreLog, ...]:
    first = requests[0]
    decoded: dict[int, tuple[int, int]] = {}
    looped: dict[int, int] = {}
    sizes: dict[int, int] = {}
    conversions: list[str] = []
    damages: list[str] = []
    changes: list[str] = []
    outputs: set[int] = set()
    frames = FrameLines()

    def on_line(line: str) -> None:
        if looks is not None:
            looks.read_line(line)
        if DAMAGED.match(line):
            # Before all else: it may stand in the middle of a line about a frame.
            damages.append(printable(line))
        if first.signs and frames(line):
            return
        if match := DECODED.search(line):
            decoded[int(match[1])] = int(match[2]), int(match[3])
            if packets := READ.search(line):
                sizes[int(match[1])] = int(packets[2])
        elif match := ENCODED.search(line):
            looped[int(match[1])] = int(match[2])
        elif match := OUTPUT.match(line):
            outputs.add(int(match[1]))
        elif match := CONVERTED.search(line):
            conversions.append(match[1])
        elif not changes and RECONFIGURED.search(line):
            changes.append(line)

    clips = inputs(requests, step)
    with scratch_folder() as folder:
        models = copy_models(tuple({model: None for request in requests for model in request.models}), Path(folder))
        argv = arguments(requests, models, step)
        argv = looks.with_looks(argv, Path(folder)) if looks else argv
        display = by_hand(arguments(_without_signs(requests), models, step))
        if step is not None:
            display = tuple(part.replace(f"file:{step.path.absolute()}", step.path.name) for part in display)
        if len(graph := argv[argv.index("-filter_complex") + 1]) > LONGEST_ARGUMENT:
            argv[argv.index(graph) - 1 : argv.index(graph) + 1] = graph_file(graph, Path(folder), first.tools)
        # Small frames take the place of the lines of -progress, and tell the same.
        meter = _SmallFrames(first) if first.signs else None
        command = FfmpegCommand(
            tuple(argv),
            cwd=folder,
            on_stderr=on_line,
            on_stdout=None if meter else on_progress(first.progress),
            stdout_bytes=meter.feed if meter else None,
            display_argv=display,
        )
        if looks:
            looks.command = command
        end = run(command, first.timeout)
        if looks and end.returncode == 0:
            looks.finish()
        if changes or damages or end.returncode > 0:
            files = [clip for _, clip in clips]
            if reasons := diagnose(files, [*changes, *damages, *end.tail], first.tools.ffmpeg.path, first.timeout):
                raise ScorerError(f"{reasons}\n  command: {end.command}", end.returncode)
        logs = [_read(Path(folder, log_name(number)), end, request) for number, request in enumerate(requests)]
        beside = [
            read_columns(Path(folder, xpsnr_log_name(number)), request)
            if needs_xpsnr(request) and in_one_graph(request)
            else {}
            for number, request in enumerate(requests)
        ]
    _check(end, [name for name, _ in clips], decoded, conversions, damages)
    if step is not None and len(outputs) != COUNTER + 1:
        raise ScorerError(f"The encoder's arguments must make ffmpeg write one file, not {len(outputs) - COUNTER}.")
    if step is not None and COUNTER not in looped:
        raise ScorerError(f"ffmpeg did not report how many frames of the encode it decoded.\n{end.explain()}")
    counts = {clip: decoded[number][0] for number, (_, clip) in enumerate(clips)}
    streams = {clip: (sizes.get(number, 0), decoded[number][0]) for number, (_, clip) in enumerate(clips)}
    scored = tuple(
        ScoreLog(
            columns={**log.columns, **more},
            reference_frames=request.reference.scored(counts[request.reference.clip]),
            distorted_frames=request.distorted.scored(
                counts[request.distorted.clip] if step is None else looped[COUNTER]
            ),
            libvmaf=log.version,
            command=_repeat(models, display),
            pooled_means=log.pooled_means,
            signs=meter.finish() if meter and request is first else {},
            frame_problems=frames.problems(*request.scored_part) if request is first else {},
            # Of an encode that is made in the same run, the packets are only known to who reads its file.
            stream=streams[request.distorted.clip] if step is None else (0, 0),
        )
        for request, log, more in zip(requests, logs, beside, strict=True)
    )
    return tuple(with_xpsnr(log, request) for log, request in zip(scored, requests, strict=True))


class _SmallFrames:
    """Measures signs of small frames. NumPy is imported while ffmpeg makes the first ones."""

    def __init__(self, request: ScoreRequest) -> None:
        self._request = request
        self._meter: SignMeter | None = None

    def feed(self, chunk: bytes) -> None:
        """Read some bytes of the stream."""
        self._start().feed(chunk)

    def finish(self) -> Mapping[str, tuple[float, ...]]:
        """The columns, when the stream has ended."""
        return self._start().finish()

    def _start(self) -> SignMeter:
        from pytest_vmaf.scoring.sign_meter import SignMeter

        self._meter = self._meter or SignMeter(self._request.progress)
        return self._meter


def _without_signs(requests: Sequence[ScoreRequest]) -> list[ScoreRequest]:
    """The requests without small frames, which a command that people repeat would print."""
    return [replace(request, signs=False) for request in requests]


def _repeat(models: dict[ModelRun, str], argv: Sequence[str]) -> str:
    """The shell command that repeats a run."""
    return printable(copy_commands(models) + shell_join(argv))


def _read(path: Path, end: Finished, request: ScoreRequest) -> Log:
    if end.returncode == 0 and path.exists():
        return read_scores(path, request)
    text = "\n".join(end.tail)
    if end.returncode < 0:
        what = "ffmpeg crashed while scoring. For example, libvmaf crashes on frames that are too small for a model."
    elif "could not load" in text or "no such built-in model" in text:
        versions = ", ".join(str(model.version or model.path) for model in request.models)
        what = (
            f"The libvmaf in {printable(request.tools.ffmpeg.path)} lacks one of the models {versions}.\n"
            f"  `pytest-vmaf doctor` lists its models; a newer build may have more.\n{INSTALL}\n{PYAV}"
        )
    elif "No such filter: 'libvmaf'" in text:
        what = f"{printable(request.tools.ffmpeg.path)} was built without libvmaf.\n{INSTALL}\n{PYAV}"
    elif end.returncode == 0:
        raise LogError(
            "ffmpeg exited normally but wrote no log, so nothing was scored. Is the disk full? Has a clip no frames?\n"
            + end.explain()
        )
    else:
        what = "ffmpeg could not decode or score the clips."
    raise ScorerError(f"{what}\n{end.explain()}", end.returncode)


def _check(
    end: Finished,
    inputs: list[str],
    decoded: dict[int, tuple[int, int]],
    conversions: list[str],
    damages: list[str],
) -> None:
    if set(decoded) != set(range(len(inputs))):
        raise ScorerError(f"ffmpeg did not report how many frames of each clip it decoded.\n{end.explain()}")
    for number, what in enumerate(inputs):
        if decoded[number][1]:
            raise ScorerError(f"The {what} has {decoded[number][1]} decoding errors; its file is damaged.")
    if damages:
        raise ScorerError(
            f"One of the clips is cut off or damaged. ffmpeg reports: {damages[0]}\n  command: {end.command}"
        )
    if conversions:
        raise ScorerError(
            f"ffmpeg converted pixels on its own ({', '.join(conversions)}), so nothing can be scored.\n{end.explain()}"
        )
