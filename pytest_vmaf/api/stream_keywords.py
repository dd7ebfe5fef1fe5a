"""The keywords of `vmaf.stream`, and of `stream=` in `vmaf.check`, as typed dictionaries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal, TypedDict


class StreamExpectations(TypedDict, total=False):
    """What is expected of a stream beside numbers, and how its numbers are measured.

    Attributes:
        codec: `"h264"`, `"hevc"`, `"av1"`, `"vp9"` or `"vvc"`.
        profile: The profile's usual name, for example `"High"` or `"Main 10"`.
        pix_fmt: ffmpeg's name of the samples, for example `"yuv420p10le"`.
        frame_rate: The frame rate, for example `24` or `"30000/1001"`, with times that are even.
        colour_tags: `"same"` (as the reference's), or the tags that are required, for example
            `{"primaries": "bt2020", "transfer": "smpte2084"}`; also `matrix` and `color_range`.
        bitstream: `"same"`: the packets must be those of the baseline, which `baseline=True` requests.
        closed_gop: Whether all groups of pictures must be closed.
        window: Seconds over which `max_peak_bitrate` is measured; 1 by default.
        vbv_size: A decoder's buffer in bits, which must not underflow. Requires `vbv_rate`.
        vbv_rate: The rate in bit/s at which the buffer fills.
        vbv_init: The share of the buffer that is full when decoding begins; 0.9 by default, as in x264 and x265.
    """

    codec: str | None
    profile: str | None
    pix_fmt: str | None
    frame_rate: float | str | Fraction | None
    colour_tags: Literal["same"] | Mapping[str, str] | None
    bitstream: Literal["same"] | None
    closed_gop: bool | None
    window: float | None
    vbv_size: float | None
    vbv_rate: float | None
    vbv_init: float | None


class StreamSettings(StreamExpectations, total=False):
    """The settings, gates and expectations of `vmaf.stream`.

    Attributes:
        ffmpeg: The path of the ffmpeg to use.
        timeout: Time limit of each reading, in seconds.
        baseline: Compare with a baseline: True, or the baseline's name.
        gates: Gates and tolerances whose names are not listed, by name.
        max_bitrate: The mean bitrate in bit/s.
        max_peak_bitrate: The highest bitrate over any window, in bit/s.
        max_size: The bytes of all packets.
        max_keyframe_distance: The most frames from one key frame to the next, or to the end.
        max_level: The highest level, for example `4.1`.
    """

    ffmpeg: str | os.PathLike[str] | None
    timeout: float | None
    baseline: bool | str | None
    gates: Mapping[str, float | str | bool | None] | None
    max_bitrate: float | None
    min_bitrate: float | None
    max_peak_bitrate: float | None
    max_size: float | None
    max_keyframe_distance: float | None
    max_level: float | str | None
    max_vbv_underflow: float | None
    max_bitrate_rise: float | str | None
