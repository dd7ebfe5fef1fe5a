"""The default scorer: ffmpeg's libvmaf filter, which decodes and scores in one process, without a temporary video."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pluggy

from pytest_vmaf.errors import LogError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import (
    DAMAGED,
    DECODED,
    ENCODED,
    INSTALL,
    OUTPUT,
    FfmpegCommand,
    by_hand,
    has_loopback,
    on_progress,
)
from pytest_vmaf.media.process import run
from pytest_vmaf.scoring.logs import Log, read_log
from pytest_vmaf.scoring.model_files import copy_commands, copy_models, model_file_names, model_options
from pytest_vmaf.scoring.scorer import Capabilities, EncodeStep, ModelRun, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.text import printable

hookimpl = pluggy.HookimplMarker("pytest")
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
                f"{printable(tools.ffmpeg.path)} ({tools.ffmpeg.version}) was built without libvmaf.\n{INSTALL}"
            )
        return Capabilities(name="ffmpeg", version=tools.ffmpeg.version)

    def programs(self, tools: Tools) -> tuple[str, ...]:
        """The ffmpeg alone: it contains libvmaf or loads it."""
        return (tools.ffmpeg.path,)

    def command(self, request: ScoreRequest) -> str:
        """The shell command that scores these two clips."""
        models = model_file_names(request.models)
        return _repeat(models, by_hand(arguments([request], models)))

    def can_encode(self, tools: Tools) -> bool:
        """Whether this ffmpeg can decode its own encodes while it makes them (7.1 and later)."""
        return has_loopback(tools.ffmpeg.path)

    def score(self, request: ScoreRequest) -> ScoreLog:
        """Run the filter once over both clips. Raises ScorerError with ffmpeg's last lines if it fails."""
        return _run([request], None)[0]

    def score_together(self, requests: Sequence[ScoreRequest]) -> tuple[ScoreLog, ...]:
        """Run a filter for each request in one process, which decodes each clip once. Raises as `score`."""
        return _run(requests, None)

    def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
        """Encode, decode the encode and score it, in one process. Raises as `score`."""
        return _run([request], step)[0]


def _run(requests: Sequence[ScoreRequest], step: EncodeStep | None) -> tuple[ScoreLog, ...]:
    first = requests[0]
    decoded: dict[int, tuple[int, int]] = {}
    looped: dict[int, int] = {}
    conversions: list[str] = []
    damages: list[str] = []
    outputs: set[int] = set()

    def on_line(line: str) -> None:
        if match := DECODED.search(line):
            decoded[int(match[1])] = int(match[2]), int(match[3])
        elif match := ENCODED.search(line):
            looped[int(match[1])] = int(match[2])
        elif match := OUTPUT.match(line):
            outputs.add(int(match[1]))
        elif match := CONVERTED.search(line):
            conversions.append(match[1])
        elif DAMAGED.match(line):
            damages.append(printable(line))

    clips = _inputs(requests, step)
    with tempfile.TemporaryDirectory(prefix="pytest-vmaf-") as folder:
        models = copy_models(tuple({model: None for request in requests for model in request.models}), Path(folder))
        argv = arguments(requests, models, step)
        display = by_hand(argv)
        if step is not None:
            display = tuple(part.replace(f"file:{step.path.absolute()}", step.path.name) for part in display)
        if len(graph := argv[argv.index("-filter_complex") + 1]) > LONGEST_ARGUMENT:
            argv[argv.index(graph) - 1 : argv.index(graph) + 1] = _graph_file(graph, Path(folder), first.tools)
        follow = on_progress(first.progress)
        command = FfmpegCommand(tuple(argv), cwd=folder, on_stderr=on_line, on_stdout=follow, display_argv=display)
        end = run(command, first.timeout)
        logs = [_read(Path(folder, _log(number)), end, request) for number, request in enumerate(requests)]
    _check(end, [name for name, _ in clips], decoded, conversions, damages)
    if step is not None and len(outputs) != COUNTER + 1:
        raise ScorerError(f"The encoder's arguments must make ffmpeg write one file, not {len(outputs) - COUNTER}.")
    if step is not None and COUNTER not in looped:
        raise ScorerError(f"ffmpeg did not report how many frames of the encode it decoded.\n{end.explain()}")
    counts = {clip: decoded[number][0] for number, (_, clip) in enumerate(clips)}
    return tuple(
        ScoreLog(
            columns=log.columns,
            reference_frames=request.reference.scored(counts[request.reference.clip]),
            distorted_frames=request.distorted.scored(
                counts[request.distorted.clip] if step is None else looped[COUNTER]
            ),
            libvmaf=log.version,
            command=_repeat(models, display),
            pooled_means=log.pooled_means,
        )
        for request, log in zip(requests, logs, strict=True)
    )


def _repeat(models: dict[ModelRun, str], argv: Sequence[str]) -> str:
    """The shell command that repeats a run."""
    return printable(copy_commands(models) + shlex.join(argv))


def _inputs(requests: Sequence[ScoreRequest], step: EncodeStep | None) -> list[tuple[str, Clip]]:
    """The inputs of ffmpeg in their order, with their names: the distorted clips first, no clip twice."""
    inputs: dict[Clip, str] = {}
    if step is not None:
        inputs[step.source] = "reference"
    else:
        inputs.update((request.distorted.clip, "distorted clip") for request in requests)
    inputs.update((request.reference.clip, "reference") for request in requests)
    return [(name, clip) for clip, name in inputs.items()]


