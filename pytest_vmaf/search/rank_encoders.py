"""Rank the encoders of a corpus at matched quality, on what all of them share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.bdrate import bd_rate, bootstrap
from pytest_vmaf.search.benchmark import Benchmark, MatchedRate, RankedEncoder
from pytest_vmaf.search.corpus_curves import (
    CorpusCurve,
    CorpusCurves,
    Labels,
    encoder_key,
    encoder_labels,
    labels_of,
    read_curves,
    short_list,
)
from pytest_vmaf.search.delta import Delta
from pytest_vmaf.search.metric import Metric, parse_quality
from pytest_vmaf.search.recommend import check_models
from pytest_vmaf.search.row_files import read_rows
from pytest_vmaf.search.rows import Row
from pytest_vmaf.text import short_repr

#: The curves of one encoder by their sources.
_Curves = Mapping[str, CorpusCurve]
#: A source and a target.
_Match = tuple[str, float]
#: The bitrate of one encoder for each source and target that is on its curves.
_Rates = Mapping[_Match, float]


def benchmark(
    rows: str | os.PathLike[str] | Iterable[Row],
    *,
    targets: float | Iterable[float],
    metric: str = "neg",
    anchor: str | None = None,
    encoders: str | Iterable[str] | None = None,
) -> Benchmark:
    """Rank the encoders of a corpus by the bitrate that each needs for the same quality.

    Encoders differ by name, preset, mode, arguments, pixel format or build. The bitrate at a target is interpolated on
    the curve through all rows of an encoder on a source, as in a comparison. Only sources and targets that are on the
    curves of every encoder are compared. The rest is left out for all encoders, and listed in `missing`.

    Args:
        rows: The file of a sweep, or its rows, for example those that `vmaf.sweep` returns.
        targets: The scores at which encoders are compared, one or several.
        metric: What the targets are scores of: "neg", "vmaf", "neg.p5", "psnr_y", …
        anchor: The encoder that ratios and BD-rates refer to; by default the best one.
        encoders: Rank only these, by names such as "libx264", "libx264:slow" or the complete one.

    Returns:
        The encoders, the one that needs the least bitrate first.

    Raises:
        SettingsError: For invalid targets, an unknown metric or encoder, and a metric that no row has.
        MeasurementError: If there are no rows, if they were scored with different models, or if the encoders share no
            source and target.
    """
    wanted, goals = parse_quality(metric), _read_targets(targets)
    listed = _list_rows(rows)
    labels = encoder_labels([row.setup for row in listed])
    if encoders is not None:
        chosen = [labels_of(name, labels) for name in ([encoders] if isinstance(encoders, str) else encoders)]
        labels = {key: label for key, label in labels.items() if label in set().union(*chosen)}
        if not labels:
            raise SettingsError("encoders must name at least one encoder, not none.")
    listed = [row for row in listed if encoder_key(row.setup) in labels]
    check_models([row.setup for row in listed], wanted)
    corpus = read_curves(listed, labels, wanted)
    rates = {label: _rates(curves, goals) for label, curves in corpus.curves.items()}
    unranked = {label: _why_unranked(corpus, label, goals, wanted) for label in rates if not rates[label]}
    matches = _common({label: own for label, own in rates.items() if own}, unranked)
    levels = {label: _levels(own, matches) for label, own in rates.items() if own}
    base = min(levels, key=lambda label: (fmean(levels[label].values()), label))
    if anchor is not None:
        base = _anchor(anchor, labels, unranked)
    speeds = _speeds({label: corpus.curves[label] for label in levels}, matches)
    missing = [*corpus.notes, *_missing(corpus, list(levels), goals, wanted)]
    ranked = []
    for label, own in levels.items():
        curves = corpus.curves[label]
        delta, why = (
            _bd_rate(label, curves, corpus.curves[base], list(own), goals, wanted) if label != base else (None, [])
        )
        missing += why
        logs = [level - levels[base][source] for source, level in own.items()]
        spread = bootstrap(logs) if label != base else None
        interval = spread and (math.exp(spread[0]), math.exp(spread[1]))
        answers = tuple(_answer(curves[match[0]], match, rates[label][match]) for match in matches)
        ranked.append(RankedEncoder(label, math.exp(fmean(logs)), interval, delta, speeds.get(label), answers))
    ranked.sort(key=lambda each: (each.ratio, each.name))
    return Benchmark(wanted, _model(listed[0], wanted), goals, base, tuple(ranked), unranked, tuple(missing))


def _list_rows(rows: str | os.PathLike[str] | Iterable[Row]) -> list[Row]:
    if isinstance(rows, str | os.PathLike):
        listed = list(read_rows(Path(rows)))
    elif isinstance(rows, Iterable):
        listed = list(rows)
    else:
        raise SettingsError(f"rows must be the file of a sweep or its rows, not {short_repr(rows)}.")
    for row in listed:
        if not isinstance(row, Row):
            raise SettingsError(f"rows must be the file of a sweep or its rows; one of them is {short_repr(row)}.")
    if not listed:
        raise MeasurementError("There are no rows to rank. Run the sweep first.")
    return listed


def _read_targets(targets: float | Iterable[float]) -> tuple[float, ...]:
    values = list(targets) if isinstance(targets, Iterable) and not isinstance(targets, str) else [targets]
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SettingsError(f"targets must be one or several finite numbers, not {short_repr(value)}.")
    if not values:
        raise SettingsError("targets must not be empty. Give at least one score, for example targets=[93, 96].")
    return tuple(dict.fromkeys(float(value) for value in values))


def _model(row: Row, metric: Metric) -> str | None:
    attribute = {"vmaf": "model", "neg": "neg_model"}.get(metric.name)
    return getattr(row.setup, attribute) if attribute else None


def _rates(curves: _Curves, targets: Sequence[float]) -> dict[_Match, float]:
    every = {(source, target): curve.rate(target) for source, curve in curves.items() for target in targets}
    return {match: rate for match, rate in every.items() if rate is not None}


def _common(rates: Mapping[str, _Rates], unranked: Mapping[str, str]) -> list[_Match]:
    """The sources and targets that all of these encoders have.

    Raises:
        MeasurementError: If there are none.
    """
    if not rates:
        raise MeasurementError("\n  ".join(["No encoder can be ranked.", *(f"{k}: {v}." for k, v in unranked.items())]))
    matches = sorted(set.intersection(*(set(own) for own in rates.values())))
    if not matches:
        names = {
            label: short_list([f"{source} at {target:g}" for source, target in own]) for label, own in rates.items()
        }
        raise MeasurementError(
            "\n  ".join(
                [
                    "The encoders share no source and target. Name fewer encoders, or sweep more.",
                    *(f"{label} has {text}." for label, text in names.items()),
                ]
            )
        )
    return matches


def _anchor(name: str, labels: Labels, unranked: Mapping[str, str]) -> str:
    meant = sorted(labels_of(name, labels))
    if len(meant) > 1:
        raise SettingsError(f"anchor must name one encoder; {short_repr(name)} means {short_list(meant)}.")
    if meant[0] in unranked:
        raise MeasurementError(f"The anchor {meant[0]} cannot be ranked: {unranked[meant[0]]}.")
    return meant[0]


def _levels(rates: _Rates, matches: Sequence[_Match]) -> dict[str, float]:
    """By source, the mean of the logarithm of the bitrate over the targets."""
    logs: dict[str, list[float]] = {}
    for match in matches:
        logs.setdefault(match[0], []).append(math.log(rates[match]))
    return {source: fmean(values) for source, values in logs.items()}


def _answer(curve: CorpusCurve, match: _Match, rate: float) -> MatchedRate:
    row = curve.coarsest(match[1])
    return MatchedRate(*match, rate, row.crf, row.frames / row.seconds if row.seconds else None)


def _speeds(encoders: Mapping[str, _Curves], matches: Sequence[_Match]) -> dict[str, float]:
    """Frames per second of each encoder over the encodes whose seconds all encoders have."""
    rows = {
        label: [curves[source].coarsest(target) for source, target in matches] for label, curves in encoders.items()
    }
    usable = [at for at in range(len(matches)) if all(own[at].seconds for own in rows.values())]
    return {
        label: sum(own[at].frames for at in usable) / math.fsum(own[at].seconds or 0.0 for at in usable)
        for label, own in rows.items()
        if usable
    }


def _bd_rate(
    label: str, test: _Curves, base: _Curves, sources: Sequence[str], targets: Sequence[float], metric: Metric
) -> tuple[Delta | None, list[str]]:
    """The BD-rate over the sources whose curves can be compared, and which cannot."""
    each: dict[str, float] = {}
    lacking: dict[str, list[str]] = {}
    for source in sources:
        curves = base[source], test[source]
        both = [curves[0].signed(target) for target in targets if all(curve.reaches(target) for curve in curves)]
        between = (min(both), max(both)) if len(both) > 1 else None
        try:
            if len(targets) > 1 and between is None:
                raise MeasurementError("both curves have only one of the targets.")
            qualities = curves[0].quality, curves[1].quality
            each[source] = bd_rate(*qualities, between=between)
        except MeasurementError as error:
            lacking.setdefault(str(error).partition("\n")[0].rstrip("."), []).append(source)
    why = [f"The BD-rate of {label} leaves out {short_list(names)}: {reason}." for reason, names in lacking.items()]
    return Delta(each, "%", f"BD-rate, {metric}") if each else None, why


def _missing(corpus: CorpusCurves, labels: Sequence[str], targets: Sequence[float], metric: Metric) -> list[str]:
    """What is left out for all encoders, by the encoder that lacks it."""
    sources = sorted({source for label in labels for source in (*corpus.curves[label], *corpus.without[label])})
    lines = []
    for label in labels:
        curves, without = corpus.curves[label], corpus.without[label]
        if absent := [source for source in sources if source not in curves and source not in without]:
            lines.append(f"{label} has no rows of {short_list(absent)}; left out for all.")
        if without:
            names = [f"{source} ({why})" for source, why in without.items()]
            lines.append(f"{label} has no curve on {short_list(names)}; left out for all.")
        for target in targets:
            beyond = [f"{source} ({curve.span})" for source, curve in curves.items() if not curve.reaches(target)]
            if beyond:
                lines.append(
                    f"{label} was not measured around {metric} {target:g} on {short_list(beyond)}; left out for all."
                )
    return lines


def _why_unranked(corpus: CorpusCurves, label: str, targets: Sequence[float], metric: Metric) -> str:
    spans = {source: curve.span for source, curve in corpus.curves[label].items()}
    names = [f"{source}: {text}" for source, text in {**spans, **corpus.without[label]}.items()]
    return f"none of its curves has {metric} {', '.join(f'{target:g}' for target in targets)} ({short_list(names)})"
