"""Metric networks written field by field: SSIM as ONNX, and small ones that break the contract."""

from __future__ import annotations

import math
import struct

from roi.builders import FLOAT, described, field, model, node, wholes

PICTURE: list[int | str] = [1, 3, "h", "w"]
INPUTS = ("reference", "distorted")
#: SSIM of Z. Wang et al. (2004), as libvmaf computes it: luma in 8-bit code values, an 11x11 Gaussian of 1.5.
TAPS, SIGMA, PEAK = 11, 1.5, 255.0
LUMA = (0.2126, 0.7152, 0.0722)


def weights(name: str, shape: tuple[int, ...], values: list[float]) -> bytes:
    """A tensor of several dimensions."""
    sides = b"".join(field(1, side) for side in shape)
    return sides + field(2, FLOAT) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values))


def constant(name: str, value: float) -> bytes:
    """A number."""
    return weights(name, (), [value])


def network(
    *nodes: bytes,
    tensors: tuple[bytes, ...] = (),
    inputs: tuple[str, ...] = INPUTS,
    shape: list[int | str] | None = None,
    output: list[int | str] | None = None,
    **metadata: str,
) -> bytes:
    """A metric network whose nodes compute "score"."""
    return model(
        *nodes,
        tensors=tensors,
        inputs=tuple(described(name, shape or PICTURE) for name in inputs),
        outputs=(described("score", output or ["n"]),),
        metadata={"direction": "higher", **metadata}
        if metadata.get("direction") != ""
        else {key: value for key, value in metadata.items() if key != "direction"},
    )


def absolute(inputs: tuple[str, str] = INPUTS) -> tuple[bytes, ...]:
    """Nodes for the mean absolute difference of each picture of a batch, in "score"."""
    return (
        node("Sub", " ".join(inputs), "difference"),
        node("Abs", "difference", "size"),
        node("ReduceMean", "size", "score", wholes("axes", 1, 2, 3), field(1, "keepdims") + field(3, 0) + field(20, 2)),
    )


def ssim(**metadata: str) -> bytes:
    """SSIM of luma, one number."""
    row = [math.exp(-((tap - TAPS // 2) ** 2) / (2 * SIGMA**2)) for tap in range(TAPS)]
    total = sum(row)
    window = [a * b / total**2 for a in row for b in row]
    nodes = []
    for side, name in (("reference", "x"), ("distorted", "y")):
        nodes += [
            node("Conv", f"{side} luma", f"{name}share"),
            node("Mul", f"{name}share steps", f"{name}scaled"),
            node("Add", f"{name}scaled black", name),
        ]
    for first, second in (("x", "x"), ("y", "y"), ("x", "y")):
        nodes += [
            node("Mul", f"{first} {second}", f"{first}{second}"),
            node("Conv", f"{first}{second} window", f"mean{first}{second}"),
        ]
    nodes += [node("Conv", f"{name} window", f"mean{name}") for name in "xy"]
    nodes += [node("Mul", f"mean{a} mean{b}", f"product{a}{b}") for a, b in ("xx", "yy", "xy")]
    nodes += [node("Sub", f"mean{both} product{both}", f"var{both}") for both in ("xx", "yy", "xy")]
    nodes += [
        node("Mul", "productxy two", "p2"),
        node("Add", "p2 c1", "luminance"),
        node("Mul", "varxy two", "v2"),
        node("Add", "v2 c2", "structure"),
        node("Mul", "luminance structure", "above"),
        node("Add", "productxx productyy", "p3"),
        node("Add", "p3 c1", "p4"),
        node("Add", "varxx varyy", "v3"),
        node("Add", "v3 c2", "v4"),
        node("Mul", "p4 v4", "below"),
        node("Div", "above below", "map"),
        node("ReduceMean", "map", "score", wholes("axes", 1, 2, 3), field(1, "keepdims") + field(3, 0) + field(20, 2)),
    ]
    tensors = (
        weights("luma", (1, 3, 1, 1), list(LUMA)),
        weights("window", (1, 1, TAPS, TAPS), window),
        constant("steps", 219.0),
        constant("black", 16.0),
        constant("two", 2.0),
        constant("c1", (0.01 * PEAK) ** 2),
        constant("c2", (0.03 * PEAK) ** 2),
    )
    return network(*nodes, tensors=tensors, **{"metric": "net_ssim", **metadata})
