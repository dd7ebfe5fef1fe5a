"""`pytest-vmaf bisect`: the CRF and bitrate at which an encoder reaches each target."""

from __future__ import annotations

import argparse

from pytest_vmaf.cli import search_flags as flags, search_output as output
from pytest_vmaf.cli.common import Commands, add_command
from pytest_vmaf.cli.executors import add_executors
from pytest_vmaf.cli.formats import add_output
from pytest_vmaf.cli.search_input import read_search


def add_parser(commands: Commands) -> None:
    """Add the command."""
    text = "find the highest CRF at which an encoder reaches each target"
    usage = "[options] --encoder NAME --targets SCORES SOURCE …"
    parser = add_command(commands, "bisect", run, text, flags.EXIT_CODES, usage=usage, more=flags.TARGETS)
    flags.add_encoder(parser)
    flags.add_search(parser, many=True)
    add_executors(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Search, write the answers, and exit by the targets."""
    search = read_search(options, "bisect")
    with output.searching(options, search):
        bisections = search.vmaf.bisect(
            search.clips, encoder=options.encoder, targets=search.targets, **search.settings
        )
    # Of one source, the record is the search itself.
    records = [bisection.to_dict() for bisection in bisections]
    record = records[0] if len(records) == 1 else {"met": all(each["met"] for each in records), "searches": records}
    rows = [row for bisection in bisections for row in output.answer_rows(bisection)]
    output.write_search(options, search.head, record, rows, search.vmaf.sections)
    answers = [answer for bisection in bisections for answer in bisection.answers.values()]
    return output.exit_code(answer.why for answer in answers if not answer.met)
