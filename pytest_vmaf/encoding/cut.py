"""Cut parts out of a clip, losslessly and frame-exactly: samples to search on, shots, the rungs of a ladder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

from pytest_vmaf.cache.entries import Cache, fetch, store
from pytest_vmaf.errors import ClipError, ScorerError
from pytest_vmaf.media.builds import clip_key
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Finished
from pytest_vmaf.media.demux import input_arguments, video_stream
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.fingerprint import Unchanged
from pytest_vmaf.media.inspect import Video, inspect
from pytest_vmaf.media.log_lines import LogLines
from pytest_vmaf.media.pixel_formats import SCALER_MATRICES, WITHOUT_MATRIX
from pytest_vmaf.media.process import run

#: The first frame, and the number of frames; None for all frames to the end of the clip.
Window = tuple[int, int | None]
#: Width and height in pixels.
Size = tuple[int, int]

NAME = "shot-{:04d}.mkv"
#: Lossless codecs for pixel formats that FFV1 does not support. FFV1 gets all others, or refuses them.
CODECS = {
    **dict.fromkeys(("gbrp", "gbrap"), "utvideo"),
    **dict.fromkeys(("rgb24", "rgba", "rgb48be", "rgba64be", "gray16be", "ya16be", "pal8", "monob"), "png"),
    **dict.fromkeys(("nv12", "uyvy422", "yuyv422"), "rawvideo"),
}
#: What ffmpeg assumes of raw video and pictures, which state no rate.
DEFAULT_RATE = Fraction(25)
#: Files without a true rate state the clock of their time stamps instead, for example 90000.
LARGEST_RATE = 1000
#: A frame that is never reached. Without a last number, the segment muxer would cut by time.
NEVER = 2**31 - 2
SCALE_FLAGS = "bicubic+accurate_rnd+full_chroma_int"

SEGMENT = re.compile(r"^\[segment @ [^]]*\] segment:'shot-\d+\.mkv' starts with packet .* frame:(\d+)$")
MUXED = re.compile(
    r"^\[out#0/segment @ [^]]*\]   Output stream #0:0 \(video\): \d+ frames encoded; (\d+) packets muxed"
)
#: When a clip changes its size or format, the filters restart and count frames from 0 again.
CHANGED = re.compile(r"^\[[^]]*\] Reconfiguring filter graph because (.*)")
#: Anchored, since ffmpeg prints file names and other text of the user's among these lines.
REFUSED = re.compile(
    r"^(?:\[[^]]*\] auto-inserting filter|The filters .* do not have a common format|Incompatible pixel format|"
    r"\[[^]]*\] \[enc:[^]]*\] Error while opening encoder).*"
)


def cut(
    clip: Clip,
    windows: Sequence[Window],
    folder: Path,
    ffmpeg: str,
    *,
    size: Size | None = None,
    timeout: float | None = None,
    cache: Cache | None = None,
) -> tuple[Clip, ...]:
    """Write windows of a clip losslessly, each to a Matroska file of its own.

    The source is decoded once, as the scorer decodes it. Samples, pixel format, colour tags, sample aspect ratio and
    stated frame rate stay, with five exceptions: `yuvj…` becomes `yuv…` tagged as full range; `p010le` and the
    like become planar; an unstated range becomes limited, which it counts as; time stamps become even; clips that state
    no rate get ffmpeg's 25.

    Args:
        clip: The source.
        windows: The first frame and the number of frames of each window, by index of decoded frames. At least one;
            they are in order and do not overlap; None as the number means to the end.
        folder: An existing folder without files of an earlier cut. After a failure no file is left in it.
        ffmpeg: Path of the ffmpeg.
        size: Width and height to scale to, bicubic. The displayed shape of the picture stays.
        timeout: Time limit in seconds.
        cache: Where parts are cached.

    Returns:
        The parts, in the order of the windows.

    Raises:
        ClipError: If the clip is damaged, is shorter than a window, or has a format that no lossless codec supports.
        ScorerError: If ffmpeg fails otherwise, for example on a full disk, or exceeds the time limit.
    """
    files = [folder / NAME.format(number) for number in range(len(windows))]
    video = inspect(clip, ffmpeg, 1, timeout, cache)
    if video.frame_rate and video.frame_rate > LARGEST_RATE:
        raise ClipError(
            f"{clip} states {float(video.frame_rate):g} frames/s, which is the clock of its time stamps. "
            "Set the true rate: Clip(path, frame_rate=24)."
        )
    if size and video.pix_fmt in ("pal8", "monob", "monow"):
        raise ClipError(f"{clip} is {video.pix_fmt}, which cannot be scaled. Convert it to rgb24 or grey first.")
    unchanged = Unchanged(clip)
    keys = [clip_key("cut", clip, ffmpeg, cache, windows=windows, size=size, part=part) for part in range(len(files))]
    try:
        if not all(fetch(cache, "encode", key, into=file) for key, file in zip(keys, files, strict=True)):
            _write(video, windows, folder, ffmpeg, size, timeout)
            _check_part(video, inspect(Clip(files[0]), ffmpeg, 1, timeout), size)
            for key, file in zip(keys, files, strict=True):
                store(cache, "encode", key if unchanged() else None, {}, file)
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        raise
    # Matroska rounds times to milliseconds. With a stated rate, readers of the part get them exactly.
    return tuple(Clip(file, frame_rate=video.frame_rate) for file in files)


def centre(frames: int, frame_rate: Fraction, seconds: float) -> tuple[int, int]:
    """The window of some seconds in the middle of a clip, or all frames of a shorter clip.

    Args:
        frames: The number of frames of the clip, at least 1.
        frame_rate: Frames per second, above 0.
        seconds: The length of the window, above 0.
    """
    count = min(frames, max(1, round(Fraction(seconds) * frame_rate)))
    return (frames - count) // 2, count


def _write(
    video: Video, windows: Sequence[Window], folder: Path, ffmpeg: str, size: Size | None, timeout: float | None
) -> None:
    log = LogLines(muxed=MUXED, changed=CHANGED, refused=REFUSED)
    written_starts: list[int] = []

    def on_line(line: str) -> None:
        if match := SEGMENT.match(line):
            written_starts.append(int(match[1]))
        log(line)

    # One encoder, whose packets the segment muxer distributes: a hundred windows take the memory of one (84 MB at 360p,
    # where a hundred encoders take 929) and its time.
    starts = list(accumulate((count or 0 for _, count in windows[:-1]), initial=0))
    argv = [ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-nostats", "-xerror"]
    argv += [*input_arguments(video.clip), "-map", video_stream(video.clip), "-map_metadata", "-1"]
    argv += ["-map_chapters", "-1", "-vf", _filters(video, windows, size), "-fps_mode", "passthrough"]
    # Every frame is a key frame, so that a file may begin with any. The plus forbids ffmpeg to convert by itself.
    argv += ["-c:v", CODECS.get(video.pix_fmt, "ffv1"), "-g", "1", "-pix_fmt", f"+{_pix_fmt(video)}", *_tags(video)]
    # Without random identifiers, equal parts are equal files.
    argv += ["-f", "segment", "-segment_format", "matroska", "-fflags", "+bitexact", "-reset_timestamps", "1"]
    argv += ["-segment_frames", ",".join(map(str, [*starts[1:], NEVER])), NAME.format(0).replace("0000", "%04d")]
    end = run(FfmpegCommand(tuple(argv), cwd=str(folder), on_stderr=on_line), timeout)

    _check_run(video, end, log)
    clip, frames = video.clip, log.frames - int(video.clip.start)
    for number, (start, count) in enumerate(windows):
        if start + (count or 1) > frames:
            raise ClipError(
                f"{clip} has {frames} frames, but window {number} needs "
                f"{f'{count} frames' if count else 'all'} from frame {start} on."
            )
    last, written = windows[-1][1], int(log.text("muxed", 1) or 0)
    if written_starts != starts or (last is not None and written != starts[-1] + last) or written <= starts[-1]:
        raise ScorerError(
            f"ffmpeg wrote {written} frames of {video.clip} in {len(written_starts)} parts that start at "
            f"{written_starts}; expected {len(windows)} parts that start at {starts}.\n{end.explain()}"
        )


def _filters(video: Video, windows: Sequence[Window], size: Size | None) -> str:
    """The filter chain that passes the frames of the windows one after the other, in even steps of time."""
    first, (start, count) = windows[0][0], windows[-1]
    # Decoding ends where the last window does.
    chain = [f"trim=start_frame={first}" + (f":end_frame={start + count}" if count else "")]
    terms = [
        f"gte(n,{start - first})" if count is None else f"between(n,{start - first},{start - first + count - 1})"
        for start, count in windows
    ]
    if any(a + (n or 0) != b for (a, n), (b, _) in pairwise(windows)):
        chain.append(f"select='{_any(terms)}'")
    full = video.pix_fmt.startswith("yuvj")
    if full or size or _pix_fmt(video) != video.pix_fmt:
        # No lossless codec supports the yuvj formats. With both ranges stated, leaving them changes no sample.
        ranges = "in_range=full:out_range=full:" if full else ""
        chain.append(f"scale={'{}:{}:'.format(*size) if size else ''}{ranges}flags={SCALE_FLAGS}")
        chain.append(f"format={_pix_fmt(video)}")
        if video.matrix not in SCALER_MATRICES:
            chain[-2:] = [WITHOUT_MATRIX, *chain[-2:], f"setparams=colorspace={video.matrix}"]
    rate = video.frame_rate or DEFAULT_RATE
    selected = filter(None, (video.clip.trimming, video.clip.cropping))
    return ",".join([*selected, *chain, f"settb={rate.denominator}/{rate.numerator}", "setpts=N"])


def _any(terms: list[str]) -> str:
    """The sum of terms as a balanced tree: ffmpeg accepts no more than 100 in a row."""
    half = len(terms) // 2
    return f"({_any(terms[:half])}+{_any(terms[half:])})" if half else terms[0]


def _tags(video: Video) -> list[str]:
    """The source's colour tags. Full range and, before ffmpeg 7.1, the matrix get lost unless they are repeated."""
    tags = {"-color_range": video.color_range}
    if video.format.kind == "yuv":
        tags |= {"-colorspace": video.matrix, "-color_primaries": video.primaries, "-color_trc": video.transfer}
    return [word for tag in tags.items() if tag[1] != "unknown" for word in tag]


