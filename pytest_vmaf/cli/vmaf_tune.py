"""The flags of vmaf-tune and vmaf-roi-score that have another name here, or no meaning.

Flags of the same name are where the commands define them. The others are here: aliases, and a table of refusals, each
with what to do in its place. argparse refuses all unknown flags.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from pytest_vmaf.cli.common import check_folder, print_message
from pytest_vmaf.cli.search_flags import crf
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.text import printable

SEARCHES = ("bisect", "compare", "ladder", "per-shot", "recommend")
ENCODING = (*SEARCHES, "sweep")
_HDR = "VMAF has no HDR model. --allow hdr scores HDR clips in spite of that."
_MEASURED = "pytest-vmaf measures scores, so none is uncertain. Leave it out."
_CHOSEN = "A search chooses its encodes by what it has measured. --crf-min and --crf-max narrow it."
_FUNCTION = "In Python, Vmaf.bisect() and Vmaf.compare() take functions (source, output, crf) as encoders."
_CUTS = "Cuts are found without another tool. --threshold and --shortest say what a shot is."
_JOINED = "The encodes of the shots are joined and scored here. --keep DIR stores the joined encode."
_RUNGS = "Each target is a rung: the cheapest encode of any resolution that reaches it. Use --targets."
_GRID = "The grid of a sweep is written as --crf 18-40:2."


@dataclass(frozen=True)
class Refusal:
    """A flag of vmaf-tune that has no meaning here.

    Attributes:
        flag: The flag.
        commands: The commands that refuse it.
        advice: Why, and what to do in its place.
    """

    flag: str
    commands: tuple[str, ...]
    advice: str


#: Where tune-per-shot writes its encode. Answers are text.
VIDEOS = (
    ".mp4",
    ".mkv",
    ".webm",
    ".mov",
    ".m4v",
    ".ts",
    ".ivf",
    ".y4m",
    ".yuv",
    ".264",
    ".h264",
    ".265",
    ".hevc",
    ".obu",
)
REFUSALS = (
    Refusal(
        "--no-source-hash", ENCODING, "The hash tells sources apart, and costs little beside an encode. Leave it out."
    ),
    Refusal("--ffprobe-bin", ENCODING, "Clips are inspected by ffmpeg, and no ffprobe is run. Leave it out."),
    Refusal("--force-hdr-pq", ENCODING, _HDR),
    Refusal("--force-hdr-hlg", ENCODING, _HDR),
    Refusal("--no-resolution-aware", ENCODING, "Name a model for all sizes: --model vmaf_v0.6.1."),
    Refusal("--cache-size-gb", ENCODING, "Write the unit: --cache-size 10G."),
    Refusal("--with-uncertainty", SEARCHES, _MEASURED),
    Refusal("--uncertainty-sidecar", SEARCHES, _MEASURED),
    Refusal("--max-iterations", SEARCHES, f"An answer is exact, whatever number of encodes it takes. {_CHOSEN}"),
    Refusal("--coarse-step", SEARCHES, _CHOSEN),
    Refusal("--fine-radius", SEARCHES, _CHOSEN),
    Refusal("--fine-step", SEARCHES, _CHOSEN),
    Refusal("--predicate-module", ("compare", "per-shot"), _FUNCTION),
    Refusal("--per-shot-bin", ("per-shot",), _CUTS),
    Refusal("--bitdepth", ("per-shot",), "The pixel format states it: --pix-fmt yuv420p10le for raw video."),
    Refusal("--total-frames", ("per-shot",), "Frames are counted. --frames N reads only the first N."),
    Refusal("--segment-dir", ("per-shot",), _JOINED),
    Refusal("--script-out", ("per-shot",), _JOINED),
    Refusal("--quality-tiers", ("ladder",), _RUNGS),
    Refusal("--spacing", ("ladder",), _RUNGS),
    Refusal("--rung-overlap-threshold", ("ladder",), _MEASURED),
    Refusal("--crf-min", ("sweep",), _GRID),
    Refusal("--crf-max", ("sweep",), _GRID),
)
#: The commands of vmaf-tune that have no counterpart of their name.
COMMANDS = {
    "fast": "pytest-vmaf predicts no scores. Use recommend with --sample 5, which encodes five seconds.",
    "predict": "pytest-vmaf predicts no scores. Use per-shot.",
    "sidecar": "pytest-vmaf measures scores, so it does not train a predictor. Use recommend.",
    "auto": "Use compare, which finds the cheapest of several encoders for each target.",
    "recommend-saliency": "Saliency does not steer encoders here. Use roi, which scores the salient part of an encode.",
}


class _Refuse(argparse.Action):
    """Ends the command with an advice."""

    def __init__(self, option_strings: Sequence[str], dest: str, advice: str) -> None:
        # With or without a value, which does not matter.
        super().__init__(option_strings, dest, nargs="?", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        self.advice = advice

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser.error(f"{self.option_strings[0]} of vmaf-tune has no counterpart. {self.advice}")


def add_flags(parsers: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add the aliases and the refusals to the parsers of the commands."""
    for refusal in REFUSALS:
        for name in refusal.commands:
            parsers[name].add_argument(refusal.flag, action=_Refuse, advice=refusal.advice)
    for name in ENCODING:
        add, hidden = parsers[name].add_argument, argparse.SUPPRESS
        add("--duration", type=_duration, default=0.0, help=hidden)
        add("--encode-dir", type=Path, metavar="DIR", help=hidden)
        add("--keep-encodes", action="store_true", help=hidden)
        add("--score-backend", type=_backend, help=hidden)
        add("--force-sdr", dest="allow", action="append_const", const="hdr", help=hidden)
        # What they ask for is what happens.
        for flag in ("--auto-hdr", "--resolution-aware"):
            add(flag, dest="as_usual", action="store_true", help=hidden)
        add("--no-parallel", action="store_true", help=hidden)
        if name != "sweep":
            add("--crf-min", type=crf, help=hidden)
            add("--crf-max", type=crf, help=hidden)
            add("--coarse-to-fine", dest="as_usual", action="store_true", help=hidden)
    # It searches one clip, so there is nothing to distribute but trial encodes.
    parsers["recommend"].add_argument("--max-workers", dest="workers", type=int, help=argparse.SUPPRESS)


