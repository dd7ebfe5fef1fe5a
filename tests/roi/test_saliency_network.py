"""Saliency networks: ONNX files that are read, refused or run."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import MaskError
from pytest_vmaf.roi.saliency_network import Saliency, infer, load_saliency, shown_size
from roi.builders import (
    FLOAT16,
    FREE,
    INT64,
    MEAN,
    PLAIN,
    SIGMOID,
    described,
    field,
    halved,
    model,
    node,
    outside,
    tensor,
    varint,
    whole,
    wholes,
)

Save = Callable[[bytes], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(content: bytes) -> Path:
        path = tmp_path / "network.onnx"
        path.write_bytes(content)
        return path

    return write


def picture(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_hand(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What PLAIN finds."""
    normalised = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return 1 / (1 + np.exp(-normalised.mean(axis=2)))


def refused(path: Path, words: str) -> str:
    with pytest.raises(MaskError, match=words) as caught:
        load_saliency(path)
    text = str(caught.value)
    assert path.name in text
    assert all(character.isprintable() or character == "\n" for character in text)
    return text


@pytest.mark.parametrize("size", [(576, 324), (1, 1), (3, 5), (101, 67)])
def test_infer_any_size(save: Save, size: tuple[int, int]) -> None:
    network = load_saliency(save(PLAIN))
    found = infer(network, picture(*size))
    assert (found.dtype, found.shape) == (np.float32, size[::-1])
    assert np.abs(found - by_hand(picture(*size))).max() < 1e-6
    assert (network.working, network.multiple) == (None, 1)


def test_network_identity(save: Save) -> None:
    network = load_saliency(save(PLAIN))
    assert network.name.endswith("network.onnx")
    assert network.digest == hashlib.sha256(PLAIN).hexdigest()
    assert network == load_saliency(save(PLAIN))
    assert isinstance(network, Saliency)


def test_threads_do_not_change_maps(save: Save) -> None:
    path = save(halved(3))
    maps = [infer(load_saliency(path, threads), picture(320, 180)) for threads in (1, 2, 1)]
    assert all((found == maps[0]).all() for found in maps)


@pytest.mark.parametrize(("halvings", "multiple"), [(3, 8), (4, 16), (5, 32)])
def test_downsampling_needs_padding(save: Save, halvings: int, multiple: int) -> None:
    network = load_saliency(save(halved(halvings)))
    assert network.multiple == multiple
    for width, height in ((576, 324), (854, 480), (33, 17), (1, 1)):
        rgb = picture(width, height)
        found = infer(network, rgb)
        assert found.shape == (height, width)
        padded = np.pad(rgb, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="edge")
        assert (found == infer(network, padded)[:height, :width]).all()


def test_padding_refused(save: Save) -> None:
    refused(save(halved(6)), r"it fails for an input \[1, 3, 67, 101\]: .*Add")


def test_fixed_size(save: Save) -> None:
    fixed = model(
        MEAN,
        SIGMOID,
        inputs=(described("input", [1, 3, 24, 40]),),
        outputs=(described("saliency_map", [1, 1, 24, 40]),),
    )
    network = load_saliency(save(fixed))
    assert network.working == (40, 24)
    assert [shown_size(network, *size) for size in ((1920, 1080), (24, 40), (40, 24))] == [(40, 24), (40, 24), None]
    assert np.abs(infer(network, picture(40, 24)) - by_hand(picture(40, 24))).max() < 1e-6
    # A ramp from left to right, four times as large.
    ramp = np.tile(np.linspace(0, 255, 160).astype(np.uint8)[None, :, None], (96, 1, 3))
    found = infer(network, ramp)
    assert found.shape == (96, 160)
    assert np.abs(found - by_hand(ramp)).max() < 0.02


def test_working_size(save: Save) -> None:
    network = load_saliency(save(model(MEAN, SIGMOID, metadata={"working_width": "48", "working_height": "32"})))
    assert network.working == (48, 32)
    assert infer(network, picture(101, 67)).shape == (67, 101)
    # A frame smaller than the working size is enlarged, and the map made smaller again.
    flat = np.full((9, 7, 3), 200, np.uint8)
    assert np.abs(infer(network, flat) - by_hand(flat)).max() < 1e-6