def _pix_fmt(video: Video) -> str:
    planar = video.format.planar
    if planar and (video.clip.crop or video.pix_fmt not in CODECS):
        # The same samples in planes.
        return planar
    return video.pix_fmt.replace("yuvj", "yuv")


def _check_run(video: Video, end: Finished, log: LogLines) -> None:
    tail = "\n".join(end.tail)
    if "changed" in log:
        raise ClipError(f"{video.clip} changes its picture in between: {log.text('changed', 1)}. Cut it there first.")
    log.check_damage(video.clip)
    if log.errors or "corrupt decoded frame" in tail or "error while decoding" in tail:
        raise ClipError(f"{video.clip} is damaged: some frames cannot be decoded.\n{end.explain()}")
    if "refused" in log:
        raise _lossy(video, f"ffmpeg reports: {log.text('refused')}")
    if end.returncode != 0 or "decoded" not in log or end.disk_full:
        raise ScorerError(f"{end.disk_full}{video.clip} could not be cut.\n{end.explain()}")


def _check_part(video: Video, part: Video, size: Size | None) -> None:
    """Check that a part has the format and the tags of the source. FFV1 states limited range if there was none."""
    if part.pix_fmt != _pix_fmt(video):
        raise _lossy(video, f"It was written as {part.pix_fmt}.")
    expected = (*(size or (video.width, video.height)), *_colour(video))
    actual = (part.width, part.height, *_colour(part))
    if any(a not in (b, "unknown") for a, b in zip(expected, actual, strict=True)):
        raise ClipError(f"{video.clip} cannot be cut losslessly: size and colour must stay {expected}, not {actual}.")


def _colour(video: Video) -> tuple[str, ...]:
    return video.color_range, video.matrix, video.primaries, video.transfer


def _lossy(video: Video, detail: str) -> ClipError:
    return ClipError(
        f"{video.clip} is {video.pix_fmt}, which cannot be stored losslessly. "
        f"Convert it to planar YUV, rgb24 or grey first.\n  {detail}"
    )
