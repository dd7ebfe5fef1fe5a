"""The ffmpeg scorer when it encodes, too: one process, every frame counted, and its errors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vmaf.errors import PairError, ScorerError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer, arguments
from pytest_vmaf.scoring.measure import conclude
from pytest_vmaf.scoring.prepare import MeasureRequest, PreparedScoring, prepare
from pytest_vmaf.scoring.scorer import EncodeStep, EncodingScorer, Tools

pytestmark = pytest.mark.every_python

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "30")


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Twelve frames of 192x128 pixels."""
    return footage("192x128", 12)


@pytest.fixture(scope="session")
def first(short: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> PreparedScoring:
    """The prepared scoring of the source and its first encode."""
    path = make("-i", short, *X264, tmp_path_factory.mktemp("first") / "first.mp4")
    return prepare(MeasureRequest(Clip(short), Clip(path)), FfmpegScorer())


def step(
    first: PreparedScoring, path: Path, *more: str, source: Path | None = None
) -> tuple[PreparedScoring, EncodeStep]:
    """The next encode of that pair, to this path."""
    job = replace(first.job, distorted=replace(first.job.distorted, clip=Clip(path)))
    encode = EncodeStep(Clip(source) if source else first.job.reference.clip, (*X264, *more), path)
    return replace(first, job=job), encode


def test_can_encode(ffmpeg: str, tmp_path: Path) -> None:
    scorer = FfmpegScorer()
    assert isinstance(scorer, EncodingScorer)
    assert scorer.can_encode(Tools(find_ffmpeg()))
    old = tmp_path / "old-ffmpeg"
    old.write_text("#!/bin/sh\necho \"Unrecognized option 'dec'.\" >&2\nexit 8\n")
    old.chmod(0o755)
    assert not scorer.can_encode(Tools(replace(find_ffmpeg(), path=str(old))))


def test_encode_and_score(first: PreparedScoring, tmp_path: Path) -> None:
    prepared, encode = step(first, tmp_path / "second.mp4")
    scorer = FfmpegScorer()
    together, apart = scorer.encode_and_score(prepared.job, encode), scorer.score(first.job)
    assert together.columns == apart.columns
    assert together.pooled_means == apart.pooled_means
    assert (together.reference_frames, together.distorted_frames) == (12, 12)
    assert (tmp_path / "second.mp4").read_bytes() == first.job.distorted.clip.path.read_bytes()


def test_source_other_than_reference(
    first: PreparedScoring, make: Callable[..., Path], short: Path, tmp_path: Path, ffmpeg: str
) -> None:
    soft = make("-i", short, "-vf", "gblur=1", "-c:v", "ffv1", tmp_path / "soft.mkv")
    prepared, encode = step(first, tmp_path / "soft.mp4", source=soft)
    together = FfmpegScorer().encode_and_score(prepared.job, encode)
    assert count_frames(Clip(tmp_path / "soft.mp4"), ffmpeg) == 12
    assert together.columns == FfmpegScorer().score(prepared.job).columns
    assert together.columns != FfmpegScorer().score(first.job).columns


def test_source_is_decoded_once(first: PreparedScoring, tmp_path: Path) -> None:
    prepared, encode = step(first, tmp_path / "a.mp4")
    models = dict.fromkeys(first.job.models, "")
    assert arguments([prepared.job], models, encode).count("-i") == 1
    assert arguments([first.job], models).count("-i") == 2


@pytest.mark.parametrize("name", ['it\'s a "name" $HOME.mp4', "-per%cent %d co:lon,comma;semi[bracket].mp4"])
def test_the_encode_may_have_any_name(name: str, first: PreparedScoring, tmp_path: Path, ffmpeg: str) -> None:
    prepared, encode = step(first, tmp_path / name)
    assert FfmpegScorer().encode_and_score(prepared.job, encode).distorted_frames == 12
    assert count_frames(Clip(tmp_path / name), ffmpeg) == 12


@pytest.mark.parametrize(("more", "frames"), [(("-frames:v", "9"), 9), (("-vf", "select=lt(n\\,11)"), 11)])
def test_dropped_frames_are_counted(more: tuple[str, ...], frames: int, first: PreparedScoring, tmp_path: Path) -> None:
    prepared, encode = step(first, tmp_path / "a.mp4", *more)
    log = FfmpegScorer().encode_and_score(prepared.job, encode)
    assert (log.reference_frames, log.distorted_frames) == (12, frames)
    with pytest.raises(PairError, match=f"12 frames in the reference, {frames} in the distorted clip"):
        conclude(prepared, log)


def test_failing_encoder(first: PreparedScoring, tmp_path: Path) -> None:
    prepared, encode = step(first, tmp_path / "a.mp4", "-vf", "crop=999:10")
    with pytest.raises(ScorerError, match=r"(?s)ffmpeg could not .*Invalid too big or non positive size"):
        FfmpegScorer().encode_and_score(prepared.job, encode)


def test_damaged_source(first: PreparedScoring, make: Callable[..., Path], short: Path, tmp_path: Path) -> None:
    source = make("-i", short, "-c:v", "libx264", "-crf", 10, tmp_path / "source.mp4")
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    source.write_bytes(data)
    prepared, encode = step(first, tmp_path / "a.mp4", source=source)
    with pytest.raises(ScorerError):
        FfmpegScorer().encode_and_score(prepared.job, encode)


def test_command_repeats_encode_and_score(first: PreparedScoring, tmp_path: Path) -> None:
    prepared, encode = step(first, tmp_path / "a.mp4")
    log = FfmpegScorer().encode_and_score(prepared.job, encode)
    again = tmp_path / "again"
    again.mkdir()
    subprocess.run(log.command, shell=True, cwd=again, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert (again / "a.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()
    assert (again / "vmaf.xml").exists()


def test_progress_is_told(first: PreparedScoring, tmp_path: Path) -> None:
    counts: list[int] = []
    prepared, encode = step(first, tmp_path / "a.mp4")
    FfmpegScorer().encode_and_score(replace(prepared.job, progress=counts.append), encode)
    assert counts
    assert counts[-1] <= 12
