"""XPSNR by its formula, in NumPy, to compare ffmpeg's filter with. Only for pictures of up to 2048x1152."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: A frame: its planes.
Frame = Sequence[np.ndarray]
#: Small pictures smooth the weights of their blocks.
LARGEST_SMALL = 640 * 480


def xpsnr(reference: Sequence[Frame], distorted: Sequence[Frame], depth: int, rate: int = 25) -> list[list[float]]:
    """The XPSNR of each plane of each frame, in dB."""
    height, width = reference[0][0].shape
    share = width * height / (3840 * 2160)
    block = 4 * int(32 * math.sqrt(share) + 0.5)
    strength = math.sqrt(16 * (1 << (2 * depth - 9)) / math.sqrt(max(1e-5, share)))
    before = before_that = np.zeros((height, width), np.int64)
    rows = []
    for ref, dis in zip(reference, distorted, strict=True):
        luma = ref[0].astype(np.int64)
        change = 2 * abs(luma - before if rate < 32 else luma - 2 * before + before_that)
        weights = _weights(_detail(luma), change, block, depth)
        before, before_that = luma, before
        row = []
        for one, other in zip(ref, dis, strict=True):
            rows_of, columns_of = one.shape
            high, wide = block * rows_of // height, block * columns_of // width
            squares = (one.astype(np.int64) - other.astype(np.int64)) ** 2
            places = [(y, x) for y in range(0, rows_of, high) for x in range(0, columns_of, wide)]
            sums = [float(squares[y : y + high, x : x + wide].sum()) for y, x in places]
            error = int(sum(s * w for s, w in zip(sums, weights, strict=False)) * strength + 0.5)
            peak = one.size * ((1 << depth) - 1) ** 2
            row.append(10 * math.log10(peak / error) if error else math.inf)
        rows.append(row)
    return rows


def _detail(luma: np.ndarray) -> np.ndarray:
    """The picture behind a high pass, as ffmpeg filters it."""
    detail = np.zeros_like(luma)
    straight = luma[1:-1, :-2] + luma[1:-1, 2:] + luma[:-2, 1:-1] + luma[2:, 1:-1]
    diagonal = luma[:-2, :-2] + luma[:-2, 2:] + luma[2:, :-2] + luma[2:, 2:]
    detail[1:-1, 1:-1] = abs(12 * luma[1:-1, 1:-1] - 2 * straight - diagonal)
    return detail


def _weights(detail: np.ndarray, change: np.ndarray, block: int, depth: int) -> list[float]:
    height, width = detail.shape
    across = -(-width // block)
    weights: list[float] = []
    for y in range(0, height, block):
        for x in range(0, width, block):
            bottom, right = min(y + block, height), min(x + block, width)
            inner = detail[y or 1 : min(bottom, height - 1), x or 1 : min(right, width - 1)]
            activity = 1.0
            if inner.size:
                activity = max(inner.mean() + change[y:bottom, x:right].mean(), 1 << (depth - 6))
            weights.append(1 / activity)
            if width * height <= LARGEST_SMALL:
                _smooth(weights, across, first=x == 0, second=x == block, last=(right, bottom) == (width, height))
    return weights


def _smooth(weights: list[float], across: int, *, first: bool, second: bool, last: bool) -> None:
    """Limit the weight of the block before the last one by its neighbours, as they come."""
    index = len(weights) - 1
    if first:
        highest = weights[index - 2] if index > 1 else 0
    else:
        highest = weights[index] if second else max(weights[index - 2], weights[index])
    if index > across:
        highest = max(highest, weights[index - 1 - across])
    if index:
        weights[index - 1] = min(weights[index - 1], highest)
    if last and index > across:
        weights[index] = min(weights[index], max(weights[index - 1], weights[index - across]))
