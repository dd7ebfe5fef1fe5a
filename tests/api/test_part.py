"""The setting `part`: what it applies to, and what a result of it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf import Clip, FakeScorer, Vmaf
from pytest_vmaf.errors import PairError, SettingsError


@pytest.fixture(scope="module")
def source(footage: Callable[..., Path]) -> Path:
    """24 frames."""
    return footage("176x144", 24)


def test_paths(source: Path, encode: Callable[..., Path]) -> None:
    distorted, part = encode(source, 30), {"start": 4, "frames": 6}
    by_setting = Vmaf(part=(4, 6)).score(source, distorted)
    by_clips = Vmaf().score(Clip(source, **part), Clip(distorted, **part))
    assert by_setting == by_clips
    assert len(by_setting.neg.frames) == 6


@pytest.mark.slow
def test_encodes(source: Path, tmp_path: Path) -> None:
    """An encode is of the part already. A search encodes the part, too."""
    vmaf = Vmaf(part=("0.16s", "0.24s"))
    settings = {"encoder": "libx264", "preset": "ultrafast"}
    encode = vmaf.encode(source, tmp_path / "out.mp4", crf=30, **settings)
    assert encode.frames == 6
    assert len(vmaf.check(source, encode, signs=False).neg.frames) == 6
    bisection = vmaf.bisect(source, targets=10, crf=(40, 41), **settings)
    assert bisection.reference.endswith("(frames 4 to 9)")
    assert len(vmaf.self_score(source).neg.frames) == 6


def test_own_part() -> None:
    vmaf = Vmaf(scorer=FakeScorer(), part="1,2")
    vmaf.score(Clip("a.mkv", start=5, frames=2), "b.mkv")
    [record] = vmaf.records
    assert (record["reference"], record["distorted"]) == ("a.mkv (frames 5 to 6)", "b.mkv (frames 1 to 2)")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("4", 'must be a start and a length, in frames (100, 48) or in seconds ("4s", "2s"), not'),
        ((1, 2, 3), "must be a start and a length, in frames"),
        ((-1, 2), "start must be the number of a frame, from 0 on"),
        ("4,0", "frames must be a number of frames, from 1 on"),
        (5, "must be a start and a length, in frames"),
        ((True, 2), "start must be the number of a frame"),
    ],
)
def test_invalid(value: object, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Vmaf(scorer=FakeScorer(), part=value)  # type: ignore[arg-type]
    assert said in str(refused.value)


@pytest.mark.slow
def test_path_of_an_encode(source: Path, tmp_path: Path) -> None:
    """The part of an encode of the part is refused, with the way to read it whole."""
    vmaf = Vmaf(part=(4, 8))
    encode = vmaf.encode(source, tmp_path / "out.mp4", encoder="libx264", preset="ultrafast", crf=20)
    with pytest.raises(PairError, match=r"from its first frame: (Clip\('.*out\.mp4', frames=8\))\.") as refused:
        vmaf.score(source, encode.path)
    stated = re.search(r"its first frame: (Clip\(.*\))\.", str(refused.value))[1]
    # A part has neither bitrate nor size, so the results differ in these alone.
    assert vmaf.score(source, eval(stated)).neg.frames == vmaf.score(source, encode).neg.frames


def test_whole_clips() -> None:
    vmaf = Vmaf(scorer=FakeScorer(), part=(1, 2))
    vmaf.score("a.mkv", "b.mkv", part=(0, None))
    assert vmaf.records[0]["reference"] == "a.mkv"
