"""`pytest-vmaf per-shot`, also named `tune-per-shot`: a CRF for each shot."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import search_flags as flags, search_output as output
from pytest_vmaf.cli.common import Commands, add_command, write_json
from pytest_vmaf.cli.executors import add_executors
from pytest_vmaf.cli.formats import add_output
from pytest_vmaf.cli.search_input import read_search
from pytest_vmaf.errors import SettingsError


def add_parser(commands: Commands) -> None:
    """Add the command."""
    text = "find a CRF for each shot and compare with one CRF for all"
    parser = add_command(
        commands,
        "per-shot",
        run,
        text,
        flags.EXIT_CODES,
        aliases=("tune-per-shot",),
        usage="[options] --encoder NAME --target SCORE SOURCE",
        more=flags.TARGETS,
    )
    parser.add_argument("--threshold", type=float, help="minimum change at a cut, in percent of the luma range")
    parser.add_argument("--shortest", type=int, help="minimum length of a shot, in frames")
    parser.add_argument("--no-fixed", action="store_true", help="do not compare with one CRF for the whole clip")
    flags.add_encoder(parser)
    flags.add_search(parser)
    add_executors(parser)
    add_output(parser)
    parser.add_argument("--plan-out", type=Path, help="write the shots and their CRFs to this JSON file")


def run(options: argparse.Namespace) -> int:
    """Search the shots, write the plan, and exit by the targets."""
    search = read_search(options, options.command)
    if len(search.targets) != 1:
        raise SettingsError(f"{options.command} takes one target, not {len(search.targets)}.")
    shots = {"threshold": options.threshold, "shortest": options.shortest, "fixed": not options.no_fixed}
    with output.searching(options, search):
        result = search.vmaf.per_shot(
            search.clips[0], encoder=options.encoder, target=search.targets[0], **shots, **search.settings
        )
    record = result.to_dict()
    if options.plan_out is not None:
        write_json(options.plan_out, output.with_head(search.head, record))
    output.write_search(options, search.head, record, result.to_rows(), search.vmaf.sections)
    unmet = [f"from frame {answer.shot.start}: {answer.why}" for answer in result.shots if not answer.met]
    if result.score < result.target:
        unmet.append(f"the joined encode has {result.metric} {result.score:.3f}, below {result.target:g}")
    return output.exit_code(unmet)
