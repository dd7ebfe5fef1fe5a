"""Pairs: the checks that two clips are comparable frame by frame, and the filters that make them so."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from pytest_vmaf.cache import Cache
from pytest_vmaf.errors import PairError, SettingsError
from pytest_vmaf.media.alignment import ROUNDS, Alignment, find_offset
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.colour import colour_problems, goes_through_rgb
from pytest_vmaf.media.geometry import SCALERS, size_problems
from pytest_vmaf.media.inspect import THUMBNAIL, Video, count_frames, inspect
from pytest_vmaf.media.pixel_formats import common_pix_fmt
from pytest_vmaf.media.process import thread_refusals
from pytest_vmaf.media.timing import interlacing_problems, rate_problems
from pytest_vmaf.text import plural

#: The words for `allow`, and what is then scored although VMAF was not designed for it.
ALLOWANCES = {
    "hdr": "PQ and HLG clips, although no VMAF model is trained on HDR",
    "interlaced": "interlaced frames as they are",
    "frame_rate": "clips that state different frame rates",
}
ALPHA = re.compile(r"yuva|rgba|bgra|argb|abgr|gbrap|ya\d|pal8")
#: settb before setpts pairs frames by index. In the other order, the time base would scale the numbers.
BY_INDEX = ("settb=AVTB", "setpts=N")
#: The tags were compared. Made equal, they leave ffmpeg nothing to convert on its own.
UNTAGGED = "setparams=range=tv:color_primaries=unknown:color_trc=unknown:colorspace=unknown"


@dataclass(frozen=True)
class Pair:
    """Two clips that can be compared.

    Attributes:
        reference: The reference.
        distorted: The distorted clip.
        reference_filters: The ffmpeg filter chain that is applied to the reference. It removes the colour tags.
        distorted_filters: The filter chain of the distorted clip.
        width: Of the scored frames, in pixels.
        height: Of the scored frames, in pixels.
        pix_fmt: Of the scored frames.
        matrix: Of the scored frames.
        color_range: Of the scored frames: "tv" or "pc".
        offset: The alignment: frame 0 of the distorted clip shows this frame of the reference.
        starts: The first frame of the reference, and of the distorted clip, that is scored.
        frames: How many frames are scored from there; None for all.
        notes: What the filters change, in words.
    """

    reference: Video
    distorted: Video
    reference_filters: str
    distorted_filters: str
    width: int
    height: int
    pix_fmt: str
    matrix: str
    color_range: str
    offset: int
    starts: tuple[int, int]
    frames: int | None
    notes: tuple[str, ...]

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames per second; None if neither clip states it."""
        return self.reference.frame_rate or self.distorted.frame_rate


def check_pair(
    reference: Clip,
    distorted: Clip,
    ffmpeg: str,
    *,
    scale: str | None,
    align: bool,
    allow: Collection[str],
    timeout: float | None = None,
    cache: Cache | None = None,
) -> Pair:
    """Inspect both clips, and refuse a pair that cannot be compared frame by frame.

    Args:
        reference: The reference.
        distorted: The distorted clip.
        ffmpeg: The path of the ffmpeg that scores.
        scale: The filter that scales a smaller distorted clip up to the reference's size.
        align: Whether to skip the frames that only one clip has at its start.
        allow: Properties that are refused by default, for example "hdr".
        timeout: In seconds, for each inspection.
        cache: Stores the inspections.

    Raises:
        ClipError: If a clip cannot be read.
        PairError: If the clips cannot be compared. The message lists all reasons.
        SettingsError: For unknown words in `scale` and `allow`.
    """
    if scale is not None and scale not in SCALERS:
        raise SettingsError(f"scale must be one of {', '.join(SCALERS)}, not {scale!r}.")
    for word in set(allow) - set(ALLOWANCES):
        raise SettingsError(f"allow must contain only {', '.join(ALLOWANCES)}, not {word!r}.")
    ref, dis, alignment = _inspect_both(reference, distorted, ffmpeg, timeout, cache)
    offset = alignment.offset
    problems = [
        *size_problems(ref, dis, scale),
        *rate_problems(ref, dis, allow),
        *colour_problems(ref, dis, allow),
        *interlacing_problems(ref, dis, allow),
    ]
    if offset and not alignment.certain:
        problems.append(
            f"alignment: the clips start at least {abs(offset)} frames apart, the largest offset that is searched. "
            "Trim them first."
        )
    elif offset and not align:
        problems.append(_describe_offset(offset) + " Pass align=True (--vmaf-align) to skip the frames only one has.")
    if problems:
        # The reasons come first: pytest's short summary shows the start of the first line.
        listed = "\n  - ".join(problems)
        raise PairError(f"not comparable: {listed}\n  reference: {ref.clip}\n  distorted: {dis.clip}")
    return _plan(ref, dis, scale, offset, partial(count_frames, ffmpeg=ffmpeg, timeout=timeout, cache=cache))


