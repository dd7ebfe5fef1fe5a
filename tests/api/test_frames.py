"""Frames in memory in the methods of Vmaf: scores bit by bit as of files, names, rates, errors, and no file left."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_vmaf import Clip, ClipError, FakeScorer, GateViolation, PairError, SettingsError, Vmaf, read_frames

Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def small(footage: Callable[..., Path]) -> Path:
    return footage("176x144", 8)


@pytest.fixture(scope="module")
def coded(encode: Callable[..., Path], small: Path) -> Path:
    return encode(small, 34)


@pytest.fixture(scope="module")
def pair(small: Path, coded: Path) -> tuple[Frames, Frames]:
    reference, distorted = (np.stack(list(read_frames(clip))) for clip in (small, coded))
    return reference, distorted


@pytest.fixture
def vmaf() -> Vmaf:
    return Vmaf(cache=False, progress=False)


@pytest.mark.slow
def test_scores_of_planes(vmaf: Vmaf, small: Path, coded: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    """The scores are those of the file with the same samples, in 8 and 10 bits, whatever holds the frames."""
    for pix_fmt in ("yuv420p", "yuv420p10le"):
        files = [
            make("-i", clip, "-pix_fmt", pix_fmt, "-strict", "-1", tmp_path / f"{clip.stem}-{pix_fmt}.y4m")
            for clip in (small, coded)
        ]
        expected = vmaf.score(*files, features=["float_ssim"])
        frames = (read_frames(file, pix_fmt=pix_fmt) for file in files)
        clips = [Clip.from_frames(each, pix_fmt=pix_fmt) for each in frames]
        result = vmaf.score(*clips, features=["float_ssim"])
        assert list(result.neg.frames) == list(expected.neg.frames)
        assert list(result.vmaf.frames) == list(expected.vmaf.frames)
        assert list(result.features["float_ssim"].frames) == list(expected.features["float_ssim"].frames)
        # A file on one side, frames on the other. The rate is that of the file.
        mixed = vmaf.score(files[0], clips[1])
        assert (mixed.neg, mixed.context.frame_rate) == (expected.neg, 25)


@pytest.mark.slow
def test_scores_of_rgb(vmaf: Vmaf, pair: tuple[Frames, Frames], small: Path, coded: Path, tmp_path: Path) -> None:
    raw = []
    for name, frames in zip("ab", pair, strict=True):
        (tmp_path / f"{name}.rgb").write_bytes(frames.tobytes())
        raw.append(Clip(tmp_path / f"{name}.rgb", width=176, height=144, pix_fmt="rgb24"))
    expected = vmaf.score(*raw)
    for reference, distorted in (pair, map(list, pair), map(iter, pair)):
        result = vmaf.score(reference, distorted)
        assert list(result.neg.frames) == list(expected.neg.frames)
    # Against a YUV file, RGB is treated as a sequence of PNG is.
    pictures = ["-f", "rawvideo", "-video_size", "176x144", "-pix_fmt", "rgb24", "-i", tmp_path / "b.rgb"]
    return_code = make_png(pictures, tmp_path)
    assert return_code == 0
    as_png, as_array = vmaf.score(small, tmp_path / "f%02d.png"), vmaf.score(small, pair[1])
    assert list(as_png.neg.frames) == list(as_array.neg.frames)
    notes = [note for note in as_array.provenance["notes"] if "converted" in note]
    assert notes == [note.replace("gbrp", "rgb24") for note in as_png.provenance["notes"] if "converted" in note]


def make_png(arguments: list[object], folder: Path) -> int:
    import subprocess

    from pytest_vmaf.media.ffmpeg import find_ffmpeg

    argv = [find_ffmpeg().path, "-loglevel", "error", *map(str, arguments), str(folder / "f%02d.png")]
    return subprocess.run(argv, check=False).returncode


def test_names(vmaf: Vmaf, pair: tuple[Frames, Frames], temp: Path) -> None:
    """Nothing that people read names the temporary file."""
    named = Clip.from_frames(pair[1], name="codec [q=3] <b>")
    result = vmaf.score(pair[0], named)
    assert result.context.reference == "frames in memory (8 frames, 176x144 rgb24)"
    assert result.context.distorted == "codec [q=3] <b> (8 frames in memory, 176x144 rgb24)"
    assert result.context.frame_rate == 25
    assert "no frame rate is stated; 25 frames/s are assumed for frames in memory" in result.provenance["notes"]
    assert "codec-q-3-b-" in result.provenance["command"]
    assert "hold frames that were in memory" in result.provenance["command"]
    with pytest.raises(GateViolation) as caught:
        vmaf.check(pair[0], named, min_neg=100)
    assert "codec [q=3] <b>" in str(caught.value)
    assert str(temp) not in f"{vmaf.records} {vmaf.sections} {caught.value} {result!r} {result.to_json()}"


@pytest.mark.slow
def test_no_file_left(vmaf: Vmaf, pair: tuple[Frames, Frames], temp: Path) -> None:
    results = [
        vmaf.score(*pair),
        vmaf.self_score(iter(pair[0])),
        vmaf.roi(*pair, synthetic_mask=1.0),
        vmaf.quality_map(*pair, grid=(2, 1)),
        vmaf.score(*pair, regions={"a": (0, 0, 64, 64)}),
    ]
    for reference, distorted in ((pair[0], pair[0]), (pair[0], pair[1][:7]), (pair[0], pair[1][:, :100]), (pair[0], 5)):
        with pytest.raises((PairError, ClipError)):
            vmaf.check(reference, distorted)
    gc.collect()
    assert not [*temp.iterdir()]
    assert len(results) == 5


@pytest.mark.slow
def test_errors(vmaf: Vmaf, pair: tuple[Frames, Frames]) -> None:
    with pytest.raises(PairError, match="different lengths: 8 frames in the reference, 7 in the distorted clip"):
        vmaf.score(pair[0], pair[1][:7])
    with pytest.raises(PairError, match="same: the distorted clip is the reference itself"):
        vmaf.check(pair[0], pair[0])
    with pytest.raises(PairError, match="same: the distorted clip is a copy of the reference"):
        vmaf.check(pair[0], pair[0].copy())
    frames = iter(pair[0])
    with pytest.raises(ClipError, match="distorted frames in memory: the iterator yielded no frame"):
        vmaf.check(frames, frames)
    with pytest.raises(PairError, match="rate: the reference has 25 frames/s, the distorted clip 30"):
        vmaf.check(Clip.from_frames(pair[0], frame_rate=25), Clip.from_frames(pair[1], frame_rate=30))
    with pytest.raises(PairError, match=r"dataclasses.replace\(Clip.from_frames\(…\), crop=\(0, 0, 176, 100\)\)"):
        vmaf.check(pair[0], pair[1][:, :100])
    for method in (vmaf.check, vmaf.score, vmaf.roi, vmaf.quality_map):
        with pytest.raises(ClipError, match="must be a path, a Clip"):
            method(pair[0], 5)  # type: ignore[operator]
    with pytest.raises(SettingsError, match="min_negg"):
        vmaf.check(*map(iter, pair), min_negg=3)  # type: ignore[call-arg]
    assert vmaf.records[-1]["reference"] == "frames in memory"


def test_raising_generator(vmaf: Vmaf, pair: tuple[Frames, Frames], temp: Path) -> None:
    def decode() -> Iterator[Frames]:
        yield from pair[1][:3]
        raise ZeroDivisionError("in the decoder")

    with pytest.raises(
        ClipError, match="distorted frames in memory: making frame 3 raised ZeroDivisionError"
    ) as caught:
        vmaf.check(pair[0], decode())
    assert caught.value.frame == 3
    # pytest shows where the user's own function raised.
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [entry.name for entry in pytest.ExceptionInfo.from_exception(caught.value.__cause__).traceback][
        -1
    ] == "decode"
    assert vmaf.records[-1]["status"] == "error"
    with pytest.raises(ClipError, match="source frames in memory: making frame 3 raised"):
        vmaf.bisect(decode(), encoder="libx264", targets=90)
    gc.collect()
    assert not [*temp.iterdir()]


@pytest.mark.slow
def test_parts(vmaf: Vmaf, pair: tuple[Frames, Frames], small: Path) -> None:
    clips = [Clip.from_frames(each) for each in pair]
    whole = vmaf.score(*clips)
    part = vmaf.score(*clips, part=(2, 4))
    # The first frame has no motion in a part, and the rest are the same.
    assert part.neg.frames[1:] == pytest.approx(whole.neg.frames[3:6], abs=1e-4)
    # In seconds: at the rate of the other clip, else at 25 frames/s.
    assert vmaf.score(*clips, part=("0.08s", "0.16s")).neg == part.neg
    fast = Clip(small, frame_rate=50)
    assert vmaf.score(fast, clips[1], part=("0.04s", "0.08s")).neg == vmaf.score(small, clips[1], part=(2, 4)).neg
    cropped = [replace(clip, crop=(16, 16, 128, 96)) for clip in clips]
    sliced = [each[:, 16:112, 16:144] for each in pair]
    assert vmaf.score(*cropped).neg == pytest.approx(vmaf.score(*sliced).neg, abs=1e-4)


def test_cache(pair: tuple[Frames, Frames], tmp_path: Path) -> None:
    """The content is what counts, not the temporary file."""
    first, second = (Vmaf(cache_dir=str(tmp_path), progress=False).score(*map(iter, pair)) for _ in range(2))
    assert first.neg == second.neg
    assert not first.provenance["cached"]
    assert second.provenance["cached"]


def test_fake_scorer(pair: tuple[Frames, Frames]) -> None:
    vmaf = Vmaf(scorer=FakeScorer(neg=93), progress=False)
    assert vmaf.check(*pair, max_contrast=None).neg == 93


@pytest.mark.slow
def test_search(vmaf: Vmaf, pair: tuple[Frames, Frames], temp: Path, tmp_path: Path) -> None:
    """Frames are the source of searches; at 25 frames/s, if nothing is stated."""
    bisection = vmaf.bisect(iter(pair[0]), encoder="libx264:ultrafast", targets=60, keep=tmp_path / "keep")
    assert bisection[60].bitrate == pytest.approx(bisection[60].size * 8 * 25 / 8)
    assert {path.name.partition("-libx264")[0] for path in (tmp_path / "keep").iterdir()} == {"frames-in-memory"}
    encode = vmaf.encode(pair[0], tmp_path / "e.mp4", encoder="libx264", crf=30)
    assert vmaf.score(pair[0], encode).neg > 60
    with pytest.raises(
        SettingsError, match=r'once.* Frames in memory need names: Clip.from_frames\(frames, name="a"\)'
    ):
        vmaf.compare(list(pair), encoders=["libx264"], targets=60)
    part = replace(Clip.from_frames(pair[0]), start=2)
    with pytest.raises(SettingsError, match=r"Pass only these frames or pixels: Clip.from_frames\(frames\[10:58\]\)"):
        vmaf.encode(part, tmp_path / "f.mp4", encoder="enc -i {input} -o {output} --crf {crf}", crf=30)
    del part
    assert str(temp) not in f"{vmaf.records} {vmaf.sections}"
    del bisection, encode
    gc.collect()
    assert not [*temp.iterdir()]
