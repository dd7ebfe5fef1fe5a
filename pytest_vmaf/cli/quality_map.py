"""`pytest-vmaf quality-map`: the score of each tile of a grid."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import PASSED, VIOLATED
from pytest_vmaf.cli.formats import Views, add_output, table_section, write_views
from pytest_vmaf.cli.selection import add_selection
from pytest_vmaf.errors import GateViolation
from pytest_vmaf.text import printable

EXIT_CODES = "0 all gates pass, 1 a gate fails, 2 usage, 3 could not measure"
GRID = re.compile(r"([1-9]\d?)x([1-9]\d?)")


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "score each tile of a grid, to show where quality was lost"
    usage = "[options] REFERENCE DISTORTED"
    parser = common.add_command(commands, "quality-map", run, text, EXIT_CODES, aliases=("map",), usage=usage)
    parser.add_argument("reference", type=Path, help="the original clip")
    parser.add_argument("distorted", type=Path, help="the encoded clip")
    parser.add_argument("--grid", type=_grid, default=(4, 4), metavar="COLUMNSxROWS", help="default 4x4")
    parser.add_argument("--saliency", action="store_true", help="also weight the tiles by their saliency")
    parser.add_argument("--saliency-model", type=Path, metavar="PATH", help="the same with this ONNX model")
    common.add_gate(parser, "min_neg_tile=80")
    common.add_raw_video(parser)
    add_selection(parser, "reference", "distorted")
    common.add_settings(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Score the tiles, write them, and exit by the gates."""
    from pytest_vmaf.report.terminal import tile_table

    layer = common.settings_layer(options)
    gates: dict[str, Any] = {gate.name: gate.limit for gate in layer.gates}
    vmaf = common.measuring_session(layer._replace(gates=()))
    common.check_output(options.output)
    reference, distorted = common.read_clips([options.reference, options.distorted], options)
    saliency = options.saliency_model or options.saliency
    code = PASSED
    try:
        quality_map = vmaf.quality_map(reference, distorted, grid=options.grid, saliency=saliency, gates=gates)
    except GateViolation as violation:
        code, quality_map = common.print_message(str(violation), VIOLATED), violation.result
    table = tile_table(quality_map)
    sections = [table_section("", table.columns, table.rows)]
    title = printable(options.distorted.name)
    write_views(options, Views(title, quality_map.to_dict(), quality_map.to_rows(), sections, text=[table]))
    return code


def _grid(text: str) -> tuple[int, int]:
    match = GRID.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be COLUMNSxROWS, for example 4x4, not {text!r}")
    return int(match[1]), int(match[2])
