"""The entries of a manifest: `[[clips]]`, `[[encodes]]` and `[[pairs]]`, read and checked one by one."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pytest_vmaf.errors import ClipError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.suite.encode_keys import FindEncoder, read_crfs, read_encoder, read_options, read_search
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
    *("name", "encoder", "preset", "arguments", "pix_fmt", "crf_range", "suffix", "mode", "crf_step"),
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


def read_encode(table: Table, find_encoder: FindEncoder) -> SuiteEncode:
    """Read an entry of `[[encodes]]`."""
    table.refuse_unknown(ENCODE_KEYS, HINTS)
    name, text = _name(table), table.text("encoder")
    if text is None:
        raise table.problem("lacks encoder. For files that exist already, write an entry of [[pairs]].")
    encoder = read_encoder(table, text, find_encoder)
    crfs = read_crfs(table, encoder)
    targets = table.numbers("targets")
    if (crfs is None) == (targets is None):
        what = "lacks crfs or targets" if crfs is None else "has both crfs and targets; write two entries"
        raise table.problem(f"{what}, for example crfs = [22, 28] or targets = [93].")
    options = read_options(table, encoder)
    search: Mapping[str, Any] = {}
    if targets is None:
        for key in ("metric", "min_crf", "sample", "repeats", "agree"):
            if key in table.values:
                raise table.problem("is only for targets.", key)
    else:
        search = read_search(table, encoder, targets)
    return SuiteEncode(name, encoder, crfs or (), targets or (), options, search)


def read_pair(table: Table) -> SuitePair:
    """Read an entry of `[[pairs]]`."""
    table.refuse_unknown(PAIR_KEYS, HINTS)
    name, text = _name(table), _path_text(table, "distorted")
    placeholders = {*re.findall(r"(?<!\$){[^}]*}", table.text("distorted") or "")}
    crfs = table.numbers("crfs")
    for index, crf in enumerate(crfs or ()):
        if not 0 <= crf <= 1000:
            raise table.expected("crfs", "from 0 to 1000", index)
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
