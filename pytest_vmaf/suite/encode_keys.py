"""The keys of `[[encodes]]` that describe encodes and searches: encoder, CRFs, options, and those beside targets."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.encoder_names import with_mode, with_step
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.job import check_arguments
from pytest_vmaf.errors import MeasurementError, SettingsError
from pytest_vmaf.search.agreement import read_agree
from pytest_vmaf.search.bisect_request import MAX_REPEATS, TWINS, lowest_target
from pytest_vmaf.search.metric import parse_metric
from pytest_vmaf.settings import finder
from pytest_vmaf.suite.layers import read_layer
from pytest_vmaf.suite.table import Table

FindEncoder = Callable[[str], Encoder]


def read_encoder(table: Table, text: str, find_encoder: FindEncoder) -> Encoder:
    """The encoder that a text stands for, with what the entry says about it."""
    try:
        encoder = with_mode(find_encoder(text), table.text("mode"))
        if "bitrates" in table.values and encoder.mode == "crf":
            encoder = with_mode(encoder, table.text("mode") or "bitrate")
        step = table.number("crf_step")
        try:
            encoder = with_step(encoder, step)
        except SettingsError as error:
            raise table.problem(f"is invalid: {error}", "crf_step") from None
        changes: dict[str, Any] = {}
        for key in ("crf_range", "suffix"):
            if key in table.values:
                if not encoder.command and (key != "crf_range" or encoder.mode == "crf"):
                    raise table.problem(f"is only for commands: {encoder.name} has its own.", key)
                value = table.values[key]
                changes[key] = tuple(value) if isinstance(value, list) else value
        if encoder.command and "/" in encoder.command[0] and not Path(encoder.command[0]).is_absolute():
            # Like every path of a manifest.
            program = str(table.source.path.parent / encoder.command[0])
            changes["command"] = (program, *encoder.command[1:])
        return replace(encoder, **changes) if changes else encoder
    except (SettingsError, MeasurementError) as error:
        raise table.problem(f"is invalid: {error}", "encoder") from None


def read_options(table: Table, encoder: Encoder) -> Mapping[str, Any]:
    """The options of every encode by their names in `Vmaf.encode`."""
    options: dict[str, Any] = {}
    preset = table.values.get("preset")
    if preset is not None:
        if isinstance(preset, bool) or not isinstance(preset, str | int):
            raise table.expected("preset", "a string or a whole number")
        options["preset"] = str(preset)
    arguments = table.values.get("arguments")
    if isinstance(arguments, str):
        try:
            options["arguments"] = tuple(shlex.split(arguments))
        except ValueError as error:
            raise table.problem(f"cannot be split: {error}.", "arguments") from None
    elif arguments is not None:
        if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
            raise table.expected("arguments", "a string or a list of strings")
        options["arguments"] = tuple(arguments)
    if (pix_fmt := table.text("pix_fmt")) is not None:
        options["pix_fmt"] = pix_fmt
    try:
        encoder.resolve_preset(options.get("preset"))
    except SettingsError as error:
        raise table.problem(f"is invalid: {error}", "preset" if "preset" in table.values else "encoder") from None
    try:
        check_arguments(encoder, options.get("arguments", ()))
    except SettingsError as error:
        raise table.problem(f"is invalid: {error}", "arguments") from None
    return options


def read_search(table: Table, encoder: Encoder, targets: tuple[float, ...]) -> Mapping[str, Any]:
    """The further options of a bisection by their names in `Vmaf.bisect`."""
    search: dict[str, Any] = {}
    try:
        find = finder(read_layer(table).options.get("metrics"), table.source.find_metric)
        metric = parse_metric(table.text("metric") or "neg", find)
    except SettingsError as error:
        raise table.problem(f"is invalid: {error}", "metric") from None
    if "metric" in table.values:
        search["metric"] = table.values["metric"]
    low, high = lowest_target(metric), 100.0 if metric.name in TWINS else math.inf
    for index, target in enumerate(targets):
        if not low <= target <= high or not target:
            what = f"from {low:g} to {high:g}" if math.isfinite(high) else "above 0"
            raise table.expected("targets", f"{what} for {metric}", index)
    if (min_crf := table.number("min_crf")) is not None:
        if encoder.larger_is_finer:
            raise table.problem(f"cannot be used: on the scale of {encoder.name}, larger is finer.", "min_crf")
        if min_crf < 0:
            raise table.expected("min_crf", "a number of at least 0")
        search["min_crf"] = min_crf
    if (repeats := table.whole_number("repeats", 1)) is not None:
        if repeats > MAX_REPEATS:
            raise table.expected("repeats", f"at most {MAX_REPEATS}")
        search["repeats"] = repeats
    if (names := table.words("agree")) is not None:
        try:
            search["agree"] = tuple(metric.text for metric in read_agree(names))
        except SettingsError as error:
            raise table.problem(f"is invalid: {str(error).removeprefix('agree: ')}", "agree") from None
    sample = table.values.get("sample")
    if sample is not None:
        if isinstance(sample, bool) or not isinstance(sample, int | float) or not 0 < sample < math.inf:
            raise table.expected("sample", "a number of seconds above 0")
        search["sample"] = sample
    return search


def read_crfs(table: Table, encoder: Encoder) -> tuple[float, ...] | None:
    """The CRFs or bitrates to encode at, as numbers of the encoder's scale; None if there are none."""
    scale, key = encoder.scale, "crfs" if encoder.mode == "crf" else "bitrates"
    if other := ({"crfs", "bitrates"} - {key}) & table.values.keys():
        raise table.problem(f'cannot be used in mode = "{encoder.mode}". Write {key}.', *other)
    if not scale.is_grid:
        values = table.values.get(key)
        for index, crf in enumerate(values if isinstance(values, list) else ()):
            if hint := scale.hint_for(crf):
                raise table.problem(f"must be whole numbers, not {crf}.{hint}", key, index)
        return table.whole_numbers(key, int(min(scale.steps)), int(max(scale.steps)), f" for {encoder.name}")
    crfs = table.numbers(key)
    known = [scale.number(crf) for crf in crfs or ()]
    for index, crf in enumerate(known):
        if crf is None:
            raise table.expected(key, f"{scale.range_words} for {encoder.name}", index)
    return None if crfs is None else tuple(crf for crf in known if crf is not None)
