"""The saliency network: checked before it is loaded, and run on single pictures.

Networks are untrusted files. ONNX Runtime interprets a graph of its own operators and runs no code from the file:
custom operators need a library that the host registers, which is not done here. Tensors may stand in other files,
though; ONNX Runtime 1.31 reads those from below the working directory, older ones from anywhere. So such networks are
refused before it sees them. What a graph computes can still take long, or much memory.

This module needs numpy; import it where it is used.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import MaskError
from pytest_vmaf.roi.blending import pad, upsample
from pytest_vmaf.text import printable

#: A network larger than this is no saliency network (the largest known ones have a third of it). In bytes.
LARGEST_NETWORK = 512 << 20
#: The sides of pictures at which a network is tried, and what they are odd multiples of: the first it takes is what
#: frames are padded to. A network with downsamplings refuses the others, or answers in another size.
TRIALS = {1: (67, 101), 8: (72, 104), 16: (80, 112), 32: (96, 160)}
#: Networks halve their pictures some times, so that these are best made small to multiples of this many pixels. One
#: that has as many pixels as the network is made for, to within this part of them, stays as it is.
STEP, CLOSE = 16, 0.25
#: How far outside [0,1] a map may be by its arithmetic; further out, a final sigmoid is missing.
STRAY = 0.5
#: Every 8-bit value of R, G and B as the network gets it: of 1, less ImageNet's mean, by its standard deviation.
_MEAN, _DEVIATION = np.array([[[0.485], [0.456], [0.406]], [[0.229], [0.224], [0.225]]], np.float32)
NORMALISED = (np.arange(256, dtype=np.float32) / np.float32(255) - _MEAN) / _DEVIATION
CONTRACT = (
    "  A saliency network has one float32 input [1,3,H,W] (RGB of 0 to 1, normalised by ImageNet's mean and standard "
    "deviation) and one float32 output [1,1,H,W] in [0,1]."
)
#: The messages of protobuf in which a tensor can stand (onnx.proto): a field's number to the kind of what is in it.
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

Picture = NDArray[np.uint8]
Map = NDArray[np.float32]


@dataclass(frozen=True)
class Saliency:
    """A network that is ready to run. ``name`` says which, ``digest`` is the file's SHA-256 in hexadecimal digits.

    ``working`` is the width and height in pixels it is made for, None if it is shown pictures as they are; ``fixed``
    says that it takes no other. Sides of pictures are padded to ``multiple``. ``network`` maps float32 [1,3,H,W] to
    [H,W].
    """

    name: str
    digest: str
    working: tuple[int, int] | None
    fixed: bool
    multiple: int
    network: Callable[[Map], Map] = field(repr=False, compare=False)


def identify(path: Path | None = None) -> tuple[str, str]:
    """The name and the SHA-256 of a network that need not be loaded. Raises MaskError when it cannot be read."""
    name, content = _named_content(path)
    return _label(path, name, content), hashlib.sha256(content).hexdigest()


def load_saliency(path: Path | None = None, threads: int = 1) -> Saliency:
    """The saliency network in an ONNX file; without a path, the one that comes with pytest-vmaf.

    ``working`` is the fixed size of its input, or what its metadata say as ``working_width`` and ``working_height``.
    Raises MaskError when the file cannot be read, is no network, refers to other files, or does not keep the contract.
    """
    name, content = _named_content(path)
    # Every such tensor has a text of this name; going through a large file takes long, so it is looked for first.
    if b"location" in content and _refers_outside(content, name):
        raise MaskError(
            f"{name} keeps tensors in other files, which are not read: a network is one file. "
            "Save it with its weights inside (onnx.save with save_as_external_data=False)."
        )
    session = _session(content, name, threads)
    working, fixed = _working_size(session, name)
    digest = hashlib.sha256(content).hexdigest()

    def network(pictures: Map) -> Map:
        return _run(session, pictures, name)

    return Saliency(_label(path, name, content), digest, working, fixed, _multiple(network, working), network)


def _named_content(path: Path | None) -> tuple[str, bytes]:
    source = resources.files("pytest_vmaf.model") / "saliency.onnx" if path is None else path
    name = printable(str(source))
    return name, _content(source, name)


def _label(path: Path | None, name: str, content: bytes) -> str:
    return f"pytest-vmaf saliency {hashlib.sha256(content).hexdigest()[:12]}" if path is None else name


def shown_size(saliency: Saliency, width: int, height: int) -> tuple[int, int] | None:
    """The width and height in pixels at which a picture of this size is shown to the network; None for as it is.

    That is about as many pixels as its working size has, in the picture's own shape; of a network that takes no other,
    exactly its size.
    """
    if saliency.working is None or saliency.fixed:
        return None if saliency.working == (width, height) else saliency.working
    pixels = saliency.working[0] * saliency.working[1]
    if abs(width * height / pixels - 1) < CLOSE:
        return None
    scale = math.sqrt(pixels / (width * height))
    return max(STEP, round(width * scale / STEP) * STEP), max(STEP, round(height * scale / STEP) * STEP)


def infer(saliency: Saliency, rgb: Picture) -> Map:
    """The saliency [H,W], 0 to 1, of a picture [H,W,3] in 8-bit RGB.

    A picture that is to be shown at another size is fitted to it, and the map back. Raises MaskError when
    the network fails, or its answer is no map.
    """
    height, width = rgb.shape[:2]
    across, down = shown_size(saliency, width, height) or (width, height)
    fitted = pad(_fit(rgb, across, down), saliency.multiple)
    found = saliency.network(np.stack([NORMALISED[c][fitted[:, :, c]] for c in range(3)])[None])[:down, :across]
    low, high = float(found.min()), float(found.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MaskError(
            f"The saliency map of {saliency.name} has values that are not finite, for {width}x{height} pixels."
        )
    if low < -STRAY or high > 1 + STRAY:
        raise MaskError(
            f"The saliency map of {saliency.name} goes from {low:.3g} to {high:.3g} instead of 0 to 1; is a sigmoid "
            f"missing at its end?\n{CONTRACT}"
        )
    found = np.clip(found, 0, 1)
    return found if (across, down) == (width, height) else upsample(found, width, height)


def _fit(rgb: Picture, width: int, height: int) -> Picture:
    if rgb.shape[:2] == (height, width):
        return rgb
    # The mean of whole blocks first, so that no row or column is skipped over.
    down, across = max(1, rgb.shape[0] // height), max(1, rgb.shape[1] // width)
    rows, columns = -(-rgb.shape[0] // down), -(-rgb.shape[1] // across)
    padded = np.pad(rgb, ((0, rows * down - rgb.shape[0]), (0, columns * across - rgb.shape[1]), (0, 0)), mode="edge")
    blocks = padded.reshape(rows, down, columns, across, 3).mean((1, 3), dtype=np.float32)
    return np.stack([np.rint(upsample(blocks[:, :, c], width, height)) for c in range(3)], axis=2).astype(np.uint8)


def _content(source: Path | Traversable, name: str) -> bytes:
    try:
        if not source.is_file():
            raise MaskError(f"There is no file {name}; a saliency network is an ONNX file.")
        with source.open("rb") as file:
            content: bytes = file.read(LARGEST_NETWORK + 1)
    except OSError as error:
        raise MaskError(f"{name} cannot be read: {error.strerror or error}.") from error
    if len(content) > LARGEST_NETWORK:
        raise MaskError(f"{name} has more than {LARGEST_NETWORK >> 20} MB; that is no saliency network.")
    return content


def _refers_outside(content: bytes, name: str) -> bool:
    """Whether a tensor of the model stands in another file. Raises MaskError where this is no protobuf message."""
    # A list instead of recursion: how deep graphs are nested is the file's to say.
    left = [("model", 0, len(content))]
    while left:
        kind, at, end = left.pop()
        while at < end:
            tag, at = _varint(content, at, name)
            # Protobuf reads tags as 32 bits, whatever stands above.
            number, wire = (tag & 0xFFFFFFFF) >> 3, tag & 7
            size = {1: 8, 5: 4}.get(wire, 0)
            if wire in (0, 2):
                value, at = _varint(content, at, name)
                size = value if wire == 2 else 0
            if wire not in (0, 1, 2, 5) or size > end - at:
                raise _no_network(name, f"it is damaged at byte {at}")
            if wire == 2 and number in MESSAGES.get(kind, {}):
                inner = MESSAGES[kind][number]
                if inner == "external":
                    return True
                left.append((inner, at, at + size))
            at += size
    return False


def _varint(content: bytes, at: int, name: str) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(content[at : at + 10]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, at + index + 1
    raise _no_network(name, f"it is damaged at byte {at}")


def _no_network(name: str, why: str) -> MaskError:
    return MaskError(f"{name} is no network that can be run: {why}.\n{CONTRACT}")


def _words(error: Exception) -> str:
    """What ONNX Runtime says, on one short line; what matters stands at its ends."""
    words = printable(" ".join(re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).split())).rstrip(" .")
    return words if len(words) <= 400 else f"{words[:100]} … {words[-300:]}"


def _session(content: bytes, name: str, threads: int) -> Any:
    # Its wheels gather what they see of their users, in files that outlive the run, unless this is set when it loads.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise MaskError(
            f"{name} needs ONNX Runtime, which cannot be imported ({printable(str(error))}). "
            "Install it: python -m pip install onnxruntime."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.use_deterministic_compute = True
    # Its errors are raised, and need not be printed as well.
    options.log_severity_level = 4
    # The other format it knows would not have been searched for files it refers to.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Threads that wait would take the time of the process that scores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's exceptions have no base of their own.
        raise _no_network(name, _words(error)) from error


def _working_size(session: Any, name: str) -> tuple[tuple[int, int] | None, bool]:
    """Width and height, and whether it takes no others. Raises MaskError where the contract is not kept."""
    for what, tensors in (("input", session.get_inputs()), ("output", session.get_outputs())):
        if len(tensors) != 1:
            names = printable(", ".join(tensor.name for tensor in tensors)[:200])
            raise _no_network(name, f"it has {len(tensors)} {what}s ({names}), and one is expected")
        if tensors[0].type != "tensor(float)":
            raise _no_network(name, f"its {what} is {printable(tensors[0].type)}, and tensor(float) is expected")
    # A side that is free has a name or nothing instead of a number.
    shape = [side if isinstance(side, int) else None for side in session.get_inputs()[0].shape]
    if (
        len(shape) != 4
        or shape[0] not in (1, None)
        or shape[1] not in (3, None)
        or (shape[2] is None) != (shape[3] is None)
    ):
        words = ",".join("free" if side is None else str(side) for side in shape)
        raise _no_network(name, f"its input is [{words}], and [1,3,H,W] is expected, both sides free or both fixed")
    if shape[2] is not None and shape[3] is not None:
        return (shape[3], shape[2]), True
    said = session.get_modelmeta().custom_metadata_map
    sides = [said.get("working_width"), said.get("working_height")]
    if sides == [None, None]:
        return None, False
    if not all(side and side.isascii() and side.isdigit() and len(side) < 5 and int(side) for side in sides):
        raise _no_network(
            name,
            f"its metadata have working_width {sides[0]!r:.40} and working_height {sides[1]!r:.40}, and two numbers of "
            "pixels from 1 to 9999 are expected",
        )
    return (int(sides[0]), int(sides[1])), False


def _multiple(network: Callable[[Map], Map], working: tuple[int, int] | None) -> int:
    """What sides have to be multiples of. Raises the MaskError of the first trial if there is none."""
    refused = []
    for multiple, trial in TRIALS.items():
        sides = trial if working is None else tuple(-(-side // multiple) * multiple for side in reversed(working))
        try:
            network(np.zeros((1, 3, *sides), np.float32))
        except MaskError as error:
            refused.append(error)
        else:
            return multiple
    raise refused[0]


def _run(session: Any, pictures: Map, name: str) -> Map:
    sides = pictures.shape[2:]
    try:
        found = session.run(None, {session.get_inputs()[0].name: pictures})[0]
    except Exception as error:
        raise _no_network(name, f"for an input {[*pictures.shape]} it says: {_words(error)}") from error
    if not isinstance(found, np.ndarray) or found.shape[-2:] != sides or found.size != sides[0] * sides[1]:
        raise _no_network(name, f"for an input {[*pictures.shape]} it gives {[*np.shape(found)]}")
    return np.asarray(found.reshape(sides), np.float32)
