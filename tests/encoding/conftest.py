"""Programs that encode, for the tests of the encoding room: scripts around the real ffmpeg."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_vmaf.encoding.encode import Job
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.quality.clip import Clip, as_clip
from pytest_vmaf.quality.ffmpeg import inspect


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which this process and its children make their temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def program(ffmpeg: str, tmp_path: Path) -> Callable[..., Path]:
    """program("ffmpeg -i $1 …", name="my enc"): an executable script in which ffmpeg is the one that scores."""
    if os.name != "posix":
        pytest.skip("the programs are shell scripts")

    def write(*lines: str, name: str = "enc") -> Path:
        path = tmp_path / name
        quiet = f'ffmpeg() {{ {shlex.quote(ffmpeg)} -nostdin -hide_banner -v error -y "$@"; }}'
        path.write_text("\n".join(["#!/bin/sh", quiet, *lines, ""]))
        path.chmod(0o755)
        return path

    return write


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """A source that is encoded soon: 192x128, 12 frames at 25 frames/s, yuv420p."""
    return footage("192x128", 12)


@pytest.fixture
def job(ffmpeg: str, clip: Path) -> Callable[..., Job]:
    """job(encoder, source=clip, **settings): what `make_encode` gets; encoders known here may be named."""

    def make(encoder: Encoder | str, source: Clip | Path = clip, **settings: object) -> Job:
        chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
        return Job(chosen, inspect(as_clip(source), ffmpeg, 1), ffmpeg, **settings)  # type: ignore[arg-type]

    return make
