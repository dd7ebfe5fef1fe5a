"""pytest hooks and the `vmaf` fixture. Every pytest run imports this module, so it imports nothing heavy."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf.errors import GateViolation, MeasurementError, SettingsError
from pytest_vmaf.testrun import items
from pytest_vmaf.testrun.controller import Controller
from pytest_vmaf.testrun.named_manifests import add_named_manifests, may_be_manifest, refuse_ignored
from pytest_vmaf.testrun.options import add_options, config_layers, update_options
from pytest_vmaf.testrun.report_only import applies, header_lines, read_report_only
from pytest_vmaf.testrun.report_options import report_options

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf

MARKER = (
    "vmaf(**settings): settings and gates for this test's vmaf fixture, for example min_neg=93, max_gap=3, "
    'baseline=True, report_only=True, model="vmaf_4k_v0.6.1". A marked test that measures nothing fails.'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add every setting as a command-line option and an ini value."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that plugins and conftest files may implement."""
    from pytest_vmaf import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse invalid options before any test runs."""
    config.addinivalue_line("markers", MARKER)
    try:
        config.stash[items.LAYERS] = layers = config_layers(config)
        only = read_report_only(config)
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-vmaf: {error}") from None
    config.stash[items.REPORT_ONLY] = only
    add_named_manifests(config)
    config.stash[items.REPORT_OPTIONS] = report = report_options(config)
    config.stash[items.UPDATE_OPTIONS] = updates = update_options(config)
    if not hasattr(config, "workerinput"):
        controller = Controller(config, report, updates, layers, only)
        config.pluginmanager.register(controller, "vmaf-controller")
        if "PYTEST_VMAF_OUTCOMES" in os.environ:
            from pytest_vmaf.report.run_outcome import outcome_folder
            from pytest_vmaf.testrun.outcome_writer import OutcomeWriter

            if folder := outcome_folder():
                config.pluginmanager.register(OutcomeWriter(controller, folder), "vmaf-outcome-writer")
    if "all" in updates.modes:
        from pytest_vmaf.testrun.collection import CollectedTests

        config.pluginmanager.register(CollectedTests(config), "vmaf-collection")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the tests of a manifest: `vmaf.toml` or `vmaf.yaml`, or a file that was named as one."""
    if may_be_manifest(file_path, parent.session):
        from pytest_vmaf.testrun.suite_items import collect_manifest

        return collect_manifest(file_path, parent)
    return None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a run that leaves out a manifest which an option names."""
    # Called also while an error or Ctrl-C ends the collection.
    if sys.exc_info()[0] is None:
        refuse_ignored(session.config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print the settings, if any is set or with -v, and report-only mode."""
    layers, only = config.stash[items.LAYERS], header_lines(config.stash[items.REPORT_ONLY])
    if not layers and config.get_verbosity() < 1:
        return only
    from importlib.metadata import version

    texts = [f"vmaf: pytest-vmaf {version('pytest-vmaf')}"]
    for layer in layers:
        for name, value in layer.options.items():
            text = ",".join(map(str, value)) if isinstance(value, tuple) else value
            texts.append(f"{name}={text} ({layer.origin})")
    texts += [str(gate) for layer in layers for gate in (*layer.gates, *layer.tolerances)]
    return [", ".join(texts), *only]


