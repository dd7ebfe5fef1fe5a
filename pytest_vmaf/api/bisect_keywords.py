"""The keywords of `Vmaf.bisect` as typed dictionaries, as in `keywords`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Required

from pytest_vmaf.api.keywords import BisectSettings, EncoderLike, Limit


class BisectOptions(BisectSettings, total=False):
    """The settings of `vmaf.bisect`, with its gates.

    Attributes:
        max_bitrate: Gate: bits per second, for all targets or as `{target: limit}`.
        min_crf: Gate: the lowest CRF allowed, for all targets or as `{target: limit}`.
    """

    max_bitrate: Limit | Mapping[float, float]
    min_crf: Limit | Mapping[float, float]


class BisectCall(BisectOptions, total=False):
    """The keywords of `vmaf.bisect`.

    Attributes:
        encoder: The encoder.
        targets: One score, or several, which share one search.
    """

    encoder: Required[EncoderLike]
    targets: Required[float | Sequence[float]]
