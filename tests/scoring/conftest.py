"""Smaller clips than those of other folders, and their results, measured once for all tests that only read them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_vmaf.media.clip import Clip
from pytest_vmaf.scoring.result import Result


@pytest.fixture(scope="session")
def reference(footage: Callable[..., Path]) -> Path:
    """A small lossless reference: 192x108, 12 frames at 25 frames/s, yuv420p."""
    return footage("192x108", 12)


@pytest.fixture(scope="session")
def encoded(reference: Path, encode: Callable[..., Path]) -> Path:
    """An honest encode of the reference."""
    return encode(reference, 28)


@pytest.fixture(scope="session")
def sharpened(reference: Path, encode: Callable[..., Path]) -> Path:
    """An encode whose default score was raised by a sharpening filter."""
    return encode(reference, 16, "unsharp=5:5:1.0")


@pytest.fixture(scope="session")
def honest(score, reference, encoded) -> Result:
    """The honest encode's result."""
    return score(reference, encoded)


@pytest.fixture(scope="session")
def enhanced(score, reference, sharpened) -> Result:
    """The sharpened encode's result, with features."""
    return score(reference, sharpened, features=("float_ssim",))


@pytest.fixture(scope="session")
def itself(score, reference) -> Result:
    """The reference's result against itself."""
    return score(reference, reference)


# Netflix's test patterns, which are formulas: 1920x1080 4:2:0 in 8 bit, 3 frames.

#: The git hashes of the clips in Netflix/vmaf_resource, python/test/resource/yuv.
HASHES = {
    "flat 16": "046620c544d4815d4e19b583f9df910200b9f931",
    "flat 25": "6c4b98367958a0d3d60e344f91b5a6f4b767996e",
    "board 0": "816e61aceb23dff272738f1397e6d7c76f46a3bf",
    "board 10": "ad5531ac2fd778ad7210f4aa589b1b1cdfd86546",
    "board 19": "123d5fee437e77ffce9f26b0a5da8c8606046765",
}


def checkerboard(shift: int) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    """Squares of 10 pixels, black and white, that move by a pixel a frame and begin this far to the left."""
    return lambda x, y, frame: np.where(((x + shift - frame) // 10 + y // 10) % 2 == 0, 16, 235)


def flat(level: int) -> Callable[[np.ndarray, np.ndarray, int], np.ndarray]:
    """One level of luma."""
    return lambda x, y, frame: np.full((1080, 1920), level)


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Clip]:
    """The clip of a pattern by its name. Each is written once."""
    folder, clips = tmp_path_factory.mktemp("patterns"), dict[str, Clip]()
    patterns = {"flat 16": flat(16), "flat 25": flat(25), **{f"board {s}": checkerboard(s) for s in (0, 10, 19)}}

    def write(name: str) -> Clip:
        if name not in clips:
            path = folder / f"{name.replace(' ', '-')}.yuv"
            x, y, chroma = np.arange(1920), np.arange(1080)[:, None], bytes([128]) * (1920 * 1080 // 2)
            lumas = (patterns[name](x, y, frame).astype(np.uint8).tobytes() for frame in range(3))
            data = b"".join(luma + chroma for luma in lumas)
            assert hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == HASHES[name]
            path.write_bytes(data)
            clips[name] = Clip(path, width=1920, height=1080, pix_fmt="yuv420p", frame_rate=24)
        return clips[name]

    return write
