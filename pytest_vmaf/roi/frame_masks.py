"""How each frame of a reference becomes a mask: what the network looks at, and what is noted of it on the way.

This module needs numpy; import it where it is used.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.roi.blending import (
    Layout,
    Planes,
    Weights,
    alpha_of,
    coverage,
    layout_of,
    rgb_of,
    upsample,
    weights_of,
)
from pytest_vmaf.roi.masked_clip import Masking, colours, small_layout
from pytest_vmaf.roi.network import Map, Saliency, infer, shown_size
from pytest_vmaf.scoring.prepare import PreparedScoring

#: Saliency maps that are kept for the report, and about how many rows and columns they have there.
MOST_MAPS, MAP_SIDES = 20_000, (54, 96)
#: The network that comes along looks at one of this many frames; what viewers look at does not change in a 24th second.
OWN_STRIDE, MOST_STRIDE = 2, 60
#: A picture whose luma differs this much on average from the one looked at (of 255) is another: cuts have 20 to 90.
NEW_PICTURE = 8.0


#: Gets what asks the network about the next picture, and gives its answer, or the same from an earlier run.
Looked = Callable[[Callable[[], Map]], Map]


@dataclass(frozen=True)
class Mask:
    """How a masked score is made; the defaults are vmaf-roi-score's.

    ``weight`` (0 to 1) of the masked score, ``threshold`` and ``fade`` (0 to 1) of the saliency, ``saliency`` the path
    of a network (None: the project's own), ``synthetic`` one saliency for every pixel instead of a network's.
    ``bt601`` shows the network every clip as limited BT.601, whatever the clip says, as vmaf-roi-score does. The
    network looks at one of ``stride`` frames, and at each that is a new picture; between them its mask stays (None: 2
    for the project's own, 1 for others).
    Raises SettingsError for what is out of range, and for a network beside a synthetic mask.
    """

    weight: float = 0.5
    threshold: float = 0.3
    fade: float = 0.1
    saliency: Path | None = None
    synthetic: float | None = None
    bt601: bool = False
    stride: int | None = None

    def __post_init__(self) -> None:
        numbers = {"weight": self.weight, "threshold": self.threshold, "fade": self.fade}
        if self.synthetic is not None:
            numbers["synthetic_mask"] = self.synthetic
        for name, value in numbers.items():
            if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value <= 1:
                raise SettingsError(f"{name} is {value!r:.80}; it is a number from 0 to 1.")
            # NumPy's numbers are no JSON.
            object.__setattr__(self, "synthetic" if name == "synthetic_mask" else name, float(value))
        if not isinstance(self.bt601, bool):
            raise SettingsError(f"bt601 is {self.bt601!r:.80}; it is True or False.")
        if self.stride is not None and (type(self.stride) is not int or not 1 <= self.stride <= MOST_STRIDE):
            raise SettingsError(f"stride is {self.stride!r:.80}; it is a number of frames, 1 to {MOST_STRIDE}.")
        if self.saliency is not None and self.synthetic is not None:
            raise SettingsError("saliency names a network, and synthetic_mask stands in place of one; give one.")

    @property
    def every(self) -> int:
        """How many frames share one look of the network."""
        return self.stride or (1 if self.saliency or self.synthetic is not None else OWN_STRIDE)


def read_path(name: str, path: Any) -> Path | None:
    """A path, or None. Raises SettingsError for what is neither."""
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike) or not os.fspath(path) or "\0" in str(path):
        raise SettingsError(f"{name} is {path!r:.80}; it is the path of an ONNX network.")
    return Path(path)


class MaskStats:
    """What the masks of a clip were like."""

    def __init__(self) -> None:
        self.coverage: list[float] = []
        self.empty: list[int] = []
        self.largest = 0.0
        self.size = 0, 0
        self.maps: list[bytes] = []

    def cover(self, share: float, largest: float, maximum: int) -> None:
        """Note how much of a frame is kept, and the largest alpha in it; ``maximum`` is the largest sample there is."""
        # What is rounded away whatever the distorted clip shows is not kept.
        if largest * maximum < 0.5:
            self.empty.append(len(self.coverage))
        self.coverage.append(share)

    def again(self) -> None:
        """Note that a frame has the mask of the one before."""
        if self.empty and self.empty[-1] == len(self.coverage) - 1:
            self.empty.append(len(self.coverage))
        self.coverage.append(self.coverage[-1])
        self.maps += self.maps[-1:] if len(self.maps) < MOST_MAPS else []

    def keep(self, found: Any) -> None:
        """Note the saliency [H,W] of a frame."""
        self.largest = max(self.largest, float(found.max()))
        if len(self.maps) < MOST_MAPS:
            down, across = (max(1, side // most) for side, most in zip(found.shape, MAP_SIDES, strict=True))
            small = (found[::down, ::across] * 255).astype("uint8")
            self.size = small.shape[1], small.shape[0]
            self.maps.append(zlib.compress(small.tobytes(), 1))


def masking_of(
    prepared: PreparedScoring, mask: Mask, network: Saliency | None, seen: MaskStats, looked: Looked | None = None
) -> Masking:
    """How each frame of the reference becomes weights; ``looked`` stands between the network and who asks it."""
    job = prepared.job
    layout = layout_of(job.pix_fmt, job.width, job.height)
    if network is None:
        fill = np.full((job.height, job.width), mask.synthetic, np.float32)
        alpha = alpha_of(fill, mask.threshold, mask.fade)
        weights, share, largest = weights_of(alpha, layout), coverage(alpha), float(alpha.max())

        def constant(planes: Planes, small: Planes | None) -> Weights:
            seen.cover(share, largest, layout.maximum)
            seen.largest = float(mask.synthetic or 0)
            return weights

        return constant
    loaded = network
    size = shown_size(loaded, job.width, job.height)
    little = small_layout(prepared, size) if size else layout
    # Large arrays that are new for each frame cost more than what is computed in them.
    room = np.empty((job.height, job.width), np.float32)
    matrix, color_range = ("bt601", "tv") if mask.bt601 else colours(prepared)

    def salient(planes: Planes, small: Planes | None) -> Weights:
        def look() -> Map:
            return infer(loaded, rgb_of(planes if small is None else small, little, matrix, color_range))

        found = look() if looked is None else looked(look)
        seen.keep(found)
        full = found if found.shape == (job.height, job.width) else upsample(found, job.width, job.height, room)
        alpha = alpha_of(full, mask.threshold, mask.fade, room)
        seen.cover(coverage(alpha), float(alpha.max()), layout.maximum)
        return weights_of(alpha, layout)

    return _strided(salient, mask.every, little, seen) if mask.every > 1 else salient


def _strided(masking: Masking, stride: int, layout: Layout, seen: MaskStats) -> Masking:
    """The masking that asks once for ``stride`` frames, as long as they show what the first of them does."""
    step, unit = max(1, layout.height // 128), (layout.maximum + 1) / 256
    luma: Any = None
    weights: Weights
    since = 0

    def strided(planes: Planes, small: Planes | None) -> Weights:
        nonlocal luma, weights, since
        now = (planes if small is None else small)[0][::step, ::step].astype("float32")
        since += 1
        if luma is not None and since < stride and abs(now - luma).mean() < NEW_PICTURE * unit:
            seen.again()
        else:
            luma, since = now, 0
            weights = masking(planes, small)
        return weights

    return strided
