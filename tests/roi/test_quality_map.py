"""Quality maps on real clips: tiles, the worst tile, saliency weights, gates."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from html import unescape
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_vmaf import (
    FakeScorer,
    GateViolation,
    MaskError,
    ModelError,
    PairError,
    QualityMap,
    Region,
    Result,
    ScorerError,
    SettingsError,
    Vmaf,
)
from pytest_vmaf.gates.gate import POOLS
from pytest_vmaf.gates.metrics import label
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.plugins import ffmpeg as ffmpeg_plugin
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.roi import tile_weights as salience
from pytest_vmaf.roi.blending import Layout, planes_of, rgb_of
from pytest_vmaf.roi.saliency_network import load_saliency
from pytest_vmaf.roi.tile_scoring import MOST_ON_SIDE, MOST_TILES, _edges
from pytest_vmaf.scoring.prepare import MeasureRequest, prepare
from roi.builders import MEAN, PLAIN, model, node, tensor

FRAMES = 4
NEG_TILE, NEG_SALIENT = label("neg_tile"), label("neg_salient")


@pytest.fixture(scope="session")
def scene(footage: Callable[..., Path]) -> Path:
    """320x180, 4 frames."""
    return footage("320x180", FRAMES)


@pytest.fixture(scope="session")
def mixed(scene: Path, make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scene with the top left blurred, and the bottom right sharpened, 80x60 pixels each: tiles of a 4x3 grid."""
    graph = (
        "[0]split=3[a][b][c];[b]crop=80:60:0:0,gblur=2[blurred];[c]crop=80:60:240:120,unsharp=5:5:0.7[sharp];"
        "[a][blurred]overlay=0:0:format=yuv420[x];[x][sharp]overlay=240:120:format=yuv420"
    )
    output = tmp_path_factory.mktemp("mixed") / "mixed.mkv"
    return make("-i", scene, "-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "ffv1", output)


@pytest.fixture(scope="session")
def mixed_map(scene: Path, mixed: Path) -> QualityMap:
    """The map of the mixed clip."""
    return Vmaf().quality_map(scene, mixed, grid=(4, 3))


@pytest.fixture(scope="session")
def coded(scene: Path, encode: Callable[..., Path]) -> Path:
    return encode(scene, 32)


@pytest.fixture
def network(tmp_path: Path) -> Callable[[bytes], Path]:
    def save(content: bytes) -> Path:
        path = tmp_path / "network.onnx"
        path.write_bytes(content)
        return path

    return save


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often libvmaf stands in each run of ffmpeg."""
    runs: list[int] = []
    real = ffmpeg_plugin.run

    def counting(command: Any, timeout: float | None) -> Any:
        runs.append(" ".join(command.argv).count("]libvmaf="))
        return real(command, timeout)

    monkeypatch.setattr(ffmpeg_plugin, "run", counting)
    return runs


# The grid.


@given(st.integers(1, 5000), st.integers(1, MOST_ON_SIDE), st.sampled_from([1, 2]))
def test_edges_cover_a_side(length: int, parts: int, step: int) -> None:
    edges = _edges(length, parts, step)
    assert (edges[0], edges[-1], len(edges)) == (0, length, parts + 1)
    assert edges == sorted(edges)
    assert all(edge % step == 0 for edge in edges[:-1])
    sizes = [after - before for before, after in pairwise(edges)]
    assert max(sizes) - min(sizes) <= 2 * step - 1


def test_tiles_equal_regions(
    footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path, counted: list[int]
) -> None:
    size, grid = "130x75", (3, 2)
    reference = footage(size, FRAMES)
    distorted = make("-i", reference, "-vf", "gblur=0.9", "-c:v", "ffv1", tmp_path / "blurred.mkv")
    found = Vmaf().quality_map(reference, distorted, grid=grid)
    # All in one run.
    assert counted[0] == grid[0] * grid[1] + 1
    assert [(tile.column, tile.row) for tile in found.tiles] == [
        (column, row) for row in range(grid[1]) for column in range(grid[0])
    ]
    width, height = map(int, size.split("x"))
    covered = np.zeros((height, width), int)
    for tile in found.tiles:
        covered[tile.y : tile.y + tile.h, tile.x : tile.x + tile.w] += 1
    assert (covered == 1).all()
    regions = {tile.name: Region(tile.x, tile.y, tile.w, tile.h) for tile in found.tiles}
    cut = Vmaf().score(reference, distorted, regions=regions).regions
    for tile in found.tiles:
        region = cut[tile.name]
        assert tile.neg.frames == region.neg.frames
        assert tile.vmaf.unclipped.frames == region.vmaf.unclipped.frames
        assert tile.gap.frames == region.gap.frames
        assert found.tile(tile.column, tile.row) is tile
    assert len({float(tile.neg) for tile in found.tiles}) > 1


def test_tiles_of_10_bit_chroma(
    footage: Callable[..., Path], make: Callable[..., Path], encode: Callable[..., Path], tmp_path: Path
) -> None:
    # Of three columns of 82 pixels the second would begin at an odd one.
    deep = make("-i", footage("82x64", FRAMES), "-pix_fmt", "yuv420p10le", "-c:v", "ffv1", tmp_path / "deep.mkv")
    found = Vmaf().quality_map(deep, encode(deep, 30), grid=(3, 2))
    assert all(tile.x % 2 == 0 for tile in found.tiles)
    assert found.worst_result["psnr_cb"].min > 25


def test_single_tile_is_whole_picture(scene: Path, coded: Path) -> None:
    found, whole = Vmaf().quality_map(scene, coded, grid=(1, 1)), Vmaf().score(scene, coded)
    assert found.tile(0, 0).neg.frames == found.whole.neg.frames == whole.neg.frames
    assert found.whole.vmaf.frames == whole.vmaf.frames
    assert found.whole.above_100.frames == whole.above_100.frames
    assert found.whole.context.distorted == whole.context.distorted == found.context.distorted


@pytest.mark.parametrize(
    "grid",
    [5, None, "44", b"\x04\x04", (4,), (4, 4, 4), (0, 4), (-1, 2), (4.0, 4), (True, 4), {4, 5}, (65, 1), ("4", 4)],
)
def test_invalid_grid(grid: Any) -> None:
    vmaf = Vmaf()
    with pytest.raises(
        SettingsError, match=r"grid must be \(columns, rows\), each between 1 and 64, for example \(4, 4\); got "
    ):
        vmaf.quality_map("missing.mkv", "missing.mp4", grid=grid)
    assert [record["status"] for record in vmaf.records] == ["error"]


def test_too_many_tiles(scene: Path) -> None:
    with pytest.raises(SettingsError, match=rf"grid must have at most {MOST_TILES} tiles, not 930; got \(31, 30\)"):
        Vmaf().quality_map(scene, scene, grid=(31, 30))


@pytest.mark.slow
def test_many_tiles(footage: Callable[..., Path], encode: Callable[..., Path]) -> None:
    # As many as MOST_TILES work too, and take minutes.
    reference = footage("120x120", 1)
    assert len(Vmaf(threads=1).quality_map(reference, encode(reference, 30), grid=(6, 6)).tiles) == 36


def test_tiles_too_small(scene: Path, coded: Path) -> None:
    with pytest.raises(ModelError, match=r"Pictures of 'tile 0,0' of 16x90 are too small for vmaf_v0\.6\.1"):
        Vmaf().quality_map(scene, coded, grid=(20, 2))
    with pytest.raises(ModelError, match=r"Pictures of 'tile 0,0' of 160x180 are too small"):
        Vmaf(generation="v1").quality_map(scene, coded, grid=(2, 1))


# What a map tells.


def test_worst_tile_and_pools(mixed_map: QualityMap) -> None:
    found = mixed_map
    assert isinstance(found, QualityMap)
    assert (found.worst.column, found.worst.row) == (0, 0)
    assert found.worst.neg < 85
    largest = max(found.tiles, key=lambda tile: float(tile.gap))
    assert (largest.column, largest.row) == (3, 2)
    assert found.gap_tile == largest.gap > 5 > found.worst.gap
    assert found.neg_tile == found.worst.neg == found.worst_result.neg
    judged = found.worst_result
    for pool in POOLS:
        pooled = [tile.neg.stdev if pool == "stdev" else float(tile.neg.pooled(pool)) for tile in found.tiles]
        assert judged.pooled("neg_tile", pool) == (max if pool == "stdev" else min)(pooled)
        # A gate meets first what violates it first.
        assert judged.pooled("neg_tile", pool, "min") == judged.pooled("neg", pool, "min") == min(pooled)
        assert judged.pooled("neg_tile", pool, "max") == judged.pooled("neg", pool, "max") == max(pooled)
        gaps = [tile.gap.stdev if pool == "stdev" else float(tile.gap.pooled(pool)) for tile in found.tiles]
        if pool != "harmonic_mean":
            assert judged.pooled("gap_tile", pool) == max(gaps)
    assert [tile.name for tile, _ in found.worst_over_time] == ["tile in column 0, row 0"] * FRAMES
    assert [value for _, value in found.worst_over_time] == list(found.worst.neg.frames)
    assert "tile in column 0, row 0 of 4x3" in judged.context.distorted
    assert not isinstance(found, Result)
    assert float(found.whole.neg) > float(found.neg_tile)
    for place in ((4, 0), (0, 3), (-1, 0)):
        with pytest.raises(IndexError, match="is not in a grid of 4x3"):
            found.tile(*place)


@pytest.mark.slow
def test_stdev_gate(scene: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    # One tile is bad in every second frame, another a little worse in all.
    graph = (
        "[0]split=3[a][b][c];[b]crop=80:60:0:0,gblur=3[one];[c]crop=80:60:240:120,gblur=4[two];"
        "[a][one]overlay=0:0:format=yuv420:enable='eq(mod(n,2),1)'[x];[x][two]overlay=240:120:format=yuv420"
    )
    distorted = tmp_path / "flickers.mkv"
    make("-i", scene, "-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "ffv1", distorted)
    vmaf = Vmaf()
    found = vmaf.quality_map(scene, distorted, grid=(4, 3))
    spread = found.tile(0, 0).neg.stdev
    assert spread == max(tile.neg.stdev for tile in found.tiles) > 3 * found.worst.neg.stdev
    less = spread - 1e-6
    with pytest.raises(GateViolation, match=r"\(2 of 2 gates failed\)") as caught:
        vmaf.quality_map(scene, distorted, grid=(4, 3), max_neg_tile_stdev=less, max_neg_stdev=less)
    assert str(caught.value).count("stdev") >= 2
    assert "tile in column 0, row 0" in str(caught.value)
    assert vmaf.records[0]["pools"]["neg_tile"]["stdev"] == spread


@pytest.mark.slow
def test_gates_of_other_methods(scene: Path, mixed: Path) -> None:
    with pytest.raises(SettingsError, match=r"above_100 is not a gate of vmaf\.quality_map"):
        Vmaf(above_100=True).quality_map(scene, mixed)
    with pytest.raises(SettingsError, match=r"min_neg_tile requires vmaf\.quality_map\(\)"):
        Vmaf(min_neg_tile=1).score(scene, mixed)
    # What is taken back holds nothing.
    fake = FakeScorer(features={"psnr_y": 40.0})
    Vmaf(scorer=fake, above_100=True, min_psnr_y=99).quality_map(scene, mixed, above_100=False, min_psnr_y=None)
    Vmaf(scorer=fake, min_neg_tile=1).score(scene, mixed, min_neg_tile=None)


@pytest.mark.slow
def test_worst_over_time(scene: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    graph = (
        "[0]split=3[a][b][c];[b]crop=80:60:0:0,gblur=2[one];[c]crop=80:60:240:120,gblur=2[two];"
        "[a][one]overlay=0:0:format=yuv420:enable='lt(n,2)'[x];[x][two]overlay=240:120:format=yuv420:enable='gte(n,2)'"
    )
    distorted = tmp_path / "moves.mkv"
    make("-i", scene, "-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "ffv1", distorted)
    found = Vmaf().quality_map(scene, distorted, grid=(4, 3))
    assert [(tile.column, tile.row) for tile, _ in found.worst_over_time] == [(0, 0), (0, 0), (3, 2), (3, 2)]


@pytest.mark.slow
def test_gates_by_pool(scene: Path, mixed: Path, mixed_map: QualityMap) -> None:
    vmaf = Vmaf()
    value = mixed_map.worst_result.pooled("neg_tile", "p5")
    with pytest.raises(GateViolation, match=rf"^{NEG_TILE} p5 \d.*\(1 of 2 gates failed\)"):
        vmaf.quality_map(scene, mixed, grid=(4, 3), min_neg_tile_p5=value + 1e-6, max_gap_tile=99)
    with pytest.raises(GateViolation, match=rf"^{label('gap_tile')} \d+\.\d+ > 3 \(1 of 2 gates failed\)"):
        vmaf.quality_map(scene, mixed, grid=(4, 3), max_gap_tile=3, min_neg_tile_p5=value)
    statuses = [record["status"] for record in vmaf.records]
    assert statuses == ["failed", "failed"]
    assert len(vmaf._context.records.clips) == len(vmaf.records)


def test_gap_gate_of_any_tile(scene: Path, mixed: Path) -> None:
    # The tile with the lowest NEG has a gap below 3; another one has more.
    with pytest.raises(GateViolation, match=r"\(2 of 2 gates failed\)"):
        Vmaf().quality_map(scene, mixed, grid=(4, 3), max_gap=3, max_gap_max=3)


def test_map_in_json(scene: Path, mixed: Path, mixed_map: QualityMap) -> None:
    found = mixed_map
    data = json.loads(found.to_json())
    assert [row["neg"] for row in data["tiles"]] == [float(tile.neg) for tile in found.tiles]
    assert Result.from_json(json.dumps(data["whole"])).neg.frames == found.whole.neg.frames
    assert found.to_rows() == data["tiles"]
    assert "worst tile" in unescape(found._repr_html_() or "")
    vmaf = Vmaf()
    vmaf.quality_map(scene, mixed, grid=(4, 3), max_gap_tile=99)
    json.dumps(vmaf.records, allow_nan=False)
    record = vmaf.records[0]
    assert record["features"]["neg_tile"] == pytest.approx(float(found.neg_tile))
    # The record is that of the tile with the lowest NEG, in which the gap is not the largest.
    for metric in ("vmaf", "neg", "gap"):
        assert record["pools"][metric]["mean"] == record[metric] == float(found.worst_result[metric])
        assert record["pools"][metric]["min"] == float(found.worst_result[metric].min)
    assert record["pools"]["gap_tile"]["mean"] == float(found.gap_tile) > record["gap"]


# What is salient.


#: What is bright is salient.
STRONG = model(
    MEAN,
    node("Mul", "grey four", "scaled"),
    node("Sigmoid", "scaled", "saliency_map"),
    tensors=(tensor("four", [4.0]),),
)
ZERO = model(MEAN, node("Mul", "grey zero", "saliency_map"), tensors=(tensor("zero", [0.0]),))
NAN = model(MEAN, node("Mul", "grey nan", "saliency_map"), tensors=(tensor("nan", [math.nan]),))


def test_shares_of_other_frames(
    scene: Path, coded: Path, network: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = salience.salient_shares

    def short(*arguments: Any) -> Any:
        shares, empty = real(*arguments)
        return shares[:-1], empty

    monkeypatch.setattr(salience, "salient_shares", short)
    with pytest.raises(ScorerError, match=f"{FRAMES} frames were scored, but saliency was computed for {FRAMES - 1}"):
        Vmaf().quality_map(scene, coded, saliency=network(STRONG))


def test_failed_network_does_not_fill_the_memory(
    scene: Path, coded: Path, network: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks: list[int] = []

    def fail(*arguments: Any) -> Any:
        raise MaskError("no map")

    def run(command: Command, timeout: float | None) -> Finished:
        assert command.stdout_bytes is not None
        tracemalloc.start()
        for _ in range(50):
            command.stdout_bytes(bytes(1 << 20))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        return Finished(command, 0, ())

    prepared = prepare(MeasureRequest(Clip(scene), Clip(coded)), FfmpegScorer())
    loaded = load_saliency(network(STRONG))
    monkeypatch.setattr(salience, "infer", fail)
    monkeypatch.setattr(salience, "run", run)
    with pytest.raises(MaskError, match="no map"):
        salience.salient_shares(prepared, loaded, [(0, 0, 320, 180)])
    assert peaks[0] < 10 << 20


def test_shares_are_saliency_of_tiles(
    scene: Path,
    coded: Path,
    network: Callable[[bytes], Path],
    make: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    seen: list[Any] = []
    real = salience.salient_shares

    def kept(*arguments: Any) -> Any:
        seen.append(real(*arguments))
        return seen[-1]

    monkeypatch.setattr(salience, "salient_shares", kept)
    found = Vmaf().quality_map(scene, coded, grid=(4, 3), saliency=network(STRONG))
    [(shares, empty)] = seen
    assert empty == ()
    assert len(shares) == FRAMES
    assert [sum(frame) for frame in shares] == pytest.approx([1.0] * FRAMES, abs=1e-12)
    # The same by hand: RGB of the frames, the network's arithmetic, the mean in each tile.
    content = make("-i", scene, "-f", "rawvideo", tmp_path / "420.yuv").read_bytes()
    layout = Layout(320, 180, "420", 8)
    for index in range(FRAMES):
        frame = content[index * layout.frame_bytes : (index + 1) * layout.frame_bytes]
        rgb = rgb_of(planes_of(frame, layout), layout, "bt601", "tv").astype(float)
        normalised = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        saliency = 1 / (1 + np.exp(-4 * normalised.mean(axis=2)))
        sums = np.array([saliency[t.y : t.y + t.h, t.x : t.x + t.w].sum() for t in found.tiles])
        assert shares[index] == pytest.approx(tuple(sums / sums.sum()), abs=2e-3)
        expected = sum(share * tile.neg.frames[index] for share, tile in zip(shares[index], found.tiles, strict=True))
        assert found.neg_salient.frames[index] == pytest.approx(expected, abs=1e-9)
    assert max(max(frame) for frame in shares) > 1.1 / 12


@pytest.mark.slow
def test_salient_tiles_decide(
    scene: Path, mixed: Path, network: Callable[[bytes], Path], make: Callable[..., Path], tmp_path: Path
) -> None:
    # Bright is salient: the top left is made bright in one reference, and the bottom right in another.
    values = []
    for x, y in ((0, 0), (240, 120)):
        pair = []
        for number, clip in enumerate((scene, mixed)):
            dark = f"lutyuv=y=val/4+16,drawbox={160 - x * 2 // 3}:0:1:1:black:fill"
            graph = f"[0]split[a][b];[a]{dark}[dark];[b]crop=80:60:{x}:{y}[c];[dark][c]overlay={x}:{y}:format=yuv420"
            output = tmp_path / f"{x}-{number}.mkv"
            pair.append(make("-i", clip, "-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "ffv1", output))
        values.append(Vmaf().quality_map(*pair, grid=(4, 3), saliency=network(STRONG)))
    bad, good = values
    assert bad.neg_salient < fmean(float(tile.neg) for tile in bad.tiles) - 3
    assert good.neg_salient > bad.neg_salient + 3


@pytest.mark.slow
def test_salient_gate(scene: Path, coded: Path) -> None:
    found = Vmaf().quality_map(scene, coded, saliency=True, grid=(2, 2), min_neg_salient=1)
    assert found.saliency.startswith("pytest-vmaf saliency ")
    assert min(float(t.neg) for t in found.tiles) < found.neg_salient < max(float(t.neg) for t in found.tiles)
    value = float(found.neg_salient)
    gates = {"min_neg_salient": value + 0.01, "min_neg_salient_min": value + 0.01}
    with pytest.raises(
        GateViolation, match=rf"^{NEG_SALIENT} \d+\.\d+ < .*{NEG_SALIENT} min \d+\.\d+ < .*\(2 of 2 gates failed\)"
    ):
        Vmaf().quality_map(scene, coded, saliency=True, grid=(2, 2), **gates)


def test_salient_gate_needs_saliency(scene: Path, coded: Path) -> None:
    gate = {"min_neg_salient": 1}
    # Wherever it was set: what was not measured must not pass.
    with pytest.raises(SettingsError, match=r"neg_salient.* saliency=True"):
        Vmaf(**gate).quality_map(scene, coded, grid=(1, 1))
    Vmaf(**gate).quality_map(scene, coded, min_neg_salient=None, grid=(1, 1))


def test_nothing_salient_anywhere(scene: Path, coded: Path, network: Callable[[bytes], Path]) -> None:
    with pytest.raises(MaskError, match=r"Nothing is salient in any of the 4 frames \(.*network\.onnx\)"):
        Vmaf().quality_map(scene, coded, saliency=network(ZERO), min_neg_salient=1)


@pytest.mark.slow
def test_nothing_salient_in_a_frame(
    scene: Path, coded: Path, network: Callable[[bytes], Path], make: Callable[..., Path], tmp_path: Path
) -> None:
    # Only what is brighter than the mean of ImageNet is salient; in the second frame nothing is.
    relu = model(
        MEAN,
        node("Mul", "grey tenth", "small"),
        node("Relu", "small", "saliency_map"),
        tensors=(tensor("tenth", [0.1]),),
    )
    pair = []
    for number, clip in enumerate((scene, coded)):
        dark = "lutyuv=y=val/8+16:u=128:v=128:enable='eq(n,1)'"
        pair.append(make("-i", clip, "-vf", f"{dark},format=yuv420p", "-c:v", "ffv1", tmp_path / f"{number}.mkv"))
    found = Vmaf().quality_map(*pair, grid=(4, 3), saliency=network(relu))
    assert any(
        "nothing is salient in frame 1; tiles count by their area there" in n for n in found.context.provenance["notes"]
    )
    areas = np.array([tile.w * tile.h for tile in found.tiles], float)
    second = np.array([tile.neg.frames[1] for tile in found.tiles])
    assert found.neg_salient.frames[1] == pytest.approx(float((areas * second).sum() / areas.sum()), abs=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no network", "cannot be used as a saliency network"), (NAN, "not finite")],
    ids=["no network", "NaN"],
)
def test_network_fails(
    content: bytes, message: str, scene: Path, coded: Path, network: Callable[[bytes], Path]
) -> None:
    vmaf = Vmaf()
    with pytest.raises(MaskError, match=message):
        vmaf.quality_map(scene, coded, saliency=network(content))
    assert [record["status"] for record in vmaf.records] == ["error"]


def test_network_missing(scene: Path, coded: Path, counted: list[int]) -> None:
    with pytest.raises(MaskError, match=r"The saliency network missing\.onnx does not exist"):
        Vmaf().quality_map(scene, coded, saliency="missing.onnx")
    assert counted == []


@pytest.mark.parametrize("saliency", [0, 1, 3.5, "", b"a.onnx", ["a.onnx"]])
def test_saliency_is_not_a_path(saliency: Any, scene: Path, coded: Path) -> None:
    with pytest.raises(SettingsError, match=r"saliency must be the path of an ONNX network, not "):
        Vmaf().quality_map(scene, coded, saliency=saliency)


# At the edges of what there is.


@pytest.mark.slow
def test_map_of_a_picture(scene: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    png = make("-i", scene, "-frames:v", 1, tmp_path / "a.png")
    jpg = make("-i", png, "-q:v", 20, tmp_path / "a.jpg")
    with pytest.raises(GateViolation, match=rf"^{NEG_TILE} \d") as caught:
        Vmaf().quality_map(png, jpg, saliency=True, min_neg_tile=99.9)
    result = caught.value.result
    assert isinstance(result, QualityMap)
    assert [len(tile.neg.frames) for tile in result.tiles] == [1] * 16
    assert len(result.worst_over_time) == 1


@pytest.mark.slow
def test_clip_with_itself(scene: Path) -> None:
    gates = {"min_neg_tile": 95, "max_gap_tile": 0.05, "min_neg_salient": 95}
    found = Vmaf().quality_map(scene, scene, saliency=True, grid=(2, 2), **gates)
    assert found.gap_tile == pytest.approx(0, abs=0.05)
    assert not found.whole.above_100


@pytest.mark.slow
def test_different_lengths(scene: Path, coded: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    short = make("-i", coded, "-frames:v", 3, "-c:v", "ffv1", tmp_path / "short.mkv")
    with pytest.raises(PairError, match="different lengths: 4 frames in the reference, 3"):
        Vmaf().quality_map(scene, short)


@pytest.mark.slow
def test_flat_tile_is_an_error(make: Callable[..., Path], tmp_path: Path) -> None:
    pair = [
        make(
            *("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25,drawbox=0:0:40:46:{colour}:fill,format=yuv420p"),
            *("-frames:v", 2, "-c:v", "ffv1", tmp_path / f"{colour}.mkv"),
        )
        for colour in ("black", "white")
    ]
    with pytest.raises(ScorerError, match=r"^tile 0,0: VMAF is not meaningful"):
        Vmaf().quality_map(*pair, grid=(8, 4))


def test_map_is_an_alias() -> None:
    assert Vmaf.map is Vmaf.quality_map


def test_fake_map() -> None:
    vmaf = Vmaf(scorer=FakeScorer(vmaf=95.0, neg=93.0))
    found = vmaf.quality_map("a", "b", grid=(2, 2), min_neg_tile=93, max_gap_tile=2)
    assert [float(tile.neg) for tile in found.tiles] == [93.0] * 4
    assert found.context.provenance["fake"]
    with pytest.raises(SettingsError, match="saliency needs a scorer that reads clips; 'fake' does not"):
        vmaf.quality_map("a", "b", saliency=True)
    with pytest.raises(GateViolation, match=rf"^{NEG_TILE} 93\.000 < 94"):
        vmaf.quality_map("a", "b", min_neg_tile=94)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("score", r"min_neg_tile requires vmaf\.quality_map\(\)"),
        ("check", r"min_neg_tile requires vmaf\.quality_map\(\)"),
        ("roi", r"min_neg_tile requires vmaf\.quality_map\(\)"),
    ],
)
def test_tile_gates_need_map(call: str, message: str, scene: Path, coded: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        getattr(Vmaf(), call)(scene, coded, min_neg_tile=1)


@pytest.mark.slow
def test_network_by_path(scene: Path, coded: Path, network: Callable[[bytes], Path]) -> None:
    found = Vmaf().quality_map(scene, coded, saliency=network(PLAIN), grid=(1, 1))
    assert found.saliency.endswith("network.onnx")


@pytest.mark.slow
def test_aligned_map(footage: Callable[..., Path], make: Callable[..., Path], tmp_path: Path) -> None:
    reference = footage("192x128", 16)
    cut = make("-i", reference, "-vf", "trim=start_frame=2,setpts=N/25/TB", "-c:v", "ffv1", tmp_path / "cut.mkv")
    late = make("-i", cut, "-c:v", "libx264", "-preset", "ultrafast", tmp_path / "late.mp4")
    aligned = Vmaf(align=True).quality_map(reference, late, grid=(2, 1), saliency=True)
    same = Vmaf().quality_map(cut, late, grid=(2, 1), saliency=True)
    assert [tile.neg.frames for tile in aligned.tiles] == [tile.neg.frames for tile in same.tiles]
    assert aligned.neg_salient.frames == same.neg_salient.frames
    assert len(same.neg_salient.frames) == 14


@pytest.mark.slow
def test_minimum_of_a_moment(scene: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    graph = (
        "[0]split=3[a][b][c];[b]crop=80:60:0:0,gblur=2[one];[c]crop=80:60:240:120,gblur=8[two];"
        "[a][one]overlay=0:0:format=yuv420[x];[x][two]overlay=240:120:format=yuv420:enable='eq(n,3)'"
    )
    distorted = tmp_path / "moment.mkv"
    make("-i", scene, "-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "ffv1", distorted)
    found = Vmaf().quality_map(scene, distorted, grid=(4, 3))
    assert (found.worst.column, found.worst.row) == (0, 0)
    moment = found.tile(3, 2).neg.frames[3]
    assert found.worst_result.pooled("neg_tile", "min") == moment < float(found.worst.neg.min) - 10
    with pytest.raises(GateViolation, match=rf"^{NEG_TILE} min {moment:.3f} < "):
        Vmaf().quality_map(scene, distorted, grid=(4, 3), min_neg_tile_min=float(found.worst.neg.min))
