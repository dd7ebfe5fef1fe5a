"""Frames in memory: arrays, iterables and generators of frames, written to a file one by one.

Imported where it is used.
"""

from __future__ import annotations

import contextlib
import inspect
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO

import numpy as np

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.array_like import is_array
from pytest_vmaf.media.frame_arrays import clip_axes, frame_axes, read_layout, to_array
from pytest_vmaf.media.frame_layout import Array, FrameLayout, frame_format
from pytest_vmaf.media.pixel_formats import PixelFormat
from pytest_vmaf.media.spool import UNNAMED, Spool, spool_path
from pytest_vmaf.media.termination import ended_by_signals
from pytest_vmaf.text import plural, printable

LONGEST_NAME = 200


@dataclass(frozen=True)
class Stated:
    """What the user states about frames: the pixel format, and the order of the axes ("" for nothing)."""

    form: PixelFormat | None
    axes: str

    @property
    def channels(self) -> tuple[int, ...]:
        """How many channels an array can have."""
        if self.form is None:
            return 1, 3
        if self.form.kind == "grey":
            return (1,)
        return (3,) if self.form.kind == "rgb" or self.form.chroma == "444" else ()


def spool_frames(
    frames: object,
    *,
    pix_fmt: str | None = None,
    layout: str | None = None,
    name: str | None = None,
    role: str = "",
    bitstream: int = 0,
) -> Spool:
    """Write frames in memory to a raw file, one by one. `Clip.from_frames` describes the other arguments.

    `role` is what errors call frames without a name, for example "reference". `bitstream` is the size in bytes of what
    they were decoded from, if a codec in Python decoded them.

    Raises:
        ClipError: If these are not frames, they differ from each other, or making one raised. `error.frame` is the
            number of the frame then, and its cause what was raised.
    """
    title = read_name(name) or " ".join(filter(None, (role, UNNAMED)))
    done, place = 0, ""
    try:
        form = None if pix_fmt is None else frame_format(pix_fmt)
        if form is not None and "f32" in form.name:
            raise ClipError(f"pix_fmt of frames must have whole numbers, not {form.name}. Floats become 16 bits.")
        items, axes = _items(frames, Stated(form, read_layout(layout)))
        writer = None
        with ended_by_signals(), spool_path() as path, contextlib.ExitStack() as stack:
            if inspect.isgenerator(items):
                stack.callback(items.close)
            with path.open("xb") as out:
                content = 0
                for item in _guarded(items):
                    writer, place = writer or _writer_of(item, Stated(form, axes)), f"frame {done}: "
                    content = _write(writer, item, out, content)
                    done, place = done + 1, ""
            if writer is None:
                raise ClipError(_why_empty(frames))
            made = writer.layout
            size = made.width, made.height
            return Spool(path, name or "", *size, made.form.name, done, f"{content:08x}", bitstream)
    except ClipError as error:
        refusal = ClipError(f"{title}: {place}{error}")
        refusal.frame = done
        raise refusal from error.__cause__
    except OSError as error:
        raise ClipError(
            f"{title} cannot be written to a temporary file: {printable(error.strerror or str(error))}. The folder is "
            f"{printable(tempfile.gettempdir())}; set TMPDIR to another one."
        ) from error


def _guarded(items: Iterator[object]) -> Iterator[object]:
    """The frames. An exception while making one becomes the cause of a ClipError."""
    for number in count():
        try:
            item = next(items)
        except StopIteration:
            return
        except Exception as error:
            text = ": ".join(filter(None, (type(error).__name__, printable(str(error)))))
            raise ClipError(f"making frame {number} raised {text}") from error
        yield item


def read_name(name: object) -> str:
    """The name of frames in memory; "" for None. Raises ClipError."""
    if name is None:
        return ""
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ClipError(
            f"name of frames must be printable text of up to {LONGEST_NAME} characters, not "
            f"{printable(f'{name!r:.80}')}."
        )
    return name


@dataclass(frozen=True)
class _Writer:
    """Writes frames that are like the first one.

    Attributes:
        layout: Of the file.
        axes: The order of the axes of a frame; "" for planes.
        dtype: The type of the frames' samples.
        shapes: The shapes of the frame, or of its planes.
    """

    layout: FrameLayout
    axes: str
    dtype: np.dtype[np.generic]
    shapes: tuple[tuple[int, ...], ...]


