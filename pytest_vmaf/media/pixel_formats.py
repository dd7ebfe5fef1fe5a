"""Pixel formats: their depth and chroma, and the format in which two clips are scored."""

from __future__ import annotations

import re

from pytest_vmaf.errors import PairError
from pytest_vmaf.media.inspect import Video

CHROMA = re.compile(
    r"yuv[ja]?(?P<planar>420|422|444)p(?:\d+[lb]e)?|(?P<other>nv\d\d|p[024]|uyvy|yuyv|yvyu|y2)(?:1[0-6][lb]e|422)?"
)
CHROMA_OF = {
    **dict.fromkeys(("nv12", "nv21", "p0"), "420"),
    **dict.fromkeys(("nv16", "p2", "uyvy", "yuyv", "yvyu", "y2"), "422"),
    **dict.fromkeys(("nv24", "p4"), "444"),
}


def common_pix_fmt(ref: Video, dis: Video, through_rgb: bool) -> str:
    """The planar format in which both clips are scored, at the greater of both depths, so that no precision is lost.

    The distorted clip's chroma decides, as in libvmaf's filter.
    """
    depth = max(_depth(ref.pix_fmt), _depth(dis.pix_fmt))
    depth = next((d for d in (8, 10, 12, 16) if d >= depth), 16)
    chroma = "444" if through_rgb else _chroma(dis)
    return f"yuv{chroma}p{'' if depth == 8 else f'{depth}le'}"


def _depth(pix_fmt: str) -> int:
    # yuv420p10le, gbrp12le, gray16le end in their depth, p010le in its second half, rgb48le has three times 16.
    if match := re.fullmatch(r"(?:yuva?\d+p|gray|ya|gbra?p)(\d+)(?:le|be)", pix_fmt):
        return int(match[1])
    if match := re.fullmatch(r"[py][024](1[0-6])(?:le|be)", pix_fmt):
        return int(match[1])
    return 16 if re.match(r"(?:rgb|bgr)48|(?:rgb|bgr)a64|.*f(?:16|32)[lb]e$", pix_fmt) else 8


def _chroma(video: Video) -> str:
    if match := CHROMA.fullmatch(video.pix_fmt):
        return match["planar"] or CHROMA_OF[match["other"]]
    raise PairError(
        f"{video.clip.name} is {video.pix_fmt}, whose chroma format libvmaf does not support. Convert it to planar "
        "4:2:0, 4:2:2 or 4:4:4 first."
    )
