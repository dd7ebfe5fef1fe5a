"""Builders of ONNX files, written field by field, and small saliency networks made with them."""

from __future__ import annotations

import struct

FLOAT, INT64, FLOAT16 = 1, 7, 10
FREE = [1, 3, "h", "w"]


def varint(value: int) -> bytes:
    value, out = value % (1 << 64), bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protobuf message: a number, a text, or bytes, which may be a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def described(name: str, shape: list[int | str], kind: int = FLOAT) -> bytes:
    sides = b"".join(field(1, field(1 if isinstance(side, int) else 2, side)) for side in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sides)))


def tensor(name: str, values: list[float]) -> bytes:
    """Numbers in a row."""
    return field(1, len(values)) + field(2, FLOAT) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values))


def outside(location: str) -> bytes:
    """A tensor "w" of three numbers that stands in another file."""
    entry = field(13, field(1, "location") + field(2, location)) + field(13, field(1, "length") + field(2, "12"))
    return b"".join(field(1, side) for side in (1, 3, 1, 1)) + field(2, FLOAT) + field(8, "w") + entry + field(14, 1)


def whole(name: str, value: int) -> bytes:
    """An attribute: a whole number."""
    return field(1, name) + field(3, value) + field(20, 2)


def wholes(name: str, *values: int) -> bytes:
    """An attribute: several whole numbers."""
    return field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7)


def node(operator: str, inputs: str, output: str, *attributes: bytes, domain: str = "") -> bytes:
    names = b"".join(field(1, name) for name in inputs.split())
    return names + field(2, output) + field(4, operator) + b"".join(field(5, a) for a in attributes) + field(7, domain)


def model(
    *nodes: bytes,
    tensors: tuple[bytes, ...] = (),
    inputs: tuple[bytes, ...] = (described("input", FREE),),
    outputs: tuple[bytes, ...] = (described("saliency_map", [1, 1, "h", "w"]),),
    opset: int = 17,
    metadata: dict[str, str] | None = None,
) -> bytes:
    parts = [(1, nodes), (5, tensors), (11, inputs), (12, outputs)]
    graph = field(2, "graph") + b"".join(field(number, part) for number, part_list in parts for part in part_list)
    said = b"".join(field(14, field(1, key) + field(2, value)) for key, value in (metadata or {}).items())
    return field(1, 8) + field(8, field(2, opset)) + field(7, graph) + said


#: The mean of the normalised channels through a sigmoid: a map of every size.
MEAN = node("ReduceMean", "input", "grey", wholes("axes", 1))
SIGMOID = node("Sigmoid", "grey", "saliency_map")
PLAIN = model(MEAN, SIGMOID)


def halved(times: int) -> bytes:
    """A network that halves its picture some times, and doubles it again as often, as a U-Net does."""
    nodes, name = [MEAN], "grey"
    for step in range(times):
        nodes.append(node("AveragePool", name, f"down{step}", wholes("kernel_shape", 2, 2), wholes("strides", 2, 2)))
        name = f"down{step}"
    for step in range(times):
        nodes.append(node("Resize", f"{name} none scales", f"up{step}"))
        name = f"up{step}"
    # The sum needs both of one size.
    nodes += [node("Add", f"{name} grey", "sum"), node("Sigmoid", "sum", "saliency_map")]
    return model(*nodes, tensors=(tensor("none", []), tensor("scales", [1.0, 1.0, 2.0, 2.0])))
