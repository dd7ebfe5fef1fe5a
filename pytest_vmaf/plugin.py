"""What pytest loads: options, ini, marker, the `vmaf` fixture and the hooks. Standard library and pytest only."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_vmaf.evidence import Evidence, Keeping, Outputs, keeping_of, name_of, outputs_of
from pytest_vmaf.quality.errors import GateViolation, MeasurementError, SettingsError
from pytest_vmaf.settings import OPTIONS, Layer, make_layer

if TYPE_CHECKING:
    from pytest_vmaf.baselining import Place
    from pytest_vmaf.session import Vmaf

MARKER = (
    "vmaf(**settings): settings and gates for this test's vmaf fixture, as min_neg=93, max_gap=3, baseline=True, "
    'model="vmaf_4k_v0.6.1"; a marked test that measures nothing fails'
)

_session = pytest.StashKey["Vmaf"]()
_layers = pytest.StashKey[tuple[Layer, ...]]()
_outputs = pytest.StashKey[Outputs]()
_keeping = pytest.StashKey[Keeping]()
_sent = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Every setting as a command-line option and an ini name."""
    group = parser.getgroup("vmaf", "VMAF quality gates")
    for option in OPTIONS:
        common: dict[str, Any] = {"dest": option.dest, "default": None, "help": option.help}
        if option.flag.startswith("--vmaf-no-"):
            group.addoption(option.flag, action="store_false", **common)
        elif option.ini_type == "bool":
            group.addoption(option.flag, action=argparse.BooleanOptionalAction, **common)
        elif option.ini_type == "args":
            group.addoption(option.flag, action="append", metavar="NAME", **common)
        else:
            kind = {"int": int, "float": float}.get(option.ini_type, str)
            group.addoption(option.flag, type=kind, metavar=option.name.upper(), **common)
        parser.addini(option.ini, option.help, type=option.ini_type, default=None)
    gate_help = "gate for every vmaf.check, as min_neg=93, min_neg_p5=85, max_gap=off, above_100=on (repeatable)"
    group.addoption("--vmaf-gate", action="append", dest="vmaf_gates", metavar="NAME=LIMIT", default=[], help=gate_help)
    parser.addini("vmaf_gates", f"{gate_help}; one a line", type="linelist", default=[])
    group.addoption(
        "--vmaf-update",
        metavar="MODES",
        help="write baselines of tests that pass: missing (new ones), changed (those that differ), improved (those "
        "that only got better), all (missing, changed, and remove what no test measures any more)",
    )
    group.addoption(
        "--vmaf-candidate",
        metavar="DIR",
        help="write the baselines there as they would be with all that was measured accepted, for an artifact of CI",
    )
    platform_help = "keep baselines of this platform beside the common ones: a name, or auto (as linux-x86_64)"
    group.addoption("--vmaf-baseline-platform", metavar="NAME", help=platform_help)
    parser.addini("vmaf_baseline_platform", platform_help, type="string", default=None)
    group.addoption("--vmaf-html", metavar="PATH", help="write an HTML report")
    group.addoption(
        "--vmaf-html-assets",
        action="store_true",
        help="put style, script and pictures of the HTML report into a folder beside it, for strict content policies",
    )
    group.addoption("--vmaf-json", metavar="PATH", help="write the report as data; pytest-vmaf report merges several")
    group.addoption(
        "--vmaf-pictures",
        type=int,
        default=2,
        metavar="N",
        help="worst frames shown as pictures for each failed measurement in a report (default 2, at most 10)",
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """The hooks that plugins and conftest files may implement."""
    from pytest_vmaf import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; refuse wrong options before any test runs."""
    config.addinivalue_line("markers", MARKER)
    try:
        config.stash[_layers] = _config_layers(config)
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-vmaf: {error}") from None
    config.stash[_outputs] = outputs_of(config)
    config.stash[_keeping] = keeping = keeping_of(config)
    if not hasattr(config, "workerinput"):
        gates = [gate for layer in config.stash[_layers] for gate in layer.gates]
        told = [each for layer in config.stash[_layers] for each in layer.tolerances if each.origin == "command line"]
        config.pluginmanager.register(Evidence(config, config.stash[_outputs], gates, keeping, told), "vmaf-evidence")
    if "all" in keeping.modes:
        from pytest_vmaf.collecting import Collected

        config.pluginmanager.register(Collected(config), "vmaf-collected")


def _config_layers(config: pytest.Config) -> tuple[Layer, ...]:
    command_line = {option.name: config.getoption(option.dest) for option in OPTIONS}
    ini = {}
    for option in OPTIONS:
        try:
            value = config.getini(option.ini)
            # An unset "args" comes back as [], whatever the default.
            ini[option.name] = None if value == [] else value
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{option.ini} (ini): {error}") from None
    layers = []
    for origin, values, gates in (
        ("command line", command_line, config.getoption("vmaf_gates")),
        ("ini", ini, config.getini("vmaf_gates")),
    ):
        said = {name: value for name, value in values.items() if value is not None}
        # As pytest has it: relative to where it was started, or to the ini file; never to where a test changes to.
        base = config.inipath.parent if origin == "ini" and config.inipath else config.invocation_params.dir
        for name in {"model", "ffmpeg", "vmaf_bin", "cache_dir"} & said.keys():
            if name == "cache_dir" or os.sep in said[name] or "/" in said[name]:
                said[name] = str(base / os.path.expanduser(said[name]))
        if said or gates:
            layers.append(make_layer(origin, said, gates))
    return tuple(layers)


def pytest_report_header(config: pytest.Config) -> str | None:
    """One line, only when an option or ini value was given, or with -v."""
    layers = config.stash[_layers]
    if not layers and config.get_verbosity() < 1:
        return None
    from importlib.metadata import version

    said = [
        *(f"{name}={_shown(value)} ({layer.origin})" for layer in layers for name, value in layer.options.items()),
        *(str(gate) for layer in layers for gate in (*layer.gates, *layer.tolerances)),
    ]
    return f"vmaf: pytest-vmaf {version('pytest-vmaf')}{', ' if said else ''}{', '.join(said)}"


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.fixture
def vmaf(request: pytest.FixtureRequest) -> Vmaf:
    """Score encodes against references with VMAF and VMAF-NEG, and hold gates against them.

    ``vmaf.score(reference, distorted)`` measures, ``vmaf.check(...)`` measures and asserts every gate in force.
    """
    from pytest_vmaf.report.progress import progress_under_pytest
    from pytest_vmaf.session import Vmaf

    config = request.config
    session = Vmaf(
        layers=(*_marker_layer(request.node), *config.stash[_layers], *_cache_layer(config)),
        hook=request.node.ihook,
        plugins=config.pluginmanager,
        config=config,
        progress=progress_under_pytest(config),
        place=_place(request.node),
    )
    request.node.stash[_session], request.node.stash[_sent] = session, 0
    # It stays until the teardown has reported: fixtures may hold gates too.
    return session


def _cache_layer(config: pytest.Config) -> tuple[Layer, ...]:
    """Where scores and encodes are kept unless somebody says otherwise; nowhere if pytest keeps nothing."""
    cache = getattr(config, "cache", None)
    try:
        return (Layer("default", {"cache_dir": str(cache.mkdir("vmaf"))}, ()),) if cache is not None else ()
    except OSError:
        return ()


def _place(item: pytest.Item) -> Place:
    """Where the baselines of this test are."""
    from pytest_vmaf.again import again
    from pytest_vmaf.baseline_files import file_of
    from pytest_vmaf.baselining import Place

    keeping, name = item.config.stash[_keeping], name_of(item)
    try:
        path = os.path.relpath(item.path, item.config.invocation_params.dir)
    except ValueError:
        # On another drive.
        path = str(item.path)
    return Place(
        file=file_of(item.path, keeping.platform),
        test=name,
        command=again(item.config, path, name),
        here=item.config.invocation_params.dir,
        common=file_of(item.path) if keeping.platform else None,
        modes=keeping.modes,
        sends=bool(keeping.modes or keeping.candidate),
    )


def _marker_layer(node: pytest.Item) -> tuple[Layer, ...]:
    keywords: dict[str, object] = {}
    # iter_markers goes from the nearest (function) to the farthest (module).
    for mark in node.iter_markers("vmaf"):
        if mark.args:
            pytest.fail(f"The vmaf marker takes keywords only, as min_neg=93, not {mark.args[0]!r}.", pytrace=False)
        keywords = {**mark.kwargs, **keywords}
    wrong = ""
    try:
        return (make_layer("marker", keywords),) if keywords else ()
    except SettingsError as error:
        wrong = str(error)
    # Outside of the except, so that pytest shows the sentence alone.
    pytest.fail(f"The vmaf marker of this test is wrong: {wrong}", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that is run again must not carry the numbers of its last attempt, nor pass by its measurements."""
    if _session in item.stash:
        del item.stash[_session]
    if "pytest_vmaf.attach" in sys.modules:
        from pytest_vmaf.attach import forget

        forget(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A marked test that measured nothing has gated nothing: it fails."""
    try:
        outcome = yield
    finally:
        if (measured := item.stash.get(_session, None)) is not None:
            from pytest_vmaf.attach import keep_sections

            keep_sections(item, measured)
    if item.get_closest_marker("vmaf") is not None:
        session = item.stash.get(_session, None)
        if session is None or not any(record.get("gated") for record in session.records):
            pytest.fail(
                "This test is marked vmaf but measured nothing, so its gates were held against nothing.\n"
                "Call vmaf.check(reference, distorted) or vmaf.score(...) with the vmaf fixture, or remove the marker.",
                pytrace=False,
            )
        if unheld := session.unheld():
            pytest.fail(
                f"{', '.join(gate.name for gate in unheld)} (marker) was held against nothing: no measurement of this "
                "test holds it.\nGates upon parts of the picture are held by vmaf.roi and vmaf.map alone, and vmaf.map "
                "holds of the others those upon vmaf, neg and gap.",
                pytrace=False,
            )
        if left := session.unheld_baselines():
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
    session = item.stash.get(_session, None)
    if session is not None or "vmaf" in getattr(item, "fixturenames", ()):
        # On every phase: of a test whose worker dies, the controller knows at least that it was to measure.
        report.vmaf = {"measurements": [], "sections": []}  # type: ignore[attr-defined]
    if session is not None:
        from pytest_vmaf.attach import attach

        # A subtest's report comes before its test's own; each carries what was measured since the last.
        attach(item, report, session, item.stash.get(_sent, 0), item.config.stash[_outputs])
        item.stash[_sent] = len(session.records)
        if report.when == "teardown":
            del item.stash[_session]
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
    score = sys.modules.get("pytest_vmaf.quality.score")
    if score is None or not (isinstance(left, score.Score) or isinstance(right, score.Score)):
        return None
    from pytest_vmaf.report.terminal import explain_comparison

    return explain_comparison(op, left, right)
