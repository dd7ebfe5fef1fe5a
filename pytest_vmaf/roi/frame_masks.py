"""Masks of frames: the settings of a mask, the weights of each frame of a reference, statistics about them.

This module needs numpy; import it where it is used.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.roi.blending import Layout, Planes, Weights, alpha_of, coverage, layout_of, rgb_of, weights_of
from pytest_vmaf.roi.masked_clip import FrameMask, colours, small_layout
from pytest_vmaf.roi.resample import upsample
from pytest_vmaf.roi.saliency_network import Saliency, SaliencyMap, infer, shown_size
from pytest_vmaf.roi.untrusted import invalid
from pytest_vmaf.scoring.prepare import PreparedScoring

#: How many saliency maps a report gets, and about how many rows and columns they have there.
MOST_MAPS, MAP_SIDES = 20_000, (54, 96)
#: The bundled network looks at one of this many frames, since what viewers look at hardly changes within 1/24 second.
OWN_STRIDE, MOST_STRIDE = 2, 60
#: A frame whose luma differs by this much on average (of 255) from the last one that the network got is a new picture.
#: Cuts differ by 20 to 90.
NEW_PICTURE = 8.0

#: Gets a function that computes the saliency of the next picture. Returns its result, or the same from an earlier run.
Recall = Callable[[Callable[[], SaliencyMap]], SaliencyMap]


@dataclass(frozen=True)
class Mask:
    """The settings of a masked score. The defaults are those of vmaf-roi-score.

    Attributes:
        weight: The weight of the masked score in the blended one, 0 to 1.
        threshold: The saliency (0 to 1) below which the masked clip shows the reference.
        fade: The width (0 to 1) of the soft band: from `threshold + fade` on it shows the distorted clip.
        saliency: The path of an ONNX network; None for the bundled one.
        synthetic: One saliency (0 to 1) for every pixel, instead of a network.
        bt601: Whether the network gets every clip as limited BT.601, as in vmaf-roi-score, whatever its colours are.
        stride: The network looks at one of this many frames and at every new picture. The frames between have the same
            mask. None means 2 for the bundled network and 1 for others.

    Raises:
        SettingsError: If a value is out of range, or there is a network and a synthetic mask.
    """

    weight: float = 0.5
    threshold: float = 0.3
    fade: float = 0.1
    saliency: Path | None = None
    synthetic: float | None = None
    bt601: bool = False
    stride: int | None = None

    def __post_init__(self) -> None:
        for name in ("weight", "threshold", "fade", "synthetic"):
            value = getattr(self, name)
            if value is None and name == "synthetic":
                continue
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= 1:
                raise invalid("synthetic_mask" if name == "synthetic" else name, "a number from 0 to 1", value)
            # NumPy's numbers cannot be written as JSON.
            object.__setattr__(self, name, float(value))
        if not isinstance(self.bt601, bool):
            raise invalid("bt601", "True or False", self.bt601)
        if self.stride is not None and (type(self.stride) is not int or not 1 <= self.stride <= MOST_STRIDE):
            raise invalid("stride", f"a number of frames from 1 to {MOST_STRIDE}", self.stride)
        if self.saliency is not None and self.synthetic is not None:
            raise SettingsError("Pass either saliency (a network) or synthetic_mask (a mask without one), not both.")

    @property
    def every(self) -> int:
        """For how many frames the network is run once."""
        return self.stride or (1 if self.saliency or self.synthetic is not None else OWN_STRIDE)


def read_path(name: str, path: object) -> Path | None:
    """Read the path of a network, or None, from the setting of this name.

    Raises:
        SettingsError: If it is neither.
    """
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike) or not os.fspath(path) or "\0" in str(path):
        raise invalid(name, "the path of an ONNX network", path)
    return Path(path)


@dataclass
class MaskStats:
    """Statistics about the masks of a clip.

    Attributes:
        coverage: For each frame the share of the picture (0 to 1) that the mask keeps.
        empty: The frames in which it keeps nothing.
        largest: The largest saliency in any frame.
        size: Width and height of the maps.
        maps: For each of the first frames its saliency as a small picture of 8-bit grey samples, deflated.
    """

    coverage: list[float] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    largest: float = 0.0
    size: tuple[int, int] = (0, 0)
    maps: list[bytes] = field(default_factory=list)

    def add_coverage(self, share: float, alpha: float, maximum: int) -> None:
        """Add a frame: the share that its mask keeps, its largest alpha, and the largest possible sample."""
        # If even the largest difference is rounded away, the mask keeps nothing.
        if alpha * maximum < 0.5:
            self.empty.append(len(self.coverage))
        self.coverage.append(share)

    def repeat(self) -> None:
        """Add a frame with the mask of the frame before."""
        if self.empty and self.empty[-1] == len(self.coverage) - 1:
            self.empty.append(len(self.coverage))
        self.coverage.append(self.coverage[-1])
        self.maps += self.maps[-1:] if len(self.maps) < MOST_MAPS else []

    def add_map(self, saliency: SaliencyMap) -> None:
        """Add the saliency [H,W] of a frame."""
        self.largest = max(self.largest, float(saliency.max()))
        if len(self.maps) < MOST_MAPS:
            down, across = (max(1, side // most) for side, most in zip(saliency.shape, MAP_SIDES, strict=True))
            small = (saliency[::down, ::across] * 255).astype("uint8")
            self.size = small.shape[1], small.shape[0]
            self.maps.append(zlib.compress(small.tobytes(), 1))


def frame_mask_of(
    prepared: PreparedScoring, mask: Mask, network: Saliency | None, stats: MaskStats, recall: Recall | None = None
) -> FrameMask:
    """The function that makes the weights of each frame of the reference, and adds it to the statistics.

    Args:
        prepared: The pair's scoring.
        mask: The settings.
        network: The network; None for a synthetic mask.
        stats: Where the statistics go.
        recall: Called instead of the network, to reuse its maps from an earlier run.
    """
    job = prepared.job
    layout = layout_of(job.pix_fmt, job.width, job.height)
    if network is None:
        stats.largest = mask.synthetic or 0.0
        alpha = alpha_of(np.full((job.height, job.width), mask.synthetic, np.float32), mask.threshold, mask.fade)
        weights, share, largest = weights_of(alpha, layout), coverage(alpha), float(alpha.max())

        def constant(planes: Planes) -> Weights:
            stats.add_coverage(share, largest, layout.maximum)
            return weights

        return constant
    loaded = network
    size = shown_size(loaded, job.width, job.height)
    shown_layout = small_layout(prepared, size) if size else layout
    # Allocating large arrays for each frame would take longer than computing them.
    buffer = np.empty((job.height, job.width), np.float32)
    matrix, color_range = ("bt601", "tv") if mask.bt601 else colours(prepared)

    def salient(planes: Planes) -> Weights:
        def compute() -> SaliencyMap:
            return infer(loaded, rgb_of(planes, shown_layout, matrix, color_range))

        saliency = compute() if recall is None else recall(compute)
        stats.add_map(saliency)
        if saliency.shape != buffer.shape:
            saliency = upsample(saliency, job.width, job.height, buffer)
        alpha = alpha_of(saliency, mask.threshold, mask.fade, buffer)
        stats.add_coverage(coverage(alpha), float(alpha.max()), layout.maximum)
        return weights_of(alpha, layout)

    return _strided(salient, mask.every, shown_layout, stats) if mask.every > 1 else salient


def _strided(frame_mask: FrameMask, stride: int, layout: Layout, stats: MaskStats) -> FrameMask:
    """A function that makes weights once for `stride` frames, as long as these show the same picture."""
    step, unit = max(1, layout.height // 128), (layout.maximum + 1) / 256
    last: NDArray[np.float32] | None = None
    weights: Weights
    age = 0

    def strided(planes: Planes) -> Weights:
        nonlocal last, weights, age
        luma = planes[0][::step, ::step].astype(np.float32)
        age += 1
        if last is not None and age < stride and np.abs(luma - last).mean() < NEW_PICTURE * unit:
            stats.repeat()
        else:
            last, age = luma, 0
            weights = frame_mask(planes)
        return weights

    return strided
