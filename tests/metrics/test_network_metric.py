"""Metric networks: ONNX files that are read, bound by name, refused or run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from roi.builders import FLOAT16, described, field, model, node, outside, wholes

from metrics.builders import absolute, network
from pytest_vmaf import MetricError, NetworkMetric, SettingsError
from pytest_vmaf.metrics.network_metric import network_metric
from pytest_vmaf.metrics.spec import read_spec

Save = Callable[..., Path]
PAIR = tuple(np.random.default_rng(2).random((2, 3, 40, 56), dtype=np.float32))


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(content: bytes, name: str = "net.onnx") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def difference(direction: str = "lower", **options: Any) -> bytes:
    return network(*absolute(options.get("inputs", ("reference", "distorted"))), direction=direction, **options)


def signed(inputs: tuple[str, str]) -> bytes:
    """The mean of the first input in the file minus that of the second."""
    return network(
        node("Sub", "reference distorted", "difference"),
        node("ReduceMean", "difference", "score", field(1, "keepdims") + field(3, 0) + field(20, 2)),
        inputs=inputs,
        output=[],
    )


def test_bound_by_name(save: Save) -> None:
    in_order = NetworkMetric(save(signed(("reference", "distorted")))).measure(*PAIR)
    swapped = NetworkMetric(save(signed(("distorted", "reference")), "swapped.onnx")).measure(*PAIR)
    assert in_order == swapped == pytest.approx(PAIR[0].mean() - PAIR[1].mean(), abs=1e-6)


@pytest.mark.parametrize("inputs", [("ref", "dist"), ("Reference", "dis"), ("ref", "distorted")])
def test_names_of_inputs(save: Save, inputs: tuple[str, str]) -> None:
    value = NetworkMetric(save(difference(inputs=inputs))).measure(*PAIR)
    assert value == pytest.approx(np.abs(PAIR[0] - PAIR[1]).mean(), abs=1e-6)


def test_attributes(save: Save) -> None:
    metadata = {"metric": "lpips", "label": "LPIPS", "unit": "x", "range": "0,1", "frames": "1", "stride": "2"}
    spec = read_spec(NetworkMetric(save(difference(**metadata))))
    assert (spec.name, spec.label, spec.unit, spec.higher_is_better) == ("lpips", "LPIPS", "x", False)
    assert (spec.low, spec.high, spec.frames, spec.stride) == (0, 1, 1, 2)
    other = read_spec(NetworkMetric(save(difference("")), name="mine", direction="higher", label="Mine"))
    assert (other.name, other.label, other.higher_is_better) == ("mine", "Mine", True)


def test_direction_of_path(save: Save) -> None:
    path = save(difference(""), "My-Net 2.onnx")
    assert read_spec(network_metric(f"{path}:lower")).name == "my_net_2"
    assert read_spec(network_metric(f"{path}:higher")).higher_is_better
    with pytest.raises(SettingsError, match=r"does not say which value is better\. Write .*:higher or :lower"):
        network_metric(path)
    with pytest.raises(SettingsError, match=r'must end with ":higher" or ":lower"'):
        network_metric(f"{path}:down")
    with pytest.raises(SettingsError, match="contradicts 'higher'"):
        network_metric(f"{save(difference())}:higher")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (difference(inputs=("x", "y")), "must be named reference .* not x, y"),
        (difference(inputs=("ref", "reference")), "must be named reference .* not ref, reference"),
        (network(*absolute(), shape=[1, 4, "h", "w"]), r"must be \[1,3,H,W\], .* not \[1,4,free,free\]"),
        (network(*absolute(), shape=[1, 8, 3, "h", "w"]), "frames=T in its metadata"),
        (network(*absolute(), shape=[1, 3, 40, "w"]), "both sides free or both fixed"),
        (network(node("Sub", "reference distorted", "score"), output=[1, 3, "h", "w"]), r"one number, not the shape"),
        (
            model(
                node("Cast", "reference", "score", field(1, "to") + field(3, 1) + field(20, 2)),
                inputs=(described("reference", [1, 3, "h", "w"], FLOAT16), described("distorted", [1, 3, "h", "w"])),
                outputs=(described("score", [1]),),
                metadata={"direction": "lower"},
            ),
            r"inputs must be tensor\(float\)",
        ),
    ],
)
def test_contract(save: Save, content: bytes, words: str) -> None:
    with pytest.raises(MetricError, match=words) as caught:
        NetworkMetric(save(content)).measure(*PAIR)
    assert "A metric network has two float32 inputs" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no protobuf at all", "damaged at byte"),
        (difference(normalise="imagenett"), 'normalise .* must be "0..1" or'),
        (difference(working_width="64"), "given together with working_height"),
        (difference(frames="0"), "frames .* must be a whole number from 1"),
        (difference(range="0"), "range .* must be two numbers"),
        (difference(metric="Bad Name"), "metric .* must be lowercase letters"),
        (difference("sideways"), 'direction .* must be "higher" or "lower"'),
        (network(*absolute(), tensors=(outside("weights.bin"),)), "stores tensors in other files"),
    ],
)
def test_refused_file(save: Save, content: bytes, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        NetworkMetric(save(content))
    assert "net.onnx" in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"The metric network .*none\.onnx does not exist"):
        NetworkMetric(tmp_path / "none.onnx")


@pytest.mark.parametrize(("normalise", "factor"), [("0..1", 1), ("-1..1", 2)])
def test_normalise(save: Save, normalise: str, factor: float) -> None:
    value = NetworkMetric(save(difference(normalise=normalise))).measure(*PAIR)
    assert value == pytest.approx(factor * np.abs(PAIR[0] - PAIR[1]).mean(), rel=1e-5)


def test_imagenet(save: Save) -> None:
    value = NetworkMetric(save(difference(normalise="imagenet"))).measure(*PAIR)
    scaled = np.abs(PAIR[0] - PAIR[1]) / np.array([0.229, 0.224, 0.225])[:, None, None]
    assert value == pytest.approx(scaled.mean(), rel=1e-5)


def test_frames(save: Save) -> None:
    nodes = (
        node("Sub", "reference distorted", "difference"),
        node("Abs", "difference", "size"),
        node("ReduceMean", "size", "score", wholes("axes", 2, 3, 4), field(1, "keepdims") + field(3, 0) + field(20, 2)),
    )
    metric = NetworkMetric(save(network(*nodes, shape=[1, 4, 3, "h", "w"], output=[1, 4], frames="4")))
    windows = [np.stack([each * share for share in (1, 0.5, 0.25, 0)]) for each in PAIR]
    expected = np.abs(windows[0] - windows[1]).mean((1, 2, 3))
    assert metric.measure(*windows) == pytest.approx(expected, abs=1e-6)
    assert read_spec(metric).frames == read_spec(metric).stride == 4


def test_size(save: Save) -> None:
    fixed = NetworkMetric(save(network(*absolute(), shape=[1, 3, 24, 32])))
    assert fixed.open(1) == (32, 24)
    named = NetworkMetric(save(difference(working_width="48", working_height="36"), "named.onnx"))
    assert read_spec(named).size == (48, 36)
    other = NetworkMetric(save(network(*absolute(), shape=[1, 3, 24, 32], working_width="8", working_height="8")))
    with pytest.raises(MetricError, match="its metadata names another size"):
        other.open(1)
