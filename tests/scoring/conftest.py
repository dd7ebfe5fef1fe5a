"""Smaller clips than those of other folders, and their results, measured once for all tests that only read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
