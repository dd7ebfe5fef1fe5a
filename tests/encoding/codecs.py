"""Codecs in Python for tests: one that rounds samples, and one that changes nothing."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


class Rounding:
    """Rounds samples to multiples of the quality + 1, and decodes frame by frame."""

    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        steps = [np.rint(frame / (quality + 1)).astype(np.uint8) for frame in frames]
        return zlib.compress(pickle.dumps((quality, steps)), 1)

    def decode(self, bitstream: bytes) -> Iterator[Any]:
        quality, steps = pickle.loads(zlib.decompress(bitstream))
        for step in steps:
            yield np.rint(step * float(quality + 1)).clip(0, 255).astype(np.uint8)


class Lossless:
    """Stores frames of any layout as they are."""

    def __init__(self, pix_fmt: str = "rgb24") -> None:
        self.pix_fmt = pix_fmt

    def encode(self, frames: Iterable[Any], quality: float) -> bytes:
        return zlib.compress(pickle.dumps((quality, list(frames))), 1)

    def decode(self, bitstream: bytes) -> Iterable[Any]:
        frames: Iterable[Any] = pickle.loads(zlib.decompress(bitstream))[1]
        return frames