def arguments(
    requests: Sequence[ScoreRequest], models: dict[ModelRun, str], step: EncodeStep | None = None
) -> list[str]:
    """ffmpeg's argument list: the distorted clips, then the reference, each read once and to its end.

    With a `step`, the first input is encoded, and the encode comes back through a loopback decoder. If the reference
    itself is encoded, it is decoded once for both.
    """
    clips = [clip for _, clip in _inputs(requests, step)]
    argv = [requests[0].tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror"]
    argv += ["-nostats", "-stats_period", "0.5", "-progress", "pipe:1"]
    for clip in clips:
        argv += input_arguments(clip)
    null = ("-fps_mode", "passthrough", "-f", "null", "-")
    # A graph has a thread. Requests for one distorted clip share its decoding and filters; the others run in parallel.
    together: dict[Clip, list[tuple[int, ScoreRequest]]] = {}
    for number, request in enumerate(requests):
        together.setdefault(request.distorted.clip, []).append((number, request))
    pixels = sum(request.width * request.height for request in requests)
    # Each graph has a thread of its own since ffmpeg 7.0; loopback decoders came soon after.
    how = {"looped": step is not None, "threaded": len(together) > 1 and has_loopback(requests[0].tools.ffmpeg.path)}
    graphs = [
        part for each in together.values() for part in ("-filter_complex", _graph(each, models, clips, pixels, **how))
    ]
    scored = [part for number in range(len(requests)) for part in ("-map", f"[scored{number or ''}]")]
    if step is None:
        return [*argv, *graphs, *scored, *null]
    argv += ["-map", "0:V:0", "-fps_mode", "passthrough", *step.arguments, "-y", f"file:{step.path.absolute()}"]
    argv += ["-dec", "0:0", *graphs, *scored, *null]
    return [*argv, "-map", "[counted]", "-c:v", "wrapped_avframe", *null]


def _graph(
    requests: Sequence[tuple[int, ScoreRequest]],
    models: dict[ModelRun, str],
    clips: list[Clip],
    pixels: int,
    *,
    looped: bool,
    threaded: bool,
) -> str:
    """The filter graph of some requests with their numbers. Each clip is filtered once, whatever is cut out of it.

    `pixels` is the number of pixels in a frame of all requests together. `looped` says that the distorted clip comes
    from a loopback decoder, and `threaded` that each graph has a thread of its own.
    """
    uses: dict[str, list[tuple[str, str]]] = {}
    scorings = []
    for number, request in requests:
        tail = number or ""
        for what, source in (("distorted", request.distorted), ("reference", request.reference)):
            # V, not v: a cover picture is not a clip.
            begin = f"[{clips.index(source.clip)}:V:0]" if what == "reference" or not looped else "[dec:0]"
            if begin == "[dec:0]":
                # libvmaf repeats the last frame of the shorter clip, so the decoder's frames are counted separately.
                begin += "split[counted],"
            uses.setdefault(begin + source.filters, []).append((source.window, f"[{what}{tail}]"))
        # In proportion to the size: sixteen tiles need no more threads than the whole picture.
        threads = -(-request.threads * request.width * request.height // pixels)
        if threads == 1 == len(requests) and threaded:
            # The graph's own thread scores: handing each frame to another costs 5 % of the time.
            threads = 0
        run_options = [r"\:".join(model_options(model, models[model])) for model in request.models]
        # No shortest=1 or the like: if the lengths differ, both clips must be decoded to their ends and counted.
        scorings.append(
            f"[distorted{tail}][reference{tail}]libvmaf="
            f"model='{'|'.join(run_options)}'"
            + (f":feature='{'|'.join(f'name={name}' for name in request.features)}'" if request.features else "")
            + f":log_path={_log(number)}:log_fmt=xml:n_threads={threads}[scored{tail}]"
        )
    chains = []
    for chain, ends in uses.items():
        if len(ends) == 1:
            chains.append(",".join(part for part in (chain, ends[0][0]) if part) + ends[0][1])
            continue
        whole = [end for window, end in ends if not window]
        cut = [(window, end, end.replace("]", "-whole]")) for window, end in ends if window]
        chains.append(f"{chain},split={len(ends)}{''.join(whole)}{''.join(name for *_, name in cut)}")
        chains += [f"{name}{window}{end}" for window, end, name in cut]
    return ";".join([*chains, *scorings])


def _log(number: int) -> str:
    return f"vmaf{number or ''}.xml"


def _graph_file(graph: str, folder: Path, tools: Tools) -> list[str]:
    """The option that reads a graph from a file, because it is too long for an argument."""
    (folder / "graph.txt").write_text(graph, encoding="utf-8")
    # Before 7.0 it has a name of its own, which 8.0 does not know.
    return ["-/filter_complex" if has_loopback(tools.ffmpeg.path) else "-filter_complex_script", "graph.txt"]


def _read(path: Path, end: Finished, request: ScoreRequest) -> Log:
    if end.returncode == 0 and path.exists():
        return read_log(path, request.columns)
    text = "\n".join(end.tail)
    if end.returncode < 0:
        what = "ffmpeg crashed while scoring. For example, libvmaf crashes on frames that are too small for a model."
    elif "could not load" in text or "no such built-in model" in text:
        versions = ", ".join(str(model.version or model.path) for model in request.models)
        what = (
            f"The libvmaf in {printable(request.tools.ffmpeg.path)} lacks one of the models {versions}.\n"
            f"  `pytest-vmaf doctor` lists its models; a newer build may have more.\n{INSTALL}"
        )
    elif "No such filter: 'libvmaf'" in text:
        what = f"{printable(request.tools.ffmpeg.path)} was built without libvmaf.\n{INSTALL}"
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
