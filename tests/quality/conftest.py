"""Scoring with the real ffmpeg, for all tests of the quality room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer

from pytest_vmaf.quality.clip import Clip, as_clip
from pytest_vmaf.quality.ffmpeg import find_ffmpeg
from pytest_vmaf.quality.logs import Log, read_log
from pytest_vmaf.quality.measure import MeasureRequest, measure
from pytest_vmaf.quality.result import Result

AnyClip = Clip | str | os.PathLike[str]


@pytest.fixture(scope="session")
def score() -> Callable[..., Result]:
    """score(reference, distorted, **settings): one real measurement by the ffmpeg scorer."""

    def run(reference: AnyClip, distorted: AnyClip, **settings: object) -> Result:
        return measure(MeasureRequest(as_clip(reference), as_clip(distorted), **settings), FfmpegScorer())  # type: ignore[arg-type]

    return run


@dataclass(frozen=True)
class Raw:
    """What libvmaf's filter did when it was run by hand."""

    returncode: int
    log: Log | None
    text: str


@pytest.fixture
def libvmaf(tmp_path: Path) -> Callable[..., Raw]:
    """libvmaf(distorted, reference, "model='…'"): the filter as one would call it by hand, and its log."""

    def run(
        distorted: Path, reference: Path, options: str, *, chain: str = "settb=AVTB,setpts=N", fmt: str = "xml"
    ) -> Raw:
        log = tmp_path / f"by-hand.{fmt}"
        log.unlink(missing_ok=True)
        graph = f"[0:v]{chain}[d];[1:v]{chain}[r];[d][r]libvmaf=log_path={log.name}:log_fmt={fmt}:{options}"
        argv = [find_ffmpeg().path, "-nostdin", "-hide_banner", "-i", distorted, "-i", reference]
        argv += ["-lavfi", graph, "-f", "null", "-"]
        end = subprocess.run(argv, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL)
        text = log.read_text() if log.exists() else ""
        return Raw(end.returncode, read_log(log) if text else None, text)

    return run


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which this process and its children make their temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    monkeypatch.setattr("tempfile.tempdir", None)
