"""Results of the session's clips, measured once for all tests that only read them."""

from __future__ import annotations

import pytest

from pytest_vmaf.scoring.result import Result


@pytest.fixture(scope="session")
def honest(score, reference, encoded) -> Result:
    """The honest encode's result."""
    return score(reference, encoded)


@pytest.fixture(scope="session")
def enhanced(score, reference, sharpened) -> Result:
    """The sharpened encode's result, with features."""
    return score(reference, sharpened, features=("float_ssim", "cambi"))


@pytest.fixture(scope="session")
def itself(score, reference) -> Result:
    """The reference's result against itself."""
    return score(reference, reference)
