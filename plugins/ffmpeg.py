"""The default scorer: ffmpeg's libvmaf filter. Decodes and scores in one process, without a temporary video."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path
from typing import Any

import pluggy

from pytest_vmaf.quality.errors import ScorerError
from pytest_vmaf.quality.ffmpeg import DAMAGED, DECODED, ENCODED, INSTALL, OUTPUT, by_hand, has_loopback, on_progress
from pytest_vmaf.quality.logs import Log, read_log
from pytest_vmaf.quality.process import Command, Finished, printable, run
from pytest_vmaf.quality.reading import input_arguments
from pytest_vmaf.quality.scorer import (
    Capabilities,
    EncodeStep,
    ModelRun,
    ScoreLog,
    ScoreRequest,
    Tools,
    copy_models,
)

hookimpl = pluggy.HookimplMarker("pytest")
LOG = "vmaf.xml"
#: The output file that counts what a loopback decoder gives: after the encode and the scores.
COUNTER = 2
#: ffmpeg converts pixels in silence when the two inputs differ; both chains end in one format, so it never should.
CONVERTED = re.compile(r"auto-inserting filter '(\S+)' between .* and the filter 'Parsed_libvmaf")


@hookimpl
def pytest_vmaf_scorer(config: Any, name: str) -> FfmpegScorer | None:
    """Answers to the name ``ffmpeg``."""
    return FfmpegScorer() if name == "ffmpeg" else None


class FfmpegScorer:
    """Scores with the libvmaf filter of the ffmpeg that was found."""

    def capabilities(self, tools: Tools) -> Capabilities:
        """The ffmpeg's version. Raises ScorerError when it was built without libvmaf."""
        if not tools.ffmpeg.has_libvmaf:
            raise ScorerError(
                f"{printable(tools.ffmpeg.path)} ({tools.ffmpeg.version}) was built without libvmaf.\n{INSTALL}"
            )
        return Capabilities(name="ffmpeg", version=tools.ffmpeg.version)

    def can_encode(self, tools: Tools) -> bool:
        """Whether this ffmpeg decodes its own encodes while it makes them (7.1 and later)."""
        return has_loopback(tools.ffmpeg.path)

    def score(self, request: ScoreRequest) -> ScoreLog:
        """Run the filter once over both clips. Raises ScorerError with ffmpeg's last lines when it fails."""
        return _run(request, None)

    def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
        """Encode, decode what comes out, and score it in one process. Raises ScorerError as ``score``."""
        return _run(request, step)


def _run(request: ScoreRequest, step: EncodeStep | None) -> ScoreLog:
    decoded: dict[int, tuple[int, int]] = {}
    looped: dict[int, int] = {}
    converted: list[str] = []
    damaged: list[str] = []
    outputs: set[int] = set()

    def heard(line: str) -> None:
        if match := DECODED.search(line):
            decoded[int(match[1])] = int(match[2]), int(match[3])
        elif match := ENCODED.search(line):
            looped[int(match[1])] = int(match[2])
        elif match := OUTPUT.match(line):
            outputs.add(int(match[1]))
        elif match := CONVERTED.search(line):
            converted.append(match[1])
        elif DAMAGED.match(line):
            damaged.append(printable(line))

    with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
        models = copy_models(request.models, Path(folder))
        argv = arguments(request, models, step)
        shown = by_hand(argv)
        if step is not None:
            shown = tuple(part.replace(f"file:{step.path.absolute()}", step.path.name) for part in shown)
        follow = on_progress(request.progress)
        command = Command(tuple(argv), cwd=folder, on_stderr=heard, on_stdout=follow, shown=shown)
        end = run(command, request.timeout)
        log = _read(Path(folder, LOG), end, request)
    repeat = "".join(f"cp {shlex.quote(str(m.path))} {name} && " for m, name in models.items() if m.path)
    inputs = {0, 1} if step is None or step.source != request.reference.clip else {0}
    _check(end, inputs, decoded, converted, damaged)
    if step is not None and len(outputs) != COUNTER + 1:
        raise ScorerError(f"The encoder's arguments make ffmpeg write {len(outputs) - COUNTER} files, not one.")
    if step is not None and COUNTER not in looped:
        raise ScorerError(f"ffmpeg did not say how many frames it decoded of the encode.\n{end.explain()}")
    return ScoreLog(
        columns=log.columns,
        reference_frames=request.reference.scored(decoded[max(inputs)][0]),
        distorted_frames=request.distorted.scored(decoded[0][0] if step is None else looped[COUNTER]),
        libvmaf=log.version,
        command=printable(repeat + shlex.join(shown)),
        pooled_means=log.pooled_means,
    )


