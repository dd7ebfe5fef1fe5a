"""pytest_vmaf.cli.gap."""

from __future__ import annotations

import argparse
import json
import sys

from pytest_vmaf.cli.common import NOT_MEASURED, PASSED, VIOLATED, check_output, say, write, write_table
from pytest_vmaf.errors import SettingsError


def _gap(options: argparse.Namespace) -> int:
    from pytest_vmaf.report.terminal import gain_table
    from pytest_vmaf.scoring.log_gap import check_logs

    check_output(options.output)
    if not options.max_gap >= 0:
        raise SettingsError(f"--max-gap is {options.max_gap}; it is a number of points from 0.")
    report = check_logs(
        options.log, options.neg_log, default_column=options.default_column, neg_column=options.neg_column
    )
    pools = report.pools()
    flags = []
    if pools["gap"]["mean"] > options.max_gap:
        flags.append(f"the gap of {pools['gap']['mean']:.3f} is above {options.max_gap:g}: enhancement is paid for")
    if report.above_100:
        flags.append(f"{len(report.above_100)} of {len(report.default)} frames are above 100")
    if options.format == "json":
        data = {
            "schema": 1,
            "columns": {"vmaf": report.default_column, "neg": report.neg_column},
            "libvmaf": report.libvmaf,
            "frames": len(report.default),
            "pooled": pools,
            "gap_per_frame": report.gap,
            "above_100": report.above_100,
            "clipped": report.clipped,
            "flags": flags,
        }
        write(options.output, json.dumps(data, indent=2, allow_nan=False) + "\n")
    else:
        write_table(options.output, gain_table(report, pools))
    for flag in flags:
        print(f"pytest-vmaf: flagged: {flag}", file=sys.stderr)
    if report.clipped:
        clipped = "the log was clipped at 100, which hides a part of the gap; log with disable_clip=true"
        return say(VIOLATED if flags else NOT_MEASURED, clipped)
    return VIOLATED if flags else PASSED
