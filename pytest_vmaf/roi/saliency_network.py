"""The saliency network: an ONNX file, checked, loaded and run on single pictures.

Networks are untrusted files; `pytest_vmaf.networks` reads and opens them.

This module needs numpy; import it where it is used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import MaskError
from pytest_vmaf.networks.network_file import NetworkFile, read_network, refuse_external_data
from pytest_vmaf.networks.session import open_session, summary
from pytest_vmaf.roi.resample import pad, upsample
from pytest_vmaf.text import plural, printable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

#: Sides of trial pictures (height, width), by the number that they are odd multiples of. Frames are padded to the first
#: number that the network accepts. A network with downsampling refuses the others, or answers in another size.
TRIALS = {1: (67, 101), 8: (72, 104), 16: (80, 112), 32: (96, 160)}
#: Networks halve their pictures several times, so resized pictures have sides that are multiples of STEP pixels. A
#: picture whose number of pixels is within a share of CLOSE of the working size is not resized.
STEP, CLOSE = 16, 0.25
#: How far outside [0,1] rounding may take a map. Further outside, a final sigmoid is missing.
STRAY = 0.5
#: Every 8-bit value of R, G and B as the network gets it: as a share of 255, minus ImageNet's mean, divided by its
#: standard deviation.
_MEAN, _DEVIATION = np.array([[[0.485], [0.456], [0.406]], [[0.229], [0.224], [0.225]]], np.float32)
NORMALISED = (np.arange(256, dtype=np.float32) / np.float32(255) - _MEAN) / _DEVIATION
CONTRACT = (
    "  A saliency network has one float32 input [1,3,H,W] (RGB from 0 to 1, normalised by ImageNet's mean and standard "
    "deviation) and one float32 output [1,1,H,W] in [0,1]."
)

Picture = NDArray[np.uint8]
SaliencyMap = NDArray[np.float32]


@dataclass(frozen=True)
class Saliency:
    """A saliency network that is ready to run.

    Attributes:
        name: The network's name for people: its path, or "pytest-vmaf saliency" with the start of its digest.
        digest: The SHA-256 of the file, in hexadecimal digits.
        working: The width and height in pixels that it is made for; None for any size.
        fixed: Whether it accepts no size but `working`.
        multiple: Sides of pictures are padded to multiples of this.
        run: The network: float32 [1,3,H,W] to [H,W].
    """

    name: str
    digest: str
    working: tuple[int, int] | None
    fixed: bool
    multiple: int
    run: Callable[[SaliencyMap], SaliencyMap] = field(repr=False, compare=False)


def identify(path: Path | None = None) -> tuple[str, str]:
    """The name and the SHA-256 of a network, without loading it.

    Raises:
        MaskError: If the file cannot be read.
    """
    network = _read(path)
    return network.name, network.digest


def load_saliency(path: Path | None = None, threads: int = 1) -> Saliency:
    """Load a saliency network from an ONNX file.

    Args:
        path: The file; None for the bundled network.
        threads: Threads that the network computes in.

    Returns:
        The network. Its working size is the fixed size of its input, or the metadata `working_width` and
        `working_height` of the file.

    Raises:
        MaskError: If the file cannot be read, is not a network, refers to other files, or breaks the contract.
    """
    return _load(_read(path), threads) if path else _load_bundled(threads)


@cache
def _load_bundled(threads: int) -> Saliency:
    """The bundled network, which is loaded once in a process."""
    return _load(_read(None), threads)


def _load(network: NetworkFile, threads: int) -> Saliency:
    name, unusable = network.name, partial(_unusable, network.name)
    refuse_external_data(network, unusable, MaskError)
    session = open_session(network, threads, unusable, MaskError)
    working, fixed = _working_size(session, name)
    run = partial(_run, session, name)
    return Saliency(name, network.digest, working, fixed, _multiple(run, working), run)


def shown_size(saliency: Saliency, width: int, height: int) -> tuple[int, int] | None:
    """The size at which the network gets a picture of this width and height in pixels; None if unchanged.

    It has about as many pixels as the working size, in the picture's own shape. A network of one size gets exactly
    that size.
    """
    if saliency.working is None or saliency.fixed:
        return None if saliency.working == (width, height) else saliency.working
    pixels = saliency.working[0] * saliency.working[1]
    if abs(width * height / pixels - 1) < CLOSE:
        return None
    scale = math.sqrt(pixels / (width * height))
    return max(STEP, round(width * scale / STEP) * STEP), max(STEP, round(height * scale / STEP) * STEP)


def infer(saliency: Saliency, rgb: Picture) -> SaliencyMap:
    """The saliency map [H,W], 0 to 1, of a picture [H,W,3] in 8-bit RGB.

    The picture is resized to the network's size where necessary, and the map back.

    Raises:
        MaskError: If the network fails, or its output is not a map.
    """
    height, width = rgb.shape[:2]
    across, down = shown_size(saliency, width, height) or (width, height)
    resized = pad(_resize(rgb, across, down), saliency.multiple)
    result = saliency.run(np.stack([NORMALISED[c][resized[:, :, c]] for c in range(3)])[None])[:down, :across]
    low, high = float(result.min()), float(result.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MaskError(
            f"The saliency map of {saliency.name} has values that are not finite, for {width}x{height} pixels."
        )
    if low < -STRAY or high > 1 + STRAY:
        raise MaskError(
            f"The values of a saliency map must be from 0 to 1; those of {saliency.name} go from {low:.3g} to "
            f"{high:.3g}. A sigmoid may be missing at its end.\n{CONTRACT}"
        )
    result = np.clip(result, 0, 1)
    return result if (across, down) == (width, height) else upsample(result, width, height)


def _resize(rgb: Picture, width: int, height: int) -> Picture:
    if rgb.shape[:2] == (height, width):
        return rgb
    # The mean of complete blocks first, so that no row or column is skipped.
    down, across = max(1, rgb.shape[0] // height), max(1, rgb.shape[1] // width)
    rows, columns = -(-rgb.shape[0] // down), -(-rgb.shape[1] // across)
    padded = np.pad(rgb, ((0, rows * down - rgb.shape[0]), (0, columns * across - rgb.shape[1]), (0, 0)), mode="edge")
    blocks = padded.reshape(rows, down, columns, across, 3).mean((1, 3), dtype=np.float32)
    return np.stack([np.rint(upsample(blocks[:, :, c], width, height)) for c in range(3)], axis=2).astype(np.uint8)


def _read(path: Path | None) -> NetworkFile:
    network = read_network(
        path or resources.files("pytest_vmaf.model") / "saliency.onnx", "saliency network", MaskError
    )
    return network if path else replace(network, name=f"pytest-vmaf saliency {network.digest[:12]}")


def _unusable(name: str, reason: str) -> MaskError:
    return MaskError(f"{name} cannot be used as a saliency network: {reason}.\n{CONTRACT}")


def _working_size(session: InferenceSession, name: str) -> tuple[tuple[int, int] | None, bool]:
    """The working size (width, height), and whether the network accepts no other. Checks the contract."""
    for kind, tensors in (("input", session.get_inputs()), ("output", session.get_outputs())):
        if len(tensors) != 1:
            names = printable(", ".join(tensor.name for tensor in tensors)[:200])
            raise _unusable(name, f"it must have one {kind}, not {plural(len(tensors), kind)} ({names})")
        if tensors[0].type != "tensor(float)":
            raise _unusable(name, f"its {kind} must be tensor(float), not {printable(tensors[0].type)}")
    # A free side has a name or nothing instead of a number.
    shape = [side if isinstance(side, int) else None for side in session.get_inputs()[0].shape]
    batch, channels, height, width = shape if len(shape) == 4 else (0, 0, None, None)
    if batch not in (1, None) or channels not in (3, None) or (height is None) != (width is None):
        sides = ",".join("free" if side is None else str(side) for side in shape)
        raise _unusable(name, f"its input must be [1,3,H,W], both sides free or both fixed, not [{sides}]")
    if width is not None and height is not None:
        return (width, height), True
    metadata = session.get_modelmeta().custom_metadata_map
    sizes = [metadata.get("working_width"), metadata.get("working_height")]
    if sizes == [None, None]:
        return None, False
    if not all(re.fullmatch("[0-9]{1,4}", size or "") and int(size) for size in sizes):
        raise _unusable(
            name,
            "its metadata working_width and working_height must be numbers of pixels from 1 to 9999, not "
            f"{sizes[0]!r:.40} and {sizes[1]!r:.40}",
        )
    return (int(sizes[0]), int(sizes[1])), False


def _multiple(run: Callable[[SaliencyMap], SaliencyMap], working: tuple[int, int] | None) -> int:
    """The number that sides must be multiples of. Raises the MaskError of the first trial if every trial fails."""
    errors = []
    for multiple, trial in TRIALS.items():
        sides = trial if working is None else tuple(-(-side // multiple) * multiple for side in reversed(working))
        try:
            run(np.zeros((1, 3, *sides), np.float32))
            return multiple
        except MaskError as error:
            errors.append(error)
    raise errors[0]


def _run(session: InferenceSession, name: str, pictures: SaliencyMap) -> SaliencyMap:
    sides = pictures.shape[2:]
    try:
        result = session.run(None, {session.get_inputs()[0].name: pictures})[0]
    except Exception as error:
        raise _unusable(name, f"it fails for an input {[*pictures.shape]}: {summary(error)}") from error
    if not isinstance(result, np.ndarray) or result.shape[-2:] != sides or result.size != sides[0] * sides[1]:
        raise _unusable(name, f"for an input {[*pictures.shape]} its output is {[*np.shape(result)]}")
    return np.asarray(result.reshape(sides), np.float32)
