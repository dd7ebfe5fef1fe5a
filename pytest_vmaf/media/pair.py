"""Pairs: the checks that two clips are comparable frame by frame, and the filters that make them so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.errors import PairError, SettingsError
from pytest_vmaf.media.alignment import ROUNDS, Alignment, describe_offset, find_offset, offset_remedy, own_part_remedy
from pytest_vmaf.media.brightness import with_same_luma
from pytest_vmaf.media.clip import USUAL_RATE, Clip
from pytest_vmaf.media.colour import colour_problems, plan_colour
from pytest_vmaf.media.crop_search import find_crop
from pytest_vmaf.media.geometry import SCALERS, plan_size, size_problems
from pytest_vmaf.media.inspect import THUMBNAIL, Video, count_frames, inspect
from pytest_vmaf.media.omissions import is_single, omission_notes, part_note
from pytest_vmaf.media.part import frames_of_part, trim_filter
from pytest_vmaf.media.process import thread_refusals
from pytest_vmaf.media.rate_match import RateMatch, match_rate
from pytest_vmaf.media.rotation import rotation_notes, rotation_problems
from pytest_vmaf.media.shape_change import shape_changes
from pytest_vmaf.media.telecine import inverse_telecine
from pytest_vmaf.media.timing import EACH_FIELD, TELECINED, describe_variable_rate, interlacing_problems, rate_problems
from pytest_vmaf.media.unreadable import sequence_of

#: The words for `allow`, and what is then scored although VMAF was not designed for it.
ALLOWANCES = {
    "hdr": "PQ and HLG clips, although no VMAF model is trained on HDR",
    "interlaced": "interlaced frames as they are",
    "frame_rate": "clips that state different frame rates",
    "time_stamps": "frames that are shown at other times than those of the reference",
    "displaced": "frames that show another frame of the reference than their own",
    "same": "a reference compared with itself",
    "display": "pictures of different shapes, as they are stored",
    "rotation": "pictures that are turned against each other, as players show them",
    "order": "pairs that look as if they were in the wrong order",
}
#: settb before setpts pairs frames by index. In the other order, the time base would scale the numbers.
BY_INDEX = ("settb=AVTB", "setpts=N")


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
        lengths: How many frames of each clip are scored from there; None for all.
        trims: The filters that select these frames of parts, before all others; "" for whole clips.
        notes: What the filters change, in words.
        matched: Whether frames of the reference are dropped or doubled, as in the distorted clip.
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
    lengths: tuple[int | None, int | None]
    trims: tuple[str, str]
    notes: tuple[str, ...]
    matched: bool = False

    @property
    def frame_rate(self) -> Fraction | None:
        """Frames per second; None if neither clip states it."""
        if self.matched and self.distorted.frame_rate:
            return self.distorted.frame_rate
        return self.reference.frame_rate or self.distorted.frame_rate or _assumed_rate(self.reference, self.distorted)


def check_pair(
    reference: Clip,
    distorted: Clip,
    ffmpeg: str,
    *,
    scale: str | None,
    align: bool,
    allow: Collection[str],
    match: bool = False,
    least_depth: int = 8,
    timeout: float | None = None,
    cache: Cache | None = None,
    look: Callable[[Clip], Video | None] = lambda clip: None,
) -> Pair:
    """Inspect both clips, and refuse a pair that cannot be compared frame by frame.

    Args:
        reference: The reference.
        distorted: The distorted clip.
        ffmpeg: The path of the ffmpeg that scores.
        scale: The filter that scales a smaller distorted clip up to the reference's size.
        align: Whether to skip the frames that only one clip has at its start.
        allow: Properties that are refused by default, for example "hdr".
        match: Whether to drop and double frames of the reference as the distorted clip does, if the frame rates differ.
        least_depth: Score at this many bits a sample or more.
        timeout: In seconds, for each inspection.
        cache: Stores the inspections.
        look: Describes a clip in place of its first inspection, if it can.

    Raises:
        ClipError: If a clip cannot be read.
        PairError: If the clips cannot be compared. The message lists all reasons.
        SettingsError: For unknown words in `scale` and `allow`.
    """
    if scale is not None and scale not in SCALERS:
        raise SettingsError(f"scale must be one of {', '.join(SCALERS)}, not {scale!r}.")
    for word in set(allow) - set(ALLOWANCES):
        raise SettingsError(f"allow must contain only {', '.join(ALLOWANCES)}, not {word!r}.")
    by_ffmpeg = partial(inspect, ffmpeg=ffmpeg, frames=ROUNDS[0][0], timeout=timeout, cache=cache)
    ref, dis, alignment = _inspect_both(reference, distorted, by_ffmpeg, look)
    turned = rotation_problems(ref, dis, allow)
    # Pictures that are turned or cropped have other sizes and other first frames for that reason alone.
    sizes = (
        [] if turned else size_problems(ref, dis, scale, allow, lambda: find_crop(ref, dis, by_ffmpeg, ffmpeg, timeout))
    )
    by_index = "displaced" in allow and not align
    offset = 0 if turned or by_index or any(size.startswith("display:") for size in sizes) else alignment.offset
    fields = interlacing_problems(ref, dis, allow, partial(inverse_telecine, ffmpeg=ffmpeg, timeout=timeout))
    # Interlaced frames of telecined film are more than those of the film, and fields more than frames.
    explained = any(words in "".join(fields) for words in (TELECINED, EACH_FIELD))
    rates = [] if explained else rate_problems(ref, dis, allow)
    differs = bool(rates) or ref.has_variable_rate or dis.has_variable_rate
    # A shift is skipped by `align`, unless it comes from the other rate.
    matched = match_rate(ref, dis, ffmpeg, timeout) if match and not turned and (differs or not offset) else None
    if rates or fields or matched:
        # Frames that were dropped or doubled look like a shift, and so do fields.
        rates, offset = [] if match else rates, 0
    problems = [
        *turned,
        *sizes,
        *_length_problems(ref, dis, by_frame=not align and not match),
        *rates,
        *colour_problems(ref, dis, allow, offset),
        *fields,
        *shape_changes(ref, dis, allow, ffmpeg, timeout, cache),
    ]
    if offset and not alignment.certain:
        problems.append(
            f"alignment: the clips start at least {abs(offset)} frames apart, the largest offset that is searched. "
            f"Trim them first, or state the first frame: Clip(path, start=100).{own_part_remedy(ref.clip, dis.clip)}"
        )
    elif offset and not align:
        hint = describe_variable_rate(ref, dis) or offset_remedy(ref.clip, dis.clip, offset)
        problems.append(f"{describe_offset(offset)} {hint}{own_part_remedy(ref.clip, dis.clip)}")
    if problems:
        # The reasons come first: pytest's short summary shows the start of the first line.
        listed = "\n  - ".join(problems)
        raise PairError(f"not comparable: {listed}\n  reference: {_name(ref)}\n  distorted: {_name(dis)}")
    count = partial(count_frames, ffmpeg=ffmpeg, timeout=timeout, cache=cache)
    return plan_pair(ref, dis, scale, offset, matched, least_depth, count)


def _assumed_rate(ref: Video, dis: Video) -> Fraction | None:
    """The rate of frames in memory where neither clip states one; None for others."""
    unknown = ref.frame_rate is None and dis.frame_rate is None
    return USUAL_RATE if unknown and (ref.clip.in_memory or dis.clip.in_memory) else None


def _name(video: Video) -> str:
    """The clip, and which of its video streams was read."""
    if video.streams == 1:
        return str(video.clip)
    other = video.clip.spelled(stream=0 if video.stream else 1)
    return f"{video.clip} has {video.streams} video streams ({video.tracks}); {video.stream} was read, not {other}"


def _length_problems(ref: Video, dis: Video, *, by_frame: bool) -> list[str]:
    """Why parts of different lengths, or a single picture and a video, cannot be compared, in a sentence."""
    lengths = _length(ref.clip), _length(dis.clip)
    if by_frame and None not in lengths and lengths[0] != lengths[1]:
        return [f"length: the part of the reference has {lengths[0]} frames, that of the distorted clip {lengths[1]}."]
    for video, other, what in ((ref, dis, "reference"), (dis, ref, "distorted clip")):
        if is_single(video) and not is_single(other) and len(other.thumbnails) > THUMBNAIL[0] * THUMBNAIL[1]:
            sequence = sequence_of(video.clip.path)
            hint = f" Pass its sequence of {sequence[1]}: {Clip(sequence[0]).spelled()}." if sequence else ""
            return [f"length: the {what} is one picture, the other clip has more frames.{hint}"]
    return []


def _inspect_both(
    reference: Clip, distorted: Clip, inspect: Callable[..., Video], look: Callable[[Clip], Video | None]
) -> tuple[Video, Video, Alignment]:
    for frames, reach in ROUNDS:
        inspect_one = partial(inspect, frames=frames)
        first = partial(inspect_one, look=look) if frames == ROUNDS[0][0] else inspect_one
        with thread_refusals(), ThreadPoolExecutor(2) as pool:
            ref, dis = pool.map(first, (reference, distorted))
        ref, dis = with_same_luma(ref, dis, inspect_one)
        alignment = find_offset(ref.thumbnails, dis.thumbnails, reach)
        # More frames only show more if the first ones do not move.
        if frames > ROUNDS[0][0] and alignment.moves:
            break
        if alignment.certain or ref.is_picture or len(ref.thumbnails) < frames * THUMBNAIL[0] * THUMBNAIL[1]:
            break
    return ref, dis, alignment


def _length(clip: Clip) -> int | None:
    """How many frames a part has, as stated; None up to the end of the clip."""
    return None if clip.frames is None else int(clip.frames)


def plan_pair(
    ref: Video,
    dis: Video,
    scale: str | None,
    offset: int,
    matched: RateMatch | None,
    least_depth: int,
    count: Callable[[Clip], int],
) -> Pair:
    """The filters of two clips that were checked, and what is known of them. `count` counts the frames of a clip."""
    ref_chain, dis_chain = ([*filter(None, [video.clip.cropping]), *BY_INDEX] for video in (ref, dis))
    notes = [*omission_notes(ref, "reference"), *omission_notes(dis, "distorted")]
    parts = [(int(video.clip.start), _length(video.clip)) for video in (ref, dis)]
    starts = parts[0][0] + max(offset, 0), parts[1][0] + max(-offset, 0)
    lengths, trims = (parts[0][1], parts[1][1]), (ref.clip.trimming, dis.clip.trimming)
    if matched:
        ref_chain[:0] = matched.filters
        lengths = (matched.frames, matched.frames) if matched.filters else lengths
        notes.append(matched.note)
    if offset:
        clips = ref.clip, dis.clip
        counts = [frames_of_part(clip.name, clip.start, clip.frames, count(clip)) for clip in clips]
        tails = [counts[0] - max(offset, 0), counts[1] - max(-offset, 0)]
        frames = min(tails)
        # A shift leaves both clips as long as they were, or ends them together. Anything else is a loss.
        if tails[0] != tails[1] and counts[0] != counts[1]:
            # The clip that begins earlier may be longer because the other one is a part of it.
            longer = 0 if offset > 0 else 1
            part = clips[longer].spelled(start=starts[longer], frames=frames)
            raise PairError(
                f"{ref.clip.name} and {dis.clip.name} have different lengths: aligned, {tails[0]} frames of the "
                f"reference and {tails[1]} of the distorted clip. align=True skips frames only at the start."
                + (f" If the other clip is a part of it, pass {part}." if tails[longer] > frames else "")
            )
        selected = trim_filter(starts[0], frames), trim_filter(starts[1], frames)
        lengths = frames, frames
        if any(trims):
            trims = selected
        else:
            ref_chain.insert(0, selected[0])
            dis_chain.insert(0, selected[1])
        notes.append(f"{describe_offset(offset)} The {frames} frames that both clips have are scored.")
    if (rate := _assumed_rate(ref, dis)) is not None:
        notes.append(f"no frame rate is stated; {rate} frames/s are assumed for frames in memory")
    for what, video, start, length in zip(("reference", "distorted"), (ref, dis), starts, lengths, strict=True):
        if video.clip.is_part:
            notes.append(part_note(what, start, _length(video.clip) if matched else length))
    colour = plan_colour(ref, dis, offset, least_depth)
    for chain, filters in zip((ref_chain, dis_chain), colour.before, strict=True):
        chain += filters
    size = plan_size(ref, dis, scale)
    for chain, filters in zip((ref_chain, dis_chain), size.filters, strict=True):
        chain += filters
    notes += [*rotation_notes(ref, dis), *size.notes]
    for chain, filters in zip((ref_chain, dis_chain), colour.after, strict=True):
        chain += filters
    notes += colour.notes
    return Pair(
        reference=ref,
        distorted=dis,
        reference_filters=",".join(ref_chain),
        distorted_filters=",".join(dis_chain),
        width=size.size[0],
        height=size.size[1],
        pix_fmt=colour.pix_fmt,
        matrix=colour.matrix,
        color_range=colour.color_range,
        offset=offset,
        starts=starts,
        lengths=lengths,
        trims=trims,
        notes=tuple(notes),
        matched=matched is not None and bool(matched.filters),
    )
