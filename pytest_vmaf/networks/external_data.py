"""References from an ONNX file to tensors in other files, detected without ONNX Runtime.

Newer releases of ONNX Runtime restrict such references, older ones read any file they name.
"""

from __future__ import annotations

from collections.abc import Iterator

#: The protobuf messages in which a tensor can occur (onnx.proto): a field's number to the message it holds.
MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}


def has_external_data(model: bytes) -> bool:
    """Whether a tensor of an ONNX model is stored in another file.

    Raises:
        ValueError: If the model is not a protobuf message.
    """
    # Every such tensor has an entry with this key. Reading a large file takes long, so it is looked for first.
    if b"location" not in model:
        return False
    # A list instead of recursion, since the file decides how deeply its graphs are nested.
    pending = [("model", 0, len(model))]
    while pending:
        message, start, end = pending.pop()
        for number, at, size in read_fields(model, start, end):
            inner = MESSAGES.get(message, {}).get(number)
            if inner == "external":
                return True
            if inner is not None:
                pending.append((inner, at, at + size))
    return False


def read_fields(model: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a protobuf message that have a length of their own: number, start and size of the content.

    Raises:
        ValueError: If it is not a protobuf message.
    """
    while at < end:
        number, at, size = _read_field(model, at, end)
        if number:
            yield number, at, size
        at += size


def _read_field(model: bytes, at: int, end: int) -> tuple[int, int, int]:
    """A field's number (0 if its value has no length of its own), and the start and the size of its content."""
    tag, at = _read_varint(model, at)
    # Protobuf reads tags as 32 bits and ignores the bits above.
    number, wire = (tag & 0xFFFFFFFF) >> 3, tag & 7
    size = {0: 0, 1: 8, 5: 4}.get(wire)
    if wire in (0, 2):
        value, at = _read_varint(model, at)
        size = value if wire == 2 else 0
    if size is None or size > end - at:
        raise ValueError(f"it is damaged at byte {at}")
    return number if wire == 2 else 0, at, size


def _read_varint(model: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(model[at : at + 10]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise ValueError(f"it is damaged at byte {at}")
