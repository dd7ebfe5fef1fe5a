"""`pytest-vmaf determinism`: whether an encoder writes the same each time."""

from __future__ import annotations

import argparse

from pytest_vmaf.cli import common, search_flags as flags
from pytest_vmaf.cli.formats import add_output
from pytest_vmaf.cli.trial import EXIT_CODES, add_trial, encode_settings, run_trial


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "encode a clip several times, and tell whether packets or scores are the same each time"
    usage = "[options] --encoder NAME --crf CRF SOURCE"
    parser = common.add_command(commands, "determinism", run, text, EXIT_CODES, usage=usage)
    add_trial(parser)
    add = parser.add_argument_group("repetition").add_argument
    add("--runs", type=int, default=3, help="how many times to encode (default 3)")
    add("--expect", choices=("bitstream", "quality"), help="require the same packets, or the same scores of each frame")
    flags.add_encode_options(parser)
    common.add_settings(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Encode, write what the encodes have in common, and exit by the expectation."""
    return run_trial(
        options,
        lambda vmaf, source: vmaf.determinism(
            source,
            encoder=options.encoder,
            runs=options.runs,
            expect=options.expect,
            **encode_settings(options),
        ),
    )
