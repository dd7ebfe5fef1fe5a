"""Baseline entries of results, bisections and comparisons."""

from __future__ import annotations

import math
import platform
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from pytest_vmaf.baselines.entry import DIGITS, Entry, score_entry
from pytest_vmaf.baselines.noise import mean_entry
from pytest_vmaf.errors import BaselineError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.fingerprint import content_of, digest
from pytest_vmaf.scoring.features import feature_columns
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.roi.masked_score import RoiResult
    from pytest_vmaf.search.bisection import Answer, Bisection
    from pytest_vmaf.search.comparison import Comparison

#: Numbers by place (a target or an encoder) and by metric.
Values = dict[str, dict[str, float]]


def entry_of_result(result: Result, reference: Clip, windows: Sequence[str] = ()) -> Entry:
    """Build the entry of a result of any kind.

    Args:
        result: The result.
        reference: Its reference, which the entry knows by its bytes.
        windows: The windows of frames that tolerances compare.

    Raises:
        BaselineError: If the reference cannot be read.
        MeasurementError: If a window is longer than the clip.
    """
    match = {**_score_match(result), "reference": _content([reference], result)}
    return score_entry(result, match, tools_of(result), windows)


def entry_of_results(results: Sequence[Result], reference: Clip, windows: Sequence[str] = ()) -> Entry:
    """Build the entry of repeated encodes: their means and their spread. Raises as `entry_of_result`."""
    return mean_entry([entry_of_result(each, reference, windows) for each in results])


def entry_of_bisection(bisection: Bisection, source: Clip) -> Entry:
    """Build the entry of a bisection: the numbers of each target that is reached. Raises as `entry_of_result`."""
    values: Values = {}
    deviations: dict[str, dict[str, dict[str, float]]] = {}
    for target, answer in bisection.answers.items():
        where = f"{bisection.metric} {target:g}"
        rates = rates_at_target(bisection, answer) if answer.met else []
        values[where] = {"bitrate": fmean(rates), "crf": float(answer.crf), "score": answer.score} if rates else {}
        if len(rates) > 1:
            deviations[where] = {"bitrate": {"mean": stdev(rates)}}
    match = {
        "encoder": _encoder_text(bisection),
        "metric": str(bisection.metric),
        "sample": "all" if bisection.sample is None else f"{bisection.sample[1]} frames from {bisection.sample[0]}",
    }
    entry = _searched("bisect", bisection, [source], match, values)
    if bisection.repeats:
        entry["noise"] = {"n": 1 + max(map(len, bisection.repeats.values())), "stdev": deviations}
    return entry


def rates_at_target(bisection: Bisection, answer: Answer) -> list[float]:
    """The bitrate in bit/s at the target itself, one for each time that the answer's CRF was encoded.

    The bitrate is log-linear between the answer and the next coarser encode, which is below the target. The bitrate of
    the answer alone would jump by some 5 % from one CRF to the next; this one changes only as much as the encoder.
    """
    following, rates = answer.next_probe, []
    repeats = [(probe.bitrate, probe.score) for probe in bisection.repeats.get(answer.crf, ())]
    for bitrate, score in [(answer.bitrate, answer.score), *repeats]:
        if following is None or not following.score < min(answer.target, score):
            rates.append(bitrate)
            continue
        share = (score - answer.target) / (score - following.score)
        rates.append(math.exp((1 - share) * math.log(bitrate) + share * math.log(following.bitrate)))
    return rates


def _encoder_text(bisection: Bisection) -> str:
    """The encoder with its preset and arguments; the command of a command encoder."""
    command = shlex.join(bisection.encoder.command) if bisection.encoder.command else bisection.name
    return " ".join([command, *bisection.arguments])


def entry_of_comparison(comparison: Comparison, sources: Sequence[Clip]) -> Entry:
    """Build the entry of a comparison: each encoder's BD-rate against the first one, in percent, if the curves overlap.

    Raises as `entry_of_result`, and SettingsError if there is only one encoder.
    """
    anchor, *others = comparison.labels
    if not others:
        raise SettingsError(
            f"A baseline of vmaf.compare requires at least two encoders, not only {anchor}. Use vmaf.bisect for one."
        )
    values: Values = {label: {} for label in others}
    for label in others:
        with suppress(MeasurementError):
            values[label] = {"bd_rate": float(comparison.bd_rate(label, anchor=anchor))}
    first = next(iter(comparison.bisections.values()))
    match = {
        **{f"encoder {label}": _encoder_text(one) for label, one in first.items()},
        "anchor": anchor,
        "metric": str(comparison.metric),
        # A BD-rate depends on them.
        "targets": ", ".join(f"{target:g}" for target in comparison.targets),
        "sources": str(len(comparison.bisections)),
    }
    return _searched("compare", next(iter(first.values())), sources, match, values)


