"""pytest_vmaf.cli.score."""

from __future__ import annotations

import argparse
import json
import sys

from pytest_vmaf.cli.common import (
    PASSED,
    VIOLATED,
    check_output,
    clips_of,
    refuse_tolerances,
    say,
    write,
    write_table,
)
from pytest_vmaf.errors import GateViolation, SettingsError
from pytest_vmaf.options import OPTIONS
from pytest_vmaf.settings import make_layer


def _score(options: argparse.Namespace) -> int:
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.gates.metrics import MAP_METRICS, PART_METRICS
    from pytest_vmaf.progress import progress_on

    keywords = {option.name: getattr(options, option.name) for option in OPTIONS}
    layer = make_layer("command line", {k: v for k, v in keywords.items() if v is not None}, options.gate)
    refuse_tolerances(layer)
    for gate in layer.gates:
        if gate.metric in PART_METRICS:
            where = "vmaf.map" if gate.metric in MAP_METRICS else "vmaf.roi, and of the command roi-score"
            raise SettingsError(f"{gate.name} is a gate of {where}; `score` does not measure {gate.metric}.")
    session = Vmaf(layers=[layer], progress=progress_on(sys.stderr))
    check_output(options.output)
    clips = clips_of([options.reference, options.distorted], options)
    code = PASSED
    try:
        session.check(*clips)
    except GateViolation as violation:
        code = say(VIOLATED, str(violation))
    record = session.records[-1]
    if options.format == "json":
        write(options.output, json.dumps(record, indent=2, allow_nan=False) + "\n")
    else:
        from pytest_vmaf.report.terminal import result_table

        write_table(options.output, result_table(record))
    return code
