"""Exact, lossless parts of a clip as files of their own: samples to search on, shots, the rungs of a ladder."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

from pytest_vmaf.cache import Cache, fetch, store
from pytest_vmaf.errors import ClipError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments
from pytest_vmaf.media.ffmpeg import DAMAGED, DECODED, FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.inspect import Video, clip_key, inspect
from pytest_vmaf.media.process import run
from pytest_vmaf.text import printable

#: First frame, and number of frames or None: to the end of the clip.
Window = tuple[int, int | None]

NAME = "shot-{:04d}.mkv"
#: Lossless codecs for what FFV1 does not take; all others go to FFV1, or are refused by it.
CODECS = {
    **dict.fromkeys(("gbrp", "gbrap"), "utvideo"),
    **dict.fromkeys(("rgb24", "rgba", "rgb48be", "rgba64be", "gray16be", "ya16be", "pal8", "monob"), "png"),
    **dict.fromkeys(("nv12", "uyvy422", "yuyv422"), "rawvideo"),
}
#: Raw video and pictures state no rate; this is what ffmpeg takes them to have.
DEFAULT_RATE = Fraction(25)
#: What a clip may state; files without a true rate say the clock of their time stamps, as 90000.
LARGEST_RATE = 1000
#: The segment muxer never gets there; without a last number it would go over to cutting by time.
NEVER = 2**31 - 2
SCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int"

BEGUN = re.compile(r"^\[segment @ [^]]*\] segment:'shot-\d+\.mkv' starts with packet .* frame:(\d+)$")
WRITTEN = re.compile(
    r"^\[out#0/segment @ [^]]*\]   Output stream #0:0 \(video\): \d+ frames encoded; (\d+) packets muxed"
)
#: The filters start anew when a clip changes its size or format, and count frames from nought again.
CHANGED = re.compile(r"^\[[^]]*\] Reconfiguring filter graph because (.*)")
#: Anchored, since ffmpeg prints names of files and other text of the user's among these lines.
REFUSED = re.compile(
    r"^(?:\[[^]]*\] auto-inserting filter|The filters .* do not have a common format|Incompatible pixel format|"
    r"\[[^]]*\] \[enc:[^]]*\] Error while opening encoder)"
)


def cut(
    clip: Clip,
    windows: Sequence[Window],
    folder: Path,
    ffmpeg: str,
    *,
    size: tuple[int, int] | None = None,
    timeout: float | None = None,
    cache: Cache | None = None,
) -> tuple[Clip, ...]:
    """Write windows of a clip into ``folder``, losslessly, each into a Matroska file of its own.

    ``windows`` are (first frame, number of frames or None: to the end) by index of decoded frames, in order and not
    overlapping. The source is decoded once, as the scorer decodes it. Samples, pixel format (``yuvj…`` as its ``yuv…``
    tagged full), colour tags, sample aspect ratio and stated frame rate stay; an unsaid range becomes limited, which it
    counts as, time stamps become even, and clips that state no rate get ffmpeg's 25.
    ``size`` scales to (width, height) in pixels, bicubic; the picture keeps its displayed shape.

    ``folder`` exists and holds no earlier cut; nothing is left in it on failure. ``timeout`` in seconds. Parts that
    are in the ``cache`` are not cut again.
    Raises SettingsError for windows that cannot be; ClipError for a clip that is damaged, shorter than a window, or in
    a format that no lossless codec keeps; ScorerError when ffmpeg fails otherwise (disk full) or time is up.
    """
    _check(windows, size)
    files = [folder / NAME.format(number) for number in range(len(windows))]
    if taken := next((file for file in files if file.exists()), None):
        raise SettingsError(f"{printable(str(taken))} is there already; cut into a folder of its own.")
    video = inspect(clip, ffmpeg, 1, timeout, cache)
    if video.frame_rate and video.frame_rate > LARGEST_RATE:
        raise ClipError(
            f"{clip} states {float(video.frame_rate):g} frames/s, which is the clock of its time stamps. "
            "Say the true rate: Clip(path, frame_rate=24)."
        )
    if size and video.pix_fmt in ("pal8", "monob", "monow"):
        raise ClipError(f"{clip} is {video.pix_fmt}, which cannot be scaled; convert it to rgb24 or grey first.")
    unchanged = Unchanged(clip)
    names = [clip_key("cut", clip, ffmpeg, cache, windows=windows, size=size, part=part) for part in range(len(files))]
    try:
        if not all(fetch(cache, "encode", name, into=file) for name, file in zip(names, files, strict=True)):
            _write(video, windows, folder, ffmpeg, size, timeout)
            _compare(video, inspect(Clip(files[0]), ffmpeg, 1, timeout), size)
            for name, file in zip(names, files, strict=True):
                store(cache, "encode", name if unchanged() else None, {}, file)
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        raise
    # Matroska rounds times to milliseconds; with the rate said, whoever reads the part gets them exactly.
    return tuple(Clip(file, frame_rate=video.frame_rate) for file in files)


def centre(frames: int, frame_rate: Fraction, seconds: float) -> tuple[int, int]:
    """The window of so many seconds in the middle of a clip of ``frames`` frames; the whole of a shorter clip."""
    if frames < 1 or frame_rate <= 0 or not (math.isfinite(seconds) and seconds > 0):
        raise SettingsError(f"{seconds!r} s of {frames} frames at {frame_rate} frames/s are no part of a clip.")
    count = min(frames, max(1, round(Fraction(seconds) * frame_rate)))
    return (frames - count) // 2, count


def _check(windows: Sequence[Window], size: tuple[int, int] | None) -> None:
    if not windows:
        raise SettingsError("There is no window to cut.")
    free: float = 0
    for number, (start, count) in enumerate(windows):
        if start < 0 or (count is not None and count < 1):
            raise SettingsError(
                f"Window {number} is {(start, count)!r}; it begins at 0 or later and has a frame or more."
            )
        if start < free:
            raise SettingsError(f"Window {number} begins at frame {start}, inside or before the one that precedes it.")
        free = math.inf if count is None else start + count
    if size is not None and min(size) < 1:
        raise SettingsError(f"size is {size!r}; it is (width, height) in pixels.")


def _write(
    video: Video,
    windows: Sequence[Window],
    folder: Path,
    ffmpeg: str,
    size: tuple[int, int] | None,
    timeout: float | None,
) -> None:
    begun: list[int] = []
    seen: dict[str, str] = {}

    def heard(line: str) -> None:
        if match := BEGUN.match(line):
            begun.append(int(match[1]))
        elif match := WRITTEN.match(line):
            seen["written"] = match[1]
        elif match := DECODED.match(line):
            seen["decoded"], seen["errors"] = match[2], match[3]
        elif match := CHANGED.match(line):
            seen.setdefault("changed", printable(match[1]))
        elif match := DAMAGED.match(line):
            seen.setdefault("damaged", printable(line))
        elif match := REFUSED.match(line):
            seen.setdefault("refused", printable(line))

    # One encoder, whose packets the segment muxer shares out: a hundred windows cost the memory of one (84 MB at 360p,
    # where a split into a hundred encoders takes 929) and its time.
    starts = list(accumulate((count or 0 for _, count in windows[:-1]), initial=0))
    codec = CODECS.get(video.pix_fmt, "ffv1")
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-nostats", "-xerror"]
    argv += [*input_arguments(video.clip), "-map", "0:V:0", "-map_metadata", "-1", "-map_chapters", "-1"]
    argv += ["-vf", _filters(video, windows, size), "-fps_mode", "passthrough"]
    # Every frame is a key frame, so that a file may begin with any. The plus forbids ffmpeg to convert on its own.
    argv += ["-c:v", codec, "-g", "1", "-pix_fmt", f"+{_pix_fmt(video)}"]
    argv += _tags(video)
    # Without numbers that are drawn anew each time: equal parts are equal files.
    argv += ["-f", "segment", "-segment_format", "matroska", "-fflags", "+bitexact", "-reset_timestamps", "1"]
    argv += ["-segment_frames", ",".join(map(str, [*starts[1:], NEVER])), NAME.format(0).replace("0000", "%04d")]
    end = run(FfmpegCommand(tuple(argv), cwd=str(folder), on_stderr=heard), timeout)

    _check_run(video, end, seen)
    written, decoded = int(seen.get("written", 0)), int(seen["decoded"])
    for number, (start, count) in enumerate(windows):
        if start + (count or 1) > decoded:
            raise ClipError(
                f"{video.clip} has {decoded} frames; window {number} asks for "
                f"{f'{count} frames' if count else 'all'} from frame {start} on."
            )
    last = windows[-1][1]
    if begun != starts or (last is not None and written != starts[-1] + last) or written <= starts[-1]:
        raise ScorerError(
            f"ffmpeg wrote {written} frames of {video.clip} in {len(begun)} parts that begin at {begun}; "
            f"asked were {len(windows)} parts that begin at {starts}.\n{end.explain()}"
        )


def _filters(video: Video, windows: Sequence[Window], size: tuple[int, int] | None) -> str:
    """The chain that lets the windows' frames through, one after the other, in even steps of time."""
    first, (start, count) = windows[0][0], windows[-1]
    # Where the last window ends, decoding ends too.
    chain = [f"trim=start_frame={first}" + (f":end_frame={start + count}" if count else "")]
    wanted = [
        f"gte(n,{start - first})" if count is None else f"between(n,{start - first},{start - first + count - 1})"
        for start, count in windows
    ]
    if any(a + (n or 0) != b for (a, n), (b, _) in pairwise(windows)):
        chain.append(f"select='{_any(wanted)}'")
    full = video.pix_fmt.startswith("yuvj")
    if full or size:
        # With both ranges said, leaving the yuvj formats, of which no lossless codec knows, changes no sample.
        ranges = "in_range=full:out_range=full:" if full else ""
        chain.append(f"scale={'{}:{}:'.format(*size) if size else ''}{ranges}flags={SCALE_FLAGS}")
        chain.append(f"format={_pix_fmt(video)}")
    rate = video.frame_rate or DEFAULT_RATE
    return ",".join([*chain, f"settb={rate.denominator}/{rate.numerator}", "setpts=N"])


