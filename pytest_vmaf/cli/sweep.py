"""`pytest-vmaf sweep`, also named `corpus`: a grid of encodes and their scores in a JSON Lines file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli import common, search_flags as flags
from pytest_vmaf.cli.coarse_to_fine import Presets, add_flags, check_flags, sweep_coarse_to_fine
from pytest_vmaf.cli.executors import add_executors, chosen_executor
from pytest_vmaf.cli.search_input import Head, check_writable, read_sources
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.media.clip import Clip
    from pytest_vmaf.search.rows import Row

#: The flags whose place a manifest takes.
SUITE_HAS = {
    "encoders": "--encoder",
    "crf": "--crf",
    "preset": "--preset",
    "mode": "--mode",
    "crf_step": "--crf-step",
    "encoder_args": "--arguments",
    "encode_pix_fmt": "--encode-pix-fmt",
    "source": "A source",
    "src": "--src",
    "width": "--width",
    "height": "--height",
    "pix_fmt": "--pix-fmt",
    "frame_rate": "--frame-rate",
    "crop": "--crop",
    "stream": "--stream",
    "sample_clip_seconds": "--sample",
}


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "encode and score a grid into a JSON Lines file; resumes if it was interrupted"
    exit_codes = "0 all rows are there, 2 usage, 3 could not measure"
    usage = "[options] (--encoder NAMES --crf CRFS SOURCE … | --suite MANIFEST) --output FILE"
    parser = common.add_command(commands, "sweep", run, text, exit_codes, aliases=("corpus",), usage=usage)
    add = parser.add_argument
    text = "names such as libx264,libx265, or one command with {crf} (repeatable)"
    add("--encoder", "--encoders", dest="encoders", action="extend", type=flags.encoders, help=text)
    text = "CRFs, for example 18,22,26 or 18-36:2 (repeatable)"
    either = parser.add_mutually_exclusive_group().add_argument
    either("--crf", action="extend", type=flags.crfs, help=text)
    text = "kbit/s in place of CRFs, for example 500,1000,2000 (repeatable)"
    either("--bitrate", dest="crf", action=flags.Bitrate, type=flags.crfs, metavar="KBITS", help=text)
    add("--preset", action="extend", type=flags.words, help="the encoders' presets, for example medium,slow")
    text = "the manifest of a suite, in place of sources, encoders and CRFs"
    add("--suite", type=Path, metavar="MANIFEST", help=text)
    flags.add_encode_options(parser)
    add_flags(parser)
    flags.add_sample(parser, "encode this many seconds from the middle of each source")
    add_executors(parser)
    add("--output", "--out", type=Path, required=True, help="the .jsonl file; rows that it lacks are added")
    flags.add_source(parser, many=True)
    flags.add_model(parser, "no effect: every row contains both NEG and the default score")


def run(options: argparse.Namespace) -> int:
    """Sweep the grid."""
    check_flags(options)
    with chosen_executor(options) as executor:
        rows = _sweep_suite(options, executor) if options.suite else _sweep_sources(options, executor)
    models = ", ".join(dict.fromkeys(f"{row.setup.model} and {row.setup.neg_model}" for row in rows))
    name = printable(str(options.output))
    return common.print_message(f"{len(rows)} rows in {name}, each scored with {models}.")


def _sweep_sources(options: argparse.Namespace, executor: Executor | None) -> Sequence[Row]:
    vmaf = common.measuring_session(common.settings_layer(options))
    for name in ("encoders",) if options.coarse_to_fine else ("encoders", "crf"):
        if not getattr(options, name):
            flag = {"encoders": "--encoder"}.get(name, f"--{name}")
            raise SettingsError(f"{flag} is missing. Give --encoder, --crf and sources, or --suite.")
    check_writable(options)
    sources = read_sources(options, Head(options.command, "neg"))

    def sweep(clips: Sequence[Clip], encoders: Sequence[str], presets: Presets, crfs: Sequence[float]) -> Sequence[Row]:
        numbers: dict[str, Any] = {"bitrates" if options.by_bitrate else "crfs": crfs}
        return vmaf.sweep(
            clips,
            encoders=encoders,
            presets=presets,
            **numbers,
            output=options.output,
            arguments=options.encoder_args or "",
            pix_fmt=options.encode_pix_fmt,
            sample=options.sample_clip_seconds,
            executor=executor,
            mode=flags.mode_of(options),
            crf_step=options.crf_step,
        )

    if options.coarse_to_fine:
        return sweep_coarse_to_fine(sweep, sources, options)
    return sweep(sources, options.encoders, options.preset or [None], options.crf)


def _sweep_suite(options: argparse.Namespace, executor: Executor | None) -> Sequence[Row]:
    """Sweep the grids of a manifest, one after the other, into one file."""
    from pytest_vmaf.suite.manifest import read_suite

    vmaf = common.measuring_session(common.settings_layer(options))
    for name, flag in SUITE_HAS.items():
        if getattr(options, name):
            raise SettingsError(f"{flag} is not for a suite, whose manifest says what is encoded.")
    suite = read_suite(options.suite)
    if not (grids := list(suite.sweeps())):
        raise SettingsError(f"{options.suite} has no entry with an encoder and crfs, so there is nothing to sweep.")
    options.source, options.needs_source = [options.suite, *(clip.clip.path for clip in suite.clips)], False
    check_writable(options)
    suite.verify()
    return [row for grid in grids for row in vmaf.sweep(output=options.output, executor=executor, **grid)]
