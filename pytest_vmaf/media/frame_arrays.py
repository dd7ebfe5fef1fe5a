"""Arrays of any library as NumPy arrays, and the order of their axes. Imported where it is used."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.frame_layout import Array
from pytest_vmaf.text import printable

#: DLPack's numbers of memory that the processor reads: its own, and the pinned one of CUDA and ROCm.
READABLE = {1, 3, 11}
#: Modes of Pillow's images whose samples are neither RGB nor grey.
PALETTES = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")
#: The orders of axes. T is another letter for N.
CLIP_LAYOUTS = ("NHWC", "NCHW", "CNHW", "NHW")


def to_array(value: object) -> Array:
    """An array of any library as a NumPy array, without a copy where that is possible.

    Raises:
        ClipError: If it is not in CPU memory, requires gradients, or has no NumPy type.
    """
    kind = f"a {type(value).__module__.partition('.')[0]} {type(value).__name__}"
    try:
        device = value.__dlpack_device__()[0] if hasattr(value, "__dlpack_device__") else 1
        if int(device) not in READABLE:
            raise ClipError(f"{kind} must be in CPU memory. Copy it there first: frames.cpu().")
        if getattr(value, "requires_grad", False) is True:
            raise ClipError(f"{kind} requires gradients, and scoring has none. Pass frames.detach().")
        mode = getattr(value, "mode", None)
        if mode in PALETTES and hasattr(value, "convert"):
            raise ClipError(f'{kind} of mode {mode!r} has no RGB samples. Convert it: image.convert("RGB").')
        if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            raise ClipError("a masked array has pixels without a value. Fill them first: frames.filled(0).")
        if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
            return np.asarray(value)
        return np.from_dlpack(value)  # type: ignore[arg-type]  # it has __dlpack__
    except ClipError:
        raise
    except Exception as error:
        hint = " Convert it first: frames.float()." if "bfloat16" in str(error).lower() else ""
        raise ClipError(
            f"{kind} cannot be read as a NumPy array: {printable(str(error)).rstrip('. ')}.{hint}"
        ) from error


def read_layout(layout: object) -> str:
    """The order of the axes of a frame: "HWC", "CHW" or "HW", after the axis of frames, "" if it is not stated.

    Returns:
        The order of a clip's axes with N for frames, or "".

    Raises:
        ClipError: If it is not one.
    """
    if layout is None:
        return ""
    axes = layout.upper().replace("T", "N") if isinstance(layout, str) else ""
    axes = axes if "N" in axes else f"N{axes}"
    if axes not in CLIP_LAYOUTS:
        raise ClipError(
            f"layout must be one of {', '.join(CLIP_LAYOUTS)} (N or T for frames, C for channels), not "
            f"{printable(f'{layout!r:.80}')}."
        )
    return axes


def clip_axes(shape: tuple[int, ...], stated: str, channels: Collection[int]) -> str:
    """The order of the axes of an array with all frames of a clip.

    Args:
        shape: Its shape.
        stated: The layout that the user states, or "".
        channels: How many channels there can be; () for formats without interleaved channels.

    Raises:
        ClipError: If it cannot be told. The message says how to state it.
    """
    if len(shape) == 3 and not stated and 3 in channels and (shape[-1] in (3, 4) or 1 not in channels):
        raise ClipError(
            f"an array of shape {shape} is one frame. Pass all frames as [N,H,W,3], or this one as frames[None]."
        )
    if len(shape) == 3 and not stated and 3 in channels and shape[0] in (3, 4):
        raise ClipError(
            f"an array of shape {shape} is either {shape[0]} grey frames or one frame of RGB. "
            'Pass pix_fmt="gray", or frames[None] with layout="NCHW".'
        )
    if len(shape) == 3 and stated in ("", "NHW"):
        return "NHW"
    if len(shape) == 5:
        raise ClipError(f"an array of shape {shape} is a batch of clips. Pass one of them: frames[0].")
    return _with_channels(shape, stated or "", channels, "N")


def frame_axes(shape: tuple[int, ...], stated: str, channels: Collection[int]) -> str:
    """The order of the axes of one frame, as `clip_axes`. A layout of clips is that of their frames without N."""
    stated = stated.replace("N", "")
    if len(shape) == 2 and stated in ("", "HW"):
        if 1 not in channels:
            raise ClipError(f"a frame of shape {shape} has no channels, and the pixel format has.")
        return "HW"
    if len(shape) == 4:
        raise ClipError(f"shape {shape} is a batch, and each item must be one frame. Use `yield from batch`.")
    return _with_channels(shape, stated, channels, "")


def _with_channels(shape: tuple[int, ...], stated: str, channels: Collection[int], before: str) -> str:
    last, first = f"{before}HWC", f"{before}CHW"
    what = "an array" if before else "a frame"
    if stated:
        if len(shape) != len(stated) or ("C" in stated and shape[stated.index("C")] not in channels):
            counts = " or ".join(map(str, sorted(channels)))
            raise ClipError(f"{what} of shape {shape} does not fit layout {stated!r} with {counts} channels.")
        return stated
    fits = [axes for axes in (last, first) if len(shape) == len(axes) and shape[axes.index("C")] in channels]
    if fits == [last]:
        return last
    if fits:
        like = f"may be {' or '.join(fits)}" if len(fits) > 1 else f"looks like {first}"
        raise ClipError(f'{what} of shape {shape} {like}. State it: Clip.from_frames(frames, layout="NCHW").')
    if len(shape) == len(last) and 4 in (shape[-1], shape[len(before)]):
        raise ClipError(
            f"{what} of shape {shape} has four channels, but transparency cannot be scored. Pass frames[..., :3]."
        )
    forms = "[N,H,W,3] or [N,H,W]" if before else "[H,W,3] or [H,W]"
    raise ClipError(f"{what} of shape {shape} is not frames: expected {forms}.")
