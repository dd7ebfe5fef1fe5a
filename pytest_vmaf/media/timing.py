"""Timing of a pair: frame rates, and interlaced frames."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

from pytest_vmaf.media.inspect import Video

#: Frame rates differ if they are further apart than the rounded time stamps of a short clip can explain.
RATE_TOLERANCE = Fraction(1, 2000)


def rate_problems(ref: Video, dis: Video, allow: Collection[str]) -> list[str]:
    """Why frames at these rates cannot be compared by index, a sentence each."""
    a, b = ref.frame_rate, dis.frame_rate
    if a is None or b is None or ref.is_picture or dis.is_picture or "frame_rate" in allow:
        return []
    if abs(a - b) <= a * RATE_TOLERANCE:
        return []
    return [
        f"frame rate: the reference has {float(a):.6g} frames/s, the distorted clip {float(b):.6g}. "
        'If a file states a wrong rate, pass the true one: Clip(path, frame_rate=24); or pass allow=["frame_rate"].'
    ]


def interlacing_problems(ref: Video, dis: Video, allow: Collection[str]) -> list[str]:
    """Which of the clips has interlaced frames, in a sentence."""
    if "interlaced" in allow:
        return []
    which = [name for video, name in ((ref, "reference"), (dis, "distorted clip")) if video.interlaced]
    if not which:
        return []
    return [
        f"interlacing: the {' and the '.join(which)} contains interlaced frames, which VMAF was not designed for. "
        'Deinterlace first, or pass allow=["interlaced"].'
    ]
