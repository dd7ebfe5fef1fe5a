"""The masked score, compared with a naive second implementation; its refusals, notes and commands."""

from __future__ import annotations

import math
import os
import pickle
import re
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from scoring.builders import a_result

from pytest_vmaf import (
    Clip,
    FakeScorer,
    GateViolation,
    IncomparableScores,
    MaskError,
    MeasurementError,
    ModelError,
    PairError,
    Result,
    RoiResult,
    ScoreLog,
    ScoreRequest,
    SettingsError,
    Vmaf,
)
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.roi import frame_masks as room
from pytest_vmaf.roi.frame_masks import Mask, MaskStats
from pytest_vmaf.roi.masked_score import blended, roi_result
from pytest_vmaf.roi.resample import upsample
from pytest_vmaf.roi.saliency_network import load_saliency, shown_size
from roi.builders import MEAN, PLAIN, SIGMOID, halved, model, outside

NO_TOOL = "no `vmaf` on PATH; install libvmaf's tools (Netflix/vmaf) to run this against the real one"
SCENE = "mandelbrot=size={size}:rate=25:end_scale=0.002,noise=alls=6:allf=t:all_seed=7,format={pix_fmt},gblur=sigma=0.4"
one = np.float32(1)

Pair = Callable[..., tuple[Path, Path]]
Frames = list[tuple[NDArray[Any], ...]]


