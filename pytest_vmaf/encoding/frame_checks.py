"""Checks of the frames that a codec decodes. Imported where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_vmaf.errors import ClipError, EncodeError
from pytest_vmaf.media.frame_arrays import to_array
from pytest_vmaf.media.frame_layout import FrameLayout


def check_frame(frame: object, example: Any, layout: FrameLayout, what: str) -> Any:
    """A frame as arrays. Raises EncodeError if it is not like the example."""
    if isinstance(example, tuple):
        if not isinstance(frame, tuple | list) or len(frame) != len(example):
            raise EncodeError(f"{what} as {kind_of(frame)}. In {layout.form.name}, it must be the planes (Y, U, V).")
        planes = zip(frame, example, strict=True)
        return tuple(check_frame(plane, each, layout, f"{what}, plane {n}") for n, (plane, each) in enumerate(planes))
    try:
        array = to_array(frame) if not isinstance(frame, list | tuple) else None
    except ClipError as error:
        raise EncodeError(f"{what}, which is not an array: {error}") from error.__cause__
    if array is None or (array.dtype == object):
        raise EncodeError(f"{what} as {kind_of(frame)}, not as an array of shape {example.shape}.")
    if array.shape != example.shape:
        raise EncodeError(f"{what} with shape {array.shape}, not {example.shape} as it was encoded.")
    if array.dtype.newbyteorder("=") != example.dtype.newbyteorder("="):
        raise EncodeError(
            f"{what} as {array.dtype}, not {example.dtype.name} as in {layout.form.name}.{_how_to_round(array, layout)}"
        )
    if layout.is_float and not (array.min() >= 0 and array.max() <= 1):
        odd = "NaN" if np.isnan(array).any() else f"{float(array.min() if array.min() < 0 else array.max()):.6g}"
        raise EncodeError(f"{what} with a sample of {odd}. Floats must be from 0 to 1, as after frame.clip(0, 1).")
    return array


def _how_to_round(array: Any, layout: FrameLayout) -> str:
    """A hint for a decoder that returns floats where whole numbers were encoded."""
    if array.dtype.kind != "f" or layout.is_float:
        return ""
    if not np.isfinite(array).all():
        return " It has samples that are NaN or infinite, too."
    scaled = f"frame * {layout.maximum}" if array.max(initial=0) <= 1.5 else "frame"
    return f" Round it: numpy.rint({scaled}).clip(0, {layout.maximum}).astype(numpy.{layout.dtype.name})."


def kind_of(value: object) -> str:
    """The kind of a value, for messages."""
    return "None" if value is None else f"{type(value).__name__}"
