"""`pytest-vmaf score`: one encode against its reference."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import PASSED, VIOLATED
from pytest_vmaf.errors import GateViolation, SettingsError

EXIT_CODES = "0 all gates pass, 1 a gate fails, 2 usage, 3 could not measure"


def add_parser(commands: common.Commands) -> None:
    """Add the command."""
    text = "score an encode against its reference and check gates"
    parser = common.add_command(commands, "score", run, text, EXIT_CODES)
    parser.add_argument("reference", type=Path, help="the original clip")
    parser.add_argument("distorted", type=Path, help="the encoded clip")
    common.add_raw_video(parser)
    common.add_selection(parser, "reference", "distorted")
    common.add_gate(parser, "min_neg=93")
    common.add_settings(parser)
    common.add_output(parser, "table", "json")


def run(options: argparse.Namespace) -> int:
    """Score, write the result, and exit by the gates."""
    from pytest_vmaf.gates.metrics import MAP_METRICS, PART_METRICS
    from pytest_vmaf.report.terminal import result_table

    layer = common.settings_layer(options)
    for gate in layer.gates:
        if gate.metric in PART_METRICS:
            needs = "vmaf.map()" if gate.metric in MAP_METRICS else "vmaf.roi() or the command roi-score"
            raise SettingsError(f"{gate.name} requires {needs}: `score` does not measure {gate.metric}.")
    vmaf = common.measuring_session(layer)
    common.check_output(options.output)
    reference, distorted = common.read_clips([options.reference, options.distorted], options)
    code = PASSED
    try:
        vmaf.check(reference, distorted)
    except GateViolation as violation:
        code = common.print_message(str(violation), VIOLATED)
    if options.format == "json":
        common.write_json(options.output, vmaf.records[-1])
    else:
        common.write_table(options.output, result_table(vmaf.records[-1]))
    return code
