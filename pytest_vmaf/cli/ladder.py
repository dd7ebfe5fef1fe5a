"""`pytest-vmaf ladder`: a bitrate ladder, its manifest and its package."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import search_flags as flags, search_output as output
from pytest_vmaf.cli.common import Commands, add_command, print_message, write
from pytest_vmaf.cli.executors import add_executors
from pytest_vmaf.cli.formats import TABLE_FORMATS, add_output
from pytest_vmaf.cli.search_input import read_search
from pytest_vmaf.text import printable


def add_parser(commands: Commands) -> None:
    """Add the command."""
    text = "find the cheapest encode of any resolution for each target"
    usage = "[options] --encoder NAME --resolutions SIZES --targets SCORES SOURCE"
    parser = add_command(commands, "ladder", run, text, flags.EXIT_CODES, usage=usage, more=flags.TARGETS)
    text = "of the rungs, for example 1920x1080,1280x720,854x480"
    parser.add_argument("--resolutions", type=flags.words, required=True, help=text)
    parser.add_argument("--segment", type=float, default=2.0, help="seconds between key frames (default 2)")
    text = "write a playable package there: DASH with --format dash, else HLS"
    parser.add_argument("--package", type=Path, metavar="DIR", help=f"{text}; encodes go to DIR/encodes or --keep")
    flags.add_encoder(parser)
    flags.add_search(parser)
    add_executors(parser)
    add_output(parser, "hls", "dash")


def run(options: argparse.Namespace) -> int:
    """Build the ladder, write it, and exit by the targets."""
    from pytest_vmaf.search.build_ladder import read_sizes

    sizes = read_sizes(options.resolutions)
    search = read_search(options, "ladder", max(sizes))
    if options.package is not None and options.keep is None:
        search.settings["keep"] = options.package / "encodes"
    with output.searching(options, search):
        ladder = search.vmaf.ladder(
            search.clips[0],
            encoder=options.encoder,
            resolutions=sizes,
            targets=search.targets,
            segment=options.segment,
            **search.settings,
        )
    if options.format in TABLE_FORMATS:
        record = {**ladder.to_dict(), "targets": search.targets, "met": ladder.met}
        output.write_search(options, search.head, record, ladder.to_rows(), search.vmaf.sections)
    elif not ladder.rungs:
        # A manifest without renditions cannot be played.
        print_message("there is no rung, so no manifest is written.")
    elif options.package is None:
        text = ladder.to_hls() if options.format == "hls" else ladder.to_dash()
        write(options.output, output.add_comment(text, search))
    if options.package is not None and ladder.rungs:
        manifest = ladder.package(options.package, "dash" if options.format == "dash" else "hls")
        text = output.add_comment(manifest.read_text(encoding="utf-8"), search)
        write(manifest, text)
        print_message(f"packaged: {printable(str(manifest))}")
        if options.format in ("hls", "dash"):
            write(options.output, text)
    return output.exit_code(ladder.unmet.values())
