"""Survey of a pair: how many frames both clips have, and what is known of a whole clip alone, in one decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_vmaf.errors import ScorerError
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.diagnosis import RECONFIGURED, diagnose
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, READ, FfmpegCommand
from pytest_vmaf.media.frame_lines import SHOWINFO, FrameLines
from pytest_vmaf.media.process import run
from pytest_vmaf.scoring.scorer import ScoreRequest, Source
from pytest_vmaf.text import printable

#: The options of an output that counts frames and makes nothing of them.
COUNTED = ("-fps_mode", "passthrough", "-c:v", "wrapped_avframe", "-f", "null", "-")


@dataclass(frozen=True)
class Survey:
    """What the decoding of both clips shows.

    Attributes:
        reference_frames: How many frames of the reference are to be scored, with those around a part.
        distorted_frames: The same for the distorted clip.
        stream: The bytes of the distorted clip's video packets, and how many frames they were decoded to.
        problems: What is wrong with the times and fields of the frames, by the word that allows it.
    """

    reference_frames: int
    distorted_frames: int
    stream: tuple[int, int] = (0, 0)
    problems: Mapping[str, str] = field(default_factory=dict)


def survey(request: ScoreRequest) -> Survey:
    """Decode both clips of a request to the end of their parts.

    Raises:
        ScorerError: If a clip is damaged, or changes within, so that it cannot be scored.
    """
    # Described as in the run that scores the whole clip: what is the same for both clips only once.
    sources = {(source.clip, _chain(source)): source for source in (request.distorted, request.reference)}
    names = ("distorted clip", "reference") if len(sources) == 2 else ("reference",)
    decoded: dict[int, tuple[int, int, int]] = {}
    lines: dict[str, list[str]] = {"changes": [], "damages": []}
    frames = FrameLines()

    def on_line(line: str) -> None:
        if DAMAGED.match(line):
            lines["damages"].append(printable(line))
        if frames(line):
            return
        if match := DECODED.search(line):
            packets = READ.search(line)
            decoded[int(match[1])] = int(match[2]), int(match[3]), int(packets[2]) if packets else 0
        elif not lines["changes"] and RECONFIGURED.search(line):
            lines["changes"].append(line)

    argv = [request.tools.ffmpeg.path, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror", "-nostats"]
    chains, outputs = [], []
    for number, source in enumerate(sources.values()):
        argv += [*([] if source.turned or not request.signs else ["-noautorotate"]), *input_arguments(source.clip)]
        chains.append(f"[{video_stream(source.clip, number)}]{_chain(source)}[counted{number}]")
        outputs += ["-map", f"[counted{number}]", *COUNTED]
    command = FfmpegCommand((*argv, "-filter_complex", ";".join(chains), *outputs), on_stderr=on_line)
    end = run(command, request.timeout)
    if lines["changes"] or lines["damages"] or end.returncode > 0:
        clips = [source.clip for source in sources.values()]
        reasons = diagnose(
            clips, [*lines["changes"], *lines["damages"], *end.tail], request.tools.ffmpeg.path, request.timeout
        )
        if reasons:
            raise ScorerError(f"{reasons}\n  command: {end.command}", end.returncode)
    if end.returncode != 0 or set(decoded) != set(range(len(sources))):
        raise ScorerError(f"ffmpeg could not decode the clips.\n{end.explain()}", end.returncode)
    for number, what in enumerate(names):
        if decoded[number][1]:
            raise ScorerError(f"The {what} has {decoded[number][1]} decoding errors; its file is damaged.")
    if lines["damages"]:
        raise ScorerError(
            f"One of the clips is cut off or damaged. ffmpeg reports: {lines['damages'][0]}\n  command: {end.command}"
        )
    distorted, reference = decoded[0], decoded[len(sources) - 1]
    return Survey(
        reference_frames=request.reference.scored(reference[0]),
        distorted_frames=request.distorted.scored(distorted[0]),
        stream=(distorted[2], distorted[0]),
        problems=frames.problems(*request.scored_part) if request.signs else {},
    )


def _chain(source: Source) -> str:
    """The filters that select frames; those of an aligned pair are after the description, as where it is scored."""
    aligned = source.filters.partition(",")[0] if source.filters.startswith("trim=") else ""
    return ",".join(filter(None, (source.trim, SHOWINFO, aligned)))
