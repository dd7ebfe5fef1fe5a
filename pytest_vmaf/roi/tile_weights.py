"""How salient the parts of each frame of the reference are, without changing a pixel of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pytest_vmaf.errors import MaskError, MeasurementError, ScorerError
from pytest_vmaf.media.process import run
from pytest_vmaf.roi.blending import planes_of, rgb_of
from pytest_vmaf.roi.masked_clip import colours, small_decoder, small_layout
from pytest_vmaf.roi.network import Saliency, infer, shown_size
from pytest_vmaf.scoring.prepare import PreparedScoring

Box = tuple[int, int, int, int]


def salient_shares(
    prepared: PreparedScoring, network: Saliency, boxes: Sequence[Box]
) -> tuple[tuple[tuple[float, ...], ...], tuple[int, ...]]:
    """For each frame of the reference how its saliency is spread over boxes (x, y, w, h), and which frames have none.

    The shares of a frame add up to 1; where nothing is salient each box has the share of its area. Raises MaskError,
    also where nothing is salient in any frame.
    """
    job = prepared.job
    size = shown_size(network, job.width, job.height) or (job.width, job.height)
    layout = small_layout(prepared, size)
    places = [_scaled(box, (job.width, job.height), size) for box in boxes]
    areas = np.array([w * h for _, _, w, h in boxes], np.float64)
    shares: list[tuple[float, ...]] = []
    empty: list[int] = []
    waiting = bytearray()
    failed: list[Exception] = []
    matrix, color_range = colours(prepared)

    def decoded(chunk: bytes) -> None:
        if failed:
            return
        waiting.extend(chunk)
        while len(waiting) >= layout.frame_bytes:
            planes = planes_of(bytes(waiting[: layout.frame_bytes]), layout)
            try:
                found = infer(network, rgb_of(planes, layout, matrix, color_range))
            except Exception as error:  # carried out of the thread that reads
                failed.append(error)
                return
            del waiting[: layout.frame_bytes]
            each = areas * [found[y : y + h, x : x + w].mean(dtype=np.float64) for x, y, w, h in places]
            if not each.sum() > 0:
                empty.append(len(shares))
                each = areas
            shares.append(tuple(float(share) for share in each / each.sum()))

    end = run(replace(small_decoder(prepared, size), stdout_bytes=decoded), job.timeout)
    if failed:
        raise failed[0] if isinstance(failed[0], MeasurementError) else MaskError(f"{network.name}: {failed[0]}")
    if end.returncode != 0:
        raise ScorerError(f"ffmpeg could not decode the reference for its saliency.\n{end.explain()}")
    if len(empty) == len(shares):
        raise MaskError(
            f"Nothing is salient in any of the {len(shares)} frames ({network.name}), so there are no salient tiles.\n"
            "  Take another network, or leave out saliency."
        )
    return tuple(shares), tuple(empty)


def _scaled(box: Box, full: tuple[int, int], size: tuple[int, int]) -> Box:
    """The box in a picture of another size; never empty."""
    (x, y, w, h), (across, down) = box, (size[0] / full[0], size[1] / full[1])
    left, top = min(int(x * across), size[0] - 1), min(int(y * down), size[1] - 1)
    right, bottom = max(left + 1, round((x + w) * across)), max(top + 1, round((y + h) * down))
    return left, top, right - left, bottom - top
