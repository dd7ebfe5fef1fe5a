"""Controller-side plugin: collects the measurements of all tests, prints the summary and writes the reports.

Every pytest run imports this module, so heavy modules are imported inside functions.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf.baselines.update_options import UpdateOptions
from pytest_vmaf.settings import Layer
from pytest_vmaf.testrun.report_only import ReportOnly
from pytest_vmaf.testrun.report_options import ReportOptions

if TYPE_CHECKING:
    from pytest_vmaf.report.collector import Collector
    from pytest_vmaf.report.schema import RecordDict

#: Exit statuses of runs that ended by themselves; others come from pytest.exit or an interruption.
COMPLETE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class Controller:
    """Registered in the process that has the terminal. `collector` is None until a test of this plugin reports."""

    def __init__(
        self,
        config: pytest.Config,
        report: ReportOptions,
        updates: UpdateOptions,
        layers: Sequence[Layer],
        report_only: ReportOnly,
    ) -> None:
        self._config, self._report, self._updates, self._report_only = config, report, updates, report_only
        self._gates = [gate for layer in layers for gate in layer.gates]
        tolerances = (each for layer in layers if layer.origin == "command line" for each in layer.tolerances)
        self._tolerances = [each for each in tolerances if each.limit is not None]
        self.collector: Collector | None = None
        self._ran: set[str] = set()
        self._planned: set[str] = set()
        self._unrelated: set[str] = set()
        self._not_collected = 0
        self._tests: list[RecordDict] = []
        #: Lines for the terminal, and whether each reports an error.
        self._messages: list[tuple[str, bool]] = []
        self._began = 0.0
        self._session: pytest.Session | None = None
        # A pytest that a test started must not write into the summary of the job that runs the test.
        self._nested = "PYTEST_CURRENT_TEST" in os.environ

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note when the run began."""
        self._began, self._session = time.time(), session

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect a report. This runs last, so that plugins that rerun tests have already changed it."""
        crashed = report.when not in ("setup", "call", "teardown")
        self._ran.add(report.nodeid)
        if report.when == "setup" and not hasattr(report, "vmaf"):
            self._unrelated.add(report.nodeid)
        # A test whose worker died during its setup may be one that measures.
        unrelated = report.nodeid in self._unrelated or (self.collector is None and not crashed)
        if unrelated and not hasattr(report, "vmaf"):
            return
        if self.collector is None:
            from pytest_vmaf.report.collector import Collector

            self.collector = Collector()
            if self._session is not None:
                from pytest_vmaf.testrun.stopping import start_stopping

                start_stopping(self._session)
        self.collector.add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count the files whose tests could not be collected."""
        self._not_collected += report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note the tests of a worker. Under xdist the controller has no items of its own."""
        self._planned.update(ids)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write baselines and reports, also after Ctrl-C, -x and internal errors. An error here is only a message."""
        if self.collector is None:
            self._write_all(session, exitstatus)
            return
        from pytest_vmaf.media.child_signals import ENDING, deferred
        from pytest_vmaf.testrun.worker import interrupted_report

        with deferred(*ENDING):
            # What went wrong in a test may go wrong again.
            with contextlib.suppress(Exception):
                if (report := interrupted_report(session)) is not None:
                    self.collector.add(report)
            self._tests = self.collector.records()
            self._write_all(session, exitstatus)

    def _write_all(self, session: pytest.Session, exitstatus: int) -> None:
        option = session.config.option
        if not (option.collectonly or option.setuponly or option.setupplan):
            if self._updates.modes or self._updates.candidate:
                self._write_baselines(session, int(exitstatus))
            try:
                self._write_reports(session, int(exitstatus))
            except Exception as error:
                self._messages.append((f"vmaf: the report could not be made: {_reason(error)}", True))
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR and reporter:
            # pytest prints no summary then.
            self._print_messages(reporter)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Print a table of the measurements and what was written; nothing in a run without measurements."""
        rows = [{"test": test["id"], **each} for test in self._tests for each in test["measurements"]]
        if rows:
            from pytest_vmaf.report.summary import write_summary

            write_summary(terminalreporter, config, rows, self._gates)
            self._print_only_reported(terminalreporter)
            self._print_caught(terminalreporter)
        elif gates := [str(gate) for gate in self._gates if gate.origin == "command line"]:
            from pytest_vmaf.text import never_checked

            text = f"vmaf: nothing was measured, so {never_checked(gates)}."
            terminalreporter.write_line(text, yellow=True)
        checked = {gate["name"] for row in rows for gate in row["gates"]}
        unchecked = [str(each) for each in self._tolerances if each.name not in checked]
        # A run that writes baselines does not compare them.
        if unchecked and not self._updates.modes:
            from pytest_vmaf.text import never_checked

            what = "it" if len(unchecked) == 1 else "them"
            why = f"no measurement is compared with a baseline (baseline=True) that contains {what}"
            terminalreporter.write_line(f"vmaf: {never_checked(unchecked)}: {why}.", yellow=True)
        self._print_messages(terminalreporter)

    def _print_only_reported(self, reporter: pytest.TerminalReporter) -> None:
        from pytest_vmaf.report.verdict import only_reported

        run = {"report_only": str(self._report_only) if self._report_only.active else ""}
        if text := only_reported({"runs": [run], "tests": self._tests}):
            reporter.write_line(f"vmaf: {text}", yellow=True, bold=True)
            whole = self._config.get_verbosity() > 0
            for test in self._tests:
                for message in test.get("would_fail") or ():
                    reporter.write_line(f"would fail: {test['id']}: {message if whole else message.splitlines()[0]}")

    def _print_caught(self, reporter: pytest.TerminalReporter) -> None:
        from pytest_vmaf.report.verdict import explain_caught

        for test in self._tests:
            if text := explain_caught(test):
                remedy = "If that is meant, assert on vmaf.score() instead."
                reporter.write_line(f"vmaf: {test['id']}: {text} {remedy}", red=True)

    def _print_messages(self, reporter: pytest.TerminalReporter) -> None:
        for line, is_error in self._messages:
            reporter.write_line(line, red=is_error)
        self._messages.clear()

    def _write_baselines(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_vmaf.baselines.update import NOT_WRITTEN, RunState, update

        config, option = session.config, session.config.option
        collection = config.pluginmanager.get_plugin("vmaf-collection")
        selected = any("::" in str(argument) for argument in config.args)
        selected = selected or getattr(option, "lf", False) or getattr(option, "stepwise", False)
        run = RunState(
            root=config.rootpath,
            here=config.invocation_params.dir,
            ended=exitstatus in COMPLETE,
            tests=self.collector.baselines() if self.collector else [],
            failed=collection.not_passed if collection else set(),
            ran=self._ran,
            collected=collection.modules() if collection else {},
            complete=not (session.shouldstop or session.shouldfail or self._not_collected or selected),
        )
        try:
            messages = update(run, self._updates)
        except Exception as error:
            messages = [(f"{NOT_WRITTEN} their files: {_reason(error)}", True)]
        self._messages += messages
        if exitstatus == pytest.ExitCode.OK and any(line.startswith(NOT_WRITTEN) for line, _ in messages):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write_reports(self, session: pytest.Session, exitstatus: int) -> None:
        on_github = os.environ.get("GITHUB_ACTIONS") == "true" and bool(self._tests) and not self._nested
        history = self._report.history if self._tests else None
        if not (self._report.requested or on_github or history):
            return
        document = self._document(session, exitstatus)
        if history:
            from pytest_vmaf.testrun.history import append_run

            self._messages.append(append_run(history, document, show=self._report.requested))
        if not (self._report.requested or on_github):
            return
        self._add_sections(document)
        if self._report.json:
            from pytest_vmaf.report.fit import without_pictures

            data = document if self._report.json_pictures else without_pictures(document)
            self._write("JSON", self._report.json, lambda path: _write_json(path, data))
        if self._report.html:
            from pytest_vmaf.report.html import write_html

            assets = self._report.assets
            self._write("HTML report", self._report.html, lambda path: write_html(path, document, assets=assets))
        if on_github:
            from pytest_vmaf.report.github import error_commands
            from pytest_vmaf.report.markdown import step_summary

            if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
                self._write("step summary", Path(summary), lambda path: step_summary(path, document), quiet=True)
            # GitHub reads a workflow command only at the start of a line.
            self._messages += [(line, False) for line in error_commands(document, session.config.rootpath)]

    def _write(self, what: str, path: Path, write: Callable[[Path], object], *, quiet: bool = False) -> None:
        from pytest_vmaf.text import printable

        name = printable(str(path))
        try:
            write(path)
        except Exception as error:
            text = f"vmaf: the {what} could not be written to {name}: {_reason(error)}. Test results are not affected."
            self._messages.append((text, True))
        else:
            size = path.stat().st_size
            text = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1000:.1f} KB"
            self._messages += [] if quiet else [(f"vmaf: {what}: {name} ({text})", False)]

    def _document(self, session: pytest.Session, exitstatus: int) -> RecordDict:
        from pytest_vmaf.report.document import merge
        from pytest_vmaf.report.record import plain
        from pytest_vmaf.testrun.build_server import origin_of
        from pytest_vmaf.testrun.environment import describe_environment
        from pytest_vmaf.text import plural

        config, stopped = session.config, session.shouldstop or session.shouldfail
        planned = self._planned or {item.nodeid for item in session.items}
        # xdist may run out of workers and end without an error.
        interrupted = stopped or exitstatus not in COMPLETE or planned - self._ran
        internal = exitstatus == pytest.ExitCode.INTERNAL_ERROR
        run = {
            "name": "",
            "ended": "internal error" if internal else "interrupted" if interrupted else "finished",
            "why": stopped if isinstance(stopped, str) else "",
            "exit": exitstatus,
            **describe_environment(config),
            "duration": round(time.time() - self._began, 3),
            "gates": [str(gate) for gate in self._gates],
            "planned": len(planned),
            "ran": len(self._ran),
            "not_collected": self._not_collected,
            "title": self._report.title,
            **({"report_only": str(self._report_only)} if self._report_only.active else {}),
            **origin_of(os.environ, config.rootpath),
        }
        document = merge([])
        document["runs"], document["tests"] = [plain(run)], self._tests
        if self.collector is not None and (count := self.collector.pictures_left_out):
            text = f"{plural(count, 'picture')} of the milder failures {'was' if count == 1 else 'were'} left out, "
            text += "to keep the report small."
            document["left_out"].append(text)
        return document

    def _add_sections(self, document: RecordDict) -> None:
        from pytest_vmaf.report.record import plain
        from pytest_vmaf.report.sections import collect_sections, plugin_errors

        copy, config = plain(document), self._config
        document["sections"] += collect_sections(
            lambda: config.hook.pytest_vmaf_run_sections(config=config, document=copy), "pytest_vmaf_run_sections"
        )
        self._messages += [(f"vmaf: {text}", True) for text in plugin_errors(document)]


def _write_json(path: Path, document: RecordDict) -> None:
    from pytest_vmaf.files import write_atomically
    from pytest_vmaf.report.fit import json_text

    write_atomically(path, [json_text(document)])


def _reason(error: Exception) -> str:
    from pytest_vmaf.text import printable

    text = error.strerror if isinstance(error, OSError) else None
    return printable(text or f"{type(error).__name__}: {error}")