@pytest.fixture(scope="session")
def pair(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """pair("yuv420p10le", "320x180", frames=3): a lossless clip and a blurred one, made once a session."""
    folder = tmp_path_factory.mktemp("pairs")

    def clips(pix_fmt: str = "yuv420p", size: str = "192x108", frames: int = 3) -> tuple[Path, Path]:
        paths = [folder / f"{what}-{pix_fmt}-{size}-{frames}.mkv" for what in ("reference", "distorted")]
        if not paths[1].exists():
            scene = SCENE.format(size=size, pix_fmt=pix_fmt)
            make("-f", "lavfi", "-i", scene, "-frames:v", frames, "-c:v", "ffv1", paths[0])
            make("-i", paths[0], "-vf", "gblur=sigma=1.2", "-c:v", "ffv1", paths[1])
        return paths[0], paths[1]

    return clips


@pytest.fixture(scope="session")
def synthetic(pair: Pair) -> RoiResult:
    """The result of a pair under a mask of one value."""
    return Vmaf().roi(*pair(), synthetic_mask=0.35, weight=0.25)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network with three halvings, whose map has every value between 0 and 1."""
    path = tmp_path / "network.onnx"
    path.write_bytes(halved(3))
    return path


@pytest.fixture(params=["standin", pytest.param("real", marks=pytest.mark.slow)])
def tool(request: pytest.FixtureRequest, standin: str) -> str:
    return standin if request.param == "standin" else shutil.which("vmaf") or pytest.skip(NO_TOOL)


# The contract a second time: whole clips in memory, one step after the other, and a file of masked frames.


def geometry(pix_fmt: str, size: str) -> tuple[list[tuple[int, int]], int]:
    """The shapes of Y, U and V, and the depth in bits."""
    width, height = map(int, size.split("x"))
    chroma, depth = pix_fmt[3:6], int(pix_fmt[7:].removesuffix("le") or 8)
    small = (-(-height // (2 if chroma == "420" else 1)), -(-width // (1 if chroma == "444" else 2)))
    return [(height, width), small, small], depth


def decoded(make: Callable[..., Path], clip: Path, pix_fmt: str, size: str, folder: Path, *chain: str) -> Frames:
    raw = make("-i", clip, *chain, "-f", "rawvideo", "-pix_fmt", pix_fmt, folder / f"{clip.stem}.raw")
    shapes, depth = geometry(pix_fmt, size)
    samples = np.fromfile(raw, np.uint8 if depth == 8 else "<u2")
    frames, at = [], 0
    while at < samples.size:
        planes = []
        for rows, columns in shapes:
            planes.append(samples[at : at + rows * columns].reshape(rows, columns))
            at += rows * columns
        frames.append(tuple(planes))
    return frames


def nearest(plane: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    rows = [min(i * plane.shape[0] // height, plane.shape[0] - 1) for i in range(height)]
    columns = [min(i * plane.shape[1] // width, plane.shape[1] - 1) for i in range(width)]
    return plane[rows][:, columns]


def bt601(planes: Sequence[NDArray[Any]], depth: int) -> NDArray[np.uint8]:
    """Limited BT.601 to 8-bit RGB, in float32."""
    scale = np.float32(1 << depth - 8)
    y = (planes[0].astype(np.float32) - 16 * scale) * np.float32(1.164383)
    u, v = (nearest(plane, *y.shape).astype(np.float32) - 128 * scale for plane in planes[1:])
    red = y + np.float32(1.596027) * v
    green = y - np.float32(0.391762) * u - np.float32(0.812968) * v
    blue = y + np.float32(2.017232) * u
    return np.stack([np.clip(np.rint(c / scale), 0, 255) for c in (red, green, blue)], axis=2).astype(np.uint8)


def saliency(network: Path, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A network of free size: padded to multiples of 8 by the edges, and cropped."""
    height, width = rgb.shape[:2]
    wide = np.pad(rgb, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge").astype(np.float32) / np.float32(255)
    shown = (wide - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    import onnxruntime

    session = onnxruntime.InferenceSession(network.read_bytes(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"input": shown.transpose(2, 0, 1)[None].copy()})[0]
    return np.asarray(found[0, 0, :height, :width])


def blend(planes: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]], alpha: NDArray[Any], depth: int) -> bytes:
    out = b""
    for ref, dis in zip(planes, others, strict=True):
        weight = nearest(alpha, *ref.shape)
        mixed = ref.astype(np.float32) * (one - weight) + dis.astype(np.float32) * weight
        out += np.clip(np.rint(mixed), 0, (1 << depth) - 1).astype(ref.dtype).tobytes()
    return out


def alpha_of(mask: NDArray[Any], threshold: float, fade: float) -> NDArray[np.float32]:
    if fade == 0:
        return (mask >= np.float32(threshold)).astype(np.float32)
    return np.clip((mask.astype(np.float32) - np.float32(threshold)) / np.float32(fade), 0, 1).astype(np.float32)


def assert_as_a_file(
    found: RoiResult, frames: Sequence[bytes], reference: Path | Clip, pix_fmt: str, size: str, folder: Path
) -> None:
    """The masked scores are those of these frames in a file, to the last bit."""
    path = folder / "masked.yuv"
    path.write_bytes(b"".join(frames))
    width, height = map(int, size.split("x"))
    file = Clip(path, width=width, height=height, pix_fmt=pix_fmt, frame_rate=25)
    # The file is raw video, whatever the reference is.
    wanted = Vmaf().score(reference, file, allow=["order"])
    assert found.vmaf_masked.unclipped.frames == wanted.vmaf.unclipped.frames
    assert found.neg_masked.unclipped.frames == wanted.neg.unclipped.frames
    assert found.gap_masked.frames == wanted.gap.frames
    assert float(found.vmaf_masked) == float(wanted.vmaf)
    assert len(found.coverage) == len(frames)


GEOMETRIES = [
    ("yuv420p", "135x77"),
    pytest.param("yuv422p10le", "135x77", marks=pytest.mark.slow),
    pytest.param("yuv420p16le", "135x77", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("pix_fmt", "size"), GEOMETRIES)
def test_masked_score_equals_naive_file(
    pair: Pair, make: Callable[..., Path], network: Path, tmp_path: Path, pix_fmt: str, size: str
) -> None:
    reference, distorted = pair(pix_fmt, size)
    found = Vmaf().roi(reference, distorted, saliency=network, threshold=0.4, fade=0.3)
    _, depth = geometry(pix_fmt, size)
    frames, shares = [], []
    ours, theirs = (decoded(make, clip, pix_fmt, size, tmp_path) for clip in (reference, distorted))
    for planes, others in zip(ours, theirs, strict=True):
        alpha = alpha_of(saliency(network, bt601(planes, depth)), 0.4, 0.3)
        shares.append(float(alpha.mean(dtype=np.float64)))
        frames.append(blend(planes, others, alpha, depth))
    assert_as_a_file(found, frames, reference, pix_fmt, size, tmp_path)
    assert found.coverage == tuple(shares)
    # Neither the whole nor the reference, or nothing was shown.
    assert 0.05 < found.mask_coverage < 0.95
    assert found.vmaf_full.unclipped.frames != found.vmaf_masked.unclipped.frames
    assert found.empty == ()


def test_synthetic_mask(pair: Pair, make: Callable[..., Path], tmp_path: Path) -> None:
    pix_fmt, size = "yuv444p16le", "135x77"
    reference, distorted = pair(pix_fmt, size, 2)
    found = Vmaf().roi(reference, distorted, synthetic_mask=0.35, threshold=0.3, fade=0.1)
    (shape, *_), depth = geometry(pix_fmt, size)
    alpha = alpha_of(np.full(shape, 0.35, np.float32), 0.3, 0.1)
    ours, theirs = (decoded(make, clip, pix_fmt, size, tmp_path) for clip in (reference, distorted))
    frames = [blend(planes, others, alpha, depth) for planes, others in zip(ours, theirs, strict=True)]
    assert_as_a_file(found, frames, reference, pix_fmt, size, tmp_path)
    assert found.mask_coverage == pytest.approx(0.5, abs=1e-6)
    assert found.saliency == "synthetic"


@pytest.mark.slow
def test_bundled_network_gets_small_frames(pair: Pair, make: Callable[..., Path], tmp_path: Path) -> None:
    pix_fmt, size = "yuv422p10le", "321x181"
    reference, distorted = pair(pix_fmt, size)
    found = Vmaf().roi(reference, distorted, threshold=0.1, fade=0.2)
    own = load_saliency()
    width, height = map(int, size.split("x"))
    across, down = shown_size(own, width, height)
    assert across < width
    _, depth = geometry(pix_fmt, size)
    ours, theirs = (decoded(make, clip, pix_fmt, size, tmp_path) for clip in (reference, distorted))
    chain = ("-vf", f"scale={across}:{down}:flags=area+accurate_rnd,format=yuv444p10le")
    first, _, third = decoded(make, reference, "yuv444p10le", f"{across}x{down}", tmp_path, *chain)
    frames = []
    # The mask of a frame that is passed over is that of the one before.
    for planes, others, shown in zip(ours, theirs, (first, first, third), strict=True):
        rgb = bt601(shown, depth).astype(np.float32) / np.float32(255)
        rgb = (rgb - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
        sides = ((0, -down % own.multiple), (0, -across % own.multiple), (0, 0))
        fitted = np.pad(rgb, sides, mode="edge").transpose(2, 0, 1)[None].copy()
        little = np.clip(own.run(fitted)[:down, :across], 0, 1)
        frames.append(blend(planes, others, alpha_of(upsample(little, width, height), 0.1, 0.2), depth))
    assert_as_a_file(found, frames, reference, pix_fmt, size, tmp_path)
    assert found.saliency == own.name


@pytest.mark.slow
def test_bt601_for_every_clip(pair: Pair, make: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    clips = [
        make("-i", clip, "-c:v", "ffv1", "-vf", "setparams=colorspace=bt709", tmp_path / f"{clip.stem}.mkv")
        for clip in pair("yuv420p", "192x108", 1)
    ]
    settings = {"saliency": network, "threshold": 0.4, "fade": 0.3}
    found, own = Vmaf().roi(*clips, bt601=True, **settings), Vmaf().roi(*clips, **settings)
    ours, theirs = (decoded(make, clip, "yuv420p", "192x108", tmp_path) for clip in clips)
    alphas = [alpha_of(saliency(network, bt601(planes, 8)), 0.4, 0.3) for planes in ours]
    frames = [blend(*planes, alpha, 8) for *planes, alpha in zip(ours, theirs, alphas, strict=True)]
    assert_as_a_file(found, frames, clips[0], "yuv420p", "192x108", tmp_path)
    assert own.vmaf_masked.frames != found.vmaf_masked.frames
    assert "shown as limited BT.601" in found.provenance["notes"][-1]
    assert "--bt601" in found.provenance["command"]
    assert "BT.601" not in own.provenance["notes"][-1]


# The blend of the two scores.


def test_blended_example() -> None:
    assert blended(80.0, 90.0, 0.7) == 87.0
    assert (blended(80.0, 90.0, 0.0), blended(80.0, 90.0, 1.0)) == (80.0, 90.0)


@hypothesis.settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-20, 140)] * 4), min_size=1, max_size=12),
    st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1)),
)
def test_blended_each_frame(rows: list[tuple[float, float, float, float]], weight: float) -> None:
    vmaf, neg, vmaf_masked, neg_masked = zip(*rows, strict=True)
    full, masked = a_result(vmaf, neg), a_result(vmaf_masked, neg_masked)
    under = {"vmaf": masked.vmaf, "neg": masked.neg, "gap": masked.gap}
    found = roi_result(full, under, Mask(weight), "net", MaskStats([0.5] * len(rows)))
    for metric, a, b in (("vmaf_roi", full.vmaf, masked.vmaf), ("neg_roi", full.neg, masked.neg)):
        wanted = [(1.0 - weight) * x + weight * y for x, y in zip(a.frames, b.frames, strict=True)]
        assert found[metric].frames == pytest.approx(wanted, abs=1e-12)
        assert min(float(a), float(b)) - 1e-9 <= found[metric] <= max(float(a), float(b)) + 1e-9
    # The gap is unclipped, and is never blended.
    assert found.gap_masked.frames == masked.gap.frames
    assert (found.vmaf, found.neg, found.gap, found.above_100) == (full.vmaf, full.neg, full.gap, full.above_100)