def test_shown_size_keeps_shape(save: Save) -> None:
    network = load_saliency(save(model(MEAN, SIGMOID, metadata={"working_width": "48", "working_height": "32"})))
    sizes = [(1920, 1080), (1080, 1920), (100, 100), (48, 32), (32, 48)]
    assert [shown_size(network, *size) for size in sizes] == [(48, 32), (32, 48), (32, 32), None, None]
    assert (infer(network, picture(32, 48)) == infer(load_saliency(save(PLAIN)), picture(32, 48))).all()
    assert shown_size(load_saliency(save(PLAIN)), 1080, 1920) is None


def test_damaged_network_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = files("pytest_vmaf.model").joinpath("saliency.onnx").read_bytes()
    damaged = tmp_path / "damaged.onnx"
    for place in range(60, 160, 8):
        # Names that are no Unicode: ONNX Runtime's Python part fails on them.
        damaged.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        with suppress(MaskError):
            load_saliency(damaged)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "metadata",
    [
        {"working_width": "48"},
        {"working_width": "48", "working_height": "0"},
        {"working_width": "48", "working_height": "-32"},
        {"working_width": "48", "working_height": "99999"},
        {"working_width": "48", "working_height": "٣٢"},
        {"working_width": "", "working_height": "x\x1b[2J" * 100},
    ],
)
def test_working_size_invalid(save: Save, metadata: dict[str, str]) -> None:
    refused(
        save(model(MEAN, SIGMOID, metadata=metadata)),
        "working_width and working_height must be numbers of pixels from 1 to 9999, not ",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no network at all",
        bytes(100),
        b"\0\0\0\0ORTM" + bytes(100),
        PLAIN[:-9],
        PLAIN[: len(PLAIN) // 2],
        b"\x89PNG",
    ],
)
def test_not_a_network(save: Save, content: bytes) -> None:
    assert "has one float32 input [1,3,H,W]" in refused(save(content), "cannot be used as a saliency network: ")


def test_unreadable_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", r"The saliency network .*none\.onnx does not exist")
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", r"folder\.onnx is not a regular file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders; run on Linux or macOS")
def test_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    refused(tmp_path / "pipe.onnx", "is not a regular file")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads every file; run as another user"
)
def test_unreadable_permission(save: Save) -> None:
    path = save(PLAIN)
    path.chmod(0)
    refused(path, "cannot be read: Permission denied")


def test_printable_name(tmp_path: Path) -> None:
    with pytest.raises(MaskError) as caught:
        load_saliency(tmp_path / "a\x1b[2Jb\nc.onnx")
    assert r"a\x1b[2Jb\nc.onnx" in str(caught.value)


