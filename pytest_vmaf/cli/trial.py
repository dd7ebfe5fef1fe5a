"""What `speed` and `determinism` share: one source, one encoder and one CRF, and how the result is written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli import common, search_flags as flags
from pytest_vmaf.cli.formats import Views, write_views
from pytest_vmaf.cli.selection import add_selection
from pytest_vmaf.errors import GateViolation, MeasurementError

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.media.clip import Clip
    from pytest_vmaf.search.determinism import Determinism
    from pytest_vmaf.search.speed import Speed

EXIT_CODES = "0 measured and all gates pass, 1 a gate fails, 2 usage, 3 could not measure or decide"


def add_trial(parser: argparse.ArgumentParser) -> None:
    """Add the source, the encoder and the CRF."""
    parser.add_argument("source", type=Path, help="the clip to encode")
    flags.add_encoder(parser)
    flags.add_crf(parser)
    parser.add_argument("--preset", help="the encoder's preset")
    common.add_raw_video(parser)
    add_selection(parser, "")


def encode_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of every encode by their names in `Vmaf.encode`."""
    return flags.number_of(options) | {
        "preset": options.preset,
        "arguments": options.encoder_args or "",
        "pix_fmt": options.encode_pix_fmt,
        "mode": flags.mode_of(options),
        "crf_step": options.crf_step,
    }


def run_trial(options: argparse.Namespace, measure: Callable[[Vmaf, Clip], Speed | Determinism]) -> int:
    """Measure, write the result, and return the exit code."""
    vmaf = common.measuring_session(common.settings_layer(options))
    common.check_output(options.output)
    [source] = common.read_clips([options.source], options)
    code = common.PASSED
    try:
        result: Any = measure(vmaf, source)
    except GateViolation as violation:
        result, code = violation.result, common.VIOLATED
        common.print_message(str(violation))
    except MeasurementError:
        # What noise left open was measured all the same.
        if options.format in ("table", "markdown") and vmaf.sections:
            write_views(options, Views(options.command, {}, [], vmaf.sections))
        raise
    record = result.to_dict()
    write_views(options, Views(options.command, record, _rows(record), vmaf.sections))
    return code


def _rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per encode of a determinism; one per encoder of a speed."""
    if "encodes" in record:
        head = {name: record[name] for name in ("name", "crf", "reference", "level")}
        return [{**head, **encode} for encode in record["encodes"]]
    speeds = [record, *([record["against"]] if record["against"] else [])]
    return [{name: value for name, value in each.items() if name not in ("rounds", "against")} for each in speeds]
