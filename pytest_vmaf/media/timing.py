"""Timing of a pair: frame rates, time stamps and interlaced frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.demux import states_rate_alone, states_times
from pytest_vmaf.media.inspect import FIRST_FRAMES, Video, inspect
from pytest_vmaf.media.inspection_log import JITTER
from pytest_vmaf.text import plural

#: Frame rates differ if they are further apart than the rounded time stamps of a short clip can explain.
RATE_TOLERANCE = Fraction(1, 2000)
#: In seconds: a frame that is shown longer than in the other clip by less than this is no freeze.
SHORTEST_FREEZE = 0.1
#: Frames that are held are so rare, as a share of all; more are a variable frame rate.
MOST_HELD = 0.02
TELECINED = "telecined film does (3:2 pulldown)"
#: How many frames of film there are for a frame of telecined video.
FILM = Fraction(4, 5)
#: As an interlaced clip is deinterlaced whose other clip has twice its rate.
EACH_FIELD = "a frame for each field"


class FrameFlags(NamedTuple):
    """What a decoder says of one frame.

    Attributes:
        interlaced: Whether it is interlaced.
        sample_aspect: Width by height of a pixel as it is displayed; None if it is not stated, which means 1.
    """

    interlaced: bool
    sample_aspect: Fraction | None = None


def rate_problems(ref: Video, dis: Video, allow: Collection[str]) -> list[str]:
    """Why frames at these rates cannot be compared by index, a sentence each.

    Averages of variable rates prove nothing; the time stamps of all frames are compared when they are scored.
    """
    a, b = ref.frame_rate, dis.frame_rate
    if a is None or b is None or ref.is_picture or dis.is_picture or "frame_rate" in allow:
        return []
    if abs(a - b) <= a * RATE_TOLERANCE or ref.has_variable_rate or dis.has_variable_rate:
        return []
    true = a if a.denominator == 1 else repr(str(a))
    which = "Clip.from_frames(frames" if dis.clip.in_memory else "Clip(path"
    return [
        f"frame rate: the reference has {float(a):.6g} frames/s, the distorted clip {float(b):.6g}. If frames were "
        f"{'dropped' if b < a else 'doubled'}, pass match_rate=True (--vmaf-match-rate). If a file states a wrong "
        f'rate, pass the true one: {which}, frame_rate={true}); or pass allow=["frame_rate"].'
    ]


def describe_variable_rate(ref: Video, dis: Video) -> str:
    """Which clip has a variable frame rate, and what to do if frames were dropped for it; "" if neither has."""
    which, video = ("reference", ref) if ref.has_variable_rate else ("distorted clip", dis)
    if not video.has_variable_rate:
        return ""
    return (
        f"The {which} has a variable frame rate ({float(video.frame_rate or 0):.4g} frames/s on average), for which an "
        "encoder at a constant rate drops and doubles frames. Encode with -fps_mode passthrough, or pass "
        "match_rate=True (--vmaf-match-rate)."
    )


def at_steady_rate(
    clip: Clip, ffmpeg: str, timeout: float | None = None, cache: Cache | None = None, *, clocks_alone: bool = False
) -> Clip:
    """The clip, with its average frame rate stated if its own is variable.

    Args:
        clip: The clip.
        ffmpeg: Path of the ffmpeg.
        timeout: Time limit in seconds.
        cache: Where inspections are cached.
        clocks_alone: Whether to do so only if the file states the clock of its time stamps for a rate. Encoders would
            take it for one.
    """
    if clip.is_raw or clip.is_sequence or clip.frame_rate is not None:
        return clip
    video = inspect(clip, ffmpeg, FIRST_FRAMES, timeout, cache)
    changes = video.states_clock if clocks_alone else video.has_variable_rate
    return replace(clip, frame_rate=video.frame_rate) if changes else clip


def interlacing_problems(
    ref: Video, dis: Video, allow: Collection[str], inverse_telecine: Callable[[Clip], str]
) -> list[str]:
    """Which of the clips has interlaced frames, a sentence each.

    Args:
        ref: The reference.
        dis: The distorted clip.
        allow: Properties that are not a problem: "interlaced".
        inverse_telecine: Returns the filters that restore the film in a telecined clip, "" for other clips.
    """
    if "interlaced" in allow:
        return []
    which = {name: video.clip for name, video in (("reference", ref), ("distorted clip", dis)) if video.interlaced}
    films = {name: filters for name, clip in which.items() if (filters := inverse_telecine(clip))}
    single = next(iter(which)) if len(which) == 1 else ""
    rates = (ref.frame_rate, dis.frame_rate) if single == "reference" else (dis.frame_rate, ref.frame_rate)
    # How many frames of the other clip there are for one of the interlaced clip.
    ratio = rates[1] / rates[0] if single and rates[0] and rates[1] else Fraction(1)
    if not films and abs(ratio - FILM) < RATE_TOLERANCE:
        # Pictures that hardly move have no fields to compare.
        films[single] = "fieldmatch,decimate"
    problems = [
        f"interlacing: the {name} contains interlaced frames, and repeats fields as {TELECINED}. Restore the frames of "
        f'the film first (ffmpeg -i IN -vf {filters} -c:v ffv1 OUT.mkv), or pass allow=["interlaced"].'
        for name, filters in films.items()
    ]
    others = [name for name in which if name not in films]
    if others:
        verb = "contain" if len(others) > 1 else "contains"
        problems.append(
            f"interlacing: the {' and the '.join(others)} {verb} interlaced frames, which VMAF was not designed for. "
            + _deinterlace("both clips" if len(others) > 1 else f"the {others[0]}", ratio, both=not single)
        )
    return problems


def _deinterlace(what: str, ratio: Fraction = Fraction(1), *, both: bool = False, some: bool = False) -> str:
    """What to do about interlaced frames, of which the other clip has so many for each."""
    is_double = both or abs(ratio - 2) < RATE_TOLERANCE
    filters = "bwdif" if is_double else "bwdif=mode=send_frame"
    filters += f"{'=' if is_double else ':'}deint=interlaced" if some else ""
    field = f" to {EACH_FIELD}" if is_double else ""
    return (
        f"Deinterlace {what}{field} first (ffmpeg -i IN -fps_mode passthrough -vf {filters} -c:v ffv1 OUT.mkv), "
        'or pass allow=["interlaced"].'
    )


def has_times(ref: Video, dis: Video, allow: Collection[str]) -> bool:
    """Whether the time stamps of a pair can be compared: both files have some, and state the same rate."""
    if any(video.is_picture or video.clip.is_raw or not states_times(video.clip.path) for video in (ref, dis)):
        return False
    return not rate_problems(ref, dis, ()) and not {"time_stamps", "frame_rate"} & set(allow)


def has_one_rate(ref: Video, dis: Video, allow: Collection[str]) -> bool:
    """Whether one file of a pair states only a frame rate, and the other times that can be compared with it."""
    if any(video.is_picture or video.clip.is_raw for video in (ref, dis)):
        return False
    alone = [states_rate_alone(video.clip.path) for video in (ref, dis)]
    timed = [states_times(video.clip.path) for video in (ref, dis)]
    if not (alone[0] and timed[1]) and not (alone[1] and timed[0]):
        return False
    return not rate_problems(ref, dis, ()) and not {"time_stamps", "frame_rate"} & set(allow)


def hold_problems(ref_times: Sequence[float], dis_times: Sequence[float]) -> list[str]:
    """As `time_stamp_problems`, for a clip whose times follow from its frame rate: only a few frames may be held.

    Where the other has a variable rate, the clip with one rate has lost its times, and proves nothing.
    """
    usual = []
    for times in (ref_times, dis_times):
        steps = sorted(b - a for a, b in pairwise(times))
        if not steps or not all(map(math.isfinite, steps)):
            return []
        usual.append(steps[len(steps) // 2])
        odd = sum(abs(step - usual[-1]) > max(JITTER[0], JITTER[1] * usual[-1]) for step in steps)
        # A muxer that rounds the times beside a held frame makes two more.
        if odd > max(3, MOST_HELD * len(steps)):
            return []
    return time_stamp_problems(ref_times, dis_times) if abs(usual[0] - usual[1]) < JITTER[1] * usual[0] else []


def time_stamp_problems(ref_times: Sequence[float], dis_times: Sequence[float]) -> list[str]:
    """Where frames of the same index are shown at different times, in sentences.

    Times count from the first frame. Containers round them, encoders round them to their frame rate, and an encoder
    may state a rate that differs by 0.05 %: differences of two and a half frames or 0.1 s are no problem.

    Args:
        ref_times: When each frame of the reference is shown, in seconds. NaN where the file does not state it.
        dis_times: The same for the distorted clip.

    Returns:
        At most one sentence. None if the clips have different lengths, or frames without time stamps.
    """
    count = len(ref_times)
    if count < 2 or count != len(dis_times) or not all(map(math.isfinite, (*ref_times, *dis_times))):
        return []
    ref, dis = ([time - times[0] for time in times] for times in (ref_times, dis_times))
    steps = [(b - a, d - c) for (a, b), (c, d) in zip(pairwise(ref), pairwise(dis), strict=True)]
    usual = sorted(max(pair) for pair in steps)[len(steps) // 2]
    tolerance = max(2.5 * usual, SHORTEST_FREEZE)
    differences = [b - a for a, b in zip(ref, dis, strict=True)]
    at = max(range(count), key=lambda frame: abs(differences[frame]))
    if abs(differences[at]) <= max(tolerance, float(RATE_TOLERANCE) * max(ref[-1], dis[-1])):
        return []
    frame = max(range(count - 1), key=lambda frame: abs(steps[frame][1] - steps[frame][0]))
    longer = steps[frame][1] - steps[frame][0]
    remedy = (
        'Encode with the time stamps of the reference (ffmpeg -fps_mode passthrough), or pass allow=["time_stamps"].'
    )
    if abs(longer) > tolerance:
        which, other = ("distorted clip", "reference")[:: 1 if longer > 0 else -1]
        longest, shortest = max(steps[frame]), min(steps[frame])
        return [
            f"time stamps: frame {frame} is shown for {longest:.3g} s in the {which}, and for {shortest:.3g} s in the "
            f"{other}. {remedy}"
        ]
    return [
        f"time stamps: the frames last {dis[-1]:.4g} s in the distorted clip, and {ref[-1]:.4g} s in the reference; "
        f"frame {at} is shown at {dis[at]:.4g} s instead of {ref[at]:.4g} s. {remedy}"
    ]


def field_problems(ref: Sequence[FrameFlags], dis: Sequence[FrameFlags], allow: Collection[str]) -> list[str]:
    """Which frames are interlaced, and where the sample aspect ratio changes, in sentences.

    Args:
        ref: The flags of each frame of the reference.
        dis: Those of the distorted clip.
        allow: Properties that are not a problem: "interlaced", "display".
    """
    problems = []
    for what, frames in (("reference", ref), ("distorted clip", dis)):
        fields = [number for number, frame in enumerate(frames) if frame.interlaced]
        if fields and "interlaced" not in allow:
            problems.append(
                f"interlacing: {len(fields)} of {plural(len(frames), 'frame')} of the {what} are interlaced, from "
                f"frame {fields[0]} on, which VMAF was not designed for. "
                + _deinterlace(f"the {what}", some=len(fields) < len(frames))
            )
        change = next((n for n, (a, b) in enumerate(pairwise(frames), 1) if _differ(a, b)), None)
        if change is not None and "display" not in allow:
            problems.append(
                f"sample aspect ratio: it changes from {frames[change - 1].sample_aspect or 1} to "
                f"{frames[change].sample_aspect or 1} in frame {change} of the {what}, so players show another shape. "
                'Cut the clip there first, or pass allow=["display"].'
            )
    return problems


def _differ(a: FrameFlags, b: FrameFlags) -> bool:
    return (a.sample_aspect or 1) != (b.sample_aspect or 1)
