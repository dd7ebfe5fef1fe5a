"""`pytest-vmaf compare`: encoders at equal quality."""

from __future__ import annotations

import argparse

from pytest_vmaf.cli import search_flags as flags, search_output as output
from pytest_vmaf.cli.common import Commands, add_command
from pytest_vmaf.cli.executors import add_executors
from pytest_vmaf.cli.formats import add_output
from pytest_vmaf.cli.search_input import read_search

ENCODERS = ["libx264", "libx265", "libsvtav1"]


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "compare",
        run,
        "compare encoders at equal quality (BD-rate)",
        flags.EXIT_CODES,
        usage="[options] --encoders NAMES --targets SCORES SOURCE …",
        more=flags.TARGETS,
    )
    text = f"names such as libx264,libx265:slow, or one command with {{crf}} (repeatable; default {','.join(ENCODERS)})"
    parser.add_argument("--encoders", "--encoder", action="extend", type=flags.encoders, help=text)
    parser.add_argument("--no-speed", action="store_true", help="do not measure the speed of each encoder")
    flags.add_search(parser, many=True)
    add_executors(parser)
    add = parser.add_argument_group("agreement of metrics").add_argument
    text = "also measure these metrics and compare their BD-rates, for example psnr_y,float_ms_ssim"
    add("--agree", type=flags.words, metavar="METRICS", help=text)
    text = "fail if BD-rates of the targets' metric and of --agree differ by more percentage points than this"
    add("--max-disagreement", type=float, metavar="POINTS", help=text)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Compare, write the comparison, and exit by the targets and the agreement."""
    from pytest_vmaf.search.disagreement_gate import judge_disagreement, read_max_disagreement, require_judges

    search = read_search(options, "compare")
    encoders, speed = options.encoders or ENCODERS, not options.no_speed
    limit = read_max_disagreement(options.max_disagreement)
    require_judges(limit, len(encoders), search.head.metric, options.agree or ())
    with output.searching(options, search):
        comparison = search.vmaf.compare(
            search.clips,
            encoders=encoders,
            targets=search.targets,
            speed=speed,
            agree=options.agree,
            **search.settings,
        )
    output.write_search(options, search.head, comparison.to_dict(), comparison.to_rows(), search.vmaf.sections)
    answers = [answer for bisection in comparison.searches for answer in bisection.answers.values()]
    verdicts = judge_disagreement(comparison.agreements, limit)
    unmet = [answer.why for answer in answers if not answer.met]
    return output.exit_code([*unmet, *(verdict.text for verdict in verdicts if not verdict.passed)])
