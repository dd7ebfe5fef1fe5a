"""EncodeJob: what one encode shares with the next, and the commands that follow from it."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.encoding.crf_steps import pass_fraction
from pytest_vmaf.encoding.encoders import BRACES, Encoder
from pytest_vmaf.encoding.pass_statistics import Statistics
from pytest_vmaf.encoding.rate_modes import at, check_rate_arguments, label_at, pass_arguments
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.colour import limited_grey_filters
from pytest_vmaf.media.demux import input_arguments, is_known, video_stream
from pytest_vmaf.media.ffmpeg import by_hand
from pytest_vmaf.media.inspect import Video
from pytest_vmaf.media.pixel_formats import SCALER_MATRICES, WITHOUT_MATRIX
from pytest_vmaf.media.spool import without_spools
from pytest_vmaf.text import printable

#: The option without which an encoder does not tag its stream with the full range of the pictures that it gets.
FULL_RANGE = {"libvvenc": ("-vvenc-params", "range=full")}
#: Encoders for whose only pixel format ffmpeg converts.
ONLY_PIX_FMT = {"libvvenc": "yuv420p10le"}
#: Encoders that take grey as it is. For the others, ffmpeg converts it, and takes it for full range whatever its tag.
GREY_ENCODERS = ("libx264", "libx265", "libaom-av1")
#: Of ffmpeg's y4m writer: pixel formats of more than 8 bits are its own extension.
Y4M = ("-strict", "-1", "-f", "yuv4mpegpipe")

#: The encoders that write wrong time stamps for a source with a variable rate. They get its average rate.
CONSTANT_RATE = ("libvvenc",)


@dataclass(frozen=True)
class EncodeJob:
    """What stays the same from one encode to the next.

    Attributes:
        encoder: The encoder.
        source: The source as ffmpeg sees it.
        ffmpeg: Path of the ffmpeg that encodes, or decodes for a program.
        preset: The preset, or None for an encoder without one.
        arguments: The user's arguments, after the encoder's: output arguments of ffmpeg, or arguments of the program.
        pix_fmt: The pixel format to convert to, or None for the source's.
        timeout: Time limit of each process, in seconds.
        cache: Where encodes are cached, or None.
        attempt: The number of this encode among repeated ones. Repeated encodes never share a cache entry.
        counted_by: The command that runs the encoder and counts its instructions, if any.
        statistics: What the first of two passes wrote, if it was run before.
    """

    encoder: Encoder
    source: Video
    ffmpeg: str
    preset: str | None = None
    arguments: tuple[str, ...] = ()
    pix_fmt: str | None = None
    timeout: float | None = None
    cache: Cache | None = None
    attempt: int = 0
    counted_by: tuple[str, ...] = ()
    statistics: Statistics | None = None

    def __post_init__(self) -> None:
        if self.source.has_variable_rate and self.encoder.name in CONSTANT_RATE:
            clip = replace(self.source.clip, frame_rate=self.source.frame_rate)
            object.__setattr__(self, "source", replace(self.source, clip=clip, has_variable_rate=False))
        program, *rest = self.encoder.command or ("",)
        if program == "ffmpeg" and shutil.which(program) is None:
            # Commands for an ffmpeg on PATH also run where only the embedded one is installed.
            object.__setattr__(self, "encoder", replace(self.encoder, command=(self.ffmpeg, *rest)))
        clip, encoder = self.source.clip, self.encoder
        reads_file = encoder.function is not None or (bool(encoder.command) and not encoder.reads_stdin)
        if reads_file and (clip.crop is not None or clip.stream is not None or clip.is_part):
            if clip.in_memory:
                raise SettingsError(
                    f"{encoder.name} reads the file itself and cannot know which part of {clip} is selected. Pass only "
                    "these frames or pixels: Clip.from_frames(frames[10:58])."
                )
            selected = ",".join(filter(None, (clip.trimming, clip.cropping)))
            selected = f" -vf {selected}" if selected else ""
            raise SettingsError(
                f"{encoder.name} reads the file itself and cannot know which part of {clip} is selected. Write that "
                "to a file first:\n"
                f"  ffmpeg -i {printable(shlex.quote(str(clip.path)))} -map {video_stream(clip)}{selected} "
                "-fps_mode passthrough -c:v ffv1 selected.mkv"
            )

    @property
    def name(self) -> str:
        """The encoder, its preset and its mode, for messages."""
        mode = "" if self.encoder.mode == "crf" else self.encoder.mode
        return " ".join(filter(None, (self.encoder.name, self.preset, mode)))

    @property
    def has_two_passes(self) -> bool:
        """Whether ffmpeg encodes in two passes."""
        return self.encoder.mode == "2pass" and bool(self.encoder.arguments)

    def label_at(self, crf: float) -> str:
        """The number of an encode in names: "CRF 28" or "1500k"."""
        return label_at(self.encoder.mode, crf)

    def at(self, crf: float) -> str:
        """The number of an encode in messages: "CRF 28" or "1500 kbit/s"."""
        return at(self.encoder.mode, crf)

    @property
    def runs_here(self) -> bool:
        """Whether this process encodes: the encoder is a function or a codec."""
        return self.encoder.function is not None or self.encoder.codec is not None

    def clip(self, path: Path) -> Clip:
        """An encode as a clip. A bare stream states no frame rate, so it gets the source's."""
        rate = None if is_known(path) else self.source.frame_rate
        return Clip(path, frame_rate=rate, film_grain=self.source.clip.film_grain)

    def ffmpeg_arguments(self, crf: float) -> tuple[str, ...]:
        """The output arguments of an ffmpeg that encodes at this CRF, without the output file."""
        pix_fmt = ["-pix_fmt", self.pix_fmt] if self.pix_fmt else []
        # The clock of encoders ticks once a frame. Two frames of a variable rate on one tick would be an error.
        clock = ["-enc_time_base", "demux"] if self.source.has_variable_rate else []
        name = self.encoder.name
        own, users = pass_fraction(name, self.encoder.arguments, self.arguments, crf)
        return ("-c:v", name, *self.fill(crf, own), *pix_fmt, *clock, *self._filtered(self._ranged(users)))

    def ffmpeg_argv(self, crf: float, path: Path) -> tuple[str, ...]:
        """The argument list of the ffmpeg that encodes to a file in one pass."""
        return (*self._read_source(self.source.clip), *self.ffmpeg_arguments(crf), "-y", f"file:{path.absolute()}")

    def pass_argv(self, crf: float, path: Path | None, prefix: str) -> tuple[str, ...]:
        """The argument list of the ffmpeg that runs one of two passes.

        Args:
            crf: The bitrate in kbit/s.
            path: The file that the second pass writes; None for the first pass.
            prefix: How the names of the statistics begin.
        """
        words = pass_arguments(self.encoder.name, self.ffmpeg_arguments(crf), 2 if path else 1, prefix)
        output = ("-y", f"file:{path.absolute()}") if path else ("-f", "null", "-")
        return (*self._read_source(self.source.clip), *words, *output)

    def decoder_argv(self, output: str) -> tuple[str, ...]:
        """The argument list of the ffmpeg that writes the source as y4m for a program."""
        pix_fmt = ["-pix_fmt", self.pix_fmt] if self.pix_fmt else []
        # y4m has no time stamps.
        rate = self.source.frame_rate if self.source.has_variable_rate else self.source.clip.frame_rate
        source = self._read_source(replace(self.source.clip, frame_rate=rate))
        return (*source, *self._filtered(()), *pix_fmt, *Y4M, output)

    def program_argv(self, crf: float, path: Path) -> tuple[str, ...]:
        """The argument list of a program that encodes to a file."""
        return (*self.fill(crf, self.encoder.command, path), *self.arguments)

    def command(self, crf: float, path: Path) -> str:
        """The shell command that encodes at this CRF to a file of this name in the current directory."""
        return without_spools(self._command(crf, path))

    def _command(self, crf: float, path: Path) -> str:
        encoder = self.encoder
        if encoder.codec is not None:
            return printable(f"{encoder.name}.encode({str(self.source.clip.path.absolute())!r}, {crf})")
        if encoder.function is not None:
            return printable(f"{encoder.name}({str(self.source.clip.path.absolute())!r}, {path.name!r}, {crf})")
        if self.has_two_passes:
            first, second = (by_hand(self.pass_argv(crf, each, f"{path.stem}-pass")) for each in (None, path))
            return printable(f"{shlex.join(first)} && {shlex.join((*second[:-1], path.name))}")
        if not encoder.command:
            return printable(shlex.join((*by_hand(self.ffmpeg_argv(crf, path))[:-1], path.name)))
        piped = shlex.join(by_hand(self.decoder_argv("-"))) + " | " if encoder.reads_stdin else ""
        into = f" > {path.name}" if encoder.writes_stdout else ""
        return printable(piped + shlex.join(without_folder(self.program_argv(crf, path), path)) + into)

    def fill(self, crf: float, parts: Sequence[str], path: Path | None = None) -> list[str]:
        """Replace the placeholders in arguments. Each remains one argument, whatever its value is.

        Raises:
            EncodeError: If the source does not state a value.
        """
        source = self.source
        values = {
            "crf": crf,
            "bitrate": crf,
            "preset": self.preset,
            "input": source.clip.path.absolute(),
            "output": path and path.absolute(),
            "width": source.width,
            "height": source.height,
            "frame_rate": source.frame_rate,
            "frames": source.frames_expected,
            "pix_fmt": self.pix_fmt or source.pix_fmt,
        }

        def value(match: re.Match[str]) -> str:
            if values[match[1]] is None:
                raise EncodeError(f"{self.name} needs {match[0]}, which {source.clip.name} does not state.")
            return str(values[match[1]])

        return [BRACES.sub(value, part) for part in parts]

    def _filtered(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """Output arguments whose filters begin with those that the source needs: its crop, and grey as it is stored."""
        filters = ("-vf", "-filter", "-filter:v", "-filter:v:0")
        takes_grey = bool(self.encoder.command) or self.encoder.name in GREY_ENCODERS
        stays_grey = takes_grey and (self.pix_fmt or "gray").startswith("gray")
        clip = self.source.clip
        # An encode of a part begins at 0.
        steps = [clip.trimming, "setpts=PTS-STARTPTS" if clip.is_part else "", clip.cropping]
        steps += [] if stays_grey else limited_grey_filters(self.source)
        pix_fmt = self.pix_fmt or ONLY_PIX_FMT.get(self.encoder.name)
        if pix_fmt and self.source.matrix not in SCALER_MATRICES:
            steps += [WITHOUT_MATRIX, f"format={pix_fmt}", f"setparams=colorspace={self.source.matrix}"]
        if not (first := ",".join(filter(None, steps))):
            return arguments
        places = [number for number, word in enumerate(arguments[:-1]) if word in filters]
        if not places:
            return ("-vf", first, *arguments)
        # ffmpeg takes the last of several chains.
        chain = places[-1] + 1
        return (*arguments[:chain], f"{first},{arguments[chain]}", *arguments[chain + 1 :])

    def _ranged(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """Output arguments that tag the encode with the full range of its source, if the encoder must be told."""
        option = FULL_RANGE.get(self.encoder.name)
        is_full = self.source.format.kind == "yuv" and self.source.color_range == "pc"
        # Filters and options of the user may change the range.
        if not option or not is_full or any("range" in word for word in arguments):
            return arguments
        name, value = option
        if name not in arguments:
            return (*option, *arguments)
        # ffmpeg takes the last of several values.
        before = ("", *arguments[:-1])
        return tuple(f"{value}:{word}" if last == name else word for last, word in zip(before, arguments, strict=True))

    def _read_source(self, clip: Clip) -> list[str]:
        argv = [self.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "verbose", "-xerror", "-nostats"]
        argv += [*input_arguments(clip), "-map", video_stream(self.source.clip)]
        return [*argv, "-fps_mode", "passthrough"]


def without_folder(argv: Sequence[str], path: Path) -> tuple[str, ...]:
    """Arguments in which a file is written with its name alone."""
    return tuple(part.replace(str(path.absolute()), path.name) for part in argv)


def check_arguments(encoder: Encoder, arguments: tuple[str, ...], pix_fmt: str | None = None) -> None:
    """Check that the user's arguments do not override what a search sets.

    Raises:
        SettingsError: If they set the quality, the preset, the encoder, the input or the output.
    """
    kind = "a codec" if encoder.codec is not None else "a function" if encoder.function is not None else ""
    if kind and arguments:
        given = " ".join(arguments)
        raise SettingsError(f"{encoder.name} is {kind} and takes no arguments, but arguments is {given!r}.")
    if encoder.codec is not None and pix_fmt is not None:
        raise SettingsError(
            f"{encoder.name} is a codec, whose attribute pix_fmt states the frames that it takes, but the option "
            f"pix_fmt is {pix_fmt!r}."
        )
    if not encoder.arguments:
        return
    if encoder.mode != "crf":
        check_rate_arguments(encoder.name, arguments)
    # With or without a stream specifier, for example -crf:v.
    options = {part.partition(":")[0] for part in ("-c", "-codec", "-vcodec", *encoder.arguments) if part[:1] == "-"}
    options -= {"-row-mt", "-deadline", "-tune"}
    # The input, the output and their number are fixed, too.
    options |= {"-i", "-f", "-y", "-n", "-map", "-dec", "-filter_complex", "-lavfi"}
    # An encode with fewer or more frames than its source could not be compared with it.
    rates = {"-r", "-fpsmax", "-fps_mode", "-vsync"}
    for part in arguments:
        if part.partition(":")[0] in rates:
            raise SettingsError(
                f"arguments must not contain {part}: a trial encode must have the frames of its source. To search at "
                "another frame rate, convert the source first: ffmpeg -i IN -vf fps=25 -c:v ffv1 OUT.mkv"
            )
        if part.partition(":")[0] in options:
            raise SettingsError(
                f"arguments must not contain {part}: {encoder.name} gets it from the search, which sets the quality, "
                "the input and the output. Use preset= for the preset and encoder= for the encoder."
            )