def _inspect_both(
    reference: Clip, distorted: Clip, ffmpeg: str, timeout: float | None, cache: Cache | None
) -> tuple[Video, Video, Alignment]:
    for frames, reach in ROUNDS:
        inspect_one = partial(inspect, ffmpeg=ffmpeg, frames=frames, timeout=timeout, cache=cache)
        with thread_refusals(), ThreadPoolExecutor(2) as pool:
            ref, dis = pool.map(inspect_one, (reference, distorted))
        alignment = find_offset(ref.thumbnails, dis.thumbnails, reach)
        if alignment.certain or ref.is_picture or len(ref.thumbnails) < frames * THUMBNAIL[0] * THUMBNAIL[1]:
            break
    return ref, dis, alignment


def _describe_offset(offset: int) -> str:
    frames = plural(abs(offset), "frame")
    if offset > 0:
        return f"alignment: the distorted clip starts {frames} into the reference (by PSNR of the first frames)."
    return f"alignment: the distorted clip has {frames} before the reference's first (by PSNR of the first frames)."


def _plan(ref: Video, dis: Video, scale: str | None, offset: int, count: Callable[[Clip], int]) -> Pair:
    ref_chain, dis_chain = [*BY_INDEX], [*BY_INDEX]
    notes = [*_omission_notes(ref, "reference"), *_omission_notes(dis, "distorted")]
    starts, frames = (max(offset, 0), max(-offset, 0)), None
    if offset:
        counts = [count(video.clip) for video in (ref, dis)]
        tails = [length - start for length, start in zip(counts, starts, strict=True)]
        frames = min(tails)
        # A shift leaves both clips as long as they were, or ends them together. Anything else is a loss.
        if tails[0] != tails[1] and counts[0] != counts[1]:
            raise PairError(
                f"{ref.clip.name} and {dis.clip.name} have different lengths: aligned, {tails[0]} frames of the "
                f"reference and {tails[1]} of the distorted clip. align=True skips frames only at the start."
            )
        for chain, start in zip((ref_chain, dis_chain), starts, strict=True):
            chain.insert(0, f"trim=start_frame={start}:end_frame={start + frames}")
        notes.append(f"{_describe_offset(offset)} The {frames} frames that both clips have are scored.")
    through_rgb = goes_through_rgb(ref, dis)
    if (ref.width, ref.height) != (dis.width, dis.height):
        dis_chain.append(f"scale={ref.width}:{ref.height}:flags={scale}")
        notes.append(f"distorted scaled from {dis.width}x{dis.height} to {ref.width}x{ref.height} ({scale})")
    pix_fmt = common_pix_fmt(ref, dis, through_rgb)
    for video, chain, what in ((ref, ref_chain, "reference"), (dis, dis_chain, "distorted")):
        if through_rgb:
            # Pictures of all codecs are then scored against the same reference samples.
            chain.append("scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int")
        if video.pix_fmt != pix_fmt:
            if video.pix_fmt.replace("yuvj", "yuv") != pix_fmt:
                notes.append(f"{what} converted from {video.pix_fmt} to {pix_fmt}")
            chain.append(f"format={pix_fmt}")
        # The last step: before `format`, it would squeeze full range into limited.
        chain.append(UNTAGGED)
    return Pair(
        reference=ref,
        distorted=dis,
        reference_filters=",".join(ref_chain),
        distorted_filters=",".join(dis_chain),
        width=ref.width,
        height=ref.height,
        pix_fmt=pix_fmt,
        matrix="bt709" if through_rgb else ref.matrix if ref.matrix != "unknown" else dis.matrix,
        color_range="pc" if ref.color_range == "pc" and not through_rgb else "tv",
        offset=offset,
        starts=starts,
        frames=frames,
        notes=tuple(notes),
    )


def _omission_notes(video: Video, what: str) -> list[str]:
    """What is not scored of a clip, in words."""
    notes = []
    if video.streams > 1:
        notes.append(f"{what} has {video.streams} video streams; the first is scored")
    if ALPHA.match(video.pix_fmt):
        notes.append(f"{what} has transparency ({video.pix_fmt}), which is ignored")
    return notes
