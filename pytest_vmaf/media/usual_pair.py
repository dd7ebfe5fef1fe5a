"""The pair that most are: of one size, upright, in 8 bits, with limited range."""

from __future__ import annotations

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.pair import Pair, plan_pair

USUAL_DEPTH = 8


def plan_usual_pair(reference: Clip, distorted: Clip) -> Pair:
    """The pair of two clips, if both are like most."""
    ref, dis = (
        Video(
            clip=clip,
            width=1280,
            height=720,
            pix_fmt="yuv420p",
            frame_rate=clip.frame_rate,
            color_range="tv",
            matrix="unknown",
            primaries="unknown",
            transfer="unknown",
            interlaced=False,
            is_picture=False,
            thumbnails=b"",
        )
        for clip in (reference, distorted)
    )
    # Without an offset, no frames are counted.
    return plan_pair(ref, dis, None, 0, None, USUAL_DEPTH, lambda clip: 0)
