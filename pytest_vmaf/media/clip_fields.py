"""Readers of the fields of a clip: what a user stated, checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational
from pathlib import Path

from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.array_like import is_array
from pytest_vmaf.media.ntsc import ntsc_rate

#: The most pixels on a side of a picture.
LONGEST_SIDE = 65535


def read_path(path: str | os.PathLike[str] | bytes) -> Path:
    """The path of a clip. Raises ClipError for anything else, and for names that no file can have."""
    if not isinstance(path, str | bytes | os.PathLike):
        first = next(iter(path), None) if isinstance(path, list | tuple) else path
        if is_array(first):
            raise ClipError(f"Clip(path) needs a file, not frames ({type(first).__name__}). Use Clip.from_frames(…).")
        hint = " Call it, and pass what it returns." if callable(path) else ""
        shown = f"{' '.join(repr(path).split()):.80}"
        raise ClipError(f"A clip must be a path, a Clip, an encode or frames in memory, not {shown}.{hint}")
    text = os.fsdecode(path)
    if not text:
        raise ClipError("A clip's path must not be empty.")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        # For example a lone surrogate from JSON. Those of os.fsdecode stand for bytes and are names.
        raise ClipError(f"The path {text!r:.200} contains a character that no file name can have.") from None
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        # Tools print names into their logs; a line break there could pass for a line of the tool's own.
        raise ClipError(f"The path {text!r:.200} contains a control character. Rename the file.")
    return Path(text)


def read_crop(crop: Sequence[int], name: str) -> tuple[int, int, int, int]:
    """A crop (x, y, w, h) of the clip with this name. Raises ClipError."""
    corners = tuple(crop) if isinstance(crop, Sequence) and not isinstance(crop, str | bytes) else ()
    if len(corners) != 4 or not all(type(number) is int and number <= LONGEST_SIDE for number in corners):
        raise ClipError(f"{name}: crop must be (x, y, w, h) in whole pixels, not {crop!r:.80}.")
    x, y, width, height = corners
    if min(x, y) < 0 or min(width, height) < 1:
        raise ClipError(f"{name}: crop must lie in the picture and not be empty: (x, y, w, h), not {crop!r:.80}.")
    return x, y, width, height


def read_rate(rate: Fraction | float | str | None) -> Fraction | None:
    """A frame rate in frames/s, with NTSC rates made exact. Raises ClipError."""
    if rate is None:
        return None
    if isinstance(rate, str) and len(rate) > 32:
        raise ClipError("frame_rate must be a text of at most 32 characters.")
    try:
        exact = Fraction(rate) if isinstance(rate, str | Rational) else Fraction(float(rate)).limit_denominator(1001)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        exact = Fraction(0)
    if isinstance(rate, bool) or not 0 < exact <= 1000:
        raise ClipError(f'frame_rate must be frames per second, for example 24, 59.94 or "30000/1001", not {rate!r}.')
    return ntsc_rate(exact)