@pytest.mark.slow
def test_weights_0_and_1(pair: Pair, synthetic: RoiResult) -> None:
    none, whole = (Vmaf().roi(*pair(), weight=w, synthetic_mask=0.35) for w in (0, 1))
    assert none.vmaf_roi.frames == none.vmaf_full.frames == synthetic.vmaf_full.frames
    assert whole.vmaf_roi.frames == whole.vmaf_masked.frames == synthetic.vmaf_masked.frames
    assert none.neg_roi == synthetic.neg_full
    assert whole.neg_roi == synthetic.neg_masked
    assert synthetic.vmaf_full < synthetic.vmaf_roi < synthetic.vmaf_masked
    assert synthetic.vmaf_full.frames == Vmaf().score(*pair()).vmaf.frames


def test_full_mask_is_whole_score(pair: Pair) -> None:
    found = Vmaf().roi(*pair("yuv420p10le", "135x77"), synthetic_mask=1)
    assert found.vmaf_masked.unclipped.frames == found.vmaf_full.unclipped.frames
    assert found.gap_masked.frames == found.gap.frames
    assert (found.mask_coverage, found.coverage) == (1.0, (1.0, 1.0, 1.0))


def test_result_repr_pickle_json(pair: Pair, network: Path) -> None:
    reference, distorted = pair()
    found = Vmaf().roi(reference, distorted, weight=0.25, saliency=network)
    assert repr(found) == (
        f"<RoiResult VMAF {found.vmaf_roi:.2f} (full {found.vmaf_full:.2f}, masked {found.vmaf_masked:.2f}, "
        f"weight 0.25), NEG {found.neg_roi:.2f}, {distorted}>"
    )
    assert repr(found.vmaf_roi).startswith("<VMAF roi ")
    assert repr(found.neg_masked.p5).startswith("<NEG masked p5 ")
    assert found.gap_masked.scale.high is None
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found
    assert (copy.mask, copy.coverage, copy.vmaf_roi.frames) == (found.mask, found.coverage, found.vmaf_roi.frames)
    written = Result.from_json(found.to_json())
    assert written["vmaf_roi"] == found.vmaf_roi
    assert written["neg_masked"].frames == found.neg_masked.frames
    assert written["vmaf_roi"].scale.view == "roi"
    share = f"the mask keeps {100 * found.mask_coverage:.2f} % of the picture"
    assert found.provenance["notes"] == [
        f"roi: weight 0.25, threshold 0.3, fade 0.1, saliency {network}; {share}",
    ]


