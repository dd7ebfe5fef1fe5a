"""Decoding to NumPy frames: every layout, parts and filters, errors, and that no process is left."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import pytest_vmaf
from pytest_vmaf.errors import ClipError, ScorerError
from pytest_vmaf.media import read_frames as module
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.read_frames import read_frames

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def children() -> list[str]:
    """The programs that this process has started and that have not ended."""
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


@pytest.fixture(scope="module")
def small(footage: Callable[..., Path]) -> Path:
    return footage("176x144", 8)


@pytest.mark.parametrize(
    ("pix_fmt", "shapes", "kind"),
    [
        ("rgb24", [(144, 176, 3)], np.uint8),
        ("bgr24", [(144, 176, 3)], np.uint8),
        ("rgb48", [(144, 176, 3)], np.uint16),
        ("gbrp", [(144, 176, 3)], np.uint8),
        ("gbrp10le", [(144, 176, 3)], np.uint16),
        ("gbrpf32le", [(144, 176, 3)], np.float32),
        ("gray", [(144, 176)], np.uint8),
        ("gray10le", [(144, 176)], np.uint16),
        ("yuv420p", [(144, 176), (72, 88), (72, 88)], np.uint8),
        ("yuv422p10le", [(144, 176), (144, 88), (144, 88)], np.uint16),
    ],
)
def test_layouts(small: Path, pix_fmt: str, shapes: Sequence[tuple[int, ...]], kind: type) -> None:
    frame = next(frames := read_frames(small, pix_fmt=pix_fmt))
    frames.close()  # type: ignore[attr-defined]
    parts = frame if isinstance(frame, tuple) else (frame,)
    assert [part.shape for part in parts] == list(shapes)
    assert {part.dtype.type for part in parts} == {kind}
    # A user may change what he gets.
    parts[0][0] = 0


def test_content(small: Path) -> None:
    """RGB is in the same order in every layout, and what is written is what is read."""
    rgb, bgr, planar, wide, real = (
        np.stack(list(read_frames(small, pix_fmt=name)))  # type: ignore[arg-type]
        for name in ("rgb24", "bgr24", "gbrp", "rgb48le", "gbrpf32le")
    )
    assert (rgb == bgr[..., ::-1]).all()
    assert np.abs(rgb.astype(int) - planar).max() <= 1
    assert np.abs(rgb / 255 - wide / 65535).max() < 0.01
    assert np.abs(wide / 65535 - real).max() < 0.01
    assert (np.stack(list(pytest_vmaf.read_frames(rgb))) == rgb).all()
    planes = list(read_frames(small, pix_fmt="yuv420p"))
    copy = Clip.from_frames(planes, pix_fmt="yuv420p")
    again = list(read_frames(copy, pix_fmt="yuv420p"))
    assert all((a == b).all() for pair in zip(planes, again, strict=True) for a, b in zip(*pair, strict=True))


def test_selection(small: Path, ffmpeg: str) -> None:
    whole = list(read_frames(small, pix_fmt="gray"))
    part = list(read_frames(Clip(small, start=2, frames=3, crop=(10, 20, 64, 48)), pix_fmt="gray"))
    assert len(part) == 3
    assert all((a == b[20:68, 10:74]).all() for a, b in zip(part, whole[2:5], strict=True))
    assert len(list(read_frames(Clip(small, frames="0.2s"), pix_fmt="gray"))) == 5
    half = list(read_frames(Clip(small), ffmpeg, pix_fmt="gray", size=(88, 72), filters="scale=88:72"))
    assert (len(half), half[0].shape) == (8, (72, 88))


def test_refused(small: Path, tmp_path: Path) -> None:
    # At the call, and not with the first frame.
    with pytest.raises(ClipError, match="does not exist"):
        read_frames(tmp_path / "no.mp4")
    with pytest.raises(ClipError, match="pix_fmt of frames must be RGB, grey or planar YUV"):
        read_frames(small, pix_fmt="nv12")
    with pytest.raises(ScorerError, match=r"cannot be started"):
        read_frames(small, str(tmp_path / "ffmpeg"))
    with pytest.raises(ClipError, match="must be a path, a Clip"):
        read_frames(5)  # type: ignore[call-overload]


def test_unknown_option(small: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'filter'"):
        read_frames(small, filter="null")  # type: ignore[call-overload]


def test_damaged(footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path) -> None:
    """A clip that breaks off is an error at its end, after the frames that there are."""
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart")
    whole = make("-i", footage("176x144", 48), *codec, tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 3 // 4])
    frames = read_frames(tmp_path / "cut.mp4", pix_fmt="gray")
    assert next(frames).shape == (144, 176)
    with pytest.raises(ClipError, match=r"cut\.mp4 is (cut off or )?damaged"):
        list(frames)


@pytest.mark.slow
@linux
def test_closing(footage: Callable[..., Path]) -> None:
    """No process is left when the iterator is closed, collected, or stopped by an error."""
    clip = footage("640x360", 24)
    before = children()
    frames = read_frames(clip)
    next(frames)
    assert len(children()) > len(before)
    frames.close()  # type: ignore[attr-defined]
    assert children() == before
    frames = read_frames(clip)
    next(frames)
    del frames
    gc.collect()
    assert children() == before
    # Nothing is started for an iterator that nobody reads.
    read_frames(clip)
    assert children() == before


@pytest.mark.slow
def test_slow_reader(footage: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec that takes its time is not a decoder that hangs."""
    monkeypatch.setattr(module, "FfmpegCommand", partial(FfmpegCommand, stall_limit=1.2))
    frames = read_frames(footage("640x360", 24))
    next(frames)
    time.sleep(2.6)
    assert len(list(frames)) == 23


@pytest.mark.slow
def test_timeout(footage: Callable[..., Path]) -> None:
    frames = read_frames(footage("640x360", 24), timeout=0.6)
    next(frames)
    time.sleep(1.2)
    with pytest.raises(ScorerError, match=r"time limit of 0\.6 s was exceeded"):
        list(frames)
