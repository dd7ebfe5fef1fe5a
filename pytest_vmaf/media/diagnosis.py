"""Why ffmpeg could not decode a clip, and the command that makes it readable."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_vmaf.media.clip import Clip, Stream
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments, is_picture, video_stream
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, INSPECT_TIMEOUT, FfmpegCommand
from pytest_vmaf.media.inspection_log import COLOUR, ROTATION
from pytest_vmaf.media.process import run
from pytest_vmaf.text import plural, printable

#: ffmpeg starts its filters again when the size or the format of the frames changes. A display matrix is described if
#: it is not applied, because the filters had started before.
RECONFIGURED = re.compile(r"(?:^|\] ?|\s)Reconfiguring filter graph because |\] +side data - .*displaymatrix: rotation")
#: What ffmpeg prints of a gap in a transport stream; an error with -xerror.
CORRUPT_PACKET = re.compile(r"corrupt input packet|Packet corrupt \(stream")
#: In the log of frames: ffmpeg numbers them from 0 again after a change.
FRAME = re.compile(r"^\[Parsed_showinfo_0 @ [^]]*\] n: *\d+ .*?fmt:(?P<fmt>\S+) .*?s:(?P<w>\d+)x(?P<h>\d+) i:")
CONCEALED = ("corrupt decoded frame", "error while decoding")
#: What ffmpeg prints of data that it cannot decode, whatever the reason.
UNDECODED = (*CONCEALED, "Invalid data found")
#: Two packets, plain, with a time code before each (Blu-ray, cameras) or with checksums after them.
TRANSPORT_STREAM = re.compile(rb"G.{187}G|....G.{191}G|G.{203}G", re.DOTALL)
#: What ffmpeg prints before a message: who says it.
PREFIXES = re.compile(r"(?:\[[^]]*\] ?)+")


def why_unreadable(clip: Clip, end: Finished) -> str:
    """What kept ffmpeg from decoding a clip, and its last lines."""
    text = "\n".join(end.tail)
    if "not on whitelist" in text.lower() or "format not on" in text.lower():
        reason = "is a playlist, a script or in an unsupported format; clips are read from their own file alone"
    elif CORRUPT_PACKET.search(text) or any(words in text for words in CONCEALED):
        reason = _why_damaged(clip, end.command.argv[0]) or "is damaged: it has frames that cannot be decoded"
    elif "moov atom not found" in text and _head(clip.path)[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        reason = "lacks its index (moov), so its recording or its download was not finished"
    elif "matches no streams" in text:
        reason = "has no video stream"
    elif end.returncode == 0:
        reason = "contains no frames"
    elif "Decoder" in text and "not found" in text:
        reason = "is coded in a format that this ffmpeg cannot decode"
    else:
        damage = _why_damaged(clip, end.command.argv[0]) if "Invalid data found" in text else ""
        reason = damage or "cannot be decoded as video"
    stop = "" if "\n" in reason else "."
    return f"{clip} {reason}{stop}\n{end.explain()}"


def diagnose(clips: Sequence[Clip], lines: Sequence[str], ffmpeg: str, timeout: float | None) -> str:
    """Why a run over several clips failed, a sentence for each clip that is the reason.

    Args:
        clips: The clips.
        lines: The log of the run.
        ffmpeg: The path of ffmpeg. It decodes the clips again if the log shows what to look for.
        timeout: Time limit of each process, in seconds.

    Returns:
        The sentences, or "".
    """
    text = "\n".join(lines)
    # A pipe cannot be read twice.
    clips = [clip for clip in clips if not isinstance(clip, Stream)]
    reasons: list[str] = []
    if RECONFIGURED.search(text):
        reasons = [change for clip in clips if (change := find_change(clip, ffmpeg, timeout))]
    if not reasons and _shows_damage(lines):
        reasons = [f"{clip} {reason}" for clip in clips if (reason := _why_damaged(clip, ffmpeg, timeout))]
    return "\n".join(reasons)


def find_change(clip: Clip, ffmpeg: str, timeout: float | None = None) -> str:
    """Where the size, pixel format, tags or rotation of a clip change, in a sentence; "" if they never do.

    Of a part, the whole clip is read, and its frames are counted from the first.
    """
    clip = replace(clip, start=0, frames=None) if clip.is_part else clip
    forms: list[tuple[str, ...]] = []
    tags: list[tuple[str, ...]] = []
    turns: list[str] = []

    def on_line(line: str) -> None:
        if match := FRAME.match(line):
            forms.append(match.group("w", "h", "fmt"))
            turns.append("")
        elif match := COLOUR.match(line):
            tags.append(tuple(tag.removesuffix(",") for tag in match.groups()))
        elif turns and (match := ROTATION.match(line)):
            turns[-1] = f"{float(match[1]) % 360:g}°"

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "info", "-nostats", "-noautorotate"]
    argv += [*input_arguments(clip), "-map", video_stream(clip), "-fps_mode", "passthrough"]
    argv += ["-vf", "showinfo=checksum=0", "-f", "null", "-"]
    run(FfmpegCommand(tuple(argv), on_stderr=on_line), timeout or INSPECT_TIMEOUT)
    for number, form in enumerate(forms):
        if form != forms[0]:
            return describe_change(clip, number, forms[0], form)
    for number, tag in enumerate(tags):
        if tag != tags[0]:
            return _describe_tags(clip, number, tags[0], tag)
    for number, turn in enumerate(turns):
        if turn != turns[0]:
            what = "begins" if not turns[0] else "ends" if not turn else f"changes from {turns[0]} to {turn}"
            return (
                f"A display matrix {what} at frame {number} of {clip}, which turns the pictures midway. Take it out: "
                f"ffmpeg -noautorotate -i {_shell(clip)} -map {video_stream(clip)} -vf "
                f"sidedata=delete:type=DISPLAYMATRIX -fps_mode passthrough -c:v ffv1 {_file(clip)}"
            )
    return ""


def describe_restart(clip: Clip, ffmpeg: str, timeout: float | None = None) -> str:
    """Why a part cannot be read in which, or before which, the frames change."""
    change = find_change(clip, ffmpeg, timeout)
    return f"{clip}: a part must end a few frames before the frames of the clip change. {change}".rstrip()


def _describe_tags(clip: Clip, frame: int, before: Sequence[str], after: Sequence[str]) -> str:
    names = ("range", "colorspace", "color_primaries", "color_trc")
    setting = ":".join(f"{name}={tag}" for name, tag in zip(names, before, strict=True))
    was, now = (", ".join(pair[i] for pair in zip(before, after, strict=True) if pair[0] != pair[1]) for i in (0, 1))
    return (
        f"The colour tags of {clip} change at frame {frame}, from {was} to {now}, and frames of one clip are scored "
        "alike. Score the parts on their own. If only the tags are wrong, state them: "
        f"ffmpeg -i {_shell(clip)} -map {video_stream(clip)} -vf setparams={setting} -fps_mode passthrough "
        f"-c:v ffv1 {_file(clip)}"
    )


def describe_change(clip: Clip, frame: int, before: Sequence[str], after: Sequence[str]) -> str:
    """The sentence about a clip whose frames have another width, height or pixel format from a frame on."""
    was, now = (f"{width}x{height}" for width, height, _ in (before, after))
    if was == now:
        was, now = before[2], after[2]
    what = "size" if "x" in was else "pixel format"
    return (
        f"The {what} of {clip} changes at frame {frame}, from {was} to {now}, and VMAF compares frames of one {what}. "
        f"Score the parts on their own, or make one {what} of them: "
        f"ffmpeg -i {_shell(clip)} -vf scale={before[0]}:{before[1]},format={before[2]} -fps_mode passthrough "
        f"-c:v ffv1 {_file(clip)}"
    )


def _shows_damage(lines: Sequence[str]) -> bool:
    text = "\n".join(lines)
    is_undecoded = CORRUPT_PACKET.search(text) is not None or any(words in text for words in UNDECODED)
    return is_undecoded or any(DAMAGED.match(line) for line in lines)


def _why_damaged(clip: Clip, ffmpeg: str, timeout: float | None = None) -> str:
    """What is wrong with the data of a file, in words; "" if all of it can be decoded, or nothing."""
    if clip.is_raw or is_picture(clip):
        return ""
    corrupt, damages, decoded = [], list[str](), [0, 0]

    def on_line(line: str) -> None:
        if CORRUPT_PACKET.search(line):
            corrupt.append(line)
        elif DAMAGED.match(line) or any(words in line for words in CONCEALED):
            damages.append(printable(PREFIXES.sub("", line)))
        elif match := DECODED.search(line):
            decoded[:] = int(match[2]), int(match[3])

    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-nostats", *input_arguments(clip)]
    argv += ["-map", video_stream(clip), "-fps_mode", "passthrough", "-c:v", "wrapped_avframe", "-f", "null", "-"]
    run(FfmpegCommand(tuple(argv), on_stderr=on_line), timeout or INSPECT_TIMEOUT)
    frames, errors = decoded
    if errors:
        damages.append(plural(errors, "decoding error"))
    if not frames:
        return ""
    is_transport_stream = TRANSPORT_STREAM.match(_head(clip.path)) is not None
    if damages:
        what = (
            "has lost packets: it is a transport stream with gaps, where ffmpeg makes up what the pictures show. "
            "Receive it again"
            if is_transport_stream and corrupt
            else f"is cut off or damaged ({damages[0]}), so ffmpeg leaves out pictures or makes them up. Make it again"
        )
        return (
            f"{what}, or score what ffmpeg decodes:\n"
            f"  ffmpeg -i {_shell(clip)} -map {video_stream(clip)} -fps_mode passthrough -c:v ffv1 {_file(clip)}"
        )
    if corrupt and is_transport_stream:
        return (
            "was joined from several transport streams, or has gaps between its pictures, which ffmpeg takes for "
            f"damage. All its frames can be decoded; copy them:\n  ffmpeg -i {_shell(clip)} -map {video_stream(clip)} "
            f"-c copy {_file(clip)}"
        )
    return ""


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(400)


def _shell(clip: Clip) -> str:
    return printable(shlex.quote(str(clip.path)))


def _file(clip: Clip) -> str:
    """The name of a new Matroska file beside the clip's name."""
    return printable(shlex.quote(f"{clip.path.stem}{'-whole' if clip.path.suffix == '.mkv' else ''}.mkv"))
