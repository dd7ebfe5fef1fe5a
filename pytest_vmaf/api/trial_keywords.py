"""The keywords of `Vmaf.speed` and `Vmaf.determinism` as typed dictionaries, as in `keywords`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pytest_vmaf.api.encode_keywords import BitrateOptions
from pytest_vmaf.api.keywords import EncodeOptions, EncoderLike, EncoderOptions, Limit, Settings, ToleranceLimit


class SpeedSettings(Settings, EncodeOptions, BitrateOptions, total=False):
    """The settings of `vmaf.speed`, with its gates.

    Attributes:
        against: A second encoder to run in turn, such as the last release: as `encoder`, or `EncoderOptions`.
        rounds: How many encodes of each encoder to time. With gates it is the most of them, since the measurement ends
            as soon as their verdict is clear. None is 8, or up to 40 with gates; 3 where instructions are counted.
        clock: What a slowdown is judged by: CPU seconds, wall seconds, or instructions (of perf or valgrind).
        decode: Whether to time the decoding of the encodes, too.
        min_encode_fps: Gate: encoded frames per wall second.
        min_decode_fps: Gate: decoded frames per wall second.
        max_speed_drop: Gate: by how much slower than `against`, or than its baseline, the encoder may be, for example
            `"5%"`.
        baseline: Compare with an earlier run on this machine: True, or the baseline's name. Excludes `against`.
    """

    against: EncoderLike | EncoderOptions | None
    rounds: int | None
    clock: Literal["cpu", "wall", "instructions"]
    decode: bool
    gates: Mapping[str, float | str | bool | None] | None
    min_encode_fps: Limit
    min_decode_fps: Limit
    max_speed_drop: ToleranceLimit
    baseline: bool | str | None


class DeterminismSettings(Settings, EncodeOptions, BitrateOptions, total=False):
    """The settings of `vmaf.determinism`.

    Attributes:
        runs: How many times to encode, at least 2; by default 3.
        expect: Gate: `"bitstream"` requires the same packets each time, `"quality"` the same scores of each frame.
    """

    runs: int
    expect: Literal["bitstream", "quality"] | None
