"""Record all collected tests before deselection.

`--vmaf-baseline-update=all` only removes baselines of modules that ran completely.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest

from pytest_vmaf.testrun.items import item_name


class CollectedTests:
    """Plugin that `--vmaf-baseline-update=all` registers in each process that collects. Workers send theirs at the end.

    Attributes:
        not_passed: Node ids of the tests with a report that is not a pass.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._modules: dict[str, dict[str, str]] = {}
        self._worker_lost = False
        self.not_passed: set[str] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        """Record the items before other plugins remove some, and their ids after other plugins have changed them."""
        before = list(items)
        result = yield
        for item in before:
            self._modules.setdefault(str(item.path), {})[item_name(item)] = str(item.nodeid)
        return result

    def pytest_sessionfinish(self) -> None:
        """Send the tests of a worker to the controller."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["vmaf_collected"] = self._modules

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Receive the tests of a worker. A worker that died sends none."""
        modules = getattr(node, "workeroutput", {}).get("vmaf_collected")
        if error or modules is None:
            self._worker_lost = True
            return
        for module, tests in modules.items():
            self._modules.setdefault(module, {}).update(tests)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note tests that do not pass, including those that measure nothing."""
        if report.outcome != "passed":
            self.not_passed.add(report.nodeid)

    def modules(self) -> Mapping[str, Mapping[str, str]]:
        """The node ids of each module's tests by name; none if a worker died."""
        return {} if self._worker_lost else self._modules
