"""Options of the command line and of the ini file, read into settings, report options and baseline options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_vmaf.baselines.update_options import UpdateOptions
from pytest_vmaf.errors import ModelError, SettingsError
from pytest_vmaf.option_table import OPTIONS
from pytest_vmaf.settings import Layer, make_layer
from pytest_vmaf.testrun.report_options import add_report_options, usage_error

if TYPE_CHECKING:
    import pluggy

    from pytest_vmaf.gates.plugin_metrics import FindMetric
    from pytest_vmaf.metrics.spec import MetricSpec

#: Options that say what one run writes, not how a test runs.
OUTPUTS = (
    *("--vmaf-html", "--vmaf-html-assets", "--vmaf-json", "--vmaf-json-pictures", "--vmaf-pictures"),
    *("--vmaf-report-title", "--vmaf-history"),
    *("--vmaf-baseline-update", "--vmaf-baseline-candidate", "--vmaf-no-cache"),
    *("--vmaf-update", "--vmaf-candidate", "--vmaf-suite"),
)
MODES = ("missing", "changed", "improved", "all")


def add_options(parser: pytest.Parser) -> None:
    """Add every setting as a command-line option and an ini value, and the options for reports and baselines."""
    group = parser.getgroup("vmaf", "VMAF quality gates")
    for option in OPTIONS:
        kind: dict[str, Any] = {"metavar": option.name.upper()}
        if option.flag.startswith("--vmaf-no-"):
            kind = {"action": "store_false"}
        elif option.ini_type == "bool":
            kind = {"action": argparse.BooleanOptionalAction}
        elif option.ini_type == "args":
            kind = {"action": "append", "metavar": "NAME"}
        elif option.ini_type in ("int", "float"):
            kind["type"] = {"int": int, "float": float}[option.ini_type]
        group.addoption(option.flag, dest=option.dest, default=None, help=option.help, **kind)
        parser.addini(option.ini, option.ini_help or option.help, type=option.ini_type, default=None)
    gate_help = (
        "gate for every vmaf.check, for example min_neg=93, min_neg_p5=85, max_gap=off or above_100=on (repeatable)"
    )
    group.addoption("--vmaf-gate", action="append", dest="vmaf_gates", metavar="NAME=LIMIT", default=[], help=gate_help)
    parser.addini("vmaf_gates", gate_help.replace("repeatable", "one per line"), type="linelist", default=[])
    group.addoption(
        "--vmaf-baseline-update",
        "--vmaf-update",
        dest="vmaf_update",
        metavar="MODES",
        help="write baselines of tests that pass: missing (new ones), changed (those that differ), improved (those "
        "that only got better), all (missing, changed, and remove those that no test measures)",
    )
    group.addoption(
        "--vmaf-baseline-candidate",
        "--vmaf-candidate",
        dest="vmaf_candidate",
        metavar="DIR",
        help="write the baselines this run would produce to DIR, for example as a CI artifact",
    )
    platform_help = "store baselines of this platform next to the common ones: a name, or auto (such as linux-x86_64)"
    group.addoption("--vmaf-baseline-platform", metavar="NAME", help=platform_help)
    parser.addini("vmaf_baseline_platform", platform_help, type="string", default=None)
    add_report_options(parser, group)
    only_help = "report failed gates and tolerances, but let them fail no test"
    group.addoption(
        "--vmaf-report-only",
        dest="vmaf_report_only",
        action=argparse.BooleanOptionalAction,
        default=None,
        help=only_help,
    )
    parser.addini("vmaf_report_only", only_help, type="bool", default=False)
    until_help = "last day (YYYY-MM-DD, UTC) of report-only mode, wherever it is switched on"
    parser.addini("vmaf_report_only_until", until_help, type="string", default=None)
    suite_help = "collect the tests of this manifest, too, whatever its name is"
    group.addoption("--vmaf-suite", action="append", default=[], metavar="PATH", help=f"{suite_help} (repeatable)")
    parser.addini("vmaf_suite", f"{suite_help} (one per line), unless paths are given", type="paths", default=[])


def config_layers(config: pytest.Config) -> tuple[Layer, ...]:
    """Read the settings of the command line and of the ini file, the nearest layer first.

    Raises:
        SettingsError: If a setting is invalid.
    """
    _refuse_unknown(config)
    command_line = {option.name: config.getoption(option.dest) for option in OPTIONS}
    ini = {}
    for option in OPTIONS:
        try:
            value = config.getini(option.ini)
        except (TypeError, ValueError, pytest.UsageError) as error:
            kind = {"bool": "true or false", "int": "a whole number", "float": "a number"}.get(option.ini_type, "text")
            raise SettingsError(f"{option.ini} (ini) must be {kind}: {error}") from None
        # pytest returns [] for an "args" value that is not set, whatever the default.
        ini[option.name] = None if value == [] else value
    here = config.invocation_params.dir
    find = metric_finder(config, config.hook)
    base = config.inipath.parent if config.inipath else here
    of_ini = _layer("ini", ini, config.getini("vmaf_gates"), base, find)
    find = metric_finder(config, config.hook, [of_ini] if of_ini else [])
    nearer = _layer("command line", command_line, config.getoption("vmaf_gates"), here, find)
    known = tuple(layer for layer in (nearer, of_ini) if layer is not None)
    for layer in known:
        _refuse_unknown_model(layer)
    return known


def metric_finder(config: pytest.Config, hook: pluggy.HookRelay, layers: Sequence[Layer] = ()) -> FindMetric:
    """A function that finds metrics while gates are read: in the setting `metrics` of layers, then by the hook."""

    def find(name: str) -> MetricSpec | None:
        from pytest_vmaf.api.context import find_listed
        from pytest_vmaf.api.extensions import Extensions

        return find_listed(layers, name) or Extensions(hook, config.pluginmanager, config).find_metric(name)

    return find


def update_options(config: pytest.Config) -> UpdateOptions:
    """Read the baseline options of the command line and of the ini file. Raises pytest.UsageError."""
    update, candidate = config.getoption("vmaf_update"), config.getoption("vmaf_candidate")
    name = config.getoption("vmaf_baseline_platform") or config.getini("vmaf_baseline_platform") or ""
    if update is None and candidate is None and not name:
        return UpdateOptions()
    import platform
    import re

    modes = frozenset(word.strip() for word in (update or "").split(",") if word.strip())
    if update is not None and not (modes and modes <= {*MODES}):
        raise usage_error(f"--vmaf-baseline-update must be one or more of {', '.join(MODES)}, not {update!r}")
    if candidate == "":
        raise usage_error("--vmaf-baseline-candidate must be the name of a folder, not ''")
    folder = config.invocation_params.dir / os.path.expanduser(candidate) if candidate else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise usage_error(f"--vmaf-baseline-candidate must be a folder, and {candidate} is not a folder")
    if folder is not None and not hasattr(config, "workerinput") and next(folder.rglob("__vmaf__/*.json"), None):
        raise usage_error(
            f"--vmaf-baseline-candidate={candidate} already contains baselines, which would be mixed with those of "
            "this run. Remove it, or name another folder"
        )
    if name == "auto":
        name = re.sub(r"[^a-z0-9_-]", "_", f"{platform.system()}-{platform.machine()}".lower())
    if name and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", name):
        raise usage_error(f"--vmaf-baseline-platform must consist of letters, digits, _ and -, not {name!r}")
    return UpdateOptions(modes, folder, name)


def _refuse_unknown(config: pytest.Config) -> None:
    """Raise SettingsError for an ini value that begins with `vmaf` and that nobody reads: its gate would be void."""
    known = [*(option.ini for option in OPTIONS), "vmaf_gates", "vmaf_baseline_platform", "vmaf_report_title"]
    known += ["vmaf_report_only", "vmaf_report_only_until", "vmaf_suite", "vmaf_history"]
    for name in sorted(_ini_names(config) - {*known}):
        try:
            # Also knows what other plugins have added.
            config.getini(name)
        except ValueError:
            from pytest_vmaf.text import did_you_mean

            raise SettingsError(f"{name} (ini) is not an option.{did_you_mean(name, known)}") from None


def _ini_names(config: pytest.Config) -> set[str]:
    """The names that begin with `vmaf`, of the ini file and of `-o NAME=VALUE`. pytest has no public list of them."""
    names = {text.partition("=")[0] for text in config.getoption("override_ini", None) or ()}
    path = config.inipath
    text = path.read_text(encoding="utf-8") if path else ""
    if path and "vmaf" in text.lower():
        if path.suffix == ".toml":
            import tomllib

            tables = tomllib.loads(text)
            table = tables.get("pytest") or tables.get("tool", {}).get("pytest") or {}
            names |= {*table, *table.get("ini_options", ())}
        else:
            from iniconfig import IniConfig

            section = "tool:pytest" if path.name == "setup.cfg" else "pytest"
            names |= {*IniConfig(str(path), data=text).sections.get(section, ())}
    return {name for name in names if name.lower().startswith("vmaf")}


def _refuse_unknown_model(layer: Layer) -> None:
    """Raise SettingsError once, at the start, instead of a ModelError in each test."""
    model = layer.options.get("model", "auto")
    if model != "auto":
        from pytest_vmaf.scoring.models import named_model

        try:
            named_model(str(model))
        except ModelError as error:
            raise SettingsError(f"model ({layer.origin}): {error}") from None


def _layer(origin: str, values: dict[str, Any], gates: Sequence[str], base: Path, find: FindMetric) -> Layer | None:
    options = {name: value for name, value in values.items() if value is not None}
    # Paths are relative to where pytest was started or to the ini file, whatever folder a test changes to.
    for name in {"model", "ffmpeg", "vmaf_bin", "cache_dir"} & options.keys():
        if name == "cache_dir" or os.sep in options[name] or "/" in options[name]:
            options[name] = str(base / os.path.expanduser(options[name]))
    if "metrics" in options:
        options["metrics"] = [
            str(base / os.path.expanduser(each)) if ".onnx" in each else each for each in options["metrics"]
        ]
    return make_layer(origin, options, gates, find) if options or gates else None
