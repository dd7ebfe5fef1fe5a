"""`pytest-vmaf benchmark`: the encoders of a corpus, ranked at matched quality."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import common, search_flags as flags, search_input as inputs
from pytest_vmaf.cli.formats import Views, add_output, write_views
from pytest_vmaf.errors import SettingsError

EXIT_CODES = "0 ranked, 2 usage, 3 nothing can be compared"


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "rank the encoders of a corpus by the bitrate that each needs for the same quality"
    usage = "[options] --targets SCORES CORPUS …"
    parser = common.add_command(commands, "benchmark", run, text, EXIT_CODES, usage=usage, more=flags.TARGETS)
    add = parser.add_argument
    add("corpus", type=Path, nargs="*", help="files that `pytest-vmaf sweep` wrote")
    add("--from-corpus", type=Path, action="append", default=[], help=argparse.SUPPRESS)
    flags.add_targets(parser)
    add("--neg", action="store_true", help="--target-vmafs are VMAF-NEG scores")
    add("--encoders", "--encoder", action="extend", type=flags.words, help="rank only these, for example libx264:slow")
    text = "the encoder that bitrates and BD-rates refer to (default: the one that needs the least)"
    add("--anchor", "--baseline-encoder", metavar="ENCODER", help=text)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Rank, and write the ranking."""
    from pytest_vmaf.report.benchmark_section import benchmark_section
    from pytest_vmaf.search.rank_encoders import benchmark
    from pytest_vmaf.search.row_files import read_rows

    paths = [*options.corpus, *options.from_corpus]
    if not paths:
        raise SettingsError("The corpus is missing. Give a file that pytest-vmaf sweep wrote.")
    if options.output is not None and options.output.resolve() in [path.resolve() for path in paths]:
        raise SettingsError(f"--output {options.output} is also an input file; name another file.")
    common.check_output(options.output)
    targets = inputs.read_targets(options)
    if not targets:
        raise SettingsError("--targets is missing. Give at least one NEG score, for example 93,96.")
    if options.neg and options.metric is not None and not inputs.is_neg(options.metric):
        raise SettingsError(f"--neg and --metric {options.metric} contradict each other.")
    rows = [row for path in paths for row in read_rows(path)]
    # Of models with NEG built in, the published score is NEG.
    built_in = bool(rows) and all(inputs.has_neg_built_in(row.setup.model) for row in rows)
    metric = options.metric or ("neg" if options.neg or options.neg_targets or built_in else "vmaf")
    result = benchmark(rows, targets=targets, metric=metric, anchor=options.anchor, encoders=options.encoders)
    record = {"command": "benchmark", **result.to_dict()}
    section = benchmark_section(result).to_record()
    write_views(options, Views("Benchmark", record, result.to_rows(), [section]))
    return common.PASSED
