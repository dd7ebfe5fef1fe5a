"""XPSNR, which a filter of ffmpeg measures: its place in a filter graph, its log, its limit, and notes about it.

Helmrich et al., "XPSNR: A Low-Complexity Extension of the Perceptually Weighted Peak Signal-to-Noise Ratio for
High-Resolution Video Quality Assessment", ICASSP 2020. Blocks are weighted by the reference: by its detail, and by its
changes from frame to frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from pytest_vmaf.errors import LogError, PairError, ScorerError
from pytest_vmaf.media.ffmpeg import Ffmpeg, has_filter
from pytest_vmaf.media.pair import BY_INDEX
from pytest_vmaf.media.pixel_formats import pixel_format
from pytest_vmaf.scoring.features import XPSNR, XPSNR_COLUMNS
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest
from pytest_vmaf.text import plural, printable

#: From this frame rate on, weights depend on the changes of changes, so on two frames before instead of one.
FAST = 32
#: Frame rates that stand for those below `FAST` and those from it on, and how many frames before a frame each needs.
RATES = {25: 1, 50: 2}
#: The filter takes the padding between the lines of deeper distorted frames for pixels. A copy has none if its lines
#: are as long as ffmpeg aligns them, whatever the chroma subsampling.
ALIGNMENT = 64
#: The filter does not support more, and smaller frames have no blocks: ffmpeg divides by zero, or gives plain PSNR.
DEEPEST, LEAST_PIXELS = 14, 2025
VALUE = re.compile(r"lavfi\.xpsnr\.xpsnr\.([yuv])=(\S+)")


def rate_class(frame_rate: Fraction | None) -> int:
    """Which one of `RATES` stands for a frame rate. An unknown one is taken for a low one, as ffmpeg's 25."""
    slow, fast = RATES
    return fast if frame_rate is not None and frame_rate >= FAST else slow


def needs_xpsnr(request: ScoreRequest) -> bool:
    """Whether XPSNR is to be measured for a request."""
    columns = (*request.columns, *request.optional_columns)
    return request.xpsnr_rate > 0 and any(column in XPSNR_COLUMNS for column in columns)


def for_scorer(request: ScoreRequest) -> ScoreRequest:
    """The request that a scorer gets, which need not measure XPSNR."""
    if not needs_xpsnr(request):
        return request
    optional = (*request.optional_columns, *XPSNR_COLUMNS)
    return replace(without_xpsnr(request), optional_columns=optional, xpsnr_rate=request.xpsnr_rate)


def without_xpsnr(request: ScoreRequest) -> ScoreRequest:
    """The request without XPSNR."""
    columns = tuple(column for column in request.columns if column not in XPSNR_COLUMNS)
    return replace(request, columns=columns, xpsnr_rate=0)


def refuse_without_filter(ffmpeg: Ffmpeg) -> None:
    """Raise ScorerError if an ffmpeg has no filter for XPSNR."""
    if not has_filter(ffmpeg.path, XPSNR):
        raise ScorerError(
            f"XPSNR is measured by ffmpeg's filter xpsnr (7.1 and later), which {printable(ffmpeg.path)} "
            f"({ffmpeg.version}) does not have.\n"
            "  Name another one with --vmaf-ffmpeg=PATH (ini: vmaf_ffmpeg), or leave out xpsnr."
        )


def refuse_frames(request: ScoreRequest) -> None:
    """Raise PairError if the filter cannot measure frames of this size or depth."""
    depth = pixel_format(request.pix_fmt).depth
    if depth > DEEPEST:
        raise PairError(f"ffmpeg measures XPSNR of frames of up to {DEEPEST} bits, not {depth}. Leave out xpsnr.")
    if request.width * request.height < LEAST_PIXELS:
        raise PairError(
            f"XPSNR needs frames of at least 45x45 pixels, not {request.width}x{request.height}. Leave out xpsnr."
        )


def in_one_graph(request: ScoreRequest) -> bool:
    """Whether frames can go to the filter as they are, or after a copy."""
    return pixel_format(request.pix_fmt).depth == 8 or request.width % ALIGNMENT == 0


def filters(request: ScoreRequest, reference: str, distorted: str, output: str, log: str, *, copy: bool = True) -> str:
    """The part of a filter graph that measures XPSNR of two labels. The reference's frames go on to a third label.

    The first input of the filter is the reference, whose weights count, although ffmpeg names the inputs in the other
    order. The frame rate is that of the second input.
    """
    rate, name = request.xpsnr_rate, log.partition(".")[0]
    aligned = "copy," if copy and pixel_format(request.pix_fmt).depth > 8 else ""
    by_rate = f"settb=1/{rate},setpts=N"
    return (
        f"{reference}{by_rate}[{name}-reference];{distorted}{aligned}{by_rate},fps={rate}[{name}-distorted];"
        f"[{name}-reference][{name}-distorted]xpsnr,metadata=print:file={log},{','.join(BY_INDEX)}{output}"
    )


def read_columns(path: Path, request: ScoreRequest) -> dict[str, tuple[float, ...]]:
    """The columns in the filter's log, limited as libvmaf limits PSNR. Raises LogError if there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LogError(f"ffmpeg wrote no log of XPSNR: {error.strerror or error}. Is the disk full?") from error
    limit = limit_of(request)
    values: dict[str, list[float]] = {column: [] for column in XPSNR_COLUMNS}
    for line in lines:
        if match := VALUE.fullmatch(line):
            values[f"xpsnr_{match[1]}"].append(min(float(match[2]), limit))
    return {column: tuple(each) for column, each in values.items()}


def limit_of(request: ScoreRequest) -> float:
    """The largest value in dB: that of libvmaf's PSNR, which depends on the depth."""
    return 6.0 * pixel_format(request.pix_fmt).depth + 12


def xpsnr_notes(request: ScoreRequest, log: ScoreLog, frame_rate: Fraction | None) -> tuple[str, ...]:
    """Notes about the XPSNR of a log: the clip's number as ffmpeg averages it, and which frames are limited.

    Args:
        request: The scoring.
        log: Its log.
        frame_rate: Frames per second, or None if they are unknown, which is noted, too.
    """
    columns = {name: log.columns[name] for name in XPSNR_COLUMNS if name in request.columns and name in log.columns}
    if not needs_xpsnr(request) or not columns or not all(columns.values()):
        return ()
    limit, notes = limit_of(request), []
    if any(min(frames) < limit for frames in columns.values()):
        averages = ", ".join(f"{name} {weighted_average(frames):.4f}" for name, frames in columns.items())
        notes.append(f"XPSNR of the clip in dB, averaged over weighted errors as ffmpeg prints it: {averages}")
    if frame_rate is None:
        notes.append(f"no frame rate is stated, so XPSNR is weighted as below {FAST} frames/s")
    counts = {name: sum(value >= limit for value in frames) for name, frames in columns.items()}
    limited = ", ".join(f"{name} in {plural(count, 'frame')}" for name, count in counts.items() if count)
    if limited:
        notes.append(f"XPSNR is limited to {limit:g} dB, where the clips are identical or nearly so: {limited}")
    return tuple(notes)


def weighted_average(frames: Sequence[float]) -> float:
    """The XPSNR of a clip from that of its frames: of the mean of the square roots of their weighted errors."""
    return -20 * math.log10(math.fsum(10 ** (-value / 20) for value in frames) / len(frames))
