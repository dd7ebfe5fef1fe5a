"""Resamples: how often each of them contains each clip. The same for all metrics, so that metrics are paired."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from pytest_vmaf.correlation.coefficients import Floats


def resample(blocks: Sequence[str], count: int, seed: int, group: str) -> Floats:
    """Draw resamples with replacement.

    Args:
        blocks: The block of each clip, such as its source. Clips of a block are drawn together.
        count: How many resamples.
        seed: Equal seeds give equal resamples, whatever the other groups are.
        group: The name of the group of clips.

    Returns:
        The weights: the first row is 1 for each clip, and there is one more for each resample.
    """
    names, block = np.unique(np.asarray(blocks), return_inverse=True)
    rng = np.random.default_rng([seed, zlib.crc32(group.encode("utf-8", "surrogatepass"))])
    weights = np.ones((count + 1, len(block)))
    for row in range(1, count + 1):
        drawn = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        weights[row] = drawn[block]
    return weights