def _items(frames: object, stated: Stated) -> tuple[Iterator[object], str]:
    """The frames one by one, and the order of their axes."""
    if is_array(frames):
        array = to_array(frames)
        axes = clip_axes(array.shape, stated.axes, _channels(stated, "frames"))
        return iter(np.moveaxis(array, axes.index("N"), 0)), axes.replace("N", "")
    if isinstance(frames, tuple) and frames and all(map(is_array, frames)):
        planes = [to_array(plane) for plane in frames]
        # [H,W,3] are frames, unless the pixel format has planes of different sizes.
        least = 0 if stated.form is not None and not stated.channels else 4
        if all(plane.ndim == 3 and plane.shape[-1] >= least for plane in planes) and stated.axes in ("", "NHW"):
            return _planes(planes, stated), ""
    # Old sequences, such as data sets of PyTorch, have only __getitem__.
    is_iterable = hasattr(frames, "__iter__") or (hasattr(frames, "__getitem__") and hasattr(frames, "__len__"))
    if isinstance(frames, str | bytes | Mapping | Set | type) or not is_iterable:
        hint = " Call it: what it returns are the frames." if callable(frames) else ""
        raise ClipError(f"frames must be an array or an iterable of frames, not {printable(f'{frames!r:.80}')}.{hint}")
    return iter(frames), stated.axes  # type: ignore[call-overload]  # see above


def _planes(planes: list[Array], stated: Stated) -> Iterator[tuple[Array, ...]]:
    if stated.form is None or stated.form.kind != "yuv":
        raise ClipError('planes need their pixel format: Clip.from_frames((y, u, v), pix_fmt="yuv420p").')
    if len({len(plane) for plane in planes}) > 1:
        lengths = ", ".join(str(len(plane)) for plane in planes)
        raise ClipError(f"the planes must have the same number of frames, not {lengths}.")
    return zip(*planes, strict=True)


def _channels(stated: Stated, what: str) -> tuple[int, ...]:
    if not stated.channels:
        assert stated.form is not None  # noqa: S101  (without one, there are channels)
        raise ClipError(
            f"{stated.form.name} has planes of different sizes. Pass a tuple of arrays (Y, U, V) for all {what}, or "
            "for each frame."
        )
    return stated.channels


def _writer_of(item: object, stated: Stated) -> _Writer:
    """The writer for frames like this one, the first."""
    if isinstance(item, tuple | list) and item and all(map(is_array, item)):
        planes = [to_array(plane) for plane in item]
        if any(plane.ndim > 2 for plane in planes):
            raise ClipError(
                f"each item must be one frame, not a {type(item).__name__} of {plural(len(item), 'array')} of shape "
                f"{planes[0].shape}, such as a batch."
            )
        if stated.form is None or stated.form.kind != "yuv":
            raise ClipError('planes need their pixel format: Clip.from_frames(frames, pix_fmt="yuv420p").')
        form, axes, shapes = stated.form, "", tuple(plane.shape for plane in planes)
        if len(planes) != 3 or any(plane.ndim != 2 for plane in planes):
            raise ClipError(f"a frame must have three planes (Y, U, V) of two dimensions, not of shapes {shapes}.")
        dtype, (height, width) = planes[0].dtype, shapes[0]
    else:
        array = _array(item)
        axes = frame_axes(array.shape, stated.axes, _channels(stated, "frames"))
        sides = dict(zip(axes, array.shape, strict=True))
        form = stated.form or _default_format(array.dtype, sides.get("C", 1))
        dtype, shapes, (height, width) = array.dtype, (array.shape,), (sides["H"], sides["W"])
    layout = FrameLayout(form, width, height)
    if min(width, height) < 1:
        raise ClipError(f"a frame must have pixels, not {width}x{height}.")
    if not axes and shapes != layout.shapes:
        raise ClipError(f"the planes of {width}x{height} {form.name} have shapes {layout.shapes}, not {shapes}.")
    _check_type(dtype, layout)
    return _Writer(layout, axes, dtype, shapes)


