"""Names of encoders with preset, mode and step, such as "libx264:slow:2pass", and encoders in another mode or step."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from pytest_vmaf.encoding.crf_steps import read_step
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.encoding.rate_modes import MODES, Mode, read_mode
from pytest_vmaf.errors import SettingsError


class EncoderName(NamedTuple):
    """The parts of a name.

    Attributes:
        name: The encoder's own name.
        preset: The preset, None if the name has none.
        mode: The mode, None if the name has none.
        crf_step: The step of its CRFs, None if the name has none.
    """

    name: str
    preset: str | None
    mode: Mode | None
    crf_step: float | None = None


#: What the step of a name begins with, as in "libx264:slow:crf_step=0.25".
STEP = "crf_step="


def read_name(text: str) -> EncoderName:
    """Split "name:preset:mode" or "name:preset:crf_step=0.25", of which all but the name may be missing.

    Raises:
        SettingsError: For an invalid step.
    """
    name, *rest = text.split(":")
    step = None
    if rest and rest[-1].startswith(STEP):
        word = rest.pop().removeprefix(STEP)
        try:
            step = read_step(name, float(word))
        except ValueError:
            step = read_step(name, word)
    mode = read_mode(rest.pop()) if rest and rest[-1] in MODES else None
    return EncoderName(name, ":".join(rest) if rest else None, mode, step)


def with_step(encoder: Encoder, step: float | None) -> Encoder:
    """The encoder with another step of its CRFs.

    Args:
        encoder: The encoder.
        step: The step, None for the encoder's own.

    Raises:
        SettingsError: If it is not a step, or not one that the encoder takes, or if the encoder has another one.
    """
    if step is None:
        return encoder
    chosen = read_step(encoder.name, step)
    if encoder.crf_step not in (1, chosen):
        raise SettingsError(
            f"{encoder.name} has the step {encoder.crf_step}, but crf_step is {step!r}. Give one, in encoder or in "
            "crf_step."
        )
    return encoder if encoder.crf_step == chosen else replace(encoder, crf_step=chosen)


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
        crf_step=encoder.crf_step,
    )


def with_common_step(encoder: Encoder, step: float | None) -> Encoder:
    """The encoder with the step that a call has for several encoders, unless it has one of its own.

    Raises:
        SettingsError: As `with_step`, with what to do about an encoder that takes whole numbers alone.
    """
    if step is None or encoder.crf_step != 1:
        return encoder
    try:
        return with_step(encoder, step)
    except SettingsError as error:
        raise SettingsError(
            f"{error}\n  To encode with other encoders in steps beside it, write the step in their names, for example "
            f"libx264:{STEP}0.25, in place of crf_step."
        ) from None
