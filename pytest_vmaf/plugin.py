"""What pytest loads: options, ini, marker, the `vmaf` fixture and the hooks. Standard library and pytest only."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_vmaf.errors import GateViolation, MeasurementError, SettingsError
from pytest_vmaf.testrun.controller import Controller
from pytest_vmaf.testrun.items import (
    CONTEXT,
    LAYERS,
    REPORT_OPTIONS,
    SENT,
    UPDATE_OPTIONS,
    baseline_location,
    cache_layer,
    marker_layer,
)
from pytest_vmaf.testrun.options import add_options, config_layers, report_options, update_options

if TYPE_CHECKING:
    from pytest_vmaf.api.vmaf import Vmaf

MARKER = (
    "vmaf(**settings): settings and gates for this test's vmaf fixture, as min_neg=93, max_gap=3, baseline=True, "
    'model="vmaf_4k_v0.6.1"; a marked test that measures nothing fails'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add every setting as a command-line option and an ini name."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """The hooks that plugins and conftest files may implement."""
    from pytest_vmaf import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; refuse wrong options before any test runs."""
    config.addinivalue_line("markers", MARKER)
    try:
        config.stash[LAYERS] = config_layers(config)
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-vmaf: {error}") from None
    config.stash[REPORT_OPTIONS] = report_options(config)
    config.stash[UPDATE_OPTIONS] = keeping = update_options(config)
    if not hasattr(config, "workerinput"):
        gates = [gate for layer in config.stash[LAYERS] for gate in layer.gates]
        told = [each for layer in config.stash[LAYERS] for each in layer.tolerances if each.origin == "command line"]
        config.pluginmanager.register(
            Controller(config, config.stash[REPORT_OPTIONS], gates, keeping, told), "vmaf-controller"
        )
    if "all" in keeping.modes:
        from pytest_vmaf.testrun.collection import CollectedTests

        config.pluginmanager.register(CollectedTests(config), "vmaf-collection")


def pytest_report_header(config: pytest.Config) -> str | None:
    """One line, only when an option or ini value was given, or with -v."""
    layers = config.stash[LAYERS]
    if not layers and config.get_verbosity() < 1:
        return None
    from importlib.metadata import version

    said = [
        *(
            f"{name}={_option_text(value)} ({layer.origin})"
            for layer in layers
            for name, value in layer.options.items()
        ),
        *(str(gate) for layer in layers for gate in (*layer.gates, *layer.tolerances)),
    ]
    return f"vmaf: pytest-vmaf {version('pytest-vmaf')}{', ' if said else ''}{', '.join(said)}"


def _option_text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.fixture
def vmaf(request: pytest.FixtureRequest) -> Vmaf:
    """Score encodes against references with VMAF and VMAF-NEG, and hold gates against them.

    ``vmaf.score(reference, distorted)`` measures, ``vmaf.check(...)`` measures and asserts every gate in force.
    """
    from pytest_vmaf.api.context import Context
    from pytest_vmaf.api.extensions import Extensions
    from pytest_vmaf.api.vmaf import Vmaf
    from pytest_vmaf.baselines.check import Baselines
    from pytest_vmaf.progress import progress_under_pytest

    config, item = request.config, request.node
    context = Context(
        layers=(*marker_layer(item), *config.stash[LAYERS], *cache_layer(config)),
        extensions=Extensions(item.ihook, config.pluginmanager, config),
        progress=progress_under_pytest(config),
        baselines=Baselines(baseline_location(item)),
    )
    item.stash[CONTEXT], item.stash[SENT] = context, 0
    # It stays until the teardown has reported, because fixtures may check gates, too.
    return Vmaf._from_context(context)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that is run again must not carry the numbers of its last attempt, nor pass by its measurements."""
    if CONTEXT in item.stash:
        del item.stash[CONTEXT]
    if "pytest_vmaf.testrun.worker" in sys.modules:
        from pytest_vmaf.testrun.worker import forget

        forget(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A marked test that measured nothing has gated nothing: it fails."""
    try:
        outcome = yield
    finally:
        if (measured := item.stash.get(CONTEXT, None)) is not None:
            from pytest_vmaf.testrun.worker import keep_sections

            keep_sections(item, measured)
    if item.get_closest_marker("vmaf") is not None:
        context = item.stash.get(CONTEXT, None)
        if context is None or not any(record.get("gated") for record in context.records.measurements):
            pytest.fail(
                "This test is marked vmaf but measured nothing, so its gates were held against nothing.\n"
                "Call vmaf.check(reference, distorted) or vmaf.score(...) with the vmaf fixture, or remove the marker.",
                pytrace=False,
            )
        from pytest_vmaf.api.context import unchecked_gates, unchecked_tolerances

        if unheld := unchecked_gates(context):
            pytest.fail(
                f"{', '.join(gate.name for gate in unheld)} (marker) was held against nothing: no measurement of this "
                "test holds it.\nGates upon parts of the picture are held by vmaf.roi and vmaf.map alone, and vmaf.map "
                "holds of the others those upon vmaf, neg and gap.",
                pytrace=False,
            )
        if left := unchecked_tolerances(context):
            pytest.fail(
                f"{', '.join(left)} (marker) was held against nothing: no measurement of this test has that in its "
                "baseline.\nvmaf.score, check, roi, map, bisect, compare and check_baseline hold baselines.",
                pytrace=False,
            )
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hang the records on the report, where they survive xdist; make what others put there fit to send."""
    report = yield
    context = item.stash.get(CONTEXT, None)
    if context is not None or "vmaf" in getattr(item, "fixturenames", ()):
        # On every phase: of a test whose worker dies, the controller knows at least that it was to measure.
        report.vmaf = {"measurements": [], "sections": []}  # type: ignore[attr-defined]
    if context is not None:
        from pytest_vmaf.testrun.worker import attach

        # A subtest's report comes before its test's own; each carries what was measured since the last.
        attach(item, report, context, item.stash.get(SENT, 0), item.config.stash[REPORT_OPTIONS])
        item.stash[SENT] = len(context.records.measurements)
        if report.when == "teardown":
            del item.stash[CONTEXT]
    if call.excinfo is not None and call.excinfo.errisinstance((MeasurementError, SettingsError, GateViolation)):
        report.vmaf_error = not call.excinfo.errisinstance(GateViolation)  # type: ignore[attr-defined]
    if report.user_properties and "vmaf" in getattr(item, "fixturenames", ()):
        from pytest_vmaf.report.record import sendable

        report.user_properties = [(name, sendable(value)) for name, value in report.user_properties]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """What could not be measured is an error, not a failed gate."""
    if report.failed and report.when == "call" and getattr(report, "vmaf_error", False):
        return "error", "E", ("ERROR", {"red": True})
    return None


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """Say what a score in a plain assert is made of."""
    score = sys.modules.get("pytest_vmaf.scoring.score")
    if score is None or not (isinstance(left, score.Score) or isinstance(right, score.Score)):
        return None
    from pytest_vmaf.report.terminal import explain_comparison

    return explain_comparison(op, left, right)
