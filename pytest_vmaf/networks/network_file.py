"""The file of a network (ONNX): its bytes, its digest and its metadata, read without ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.files import read_bounded
from pytest_vmaf.networks.external_data import has_external_data, read_fields
from pytest_vmaf.text import printable

#: The largest file that is read, in bytes. The largest known saliency networks have a third of it.
LARGEST_NETWORK = 512 << 20
#: The fields of a model (onnx.proto) with its metadata: each entry has a key and a value.
METADATA, KEY, VALUE = 14, 1, 2


@dataclass(frozen=True)
class NetworkFile:
    """The file of a network.

    Attributes:
        name: Its path, safe to print.
        digest: The SHA-256 of its content, in hexadecimal digits.
        content: Its bytes.
    """

    name: str
    digest: str
    content: bytes = field(repr=False, compare=False)


def read_network(path: Path | Traversable, what: str, error: type[MeasurementError]) -> NetworkFile:
    """Read the file of a network.

    Args:
        path: The file.
        what: What it is, for messages: "saliency network".
        error: The exception to raise.

    Raises:
        MeasurementError: If it cannot be read, or is too large.
    """
    name = printable(str(path))
    content = read_bounded(path, f"The {what} {name}", LARGEST_NETWORK, error)
    if len(content) > LARGEST_NETWORK:
        raise error(f"A {what} must have at most {LARGEST_NETWORK >> 20} MB; {name} has more.")
    return NetworkFile(name, hashlib.sha256(content).hexdigest(), content)


def refuse_external_data(
    network: NetworkFile, unusable: Callable[[str], MeasurementError], error: type[MeasurementError]
) -> None:
    """Raise an error for a network that is damaged, or whose tensors are in other files."""
    try:
        external = has_external_data(network.content)
    except ValueError as reason:
        raise unusable(str(reason)) from reason
    if external:
        raise error(
            f"{network.name} stores tensors in other files. A network must be one file: save it with its weights "
            "inside (onnx.save with save_as_external_data=False)."
        )


def metadata_of(network: NetworkFile) -> dict[str, str]:
    """The metadata of a network. Raises ValueError if its file is damaged."""
    content, texts = network.content, dict[str, str]()
    for number, at, size in read_fields(content, 0, len(content)):
        if number == METADATA:
            entry = {
                each: content[start : start + length] for each, start, length in read_fields(content, at, at + size)
            }
            texts[_text(entry.get(KEY, b""))] = _text(entry.get(VALUE, b""))
    return texts


def _text(content: bytes) -> str:
    return printable(content.decode("utf-8", "replace"))