def _any(terms: list[str]) -> str:
    """The sum of terms as a balanced tree: ffmpeg takes no more than 100 in a row."""
    half = len(terms) // 2
    return f"({_any(terms[:half])}+{_any(terms[half:])})" if half else terms[0]


def _tags(video: Video) -> list[str]:
    """The source's colour tags, said again: full range and, before ffmpeg 7.1, a matrix get lost otherwise."""
    tags = {"-color_range": video.color_range}
    if not video.is_rgb:
        tags |= {"-colorspace": video.matrix, "-color_primaries": video.primaries, "-color_trc": video.transfer}
    return [word for tag in tags.items() if tag[1] != "unknown" for word in tag]


def _pix_fmt(video: Video) -> str:
    return video.pix_fmt.replace("yuvj", "yuv")


def _check_run(video: Video, end: Finished, seen: dict[str, str]) -> None:
    said = "\n".join(end.tail)
    if "changed" in seen:
        raise ClipError(f"{video.clip} changes its picture on the way: {seen['changed']}. Cut it there first.")
    if "damaged" in seen:
        raise ClipError(f"{video.clip} is cut off or damaged; ffmpeg says: {seen['damaged']}")
    if int(seen.get("errors", 0)) or "corrupt decoded frame" in said or "error while decoding" in said:
        raise ClipError(f"{video.clip} is damaged: it has frames that cannot be decoded.\n{end.explain()}")
    if "refused" in seen:
        raise ClipError(f"{video.clip} {_not_kept(video)}\n  ffmpeg says: {seen['refused']}")
    if "No space left on device" in said:
        raise ScorerError(f"The disk is full; {video.clip} could not be cut.\n{end.explain()}")
    if end.returncode != 0 or "decoded" not in seen:
        raise ScorerError(f"{video.clip} could not be cut.\n{end.explain()}")


def _compare(video: Video, part: Video, size: tuple[int, int] | None) -> None:
    """Raise ClipError when a part is not what the source is. FFV1 says limited where no range was said."""
    if part.pix_fmt != _pix_fmt(video):
        raise ClipError(f"{video.clip} {_not_kept(video)}\n  It came back as {part.pix_fmt}.")
    asked = (*(size or (video.width, video.height)), video.color_range, video.matrix, video.primaries, video.transfer)
    got = (part.width, part.height, part.color_range, part.matrix, part.primaries, part.transfer)
    if any(a not in (b, "unknown") for a, b in zip(asked, got, strict=True)):
        raise ClipError(f"{video.clip} was not kept as it is: its size and colour were {asked}, and became {got}.")


def _not_kept(video: Video) -> str:
    return f"is {video.pix_fmt}, which cannot be kept losslessly; convert it to planar YUV, rgb24 or grey first."
