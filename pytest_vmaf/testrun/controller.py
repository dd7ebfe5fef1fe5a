"""Where the terminal is (the controller, as without xdist): collects what was measured, shows it and writes it down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_vmaf.baselines.options import UpdateOptions
from pytest_vmaf.testrun.options import MASKED, ReportOptions

if TYPE_CHECKING:
    from pytest_vmaf.gates.gate import Gate
    from pytest_vmaf.gates.tolerance import Tolerance
    from pytest_vmaf.report.collector import Collector


class Controller:
    """Takes the reports of all tests; writes the report when the session ends, however it ends."""

    def __init__(
        self,
        config: pytest.Config,
        outputs: ReportOptions,
        gates: list[Gate],
        keeping: UpdateOptions,
        tolerances: list[Tolerance],
    ) -> None:
        self._config, self._outputs, self._gates, self._keeping = config, outputs, gates, keeping
        self._tolerances = tolerances
        self._collector: Collector | None = None
        self._ran: set[str] = set()
        self._planned: set[str] = set()
        self._others: set[str] = set()
        self._not_collected = 0
        self._tests: list[dict[str, Any]] = []
        self._said: list[tuple[str, bool]] = []
        self._began = 0.0
        # A pytest that a test started must not write into the summary of the job that runs it.
        self._nested = "PYTEST_CURRENT_TEST" in os.environ

    def pytest_sessionstart(self) -> None:
        """Note when it began."""
        import time

        self._began = time.time()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what each attempt of each test measured. Last, so that who re-runs tests has had its say."""
        crashed = report.when not in ("setup", "call", "teardown")
        self._ran.add(report.nodeid)
        if report.when == "setup" and not hasattr(report, "vmaf"):
            self._others.add(report.nodeid)
        # Of a test whose worker died in its setup nobody knows whether it would have measured.
        other = self._collector is None and not crashed
        if not hasattr(report, "vmaf") and (other or report.nodeid in self._others):
            return
        if self._collector is None:
            from pytest_vmaf.report.collector import Collector

            self._collector = Collector()
        self._collector.add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count the files whose tests nobody could see."""
        self._not_collected += report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Under xdist the controller has no items of its own."""
        self._planned.update(ids)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report: after Ctrl-C, -x and internal errors too. What goes wrong here is said, and no more."""
        if self._collector is not None:
            self._tests = self._collector.records()
        option = session.config.option
        if self._keeping.modes or self._keeping.candidate:
            self._keep_baselines(session, int(exitstatus))
        if not (option.collectonly or option.setuponly or option.setupplan):
            try:
                self._publish(session, int(exitstatus))
            except Exception as error:
                # The evidence could not be kept; the verdict of the tests stands.
                self._said.append((f"vmaf: the report could not be made: {_reason(error)}", True))
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR and (reporter := self._reporter()):
            # pytest shows no summary then.
            self._say(reporter)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """A table of what was measured, and where the report lies; nothing where nothing was asked or measured."""
        rows = [{"test": test["id"], **each} for test in self._tests for each in test["measurements"]]
        if rows:
            from pytest_vmaf.report.terminal import write_summary

            write_summary(terminalreporter, config, rows, self._gates)
        elif asked := [str(gate) for gate in self._gates if gate.origin == "command line"]:
            missed = f"vmaf: nothing was measured, so {', '.join(asked)} was held against nothing."
            terminalreporter.write_line(missed, yellow=True)
        held = {gate["name"] for row in rows for gate in row["gates"]}
        unheld = [str(each) for each in self._tolerances if each.limit is not None and each.name not in held]
        # What is to be written is not held.
        if unheld and not self._keeping.modes:
            said = f"vmaf: {', '.join(unheld)} was held against nothing: no baseline (baseline=True) has that."
            terminalreporter.write_line(said, yellow=True)
        self._say(terminalreporter)

    def _keep_baselines(self, session: pytest.Session, exitstatus: int) -> None:
        from pytest_vmaf.baselines.update import NOT_WRITTEN, RunState, update

        config, option = session.config, session.config.option
        if option.collectonly or option.setuponly or option.setupplan:
            return
        collected = config.pluginmanager.get_plugin("vmaf-collection")
        run = RunState(
            root=config.rootpath,
            here=config.invocation_params.dir,
            ended=exitstatus in (0, 1, 5),
            tests=self._collector.baselines() if self._collector else [],
            failed=collected.not_passed if collected else set(),
            ran=self._ran,
            collected=collected.modules() if collected else {},
            complete=not (
                session.shouldstop
                or session.shouldfail
                or self._not_collected
                or any("::" in str(argument) for argument in config.args)
                or getattr(option, "lf", False)
                or getattr(option, "stepwise", False)
            ),
        )
        try:
            said = update(run, self._keeping)
        except Exception as error:
            said = [(f"{NOT_WRITTEN} their files: {_reason(error)}", True)]
        self._said += said
        if exitstatus == pytest.ExitCode.OK and any(line.startswith(NOT_WRITTEN) for line, _ in said):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _reporter(self) -> Any:
        return self._config.pluginmanager.get_plugin("terminalreporter")

    def _say(self, reporter: Any) -> None:
        for line, red in self._said:
            reporter.write_line(line, red=red)
        self._said.clear()

    def _publish(self, session: pytest.Session, exitstatus: int) -> None:
        on_github = os.environ.get("GITHUB_ACTIONS") == "true" and bool(self._tests) and not self._nested
        if not (self._outputs.asked or on_github):
            return
        document = self._document(session, exitstatus)
        if self._outputs.json:
            self._write("JSON", self._outputs.json, lambda path: _write_json(path, document))
        if self._outputs.html:
            from pytest_vmaf.report.html import write_html

            assets = self._outputs.assets
            self._write("HTML report", self._outputs.html, lambda path: write_html(path, document, assets=assets))
        if on_github:
            from pytest_vmaf.report.github import error_commands
            from pytest_vmaf.report.markdown import step_summary

            summary = os.environ.get("GITHUB_STEP_SUMMARY")
            if summary:
                self._write("step summary", Path(summary), lambda path: step_summary(path, document), quiet=True)
            # A workflow command is one only where a line begins.
            self._said += [(line, False) for line in error_commands(document, session.config.rootpath)]

    def _write(self, what: str, path: Path, write: Any, *, quiet: bool = False) -> None:
        from pytest_vmaf.text import printable

        name = printable(str(path))
        try:
            write(path)
        except Exception as error:
            said = f"vmaf: the {what} could not be written to {name}: {_reason(error)}. The tests' results stand."
            self._said.append((said, True))
            return
        if not quiet:
            self._said.append((f"vmaf: {what}: {name} ({_size(path.stat().st_size)})", False))

    def _document(self, session: pytest.Session, exitstatus: int) -> dict[str, Any]:
        import platform
        import re
        import shlex
        import time
        from datetime import UTC, datetime
        from importlib.metadata import version

        from pytest_vmaf.report.document import merge
        from pytest_vmaf.report.record import plain
        from pytest_vmaf.report.sections import collect_sections

        config = session.config
        stopped = session.shouldstop or session.shouldfail
        planned = self._planned or {item.nodeid for item in session.items}
        # Exit codes but these are somebody's pytest.exit. And xdist may run out of workers without a word.
        cut = stopped or exitstatus not in (0, 1, 5) or planned - self._ran
        ended = "internal error" if exitstatus == 3 else "interrupted" if cut else "finished"
        run = {
            "name": "",
            "ended": ended,
            "why": stopped if isinstance(stopped, str) else "",
            "exit": exitstatus,
            "command": re.sub(MASKED, r"\1***", shlex.join(["pytest", *map(str, config.invocation_params.args)])),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "duration": round(time.time() - self._began, 3),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "pytest": pytest.__version__,
            "pytest_vmaf": version("pytest-vmaf"),
            "gates": [str(gate) for gate in self._gates],
            "planned": len(planned),
            "ran": len(self._ran),
            "not_collected": self._not_collected,
        }
        document = merge([])
        document["runs"], document["tests"] = [plain(run)], self._tests
        if self._collector is not None and (left := self._collector.pictures_left_out):
            document["left_out"].append(f"{left} pictures were left out, to keep the report small; the worst are here.")
        copy = plain(document)
        document["sections"] = collect_sections(
            lambda: config.hook.pytest_vmaf_run_sections(config=config, document=copy), "pytest_vmaf_run_sections"
        )
        return document


def _write_json(path: Path, document: dict[str, Any]) -> None:
    import json

    from pytest_vmaf.files import write_atomically

    encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
    write_atomically(path, encoder.iterencode(document))


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1000:.1f} KB"


def _reason(error: Exception) -> str:
    from pytest_vmaf.text import printable

    said = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
    return printable(said)
