"""Pictures of worst frames: the frames, their difference, formats, colours, sizes, and failures."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_vmaf import Clip, FakeScorer, GateViolation, Vmaf
from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import frame_pictures as images
from pytest_vmaf.report.frame_pictures import AMPLIFIED, JPEG_MAGIC, KINDS, MOST_BYTES, choose, worst_pictures
from pytest_vmaf.report.schema import PICTURE

LOSSLESS = ("-c:v", "ffv1")
#: Width and height of most clips here.
SIZE = (192, 128)
#: A source whose pictures are scaled down.
WIDE = ("-f", "lavfi", "-i", "color=gray:size=1920x96:rate=25,noise=alls=6:allf=t:all_seed=7,format=yuv420p")


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made; nothing may be left in it."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def rgb(ffmpeg: str) -> Callable[..., Any]:
    """rgb("-i", x, ..., size=(w, h)): the pictures that these arguments give, as an array of 8-bit RGB."""

    def run(*arguments: object, size: tuple[int, int] = SIZE, piped: bytes = b"") -> Any:
        argv = [ffmpeg, "-hide_banner", "-loglevel", "error", *map(str, arguments)]
        argv += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        out = subprocess.run(argv, check=True, capture_output=True, input=piped).stdout
        return np.frombuffer(out, np.uint8).reshape(-1, size[1], size[0], 3).astype(int)

    return run


@pytest.fixture
def frame_of(rgb: Callable[..., Any]) -> Callable[..., Any]:
    """frame_of(clip, 7): that frame as RGB, converted independently of the code under test."""

    @cache
    def frames(clip: Path, said: str, size: tuple[int, int]) -> Any:
        # Chroma to the left, as nearly all clips have it and the pictures take it to be.
        chroma = "in_h_chr_pos=0:in_v_chr_pos=128"
        chain = f"scale={said}:{chroma}:flags=bicubic+accurate_rnd+full_chroma_int"
        return rgb("-i", clip, "-vf", chain, size=size)

    return lambda clip, number, said="in_color_matrix=smpte170m", size=SIZE: frames(clip, said, size)[number]


@pytest.fixture
def decoded(rgb: Callable[..., Any]) -> Callable[..., Any]:
    """decoded(picture, "reference"): what that JPEG shows, as RGB."""

    def run(picture: dict[str, Any], kind: str) -> Any:
        jpeg = base64.b64decode(picture[kind])
        return rgb("-f", "jpeg_pipe", "-i", "-", size=(picture["width"], picture["height"]), piped=jpeg)[0]

    return run


def scored(reference: Any, distorted: Any, **settings: Any) -> Vmaf:
    """One measurement that fails by NEG and gap."""
    vmaf = Vmaf()
    with pytest.raises(GateViolation):
        vmaf.check(reference, distorted, min_neg=100, max_gap=-50, allow=["same", "frame_rate"], **settings)
    return vmaf


def pictured(vmaf: Vmaf, *frames: int, most: int = 10) -> list[dict[str, Any]]:
    """The pictures of these frames, or of the worst ones; none may be left out."""
    record = dict(vmaf.records[-1])
    if frames:
        record["worst"] = [{"metric": "neg", "frame": frame, "value": 1.5} for frame in frames]
    pictures, left_out = worst_pictures(record, *vmaf._context.records.clips[-1][:2], most)
    assert left_out is None
    for picture in pictures:
        conform(picture, PICTURE)
        for kind in KINDS:
            assert base64.b64decode(picture[kind]).startswith(JPEG_MAGIC)
            assert len(base64.b64decode(picture[kind])) <= MOST_BYTES
    return pictures


def psnr(a: Any, b: Any) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a - b) ** 2), 1e-9)))


@pytest.fixture(scope="module")
def reference(clip: Path) -> Path:
    """Twelve frames of 192x128."""
    return clip


@pytest.fixture(scope="module")
def encoded(clip: Path, encode: Callable[..., Path]) -> Path:
    """An honest encode of them."""
    return encode(clip, 30)


@pytest.fixture(scope="module")
def session(reference: Path, encoded: Path) -> Vmaf:
    """One measurement of an honest encode, for all tests that change nothing about it."""
    return scored(reference, encoded)


# Which frames


@pytest.mark.slow
def test_frames(reference, encoded, session, decoded, frame_of):
    pictures = pictured(session, 5, 11, 0, 6)
    assert [picture["frame"] for picture in pictures] == [5, 11, 0, 6]
    assert [picture["time"] for picture in pictures] == [0.2, 0.44, 0.0, 0.24]
    for picture in pictures:
        for kind, clip in (("reference", reference), ("distorted", encoded)):
            shown, number = decoded(picture, kind), picture["frame"]
            assert psnr(shown, frame_of(clip, number)) > 35
            for other in {number - 1, number + 1} & set(range(12)):
                assert psnr(shown, frame_of(clip, number)) > psnr(shown, frame_of(clip, other)) + 6


def test_worst_frames(session):
    pictures = pictured(session, most=3)
    worst = {(row["metric"], row["frame"], row["value"]) for row in session.records[-1]["worst"]}
    assert len({picture["frame"] for picture in pictures}) == 3
    assert {"neg", "gap"} == {picture["metric"] for picture in pictures[:2]}
    assert {(picture["metric"], picture["frame"], picture["value"]) for picture in pictures} <= worst
    for picture in pictures:
        sizes = [picture[key] for key in ("width", "height", "full_width", "full_height", "amplified")]
        assert sizes == [*SIZE, *SIZE, AMPLIFIED]


def test_passed_measurement(reference, encoded):
    vmaf = Vmaf()
    vmaf.score(reference, encoded)
    assert [picture["metric"] for picture in pictured(vmaf, most=2)] == ["neg", "neg"]


def test_choose():
    def rows(metric: str, *frames: int) -> list[dict[str, Any]]:
        return [{"metric": metric, "frame": frame, "value": 0.0} for frame in frames]

    def chosen(most: int, *worst: list[dict[str, Any]]) -> list[tuple[str, int]]:
        return [(row["metric"], row["frame"]) for row in choose((row for each in worst for row in each), most)]

    neg, gap, vmaf = rows("neg", 3, 4, 5), rows("gap", 3, 9, 4), rows("vmaf", 7)
    assert chosen(10, neg, gap, vmaf) == [("neg", 3), ("gap", 9), ("vmaf", 7), ("neg", 4), ("neg", 5)]
    assert chosen(2, neg, gap, vmaf) == [("neg", 3), ("gap", 9)]
    assert chosen(0, neg) == chosen(3) == []


@pytest.mark.slow
def test_aligned_clips(reference, make, tmp_path, decoded, frame_of):
    late = make("-i", reference, "-vf", "trim=start_frame=3,setpts=PTS-STARTPTS", *LOSSLESS, tmp_path / "late.mkv")
    (picture,) = pictured(scored(reference, late, align=True), 7)
    assert psnr(decoded(picture, "reference"), frame_of(reference, 10)) > 35
    assert psnr(decoded(picture, "distorted"), frame_of(late, 7)) > 35
    assert decoded(picture, "difference").max() == 0


@pytest.mark.slow
def test_fractional_rate(footage, decoded, frame_of):
    slow, ntsc = footage("96x64", 6, "1/7"), footage("96x64", 6, "30000/1001")
    for clip, times in ((slow, [14, 35]), (ntsc, [2 * 1001 / 30000, 5 * 1001 / 30000])):
        pictures = pictured(scored(clip, clip), 2, 5)
        assert [picture["time"] for picture in pictures] == pytest.approx(times)
        for picture in pictures:
            assert psnr(decoded(picture, "reference"), frame_of(clip, picture["frame"], size=(96, 64))) > 30


# The difference


def test_difference(reference, make, tmp_path, decoded):
    box = "drawbox=x=40:y=32:w=64:h=48:color=red:t=fill"
    drawn = make("-i", reference, "-vf", box, *LOSSLESS, tmp_path / "drawn.mkv")
    (picture,) = pictured(scored(reference, drawn), 9)
    difference = decoded(picture, "difference")
    assert difference[36:76, 44:100].max(axis=2).mean() > 200
    difference[24:88, 32:112] = 0
    assert difference.max() == 0


@pytest.mark.slow
def test_difference_before_scaling(make, tmp_path, decoded):
    # Lines one pixel wide and of opposite signs: gone without a trace where the pictures are averaged first.
    clip = make(*WIDE, "-frames:v", 2, *LOSSLESS, tmp_path / "wide.mkv")
    lines = "geq=lum='clip(lum(X,Y)+4-8*mod(X,2),0,255)':cb='cb(X,Y)':cr='cr(X,Y)'"
    striped = make("-i", clip, "-vf", lines, *LOSSLESS, tmp_path / "striped.mkv")
    (picture,) = pictured(scored(clip, striped), 1)
    # 4 of 219 steps of luma are 4.66 of 255 in RGB, times 8.
    assert 31 < decoded(picture, "difference").mean() < 41
    assert psnr(decoded(picture, "reference"), decoded(picture, "distorted")) > 35


@pytest.mark.slow
def test_chroma_location(reference, make, tmp_path, decoded):
    centred = tmp_path / "centred.mkv"
    make("-i", reference, "-c:v", "libx264", "-qp", 0, "-chroma_sample_location", "center", centred)
    (picture,) = pictured(scored(reference, centred), 5)
    assert decoded(picture, "difference").max() == 0


# Formats and colours


@pytest.mark.slow
def test_ten_bits(reference, make, tmp_path, decoded, frame_of):
    ten = make("-i", reference, "-pix_fmt", "yuv420p10le", *LOSSLESS, tmp_path / "ten.mkv")
    worse = tmp_path / "worse.mkv"
    make("-i", ten, "-vf", "gblur=2", "-pix_fmt", "yuv420p10le", *LOSSLESS, worse)
    (picture,) = pictured(scored(ten, worse), 5)
    assert psnr(decoded(picture, "reference"), frame_of(reference, 5)) > 35
    assert decoded(picture, "difference").mean() > 10
    (same,) = pictured(scored(ten, ten), 5)
    assert decoded(same, "difference").max() == 0


@pytest.mark.slow
def test_raw_video(reference, encoded, make, tmp_path, decoded, frame_of):
    raw = make("-i", reference, "-f", "rawvideo", "-pix_fmt", "yuv420p", tmp_path / "raw.yuv")
    (picture,) = pictured(scored(Clip(raw, width=SIZE[0], height=SIZE[1], frame_rate=50), encoded), 6)
    assert picture["time"] == 0.12
    assert psnr(decoded(picture, "reference"), frame_of(reference, 6)) > 35


@pytest.mark.slow
def test_scaled_clip(reference, encode, decoded, frame_of):
    half = encode(reference, 20, "scale=96:64")
    (picture,) = pictured(scored(reference, half, scale="bicubic"), 6)
    assert (picture["full_width"], picture["full_height"]) == SIZE
    scaled = "192:128:in_color_matrix=smpte170m"
    assert psnr(decoded(picture, "distorted"), frame_of(half, 6, said=scaled)) > 32
    assert decoded(picture, "difference").mean() > 5


@pytest.mark.parametrize(
    ("matrix", "color_range"),
    [
        ("bt709", "tv"),
        pytest.param("smpte170m", "pc", marks=pytest.mark.slow),
        pytest.param("bt2020nc", "tv", marks=pytest.mark.slow),
        pytest.param("unknown", "pc", marks=pytest.mark.slow),
    ],
)
def test_colours(make, tmp_path, decoded, rgb, matrix, color_range):
    true = matrix if matrix != "unknown" else "smpte170m"
    source = "smptebars=size=320x180:rate=25,hue=H=0.02*n,format=gbrp"
    chain = f"scale=out_color_matrix={true.replace('nc', '')}:out_range={color_range},format=yuv444p"
    tags = f"setparams=range={color_range}:colorspace={matrix}"
    clip = tmp_path / "bars.mkv"
    make("-f", "lavfi", "-i", source, "-frames:v", 2, "-vf", f"{chain},{tags}", "-c:v", "libx264", "-qp", 0, clip)
    vmaf = scored(clip, clip)
    assert vmaf.records[-1]["provenance"]["color_range"] == color_range
    (picture,) = pictured(vmaf, 0)
    shown = decoded(picture, "reference")
    [true_picture] = rgb("-f", "lavfi", "-i", source, "-frames:v", 1, size=(320, 180))
    # The first bars of the SMPTE pattern: grey, yellow, cyan, green.
    for number in range(4):
        bar = np.s_[40:60, number * 46 + 18 : number * 46 + 28]
        assert np.abs(shown[bar].mean(axis=(0, 1)) - true_picture[bar].mean(axis=(0, 1))).max() < 5


@pytest.mark.slow
def test_colours_of_rgb(make, tmp_path, decoded, rgb):
    source = "testsrc2=size=320x180:rate=25,format=rgb24"
    still = make("-f", "lavfi", "-i", source, "-frames:v", 1, tmp_path / "still.png")
    (picture,) = pictured(scored(still, still), 0)
    assert picture["time"] is None
    assert psnr(decoded(picture, "distorted"), rgb("-i", still, size=(320, 180))[0]) > 32


# Size


@pytest.mark.slow
def test_large_frames(make, tmp_path, decoded):
    clip = make(*WIDE, "-frames:v", 2, *LOSSLESS, tmp_path / "wide.mkv")
    (picture,) = pictured(scored(clip, clip), 1)
    sizes = [picture[key] for key in ("width", "height", "full_width", "full_height")]
    assert sizes == [960, 48, 1920, 96]
    assert decoded(picture, "reference").shape == (48, 960, 3)


@pytest.mark.slow
def test_tall_frames(make, tmp_path, decoded):
    clip = tmp_path / "tall.mkv"
    make("-f", "lavfi", "-i", "testsrc2=size=66x1922:rate=25", "-frames:v", 2, *LOSSLESS, clip)
    (picture,) = pictured(scored(clip, clip), 1)
    assert (picture["width"], picture["height"]) == (33, 960)
    assert decoded(picture, "reference").shape == (960, 33, 3)


def test_large_jpegs(session, monkeypatch):
    vmaf = session
    (fine,) = pictured(vmaf, 3)
    size = max(len(base64.b64decode(fine[kind])) for kind in KINDS)
    monkeypatch.setattr(images, "MOST_BYTES", size - 1)
    (coarse,) = pictured(vmaf, 3)
    assert max(len(base64.b64decode(coarse[kind])) for kind in KINDS) < size
    monkeypatch.setattr(images, "MOST_BYTES", 1000)
    pictures, left_out = worst_pictures(vmaf.records[-1], *vmaf._context.records.clips[-1][:2], 2)
    assert pictures == []
    assert left_out.startswith("Left out, as they are larger than 1 KB: frame ")


# What keeps them from being made


def test_missing_clip(reference, make, tmp_path):
    short_lived = make("-i", reference, "-vf", "gblur=1", *LOSSLESS, tmp_path / "short-lived.mkv")
    vmaf = scored(reference, short_lived)
    short_lived.unlink()
    pictures, why = worst_pictures(vmaf.records[-1], *vmaf._context.records.clips[-1][:2], 2)
    assert pictures == []
    assert why == f"There are no pictures: {short_lived} does not exist."


@pytest.mark.slow
def test_shorter_clip(reference, make, tmp_path):
    clip = make("-i", reference, *LOSSLESS, tmp_path / "clip.mkv")
    vmaf = scored(reference, clip)
    make("-i", reference, "-frames:v", 5, *LOSSLESS, clip)
    record = {**vmaf.records[-1], "worst": [{"metric": "neg", "frame": 10, "value": 1.0}]}
    pictures, why = worst_pictures(record, *vmaf._context.records.clips[-1][:2], 2)
    assert pictures == []
    assert "has a clip changed since it was scored?" in why


@pytest.mark.slow
def test_broken_clip(reference, make, tmp_path):
    clip = make("-i", reference, *LOSSLESS, tmp_path / "clip.mkv")
    vmaf = scored(reference, clip)
    clip.write_bytes(b"no video")
    pictures, why = worst_pictures(vmaf.records[-1], *vmaf._context.records.clips[-1][:2], 2)
    assert pictures == []
    assert why.startswith("There are no pictures: ffmpeg ended with exit code ")
    assert "\n" not in why


def test_fake_scorer():
    vmaf = Vmaf(scorer=FakeScorer())
    vmaf.score("a.mkv", "b.mkv")
    pictures, why = worst_pictures(vmaf.records[-1], *vmaf._context.records.clips[-1][:2], 2)
    assert pictures == []
    assert why == "There are no pictures, because the scorer reads no clips."


def test_no_frames(reference):
    clip = Clip(reference)
    assert worst_pictures({"status": "error"}, clip, clip, 2) == (
        [],
        "There are no pictures, because the record has no worst frames.",
    )
    assert worst_pictures({"status": "failed"}, clip, clip, 0) == ([], None)


def test_missing_or_slow_ffmpeg(session, monkeypatch):
    vmaf = session
    record = vmaf.records[-1]
    gone = {**record, "provenance": {**record["provenance"], "ffmpeg_path": "/nowhere/ffmpeg"}}
    reason = "/nowhere/ffmpeg cannot be started: No such file or directory."
    assert worst_pictures(gone, *vmaf._context.records.clips[-1][:2], 2) == ([], f"There are no pictures: {reason}")
    monkeypatch.setattr(images, "TIMEOUT", 0.01)
    assert worst_pictures(record, *vmaf._context.records.clips[-1][:2], 2) == (
        [],
        "There are no pictures: they took more than 0.01 s.",
    )


def test_no_temporary_folder(session, monkeypatch):
    vmaf = session
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    pictures, why = worst_pictures(vmaf.records[-1], *vmaf._context.records.clips[-1][:2], 2)
    assert pictures == []
    assert why == "There are no pictures: the system refused (No such file or directory)."
