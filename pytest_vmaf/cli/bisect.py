"""`pytest-vmaf bisect`: the CRF and bitrate at which an encoder reaches each target."""

from __future__ import annotations

import argparse

from pytest_vmaf.cli import search_flags as flags, search_output as output
from pytest_vmaf.cli.common import Commands, add_command
from pytest_vmaf.cli.formats import add_output
from pytest_vmaf.cli.search_input import read_search


def add_parser(commands: Commands) -> None:
    """Add the command."""
    text = "find the highest CRF at which an encoder reaches each target"
    usage = "[options] --encoder NAME --targets SCORES SOURCE"
    parser = add_command(commands, "bisect", run, text, flags.EXIT_CODES, usage=usage, more=flags.TARGETS)
    flags.add_encoder(parser)
    flags.add_search(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Search, write the answers, and exit by the targets."""
    search = read_search(options, "bisect")
    with output.searching(options, search):
        bisection = search.vmaf.bisect(
            search.clips[0], encoder=options.encoder, targets=search.targets, **search.settings
        )
    output.write_search(options, search.head, bisection.to_dict(), output.answer_rows(bisection), search.vmaf.sections)
    return output.exit_code(answer.why for answer in bisection.answers.values() if not answer.met)
