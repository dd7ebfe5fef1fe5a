"""`pytest-vmaf speed`: how fast an encoder is, also in turn with another one."""

from __future__ import annotations

import argparse

from pytest_vmaf.cli import common, search_flags as flags
from pytest_vmaf.cli.formats import add_output
from pytest_vmaf.cli.trial import EXIT_CODES, add_trial, encode_settings, run_trial

#: The flags that are passed on by their own names.
OPTIONS = ("against", "rounds", "clock", "decode")


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "time an encoder and the decoding of its encodes, also in turn with another encoder"
    usage = "[options] --encoder NAME --crf CRF SOURCE"
    more = "Gates are min_encode_fps, min_decode_fps and max_speed_drop. Noise that leaves one open is exit code 3."
    parser = common.add_command(commands, "speed", run, text, EXIT_CODES, usage=usage, more=more)
    add_trial(parser)
    add = parser.add_argument_group("speed").add_argument
    add("--against", metavar="NAME", help="the encoder to run in turn, such as the last release: a name or a command")
    add("--rounds", type=int, help="encodes of each encoder; with gates, the most of them (default 8, with gates 40)")
    add("--clock", choices=("cpu", "wall", "instructions"), help="what a slowdown is judged by (default cpu)")
    add("--no-decode", dest="decode", action="store_false", default=None, help="do not time the decoder")
    text = "for example max_speed_drop=5%% or min_encode_fps=60 (repeatable)"
    add("--gate", dest="limits", action="append", default=[], metavar="NAME=LIMIT", help=text)
    flags.add_encode_options(parser)
    common.add_settings(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Time the encoder, write the numbers, and exit by the gates."""
    from pytest_vmaf.errors import SettingsError

    gates: dict[str, str] = {}
    for text in options.limits:
        name, equals, limit = (part.strip() for part in text.partition("="))
        if not equals:
            raise SettingsError(f"{text!r} is not a gate. Write NAME=LIMIT, for example max_speed_drop=5%.")
        gates[name] = limit
    settings = {name: getattr(options, name) for name in OPTIONS} | encode_settings(options)
    return run_trial(
        options,
        lambda vmaf, source: vmaf.speed(source, encoder=options.encoder, gates=gates or None, **settings),
    )