def test_file_too_large(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_vmaf.networks.network_file.LARGEST_NETWORK", 1 << 20)
    path = save(PLAIN)
    with path.open("ab") as file:
        file.truncate((1 << 20) + 1)
    refused(path, "must have at most 1 MB")


SCALE = node("Mul", "input w", "scaled")
SCALED_MEAN = MEAN.replace(field(1, "input"), field(1, "scaled"), 1)
CONSTANT = node("Constant", "", "w", field(1, "value") + field(5, outside("w.bin")) + field(20, 4))


def branch(inside: bytes) -> bytes:
    """A node whose branches are graphs with a constant in them."""
    graph = field(1, inside) + field(2, "branch") + field(12, described("w", [1, 3, 1, 1]))
    sides = [field(1, name) + field(6, graph) + field(20, 5) for name in ("then_branch", "else_branch")]
    return node("If", "yes", "w", *sides)


OUTSIDE = {
    "beside": model(SCALE, SCALED_MEAN, SIGMOID, tensors=(outside("w.bin"),)),
    "above": model(SCALE, SCALED_MEAN, SIGMOID, tensors=(outside("../w.bin"),)),
    "absolute": model(SCALE, SCALED_MEAN, SIGMOID, tensors=(outside("/etc/passwd"),)),
    "memory": model(SCALE, SCALED_MEAN, SIGMOID, tensors=(outside("*/_ORT_MEM_ADDR_/*"),)),
    "attribute": model(CONSTANT, SCALE, SCALED_MEAN, SIGMOID),
    "branch": model(branch(CONSTANT), SCALE, SCALED_MEAN, SIGMOID, tensors=(tensor("yes", []),)),
    "function": PLAIN + field(25, field(1, "f") + field(7, CONSTANT)),
    "sparse": model(MEAN, SIGMOID) + field(7, field(15, field(1, outside("w.bin")))),
    # The number of the field for tensors, 5, written in more bytes than it needs, and with bits above the 32nd.
    "long tag": PLAIN + field(7, b"\xaa\x80\x00" + varint(len(outside("w.bin"))) + outside("w.bin")),
    "wide tag": PLAIN + field(7, b"\xaa\x80\x80\x80\x20" + varint(len(outside("w.bin"))) + outside("w.bin")),
}


@pytest.mark.parametrize("where", OUTSIDE)
def test_external_data_refused(save: Save, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # They are there to be read: beside the network, in the working directory and above it.
    (tmp_path / "below").mkdir()
    for folder in (tmp_path, tmp_path / "below"):
        (folder / "w.bin").write_bytes(struct.pack("<3f", 1, 2, 3))
    for folder in (tmp_path, tmp_path / "below"):
        monkeypatch.chdir(folder)
        refused(save(OUTSIDE[where]), "stores tensors in other files")


def test_word_location_is_allowed(save: Save) -> None:
    grey, final = (content.replace(b"\x04grey", b"\x08location") for content in (MEAN, SIGMOID))
    network = load_saliency(save(model(grey, final, metadata={"location": "here"})))
    assert np.abs(infer(network, picture(5, 4)) - by_hand(picture(5, 4))).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_external_data(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(OUTSIDE["beside"])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(MaskError):
        load_saliency(path)


TWO = (described("input", FREE), described("more", FREE))
BAD = {
    "two inputs": (
        model(node("Add", "input more", "both"), node("ReduceMean", "both", "grey"), SIGMOID, inputs=TWO),
        r"it must have one input, not 2 inputs \(input, more\)",
    ),
    "two outputs": (
        model(
            MEAN,
            SIGMOID,
            outputs=(described("saliency_map", [1, 1, "h", "w"]), described("grey", [1, 1, "h", "w"])),
        ),
        r"it must have one output, not 2 outputs \(saliency_map, grey\)",
    ),
    "half floats": (
        model(
            MEAN,
            SIGMOID,
            inputs=(described("input", FREE, FLOAT16),),
            outputs=(described("saliency_map", [1, 1, "h", "w"], FLOAT16),),
        ),
        r"its input must be tensor\(float\), not tensor\(float16\)",
    ),
    "whole numbers out": (
        model(
            MEAN,
            node("Cast", "grey", "saliency_map", whole("to", INT64)),
            outputs=(described("saliency_map", [1, 1, "h", "w"], INT64),),
        ),
        r"its output must be tensor\(float\), not tensor\(int64\)",
    ),
    "rank 3": (
        model(MEAN, SIGMOID, inputs=(described("input", [3, "h", "w"]),)),
        r"its input must be \[1,3,H,W\], .*, not \[3,free,free\]",
    ),
    "channels last": (
        model(MEAN, SIGMOID, inputs=(described("input", [1, "h", "w", 3]),)),
        r"its input must be \[1,3,H,W\], both sides free or both fixed, not \[1,free,free,3\]",
    ),
    "grey pictures": (model(MEAN, SIGMOID, inputs=(described("input", [1, 1, "h", "w"]),)), r"\[1,1,free,free\]"),
    "batches": (model(MEAN, SIGMOID, inputs=(described("input", [4, 3, "h", "w"]),)), r"\[4,3,free,free\]"),
    "one side fixed": (model(MEAN, SIGMOID, inputs=(described("input", [1, 3, 256, "w"]),)), r"\[1,3,256,free\]"),
    "three channels out": (
        model(node("Sigmoid", "input", "saliency_map"), outputs=(described("saliency_map", ["n", "c", "h", "w"]),)),
        r"for an input \[1, 3, 67, 101\] its output is \[1, 3, 67, 101\]",
    ),
    "half the size out": (
        model(
            MEAN,
            node("AveragePool", "grey", "small", wholes("kernel_shape", 2, 2), wholes("strides", 2, 2)),
            node("Sigmoid", "small", "saliency_map"),
            outputs=(described("saliency_map", [1, 1, "y", "x"]),),
        ),
        r"for an input \[1, 3, 67, 101\] its output is \[1, 1, 33, 50\]",
    ),
    "one number out": (
        model(
            node("ReduceMean", "input", "grey", whole("keepdims", 0)), SIGMOID, outputs=(described("saliency_map", []),)
        ),
        r"its output is \[\]",
    ),
    "own operator": (model(MEAN, node("Foo", "grey", "saliency_map", domain="my.own")), "Foo.*my.own"),
    "no such operator": (model(MEAN, node("Foo", "grey", "saliency_map")), "No Op registered for Foo"),
    "opset of the future": (model(MEAN, SIGMOID, opset=999), "[Oo]pset"),
}


@pytest.mark.parametrize("case", BAD)
def test_contract(save: Save, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    content, words = BAD[case]
    text = refused(save(content), words)
    assert "[1,1,H,W] in [0,1]" in text
    assert len(text.splitlines()) == 2
    assert capfd.readouterr() == ("", "")


def shifted(operator: str, number: float) -> bytes:
    """A network whose map is the sigmoid's, and an arithmetic step more."""
    steps = (node("Sigmoid", "grey", "soft"), node(operator, "soft number", "saliency_map"))
    return model(MEAN, *steps, tensors=(tensor("number", [float(number)]),))


@pytest.mark.parametrize(("operator", "number"), [("Mul", float("nan")), ("Div", 0.0), ("Sub", float("inf"))])
def test_map_not_finite(save: Save, operator: str, number: float) -> None:
    network = load_saliency(save(shifted(operator, number)))
    with pytest.raises(MaskError, match=r"network.onnx has values that are not finite, for 32x18 pixels"):
        infer(network, picture(32, 18))


def test_one_pixel_not_finite(save: Save) -> None:
    # The square root of what is below the middle of the scale.
    network = load_saliency(save(model(MEAN, node("Sqrt", "grey", "saliency_map"))))
    rgb = np.full((18, 32, 3), 140, np.uint8)
    assert infer(network, rgb).max() < 1
    rgb[7, 9] = 60
    with pytest.raises(MaskError, match="not finite"):
        infer(network, rgb)


@pytest.mark.parametrize(
    ("operator", "number", "range_"), [("Add", 2, r"from 2\.\d* to 2\.\d*"), ("Sub", 3, "from -2")]
)
def test_map_out_of_range(save: Save, operator: str, number: float, range_: str) -> None:
    network = load_saliency(save(shifted(operator, number)))
    with pytest.raises(MaskError, match=rf"must be from 0 to 1; those of .*network\.onnx go {range_}"):
        infer(network, picture(32, 18))


def test_map_clipped(save: Save) -> None:
    rgb = np.zeros((4, 8, 3), np.uint8)
    rgb[:, 4:] = 255
    soft = by_hand(rgb)
    found = infer(load_saliency(save(shifted("Add", 0.4))), rgb)
    assert (found[:, 4:] == 1).all()
    assert np.abs(found[:, :4] - soft[:, :4] - 0.4).max() < 1e-6
    assert (infer(load_saliency(save(shifted("Sub", 0.4))), rgb)[:, :4] == 0).all()


def test_onnxruntime_missing(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    refused(save(PLAIN), "python -m pip install onnxruntime")


def test_bundled_network() -> None:
    network = load_saliency()
    assert network is load_saliency()
    assert network.name == f"pytest-vmaf saliency {network.digest[:12]}"
    scene = np.full((270, 480, 3), (90, 120, 90), np.uint8)
    scene[90:180, 200:290] = (220, 40, 30)
    found = infer(network, scene)
    assert found.shape == (270, 480)
    assert found[110:160, 220:270].mean() > 2 * found[:50].mean()
