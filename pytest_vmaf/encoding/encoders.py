"""Encoders as data: how each is told its quality and preset, and which way its scale runs."""

from __future__ import annotations

import inspect
import os
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pytest_vmaf.cache import Cache, key_of, remembered
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.media.ffmpeg import FfmpegCommand
from pytest_vmaf.media.process import run
from pytest_vmaf.text import closest_match, did_you_mean, printable

#: What a command template may hold in braces; ffmpeg's arguments all but the files, which it is told anyway.
FILES = ("input", "output")
PLACEHOLDERS = ("crf", "preset", *FILES, "width", "height", "frame_rate", "frames", "pix_fmt")
BRACES = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True)
class Encoder:
    """An encoder, and the scale of its constant quality.

    ``crf_range`` are the finest and the coarsest number in the order of the numbers; on most scales a larger number is
    coarser, with ``larger_is_finer`` it is the other way round. Exactly one of three says how it is run: ``arguments``
    are output arguments of ffmpeg after ``-c:v NAME``, ``command`` is the argument list of a program, both with
    {placeholders}; ``function`` is called with (source, output, crf). ``presets`` are the words that {preset} may be
    (any where empty), ``preset`` is the one to use when none is named. ``suffix`` is that of the encodes' files.
    ``slope`` is how far logit(score/ceiling) falls from one number to the next coarser one, roughly; a search begins
    with it. A ``function`` is called from several threads where a search has several ``workers``.
    ``joining`` are arguments without which its streams can neither be joined nor packaged for streaming.
    ``needs`` says what must be there beside the ffmpeg. ``files`` are paths of files whose bytes decide what a script
    writes; only with them, and of programs that are no scripts, are encodes kept for later runs.
    """

    name: str
    crf_range: tuple[int, int] = (0, 51)
    arguments: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    function: Callable[[Path, Path, int], object] | None = None
    preset: str | None = None
    presets: tuple[str, ...] = ()
    suffix: str = ".mp4"
    larger_is_finer: bool = False
    slope: float | None = None
    joining: tuple[str, ...] = ()
    needs: str = ""
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _is_range(self.crf_range):
            raise SettingsError(
                f"{self.name}: crf_range is {self.crf_range!r}; it is two whole numbers, as (0, 51), within 1000."
            )
        if sum(map(bool, (self.arguments, self.command, self.function))) != 1:
            raise SettingsError(f"{self.name}: an encoder has ffmpeg arguments, a command or a function; one of them.")
        if not all(isinstance(part, str) for part in (*self.arguments, *self.command)):
            raise SettingsError(f"{self.name}: arguments and command are lists of words.")
        for name in ("arguments", "command", "presets", "joining", "files"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.slope is not None and not (isinstance(self.slope, int | float) and 1e-6 < abs(self.slope) < 5):
            raise SettingsError(
                f"{self.name}: slope is {self.slope!r}; it is a number other than 0, between -5 and 5, as -0.1."
            )
        said = [name for part in (*self.arguments, *self.command) for name in BRACES.findall(part)]
        known = PLACEHOLDERS if self.command else tuple(name for name in PLACEHOLDERS if name not in FILES)
        for name in said:
            if name not in known:
                raise SettingsError(
                    f"{self.name}: {{{name}}} is no placeholder here; did you mean {{{closest_match(name, known)}}}? "
                    f"There are {', '.join(known)}."
                )
        if self.function is None and "crf" not in said:
            raise SettingsError(f"{self.name}: {{crf}} is missing, so every encode would be the same one.")

    @property
    def reads_stdin(self) -> bool:
        """Whether this is a program that gets the source as y4m on its standard input."""
        return bool(self.command) and not any("{input}" in part for part in self.command)

    def chosen_preset(self, preset: str | None) -> str | None:
        """The preset to use. Raises SettingsError for a word that this encoder has not, and where one must be said."""
        takes = any("{preset}" in part for part in (*self.arguments, *self.command))
        if preset is None and self.preset is None and takes:
            raise SettingsError(f"{self.name} has {{preset}} in its command and no preset of its own; say preset=.")
        if preset is None:
            return self.preset
        if not takes:
            raise SettingsError(f"{self.name} takes no preset here; preset is {preset!r}.")
        if self.presets and preset not in self.presets:
            raise SettingsError(
                f"{self.name} has no preset {preset!r}.{did_you_mean(preset, self.presets)} "
                f"It has {', '.join(self.presets)}."
            )
        return preset


def _is_range(crf_range: object) -> bool:
    pair = crf_range if isinstance(crf_range, tuple | list) else ()
    whole = len(pair) == 2 and type(pair[0]) is type(pair[1]) is int
    # More numbers than any scale has, and than a search could weigh against each other.
    return whole and pair[0] < pair[1] <= pair[0] + 1000


X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
NVENC = ("-preset", "{preset}", "-tune", "hq", "-rc", "vbr", "-cq", "{crf}", "-b:v", "0")
QSV = ("-preset", "{preset}", "-global_quality", "{crf}")
AMF = ("-quality", "{preset}", "-rc", "cqp", "-qp_i", "{crf}", "-qp_p", "{crf}")
TOOLBOX = ("-q:v", "{crf}")


def _numbers(low: int, high: int) -> tuple[str, ...]:
    return tuple(map(str, range(low, high + 1)))


def _hardware(kind: str, arguments: tuple[str, ...], needs: str, **rest: object) -> list[Encoder]:
    ranges: dict[str, tuple[int, int]] = rest.pop("ranges")  # type: ignore[assignment]
    return [
        Encoder(f"{codec}_{kind}", crf_range, arguments, needs=needs, **rest)  # type: ignore[arg-type]
        for codec, crf_range in ranges.items()
    ]


#: Slopes are fits to measured curves; the finest numbers leave out 0 where that means "not set".
ENCODERS = {
    encoder.name: encoder
    for encoder in (
        Encoder(
            "libx264", (0, 51), ("-preset", "{preset}", "-crf", "{crf}"), preset="medium", presets=X26X, slope=-0.13
        ),
        Encoder(
            "libx265", (0, 51), ("-preset", "{preset}", "-crf", "{crf}"), preset="medium", presets=X26X, slope=-0.13
        ),
        Encoder(
            "libsvtav1",
            (1, 63),
            ("-preset", "{preset}", "-crf", "{crf}"),
            preset="8",
            presets=_numbers(-1, 13),
            slope=-0.075,
        ),
        Encoder(
            "libaom-av1",
            (1, 63),
            ("-cpu-used", "{preset}", "-row-mt", "1", "-crf", "{crf}", "-b:v", "0"),
            preset="6",
            presets=_numbers(0, 11),
            slope=-0.075,
        ),
        Encoder(
            "libvpx-vp9",
            (1, 63),
            ("-deadline", "good", "-cpu-used", "{preset}", "-row-mt", "1", "-crf", "{crf}", "-b:v", "0"),
            preset="4",
            presets=_numbers(0, 5),
            suffix=".webm",
            slope=-0.075,
        ),
        Encoder(
            "libvvenc",
            (0, 63),
            ("-preset", "{preset}", "-qp", "{crf}"),
            preset="faster",
            presets=("faster", "fast", "medium", "slow", "slower"),
            # Else every IDR picture after the first would have a number that only its own stream explains.
            joining=("-vvenc-params", "poc0idr=1"),
            slope=-0.13,
        ),
        Encoder(
            "librav1e",
            (1, 255),
            ("-speed", "{preset}", "-qp", "{crf}"),
            preset="8",
            presets=_numbers(0, 10),
            slope=-0.025,
        ),
        *_hardware(
            "nvenc",
            NVENC,
            "an NVIDIA GPU and its driver",
            ranges={"h264": (1, 51), "hevc": (1, 51), "av1": (1, 63)},
            preset="p5",
            presets=("p1", "p2", "p3", "p4", "p5", "p6", "p7"),
        ),
        *_hardware(
            "qsv",
            QSV,
            "an Intel GPU and its media driver",
            ranges={"h264": (1, 51), "hevc": (1, 51), "vp9": (1, 255), "av1": (1, 51)},
            preset="medium",
            presets=X26X[2:9],
        ),
        *_hardware(
            "amf",
            AMF,
            "an AMD GPU and its driver",
            ranges={"h264": (0, 51), "hevc": (0, 51), "av1": (0, 255)},
            preset="balanced",
            presets=("speed", "balanced", "quality"),
        ),
        *_hardware(
            "videotoolbox",
            TOOLBOX,
            "macOS on Apple silicon",
            ranges={"h264": (1, 100), "hevc": (1, 100)},
            larger_is_finer=True,
        ),
    )
}


def command_encoder(template: str | Sequence[str | os.PathLike[str]], **rest: object) -> Encoder:
    """An encoder from a command template, as ``"./myenc --crf {crf} -i {input} -o {output}"``; no shell reads it.

    Without {input} the source comes as y4m on standard input; without {output} the encode is what the program writes to
    standard output. The other keywords are those of :class:`Encoder`. Raises SettingsError.
    """
    try:
        command = tuple(shlex.split(template)) if isinstance(template, str) else tuple(os.fspath(p) for p in template)
    except TypeError:
        raise SettingsError(
            f"encoder is {template!r:.80}; it is a name, a command template, an Encoder or a function."
        ) from None
    except ValueError as error:
        raise SettingsError(f"The encoder's command {template!r} cannot be split: {error}.") from None
    if not command:
        raise SettingsError("The encoder's command is empty.")
    name = Path(next((part for part in command if not BRACES.search(part)), command[0])).name
    return Encoder(name=printable(str(rest.pop("name", name))), command=command, **rest)  # type: ignore[arg-type]


def function_encoder(function: Callable[[Path, Path, int], object], **rest: object) -> Encoder:
    """An encoder from a Python callable that gets (source, output, crf) and writes the output file.

    Raises SettingsError for one that cannot be called with three arguments.
    """
    try:
        inspect.signature(function).bind(Path(), Path(), 0)
    except TypeError as error:
        raise SettingsError(f"An encoder function is called with (source, output, crf): {error}.") from None
    except ValueError:
        # Some built-in callables have no signature to look at.
        pass
    name = str(rest.pop("name", getattr(function, "__name__", type(function).__name__)))
    return Encoder(name=printable(name), function=function, **rest)  # type: ignore[arg-type]


def check_available(encoder: Encoder, ffmpeg: str, cache: Cache | None = None) -> None:
    """Raise EncodeError, with what would help, where this ffmpeg was built without the encoder.

    With a ``cache`` a build of ffmpeg that is known is not asked again.
    """
    if not encoder.arguments:
        return
    stat = Path(ffmpeg).stat()
    build = build_of(ffmpeg, cache) if cache else None
    there = remembered(
        cache,
        "look",
        key_of("encoders", build=build) if build else None,
        lambda: _encoders_of(ffmpeg, stat.st_mtime_ns, stat.st_size),
        sorted,
        lambda names: frozenset(map(str, names)),
    )
    if encoder.name not in there:
        needs = f" It also needs {encoder.needs}." if encoder.needs else ""
        known = ", ".join(name for name in ENCODERS if name in there) or "none that is known here"
        raise EncodeError(
            f"{printable(ffmpeg)} was built without the encoder {encoder.name}.{needs}\n"
            f"  It has {known}. Say another ffmpeg with --vmaf-ffmpeg=PATH (ini: vmaf_ffmpeg)."
        )


@lru_cache(maxsize=16)
def _encoders_of(path: str, mtime_ns: int, size: int) -> frozenset[str]:
    lines: list[str] = []
    run(FfmpegCommand((path, "-nostdin", "-hide_banner", "-encoders"), on_stdout=lines.append), 60)
    return frozenset(parts[1] for line in lines if len(parts := line.split(maxsplit=2)) > 1 and parts[0][0] == "V")
