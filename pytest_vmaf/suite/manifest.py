"""Read a manifest: all of it is checked, and every problem is named with its line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_vmaf.api.extensions import standalone
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.gates.expectations import in_force
from pytest_vmaf.gates.plugin_metrics import FindMetric, no_metric
from pytest_vmaf.settings import Layer, finder
from pytest_vmaf.suite.encode_keys import FindEncoder
from pytest_vmaf.suite.entries import (
    NOT_MARKERS,
    TEST_KEYS,
    read_clip,
    read_encode,
    read_marks,
    read_pair,
)
from pytest_vmaf.suite.layers import layers_of_test, read_layer, unused
from pytest_vmaf.suite.source import Source, read_source
from pytest_vmaf.suite.suite import Suite, SuiteClip, SuiteEncode, SuitePair, SuiteTest
from pytest_vmaf.suite.table import Problems, Table
from pytest_vmaf.text import closest_match, did_you_mean, printable

VERSION = 1
#: The keys that make a file a manifest.
ENTRIES = ("clips", "encodes", "pairs")
KEYS = ("version", *ENTRIES, *TEST_KEYS)
#: A larger suite would be a mistake in a list of CRFs.
MOST_TESTS = 100_000


def read_suite(path: str | os.PathLike[str], *, find_encoder: FindEncoder | None = None) -> Suite:
    """Read a manifest in TOML or YAML. No clip is opened.

    Args:
        path: The file, for example `vmaf.toml`.
        find_encoder: Returns the encoder that a name or a command stands for. Default: the built-in ones and those of
            installed plugins.

    Returns:
        The clips and the tests. `suite.sweeps()` has the grids for `vmaf.sweep`.

    Raises:
        SettingsError: If anything in it is wrong. Each line of the message names file, line and key.
    """
    extensions = standalone()
    return suite_of(_source(path), find_encoder or extensions.encoder, extensions.find_metric)


def read_clips(path: str | os.PathLike[str]) -> tuple[SuiteClip, ...]:
    """Read only the clips of a manifest, which may lack their hashes. Raises SettingsError as `read_suite`."""
    problems, top = _begin(_source(path))
    reader = _Reader(top, problems)
    reader.read_clips(hashed=False)
    problems.give_up()
    return tuple(reader.clips.values())


def is_foreign(source: Source) -> bool:
    """Whether a file has none of a manifest's keys, not even misspelled, and so belongs to another program."""
    return bool(source.data) and not any(
        key in ENTRIES or closest_match(key, ENTRIES) or (key == "version" and type(value) is int)
        for key, value in source.data.items()
    )


def suite_of(source: Source, find_encoder: FindEncoder, find_metric: FindMetric = no_metric) -> Suite:
    """Read the data of a manifest. Raises SettingsError as `read_suite`."""
    problems, top = _begin(replace(source, find_metric=find_metric))
    reader = _Reader(top, problems)
    reader.read_top()
    reader.read_clips(hashed=True)
    reader.read_entries(find_encoder)
    problems.give_up()
    with problems.collect():
        reader.check_whole()
    problems.give_up()
    return Suite(source.path, tuple(reader.clips.values()), tuple(reader.tests))


