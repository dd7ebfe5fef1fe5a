"""`pytest-vmaf score` and `pytest-vmaf check`: one encode against its reference."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pytest_vmaf.cli import common
from pytest_vmaf.cli.common import PASSED, VIOLATED
from pytest_vmaf.cli.executors import add_executors, chosen_executor
from pytest_vmaf.cli.formats import Views, add_output, write_views
from pytest_vmaf.cli.selection import add_selection
from pytest_vmaf.errors import GateViolation, SettingsError
from pytest_vmaf.text import plural

EXIT_CODES = "0 all gates pass, 1 a gate fails, 2 usage, 3 could not measure"


def add_parser(commands: common.Commands) -> None:
    """Add both commands."""
    texts = {
        "score": "score an encode against its reference and check the gates that are given",
        "check": "score an encode against its reference and check all gates, the default ones included",
    }
    for name, text in texts.items():
        usage = "[options] REFERENCE DISTORTED"
        parser = common.add_command(commands, name, partial(run, name), text, EXIT_CODES, usage=usage)
        parser.add_argument("reference", type=Path, help="the original clip")
        parser.add_argument("distorted", type=Path, help="the encoded clip")
        common.add_gate(parser, "min_neg=93")
        common.add_raw_video(parser)
        add_selection(parser, "reference", "distorted")
        common.add_settings(parser)
        text = "score in chunks of so many seconds, which --processes and --dask score side by side; the scores stay"
        parser.add_argument("--chunk", type=_chunk, metavar="SECONDS", help=text)
        add_executors(parser)
        add_output(parser)


def run(command: str, options: argparse.Namespace) -> int:
    """Score, write the result, and exit by the gates."""
    from pytest_vmaf.gates.metrics import MAP_METRICS, PART_METRICS, SPEED_GATES

    layer = common.settings_layer(options)
    for gate in layer.gates:
        if gate.metric in (*PART_METRICS, *SPEED_GATES):
            needs = "quality-map" if gate.metric in MAP_METRICS else "roi" if gate.metric in PART_METRICS else "speed"
            raise SettingsError(
                f"{gate.name} requires the command {needs}: `{command}` does not measure {gate.metric}."
            )
    given = {gate.name: gate.limit for gate in layer.gates}
    vmaf = common.measuring_session(layer._replace(gates=()) if command == "score" else layer)
    common.check_output(options.output)
    reference, distorted = common.read_clips([options.reference, options.distorted], options)
    if options.chunk is None and (options.processes is not None or options.dask is not None):
        raise SettingsError("--processes and --dask need --chunk: they score a clip in chunks, for example --chunk 30.")
    code = PASSED
    # A table on the same screen has every gate already.
    in_table = options.format == "table" and options.output is None
    try:
        with chosen_executor(options) as executor:
            if command == "score":
                vmaf.score(reference, distorted, gates=given, chunk=options.chunk, executor=executor)
            else:
                vmaf.check(reference, distorted, chunk=options.chunk, executor=executor)
    except GateViolation as violation:
        code = VIOLATED if in_table else common.print_message(str(violation), VIOLATED)
    record = vmaf.records[-1]
    write_views(options, _views(command, record))
    if code and in_table:
        sys.stdout.flush()
        common.print_message(_failures(record))
    return code


def _views(command: str, record: Mapping[str, Any]) -> Views:
    from pytest_vmaf.cli.formats import table_section
    from pytest_vmaf.report.numbers import numbers_of
    from pytest_vmaf.report.terminal import result_rows, result_table

    gates = record["gates"]
    row = {
        **{name: record[name] for name in ("reference", "distorted", "status")},
        **{name: record["provenance"][name] for name in ("model", "neg_model", "frames")},
        **{name: number.value for name, number in numbers_of(record).items()},
        "failed_gates": [gate["name"] for gate in gates if not gate["passed"]],
    }
    columns = ("gate", "value", "limit", "margin", "result")
    rows = [
        (gate["name"], *(f"{gate[key]:.6g}" for key in ("value", "limit", "margin")), _word(gate)) for gate in gates
    ]
    sections = [table_section("", ("", command), result_rows(record))]
    sections += [table_section("Gates", columns, rows)] if gates else []
    return Views(record["distorted"], record, [row], sections, text=[result_table(record)])


def _word(gate: Mapping[str, Any]) -> str:
    return "passed" if gate["passed"] else "failed"


def _chunk(text: str) -> float | str:
    """Seconds as a number; other texts, such as "30s", are read with the settings."""
    try:
        return float(text)
    except ValueError:
        return text


def _failures(record: Mapping[str, Any]) -> str:
    """How many gates failed, and what it means."""
    from pytest_vmaf.gates.messages import meanings

    failed = [gate for gate in record["gates"] if not gate["passed"]]
    count = f"{len(failed)} of {plural(len(record['gates']), 'gate')} failed."
    return "\n  ".join([count, *meanings(gate["metric"] for gate in failed if gate["bound"] == "max")])
