"""Resamples: how often each of them contains each clip. The same for all metrics, so that metrics are paired."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from pytest_vmaf.correlation.coefficients import Floats

#: Numbers of clips that are drawn at once.
CHUNK = 1 << 20


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
    step = max(1, CHUNK // len(names))
    for start in range(0, count, step):
        rows = min(step, count - start)
        drawn = rng.integers(len(names), size=(rows, len(names)))
        drawn += np.arange(rows)[:, None] * len(names)
        times = np.bincount(drawn.ravel(), minlength=rows * len(names)).reshape(rows, -1)
        weights[1 + start : 1 + start + rows] = times[:, block]
    return weights