def arguments(request: ScoreRequest, models: dict[ModelRun, str], step: EncodeStep | None = None) -> list[str]:
    """ffmpeg's argument list: first input distorted, second reference, both to their end.

    With a ``step`` the first input is what is encoded, and the encode comes back through a loopback decoder; where
    what is encoded is the reference itself, it is decoded once for both.
    """
    threads = str(request.threads)
    # V and not v: a cover picture is no clip.
    distorted, reference = ("[0:V:0]", "[1:V:0]")
    if step is not None:
        # libvmaf repeats the last frame of the shorter clip, so what the loopback decoder gives is counted beside it.
        distorted = "[dec:0]split[counted],"
        reference = reference if step.source != request.reference.clip else "[0:V:0]"
    graph = (
        f"{distorted}{request.distorted.filters}[distorted];{reference}{request.reference.filters}[reference];"
        f"[distorted][reference]libvmaf=model='{'|'.join(_model(model, models[model]) for model in request.models)}'"
    )
    if request.features:
        graph += f":feature='{'|'.join(f'name={feature}' for feature in request.features)}'"
    # No shortest=1 and the like: when the lengths differ, both clips must be decoded to their ends and be counted.
    graph += f":log_path={LOG}:log_fmt=xml:n_threads={threads}[scored]"
    argv = [request.tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror"]
    argv += ["-nostats", "-stats_period", "0.5", "-progress", "pipe:1"]
    argv += input_arguments(request.distorted.clip if step is None else step.source)
    if reference == "[1:V:0]":
        argv += input_arguments(request.reference.clip)
    null = ("-fps_mode", "passthrough", "-f", "null", "-")
    if step is None:
        return [*argv, "-filter_complex", graph, "-map", "[scored]", *null]
    argv += ["-map", "0:V:0", "-fps_mode", "passthrough", *step.arguments, "-y", f"file:{step.path.absolute()}"]
    argv += ["-dec", "0:0", "-filter_complex", graph, "-map", "[scored]", *null]
    return [*argv, "-map", "[counted]", "-c:v", "wrapped_avframe", *null]


def _model(model: ModelRun, file: str) -> str:
    # Only the literal "true" counts here; "1" is ignored in silence. Without a name the second model is lost.
    parts = [f"path={file}" if model.path else f"version={model.version}", f"name={model.column}", "disable_clip=true"]
    if model.transform:
        parts.append("enable_transform=true")
    parts += [f"{option}={value}" for option, value in model.overrides]
    return r"\:".join(parts)


def _read(path: Path, end: Finished, request: ScoreRequest) -> Log:
    if end.returncode == 0 and path.exists():
        return read_log(path, request.columns)
    said = "\n".join(end.tail)
    if end.returncode < 0:
        what = "ffmpeg crashed while scoring. libvmaf does so on frames that are too small for a model, for one."
    elif "could not load" in said or "no such built-in model" in said:
        versions = ", ".join(str(model.version or model.path) for model in request.models)
        what = (
            f"The libvmaf in {printable(request.tools.ffmpeg.path)} has not all of the models {versions}.\n"
            f"  `pytest-vmaf doctor` lists what it has; a newer build may have more.\n{INSTALL}"
        )
    elif "No such filter: 'libvmaf'" in said:
        what = f"{printable(request.tools.ffmpeg.path)} was built without libvmaf.\n{INSTALL}"
    elif end.returncode == 0:
        what = "ffmpeg ended well but wrote no log, so nothing was scored. Is the disk full, or a clip without frames?"
    else:
        what = "ffmpeg could not decode or score the clips."
    raise ScorerError(f"{what}\n{end.explain()}")


def _check(
    end: Finished,
    inputs: set[int],
    decoded: dict[int, tuple[int, int]],
    converted: list[str],
    damaged: list[str],
) -> None:
    if set(decoded) != inputs:
        raise ScorerError(f"ffmpeg did not say how many frames it decoded of both clips.\n{end.explain()}")
    for number, what in ((0, "distorted clip" if 1 in inputs else "reference"), (1, "reference")):
        if number in inputs and decoded[number][1]:
            raise ScorerError(f"The {what} has {decoded[number][1]} decoding errors; its file is damaged.")
    if damaged:
        raise ScorerError(
            f"One of the clips is cut off or damaged; ffmpeg says: {damaged[0]}\n  command: {end.command}"
        )
    if converted:
        raise ScorerError(
            f"ffmpeg converted pixels on its own ({', '.join(converted)}) before scoring; the score would not be of "
            f"these clips.\n{end.explain()}"
        )