def _searched(
    kind: str, bisection: Bisection, sources: Sequence[Clip], match: Mapping[str, str], values: Values
) -> Entry:
    result = bisection.points[0].result if bisection.points else bisection.self_score
    same = {**_score_match(result), **match, "reference": _content(sources, result)}
    rounded = {where: {name: round(number, DIGITS) for name, number in each.items()} for where, each in values.items()}
    return {"kind": kind, "match": same, "shown": tools_of(result), "values": rounded}


def tools_of(result: Result) -> dict[str, str]:
    """The tools that measured. Two entries by different tools are compared all the same."""
    how = result.provenance
    return {
        "scorer": f"{how.get('scorer')} {how.get('scorer_version') or ''}".strip(),
        "ffmpeg": str(how.get("ffmpeg") or "?"),
        "libvmaf": str(how.get("libvmaf") or "?"),
        "encoder": str(how.get("encoder") or "?"),
        "cpu": processor(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _metric_text(metric: Mapping[str, object]) -> str:
    """What must stay the same of a plugin's metric: which value is better, and its version."""
    return f"{'higher' if metric['higher_is_better'] else 'lower'} is better {metric['version']}".rstrip()


def _score_match(result: Result) -> dict[str, str]:
    how = result.provenance
    # A map has the provenance of its worst tile, which may be another tile in the next run.
    picture: Result = getattr(result, "whole", result)
    whole = picture.provenance
    filters = whole.get("filters", {})
    match = {
        "model": f"{how.get('model')} / {how.get('neg_model')}",
        "generation": str(how.get("generation")),
        "phone": "yes" if how.get("phone") else "no",
        "size": f"{whole.get('width')}x{whole.get('height')}",
        "pix_fmt": str(how.get("pix_fmt")),
        "frames": str(len(result.neg.frames)),
        "starts": ", ".join(map(str, how.get("starts", ()))),
        "reference filters": str(filters.get("reference", "")),
        "distorted filters": str(filters.get("distorted", "")),
        **({"feature options": options} if (options := _feature_options(result)) else {}),
        **({"numbers": "invented by FakeScorer"} if how.get("fake") else {}),
        # A baseline that lacks a metric is compared in the others.
        **{f"metric {name}": _metric_text(metric) for name, metric in how.get("metrics", {}).items()},
    }
    if hasattr(result, "mask"):
        match |= _mask_match(result)  # type: ignore[arg-type]
    if hasattr(result, "tiles"):
        match |= {"grid": f"{result.columns}x{result.rows}", "saliency": result.saliency or "none"}  # type: ignore[attr-defined]
    return match


def _feature_options(result: Result) -> str:
    """The options of the features that have some, for example "cambi enc_height=540:enc_width=960"."""
    options = {name: score.scale.model for name, score in result.features.items() if name in feature_columns()}
    return ", ".join(f"{name} {text}" for name, text in options.items() if text)


def _mask_match(result: RoiResult) -> dict[str, str]:
    mask = result.mask
    network = result.saliency
    if mask.saliency is not None:
        network = f"network {digest([mask.saliency])}"
    if mask.synthetic is not None:
        network = f"{mask.synthetic:g} everywhere"
    numbers = f"weight {mask.weight:g}, threshold {mask.threshold:g}, fade {mask.fade:g}"
    return {
        "mask": f"{numbers}, one look in {mask.every} frames{', BT.601' if mask.bt601 else ''}",
        "saliency": network,
    }


def _content(references: Sequence[Clip], result: Result) -> str:
    """A fingerprint of the bytes of the references."""
    if result.provenance.get("fake"):
        return "none"
    try:
        return ", ".join(map(content_of, references))
    except OSError as error:
        names = ", ".join(map(str, references))
        raise BaselineError(
            f"The baseline needs the bytes of {names}, which cannot be read: {printable(str(error))}."
        ) from None


@lru_cache(maxsize=1)
def processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return printable((named or [platform.processor() or platform.machine() or "?"])[0])[:100]
