"""Regions on real clips: their scores, gates, tracks, records and refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf import (
    Clip,
    ClipError,
    FakeScorer,
    GateViolation,
    MeasurementError,
    ModelError,
    PairError,
    Region,
    Result,
    ScorerError,
    SettingsError,
    Vmaf,
)
from pytest_vmaf.media.pixel_formats import CHROMA_SHIFT
from pytest_vmaf.plugins import ffmpeg as ffmpeg_plugin, vmaf_cli
from pytest_vmaf.roi.blending import layout_of, planes_of
from pytest_vmaf.roi.regions import MOST_REGIONS
from pytest_vmaf.scoring import self_scores as above

Box = tuple[int, int, int, int]
Boxes = list[Box]
FRAMES = 4
#: Odd in both directions, so that chroma has half a sample at its edges.
WIDTH, HEIGHT = 161, 97
#: Each of these boxes is compared with a crop by hand; the others are only scored beside them.
BY_HAND = ("all odd", "last pixels", "smallest")


@pytest.fixture(scope="session")
def raw(
    footage: Callable[..., Path], make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Clip, Clip]]:
    """raw("yuv420p"): a reference and an encode of it as raw clips of WIDTH x HEIGHT pixels."""
    made: dict[str, tuple[Clip, Clip]] = {}
    folder = tmp_path_factory.mktemp("raw")

    def pair(pix_fmt: str) -> tuple[Clip, Clip]:
        if pix_fmt not in made:
            clips = []
            scene = footage("320x180", FRAMES)
            coded = make(
                "-i", scene, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "34", folder / f"{pix_fmt}.mp4"
            )
            for name, source in (("reference", scene), ("distorted", coded)):
                path = folder / f"{name}-{pix_fmt}.yuv"
                cut = (
                    f"format={pix_fmt.replace('420', '444').replace('422', '444')},crop={WIDTH}:{HEIGHT}:60:31:exact=1"
                )
                make("-i", source, "-vf", f"{cut},format={pix_fmt}", "-f", "rawvideo", path)
                clips.append(Clip(path, width=WIDTH, height=HEIGHT, pix_fmt=pix_fmt, frame_rate=25))
            made[pix_fmt] = clips[0], clips[1]
        return made[pix_fmt]

    return pair


def cut_by_hand(clip: Clip, boxes: Boxes, path: Path) -> Clip:
    """The same rectangles of the raw frames, by slices of their samples."""
    layout = layout_of(str(clip.pix_fmt), WIDTH, HEIGHT)
    across, down = CHROMA_SHIFT[layout.chroma]
    content = clip.path.read_bytes()
    with path.open("wb") as out:
        for index, (x, y, w, h) in enumerate(boxes):
            frame = content[index * layout.frame_bytes : (index + 1) * layout.frame_bytes]
            luma, *chroma = planes_of(frame, layout)
            out.write(luma[y : y + h, x : x + w].tobytes())
            # Half a sample at the end is a whole one.
            left, top = x >> across, y >> down
            wide, high = -(-w >> across), -(-h >> down)
            for plane in chroma:
                out.write(plane[top : top + high, left : left + wide].tobytes())
    return Clip(path, width=boxes[0][2], height=boxes[0][3], pix_fmt=clip.pix_fmt, frame_rate=25)


def assert_same(region: Result, alone: Result) -> None:
    for metric in ("vmaf", "neg", "gap", "psnr_y", "psnr_cb", "psnr_cr"):
        assert region[metric].unclipped.frames == pytest.approx(alone[metric].unclipped.frames, abs=1e-6), metric
    assert region.above_100.frames == alone.above_100.frames


def moving(w: int, h: int) -> Boxes:
    """Odd and even places, in steps of one and of many pixels."""
    return [(17, 9, w, h), (18, 9, w, h), (WIDTH - w, HEIGHT - h, w, h), (0, 1, w, h)]


STILL: dict[str, Box] = {
    "even": (16, 8, 64, 48),
    "odd place": (17, 9, 64, 48),
    "odd size": (16, 8, 65, 47),
    "all odd": (31, 17, 51, 43),
    # Not smaller: libvmaf's scores of 33x21 pixels of more than 8 bits vary from run to run.
    "last pixels": (WIDTH - 53, HEIGHT - 45, 53, 45),
    "smallest": (3, 5, 18, 18),
    "all of it": (0, 0, WIDTH, HEIGHT),
}


@pytest.mark.slow
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_regions_equal_crops(
    pix_fmt: str, raw: Callable[[str], tuple[Clip, Clip]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, distorted = raw(pix_fmt)
    commands: list[Any] = []
    real = ffmpeg_plugin.run

    def counting(command: Any, timeout: float | None) -> Any:
        commands.append(command)
        return real(command, timeout)

    monkeypatch.setattr(ffmpeg_plugin, "run", counting)
    tracks = {"moves": moving(65, 47), "moves evenly": moving(64, 48)}
    regions = {name: Region(*box) for name, box in STILL.items()}
    regions |= {name: Region.track(track) for name, track in tracks.items()}
    result = Vmaf().score(reference, distorted, regions=regions)
    monkeypatch.undo()
    # The second, where there is one, scores the reference against itself.
    assert [command.argv.count("-i") for command in commands] in ([2], [2, 1])
    assert " ".join(commands[0].argv).count("libvmaf=") == 1 + len(regions)
    assert_same(result.regions["all of it"], result)
    if pix_fmt == "yuv420p":
        whole = Vmaf().score(reference, distorted)
        assert result.vmaf.frames == whole.vmaf.frames
        assert result.neg.frames == whole.neg.frames
        assert {name: score.frames for name, score in result.features.items()} == {
            name: score.frames for name, score in whole.features.items()
        }
    assert list(result.regions) == list(regions)
    assert len({float(each.neg) for each in result.regions.values()}) == len(regions)
    # What a crop is, is the same code for all; one stands for the others.
    for name in BY_HAND[:1] if pix_fmt != "yuv420p" else BY_HAND:
        boxes = [STILL[name]] * FRAMES
        pair = [cut_by_hand(clip, boxes, tmp_path / f"{name}-{n}.yuv") for n, clip in enumerate((reference, distorted))]
        assert_same(result.regions[name], Vmaf().score(*pair))
    for name, boxes in tracks.items():
        pair = [cut_by_hand(clip, boxes, tmp_path / f"{name}-{n}.yuv") for n, clip in enumerate((reference, distorted))]
        assert_same(result.regions[name], Vmaf().score(*pair))


def test_region_size_and_name(raw: Callable[[str], tuple[Clip, Clip]]) -> None:
    reference, distorted = raw("yuv420p")
    result = Vmaf().score(
        reference, distorted, regions={"face": (31, 17, 51, 43), "ball": Region.track(moving(50, 50))}
    )
    face = result.regions["face"]
    assert (face.neg.scale.width, face.neg.scale.height) == (51, 43)
    assert face.context.distorted.endswith("[face 51x43+31+17]")
    assert result.regions["ball"].context.distorted.endswith("[ball 50x50, moving]")
    with pytest.raises(TypeError, match="are different scales"):
        assert face.neg < result.neg


def test_largest_window(raw: Callable[[str], tuple[Clip, Clip]], tmp_path: Path) -> None:
    reference, distorted = raw("yuv420p")
    boxes = [(100, 50, 20, 20), (101, 51, 40, 20), (120, 60, 41, 30), (0, 0, 20, 20)]
    result = Vmaf().score(reference, distorted, regions={"ball": Region.track(boxes, largest=True)})
    # Centred around each box, and moved inside the picture.
    windows = [(89, 45, 41, 30), (100, 46, 41, 30), (120, 60, 41, 30), (0, 0, 41, 30)]
    windows[0] = (100 + (20 - 41) // 2, 50 + (20 - 30) // 2, 41, 30)
    windows[1] = (101 + (40 - 41) // 2, 51 + (20 - 30) // 2, 41, 30)
    pair = [cut_by_hand(clip, windows, tmp_path / f"{n}.yuv") for n, clip in enumerate((reference, distorted))]
    assert_same(result.regions["ball"], Vmaf().score(*pair))


@pytest.fixture(scope="session", params=["standin", "real"])
def tool(request: pytest.FixtureRequest, standin: str) -> str:
    if not os.path.isdir("/dev/fd"):
        pytest.skip("the scorer needs /dev/fd; this system has none")
    if request.param == "real":
        return shutil.which("vmaf") or pytest.skip(
            "no `vmaf` on PATH; install libvmaf's tools (Netflix/vmaf) to run this against the real one"
        )
    return standin


@pytest.mark.slow
def test_vmaf_tool_scores_regions(
    tool: str, raw: Callable[[str], tuple[Clip, Clip]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Version 3.2.0 of the tool reads odd sizes without subsampled chroma alone.
    reference, distorted = raw("yuv444p")
    regions = {"face": Region(31, 17, 51, 43), "ball": Region.track(moving(65, 47))}
    ours = Vmaf().score(reference, distorted, regions=regions)
    sizes: list[tuple[int, int]] = []
    real = vmaf_cli.VmafCliScorer.score

    def counting(self: Any, request: Any) -> Any:
        sizes.append((request.width, request.height))
        return real(self, request)

    monkeypatch.setattr(vmaf_cli.VmafCliScorer, "score", counting)
    other = Vmaf(scorer="vmaf", vmaf_bin=tool).score(reference, distorted, regions=regions)
    # More are self-scores.
    assert sizes[:3] == [(WIDTH, HEIGHT), (51, 43), (65, 47)]
    for one, two in ((other, ours), *zip(other.regions.values(), ours.regions.values(), strict=True)):
        assert one.neg.frames == pytest.approx(two.neg.frames, abs=1e-3)


# What a region tells that the whole picture hides.


@pytest.fixture(scope="session")
def touched(footage: Callable[..., Path], make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """touched("unsharp=5:5:1.5"): the clip with a filter over 96x72 of its 320x180 pixels, from 200, 80 on."""
    folder = tmp_path_factory.mktemp("touched")

    @cache
    def clip(filters: str, box: Box = (200, 80, 96, 72)) -> Path:
        x, y, w, h = box
        graph = f"[0]crop={w}:{h}:{x}:{y},{filters}[s];[0][s]overlay={x}:{y}:format=yuv420"
        output = folder / f"{len(list(folder.iterdir()))}.mkv"
        source = footage("320x180", FRAMES)
        return make("-i", source, "-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "ffv1", output)

    return clip


SHARP = "unsharp=5:5:0.6"
LOCAL = (200, 80, 96, 72)


def test_local_sharpening(footage: Callable[..., Path], touched: Any) -> None:
    reference = footage("320x180", FRAMES)
    regions = {"face": Region(*LOCAL), "sky": Region(0, 0, 96, 72)}
    # The gap of the whole picture hides it.
    result = Vmaf().score(reference, touched(SHARP), regions=regions, max_gap=3)
    assert result.regions["face"].gap > 8
    assert list(result.regions["face"].above_100)
    # What lies outside of it is the reference itself.
    assert result.regions["sky"].gap == pytest.approx(0, abs=0.01)
    assert not result.regions["sky"].above_100
    for frame, score, own in result.regions["face"].above_100.frames:
        assert score == result.regions["face"].vmaf.unclipped.frames[frame] > own > 95


@pytest.mark.parametrize("stored", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_self_scores_of_regions(
    footage: Callable[..., Path],
    touched: Any,
    make: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: Any,
    stored: bool,
) -> None:
    # Those of sequences are not kept, nor all of very many regions.
    if not stored:
        monkeypatch.setattr(above, "remember", lambda *_: None)
    # Another file, so that no self-score of it is known.
    reference = Path(shutil.copy(footage("320x180", FRAMES), tmp_path / "reference.mkv"))
    distorted = touched(SHARP)
    runs: list[int] = []
    real = ffmpeg_plugin.run

    def counting(command: Any, timeout: float | None) -> Any:
        runs.append(" ".join(command.argv).count("libvmaf="))
        return real(command, timeout)

    monkeypatch.setattr(ffmpeg_plugin, "run", counting)
    regions = {"face": Region(*LOCAL), "nose": Region(220, 90, 60, 50)}
    result = Vmaf().score(reference, distorted, regions=regions)
    assert runs[0] == 3
    assert len(runs) == 2
    assert runs[1] >= 2
    monkeypatch.undo()
    crop = make("-i", reference, "-vf", "crop=60:50:220:90:exact=1", "-c:v", "ffv1", tmp_path / "crop.mkv")
    own = Vmaf().self_score(crop).vmaf.unclipped.frames
    for frame, _, self_score in result.regions["nose"].above_100.frames:
        assert self_score == pytest.approx(own[frame], abs=1e-6)
    assert result.regions["nose"].above_100


def test_flat_region_is_an_error(make: Callable[..., Path], tmp_path: Path) -> None:
    flat = "drawbox=0:0:40:40:black:fill"
    reference, distorted = (
        make(
            *("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25,{boxes},format=yuv420p"),
            *("-frames:v", FRAMES, "-c:v", "ffv1", tmp_path / name),
        )
        for boxes, name in ((flat, "a.mkv"), (flat.replace("black", "white"), "b.mkv"))
    )
    assert Vmaf().score(reference, distorted).neg
    with pytest.raises(ScorerError, match=r"^title card: VMAF is not meaningful for 4 of 4 frames"):
        Vmaf().score(reference, distorted, regions={"title card": Region(0, 0, 40, 40)})


# What is refused.


@pytest.mark.parametrize(
    ("generation", "box", "sides"),
    [
        ("v0", (0, 0, 17, 90), "18 pixels on the shorter and 18"),
        pytest.param("v0", (0, 0, 90, 17), "18 pixels on the shorter and 18", marks=pytest.mark.slow),
        pytest.param("v1", (0, 0, 320, 159), "160 pixels on the shorter and 216", marks=pytest.mark.slow),
        ("v1", (0, 0, 215, 170), "160 pixels on the shorter and 216"),
    ],
)
def test_region_too_small(generation: str, box: Box, sides: str, reference: Path, encoded: Path) -> None:
    with pytest.raises(ModelError, match=rf"Pictures of 'face' of {box[2]}x{box[3]} are too small .* {sides}"):
        Vmaf(generation=generation).score(reference, encoded, regions={"face": box})


@pytest.mark.slow
def test_smallest_regions(footage: Callable[..., Path], touched: Any) -> None:
    reference, distorted = footage("320x180", FRAMES), touched("gblur=2")
    assert Vmaf().score(reference, distorted, regions={"a": (5, 5, 18, 18)}).regions["a"].neg > 90
    assert Vmaf(generation="v1").score(reference, distorted, regions={"a": (50, 7, 216, 160)}).regions["a"].neg > 10


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((300, 0, 21, 50), "Region 'face' reaches to x=321, but the picture has 320x180 pixels"),
        ((0, 131, 50, 50), "Region 'face' reaches to y=181, but the picture has 320x180 pixels"),
        (Region.track([(0, 0, 50, 50), (271, 0, 50, 50)], hold=True), "reaches to x=321 in frame 1"),
    ],
)
def test_region_outside_frame(
    region: Any, message: str, reference: Path, encoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("it was scored")

    monkeypatch.setattr(ffmpeg_plugin, "run", never)
    vmaf = Vmaf()
    with pytest.raises(PairError, match=re.escape(message)):
        vmaf.score(reference, encoded, regions={"face": region})
    assert [(record["status"], message in record["error"]) for record in vmaf.records] == [("error", True)]


def test_track_length(raw: Callable[[str], tuple[Clip, Clip]]) -> None:
    reference, distorted = raw("yuv420p")
    boxes = moving(64, 48)
    with pytest.raises(PairError, match=r"The track of region 'ball' has 3 boxes, the reference 4 frames"):
        Vmaf().score(reference, distorted, regions={"ball": Region.track(boxes[:3])})
    held = Vmaf().score(reference, distorted, regions={"ball": Region.track(boxes[:2], hold=True)})
    assert len(held.regions["ball"].neg.frames) == FRAMES


# Clips that are not taken as they are.


@pytest.mark.slow
def test_track_of_aligned_pair(footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path) -> None:
    reference = footage("192x128", 16)
    fast = ("-c:v", "libx264", "-preset", "ultrafast")
    late = make("-i", reference, "-vf", "trim=start_frame=2,setpts=N/25/TB", *fast, tmp_path / "late.mp4")
    boxes = [(frame * 5, frame * 3, 64, 48) for frame in range(16)]
    result = Vmaf(align=True).score(reference, late, regions={"ball": Region.track(boxes)})
    cut = make("-i", reference, "-vf", "trim=start_frame=2,setpts=N/25/TB", "-c:v", "ffv1", tmp_path / "cut.mkv")
    tracks = {"same": Region.track(boxes[2:]), "wrong": Region.track(boxes[:-2])}
    cuts = Vmaf().score(cut, late, regions=tracks).regions
    assert len(result.neg.frames) == 14
    assert result.regions["ball"].neg.frames == cuts["same"].neg.frames
    assert result.regions["ball"].neg.frames != cuts["wrong"].neg.frames
    with pytest.raises(PairError, match=r"has 15 boxes, the reference 16 frames \(frames 2 to 15 are scored\)"):
        Vmaf(align=True).score(reference, late, regions={"ball": Region.track(boxes[:-1])})


@pytest.mark.slow
def test_track_of_late_reference(footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path) -> None:
    whole = footage("192x128", 16)
    reference = make("-i", whole, "-vf", "trim=start_frame=2,setpts=N/25/TB", "-c:v", "ffv1", tmp_path / "cut.mkv")
    early = make("-i", whole, "-c:v", "libx264", "-preset", "ultrafast", tmp_path / "early.mp4")
    boxes = [(frame * 5, frame * 3, 64, 48) for frame in range(14)]
    result = Vmaf(align=True).score(reference, early, regions={"ball": Region.track(boxes)})
    boxed = [(0, 0, 64, 48)] * 2 + boxes
    same = Vmaf().score(whole, early, regions={"ball": Region.track(boxed)})
    # The first frame has no motion; those after it are the same.
    assert result.regions["ball"].neg.frames[1:] == same.regions["ball"].neg.frames[3:]


@pytest.mark.slow
def test_region_of_scaled_pair(
    footage: Callable[..., Path], encode: Callable[..., Path], make: Callable[..., Path], tmp_path: Path
) -> None:
    reference = footage("320x180", FRAMES)
    small = encode(reference, 20, "scale=160:90")
    scaled = make("-i", small, "-vf", "scale=320:180:flags=bicubic", "-c:v", "ffv1", tmp_path / "scaled.mkv")
    region = {"face": Region(203, 81, 96, 72)}
    ours = Vmaf(scale="bicubic").score(reference, small, regions=region)
    other = Vmaf().score(reference, scaled, regions=region)
    assert ours.regions["face"].neg.frames == pytest.approx(other.regions["face"].neg.frames, abs=1e-6)
    with pytest.raises(PairError, match="reaches to x=321"):
        Vmaf(scale="bicubic").score(reference, small, regions={"face": Region(221, 0, 100, 50)})


def crop_of(make: Callable[..., Path], clip: Path, box: Box, output: Path, *codec: str) -> Path:
    x, y, w, h = box
    return make("-i", clip, "-vf", f"crop={w}:{h}:{x}:{y}:exact=1", *codec, output)


@pytest.mark.slow
def test_regions_of_rgb_and_pictures(footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path) -> None:
    scene = footage("320x180", FRAMES)
    rgb = make("-i", scene, "-pix_fmt", "gbrp", "-c:v", "ffv1", tmp_path / "rgb.mkv")
    coded = make("-i", rgb, "-c:v", "libx264rgb", "-crf", "30", "-preset", "ultrafast", tmp_path / "rgb.mp4")
    box = (101, 51, 65, 48)
    crops = [
        crop_of(make, clip, box, tmp_path / f"crop-{n}.mkv", "-c:v", "ffv1", "-pix_fmt", "gbrp")
        for n, clip in enumerate((rgb, coded))
    ]
    region = Vmaf().score(rgb, coded, regions={"face": box}).regions["face"]
    # Chroma is made of all of the picture or of the crop alone; luma and all that is scored is the same.
    assert region.neg.frames == pytest.approx(Vmaf().score(*crops).neg.frames, abs=1e-6)
    png = make("-i", scene, "-frames:v", 1, tmp_path / "a.png")
    jpg = make("-i", png, "-q:v", 15, tmp_path / "a.jpg")
    picture = Vmaf().score(png, jpg, regions={"face": box, "all": (0, 0, 320, 180)})
    assert picture.regions["all"].neg.frames == picture.neg.frames
    assert len(picture.regions["face"].neg.frames) == 1
    assert 0 < picture.regions["face"].neg < 100
    with pytest.raises(PairError, match="has 2 boxes, the reference 1 frame"):
        Vmaf().score(png, jpg, regions={"face": Region.track([box, box])})


@pytest.mark.slow
def test_regions_of_rotated_clips(
    footage: Callable[..., Path], encode: Callable[..., Path], make: Callable[..., Path], tmp_path: Path
) -> None:
    coded = encode(footage("320x180", FRAMES), 16, None, "-bf", "0")
    worse = encode(coded, 34, None, "-bf", "0")
    turned = [
        make("-display_rotation", 90, "-i", clip, "-c", "copy", tmp_path / f"{n}.mp4")
        for n, clip in enumerate((coded, worse))
    ]
    upright = [
        make("-i", clip, "-c:v", "ffv1", "-metadata:s:v", "rotate=0", tmp_path / f"{n}.mkv")
        for n, clip in enumerate(turned)
    ]
    box = (30, 201, 101, 90)
    region = Vmaf().score(*turned, regions={"face": box}).regions["face"]
    crops = [crop_of(make, clip, box, tmp_path / f"crop-{n}.mkv", "-c:v", "ffv1") for n, clip in enumerate(upright)]
    assert region.neg.frames == pytest.approx(Vmaf().score(*crops).neg.frames, abs=1e-6)
    with pytest.raises(PairError, match=r"reaches to x=181, but the picture has 180x320 pixels"):
        Vmaf().score(*turned, regions={"face": (80, 0, 101, 90)})


# Gates.


def test_gate_message(footage: Callable[..., Path], touched: Any) -> None:
    reference, distorted = footage("320x180", FRAMES), touched(f"{SHARP},noise=alls=20:all_seed=3")
    face = Region(*LOCAL, min_neg=90, max_gap=4, min_psnr_y=30, above_100=True)
    ball = Region.track([LOCAL] * FRAMES, min_neg_min=10, min_psnr_y=60)
    with pytest.raises(GateViolation) as caught:
        Vmaf().check(reference, distorted, regions={"face": face, "ball": ball, "sky": (0, 0, 64, 64)}, min_neg=99.5)
    first, *lines = str(caught.value).splitlines()
    region = caught.value.result.regions["face"]
    failures = first.split("; ")
    assert failures[0].startswith(f"NEG {caught.value.result.neg:.3f} < 99.5")
    assert f"face: NEG {region.neg:.3f} < 90" in failures
    assert f"face: psnr_y {region['psnr_y']:.3f} < 30" in failures
    assert failures[-1].startswith(f"ball: psnr_y {region['psnr_y']:.3f} < 60 (")
    assert re.search(r"\((\d+) of \d+ gates failed\)$", first)[1] == str(len(failures))
    worst, value = region.neg.worst()[0]
    where = next(index for index, line in enumerate(lines) if line.startswith("  min_neg: face: NEG"))
    assert lines[where].endswith("set by the call)")
    assert lines[where + 1].startswith(f"    worst frames: frame {worst} (0:00:00.{40 * worst:03d}) {value:.2f};")
    passed = next(line for line in lines if line.startswith("  passed: "))
    assert f"ball: NEG min {region.neg.min:.3f} ≥ 10" in passed


def test_above_100_in_region(footage: Callable[..., Path], touched: Any) -> None:
    face = Region(*LOCAL, above_100=True, max_gap=4)
    with pytest.raises(GateViolation) as caught:
        Vmaf().score(footage("320x180", FRAMES), touched(SHARP), regions={"face": face})
    count = len(caught.value.result.regions["face"].above_100)
    assert f"face: {count} frames above 100 and the reference's own score, 0 allowed" in str(caught.value)
    assert re.search(r"face: gap \d+\.\d+ > 4", str(caught.value))
    assert "self-score" in str(caught.value).splitlines()[2]
    relaxed = Region(*LOCAL, above_100=FRAMES, max_gap=None)
    Vmaf().score(footage("320x180", FRAMES), touched(SHARP), regions={"face": relaxed})


def test_gates_of_one_region(footage: Callable[..., Path], touched: Any) -> None:
    reference, distorted = footage("320x180", FRAMES), touched("gblur=3")
    vmaf = Vmaf()
    result = vmaf.score(
        *(reference, distorted),
        regions={"sky": Region(0, 0, 96, 72, min_neg=95), "face": Region(*LOCAL)},
        min_neg=60,
    )
    assert result.regions["face"].neg < 60 < result.neg
    whole, sky, face = vmaf.records
    assert [gate["limit"] for gate in whole["gates"]] == [60]
    assert [gate["limit"] for gate in sky["gates"]] == [95]
    assert face["gates"] == []
    assert [record["status"] for record in vmaf.records] == ["passed"] * 3
    assert [record["neg"] for record in vmaf.records] == [
        float(each.neg) for each in (result, result.regions["sky"], result.regions["face"])
    ]
    assert len(vmaf._context.records.clips) == 3
    assert all(clips is not None and clips[1].path == distorted for clips in vmaf._context.records.clips)
    assert [record["distorted"].rpartition(" [")[2] for record in vmaf.records[1:]] == [
        "sky 96x72+0+0]",
        "face 96x72+200+80]",
    ]


def test_records_match_clips(footage: Callable[..., Path], touched: Any) -> None:
    vmaf = Vmaf()
    with pytest.raises(GateViolation):
        vmaf.score(
            *(footage("320x180", FRAMES), touched("gblur=3")),
            regions={"sky": (0, 0, 64, 64), "face": Region(*LOCAL, min_neg=90)},
        )
    with pytest.raises(PairError):
        vmaf.score(footage("320x180", FRAMES), touched("gblur=3"), regions={"sky": (300, 0, 64, 64)})
    assert [record["status"] for record in vmaf.records] == ["passed", "passed", "failed", "error"]
    assert len(vmaf._context.records.clips) == len(vmaf.records)
    assert vmaf._context.records.clips[3] is None
    json.dumps(vmaf.records, allow_nan=False)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"min_nge": 90}, r"'min_nge' \(call\) has an unknown metric\. Did you mean 'min_neg'"),
        ({"min_neg": "high"}, r"The limit of min_neg \(call\) must be a finite number or off, not 'high'"),
        ({"min_neg": float("nan")}, r"The limit of min_neg \(call\) must be a finite number or off, not nan"),
        ({"min_neg_tile": 3}, r"face: min_neg_tile=3 \(call\) is not a gate of a region"),
        ({"min_roi": 3}, r"face: min_roi=3 \(call\) is not a gate of a region"),
    ],
)
def test_invalid_gate(gates: dict[str, Any], message: str, reference: Path) -> None:
    vmaf = Vmaf()
    with pytest.raises(SettingsError, match=message):
        vmaf.score(reference, "missing.mp4", regions={"face": Region(0, 0, 64, 64, **gates)})
    assert [record["status"] for record in vmaf.records] == ["error"]


def test_regions_in_json(footage: Callable[..., Path], touched: Any) -> None:
    regions = {"a [31m<b>": (0, 0, 64, 64), "ü": Region.track([LOCAL] * FRAMES)}
    result = Vmaf().score(footage("320x180", FRAMES), touched(SHARP), regions=regions)
    back = Result.from_json(result.to_json())
    assert back == result
    assert list(back.regions) == list(regions)
    for name, region in result.regions.items():
        assert back.regions[name].neg.frames == region.neg.frames
        assert back.regions[name].above_100.frames == region.above_100.frames
        assert back.regions[name].context == region.context
    assert back.to_json() == result.to_json()
    plain = json.loads(result.to_json())
    del plain["regions"]["ü"]["scores"]["gap"]
    with pytest.raises(MeasurementError, match="not a result in JSON"):
        Result.from_json(json.dumps(plain))


# Attacks.


def fake(**settings: Any) -> Vmaf:
    return Vmaf(scorer=FakeScorer(features={"psnr_y": 40.0}), **settings)


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(), max_size=70))
def test_any_name_is_safe(name: str) -> None:
    vmaf, good = fake(), bool(name.strip()) and len(name) <= 60 and name.isprintable()
    try:
        vmaf.score("a", "b", regions={name: Region(0, 0, 64, 64, min_neg=99)})
    except GateViolation as violation:
        assert good
        assert [record["status"] for record in vmaf.records] == ["passed", "failed"]
        said = [str(violation), vmaf.records[1]["distorted"]]
    except SettingsError as error:
        assert not good
        assert [record["status"] for record in vmaf.records] == ["error"]
        said = [str(error)]
    assert all(character.isprintable() or character == "\n" for text in said for character in text)


def test_names_differ_by_case() -> None:
    regions = {"face": Region(0, 0, 64, 48, min_neg=1), "Face": Region(60, 40, 64, 48, min_neg=99)}
    with pytest.raises(GateViolation, match=r"^Face: NEG \d+\.\d+ < 99 \(1 of 2 gates failed\)"):
        fake().score("a", "b", regions=regions)


@pytest.mark.slow
def test_many_regions(raw: Callable[[str], tuple[Clip, Clip]]) -> None:
    regions = {str(n): (n, n // 2, 60 + n, 50) for n in range(20)} | {"same": (0, 0, 60, 50)}
    result = Vmaf().score(*raw("yuv420p"), regions=regions)
    assert list(result.regions) == [*map(str, range(20)), "same"]
    assert result.regions["same"].neg.frames == result.regions["0"].neg.frames
    assert (
        result.regions["19"].neg.frames
        == Vmaf().score(*raw("yuv420p"), regions={"a": regions["19"]}).regions["a"].neg.frames
    )


def test_too_many_regions(reference: Path) -> None:
    regions = dict.fromkeys(map(str, range(MOST_REGIONS + 1)), (0, 0, 20, 20))
    with pytest.raises(
        SettingsError, match=f"regions must have at most {MOST_REGIONS} entries, not {MOST_REGIONS + 1}"
    ):
        Vmaf().score(reference, reference, regions=regions)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({}, r"regions must be a mapping of names to regions, .*, not \{\}\."),
        ([(0, 0, 64, 64)], "regions must be a mapping of names to regions"),
        ("face", "regions must be a mapping of names to regions"),
        ({b"face": (0, 0, 64, 64)}, "The name of a region must be printable text .*, not b'face'"),
        ({"face": (0, 0, 0, 64)}, "Region 'face': w of a region must be .*, not 0"),
        ({"face": (0, 0, 64.5, 64)}, r"Region 'face': w of a region must be .*, not 64\.5"),
        ({"face": (0, 0, 64)}, r"Region 'face' must be .*, not \(0, 0, 64\)"),
        ({"face": (-1, 0, 64, 64)}, "Region 'face': x of a region must be .*, not -1"),
        ({"face": None}, "Region 'face' must be .*, not None"),
    ],
)
def test_invalid_regions(regions: Any, message: str, reference: Path, encoded: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        Vmaf().score(reference, encoded, regions=regions)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ("[]", "has no boxes"),
        ("[" * 100_000, "not valid JSON|nested too deeply"),
        ('{"0": [0, 0, 64, 64], "0": [1, 1, 64, 64]}', "appears twice"),
        ("[[0, 0, 64, 1e999]]", "must be a whole number of pixels .*, not inf"),
        ("[[0, 0, 64, NaN]]", "NaN is not a JSON number"),
        ('[["0;movie=/etc/passwd", 0, 64, 64]]', "must be a whole number of pixels"),
        (f"[[0, 0, 64, {'9' * 5000}]]", "is not valid JSON|thousands of digits"),
        ('[{"frame": 999999999999, "x": 0, "y": 0, "w": 64, "h": 64}]', "the frame number must be"),
        ("[[0, 0, 64, 64], [0, 0, 65, 64]]", r"boxes of 2 sizes.*largest=True"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_hostile_track_files(content: str, message: str, reference: Path, encoded: Path, tmp_path: Path) -> None:
    path = tmp_path / "track.json"
    path.write_text(content)
    vmaf = Vmaf()
    with pytest.raises(SettingsError, match=rf"(?s)^Region 'face': .*track\.json.*({message})"):
        vmaf.score(reference, encoded, regions={"face": str(path)})
    assert [record["status"] for record in vmaf.records] == ["error"]


def test_track_is_not_a_file(reference: Path, encoded: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "track.json"
    os.mkfifo(pipe)
    for path, what in ((pipe, "is not a regular file"), (tmp_path, "is not a regular file"), ("no.csv", "not exist")):
        with pytest.raises(ClipError, match=rf"^Region 'face': The track .* {what}"):
            Vmaf().score(reference, encoded, regions={"face": path})


def test_track_from_file(raw: Callable[[str], tuple[Clip, Clip]], tmp_path: Path) -> None:
    boxes = moving(64, 48)
    (tmp_path / "a.json").write_text(json.dumps(boxes))
    (tmp_path / "a.csv").write_text(
        "frame,x,y,w,h\n" + "".join(f"{n},{x},{y},{w},{h}\n" for n, (x, y, w, h) in enumerate(boxes))
    )
    regions = {"json": tmp_path / "a.json", "csv": str(tmp_path / "a.csv"), "list": Region.track(boxes)}
    result = Vmaf().score(*raw("yuv420p"), regions=regions)
    frames = {region.neg.frames for region in result.regions.values()}
    assert len(frames) == 1


@pytest.mark.slow
def test_long_track(footage: Callable[..., Path], touched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that is too long for an argument of ffmpeg is in a file."""
    # Linux's limit.
    assert ffmpeg_plugin.LONGEST_ARGUMENT < 128 << 10
    clips = footage("320x180", FRAMES), touched("gblur=2")
    regions = {"ball": Region.track([(frame * 9, frame * 5, 32, 32) for frame in range(FRAMES)])}
    wanted = Vmaf().score(*clips, regions=regions)
    commands: list[Any] = []
    real = ffmpeg_plugin.run

    def counting(command: Any, timeout: float | None) -> Any:
        commands.append(command)
        return real(command, timeout)

    monkeypatch.setattr(ffmpeg_plugin, "run", counting)
    monkeypatch.setattr(ffmpeg_plugin, "LONGEST_ARGUMENT", 99)
    result = Vmaf().score(*clips, regions=regions)
    assert max(map(len, commands[0].argv)) < 999
    assert result.regions["ball"].neg.frames == wanted.regions["ball"].neg.frames


