"""`codec_encoder`: an `Encoder` made of a codec in Python."""

from __future__ import annotations

from typing import Any

from pytest_vmaf.encoding.codec import Codec, read_codec
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.text import printable


def codec_encoder(codec: Codec[Any], name: str | None = None) -> Encoder:
    """Make an encoder from a codec.

    Args:
        codec: The codec.
        name: The encoder's name; None for the codec's own.

    Raises:
        SettingsError: If it is not a codec, or one of its attributes is invalid.
    """
    return Encoder(name or printable(read_codec(codec).name), codec=codec)
