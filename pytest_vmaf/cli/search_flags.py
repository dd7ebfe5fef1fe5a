"""Flags that the search commands share, and the parsers of their values."""

from __future__ import annotations

import argparse
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli.common import add_raw_video, add_settings
from pytest_vmaf.cli.selection import add_selection

if TYPE_CHECKING:
    from pytest_vmaf.encoding.rate_modes import Mode

#: A CRF or kbit/s, or a range with an optional step.
NUMBER = r"(\d{1,7}(?:\.\d{1,4})?)"
CRFS = re.compile(rf"{NUMBER}(?:-{NUMBER}(?::{NUMBER})?)?", re.ASCII)
#: No sweep takes more of them.
MOST_CRFS = 10_000
#: The end of a search's description.
TARGETS = "Targets are NEG with --targets, and default VMAF with --target-vmafs."
EXIT_CODES = "0 all targets met, 1 some not, 2 usage, 3 could not measure"


class Bitrate(argparse.Action):
    """Takes kbit/s in place of CRFs."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: object, option_string: str | None = None
    ) -> None:
        """Store the number, and that it is a bitrate."""
        known = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*known, *values] if isinstance(values, list) else values)
        namespace.by_bitrate = True


def add_source(parser: argparse.ArgumentParser, *, many: bool = False, required: bool = True) -> None:
    """Add the source, one or several, and the flags that describe raw video. `--src` names one, too."""
    parser.add_argument("source", type=Path, nargs="*", help=f"{'clips' if many else 'clip'} to encode")
    parser.add_argument("--src", "--source", type=Path, action="append", default=[], help=argparse.SUPPRESS)
    parser.set_defaults(most_sources=None if many else 1, needs_source=required)
    add_raw_video(parser, size=" (raw video without it: 1920x1080)", rate=" (raw video without it: 24)")
    add_selection(parser, "")


def add_encode_options(parser: argparse.ArgumentParser) -> None:
    """Add what goes to every encode."""
    group = parser.add_argument_group("encodes")
    add = group.add_argument
    add("--arguments", dest="encoder_args", help="further arguments for the encoder, for example '-tune film'")
    add("--encoder-args", help=argparse.SUPPRESS)
    add("--encode-pix-fmt", help="pixel format to encode in")
    text = "what the number of an encode is: a CRF, or kbit/s in one pass or in two"
    add = group.add_mutually_exclusive_group().add_argument
    add("--mode", choices=("crf", "bitrate", "2pass"), help=text)
    text = "encode in two passes: numbers are kbit/s (--mode 2pass)"
    add("--two-pass", dest="mode", action="store_const", const="2pass", default=None, help=text)
    text = "step from one CRF to the next: 1, or a fraction such as 0.25 (x264, x265: any, SVT-AV1: 0.25)"
    group.add_argument("--crf-step", type=crf, metavar="STEP", help=text)
    parser.set_defaults(by_bitrate=False)


def add_sample(parser: argparse._ActionsContainer, text: str) -> None:
    """Add `--sample` with its help."""
    parser.add_argument("--sample", dest="sample_clip_seconds", type=float, metavar="SECONDS", help=text)
    parser.add_argument("--sample-clip-seconds", type=_sample, help=argparse.SUPPRESS)


def add_model(parser: argparse.ArgumentParser, neg: str) -> None:
    """Add `--neg` with its help, and the settings of a measurement."""
    # --metric is what targets are scores of.
    add_settings(parser, taken=("--bin", "--metric"))
    parser.add_argument("--neg", action="store_true", help=neg)


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """Add `--encoder` for one encoder."""
    text = 'a name, or a command such as "./enc --crf {crf} -i {input} -o {output}"'
    parser.add_argument("--encoder", required=True, help=text)


def add_crf(parser: argparse.ArgumentParser) -> None:
    """Add `--crf` for one encode, or `--bitrate` in its place."""
    add = parser.add_mutually_exclusive_group(required=True).add_argument
    add("--crf", type=crf, help="the CRF, or the number of the encoder's own scale")
    add("--bitrate", dest="crf", type=crf, action=Bitrate, metavar="KBITS", help="kbit/s, in place of the CRF")


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Add the targets and their metric."""
    add = parser.add_argument
    add("--targets", "--target", type=floats, dest="neg_targets", help="NEG scores to reach, for example 94,96,97,98")
    text = "scores to reach of the model that is named; without one, default VMAF"
    add("--target-vmafs", "--target-vmaf", type=floats, dest="targets", help=text)
    add("--metric", help="what the targets are scores of: neg.p5, psnr_y, …")


