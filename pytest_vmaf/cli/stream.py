"""`pytest-vmaf stream`: the packets and headers of an encode, and gates on them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import PASSED, VIOLATED
from pytest_vmaf.cli.formats import Views, add_output, table_section, write_views
from pytest_vmaf.errors import GateViolation, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.option_table import BY_NAME
from pytest_vmaf.text import plural, time_code

#: Gates that are flags, with their helps. `--gate` knows all of them.
GATES = {
    "max_bitrate": "the mean bitrate in bit/s",
    "max_peak_bitrate": "the highest bitrate over any window, in bit/s",
    "max_size": "the bytes of all packets",
    "max_keyframe_distance": "the most frames from one key frame to the next",
    "max_level": "the highest level, for example 4.1",
}
#: Expectations that are flags.
TEXTS = {"codec": "h264, hevc, av1, vp9 or vvc", "profile": 'the profile, for example High or "Main 10"'}
NUMBERS = {
    "window": "seconds over which the peak bitrate is measured (default: 1)",
    "vbv_size": "a decoder's buffer in bits, which must not underflow",
    "vbv_rate": "the rate in bit/s at which it fills",
    "vbv_init": "the share of it that is full at first (default: 0.9)",
}


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "read the packets and headers of an encode, and check gates on them"
    codes = "0 all gates pass, 1 a gate fails, 2 usage, 3 could not be read"
    more = "Nothing is decoded, and nothing is scored."
    parser = common.add_command(commands, "stream", run, text, codes, usage="[options] ENCODE", more=more)
    parser.add_argument("encode", type=Path, help="the encode")
    group = parser.add_argument_group("gates")
    for name, help_text in GATES.items():
        group.add_argument(_flag(name), metavar="LIMIT", help=help_text)
    common.add_gate(group, "min_bitrate=2e6")
    group = parser.add_argument_group("expectations")
    for name, help_text in TEXTS.items():
        group.add_argument(_flag(name), help=help_text)
    group.add_argument("--expect-pix-fmt", metavar="NAME", help="the pixel format, for example yuv420p10le")
    group.add_argument("--expect-frame-rate", metavar="RATE", help="the frame rate, for example 24 or 30000/1001")
    group.add_argument("--closed-gop", action="store_true", help="all groups of pictures must be closed")
    group.add_argument("--same-colour", type=Path, metavar="REFERENCE", help="the colour tags must be this clip's")
    for name, help_text in NUMBERS.items():
        group.add_argument(_flag(name), type=float, metavar="NUMBER", help=help_text)
    group = parser.add_argument_group("how it is read")
    group.add_argument("--frame-rate", help="of a bare stream that states none, for example 24 or 30000/1001")
    group.add_argument("--stream", type=int, metavar="N", help="which video stream to read, from 0")
    group.add_argument("--ffmpeg", help=BY_NAME["ffmpeg"].help)
    group.add_argument("--timeout", type=float, help="time limit of each reading, in seconds")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Read the stream, write what it is, and exit by the gates."""
    from pytest_vmaf.settings import make_layer

    limits = {name: limit for name in GATES if (limit := getattr(options, name)) is not None}
    layer = make_layer("command line", {"ffmpeg": options.ffmpeg, "timeout": options.timeout})
    vmaf = common.measuring_session(layer)
    common.check_output(options.output)
    for text in options.gate:
        name, equals, limit = text.partition("=")
        if not equals:
            raise SettingsError(f"--gate must be NAME=LIMIT, not {text!r}.")
        limits[name.strip()] = limit.strip()
    names = {**dict.fromkeys((*TEXTS, *NUMBERS)), "pix_fmt": "expect_pix_fmt", "frame_rate": "expect_frame_rate"}
    expected = {name: getattr(options, attribute or name) for name, attribute in names.items()}
    expected |= {"closed_gop": options.closed_gop or None, "colour_tags": "same" if options.same_colour else None}
    clip = Clip(options.encode, frame_rate=options.frame_rate, stream=options.stream)
    code = PASSED
    try:
        vmaf.stream(clip, reference=options.same_colour, gates=limits, **expected)
    except GateViolation as violation:
        code = common.print_message(str(violation), VIOLATED)
    record = vmaf.records[-1]
    rows = [*_rows(record["stream"])]
    if options.format == "table":
        common.write(options.output, "".join(f"{name:<20}{value}\n" for name, value in rows))
    else:
        csv_row = {"encode": record["distorted"], "status": record["status"], **record["stream"]}
        sections = [table_section("", ("", "stream"), rows)]
        write_views(options, Views(record["distorted"], record, [csv_row], sections))
    sys.stdout.flush()
    return code


def _rows(stream: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    tags = [stream[name] or "not read" for name in ("color_range", "matrix", "primaries", "transfer")]
    rate, peak, bitrate = stream["frame_rate"], stream["peak_bitrate"], stream["bitrate"]
    yield "codec", stream["codec"]
    yield "profile", stream["profile"]
    tier = f", {stream['tier']} tier" if stream["tier"] else ""
    yield "level", f"{stream['level'] or 'not stated'}{tier}"
    yield "picture", f"{stream['width']}x{stream['height']} {stream['pix_fmt']}"
    yield "colour", f"range {tags[0]}, matrix {tags[1]}, primaries {tags[2]}, transfer {tags[3]}"
    yield "frames", f"{stream['frames']} in {plural(stream['packets'], 'packet')}"
    yield "frame rate", rate or "not stated"
    yield "size", f"{stream['size']:,} bytes"
    yield "bitrate", "unknown" if bitrate is None else f"{bitrate / 1000:,.1f} kbit/s"
    where = "" if peak is None else f" in {stream['window']:g} s from {time_code(stream['peak_time'])}"
    yield "peak bitrate", "unknown" if peak is None else f"{peak / 1000:,.1f} kbit/s{where}"
    yield "key frames", f"at most {plural(stream['keyframe_distance'], 'frame')} apart"
    yield "GOPs", "closed" if stream["closed_gops"] else "open"
    if stream["changes"]:
        yield "header changes", str(stream["changes"])
    yield "digest", stream["digest"]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
