"""The codec of the example suite: its bitstream has all that its decoder needs, for any size and any level."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from docs.test_examples import ROOT


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the codec."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    import dct_codec

    yield dct_codec
    sys.modules.pop("dct_codec")


def pictures(width: int, height: int, count: int = 3) -> list[tuple[Any, ...]]:
    """Frames with a moving edge and noise in it."""
    noise = np.random.default_rng(1)
    frames = []
    for number in range(count):
        luma = np.full((height, width), 60.0)
        luma[:, number * 3 :] = 200
        luma[: height // 2] += noise.normal(0, 20, (height // 2, width))
        chroma = np.full((2, -(-height // 2), -(-width // 2)), 100 + number)
        frames.append(tuple(np.clip(plane, 0, 255).astype(np.uint8) for plane in (luma, *chroma)))
    return frames


@pytest.mark.parametrize(("width", "height"), [(32, 16), (35, 21), (8, 8), (1, 1)])
def test_round_trip(codec: Any, width: int, height: int) -> None:
    frames = pictures(width, height)
    errors, sizes = [], []
    for quality in codec.DctCodec.qualities[::4]:
        data = codec.DctCodec().encode(iter(frames), quality)
        decoded = list(codec.DctCodec().decode(data))
        assert [[plane.shape for plane in each] for each in decoded] == [[p.shape for p in each] for each in frames]
        assert {plane.dtype.name for each in decoded for plane in each} == {"uint8"}
        planes = [pair for both in zip(decoded, frames, strict=True) for pair in zip(*both, strict=True)]
        errors.append(max(float(np.abs(a.astype(float) - b).mean()) for a, b in planes))
        sizes.append(len(data))
    assert errors[0] < 2.5
    if width > 8:
        assert errors == sorted(errors)
        assert sizes == sorted(sizes, reverse=True)


def test_levels(codec: Any) -> None:
    random = np.random.default_rng(2)
    levels = random.integers(-1100, 1100, (7, 64)).astype(np.int16)
    levels[0], levels[1, 5:], levels[2, :3] = 0, 0, (127, -127, 126)
    modes = random.random(7) < 0.5
    data = codec.pack(levels, modes)
    again, flags, place = codec.unpack(b"head" + data + b"tail", 4, 7)
    assert np.array_equal(again, levels)
    assert np.array_equal(flags, modes)
    assert place == 4 + len(data)


def test_zigzag(codec: Any) -> None:
    assert codec.ZIGZAG[:10].tolist() == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]
    assert np.allclose(codec.DCT @ codec.DCT.T, np.eye(8), atol=1e-6)
