"""Tile weights: the share of each part of the picture in the saliency of each frame.

This module needs numpy; import it where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pytest_vmaf.errors import MaskError, MeasurementError, ScorerError
from pytest_vmaf.media.process import run
from pytest_vmaf.roi.blending import planes_of, rgb_of
from pytest_vmaf.roi.cached import Shares
from pytest_vmaf.roi.masked_clip import Size, colours, small_decoder, small_layout
from pytest_vmaf.roi.saliency_network import Saliency, infer, shown_size
from pytest_vmaf.roi.tracks import Box
from pytest_vmaf.scoring.prepare import PreparedScoring


def salient_shares(prepared: PreparedScoring, network: Saliency, boxes: Sequence[Box]) -> Shares:
    """Compute how the saliency of each frame of the reference is distributed over boxes.

    Args:
        prepared: The pair's scoring.
        network: The saliency network.
        boxes: Boxes (x, y, w, h) in pixels of the reference.

    Returns:
        The share of each box in each frame, and the frames in which nothing is salient. The shares of a frame add up
        to 1. Where nothing is salient, the share of a box is that of its area.

    Raises:
        MaskError: If the network fails, or nothing is salient in any frame.
        ScorerError: If the reference cannot be decoded.
    """
    job = prepared.job
    full = (job.width, job.height)
    size = shown_size(network, *full) or full
    layout = small_layout(prepared, size)
    matrix, color_range = colours(prepared)
    places = [_scale_box(box, full, size) for box in boxes]
    areas = np.array([w * h for _, _, w, h in boxes], np.float64)
    shares: list[tuple[float, ...]] = []
    empty: list[int] = []
    errors: list[Exception] = []
    buffer = bytearray()

    def add_frame(frame: bytes) -> None:
        saliency = infer(network, rgb_of(planes_of(frame, layout), layout, matrix, color_range))
        weights = areas * [saliency[y : y + h, x : x + w].mean(dtype=np.float64) for x, y, w, h in places]
        if not weights.sum() > 0:
            empty.append(len(shares))
            weights = areas
        shares.append(tuple(float(share) for share in weights / weights.sum()))

    def read_chunk(chunk: bytes) -> None:
        if errors:
            # The rest of the clip would only fill the memory.
            return
        buffer.extend(chunk)
        while len(buffer) >= layout.frame_bytes and not errors:
            try:
                add_frame(bytes(buffer[: layout.frame_bytes]))
            except Exception as error:  # carried out of the reading thread
                errors.append(error)
            del buffer[: layout.frame_bytes]

    end = run(replace(small_decoder(prepared, size), stdout_bytes=read_chunk), job.timeout)
    if errors:
        raise errors[0] if isinstance(errors[0], MeasurementError) else MaskError(f"{network.name}: {errors[0]}")
    if end.returncode != 0:
        raise ScorerError(f"ffmpeg could not decode the reference for its saliency.\n{end.explain()}")
    if len(empty) == len(shares):
        raise MaskError(
            f"Nothing is salient in any of the {len(shares)} frames ({network.name}), so there are no salient tiles.\n"
            "  Use another network, or leave out saliency."
        )
    return tuple(shares), tuple(empty)


def _scale_box(box: Box, full: Size, size: Size) -> Box:
    """The box in a picture of another size; never empty."""
    (x, y, w, h), (across, down) = box, (size[0] / full[0], size[1] / full[1])
    column, row = min(int(x * across), size[0] - 1), min(int(y * down), size[1] - 1)
    right, bottom = max(column + 1, round((x + w) * across)), max(row + 1, round((y + h) * down))
    return column, row, right - column, bottom - row
