"""How salient the parts of each frame of the reference are, without changing a pixel of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pytest_vmaf.quality.errors import MaskError, MeasurementError, ScorerError
from pytest_vmaf.quality.measure import Prepared
from pytest_vmaf.quality.process import run
from pytest_vmaf.roi.mask import planes_of, rgb_of
from pytest_vmaf.roi.saliency import infer, load_saliency, shown_size
from pytest_vmaf.roi.stream import colours, small_decoder, small_layout

Box = tuple[int, int, int, int]


def salient_shares(
    prepared: Prepared, saliency: Path | None, boxes: Sequence[Box]
) -> tuple[tuple[tuple[float, ...], ...], str]:
    """For each frame of the reference how its saliency is spread over boxes (x, y, w, h), and the network's name.

    The shares of a frame add up to 1; where nothing is salient each box has the share of its area. Raises MaskError.
    """
    network = load_saliency(saliency)
    job = prepared.job
    size = shown_size(network, job.width, job.height) or (job.width, job.height)
    layout = small_layout(prepared, size)
    places = [_scaled(box, (job.width, job.height), size) for box in boxes]
    areas = np.array([w * h for _, _, w, h in boxes], np.float64)
    shares: list[tuple[float, ...]] = []
    waiting = bytearray()
    failed: list[Exception] = []
    matrix, color_range = colours(prepared)

    def decoded(chunk: bytes) -> None:
        waiting.extend(chunk)
        while len(waiting) >= layout.frame_bytes and not failed:
            planes = planes_of(bytes(waiting[: layout.frame_bytes]), layout)
            try:
                found = infer(network, rgb_of(planes, layout, matrix, color_range))
            except Exception as error:  # carried out of the thread that reads
                failed.append(error)
                return
            del waiting[: layout.frame_bytes]
            each = areas * [found[y : y + h, x : x + w].mean(dtype=np.float64) for x, y, w, h in places]
            each = each if each.sum() > 0 else areas
            shares.append(tuple(float(share) for share in each / each.sum()))

    end = run(replace(small_decoder(prepared, size), stdout_bytes=decoded), job.timeout)
    if failed:
        raise failed[0] if isinstance(failed[0], MeasurementError) else MaskError(f"{network.name}: {failed[0]}")
    if end.returncode != 0:
        raise ScorerError(f"ffmpeg could not decode the reference for its saliency.\n{end.explain()}")
    return tuple(shares), network.name


def _scaled(box: Box, full: tuple[int, int], size: tuple[int, int]) -> Box:
    """The box in a picture of another size; never empty."""
    (x, y, w, h), (across, down) = box, (size[0] / full[0], size[1] / full[1])
    left, top = min(int(x * across), size[0] - 1), min(int(y * down), size[1] - 1)
    right, bottom = max(left + 1, round((x + w) * across)), max(top + 1, round((y + h) * down))
    return left, top, right - left, bottom - top