@pytest.fixture
def vmaf(request: pytest.FixtureRequest) -> Vmaf:
    """Score encodes against references with VMAF and VMAF-NEG, and check gates.

    `vmaf.score(reference, distorted)` measures; `vmaf.check(...)` measures and checks every gate in force.
    """
    from pytest_vmaf.api.context import Context, Records
    from pytest_vmaf.api.extensions import Extensions
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.baselines.check import Baselines
    from pytest_vmaf.progress import progress_under_pytest

    config, item = request.config, request.node
    context = Context(
        layers=(*items.marker_layer(item), *config.stash[items.LAYERS], *items.cache_layer(config)),
        extensions=Extensions(item.ihook, config.pluginmanager, config),
        progress=progress_under_pytest(config),
        baselines=Baselines(items.baseline_location(item)),
        records=Records(for_report=config.stash[items.REPORT_OPTIONS].requested),
        report_only=applies(config.stash[items.REPORT_ONLY], [*item.iter_markers("vmaf")]),
    )
    # It stays in the stash until the report of the teardown is made, because fixtures may check gates too.
    item.stash[items.CONTEXT], item.stash[items.SENT] = context, 0
    return Vmaf._from_context(context)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Let SIGTERM and SIGHUP end a run with VMAF tests as Ctrl-C does.

    An xdist controller has no items. It learns of these tests from their reports, or expects them if one is to be
    written.
    """
    distributes = session.config.pluginmanager.hasplugin("dsession")
    report = session.config.stash[items.REPORT_OPTIONS]
    expected = distributes and (report.requested or report.history is not None)
    measures = any("vmaf" in getattr(item, "fixturenames", ()) for item in session.items)
    # With xdist the controller checks this once, for all workers.
    if not hasattr(session.config, "workerinput") and (distributes or measures):
        from pytest_vmaf.testrun.required_build import refuse_other_build_at_start

        layers = session.config.stash[items.LAYERS]
        refuse_other_build_at_start(layers)
    if expected or measures:
        from pytest_vmaf.testrun.stopping import start_stopping

        start_stopping(session)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reset state, so that a rerun does not inherit the measurements of the previous attempt."""
    if items.CONTEXT in item.stash:
        del item.stash[items.CONTEXT]
    if violations := sys.modules.get("pytest_vmaf.testrun.violations"):
        item.config.stash[violations.SCORE_COMPARED] = False
    if "pytest_vmaf.testrun.worker" in sys.modules:
        from pytest_vmaf.testrun.worker import remove_properties

        remove_properties(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a marked test if any of its gates was never checked."""
    try:
        outcome = yield
    finally:
        if (context := item.stash.get(items.CONTEXT, None)) is not None:
            from pytest_vmaf.testrun.worker import add_sections_of_plugins

            add_sections_of_plugins(item, context)
    if item.get_closest_marker("vmaf") is None:
        return outcome
    if context is None or not any(record.get("gated") for record in context.records.measurements):
        pytest.fail(
            "This test has the vmaf marker but measured nothing, so none of its gates was checked.\n"
            "Call vmaf.check(reference, distorted) or vmaf.score(...) with the vmaf fixture, or remove the marker.",
            pytrace=False,
        )
    from pytest_vmaf.api.context import unchecked_expectations, unchecked_gates, unchecked_tolerances
    from pytest_vmaf.text import never_checked

    if names := [*(gate.name for gate in unchecked_gates(context)), *unchecked_expectations(context)]:
        pytest.fail(
            f"{never_checked(names, ' (marker)')}: no measurement in this test supports "
            f"{'it' if len(names) == 1 else 'them'}.\nMasked and tile gates need vmaf.roi or vmaf.quality_map; of the "
            "other gates, vmaf.quality_map checks only vmaf, neg and gap. Streams are read by vmaf.stream, check and "
            "score, and speeds are measured by vmaf.speed.",
            pytrace=False,
        )
    if tolerances := unchecked_tolerances(context):
        pytest.fail(
            f"{never_checked(tolerances, ' (marker)')}: no measurement in this test is compared with a baseline that "
            f"contains {'it' if len(tolerances) == 1 else 'them'}.\nBaselines need vmaf.score, check, roi, map, "
            "bisect, compare, stream, speed or check_baseline.",
            pytrace=False,
        )
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the measurements to the report, which xdist sends to the controller."""
    report = yield
    context = item.stash.get(items.CONTEXT, None)
    if context is not None or "vmaf" in getattr(item, "fixturenames", ()):
        # In every phase: if the worker dies later, the controller knows at least that this test was to measure.
        report.vmaf = {"measurements": [], "sections": []}  # type: ignore[attr-defined]
    if context is not None:
        from pytest_vmaf.testrun.worker import attach_measurements

        # The reports of subtests come before that of their test; each carries what was measured since the last one.
        attach_measurements(item, report, context, item.stash[items.SENT], item.config.stash[items.REPORT_OPTIONS])
        item.stash[items.SENT] = len(context.records.measurements)
        if report.when == "teardown":
            del item.stash[items.CONTEXT]
        would_fail = any(record.get("would_fail") for record in context.records.measurements)
        report.vmaf_would_fail = would_fail or "would_fail" in report.vmaf  # type: ignore[attr-defined]
    if call.excinfo is not None and call.excinfo.errisinstance((MeasurementError, SettingsError, GateViolation)):
        report.vmaf_error = not call.excinfo.errisinstance(GateViolation)  # type: ignore[attr-defined]
    if call.excinfo is not None and context is not None and report.failed:
        from pytest_vmaf.testrun.violations import SCORE_COMPARED, is_violation

        compared = item.config.stash.get(SCORE_COMPARED, False)
        violated = is_violation(call.excinfo.value, context.records.measurements, score_compared=compared)
        report.vmaf_violated = violated  # type: ignore[attr-defined]
    if report.user_properties and "vmaf" in getattr(item, "fixturenames", ()):
        from pytest_vmaf.report.record import sendable

        report.user_properties = [(name, sendable(value)) for name, value in report.user_properties]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show a test that could not measure as an error, and one that passed by report-only mode as such."""
    if report.failed and report.when == "call" and getattr(report, "vmaf_error", False):
        return "error", "E", ("ERROR", {"red": True})
    if report.passed and report.when == "call" and getattr(report, "vmaf_would_fail", False):
        return "would fail", "w", ("WOULD FAIL", {"yellow": True})
    return None


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Explain a score in a plain assert."""
    score = sys.modules.get("pytest_vmaf.scoring.score")
    if score is None:
        return None
    from pytest_vmaf.testrun.violations import SCORE_COMPARED

    compared = config.stash[SCORE_COMPARED] = isinstance(left, score.Score) or isinstance(right, score.Score)
    if not compared:
        return None
    from pytest_vmaf.report.terminal import explain_comparison

    return explain_comparison(op, left, right)