def test_scores_compare_within_a_model(synthetic: RoiResult) -> None:
    found = synthetic
    assert found.vmaf_roi > found.vmaf_full
    assert found.neg_roi.min <= found.neg_roi
    with pytest.raises(IncomparableScores, match=r"NEG roi .* and VMAF roi .* are different scales"):
        assert found.neg_roi <= found.vmaf_roi


# Frames without a mask, where a masked clip is the reference.


@pytest.fixture
def fading(make: Callable[..., Path], footage: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """Five frames, of which the first two are dark, and what a blur leaves of them."""
    dark = "lutyuv=y='val*0.2+16':enable='lt(n,2)',lutyuv=y='val*0.5+110':enable='gte(n,2)'"
    source = footage("192x108", 5)
    reference = make("-i", source, "-vf", dark, "-c:v", "ffv1", tmp_path / "fading.mkv")
    return reference, make("-i", reference, "-vf", "gblur=sigma=2", "-c:v", "ffv1", tmp_path / "blurred.mkv")


@pytest.mark.slow
def test_empty_frames_count_as_whole(fading: tuple[Path, Path], tmp_path: Path) -> None:
    network = tmp_path / "plain.onnx"
    network.write_bytes(PLAIN)
    found = Vmaf().roi(*fading, saliency=network, threshold=0.48, fade=0)
    assert found.empty == (0, 1)
    for metric in ("vmaf", "neg", "gap"):
        full, masked = found[metric].unclipped.frames, found[f"{metric}_masked"].unclipped.frames
        assert masked[:2] == full[:2]
        assert all(a != b for a, b in zip(masked[2:], full[2:], strict=True))
    assert found.coverage[:2] == (0, 0)
    assert min(found.coverage[2:]) > 0
    # Not an accident: a clip that is the reference there would have scored far more.
    assert max(found.vmaf_masked.frames[:2]) < 90
    assert Vmaf().self_score(fading[0]).vmaf.frames[1] > 96
    assert found.vmaf_roi.frames[0] == found.vmaf_full.frames[0]
    note = "roi: the mask is empty in 2 frames (the first is frame 0); the whole picture counts there"
    assert found.provenance["notes"][-1] == note


def test_empty_mask_everywhere(pair: Pair, network: Path) -> None:
    with pytest.raises(MaskError, match="The mask keeps nothing of any of the 3 frames") as caught:
        Vmaf().roi(*pair(), min_roi=0, saliency=network, threshold=1)
    assert "the threshold" in str(caught.value)
    assert "Lower the threshold, or use another network." in str(caught.value)


def test_mask_stats_by_bit_depth() -> None:
    """A mask whose weights are all rounded away is empty."""
    stats = MaskStats()
    for alpha, maximum in ((0.001, 255), (0.5 / 255, 255), (0.001, 65535), (0, 65535)):
        stats.add_coverage(alpha / 2, alpha, maximum)
    assert stats.empty == [0, 3]
    assert stats.coverage == [0.0005, 0.25 / 255, 0.0005, 0]


def test_mask_stats_repeat() -> None:
    """A frame with the mask of the frame before has its coverage and its map, and is empty where that is."""
    stats = MaskStats()
    for alpha in (0, 1):
        stats.add_map(np.full((60, 100), alpha, np.float32))
        stats.add_coverage(alpha, alpha, 255)
        stats.repeat()
        stats.repeat()
    assert stats.coverage == [0, 0, 0, 1, 1, 1]
    assert stats.empty == [0, 1, 2]
    assert len(stats.maps) == 6
    assert stats.maps[0] == stats.maps[2] != stats.maps[3] == stats.maps[5]
    assert (stats.largest, stats.size) == (1, (100, 60))


@pytest.mark.slow
def test_mask_rounded_away(pair: Pair) -> None:
    # An alpha of 0.001: at 8 bits not even a difference of 255 would be seen.
    with pytest.raises(MaskError, match="keeps nothing"):
        Vmaf().roi(*pair("yuv420p", "135x77", 2), synthetic_mask=0.3001)
    fine = Vmaf().roi(*pair("yuv420p16le", "192x108"), synthetic_mask=0.3001)
    assert fine.empty == ()
    assert fine.mask_coverage == pytest.approx(0.001, abs=1e-5)


# What is refused, and before anything is measured.


@pytest.mark.parametrize("name", ["weight", "threshold", "fade", "synthetic_mask"])
@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf, -math.inf, True, "0.5", [0.5], 1j])
def test_number_out_of_range(pair: Pair, name: str, value: object) -> None:
    settings = {"synthetic_mask": 0.5, name: value}
    with pytest.raises(SettingsError, match=rf"^{name} must be a number from 0 to 1, not .*\.$"):
        Vmaf().roi(*pair(), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["weight", "threshold", "fade"])
