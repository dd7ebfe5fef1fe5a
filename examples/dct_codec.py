"""A small video codec in NumPy: 8x8 DCT, prediction from the previous frame, quantisation, zig-zag, and entropy coding.

It stands for a codec of your own, for example a learned one: `encode` turns frames into bytes, and `decode` turns the
bytes, and nothing else, into frames.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Blocks = NDArray[np.float32]
SIDE = 8
#: Width and height of the frames, and the step of the quantiser.
HEADER = struct.Struct("<HHf")
#: How much coarser high frequencies are quantised than the mean: the eye misses them least.
SLOPE = 0.12
LZMA: Any = {"format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]}


def _dct_matrix() -> NDArray[np.float32]:
    """The orthonormal DCT-II of eight samples: `matrix @ samples`."""
    k, n = np.ogrid[:SIDE, :SIDE]
    matrix = np.cos(np.pi * k * (2 * n + 1) / (2 * SIDE)) * np.sqrt(2 / SIDE)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


DCT = _dct_matrix()
_ROW, _COLUMN = np.indices((SIDE, SIDE)).reshape(2, -1)
_DIAGONAL = _ROW + _COLUMN
#: The coefficients in the order of JPEG: along the diagonals, which change their direction.
ZIGZAG = np.lexsort((np.where(_DIAGONAL % 2, _ROW, _COLUMN), _DIAGONAL))
WEIGHTS = (1 + SLOPE * _DIAGONAL).astype(np.float32).reshape(SIDE, SIDE)


class DctCodec:
    """Encodes planes of YUV 4:2:0. Its qualities are steps of the quantiser; a larger one is coarser.

    A block is predicted from the same place in the previous frame, or from mid-grey if that is closer.
    """

    pix_fmt = "yuv420p"
    qualities = (4, 5.5, 8, 11, 16, 22, 32, 45, 64)
    #: Changes when the bytes change. Codecs with a version have their encodes cached.
    version = "1"

    def encode(self, frames: Iterable[tuple[Plane, Plane, Plane]], quality: float) -> bytes:
        """Encode frames. Only the previous frame and the bitstream are in memory."""
        parts: list[bytes] = []
        before: list[Blocks] = []
        for planes in frames:
            if not parts:
                height, width = planes[0].shape
                parts.append(HEADER.pack(width, height, quality))
            blocks = [split(plane) for plane in planes]
            levels, modes, decoded = [], [], []
            for number, block in enumerate(blocks):
                guess, mode = predict(block, before[number] if before else None)
                level = np.rint(transform(block - guess) / (WEIGHTS * np.float32(quality))).astype(np.int16)
                levels.append(level.reshape(-1, SIDE * SIDE)[:, ZIGZAG])
                modes.append(mode)
                # Predict from what the decoder will have, not from the source.
                decoded.append(reconstruct(level, guess, quality))
            before = decoded
            parts.append(pack(np.concatenate(levels), np.concatenate(modes)))
        return b"".join(parts)

    def decode(self, bitstream: bytes) -> Iterator[tuple[Plane, ...]]:
        """Decode the frames one by one."""
        width, height, quality = HEADER.unpack_from(bitstream)
        quality, place = float(np.float32(quality)), HEADER.size
        sizes = [(height, width), *[(-(-height // 2), -(-width // 2))] * 2]
        counts = [-(-h // SIDE) * -(-w // SIDE) for h, w in sizes]
        before: list[Blocks] = []
        while place < len(bitstream):
            levels, modes, place = unpack(bitstream, place, sum(counts))
            decoded = []
            for number, (first, count) in enumerate(zip(np.cumsum([0, *counts]), counts, strict=False)):
                own = slice(first, first + count)
                guess = guess_of(modes[own], before[number] if before else None)
                level = np.empty((count, SIDE * SIDE), np.int16)
                level[:, ZIGZAG] = levels[own]
                decoded.append(reconstruct(level.reshape(-1, SIDE, SIDE), guess, quality))
            before = decoded
            yield tuple(merge(each, size) for each, size in zip(decoded, sizes, strict=True))


def split(plane: Plane) -> Blocks:
    """The blocks of a plane, row by row. The last row and column are repeated up to a whole block."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % SIDE), (0, -width % SIDE)), "edge").astype(np.float32)
    rows = padded.reshape(padded.shape[0] // SIDE, SIDE, -1, SIDE)
    return rows.swapaxes(1, 2).reshape(-1, SIDE, SIDE)


def merge(blocks: Blocks, size: tuple[int, int]) -> Plane:
    """The plane of blocks, as whole numbers."""
    height, width = size
    columns = -(-width // SIDE)
    rows = blocks.reshape(-1, columns, SIDE, SIDE).swapaxes(1, 2)
    return np.rint(rows.reshape(-1, columns * SIDE)[:height, :width]).astype(np.uint8)


def transform(blocks: Blocks) -> Blocks:
    """The coefficients of blocks."""
    return DCT @ blocks @ DCT.T


def reconstruct(levels: NDArray[np.int16], guess: Blocks, quality: float) -> Blocks:
    """The samples of blocks, from 0 to 255."""
    coefficients = levels.astype(np.float32) * (WEIGHTS * np.float32(quality))
    return np.clip(DCT.T @ coefficients @ DCT + guess, 0, 255)


def predict(blocks: Blocks, before: Blocks | None) -> tuple[Blocks, NDArray[np.bool_]]:
    """The prediction of blocks, and which of them are predicted from the previous frame."""
    if before is None:
        modes = np.zeros(len(blocks), bool)
    else:
        # A constant costs little: the mean of a block is one coefficient.
        spread = np.abs(blocks - blocks.mean((1, 2), keepdims=True)).sum((1, 2))
        modes = np.abs(blocks - before).sum((1, 2)) < spread
    return guess_of(modes, before), modes


def guess_of(modes: NDArray[np.bool_], before: Blocks | None) -> Blocks:
    """The prediction of blocks."""
    grey = np.full((len(modes), SIDE, SIDE), 128, np.float32)
    return grey if before is None else np.where(modes[:, None, None], before, grey)


def pack(levels: NDArray[np.int16], modes: NDArray[np.bool_]) -> bytes:
    """The levels of a frame as bytes: for each block the number of levels up to its last one, then these levels."""
    ends = np.where(levels.any(1), SIDE * SIDE - np.argmax(levels[:, ::-1] != 0, 1), 0)
    used = np.arange(SIDE * SIDE) < ends[:, None]
    # Ordered by frequency, not by block, so that neighbours are alike.
    order = levels.T[used.T]
    small = np.clip(order, -127, 127).astype(np.int8)
    large = order[np.abs(order) >= 127]
    content = np.packbits(modes).tobytes() + ends.astype(np.uint8).tobytes() + small.tobytes() + large.tobytes()
    data = lzma.compress(content, **LZMA)
    return struct.pack("<I", len(data)) + data


def unpack(bitstream: bytes, place: int, count: int) -> tuple[NDArray[np.int16], NDArray[np.bool_], int]:
    """The levels and modes of a frame with `count` blocks, and the place of the next frame in the bitstream."""
    (length,) = struct.unpack_from("<I", bitstream, place)
    place += 4
    content = lzma.decompress(bitstream[place : place + length], **LZMA)
    flags = -(-count // 8)
    modes = np.unpackbits(np.frombuffer(content, np.uint8, flags), count=count).astype(bool)
    ends = np.frombuffer(content, np.uint8, count, flags)
    used = np.arange(SIDE * SIDE)[:, None] < ends
    small = np.frombuffer(content, np.int8, int(used.sum()), flags + count)
    order = small.astype(np.int16)
    order[np.abs(order) == 127] = np.frombuffer(content, np.int16, -1, flags + count + len(small))
    levels = np.zeros((SIDE * SIDE, count), np.int16)
    levels[used] = order
    return levels.T, modes, place + length
