"""A manifest in pytest: its file, its entries, and a test for each encode, all made when pytest collects."""

from __future__ import annotations

import os
import types
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_vmaf.api.extensions import Extensions
from pytest_vmaf.errors import GateViolation, MeasurementError, SettingsError
from pytest_vmaf.suite.manifest import VERSION, is_foreign, suite_of
from pytest_vmaf.suite.run import run_test
from pytest_vmaf.suite.source import Source, read_source
from pytest_vmaf.suite.suite import Suite, SuiteTest
from pytest_vmaf.testrun.items import CONTEXT, LAYERS, MANIFEST_LAYERS
from pytest_vmaf.testrun.named_manifests import MANIFESTS, SUFFIXES, is_named
from pytest_vmaf.testrun.options import metric_finder
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf

#: Marks that are registered already.
MARKS = pytest.StashKey[set[str]]()


class SuiteFile(pytest.Module):
    """A manifest. It counts as a module, as text files with doctests do, so that fixtures of any scope work."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.obj = types.ModuleType(self.path.stem)

    def collect(self) -> Iterator[SuiteEntry]:
        """The entries with their tests. What is wrong with the manifest is an error of the collection."""
        extensions = Extensions(self.ihook, self.config.pluginmanager, self.config)
        try:
            source = read_source(self.path, _display(self.config, self.path))
            if is_foreign(source) and not is_named(self.config, self.path):
                keys = f"neither version = {VERSION} nor clips, encodes or pairs"
                text = f"{source.name} is not a manifest of pytest-vmaf, so none of it is tested: it has {keys}. To "
                text += "silence this, rename the file, or name it in collect_ignore of a conftest.py."
                self.warn(pytest.PytestCollectionWarning(text))
                return
            layers = self.config.stash[LAYERS]
            find = metric_finder(self.config, self.ihook, layers)
            suite = suite_of(source, extensions.encoder, find)
            _refuse_shared_baselines(source, suite)
        except SettingsError as error:
            raise self.CollectError(str(error)) from None
        _register(self.config, {mark for test in suite.tests for mark in test.marks})
        for name, tests in groupby(suite.tests, key=lambda test: test.entry.name):
            yield SuiteEntry.from_parent(self, name=name, tests=[*tests], source=source)


class SuiteEntry(pytest.Collector):
    """An entry of a manifest: an encoder, or encodes that exist already."""

    def __init__(self, *, tests: list[SuiteTest], source: Source, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._tests, self._source = tests, source

    def collect(self) -> Iterator[SuiteItem]:
        """A test for each clip and CRF."""
        for test in self._tests:
            item = SuiteItem.from_parent(self, name=test.name, callobj=_call)
            item.stash[MANIFEST_LAYERS] = test.layers
            item.test, item.place = test, f"{self._source.name}:{test.line}"
            item.add_marker(pytest.mark.vmaf(report_only=test.report_only))
            for mark in test.marks:
                item.add_marker(mark)
            yield item


class SuiteItem(pytest.Function):
    """A test of a manifest. It uses the `vmaf` fixture as a test in Python does.

    Attributes:
        test: What the manifest says.
        place: File and line of its entry.
    """

    test: SuiteTest
    place: str

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """The line of the entry, and the test's name."""
        return self.path, self.test.line - 1, self.test.id

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *arguments: Any, **keywords: Any) -> Any:
        """The message and the place in the manifest, without lines of Python: the user wrote none."""
        if not excinfo.errisinstance((GateViolation, MeasurementError, SettingsError)):
            return super().repr_failure(excinfo, *arguments, **keywords)
        text = excinfo.getrepr(style="value", chain=False)
        text.addsection("manifest", f"{self.place}: {self.test.id}")
        return text


def collect_manifest(path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Make the node of a manifest; None for a file of another program that was given on the command line as a path.

    A broken manifest is an error when its node is collected.
    """
    if path.name not in MANIFESTS and not is_named(parent.config, path):
        try:
            if is_foreign(read_source(path, path.name)):
                return None
        except SettingsError:
            return None
    return SuiteFile.from_parent(parent, path=path)


def _call(request: pytest.FixtureRequest, vmaf: Vmaf, tmp_path: Path) -> None:
    item = request.node
    run_test(vmaf, item.stash[CONTEXT], item.test, tmp_path)


def _refuse_shared_baselines(source: Source, suite: Suite) -> None:
    """Raise SettingsError if another manifest of the folder has the same baseline file."""
    if any(layer.baseline for test in suite.tests for layer in test.layers):
        for suffix in set(SUFFIXES) - {source.path.suffix}:
            if (other := source.path.with_suffix(suffix)).is_file():
                names = f"{other.name} and {source.path.name}"
                raise SettingsError(f"{source.name}: {names} would share their baselines. Rename one of them.")


def _register(config: pytest.Config, marks: set[str]) -> None:
    """Make the groups and markers known, so that --strict-markers accepts them."""
    known = config.stash.setdefault(MARKS, {"skip", "xfail"})
    for mark in sorted(marks - known):
        config.addinivalue_line("markers", f"{mark}: a group or marker of a manifest of pytest-vmaf")
        known.add(mark)


def _display(config: pytest.Config, path: Path) -> str:
    """The path of a manifest for messages, relative to the folder in which pytest was started."""
    try:
        return printable(os.path.relpath(path, config.invocation_params.dir))
    except ValueError:
        # The file is on another drive.
        return printable(str(path))
