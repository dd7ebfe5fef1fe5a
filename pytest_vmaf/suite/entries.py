"""The entries of a manifest: `[[clips]]`, `[[encodes]]` and `[[pairs]]`, read and checked one by one."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pytest_vmaf.encoding.encoder_names import with_mode
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.encoding.job import check_arguments
from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.search.agreement import read_agree
from pytest_vmaf.search.bisect_request import MAX_REPEATS, TWINS, lowest_target
from pytest_vmaf.search.metric import parse_metric
from pytest_vmaf.settings import finder
from pytest_vmaf.suite.file_hash import UNCHECKED, read_hash
from pytest_vmaf.suite.layers import read_layer
from pytest_vmaf.suite.suite import SuiteClip, SuiteEncode, SuitePair
from pytest_vmaf.suite.table import NAME, NAME_FORM, Table
from pytest_vmaf.text import short_repr

#: What a manifest can state about a file, besides its path.
CLIP_FIELDS = tuple(field.name for field in fields(Clip) if field.name != "path")
#: What a table sets for its tests.
SHARED = ("gates", "settings")
TEST_KEYS = (*SHARED, "stream", "baseline", "markers", "report_only")
CLIP_KEYS = ("name", "path", "sha256", "hash", "groups", *CLIP_FIELDS, *SHARED)
ENCODE_KEYS = (
    *("name", "encoder", "preset", "arguments", "pix_fmt", "crf_range", "suffix", "mode"),
    *("clips", "crfs", "bitrates", "targets", "metric", "min_crf", "sample", "repeats", "agree", *TEST_KEYS),
)
PAIR_KEYS = ("name", "distorted", "sha256", "hash", "clips", "crfs", *dict.fromkeys((*CLIP_FIELDS, *TEST_KEYS)))
HINTS = {
    "crf": " Write crfs = [28].",
    "target": " Write targets = [93].",
    "clip": ' Write clips = ["NAME"].',
    "reference": ' Write clips = ["NAME"]: references are [[clips]].',
    "encoders": " Write an entry of [[encodes]] for each encoder.",
    "group": ' Write groups = ["NAME"].',
    "marker": ' Write markers = ["NAME"].',
    "url": " Nothing is downloaded. Write the path of the file.",
}
FindEncoder = Callable[[str], Encoder]
VARIABLE = re.compile(r"\$\{(\w+)\}")
#: Names that pytest acts upon, so that a group or a marker cannot have them.
NOT_GROUPS = ("skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings", "vmaf")
NOT_MARKERS = ("skipif", "parametrize", "usefixtures", "filterwarnings", "vmaf")
OPERATORS = ("and", "or", "not", "True", "False", "None")


def read_clip(table: Table, *, hashed: bool) -> SuiteClip:
    """Read an entry of `[[clips]]`.

    Args:
        table: The entry.
        hashed: Whether it must have a hash.
    """
    table.refuse_unknown(CLIP_KEYS, HINTS)
    path = table.source.path.parent / _path_text(table, "path")
    name = table.name("name")
    if name is None:
        name = path.stem
        if not NAME.fullmatch(name):
            raise table.problem("lacks a name: that of its file has characters that test ids cannot have.")
    checksum = _hash(table)
    if checksum is None and hashed:
        command = f"pytest-vmaf suite --hash {shlex.quote(table.source.name)}"
        raise table.problem(f'lacks sha256. `{command}` prints it. For a clip that is made anew, write "{UNCHECKED}".')
    groups = read_marks(table, "groups", NOT_GROUPS)
    place = f"{table.source.name}:{table.line}"
    return SuiteClip(name, _clip(table, path), checksum or "", groups, place, read_layer(table))


def _crfs(table: Table, encoder: Encoder) -> tuple[float, ...] | None:
    scale, key = encoder.scale, "crfs" if encoder.mode == "crf" else "bitrates"
    if other := ({"crfs", "bitrates"} - {key}) & table.values.keys():
        raise table.problem(f'cannot be used in mode = "{encoder.mode}". Write {key}.', *other)
    if not scale.is_grid:
        return table.whole_numbers(key, int(min(scale.steps)), int(max(scale.steps)), f" for {encoder.name}")
    crfs = table.numbers(key)
    for index, crf in enumerate(crfs or ()):
        if crf not in scale.steps:
            raise table.expected(key, f"{scale.range_words} for {encoder.name}", index)
    return crfs


def read_encode(table: Table, find_encoder: FindEncoder) -> SuiteEncode:
    """Read an entry of `[[encodes]]`."""
    table.refuse_unknown(ENCODE_KEYS, HINTS)
    name, text = _name(table), table.text("encoder")
    if text is None:
        raise table.problem("lacks encoder. For files that exist already, write an entry of [[pairs]].")
    encoder = _encoder(table, text, find_encoder)
    crfs = _crfs(table, encoder)
    targets = table.numbers("targets")
    if (crfs is None) == (targets is None):
        what = "lacks crfs or targets" if crfs is None else "has both crfs and targets; write two entries"
        raise table.problem(f"{what}, for example crfs = [22, 28] or targets = [93].")
    options = _options(table, encoder)
    search: Mapping[str, Any] = {}
    if targets is None:
        for key in ("metric", "min_crf", "sample", "repeats", "agree"):
            if key in table.values:
                raise table.problem("is only for targets.", key)
    else:
        search = _search(table, encoder, targets)
    return SuiteEncode(name, encoder, crfs or (), targets or (), options, search)


def read_pair(table: Table) -> SuitePair:
    """Read an entry of `[[pairs]]`."""
    table.refuse_unknown(PAIR_KEYS, HINTS)
    name, text = _name(table), _path_text(table, "distorted")
    placeholders = {*re.findall(r"(?<!\$){[^}]*}", table.text("distorted") or "")}
    crfs = table.whole_numbers("crfs", 0, 1000)
    if ("{crf}" in placeholders) != (crfs is not None):
        raise table.problem("must contain {crf} where crfs are given, and only there.", "distorted")
    if unknown := placeholders - {"{crf}", "{clip}"}:
        raise table.problem(f"has an unknown placeholder {min(unknown)}. Placeholders: {{clip}}, {{crf}}.", "distorted")
    checksum = _hash(table) or ""
    if checksum and placeholders:
        raise table.problem("belongs to one file, but distorted has a placeholder.", _hash_key(table))
    folder = table.source.path.parent
    _clip(table, folder / text)
    return SuitePair(name, folder, text, _stated(table), checksum, crfs or ())


def read_marks(table: Table, key: str, refused: tuple[str, ...]) -> tuple[str, ...]:
    """The names of groups or markers, which -m selects."""
    names = table.words(key) or ()
    for index, name in enumerate(names):
        if not NAME.fullmatch(name) or name in OPERATORS:
            raise table.expected(key, NAME_FORM, index)
        if name in refused:
            raise table.problem(f"must not contain {name!r}, which pytest acts upon.", key, index)
    return names


def _name(table: Table) -> str:
    if (name := table.name("name")) is None:
        raise table.problem('lacks name, for example name = "x265-medium".')
    return name


def _path_text(table: Table, key: str) -> str:
    """A path relative to the manifest, with the values of its variables."""
    text = table.text(key)
    if text is None:
        raise table.problem(f"lacks {key}.")
    if not text.isprintable():
        hint = "In double quotes, \\ begins an escape: write paths with /."
        raise table.problem(f"must not contain control characters, as {short_repr(text)} does. {hint}", key)
    if "\\" in text:
        raise table.problem(f"must be written with /, which every system reads, not {short_repr(text)}.", key)
    if "://" in text:
        raise table.problem(f"must be the path of a file, not {short_repr(text)}. Nothing is downloaded.", key)
    if any(sign in text for sign in "*?") and not (table.source.path.parent / text).exists():
        raise table.problem(f"must be one file, not {short_repr(text)}: each clip has a hash of its own.", key)
    return VARIABLE.sub(lambda match: _variable(table, key, match[1]), text)


def _variable(table: Table, key: str, name: str) -> str:
    """The value of an environment variable, for footage that is elsewhere on each machine."""
    if not (value := os.environ.get(name)):
        raise table.problem(f"names the environment variable {name}, which is not set.", key)
    return value


def _clip(table: Table, path: Path) -> Clip:
    stated = _stated(table)
    for key, value in stated.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise table.expected(key, "a finite number")
        if isinstance(value, bool) and key != "film_grain":
            raise table.expected(key, "no truth value")
    try:
        return Clip(path, **stated)
    except (ClipError, SettingsError) as error:
        raise table.problem(f"is invalid: {error}") from None


def _stated(table: Table) -> dict[str, Any]:
    """The fields of `Clip` in a table. A table `stream` is not one: it has expectations."""
    values = {key: _plain(table.values[key]) for key in CLIP_FIELDS if key in table.values}
    return {key: value for key, value in values.items() if not isinstance(value, dict) or key != "stream"}


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _hash_key(table: Table) -> str:
    return "sha256" if "sha256" in table.values else "hash"


def _hash(table: Table) -> str | None:
    """The hash with its algorithm, "" for any file, None if there is none."""
    if "sha256" in table.values and "hash" in table.values:
        raise table.problem("has both sha256 and hash. Give one of them.")
    key = "sha256" if "sha256" in table.values else "hash"
    if (text := table.text(key)) is None:
        return None
    if text == UNCHECKED:
        return ""
    checksum, wrong = read_hash(f"sha256:{text}" if key == "sha256" else text)
    if wrong:
        raise table.problem(f"{wrong}, not {short_repr(text)}.", key)
    return checksum


def _encoder(table: Table, text: str, find_encoder: FindEncoder) -> Encoder:
    try:
        encoder = with_mode(find_encoder(text), table.text("mode"))
        if "bitrates" in table.values and encoder.mode == "crf":
            encoder = with_mode(encoder, table.text("mode") or "bitrate")
        changes: dict[str, Any] = {}
        for key in ("crf_range", "suffix"):
            if key in table.values:
                if not encoder.command and (key != "crf_range" or encoder.mode == "crf"):
                    raise table.problem(f"is only for commands: {encoder.name} has its own.", key)
                changes[key] = _plain(table.values[key])
        if encoder.command and "/" in encoder.command[0] and not Path(encoder.command[0]).is_absolute():
            # Like every path of a manifest.
            program = str(table.source.path.parent / encoder.command[0])
            changes["command"] = (program, *encoder.command[1:])
        return replace(encoder, **changes) if changes else encoder
    except (SettingsError, MeasurementError) as error:
        raise table.problem(f"is invalid: {error}", "encoder") from None


def _options(table: Table, encoder: Encoder) -> Mapping[str, Any]:
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


def _search(table: Table, encoder: Encoder, targets: tuple[float, ...]) -> Mapping[str, Any]:
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
    if (min_crf := table.whole_number("min_crf", 0)) is not None:
        if encoder.larger_is_finer:
            raise table.problem(f"cannot be used: on the scale of {encoder.name}, larger is finer.", "min_crf")
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
