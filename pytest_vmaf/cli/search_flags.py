"""The searching subcommands' flags: compare, ladder, tune-per-shot, recommend, corpus."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_vmaf.cli.common import add_output, add_scoring
from pytest_vmaf.cli.compare import ENCODERS, run_compare
from pytest_vmaf.cli.corpus import run_corpus
from pytest_vmaf.cli.ladder import run_ladder
from pytest_vmaf.cli.recommend import run_recommend
from pytest_vmaf.cli.tune_per_shot import run_per_shot

#: A CRF, or a span of them with a step; three digits are the most that any encoder has.
CRFS = re.compile(r"(\d{1,3})(?:-(\d{1,3})(?::([1-9]\d{0,2}))?)?", re.ASCII)
EXITS = "exit codes: 0 all targets met, 1 some not, 2 usage, 3 could not measure"


def add_commands(commands: Any) -> None:
    """Add the subcommands to the parser's."""
    compare = _command(commands, "compare", "what several encoders need for the same quality", run_compare)
    compare.add_argument(
        "--encoders",
        action="extend",
        type=_encoders,
        help=f"names, as libx264,libx265:slow, or one command with {{crf}} (repeatable; default {','.join(ENCODERS)})",
    )
    compare.add_argument("--no-speed", action="store_true", help="do not time one encode of each")
    _add_search(compare, many=True)
    add_output(compare, ("table", "json"))

    ladder = _command(commands, "ladder", "the cheapest encode of any resolution for each target", run_ladder)
    ladder.add_argument("--resolutions", type=_list, required=True, help="of the rungs, as 1920x1080,1280x720,854x480")
    ladder.add_argument("--segment", type=float, default=2.0, help="seconds between key frames (default 2)")
    ladder.add_argument(
        "--package",
        type=Path,
        metavar="DIR",
        help="write a playable package there: DASH with --format dash, else HLS; without --keep the rungs' encodes "
        "stay in DIR/encodes",
    )
    _add_encoder(ladder)
    _add_search(ladder)
    add_output(ladder, ("table", "json", "hls", "dash"))

    shots = _command(commands, "tune-per-shot", "one CRF a shot, joined and compared with one for all", run_per_shot)
    shots.add_argument("--threshold", type=float, help="how much a new shot differs, in percent of luma")
    shots.add_argument("--shortest", type=int, help="frames that a shot has at least")
    shots.add_argument("--no-fixed", action="store_true", help="do not compare with one CRF for the whole clip")
    _add_encoder(shots)
    _add_search(shots)
    add_output(shots, ("table", "json"))
    shots.add_argument("--plan-out", type=Path, help="write the shots and their CRFs there, as JSON")

    recommend = _command(commands, "recommend", "the CRF for a target, from a corpus or by searching", run_recommend)
    recommend.add_argument("--from-corpus", type=Path, metavar="JSONL", help="choose among the rows of a corpus")
    recommend.add_argument(
        "--target-bitrate", type=float, metavar="KBPS", help="of a corpus' rows the best within so many kbit/s"
    )
    recommend.add_argument("--encoder", help="of the search (default libx264), or among a corpus' rows")
    _add_search(recommend, needs_source=False)
    add_output(recommend, ("table", "json"))

    corpus = _command(
        commands,
        "corpus",
        "encode and score a grid into JSON Lines; goes on where it was stopped",
        run_corpus,
        "exit codes: 0 all rows are there, 2 usage, 3 could not measure",
    )
    corpus.add_argument(
        "--encoder",
        "--encoders",
        action="extend",
        type=_encoders,
        required=True,
        dest="encoders",
        help="names, as libx264,libx265, or one command with {crf} (repeatable)",
    )
    corpus.add_argument(
        "--crf", action="append", required=True, type=_numbers, help="CRFs, as 18,22,26 or 18-36:2 (repeatable)"
    )
    corpus.add_argument("--preset", action="append", type=_list, help="the encoders' presets, as medium,slow")
    corpus.add_argument("--encoder-args", help="further arguments for the encoder, as '-tune film'")
    corpus.add_argument("--encode-pix-fmt", help="pixel format to encode in")
    corpus.add_argument("--output", "--out", type=Path, required=True, help="the .jsonl file, added to if it is there")
    _add_source(corpus, many=True)
    _add_model(corpus, "changes nothing here: every row holds NEG and the default score")


