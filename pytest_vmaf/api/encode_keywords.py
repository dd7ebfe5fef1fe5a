"""The keywords of encodes as typed dictionaries, as in `keywords`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

from pytest_vmaf.encoding.codec import Codec
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.rate_modes import Mode

PathLike = str | os.PathLike[str]
#: An encoder's name, a command, an `Encoder`, a function `(source, output, crf)`, or a `Codec`.
EncoderLike = str | Encoder | Sequence[str] | Callable[[Path, Path, int], object] | Codec[int] | Codec[float]


class EncodeOptions(TypedDict, total=False):
    """The options of an encode.

    Attributes:
        preset: The encoder's preset.
        arguments: Further arguments of the encoder, as a string or a list.
        pix_fmt: The pixel format to encode in.
        mode: What the number of an encode is: `"crf"`; `"bitrate"` for kbit/s in one pass; or `"2pass"` for kbit/s in
            two passes.
        crf_step: The step from one CRF to the next: 1, or a fraction such as 0.5, 0.25 or 0.1.
    """

    preset: str | int | None
    arguments: str | Sequence[str]
    pix_fmt: str | None
    mode: Mode | None
    crf_step: float | None


class BitrateOptions(TypedDict, total=False):
    """The number of one encode in place of a CRF.

    Attributes:
        bitrate: The bitrate to encode at, in kbit/s. Without a mode it means one pass.
    """

    bitrate: int | None


class EncoderOptions(TypedDict, total=False):
    """One encoder of a comparison with options of its own."""

    encoder: EncoderLike
    preset: str | int | None
    arguments: str | Sequence[str]
    pix_fmt: str | None
    crf: tuple[float | None, float | None] | None
    bitrate: tuple[int | None, int | None] | None
    mode: Mode | None
    crf_step: float | None
