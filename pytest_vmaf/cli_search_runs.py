"""What the searching subcommands do: each asks `Vmaf`, writes what came of it, and exits by whether all is met."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vmaf.cli_parts import NOT_MEASURED, PASSED, check_output, clip_of, say, write, write_table
from pytest_vmaf.cli_parts import VIOLATED as UNMET
from pytest_vmaf.quality.clip import RAW_SUFFIXES, Clip
from pytest_vmaf.quality.errors import MeasurementError, SettingsError
from pytest_vmaf.settings import OPTIONS, make_layer

if TYPE_CHECKING:
    from pytest_vmaf.session import Vmaf

#: What a raw source without --framerate is taken for; bitrates depend on it.
ASSUMED_RATE = "24"


def run_compare(options: argparse.Namespace) -> int:
    """Encoders against each other."""
    from pytest_vmaf.encoding.records import comparison_record, probe_record

    metric, targets = _metric(options), _targets(options)
    session = _session(options)
    check_output(options.output)
    try:
        found = session.compare(
            [_source(path, options) for path in options.src],
            encoders=options.encoders,
            targets=targets,
            speed=not options.no_speed,
            metric=metric,
            **_settings(options),
        )
    except MeasurementError as error:
        if options.format == "json" and error.probes:
            # What was measured has cost hours, perhaps; the exit code says that it is not whole.
            probes = [probe_record(probe) for probe in error.probes]
            _put(options, "compare", metric, {"error": str(error), "probes": probes})
        raise
    if options.format == "json":
        _put(options, "compare", metric, comparison_record(found))
    else:
        _show(options, session)
    return PASSED if found.met else UNMET


def run_ladder(options: argparse.Namespace) -> int:
    """A bitrate ladder."""
    metric, targets = _metric(options), _targets(options)
    session = _session(options)
    check_output(options.output)
    settings = _settings(options)
    if options.package is not None and settings["keep"] is None:
        settings["keep"] = options.package / "encodes"
    ladder = session.ladder(
        _source(options.src, options),
        encoder=options.encoder,
        resolutions=options.resolutions,
        targets=targets,
        segment=options.segment,
        metric=metric,
        **settings,
    )
    if options.format == "json":
        _put(options, "ladder", metric, ladder.to_record())
    elif options.format == "table":
        _show(options, session)
    else:
        write(options.output, ladder.to_hls() if options.format == "hls" else ladder.to_dash())
    if options.package is not None and ladder.rungs:
        manifest = ladder.package(options.package, "dash" if options.format == "dash" else "hls")
        print(f"pytest-vmaf: packaged: {manifest}", file=sys.stderr)
    for why in ladder.unmet.values():
        say(UNMET, f"not met: {why}")
    return PASSED if ladder.met else UNMET


def run_per_shot(options: argparse.Namespace) -> int:
    """One CRF a shot."""
    metric, targets = _metric(options), _targets(options)
    session = _session(options)
    check_output(options.output)
    check_output(options.plan_out)
    if len(targets) != 1:
        raise SettingsError(f"Shot by shot there is one target; --target-vmaf has {len(targets)}.")
    found = session.per_shot(
        _source(options.src, options),
        encoder=options.encoder,
        target=targets[0],
        threshold=options.threshold,
        shortest=options.shortest,
        fixed=not options.no_fixed,
        metric=metric,
        **_settings(options),
    )
    if options.plan_out is not None:
        write(options.plan_out, _json("tune-per-shot", metric, found.to_record()))
    if options.format == "json":
        _put(options, "tune-per-shot", metric, found.to_record())
    else:
        _show(options, session)
    return PASSED if found.met else UNMET


def run_recommend(options: argparse.Namespace) -> int:
    """The CRF for a target, chosen or searched."""
    from pytest_vmaf.encoding.recommend import recommend
    from pytest_vmaf.encoding.records import bisection_record
    from pytest_vmaf.encoding.rows import read_rows

    metric = _metric(options)
    check_output(options.output)
    if (options.from_corpus is None) == (options.src is None):
        raise SettingsError("recommend reads --from-corpus JSONL or searches --src CLIP; say one of both.")
    if options.from_corpus is None:
        if options.target_bitrate is not None:
            raise SettingsError("--target-bitrate chooses among the rows of --from-corpus; a search has --target-vmaf.")
        session = _session(options)
        found = session.bisect(
            _source(options.src, options),
            encoder=options.encoder or "libx264",
            targets=_targets(options),
            metric=metric,
            **_settings(options),
        )
        if options.format == "json":
            _put(options, "recommend", metric, bisection_record(found))
        else:
            _show(options, session)
        return PASSED if found.met else UNMET
    targets = options.targets or [None]
    if len(targets) != 1:
        raise SettingsError(f"A recommendation from a corpus has one target; --target-vmaf has {len(targets)}.")
    limit = None if options.target_bitrate is None else options.target_bitrate * 1000
    found_rows = recommend(
        read_rows(options.from_corpus),
        target=targets[0],
        max_bitrate=limit,
        metric=metric,
        encoder=options.encoder,
        preset=options.preset,
    )
    if options.format == "json":
        record = {
            "recommendations": [
                {"met": each.met, "why": each.why, "row": each.row and json.loads(each.row.to_json())}
                for each in found_rows
            ]
        }
        _put(options, "recommend", metric, record)
    else:
        write(options.output, "".join(f"{each.why}\n" for each in found_rows))
    if not found_rows:
        return say(NOT_MEASURED, f"{options.from_corpus} has no row for this.")
    return PASSED if all(each.met for each in found_rows) else UNMET


def run_corpus(options: argparse.Namespace) -> int:
    """A grid of encodes, into JSON Lines."""
    session = _session(options)
    check_output(options.output)
    presets = [preset for each in options.preset or [[None]] for preset in each]
    rows = session.sweep(
        [_source(path, options) for path in options.src],
        encoders=options.encoders,
        presets=presets,
        crfs=[crf for each in options.crf for crf in each],
        output=options.output,
        arguments=options.encoder_args,
        pix_fmt=options.encode_pix_fmt,
    )
    print(f"pytest-vmaf: {len(rows)} rows in {options.output}", file=sys.stderr)
    return PASSED


def _session(options: argparse.Namespace) -> Vmaf:
    from pytest_vmaf.report.progress import progress_on
    from pytest_vmaf.session import Vmaf

    keywords = {option.name: getattr(options, option.name) for option in OPTIONS}
    layer = make_layer("command line", {k: v for k, v in keywords.items() if v is not None})
    return Vmaf(layers=[layer], progress=progress_on(sys.stderr))


def _source(path: Path, options: argparse.Namespace) -> Clip:
    if (options.width is None) != (options.height is None):
        raise SettingsError("Raw video needs both --width and --height.")
    clip = clip_of(path, options)
    if clip.frame_rate is None and (clip.is_raw or path.suffix.lower() in RAW_SUFFIXES):
        say(PASSED, f"{clip.name} is taken for {ASSUMED_RATE} frames/s, on which bitrates depend; say --framerate.")
        return Clip(path, width=clip.width, height=clip.height, pix_fmt=clip.pix_fmt, frame_rate=ASSUMED_RATE)
    return clip


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "preset": options.preset,
        "arguments": options.encoder_args or None,
        "pix_fmt": options.encode_pix_fmt,
        "crf": options.crf_range,
        "sample": options.sample_clip_seconds,
        "keep": options.keep,
        "workers": options.workers,
    }


def _metric(options: argparse.Namespace) -> str:
    """--neg routes to the NEG twin, as naming the twin's model does."""
    routed = options.neg or (options.model or "").endswith("neg")
    metric: str = options.metric or ("neg" if routed else "vmaf")
    if options.neg and metric.partition(".")[0] != "neg":
        raise SettingsError(f"--neg and --metric {metric} contradict each other.")
    return metric


def _targets(options: argparse.Namespace) -> list[float]:
    if not options.targets:
        raise SettingsError("--target-vmafs is missing; say at least one target, as 94,96.")
    targets: list[float] = options.targets
    return targets


def _json(command: str, metric: str, record: dict[str, Any]) -> str:
    head = {"schema": 1, "command": command, "neg": metric.partition(".")[0] == "neg", "metric": metric}
    return json.dumps({**head, **record, **head}, indent=2, allow_nan=False) + "\n"


def _put(options: argparse.Namespace, command: str, metric: str, record: dict[str, Any]) -> None:
    write(options.output, _json(command, metric, record))


def _show(options: argparse.Namespace, session: Vmaf) -> None:
    """The sections of a report, as text."""
    from pytest_vmaf.report.terminal import section_table

    write_table(options.output, *(section_table(section) for section in session.sections))
