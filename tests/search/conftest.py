"""What the tests of searches share: a short clip, one encode of it, and one real bisection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.search.bisection import Bisection
from search.builders import copying, search


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Eight frames of 192x128 pixels."""
    return footage("192x128", 8)


@pytest.fixture(scope="session")
def copy(short: Path, encode: Callable[..., Path]) -> Encoder:
    """An encoder that writes the same encode of the short clip at every CRF."""
    return copying(encode(short, 30))


@pytest.fixture(scope="session")
def plain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the encodes of `plain` are."""
    return tmp_path_factory.mktemp("kept") / "here"


@pytest.fixture(scope="session")
def plain(short: Path, plain_folder: Path) -> Bisection:
    """What x264 needs on the short clip for NEG 60 and 80; nothing of it reaches 99.9."""
    encoder = ENCODERS["libx264"]
    return search(short, encoder, 60, 80, 99.9, scorer=FfmpegScorer(), preset="ultrafast", keep=plain_folder)
