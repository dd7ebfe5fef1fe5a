"""The `pytest-vmaf` command: the same rooms without pytest.

Exit codes: 0 all gates hold and all targets are met, 1 at least one is not, 2 wrong usage, 3 the quality could not be
measured.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from pytest_vmaf.cli_baseline import add_baseline
from pytest_vmaf.cli_cache import add_cache
from pytest_vmaf.cli_parts import (
    NOT_MEASURED,
    PASSED,
    USAGE,
    VIOLATED,
    add_output,
    add_scoring,
    check_output,
    clips_of,
    refuse_tolerances,
    say,
    write,
    write_table,
)
from pytest_vmaf.cli_roi import add_command
from pytest_vmaf.cli_search import add_commands
from pytest_vmaf.quality.errors import GateViolation, MeasurementError, SettingsError
from pytest_vmaf.settings import OPTIONS, make_layer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding has not must not end the command with a traceback.
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        # So that a scorer is stopped and its folder removed, as after Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        code: int = options.run(options)
    except SettingsError as error:
        code = say(USAGE, f"usage: {error}")
    except MeasurementError as error:
        code = say(NOT_MEASURED, "\n  ".join([f"error: {error}", *getattr(error, "__notes__", ())]))
    except OSError as error:
        code = say(NOT_MEASURED, f"error: {error}")
    except KeyboardInterrupt:
        code = say(130, "stopped")
    except Exception as error:
        # Python's own exit code for it is 1, which here means that a gate is violated.
        traceback.print_exc()
        code = say(NOT_MEASURED, f"internal error: {type(error).__name__}: {error}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-vmaf", description="VMAF and VMAF-NEG quality gates.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    score = commands.add_parser(
        "score",
        help="score an encode against its reference and hold gates against it",
        epilog="exit codes: 0 gates hold, 1 violated, 2 usage, 3 could not measure",
    )
    score.set_defaults(run=_score)
    score.add_argument("reference", type=Path, help="what the encoder was given")
    score.add_argument("distorted", type=Path, help="what it made of it")
    score.add_argument("--width", type=int, help="of raw video, in pixels")
    score.add_argument("--height", type=int, help="of raw video, in pixels")
    score.add_argument("--pix-fmt", help="of raw video, as ffmpeg names it (default yuv420p)")
    score.add_argument(
        "--frame-rate", "--framerate", help="of raw video, sequences and bare streams, e.g. 24, 30000/1001"
    )
    score.add_argument("--gate", action="append", default=[], metavar="NAME=LIMIT", help="e.g. min_neg=93 (repeatable)")
    add_scoring(score)
    add_output(score)

    gap = commands.add_parser(
        "gap",
        help="the gap between default and NEG in libvmaf logs",
        epilog="exit codes: 0 nothing to flag, 1 a large gap or frames above 100, 2 usage, 3 a log could not be read",
    )
    gap.set_defaults(run=_gap)
    gap.add_argument("log", type=Path, help="libvmaf log (XML, JSON or CSV) with both models, or with the default one")
    gap.add_argument("neg_log", type=Path, nargs="?", help="the log of the NEG model, if it is in one of its own")
    gap.add_argument("--default-column", help="column of the default model")
    gap.add_argument("--neg-column", help="column of the NEG model")
    gap.add_argument("--max-gap", type=float, default=3.0, help="flag a larger mean gap (default 3.0)")
    add_output(gap)

    report = commands.add_parser(
        "report",
        help="one report of several runs, as the shards of a build matrix",
        epilog="exit codes: 0 all gates hold, 1 some do not, 2 usage, 3 a file cannot be read, or something was not "
        "measured: a test, the rest of a run that was stopped, or everything",
    )
    report.set_defaults(run=_report)
    report.add_argument("files", type=Path, nargs="+", metavar="JSON", help="what pytest --vmaf-json wrote")
    report.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        required=True,
        help="where to write; .html, .md or .json says what (repeatable)",
    )
    report.add_argument("--html-assets", action="store_true", help="style, script and pictures in a folder beside it")

    add_commands(commands)
    add_command(commands)
    add_baseline(commands)
    add_cache(commands)

    doctor = commands.add_parser("doctor", help="which ffmpeg, libvmaf and models there are, and what is missing")
    doctor.set_defaults(run=_doctor)
    doctor.add_argument("--ffmpeg", help="the ffmpeg to look at")
    doctor.add_argument("--vmaf-bin", default="vmaf", help="Netflix's vmaf tool")
    return parser


def _score(options: argparse.Namespace) -> int:
    from pytest_vmaf.quality.gate import MAP_METRICS, PART_METRICS
    from pytest_vmaf.report.progress import progress_on
    from pytest_vmaf.session import Vmaf

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


class _Version(argparse.Action):
    """Prints the version; asked for only then, since it is looked up in the installed package's data."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"pytest-vmaf {version('pytest-vmaf')}")
        parser.exit()


def _gap(options: argparse.Namespace) -> int:
    from pytest_vmaf.quality.gain import check_logs
    from pytest_vmaf.report.terminal import gain_table

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


def _report(options: argparse.Namespace) -> int:
    from pytest_vmaf.report.document import merge, read, whole
    from pytest_vmaf.report.html import write_html
    from pytest_vmaf.report.markdown import markdown
    from pytest_vmaf.report.view import verdict

    if len({file.resolve() for file in options.files}) < len(options.files):
        raise SettingsError("One file is named twice; its tests would count twice.")
    for output in options.output:
        if output.suffix not in (".html", ".md", ".json"):
            raise SettingsError(f"-o {output}: a report ends in .html, .md or .json.")
        if output.resolve() in [file.resolve() for file in options.files]:
            raise SettingsError(f"-o {output} is one of the files to read.")
        check_output(output)
    documents = [read(file) for file in options.files]
    document = merge(documents, _names(options.files))
    for output in options.output:
        if output.suffix == ".html":
            write_html(output, document, assets=options.html_assets)
        elif output.suffix == ".md":
            write(output, markdown(document))
        else:
            write(output, json.dumps(document, allow_nan=False))
    print(f"pytest-vmaf: {verdict(document)}")
    statuses = {test["status"] for test in document["tests"]}
    if "failed" in statuses:
        return VIOLATED
    return PASSED if whole(document) and "passed" in statuses and "error" not in statuses else NOT_MEASURED


def _names(files: Sequence[Path]) -> list[str]:
    """What tells the files apart: their stems, or where these are equal the folders they lie in."""
    if len(files) == 1:
        return [""]
    parts = [list(file.with_suffix("").parts) for file in files]
    while len({part[-1] for part in parts}) == 1 and min(map(len, parts)) > 1:
        for part in parts:
            part.pop()
    return [part[-1] if len({each[-1] for each in parts}) == len(parts) else "/".join(part) for part in parts]


def _doctor(options: argparse.Namespace) -> int:
    from pytest_vmaf.doctor import examine

    lines, healthy = examine(options.ffmpeg, options.vmaf_bin)
    print("\n".join(lines))
    return PASSED if healthy else NOT_MEASURED