def test_fake_regions(reference: Path) -> None:
    result = fake().score("a", "b", regions={"face": Region(10, 10, 64, 64, min_neg=93, max_gap=2)})
    assert result.regions["face"].neg == 93.0
    assert result.regions["face"].provenance["fake"]
    with pytest.raises(GateViolation, match=r"^face: NEG 93\.000 < 94"):
        fake().score("a", "b", regions={"face": Region(10, 10, 64, 64, min_neg=94)})


@pytest.mark.slow
def test_region_with_itself(footage: Callable[..., Path]) -> None:
    clip = footage("320x180", FRAMES)
    face = Region(*LOCAL, max_gap=0.01, above_100=True, min_neg=90)
    result = Vmaf().check(clip, clip, allow=["same"], regions={"face": face, "all": (0, 0, 320, 180)})
    assert result.regions["all"].neg.frames == result.neg.frames
    assert result.regions["face"].gap == pytest.approx(0, abs=0.01)


def test_one_gate_two_names(footage: Callable[..., Path]) -> None:
    clip = footage("320x180", FRAMES)
    region = Region(0, 0, 64, 64, min_neg=90, min_neg_mean=10)
    with pytest.raises(SettingsError, match=r"face: min_neg and min_neg_mean \(call\) are the same gate"):
        Vmaf().score(clip, clip, regions={"face": region})