def test_number_is_none(pair: Pair, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be a number from 0 to 1, not None"):
        Vmaf().roi(*pair(), synthetic_mask=0.5, **{name: None})  # type: ignore[arg-type]


def test_network_and_synthetic_mask(pair: Pair, network: Path) -> None:
    with pytest.raises(SettingsError, match="Pass either saliency"):
        Vmaf().roi(*pair(), saliency=network, synthetic_mask=0.5)


@pytest.mark.parametrize("path", ["", b"net.onnx", 7, True, "net\0.onnx", ["net.onnx"]])
def test_saliency_is_not_a_path(pair: Pair, path: object) -> None:
    with pytest.raises(SettingsError, match=r"saliency must be the path of an ONNX network, not "):
        Vmaf().roi(*pair(), saliency=path)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty", "text", "outside"])
def test_saliency_is_not_a_network(pair: Pair, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.onnx"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        content = {"empty": b"", "text": b"not a network", "outside": model(MEAN, SIGMOID, tensors=(outside("w.bin"),))}
        path.write_bytes(content[kind])
    with pytest.raises(MaskError, match=rf"{kind}\.onnx"):
        Vmaf().roi(*pair(), saliency=path)


@pytest.mark.slow
def test_gates_of_roi(pair: Pair, synthetic: RoiResult) -> None:
    settings: dict[str, Any] = {"synthetic_mask": 0.35, "weight": 0.25}
    found = synthetic
    roi = float(found.vmaf_roi)
    Vmaf().roi(*pair(), min_roi=roi, min_vmaf_roi_min=0, min_neg_roi=float(found.neg_roi), **settings)
    # Gates of the whole picture hold here as in `score`.
    gates = {"min_roi": math.nextafter(roi, 101), "min_neg": 100, "min_neg_masked_p5": 100, "max_gap_masked": -9}
    with pytest.raises(GateViolation) as caught:
        Vmaf().roi(*pair(), **gates, **settings)
    first, *lines = str(caught.value).splitlines()
    assert f"VMAF roi {roi:.3f} < " in first
    assert first.endswith("(4 of 4 gates failed)")
    assert re.search(r"NEG masked p5 [\d.]+ < 100; gap masked [\d.]+ > -9 ", first)
    assert re.search(r"NEG [\d.]+ < 100[; ]", first)
    assert any("worst frames: frame" in line for line in lines)
    assert any("note: roi: weight 0.25" in line for line in lines)
    assert caught.value.result == found


@pytest.mark.parametrize(
    ("measuring", "gate"),
    [("check", "min_roi"), ("score", "min_neg_roi"), ("map", "min_roi_p5"), ("score", "max_gap_masked")],
)
def test_roi_gates_need_roi(pair: Pair, measuring: str, gate: str) -> None:
    with pytest.raises(SettingsError, match=rf"{gate} requires vmaf\.roi\(\)"):
        getattr(Vmaf(), measuring)(*pair(), **{gate: 1})


# NEG alone.


def test_neg_only(pair: Pair, synthetic: RoiResult) -> None:
    settings: dict[str, Any] = {"synthetic_mask": 0.35, "weight": 0.25}
    found = Vmaf().roi(*pair(), min_neg_roi=0, min_mask_coverage=0, **settings)
    parts = ("neg_roi", "neg_masked", "mask_coverage")
    assert found.features.keys() - Vmaf().self_score(pair()[0]).features.keys() == set(parts)
    for metric in (*parts, "vmaf", "neg", "gap"):
        assert found[metric].frames == synthetic[metric].frames
    assert found.above_100 == synthetic.above_100
    assert repr(found).startswith(f"<RoiResult NEG {found.neg_roi:.2f} (full {found.neg_full:.2f}, masked ")
    for read in (lambda: found.vmaf_roi, lambda: found["gap_masked"], lambda: found.pooled("vmaf_masked")):
        with pytest.raises(MeasurementError, match=r"_(roi|masked) was not measured: .*\n  Pass neg_only=False to"):
            read()


@pytest.mark.slow
def test_neg_only_is_asked_for(pair: Pair, synthetic: RoiResult) -> None:
    settings: dict[str, Any] = {"synthetic_mask": 0.35, "weight": 0.25}
    vmaf = Vmaf(min_neg_roi=0)
    assert "vmaf_roi" not in vmaf.roi(*pair(), neg_only=True, **settings).features
    assert vmaf.roi(*pair(), min_neg_roi=1, neg_only=False, **settings) == synthetic
    assert vmaf.roi(*pair(), min_neg_roi=1, max_gap_masked=99, **settings) == synthetic
    with pytest.raises(SettingsError, match=r"min_roi requires vmaf\.roi\(\) without neg_only=True"):
        vmaf.roi(*pair(), neg_only=True, min_roi=1, **settings)


@pytest.mark.slow
def test_neg_only_in_cache(pair: Pair, tmp_path: Path) -> None:
    vmaf = Vmaf(cache_dir=tmp_path)
    settings: dict[str, Any] = {"synthetic_mask": 0.4, "weight": 0.5}
    alone = vmaf.roi(*pair(), neg_only=True, **settings)
    both = vmaf.roi(*pair(), **settings)
    assert not both.provenance["cached"]
    assert both.neg_masked.frames == alone.neg_masked.frames
    assert vmaf.roi(*pair(), **settings).gap_masked == both.gap_masked
    again = vmaf.roi(*pair(), neg_only=True, **settings)
    assert again.provenance["cached"]
    assert again.features.keys() == alone.features.keys()
    assert again.neg_masked.frames == alone.neg_masked.frames
    # A complete entry serves a call that needs less, and gives it no more.
    other = {**settings, "weight": 0.3}
    vmaf.roi(*pair(), **other)
    served = vmaf.roi(*pair(), neg_only=True, **other)
    assert served.provenance["cached"]
    assert served.features.keys() == alone.features.keys()


@pytest.mark.parametrize("value", [1, "yes", []])
def test_neg_only_is_not_a_flag(pair: Pair, value: object) -> None:
    with pytest.raises(SettingsError, match="neg_only must be True, False or None, not"):
        Vmaf().roi(*pair(), neg_only=value)  # type: ignore[arg-type]


# Which scorer, and in how many runs.


class Counting(FfmpegScorer):
    """The scorer `ffmpeg`, which notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def score(self, request: ScoreRequest) -> ScoreLog:
        self.asked.append(("score", 1))
        return super().score(request)

    def score_together(self, requests: Sequence[ScoreRequest]) -> tuple[ScoreLog, ...]:
        self.asked.append(("score_together", len(requests)))
        return super().score_together(requests)


@pytest.mark.slow
def test_one_ffmpeg_process(pair: Pair, synthetic: RoiResult) -> None:
    scorer = Counting()
    found = Vmaf(scorer=scorer).roi(*pair(), synthetic_mask=0.35, weight=0.25)
    assert scorer.asked == [("score_together", 2)]
    assert found == synthetic


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the scorer needs /dev/fd; this system has none")
def test_vmaf_tool_agrees(pair: Pair, network: Path, tool: str) -> None:
    # Version 3.2.0 of the tool reads odd sizes without subsampled chroma alone.
    clips, settings = pair("yuv444p10le", "135x77", 2), {"saliency": network, "threshold": 0.4}
    found = Vmaf(scorer="vmaf", vmaf_bin=tool).roi(*clips, **settings)
    wanted = Vmaf().roi(*clips, **settings)
    for metric in ("vmaf_roi", "neg_roi", "vmaf_masked", "neg_masked", "gap_masked", "vmaf", "neg"):
        assert found[metric].frames == pytest.approx(wanted[metric].frames, abs=1e-3), metric
    assert found.coverage == wanted.coverage
    assert found.provenance["scorer"] == "vmaf"


def test_scorer_without_clips(pair: Pair) -> None:
    with pytest.raises(SettingsError, match="A mask needs a scorer that reads clips; 'fake' does not"):
        Vmaf(scorer=FakeScorer(vmaf=[90.0], neg=[90.0])).roi(*pair(), synthetic_mask=0.5)


# Pairs of every kind: the mask is of the frames that are scored.


@pytest.mark.slow
def test_aligned_pair(make: Callable[..., Path], footage: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    reference = footage("192x108", 16)
    late = make("-i", reference, "-vf", "trim=start_frame=3,setpts=PTS-STARTPTS,gblur=sigma=1", "-c:v", "ffv1",
                tmp_path / "late.mkv")  # fmt: skip
    found = Vmaf().roi(reference, late, align=True, saliency=network, threshold=0.4, fade=0.3)
    ours, theirs = (decoded(make, clip, "yuv420p", "192x108", tmp_path) for clip in (reference, late))
    alphas = [alpha_of(saliency(network, bt601(planes, 8)), 0.4, 0.3) for planes in ours[3:]]
    frames = [blend(*planes, alpha, 8) for *planes, alpha in zip(ours[3:], theirs, alphas, strict=True)]
    cut = make("-i", reference, "-vf", "trim=start_frame=3,setpts=PTS-STARTPTS", "-c:v", "ffv1", tmp_path / "cut.mkv")
    assert len(found.coverage) == 13
    assert_as_a_file(found, frames, cut, "yuv420p", "192x108", tmp_path)
    assert "--align" in found.provenance["command"]


@pytest.mark.slow
def test_scaled_pair(pair: Pair, make: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    reference, distorted = pair("yuv420p", "192x108")
    small = make("-i", distorted, "-vf", "scale=96:54", "-c:v", "ffv1", tmp_path / "small.mkv")
    found = Vmaf().roi(reference, small, scale="bicubic", saliency=network, threshold=0.4, fade=0.3)
    ours = decoded(make, reference, "yuv420p", "192x108", tmp_path)
    theirs = decoded(make, small, "yuv420p", "192x108", tmp_path, "-vf", "scale=192:108:flags=bicubic")
    alphas = [alpha_of(saliency(network, bt601(planes, 8)), 0.4, 0.3) for planes in ours]
    frames = [blend(*planes, alpha, 8) for *planes, alpha in zip(ours, theirs, alphas, strict=True)]
    assert_as_a_file(found, frames, reference, "yuv420p", "192x108", tmp_path)


@pytest.mark.slow
def test_uneven_time_stamps(pair: Pair, make: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    reference, distorted = pair("yuv420p", "192x108")
    uneven = make("-i", distorted, "-vf", "setpts=N*N*7+PTS", "-fps_mode", "vfr", "-c:v", "ffv1",
                  tmp_path / "uneven.mkv")  # fmt: skip
    wanted = Vmaf().roi(reference, distorted, saliency=network)
    found = Vmaf().roi(reference, uneven, saliency=network, allow=["frame_rate"])
    assert found.vmaf_roi.frames == wanted.vmaf_roi.frames
    assert "--allow=frame_rate" in found.provenance["command"]


@pytest.mark.slow
def test_rotated_clips(pair: Pair, make: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    sources = [
        make("-i", clip, "-c:v", "libx264", "-qp", "0", tmp_path / f"flat-{clip.stem}.mp4")
        for clip in pair("yuv420p", "192x108")
    ]
    turned = [
        make("-display_rotation", "90", "-i", clip, "-c", "copy", tmp_path / f"turned-{clip.name}") for clip in sources
    ]
    found = Vmaf().roi(*turned, saliency=network, threshold=0.4, fade=0.3)
    ours, theirs = (decoded(make, clip, "yuv420p", "108x192", tmp_path) for clip in turned)
    alphas = [alpha_of(saliency(network, bt601(planes, 8)), 0.4, 0.3) for planes in ours]
    frames = [blend(*planes, alpha, 8) for *planes, alpha in zip(ours, theirs, alphas, strict=True)]
    assert_as_a_file(found, frames, turned[0], "yuv420p", "108x192", tmp_path)
    assert (found.vmaf.scale.width, found.vmaf.scale.height) == (108, 192)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "color"),
    [
        ("a.mkv", "ffv1", "yuv444p10le", ("-colorspace", "bt709", "-color_range", "tv")),
        ("a.mkv", "ffv1", "yuv420p", ("-colorspace", "smpte170m", "-color_range", "pc")),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("a.mkv", "ffv1", "gbrp10le", ()),
                ("a.png", "png", "rgb24", ()),
                ("a.jpg", "mjpeg", "yuvj420p", ()),
            )
        ),
    ],
)
def test_network_gets_clip_colours(
    make: Callable[..., Path],
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    codec: str,
    pix_fmt: str,
    color: tuple[str, ...],
) -> None:
    colour = (200, 60, 40)
    source = tmp_path / "source.ppm"
    source.write_bytes(b"P6 96 64 255 " + bytes(colour) * (96 * 64))
    matrix = {"bt709": "bt709", "smpte170m": "bt601"}.get(color[1] if color else "")
    scale = [f"scale=out_color_matrix={matrix}:out_range={color[3]}"] if matrix else []
    paths = [tmp_path / name, tmp_path / f"worse-{name}"]
    for path, chain in zip(paths, ([], ["noise=alls=20:all_seed=3"]), strict=True):
        filters = ",".join([*chain, *scale, f"format={pix_fmt}"])
        single = ("-update", "1") if path.suffix in (".png", ".jpg") else ()
        make("-i", source, "-vf", filters, "-c:v", codec, "-q:v", "1", *color, *single, path)
    shown = looks(monkeypatch)
    found = Vmaf().roi(*paths, saliency=network, threshold=0, fade=0)
    assert len(shown) == 1
    assert shown[0].mean((0, 1)) == pytest.approx(colour, abs=3)
    assert found.mask_coverage == 1


def looks(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[Any]]:
    """What the network is shown."""
    shown: list[NDArray[Any]] = []
    real = room.infer

    def watched(loaded: Any, rgb: NDArray[Any]) -> Any:
        shown.append(rgb)
        return real(loaded, rgb)

    monkeypatch.setattr(room, "infer", watched)
    return shown


@pytest.mark.slow
def test_stride(pair: Pair, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "NEW_PICTURE", 256.0)
    clips, shown = pair("yuv420p", "192x108", 5), looks(monkeypatch)
    settings = {"threshold": 0.4, "fade": 0.2}
    for said, looked, note in (
        ({}, 3, "run on one of 2 frames"),
        ({"saliency": network, "stride": 3}, 2, "run on one of 3 frames"),
    ):
        shown.clear()
        found = Vmaf().roi(*clips, **settings, **said)
        assert len(shown) == looked, said
        assert len(found.coverage) == len(found.maps[2]) == 5
        noted = found.provenance["notes"][-1]
        assert note in noted if note else "frames;" not in noted
        assert ("--stride" in found.provenance["command"]) == ("stride" in said)


@pytest.mark.slow
def test_new_picture_within_stride(
    pair: Pair, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Four frames, then from the fourth on the same ones upside down in other colours.
    chain = "negate=enable='gte(n,3)',vflip=enable='gte(n,3)'"
    clips = [
        make("-i", clip, "-vf", chain, "-c:v", "ffv1", tmp_path / f"{clip.name}")
        for clip in pair("yuv420p10le", "192x108", 6)
    ]
    with monkeypatch.context() as patch:
        shown = looks(patch)
        found = Vmaf().roi(*clips, threshold=0.2, stride=60)
    assert len(shown) == 2
    assert found.coverage[:3] == (found.coverage[0],) * 3
    assert found.coverage[3:] == (found.coverage[3],) * 3
    assert found.coverage[0] != found.coverage[3]


@pytest.mark.slow
def test_empty_mask_within_stride(make: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    # Black has no saliency for this network; noise has.
    scene = "color=black:s=192x108:r=25,noise=alls=90:allf=t:enable='gte(n,4)',format=yuv420p"
    reference = make("-f", "lavfi", "-i", scene, "-frames:v", "6", "-c:v", "ffv1", tmp_path / "reference.mkv")
    worse = make("-i", reference, "-vf", "gblur=sigma=0.5", "-c:v", "ffv1", tmp_path / "worse.mkv")
    dark = Vmaf().roi(reference, worse, saliency=network, stride=1).maps[2]
    limit = max(max(zlib.decompress(picture)) for picture in dark[:4]) / 255 + 0.02
    found = Vmaf().roi(reference, worse, saliency=network, threshold=limit, fade=0, stride=3)
    assert found.empty == (0, 1, 2, 3)
    assert "the mask is empty in 4 frames" in found.provenance["notes"][-1]


@pytest.mark.parametrize("stride", [0, -1, 61, 2.0, True, "2"])
def test_stride_out_of_range(pair: Pair, stride: Any) -> None:
    with pytest.raises(SettingsError, match=r"stride must be a number of frames from 1 to 60, not "):
        Vmaf().roi(*pair(), stride=stride)


@pytest.mark.slow
def test_reference_with_itself(pair: Pair, network: Path) -> None:
    reference, _ = pair("yuv420p", "192x108")
    found = Vmaf().roi(reference, reference, saliency=network, threshold=0.4)
    assert found.vmaf_masked.unclipped.frames == found.vmaf_full.unclipped.frames
    assert not found.above_100


@pytest.mark.slow
def test_one_frame(pair: Pair, network: Path) -> None:
    found = Vmaf().roi(*pair("yuv420p", "135x77", 1), saliency=network, threshold=0.4)
    assert len(found.vmaf_roi.frames) == len(found.coverage) == 1


@pytest.mark.slow
def test_hdr_refused(pair: Pair, make: Callable[..., Path], tmp_path: Path) -> None:
    clips = [
        make("-i", clip, "-vf", "setparams=color_trc=smpte2084", "-c:v", "ffv1", tmp_path / clip.name)
        for clip in pair("yuv420p10le", "135x77")
    ]
    with pytest.raises(PairError, match="PQ"):
        Vmaf().roi(*clips, synthetic_mask=0.5)
    assert Vmaf().roi(*clips, synthetic_mask=0.5, allow=["hdr"]).mask_coverage == 1


def test_picture_too_small(pair: Pair, network: Path) -> None:
    with pytest.raises(ModelError, match="Frames of 135x77 are too small"):
        Vmaf().roi(*pair("yuv420p", "135x77"), saliency=network, generation="v1")


@pytest.mark.slow
def test_smallest_picture(pair: Pair, network: Path) -> None:
    tiny = Vmaf().roi(*pair("yuv420p", "19x18"), saliency=network, threshold=0, fade=0)
    assert tiny.mask_coverage == 1


@pytest.mark.slow
def test_hostile_names(pair: Pair, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, other = "-weight=0 $(touch pwned);'\"`.mkv", "we:ird,[0]=%03d\\ünï 字\u202e.mkv"
    temp = tmp_path / "te mp:[1],%d'"
    temp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temp))
    monkeypatch.chdir(tmp_path)
    reference, distorted = pair("yuv420p", "135x77")
    shutil.copy(reference, name)
    shutil.copy(distorted, other)
    hostile = Path(f"net-{name}").with_suffix(".onnx")
    shutil.copy(network, hostile)
    before = set(tmp_path.iterdir())
    found = Vmaf().roi(name, other, saliency=hostile, threshold=0.4)
    wanted = Vmaf().roi(reference, distorted, saliency=network, threshold=0.4)
    assert found.vmaf_masked.frames == wanted.vmaf_masked.frames
    assert all(character.isprintable() for character in "".join(found.provenance["notes"]))
    assert found.provenance["command"].isprintable()
    assert set(tmp_path.iterdir()) == before
    assert list(temp.iterdir()) == []
