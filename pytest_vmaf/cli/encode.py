"""`pytest-vmaf encode`: one encode at one CRF, from the cache if it was made before."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import common, search_flags as flags
from pytest_vmaf.cli.formats import Views, add_output, table_section, write_views
from pytest_vmaf.cli.selection import add_selection


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "encode a clip at one CRF, and print its bitrate"
    usage = "[options] --encoder NAME --crf CRF SOURCE OUTPUT"
    parser = common.add_command(commands, "encode", run, text, "0 done, 2 usage, 3 could not encode", usage=usage)
    parser.add_argument("source", type=Path, help="the clip to encode")
    parser.add_argument("encode", type=Path, metavar="OUTPUT", help="the file to write, for example out.mp4")
    flags.add_encoder(parser)
    flags.add_crf(parser)
    parser.add_argument("--preset", help="the encoder's preset")
    flags.add_encode_options(parser)
    common.add_raw_video(parser)
    add_selection(parser, "")
    common.add_settings(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Encode, and write what came out."""
    vmaf = common.measuring_session(common.settings_layer(options))
    common.check_output(options.output)
    [source] = common.read_clips([options.source], options)
    encode = vmaf.encode(
        source,
        options.encode,
        encoder=options.encoder,
        **flags.number_of(options),
        preset=options.preset,
        arguments=options.encoder_args or "",
        pix_fmt=options.encode_pix_fmt,
        mode=flags.mode_of(options),
        crf_step=options.crf_step,
    )
    if options.format == "table":
        line = f"{encode.path}: {encode.frames} frames, {encode.bitrate / 1000:.1f} kbit/s, {encode.size} bytes\n"
        common.write(options.output, line)
    else:
        from pytest_vmaf.encoding.rate_modes import unit_of

        columns = ("encoder", unit_of(encode.mode), "frames", "kbit/s", "bytes")
        row = (encode.name, encode.crf, encode.frames, f"{encode.bitrate / 1000:.1f}", encode.size)
        record, sections = encode.to_dict(), [table_section("", columns, [row])]
        write_views(options, Views(str(encode.path), record, [record], sections))
    return common.PASSED
