"""Profiles and levels of all codecs by their usual names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_vmaf.bitstream import av1, h264, hevc, vp9, vvc
from pytest_vmaf.bitstream.header import level_number

#: The names of each codec's profiles.
PROFILES: Mapping[str, tuple[str, ...]] = {
    "h264": h264.NAMES,
    "hevc": hevc.NAMES,
    "av1": av1.NAMES,
    "vp9": vp9.NAMES,
    "vvc": vvc.NAMES,
}
#: The levels of each codec, with the numbers that compare them.
LEVELS: Mapping[str, Mapping[str, float]] = {
    codec: {name: level_number(name) for name in names}
    for codec, names in {
        "h264": h264.LEVELS,
        "hevc": hevc.LEVELS,
        "av1": av1.LEVELS,
        "vp9": vp9.LEVELS,
        "vvc": vvc.LEVELS,
    }.items()
}
#: Other names of codecs.
ALIASES = {"avc": "h264", "h265": "hevc", "h266": "vvc", "av01": "av1", "vp09": "vp9"}


def plain_name(name: str) -> str:
    """A name without spaces, signs and capitals: "Main 10", "main10" and "MAIN-10" are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
