"""Encoder: how an encoder is run, its presets and its quality scale. ENCODERS: those of ffmpeg."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.codec import Codec, grid_slope, read_codec, read_qualities
from pytest_vmaf.encoding.crf_steps import check_step, fraction_hint, read_step, read_stepped_range, step_scale
from pytest_vmaf.encoding.encoder_fields import (
    check_function,
    check_kinds,
    check_placeholders,
    check_texts,
    choose_preset,
    read_range,
    read_words,
    split_command,
)
from pytest_vmaf.encoding.rate_modes import (
    RATE_SLOPE,
    RATES,
    Mode,
    RateScale,
    rate_control,
    rates_between,
    read_mode,
)
from pytest_vmaf.encoding.scale import Scale
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable

#: The placeholders of a command. ffmpeg's arguments have all but the files, which ffmpeg gets in any case.
PLACEHOLDERS = ("crf", "bitrate", "preset", "input", "output", "width", "height", "frame_rate", "frames", "pix_fmt")
FFMPEG_PLACEHOLDERS = tuple(name for name in PLACEHOLDERS if name not in ("input", "output"))
BRACES = re.compile(r"\{(\w*)\}")
#: The range of an encoder that states none.
WHOLE_NUMBERS = (0, 51)
#: The suffix of a codec's bitstream, which no container's readers claim.
BITSTREAM = ".bin"
#: Called with the source, the output file and the CRF.
EncoderFunction = Callable[[Path, Path, int], object]


@dataclass(frozen=True)
class Encoder:
    """An encoder: how to run it, its presets, and the scale of its constant quality ("CRF") or its bitrates.

    Exactly one of `arguments`, `command`, `function` and `codec` is set, or none for an encoder of ffmpeg by name:
    `Encoder("libx264", crf_step=0.25)`. Arguments and commands contain placeholders: `{crf}` or `{bitrate}`,
    `{preset}`, `{width}`, `{height}`, `{frame_rate}`, `{frames}`, `{pix_fmt}`; commands also `{input}` and `{output}`.

    Attributes:
        name: The encoder's name, for ffmpeg's `-c:v` and for messages.
        crf_range: The smallest and the largest CRF, both included; at most 1000 apart.
        arguments: Output arguments of ffmpeg, without `-c:v NAME`.
        command: A program and its arguments; no shell reads them. Without `{input}` the program reads y4m from standard
            input, without `{output}` it writes the encode to standard output.
        function: A callable `(source, output, crf)` that writes the output file. Searches with several workers call it
            from several threads.
        preset: The preset to use if none is requested.
        presets: The values that `{preset}` may have; empty for any.
        suffix: The suffix of the encodes' files, for example ".mp4".
        larger_is_finer: Whether a larger number means better quality. On most scales, as on x264's, it means coarser.
        slope: Roughly how much logit(score / ceiling) changes from one whole CRF to the next. A search begins with it.
        concat_arguments: Arguments without which the streams can neither be joined nor packaged for streaming.
        requires: What else than ffmpeg the encoder takes, for example "an NVIDIA GPU and its driver".
        files: Files whose contents determine what a script or a codec writes. Encodes of a script are only cached with
            them, those of a codec with them or with its `version`.
        codec: A `Codec`, which encodes and decodes frames in this process. One thread at a time calls it.
        qualities: The numbers of a scale that is not a range of whole numbers, for example `(0.0018, 0.0035, 0.0067)`,
            in place of `crf_range`. By default those of the codec.
        mode: What the number of an encode is: `"crf"`; `"bitrate"` for kbit/s in one pass; or `"2pass"` for kbit/s in
            two passes. ffmpeg's encoders get the passes by themselves, and a function makes both.
        crf_step: The step from one CRF to the next: 1, or a fraction such as 0.5, 0.25 or 0.1. Encoders that take whole
            numbers alone refuse a fraction.

    Raises:
        SettingsError: If a field is invalid.
    """

    name: str
    crf_range: tuple[float, float] = WHOLE_NUMBERS
    arguments: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    function: EncoderFunction | None = None
    preset: str | None = None
    presets: tuple[str, ...] = ()
    suffix: str = ".mp4"
    larger_is_finer: bool = False
    slope: float | None = None
    concat_arguments: tuple[str, ...] = ()
    requires: str = ""
    files: tuple[str, ...] = ()
    codec: Codec[Any] | None = None
    qualities: Sequence[float] = ()
    mode: Mode = "crf"
    crf_step: float = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name and self.name.isprintable()):
            raise SettingsError(f"The name of an encoder must be printable text, not {self.name!r:.80}.")
        if read_mode(self.mode) != "crf":
            self._read_mode()
        elif not any(self._kinds) and self.name in ENCODERS:
            self._take(ENCODERS[self.name], *(each.name for each in fields(self)))
        if sum(self._kinds) != 1:
            raise SettingsError(f"{self.name}: an encoder must have one of arguments, command, function and codec.")
        if not isinstance(self.qualities, tuple) or self.qualities:
            object.__setattr__(self, "qualities", read_qualities(self.name, self.qualities))
        if self.codec is not None:
            self._read_codec()
        self._read_scale()
        for field in ("arguments", "command", "presets", "concat_arguments", "files"):
            object.__setattr__(self, field, read_words(self.name, field, getattr(self, field)))
        check_kinds(self.name, vars(self))
        check_texts(self.name, self.suffix, self.command, self.slope)
        known = PLACEHOLDERS if self.command else FFMPEG_PLACEHOLDERS
        known = tuple(name for name in known if name != "bitrate" or self.mode != "crf")
        check_placeholders(self.name, self._placeholders if self._template else None, known)

    @property
    def _kinds(self) -> tuple[bool, ...]:
        return bool(self.arguments), bool(self.command), self.function is not None, self.codec is not None

    def _take(self, other: Encoder, *names: str) -> None:
        """Take these fields from another encoder, where they have their defaults."""
        for each in fields(self):
            if each.name in names and getattr(self, each.name) == each.default:
                object.__setattr__(self, each.name, getattr(other, each.name))

    def _read_mode(self) -> None:
        """Take what the mode of a bitrate requires, where the fields have their defaults."""
        put, name = object.__setattr__, self.name
        put(self, "larger_is_finer", True)
        if self.codec is not None:
            raise SettingsError(f"{name} is a codec, which has qualities of its own. Leave out mode={self.mode!r}.")
        if self.mode == "2pass" and self.command:
            raise SettingsError(
                f"{name}: a command runs one program. For two passes, give a function (source, output, bitrate) that "
                f"runs both: Encoder({name!r}, mode='2pass', function=encode)."
            )
        if self.function is None and not self.command and (self.mode == "2pass" or not self.arguments):
            control = rate_control(name, self.mode)
            put(self, "arguments", self.arguments or tuple(control.arguments.split()))
            self._take(ENCODERS[name], "preset", "presets", "concat_arguments", "suffix")
        if self.qualities == ():
            put(self, "crf_range", RATES if self.crf_range == WHOLE_NUMBERS else self.crf_range)
            put(self, "slope", self.slope or RATE_SLOPE)

    def _read_codec(self) -> None:
        """Take what the codec states about itself, where the fields have their defaults."""
        facts, put = read_codec(self.codec), object.__setattr__
        if self.qualities == () and self.crf_range == WHOLE_NUMBERS:
            put(self, "qualities", facts.qualities)
            put(self, "crf_range", facts.crf_range or WHOLE_NUMBERS)
        put(self, "larger_is_finer", self.larger_is_finer or facts.larger_is_finer)
        put(self, "files", self.files or facts.files)
        put(self, "suffix", BITSTREAM if self.suffix == ".mp4" else self.suffix)

    def _read_scale(self) -> None:
        put = object.__setattr__
        put(self, "crf_step", read_step(self.name, self.crf_step))
        if self.crf_step != 1:
            check_step(self.name, self.arguments, self.crf_step, self.mode, self.codec or self.qualities)
            put(self, "crf_range", read_stepped_range(self.name, self.crf_range, self.crf_step))
            return
        if self.qualities == ():
            read_range(self.name, self.crf_range, RATES[1] if self.mode != "crf" else None)
            return
        steps = tuple(self.qualities)
        ends = steps[0], steps[-1]
        if self.crf_range not in (WHOLE_NUMBERS, ends):
            raise SettingsError(f"{self.name}: an encoder must have crf_range or qualities, not both.")
        put(self, "crf_range", ends)
        # Whole numbers without a gap are a range.
        is_range = 1 < len(steps) == ends[1] - ends[0] + 1 and steps == tuple(range(int(ends[0]), int(ends[1]) + 1))
        put(self, "qualities", () if is_range else steps)
        if self.qualities and self.slope is None:
            put(self, "slope", grid_slope(steps))

    @property
    def scale(self) -> Scale:
        """The numbers of constant quality, or the bitrates in kbit/s."""
        low, high = self.crf_range
        if self.mode != "crf" and self.qualities == ():
            ends = int(low), int(high)
            return RateScale(self.name, rates_between(*ends), ends)
        if self.crf_step != 1:
            return step_scale(self.name, self.crf_range, self.crf_step, larger_is_finer=self.larger_is_finer)
        steps = self.qualities or range(int(low), int(high) + 1)
        hint = None if self.codec else partial(fraction_hint, self.name, self.arguments)
        return Scale(self.name, steps[::-1] if self.larger_is_finer else steps, hint=hint)

    @property
    def _template(self) -> tuple[str, ...]:
        return (*self.arguments, *self.command)

    @property
    def _placeholders(self) -> list[str]:
        return [name for part in self._template for name in BRACES.findall(part)]

    @property
    def reads_stdin(self) -> bool:
        """Whether this is a program that reads the source as y4m from standard input."""
        return bool(self.command) and "input" not in self._placeholders

    @property
    def writes_stdout(self) -> bool:
        """Whether this is a program that writes the encode to standard output."""
        return bool(self.command) and "output" not in self._placeholders

    def resolve_preset(self, preset: str | None) -> str | None:
        """The preset to use: the requested one, else the encoder's own.

        Raises:
            SettingsError: If the encoder does not have the preset, or requires one and has none of its own.
        """
        return choose_preset(self.name, preset, self.preset, self.presets, takes="preset" in self._placeholders)


def command_encoder(template: str | Sequence[str | os.PathLike[str]]) -> Encoder:
    """Make an encoder from a command template. It is named after its program.

    Args:
        template: For example "./myenc --crf {crf} -i {input} -o {output}", or a list of arguments. No shell reads it.

    Raises:
        SettingsError: If the template is invalid.
    """
    command = split_command(template)
    mode: Mode = "bitrate" if any("{bitrate}" in part for part in command) else "crf"
    program = next((part for part in command if not BRACES.search(part)), command[0])
    return Encoder(printable(Path(program).name), command=command, mode=mode)


def function_encoder(function: EncoderFunction) -> Encoder:
    """Make an encoder from a function. It is named after the function.

    Args:
        function: Called with the source, the output file, which it must write, and the CRF.

    Raises:
        SettingsError: If the function cannot be called with three arguments.
    """
    check_function(function)
    return Encoder(printable(getattr(function, "__name__", type(function).__name__)), function=function)


def _row(
    name: str, crf_range: tuple[int, int], arguments: str, preset: str, presets: Iterable[object], slope: float
) -> Encoder:
    options, words = tuple(arguments.split()), tuple(map(str, presets))
    return Encoder(name, crf_range, options, preset=preset, presets=words, slope=slope)


def _hardware(
    kind: str, requires: str, arguments: str, preset: str | None, presets: Iterable[str], **crf_ranges: tuple[int, int]
) -> list[Encoder]:
    """One encoder for each codec, for example h264_nvenc."""
    options, words = tuple(arguments.split()), tuple(presets)
    return [
        Encoder(f"{codec}_{kind}", crf_range, options, preset=preset, presets=words, requires=requires)
        for codec, crf_range in crf_ranges.items()
    ]


X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
#: In libvvenc's streams, without it, every IDR picture but the first has a number that only its own stream explains.
POC0IDR = ("-vvenc-params", "poc0idr=1")

# fmt: off
_ROWS = (
    _row("libx264", (0, 51), "-preset {preset} -crf {crf}", "medium", X26X, -0.13),
    _row("libx265", (0, 51), "-preset {preset} -crf {crf}", "medium", X26X, -0.13),
    _row("libsvtav1", (1, 63), "-preset {preset} -crf {crf}", "8", range(-1, 14), -0.075),
    _row("libaom-av1", (1, 63), "-cpu-used {preset} -row-mt 1 -crf {crf} -b:v 0", "6", range(12), -0.075),
    replace(_row("libvpx-vp9", (1, 63), "-deadline good -cpu-used {preset} -row-mt 1 -crf {crf} -b:v 0", "4", range(6),
                 -0.075), suffix=".webm"),
    replace(_row("libvvenc", (0, 63), "-preset {preset} -qp {crf}", "faster",
                 ("faster", "fast", "medium", "slow", "slower"), -0.13), concat_arguments=POC0IDR),
    _row("librav1e", (1, 255), "-speed {preset} -qp {crf}", "8", range(11), -0.025),
    *_hardware("nvenc", "an NVIDIA GPU and its driver", "-preset {preset} -tune hq -rc vbr -cq {crf} -b:v 0",
               "p5", ("p1", "p2", "p3", "p4", "p5", "p6", "p7"), h264=(1, 51), hevc=(1, 51), av1=(1, 63)),
    *_hardware("qsv", "an Intel GPU and its media driver", "-preset {preset} -global_quality {crf}",
               "medium", X26X[2:9], h264=(1, 51), hevc=(1, 51), vp9=(1, 255), av1=(1, 51)),
    *_hardware("amf", "an AMD GPU and its driver", "-quality {preset} -rc cqp -qp_i {crf} -qp_p {crf}",
               "balanced", ("speed", "balanced", "quality"), h264=(0, 51), hevc=(0, 51), av1=(0, 255)),
    *(replace(encoder, larger_is_finer=True) for encoder in _hardware(
        "videotoolbox", "macOS on Apple silicon", "-q:v {crf}", None, (), h264=(1, 100), hevc=(1, 100))),
)
# fmt: on
#: The encoders of ffmpeg by name. Slopes are fits to measured curves; a range leaves out 0 where it means "not set".
ENCODERS = {encoder.name: encoder for encoder in _ROWS}