def _default_format(dtype: np.dtype[np.generic], channels: int) -> PixelFormat:
    if dtype == np.uint8:
        return frame_format("rgb24" if channels == 3 else "gray")
    if dtype.kind == "f":
        return frame_format("rgb48le" if channels == 3 else "gray16le")
    if dtype.kind == "u" and dtype.itemsize == 2:
        known = '"rgb48le" (16 bits) or "gbrp10le"' if channels == 3 else '"gray16le" or "gray10le"'
        raise ClipError(f"uint16 does not say how many of its bits are used. Pass pix_fmt={known}.")
    raise ClipError(_unfit(dtype))


def _check_type(dtype: np.dtype[np.generic], layout: FrameLayout) -> None:
    depth = layout.form.depth
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return
    if dtype.kind != "u" or dtype.itemsize > 2:
        raise ClipError(_unfit(dtype))
    if (dtype.itemsize == 1) != (depth == 8):
        wanted = "uint8" if depth == 8 else "uint16"
        raise ClipError(f"samples of {layout.form.name} must be {wanted}, not {dtype}: it has {depth} bits.")


def _unfit(dtype: np.dtype[np.generic]) -> str:
    return f"samples must be uint8, uint16, or floats from 0 to 1, not {dtype}. Convert them: frames.astype(np.uint8)."


def _array(item: object) -> Array:
    if not is_array(item):
        hint = ' Use frame.to_ndarray(format="rgb24").' if hasattr(item, "to_ndarray") else ""
        raise ClipError(f"a frame must be an array, not {printable(f'{item!r:.80}')}.{hint}")
    return to_array(item)


def _write(writer: _Writer, item: object, out: BinaryIO, content: int) -> int:
    layout, axes = writer.layout, writer.axes
    parts = [_array(part) for part in (item if not axes and isinstance(item, tuple | list) else (item,))]
    shapes = tuple(part.shape for part in parts)
    if shapes != writer.shapes:
        raise ClipError(f"its shape {_short(shapes)} is not that of the frames before, {_short(writer.shapes)}.")
    for part in parts:
        if part.dtype != writer.dtype:
            raise ClipError(f"its type {part.dtype} is not that of the frames before, {writer.dtype}.")
    if axes:
        parts = _in_file_order(parts[0].transpose([axes.index(axis) for axis in "HWC" if axis in axes]), layout)
    for part in parts:
        samples = np.ascontiguousarray(_integers(part, layout), layout.dtype).data
        content = zlib.crc32(samples, content)
        out.write(samples)
    return content


def _short(shapes: tuple[tuple[int, ...], ...]) -> str:
    return str(shapes[0] if len(shapes) == 1 else shapes)


def _in_file_order(frame: Array, layout: FrameLayout) -> list[Array]:
    """The planes of a frame [H,W,C] or [H,W] in the order of the file."""
    if layout.form.kind == "grey":
        return [frame.reshape(frame.shape[:2])]
    if layout.is_planar_rgb:
        return [frame[..., channel] for channel in (1, 2, 0)]
    return [frame[..., channel] for channel in range(3)] if layout.form.kind == "yuv" else [frame]


def _integers(samples: Array, layout: FrameLayout) -> Array:
    """Samples as whole numbers of the layout's depth."""
    if samples.dtype.kind != "f":
        if layout.form.depth % 8 and (highest := samples.max()) > layout.maximum:
            raise ClipError(f"it has a sample of {highest}; those of {layout.form.name} go up to {layout.maximum}.")
        return samples
    lowest, highest = samples.min(), samples.max()
    if not (lowest >= 0 and highest <= 1):
        odd = "NaN" if np.isnan(lowest) else f"{float(lowest if lowest < 0 else highest):.9g}"
        raise ClipError(
            f"it has a sample of {odd}; floats must be from 0 to 1. Use frames.clip(0, 1), or divide by 255."
        )
    # float16 cannot hold 16 bits, and float32 can.
    wide: Array = samples.astype(np.float64 if samples.dtype.itemsize > 4 else np.float32)
    np.multiply(wide, layout.maximum, out=wide)
    whole: Array = np.rint(wide, out=wide).astype(layout.dtype)
    return whole


def _why_empty(frames: object) -> str:
    if isinstance(frames, Iterator):
        kind = "generator" if inspect.isgenerator(frames) else "iterator"
        return f"the {kind} yielded no frame. It yields its frames only once, so make a new one for each clip."
    return "there must be at least one frame."
