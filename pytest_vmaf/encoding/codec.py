"""`Codec`: the protocol of codecs in Python. Reads and checks what a codec states about itself."""

from __future__ import annotations

import inspect
import math
import numbers
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from pytest_vmaf.encoding.encoder_fields import MOST_NUMBERS, read_range, read_words
from pytest_vmaf.errors import ClipError, SettingsError

if TYPE_CHECKING:
    from pytest_vmaf.encoding.source_frames import SourceFrames

Quality = TypeVar("Quality", contravariant=True)
#: The layout of frames that codecs take unless they name another.
DEFAULT_PIX_FMT = "rgb24"
#: How much logit(score / ceiling) changes along the whole of a grid, roughly.
WHOLE_SLOPE = 5.5


@runtime_checkable
class Codec(Protocol[Quality]):
    """An encoder and its decoder in Python, for example a learned codec.

    `encode` gets the frames of the source and a quality, and returns the bitstream. `decode` gets nothing but the
    bitstream, and returns the frames. The bitrate is that of the bytes: 8 * len(bitstream) / duration.

    A codec may state more about itself with optional attributes:

    - `qualities`: the qualities it can encode at, for example `(0.0018, 0.0035, 0.0067, 0.013)` or `range(1, 9)`.
      Without it, qualities are whole numbers from 0 to 51.
    - `larger_is_finer`: True if a larger number means a better picture, as with most learned codecs.
    - `pix_fmt`: ffmpeg's name of the frames' layout. The default is `"rgb24"`: arrays `[height, width, 3]` of uint8.
    - `name`: its name in messages, by default that of its class.
    - `version` (a string) and `files` (paths, for example of its weights): they determine what it writes. Encodes are
      cached if the codec has one of them.
    """

    def encode(self, frames: SourceFrames, quality: Quality, /) -> bytes:
        """Encode frames.

        Args:
            frames: The frames of the source, as NumPy arrays in the codec's layout. They can be iterated several times,
                and are read from the source as they are needed.
            quality: One of the codec's qualities.

        Returns:
            The bitstream, with everything that `decode` needs.
        """

    def decode(self, bitstream: bytes, /) -> Iterable[Any]:
        """Decode a bitstream.

        Args:
            bitstream: What `encode` returned.

        Returns:
            As many frames as were encoded, in the same layout; a generator keeps few of them in memory.
        """


@dataclass(frozen=True)
class CodecFacts:
    """What a codec states about itself.

    Attributes:
        name: Its name.
        qualities: The qualities in ascending order, () for whole numbers in a range.
        crf_range: The smallest and the largest whole number, or None.
        larger_is_finer: Whether a larger number means better quality.
        pix_fmt: ffmpeg's name of the layout of its frames.
        files: Files that decide what it writes.
        version: What else decides that, as a text.
    """

    name: str
    qualities: tuple[float, ...]
    crf_range: tuple[int, int] | None
    larger_is_finer: bool
    pix_fmt: str
    files: tuple[str, ...]
    version: str


def is_codec(value: object) -> bool:
    """Whether a value is meant as a codec: it has a method of one, and is not a string.

    A class is meant as one, too; `read_codec` then says that an instance is required.
    """
    methods = [callable(getattr(value, name, None)) for name in ("encode", "decode")]
    return all(methods) or (any(methods) and not callable(value) and not isinstance(value, str | bytes | bytearray))


def read_codec(codec: object) -> CodecFacts:
    """Read what a codec states about itself.

    Raises:
        SettingsError: If it is not a codec, or one of its attributes is invalid.
    """
    if isinstance(codec, type):
        raise SettingsError(f"A codec must be an instance, not the class: {codec.__name__}(…).")
    name = getattr(codec, "name", None) or type(codec).__name__
    if not isinstance(name, str):
        raise SettingsError(f"The name of a codec must be a string, not {name!r:.80}.")
    for method, example in (("encode", (None, 0)), ("decode", (b"",))):
        _check_method(name, codec, method, example)
    finer = getattr(codec, "larger_is_finer", False)
    if not isinstance(finer, bool):
        raise SettingsError(f"{name}: larger_is_finer must be True or False, not {finer!r:.80}.")
    version = getattr(codec, "version", None)
    if version is not None and not isinstance(version, str):
        raise SettingsError(f'{name}: version must be a string, for example "1.2", not {version!r:.80}.')
    crf_range, grid = getattr(codec, "crf_range", None), getattr(codec, "qualities", None)
    if crf_range is not None:
        read_range(name, crf_range)
        if grid is not None:
            raise SettingsError(f"{name}: a codec must have qualities or crf_range, not both.")
    files = getattr(codec, "files", None)
    return CodecFacts(
        name,
        () if grid is None else read_qualities(name, grid),
        crf_range if crf_range is None else (crf_range[0], crf_range[1]),
        finer,
        _read_layout(name, getattr(codec, "pix_fmt", None)),
        () if files is None else read_words(name, "files", [files] if isinstance(files, os.PathLike) else files),
        version or "",
    )


def read_qualities(name: str, grid: object) -> tuple[float, ...]:
    """The qualities of a grid in ascending order, as Python's numbers.

    Raises:
        SettingsError: If they are not numbers, too few or too many, or in no order.
    """
    example = "numbers in order, for example (0.0018, 0.0035, 0.0067)"
    if not isinstance(grid, Iterable) or isinstance(grid, str | bytes):
        raise SettingsError(f"{name}: qualities must be {example}, not {grid!r:.80}.")
    values = tuple(map(number_of, grid))
    steps = tuple(value for value in values if value is not None)
    if len(steps) < len(values) or not 1 <= len(steps) <= MOST_NUMBERS:
        raise SettingsError(f"{name}: qualities must be {example}, at most {MOST_NUMBERS} of them, not {grid!r:.80}.")
    ascending = tuple(sorted(set(steps)))
    if ascending not in (steps, steps[::-1]):
        raise SettingsError(
            f"{name}: qualities must be in ascending or descending order, without duplicates, not {grid!r:.80}."
        )
    return ascending


def grid_slope(steps: Sequence[float]) -> float:
    """Roughly how much logit(score / ceiling) changes from one step of a grid to the next."""
    return -min(WHOLE_SLOPE / max(len(steps) - 1, 1), 1.0)


def number_of(value: object) -> float | None:
    """A number of NumPy or Python as Python's own, None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    # The shortest text of a float32 is what the user wrote.
    number = float(str(value)) if hasattr(value, "dtype") else float(value)
    return number if math.isfinite(number) else None


def _check_method(name: str, codec: object, method: str, example: tuple[object, ...]) -> None:
    function = getattr(codec, method, None)
    form = {"encode": "encode(frames, quality)", "decode": "decode(bitstream)"}[method]
    if not callable(function):
        raise SettingsError(f"{name}: a codec must have the method {form}.")
    try:
        inspect.signature(function).bind(*example)
    except TypeError as error:
        raise SettingsError(f"{name}: the method must be {form}: {error}.") from None
    except ValueError:
        # Some built-in callables have no signature.
        pass
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise SettingsError(f"{name}: {form} must be a plain method, not async.")


def _read_layout(name: str, pix_fmt: object) -> str:
    from pytest_vmaf.media.frame_layout import frame_format

    if pix_fmt is None:
        return DEFAULT_PIX_FMT
    try:
        return frame_format(pix_fmt).name
    except ClipError as error:
        raise SettingsError(f"{name}: {error}") from None
