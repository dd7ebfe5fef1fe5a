"""Controller-side plugin that writes what `pytest-vmaf git-bisect` reads."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf.report.run_outcome import LONGEST, RunOutcome, write_outcome
from pytest_vmaf.report.wording import first_line
from pytest_vmaf.text import plural

if TYPE_CHECKING:
    from pytest_vmaf.report.collector import Test
    from pytest_vmaf.testrun.controller import Controller


class OutcomeWriter:
    """Registered only in runs that `pytest-vmaf git-bisect` started."""

    def __init__(self, controller: Controller, folder: Path) -> None:
        self._controller, self._folder = controller, folder
        self._interrupted = False
        self._not_collected = 0

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count the files whose tests could not be collected."""
        self._not_collected += report.failed

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the user ends the run; `pytest.exit` ends it, too."""
        self._interrupted = excinfo.errisinstance(KeyboardInterrupt)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the outcome once the controller has all reports. Without it, git-bisect skips the commit."""
        result = yield
        option = session.config.option
        if option.collectonly or option.setuponly or option.setupplan:
            return result
        collector = self._controller.collector
        measured, violated, failed = judge(collector.tests() if collector else ())
        if self._not_collected:
            failed.append(f"{plural(self._not_collected, 'file')} could not be collected")
        with suppress(OSError):
            write_outcome(self._folder, RunOutcome(measured, tuple(violated), tuple(failed), self._interrupted))
        return result


def judge(tests: Iterable[Test]) -> tuple[int, list[str], list[str]]:
    """Count the tests that measured and passed, and name those with a failed gate and those that failed otherwise.

    The last attempt of a test counts. A gate that failed in report-only mode has failed, too.
    """
    measured, violated, failed = 0, list[str](), list[str]()
    for test in tests:
        last = test.last
        if last.status in ("error", "failed") or last.would_fail:
            message = str(last.record()["message"]).removeprefix("pytest_vmaf.").removeprefix("GateViolation: ")
            text = f"{test.id}: {first_line(message, LONGEST)}"
            (violated if last.violated or last.would_fail else failed).append(text)
        measured += last.status == "passed" and bool(last.measurements) and not last.would_fail
    return measured, violated, failed
