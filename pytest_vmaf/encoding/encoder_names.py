"""Names of encoders with their preset and mode, such as "libx264:slow:2pass", and encoders in another mode."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.encoding.rate_modes import MODES, Mode, read_mode
from pytest_vmaf.errors import SettingsError


class EncoderName(NamedTuple):
    """The parts of a name.

    Attributes:
        name: The encoder's own name.
        preset: The preset, None if the name has none.
        mode: The mode, None if the name has none.
    """

    name: str
    preset: str | None
    mode: Mode | None


def read_name(text: str) -> EncoderName:
    """Split "name", "name:preset", "name:mode" or "name:preset:mode"."""
    name, *rest = text.split(":")
    mode = read_mode(rest.pop()) if rest and rest[-1] in MODES else None
    return EncoderName(name, ":".join(rest) if rest else None, mode)


def with_mode(encoder: Encoder, mode: str | None) -> Encoder:
    """The encoder in a mode.

    Args:
        encoder: The encoder.
        mode: The mode, None for the encoder's own.

    Raises:
        SettingsError: If it is not a mode, or not one of this encoder.
    """
    if mode is None or read_mode(mode) == encoder.mode:
        return encoder
    chosen = read_mode(mode)
    if encoder.mode != "crf":
        raise SettingsError(
            f"{encoder.name} has the mode {encoder.mode!r}, but mode is {mode!r}. Give one mode, in encoder or in mode."
        )
    if encoder.function is not None:
        return replace(encoder, mode=chosen)
    known = ENCODERS.get(encoder.name)
    if known is None or encoder.arguments != known.arguments:
        hint = f"Give Encoder({encoder.name!r}, mode={mode!r}, arguments=…), with {{bitrate}} among the arguments."
        if encoder.command:
            hint = "Write {bitrate} in place of {crf} in the command, and leave out mode."
        elif encoder.codec is not None:
            hint = "A codec has qualities of its own; leave out mode."
        raise SettingsError(f"mode={mode!r} is for functions and ffmpeg's encoders by name, not {encoder.name}. {hint}")
    # Everything but what the mode decides stays as it is.
    return Encoder(
        encoder.name,
        preset=encoder.preset,
        presets=encoder.presets,
        suffix=encoder.suffix,
        concat_arguments=encoder.concat_arguments,
        requires=encoder.requires,
        files=encoder.files,
        mode=chosen,
    )