def _command(
    commands: Any, name: str, text: str, run: Callable[..., int], exits: str = EXITS
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, epilog=exits)
    parser.set_defaults(run=run)
    return parser


def _add_source(parser: argparse.ArgumentParser, *, many: bool = False, needed: bool = True) -> None:
    kind: dict[str, Any] = {"action": "append"} if many else {}
    again = " (repeatable)" if many else ""
    parser.add_argument("--src", "--source", type=Path, required=needed, help=f"what is encoded{again}", **kind)
    parser.add_argument("--width", type=int, help="of raw video, in pixels (without it 1920x1080 is assumed)")
    parser.add_argument("--height", type=int, help="of raw video, in pixels")
    parser.add_argument("--pix-fmt", help="of raw video, as ffmpeg names it (default yuv420p)")
    parser.add_argument(
        "--framerate", "--frame-rate", dest="frame_rate", help="of raw video, as 30000/1001 (without it 24 is assumed)"
    )


def _add_model(parser: argparse.ArgumentParser, neg: str) -> None:
    parser.add_argument("--neg", action="store_true", help=neg)
    add_scoring(parser)


def _add_encoder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder", required=True, help='a name, or a command as "./enc --crf {crf} -i {input} -o {output}"'
    )


def _add_search(parser: argparse.ArgumentParser, *, many: bool = False, needs_source: bool = True) -> None:
    _add_source(parser, many=many, needed=needs_source)
    parser.add_argument(
        "--target-vmafs", "--target-vmaf", type=_floats, dest="targets", help="scores to reach, as 94,96,97,98"
    )
    parser.add_argument(
        "--metric",
        help="of the targets: neg.p5, psnr_y, … (default vmaf; neg with --neg or where the model is a NEG one)",
    )
    parser.add_argument("--preset", help="the encoder's preset")
    parser.add_argument("--encoder-args", help="further arguments for the encoder, as '-tune film'")
    parser.add_argument("--encode-pix-fmt", help="pixel format to encode in")
    parser.add_argument("--crf-range", type=_window, metavar="FINEST-COARSEST", help="search only within, as 18-40")
    parser.add_argument("--sample-clip-seconds", type=float, help="search on so many seconds from the middle")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the encodes of the answers there")
    parser.add_argument("--workers", type=int, help="probes at once (default 1)")
    _add_model(parser, "targets are VMAF NEG, as if the NEG twin of the model were named; both are always measured")


def _list(text: str) -> list[str]:
    words = [part.strip() for part in text.split(",")]
    if not all(words):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty entry")
    return words


def _encoders(text: str) -> list[str]:
    # A command may well hold commas.
    return [text] if "{" in text else _list(text)


def _floats(text: str) -> list[float]:
    try:
        numbers = [float(word) for word in _list(text)]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers, as 94,96")
    return numbers


def _numbers(text: str) -> list[int]:
    spans = [CRFS.fullmatch(word) for word in _list(text)]
    numbers = [
        number
        for span in spans
        if span is not None
        for number in range(int(span[1]), int(span[2] or span[1]) + 1, int(span[3] or 1))
    ]
    if not all(spans) or not numbers:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of CRFs, as 18,22,26 or 18-36:2")
    return numbers


def _window(text: str) -> tuple[int, int]:
    span = CRFS.fullmatch(text)
    if span is None or span[2] is None or span[3] is not None:
        raise argparse.ArgumentTypeError(f"{text!r} is no range, as 18-40")
    return int(span[1]), int(span[2])
