"""`pytest-vmaf sweep`, also named `corpus`: a grid of encodes and their scores in a JSON Lines file."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import common, search_flags as flags
from pytest_vmaf.cli.search_input import Head, check_writable, read_sources
from pytest_vmaf.text import printable


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "encode and score a grid into a JSON Lines file; resumes if it was interrupted"
    exit_codes = "0 all rows are there, 2 usage, 3 could not measure"
    usage = "[options] --encoder NAMES --crf CRFS --output FILE SOURCE …"
    parser = common.add_command(commands, "sweep", run, text, exit_codes, aliases=("corpus",), usage=usage)
    add = parser.add_argument
    text = "names such as libx264,libx265, or one command with {crf} (repeatable)"
    add("--encoder", "--encoders", dest="encoders", action="extend", type=flags.encoders, required=True, help=text)
    text = "CRFs, for example 18,22,26 or 18-36:2 (repeatable)"
    add("--crf", action="extend", type=flags.crfs, required=True, help=text)
    add("--preset", action="extend", type=flags.words, help="the encoders' presets, for example medium,slow")
    flags.add_encode_options(parser)
    add("--output", "--out", type=Path, required=True, help="the .jsonl file; rows that it lacks are added")
    flags.add_source(parser, many=True)
    flags.add_model(parser, "no effect: every row contains both NEG and the default score")


def run(options: argparse.Namespace) -> int:
    """Sweep the grid."""
    vmaf = common.measuring_session(common.settings_layer(options))
    check_writable(options)
    rows = vmaf.sweep(
        read_sources(options, Head(options.command, "neg")),
        encoders=options.encoders,
        presets=options.preset or [None],
        crfs=options.crf,
        output=options.output,
        arguments=options.encoder_args or "",
        pix_fmt=options.encode_pix_fmt,
    )
    models = ", ".join(dict.fromkeys(f"{row.setup.model} and {row.setup.neg_model}" for row in rows))
    name = printable(str(options.output))
    return common.print_message(f"{len(rows)} rows in {name}, each scored with {models}.")