def _modes(options: argparse.Namespace) -> list[str]:
    """The modes of the encoders that are named; that of `--mode` is the mode of those whose names have none."""
    from pytest_vmaf.encoding.encoder_names import read_name

    mode = getattr(options, "mode", None) or "crf"
    one = getattr(options, "encoder", None)
    names = [one] if isinstance(one, str) else getattr(options, "encoders", None) or ()
    return [read_name(name).mode or mode if "{" not in name else mode for name in names]


def translate(options: argparse.Namespace) -> None:
    """Set the options of a command that vmaf-tune's flags stand for.

    Raises:
        SettingsError: For flags that contradict each other, and for what a command cannot do.
    """
    ends = getattr(options, "crf_min", None), getattr(options, "crf_max", None)
    modes = _modes(options)
    if modes and "crf" not in modes and not options.by_bitrate:
        given = (getattr(options, name, None) for name in ("crf", "crf_range", "crf_min", "crf_max"))
        if any(each is not None for each in given):
            raise SettingsError(
                f"In mode {modes[0]}, an encode has a bitrate and no CRF. Use --bitrate, in kbit/s, in place of --crf."
            )
    if ends != (None, None):
        if options.crf_range is not None:
            raise SettingsError("--crf excludes --crf-min and --crf-max, which are its ends.")
        options.crf_range = ends
    if getattr(options, "no_parallel", False):
        for name in ("processes", "dask", "workers"):
            if getattr(options, name, None) is not None:
                raise SettingsError(f"--no-parallel excludes --{name}.")
    output = getattr(options, "output", None)
    if hasattr(options, "keep") and output is not None and output.suffix.lower() in VIDEOS:
        raise SettingsError(
            f"--output is the file of the answer, as text, but {printable(output.name)} is a video. "
            "Use --keep DIR for the encodes."
        )
    if getattr(options, "keep_encodes", False):
        if not hasattr(options, "keep"):
            raise SettingsError(
                f"{options.command} keeps no encodes, but the cache does: "
                "pytest-vmaf encode --encoder NAME --crf CRF SOURCE OUTPUT writes one of them without encoding again."
            )
        if options.encode_dir is None and options.keep is None:
            raise SettingsError("--keep-encodes requires --encode-dir DIR. Here, --keep DIR means both.")
        options.keep = options.keep or options.encode_dir


@contextmanager
def encode_folder(options: argparse.Namespace) -> Iterator[None]:
    """The context of a command whose trial encodes are written to `--encode-dir` instead of the temporary folder.

    Raises:
        SettingsError: If the folder cannot be made or written to.
    """
    folder: Path | None = getattr(options, "encode_dir", None)
    if folder is None:
        yield
        return
    check_folder(folder, "--encode-dir", may_be_new=True)
    folder.mkdir(parents=True, exist_ok=True)
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    # Processes that this one starts read the variable.
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder.absolute())
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR")
        if variable is not None:
            os.environ["TMPDIR"] = variable


def compare_duration(options: argparse.Namespace, clips: Sequence[Clip]) -> None:
    """Print how long a clip is if `--duration` states otherwise. vmaf-tune computes bitrates from it."""
    stated = getattr(options, "duration", 0.0)
    for clip in clips if stated else ():
        actual = None
        # The search finds what is wrong with a source.
        with suppress(MeasurementError, OSError):
            actual = _seconds_of(clip, options)
        # A frame, or the rounding of a shorter number.
        if actual is not None and abs(actual - stated) > max(0.1, 0.01 * actual):
            print_message(
                f"{printable(str(clip))} is {actual:.2f} seconds long, not --duration {stated:g}. "
                "Bitrates are computed from its frames."
            )


def _seconds_of(clip: Clip, options: argparse.Namespace) -> float | None:
    if clip.is_raw:
        frames = os.stat(clip.path).st_size // clip.frame_bytes()
        return float(frames / Fraction(clip.frame_rate)) if clip.frame_rate else None
    from pytest_vmaf.media.ffmpeg import find_ffmpeg
    from pytest_vmaf.media.inspect import FIRST_FRAMES, inspect

    return inspect(clip, find_ffmpeg(options.ffmpeg).path, FIRST_FRAMES, options.timeout).duration


def _duration(text: str) -> float:
    """A number of seconds, 0 if it is not known."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}")
    return seconds


def _backend(text: str) -> str:
    """libvmaf's backend, of which scores here have one."""
    if text not in ("auto", "cpu"):
        raise argparse.ArgumentTypeError(f"scores are measured on the CPU, not with {text!r}. Leave it out")
    return text
