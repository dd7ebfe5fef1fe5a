"""ffmpeg's arguments that score clips: inputs, filter graphs and outputs of one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import decoder_arguments, input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import has_loopback
from pytest_vmaf.media.frame_lines import SHOWINFO
from pytest_vmaf.media.small_frames import BESIDE, OUTPUT as SMALL_OUTPUT, SMALL
from pytest_vmaf.scoring.feature_options import feature_arguments
from pytest_vmaf.scoring.model_files import model_options
from pytest_vmaf.scoring.scorer import EncodeStep, ModelRun, ScoreRequest, Tools
from pytest_vmaf.scoring.xpsnr import filters, in_one_graph, needs_xpsnr


def inputs(requests: Sequence[ScoreRequest], step: EncodeStep | None) -> list[tuple[str, Clip]]:
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
    clips = [clip for _, clip in inputs(requests, step)]
    argv = [requests[0].tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror"]
    argv.append("-nostats")
    if not requests[0].signs:
        argv += ["-stats_period", "0.5", "-progress", "pipe:1"]
    # A matrix that is not applied is described, so one that begins later is found.
    flat = {
        part.clip for each in requests for part in (each.reference, each.distorted) if each.signs and not part.turned
    }
    for clip in clips:
        argv += [*(["-noautorotate"] if clip in flat else []), *input_arguments(clip)]
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
        return [*argv, *graphs, *scored, *null, *(SMALL_OUTPUT if requests[0].signs else ())]
    argv += [
        "-map",
        video_stream(step.source),
        "-fps_mode",
        "passthrough",
        *step.arguments,
        "-y",
        f"file:{step.path.absolute()}",
    ]
    argv += [*decoder_arguments(requests[0].distorted.clip), "-dec", "0:0", *graphs, *scored, *null]
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
    # Before the filters, which replace the time stamps.
    described = SHOWINFO if any(request.signs for _, request in requests) else ""
    scorings = []
    for number, request in requests:
        tail = number or ""
        for what, source in (("distorted", request.distorted), ("reference", request.reference)):
            if looped and what == "distorted":
                # libvmaf repeats the last frame of the shorter clip, so the decoder's frames are counted separately.
                begin = "[dec:0]split[counted],"
            else:
                begin = f"[{video_stream(source.clip, clips.index(source.clip))}]"
            chain = ",".join(filter(None, (source.trim, described, source.filters)))
            ends = uses.setdefault(begin + chain, [])
            ends.append((source.window, f"[{what}{tail}]"))
            if request.signs:
                ends.append((SMALL, f"[small-{what}]"))
        # In proportion to the size: sixteen tiles need no more threads than the whole picture.
        threads = -(-request.threads * request.width * request.height // pixels)
        if threads == 1 == len(requests) and threaded:
            # The graph's own thread scores: handing each frame to another costs 5 % of the time.
            threads = 0
        if request.signs:
            scorings.append(BESIDE)
        run_options = [r"\:".join(model_options(model, models[model])) for model in request.models]
        features = [r"\:".join(("name=" + each[0], *each[1:])) for each in feature_arguments(request)]
        pair = f"[distorted{tail}]", f"[reference{tail}]"
        if needs_xpsnr(request) and in_one_graph(request):
            # One after the other: libvmaf gets only frames whose XPSNR is in the log.
            measured = f"[weighted{tail}]"
            scorings.append(f"{pair[0]}split[scored-distorted{tail}][beside-distorted{tail}]")
            scorings.append(filters(request, pair[1], f"[beside-distorted{tail}]", measured, xpsnr_log_name(number)))
            pair = f"[scored-distorted{tail}]", measured
        # No shortest=1 or the like: if the lengths differ, both clips must be decoded to their ends and counted.
        scorings.append(
            f"{pair[0]}{pair[1]}libvmaf="
            f"model='{'|'.join(run_options)}'"
            + (f":feature='{'|'.join(features)}'" if features else "")
            + f":log_path={log_name(number)}:log_fmt=xml:n_threads={threads}[scored{tail}]"
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


def log_name(number: int) -> str:
    """The file name of a request's log."""
    return f"vmaf{number or ''}.xml"


def xpsnr_log_name(number: int) -> str:
    """The file name of a request's log of XPSNR."""
    return f"xpsnr{number or ''}.txt"


def graph_file(graph: str, folder: Path, tools: Tools) -> list[str]:
    """The option that reads a graph from a file, because it is too long for an argument."""
    (folder / "graph.txt").write_text(graph, encoding="utf-8")
    # Before 7.0 it has a name of its own, which 8.0 does not know.
    return ["-/filter_complex" if has_loopback(tools.ffmpeg.path) else "-filter_complex_script", "graph.txt"]