def add_search(parser: argparse.ArgumentParser, *, many: bool = False, required: bool = True) -> None:
    """Add the source, the targets and how to search."""
    add_source(parser, many=many, required=required)
    add_targets(parser)
    add = parser.add_argument
    add("--preset", help="the encoder's preset")
    add_encode_options(parser)
    group = parser.add_argument_group("search")
    add = group.add_argument
    text = "search only these CRFs, for example 18-40"
    either = parser.add_mutually_exclusive_group().add_argument
    either("--crf", dest="crf_range", type=_window, metavar="FINEST-COARSEST", help=text)
    either("--crf-range", type=_window, help=argparse.SUPPRESS)
    text = "search bitrates in place of CRFs, only these kbit/s, for example 500-4000"
    either("--bitrate", dest="crf_range", type=_window, action=Bitrate, metavar="LEAST-MOST", help=text)
    add_sample(group, "search on this many seconds from the middle")
    add("--keep", type=Path, metavar="DIR", help="store the encodes that meet the targets there")
    add("--workers", type=int, help="trial encodes at once (default 1)")
    add_model(parser, "--target-vmafs are VMAF-NEG scores; both are always measured")


def number_of(options: argparse.Namespace) -> dict[str, Any]:
    """The number of one encode by its keyword: a CRF, or kbit/s."""
    return {"bitrate" if options.by_bitrate else "crf": options.crf}


def mode_of(options: argparse.Namespace) -> Mode | None:
    """The mode that the flags name. `--bitrate` alone means one pass, unless the encoder's name has a mode."""
    from pytest_vmaf.encoding.encoder_names import read_name

    mode: Mode | None = options.mode
    if mode is not None or not options.by_bitrate:
        return mode
    return "bitrate" if read_name(getattr(options, "encoder", None) or "").mode is None else None


def words(text: str) -> list[str]:
    """A comma-separated list."""
    items = [part.strip() for part in text.split(",")]
    if not all(items):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty entry")
    return items


def encoders(text: str) -> list[str]:
    """A list of encoders, or one command, which may contain commas."""
    return [text] if "{" in text else words(text)


def crf(text: str) -> float:
    """A CRF, or a number of the encoder's own scale."""
    try:
        return int(text)
    except ValueError:
        if math.isfinite(number := _float(text)):
            return number
    raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")


def crfs(text: str) -> list[float]:
    """A list of CRFs and ranges of CRFs."""
    spans = [CRFS.fullmatch(word) for word in words(text)]
    if not all(spans) and "." in text and all(math.isfinite(_float(word)) for word in words(text)):
        return [crf(word) for word in words(text)]
    numbers: list[float] = []
    for span in filter(None, spans):
        first = Fraction(span[1])
        last, step = Fraction(span[2] or first), Fraction(span[3] or 1)
        count = (last - first) // step + 1 if step else 0
        if not 0 < count <= MOST_CRFS - len(numbers):
            spans = [None]
            break
        numbers += [as_number(first + place * step) for place in range(count)]
    if not all(spans):
        raise argparse.ArgumentTypeError(f"expected a list of CRFs such as 18,22,26 or 18-36:2, got {text!r}")
    return numbers


def as_number(exact: Fraction) -> float:
    """A fraction as an integer, or as the float nearest to it."""
    return exact.numerator if exact.denominator == 1 else float(exact)


def _float(text: str) -> float:
    """A number, NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _sample(text: str) -> float | None:
    """A number of seconds, or 0 for the whole source."""
    try:
        return float(text) or None
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}") from None


def floats(text: str) -> list[float]:
    """A comma-separated list of numbers."""
    numbers = [*map(_float, words(text))]
    if not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"expected a list of numbers such as 94,96, got {text!r}")
    return numbers


def _window(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    if "." in text and math.isfinite(_float(low)) and math.isfinite(_float(high)):
        return crf(low), crf(high)
    span = CRFS.fullmatch(text)
    if span is None or span[2] is None or span[3] is not None:
        raise argparse.ArgumentTypeError(f"expected a range such as 18-40, got {text!r}")
    return crf(span[1]), crf(span[2])
