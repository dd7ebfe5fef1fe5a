"""Notes which tests each module has, before any is deselected: only a module that ran whole may lose baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_vmaf.testrun.items import item_name


class CollectedTests:
    """Registered with --vmaf-update=all, in each process that collects; workers send what they saw when they end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._modules: dict[str, dict[str, str]] = {}
        self._lost = False
        #: Node ids of tests of which some report was no pass.
        self.not_passed: set[str] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Any:
        """Take the items before others take some away, and their ids after others have changed them."""
        before = list(items)
        result = yield
        for item in before:
            self._modules.setdefault(str(item.path), {})[item_name(item)] = str(item.nodeid)
        return result

    def pytest_sessionfinish(self) -> None:
        """A worker's way to the controller."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["vmaf_collected"] = self._modules

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """A worker has ended; one that died says nothing of what it collected."""
        sent = getattr(node, "workeroutput", {}).get("vmaf_collected")
        if error or sent is None:
            self._lost = True
        else:
            for module, tests in sent.items():
                self._modules.setdefault(module, {}).update(tests)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of a test that measures nothing, this is all that is known."""
        if report.outcome != "passed":
            self.not_passed.add(report.nodeid)

    def modules(self) -> Mapping[str, Mapping[str, str]]:
        """The node ids of each module's tests by their names; none where a worker did not say."""
        return {} if self._lost else self._modules