class _Reader:
    """Reads the tables in order, and goes on after a problem.

    Attributes:
        clips: The clips by name.
        tests: The tests.
    """

    def __init__(self, top: Table, problems: Problems) -> None:
        self._top, self._problems = top, problems
        self._layer = Layer("manifest", {}, ())
        self._layers: list[tuple[Table, Layer]] = []
        self._names: dict[str, Table] = {}
        self._broken = False
        self.clips: dict[str, SuiteClip] = {}
        self.tests: list[SuiteTest] = []

    def read_top(self) -> None:
        """Read what applies to every test."""
        with self._problems.collect():
            self._layer = read_layer(self._top)
            self._layers.append((self._top, self._layer))
            # Clips and entries may have gates on the metrics that are listed here.
            source = self._top.source
            found = replace(source, find_metric=finder(self._layer.options.get("metrics"), source.find_metric))
            self._top = replace(self._top, source=found)
        with self._problems.collect():
            read_marks(self._top, "markers", NOT_MARKERS)
        with self._problems.collect():
            self._top.flag("report_only")

    def read_clips(self, *, hashed: bool) -> None:
        """Read `[[clips]]`."""
        for table in self._tables("clips"):
            before = len(self.clips)
            with self._problems.collect():
                clip = read_clip(table, hashed=hashed)
                if clip.name in self.clips:
                    raise table.problem(f"is a second clip of this name; the first is {self.clips[clip.name].place}.")
                self.clips[clip.name] = clip
                self._layers.append((table, clip.layer))
            # What names a clip that is itself wrong is not wrong, too.
            self._broken |= len(self.clips) == before
        for clip in self.clips.values():
            with self._problems.collect():
                if both := {*clip.groups} & self.clips.keys():
                    raise self._top.problem(f"has {min(both)!r} as a clip and as a group. Rename one.", "clips")

    def read_entries(self, find_encoder: FindEncoder) -> None:
        """Read `[[encodes]]` and `[[pairs]]`."""
        for table in self._tables("encodes"):
            with self._problems.collect():
                self._add(table, read_encode(table, find_encoder))
        for table in self._tables("pairs"):
            with self._problems.collect():
                self._add(table, read_pair(table))

    def check_whole(self) -> None:
        """Check what only all tables together show."""
        if not self.tests:
            what = "neither [[encodes]] nor [[pairs]]" if self.clips else "no [[clips]]"
            raise self._top.problem(f"the manifest has no tests: there are {what}.")
        layers = [layer for test in self.tests for layer in test.layers]
        for table, layer in self._layers:
            for key, name in unused(layer, layers):
                text = "compares with a baseline, but no test that it applies to has one. Add baseline = true."
                if "targets" in table.values and self._baseline(table):
                    text = "is not compared where there are targets: their baseline has bitrates. Write crfs."
                raise table.table(key).problem(text, name)

    def _tables(self, key: str) -> list[Table]:
        with self._problems.collect():
            return self._top.tables(key)
        return []

    def _add(self, table: Table, entry: SuiteEncode | SuitePair) -> None:
        if first := self._names.get(entry.name):
            place = f"line {first.line}"
            raise table.problem(f"is a second entry of this name; the first is in {place}.", "name")
        self._names[entry.name] = table
        layer = read_layer(table)
        self._layers.append((table, layer))
        clips = self._choose(table, "clips", table.words("clips"))
        if isinstance(entry, SuitePair) and len(clips) > 1 and "{clip}" not in entry.distorted:
            raise table.problem(f"must contain {{clip}}, because the entry has {len(clips)} clips.", "distorted")
        baseline = self._baseline(table)
        marks = (*(self._top.words("markers") or ()), *read_marks(table, "markers", NOT_MARKERS))
        only = table.flag("report_only")
        if only is None:
            only = self._top.flag("report_only") if isinstance(self._top.values.get("report_only"), bool) else None
        search = isinstance(entry, SuiteEncode) and bool(entry.targets)
        if isinstance(entry, SuiteEncode) and "agree" in entry.search and not baseline & {clip.name for clip in clips}:
            text = "compares with a baseline, but no test that it applies to has one. Add baseline = true."
            raise table.problem(text, "agree")
        for clip in clips:
            layers = layers_of_test((clip.layer, layer, self._layer), baseline=clip.name in baseline, search=search)
            try:
                in_force(each.stream for each in layers)
            except SettingsError as error:
                raise table.problem(f"is invalid: {error}", "stream") from None
            for crf in entry.crfs or (None,):
                what = entry.targets if isinstance(entry, SuiteEncode) and search else () if crf is None else (crf,)
                name = "-".join([clip.name, *(f"{each:.12g}" for each in what)])
                own = tuple(dict.fromkeys((*clip.groups, *marks)))
                self.tests.append(SuiteTest(name, entry, clip, crf, layers, own, only, table.line))
        if len(self.tests) > MOST_TESTS:
            raise table.problem(f"makes more than {MOST_TESTS} tests of this manifest. Split it.")

    def _baseline(self, table: Table) -> set[str]:
        """The names of the clips whose tests have a baseline."""
        chosen = table if table.values.get("baseline") is not None else self._top
        value = chosen.values.get("baseline")
        if value is None or value is False:
            return set()
        if value is True:
            return {*self.clips}
        if not isinstance(value, list):
            raise chosen.expected("baseline", "true, false or a list of groups and clips")
        return {clip.name for clip in self._choose(chosen, "baseline", chosen.words("baseline"))}

    def _choose(self, table: Table, key: str, names: Sequence[str] | None) -> list[SuiteClip]:
        """Choose clips by name and group, in the order of the manifest. Without `names`, choose all."""
        clips = [*self.clips.values()]
        if names is None:
            if not clips and not self._broken:
                raise table.problem("matches no clip: the manifest has no [[clips]].")
            return clips
        groups = {group for clip in clips for group in clip.groups}
        for index, name in enumerate(names):
            if name not in self.clips and name not in groups and not self._broken:
                known = [*self.clips, *sorted(groups)]
                hint = did_you_mean(name, known) or f" There are {', '.join(known[:20])}."
                text = f"has {name!r:.80}, which is neither a clip nor a group of clips.{hint}"
                raise table.problem(text, key, index)
        return [clip for clip in clips if clip.name in names or {*names} & {*clip.groups}]


def _source(path: str | os.PathLike[str]) -> Source:
    return read_source(Path(path), printable(os.fspath(path)))


def _begin(source: Source) -> tuple[Problems, Table]:
    """The top table of a manifest whose version can be read."""
    problems, top = Problems(source), Table(source, (), "", source.data)
    with problems.collect():
        _check_version(top)
    problems.give_up()
    with problems.collect():
        top.refuse_unknown(KEYS)
    return problems, top


def _check_version(top: Table) -> None:
    if "version" not in top.values:
        hint = did_you_mean("version", top.values) if top.values else ""
        raise top.problem(f"the manifest lacks version. Write version = {VERSION} at its top.{hint}")
    if type(top.values["version"]) is not int or top.values["version"] != VERSION:
        raise top.expected("version", f"{VERSION}, which is the version that this pytest-vmaf reads")
