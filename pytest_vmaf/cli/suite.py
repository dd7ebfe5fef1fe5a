"""`pytest-vmaf suite`: check a manifest, list its tests, and print the hashes of its clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import common
from pytest_vmaf.text import plural, printable


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "check a manifest, and list its tests"
    parser = common.add_command(commands, "suite", run, text, "0 valid, 2 usage, 3 a clip is missing or another one")
    parser.add_argument("manifest", type=Path, help="the manifest, for example vmaf.toml")
    group = parser.add_mutually_exclusive_group()
    text = "print the sha256 of every clip, as the lines to write into the manifest"
    group.add_argument("--hash", action="store_true", help=text)
    group.add_argument("--verify", action="store_true", help="read every clip, and check its hash")


def run(options: argparse.Namespace) -> int:
    """Check, list, verify or hash."""
    from pytest_vmaf.suite.file_hash import hash_of
    from pytest_vmaf.suite.manifest import read_clips, read_suite

    if options.hash:
        code = common.PASSED
        for clip in read_clips(options.manifest):
            try:
                print(f'# {clip.name}\nsha256 = "{hash_of(clip.clip)}"')
            except OSError as error:
                why = printable(error.strerror or "it does not exist, or is not a file")
                code = common.print_message(f"error: {clip.clip.name}: {why}", common.NOT_MEASURED)
        return code
    suite = read_suite(options.manifest)
    if options.verify:
        suite.verify()
    for test in suite.tests:
        print(f"{printable(str(options.manifest))}::{test.id}")
    unchecked = [clip.name for clip in suite.clips if not clip.hash]
    note = f"; without a hash: {', '.join(unchecked[:10])}{', …' if len(unchecked) > 10 else ''}" if unchecked else ""
    return common.print_message(f"{plural(len(suite.tests), 'test')} of {plural(len(suite.clips), 'clip')}{note}.")
