"""Command-line options and ini values, and what they come to: layers of settings, report and baseline options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_vmaf.baselines.options import UpdateOptions
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.options import OPTIONS
from pytest_vmaf.settings import Layer, make_layer

#: Values of options that are nobody else's business; the command is shown in the report.
MASKED = r"(?i)(--[\w-]*(?:token|secret|passw|password|credential|api-?key)[\w-]*[= ])('[^']*'|\S+)"


class ReportOptions(NamedTuple):
    """Where the evidence goes; absolute paths. ``pictures`` is how many worst frames a failed measurement shows."""

    html: Path | None = None
    assets: bool = False
    json: Path | None = None
    pictures: int = 2

    @property
    def asked(self) -> bool:
        """Whether anything is to be written."""
        return self.html is not None or self.json is not None


def add_options(parser: pytest.Parser) -> None:
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


def config_layers(config: pytest.Config) -> tuple[Layer, ...]:
    """The layers of the command line and the ini file, the nearest first. Raises SettingsError."""
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


def update_options(config: pytest.Config) -> UpdateOptions:
    """What the command line and the ini file say of baselines. Raises pytest.UsageError."""
    update, candidate = config.getoption("vmaf_update"), config.getoption("vmaf_candidate")
    named = config.getoption("vmaf_baseline_platform") or config.getini("vmaf_baseline_platform") or ""
    if update is None and candidate is None and not named:
        return UpdateOptions()
    import platform
    import re

    modes = frozenset(word.strip() for word in (update or "").split(",") if word.strip())
    known = ("missing", "changed", "improved", "all")
    if update is not None and (not modes or modes - set(known)):
        raise pytest.UsageError(f"pytest-vmaf: --vmaf-update={update}; it is one or several of {', '.join(known)}.")
    if candidate is not None and not candidate:
        raise pytest.UsageError("pytest-vmaf: --vmaf-candidate needs the name of a folder.")
    folder = config.invocation_params.dir / os.path.expanduser(candidate) if candidate else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise pytest.UsageError(f"pytest-vmaf: --vmaf-candidate={candidate} is no folder.")
    if folder is not None and not hasattr(config, "workerinput") and next(folder.rglob("__vmaf__/*.json"), None):
        raise pytest.UsageError(
            f"pytest-vmaf: --vmaf-candidate={candidate} holds baselines already, which would be taken for this run's. "
            "Remove it, or name another folder."
        )
    if named == "auto":
        named = re.sub(r"[^a-z0-9_-]", "_", f"{platform.system()}-{platform.machine()}".lower())
    if named and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", named):
        raise pytest.UsageError(
            f"pytest-vmaf: --vmaf-baseline-platform={named}; it is a part of a file's name: letters, digits, _ and -."
        )
    return UpdateOptions(modes, folder, named)


def report_options(config: pytest.Config) -> ReportOptions:
    """What the command line asks to be written, with absolute paths. Raises pytest.UsageError."""
    paths: dict[str, Path | None] = {}
    for name in ("html", "json"):
        given = config.getoption(f"vmaf_{name}")
        # A test may change the folder it runs in; the path is where pytest was started.
        paths[name] = config.invocation_params.dir / os.path.expanduser(given) if given else None
        path = paths[name]
        if path is not None and path.is_dir():
            raise pytest.UsageError(f"pytest-vmaf: --vmaf-{name}={given} is a folder; give the name of a file in it.")
    assets, pictures = config.getoption("vmaf_html_assets"), config.getoption("vmaf_pictures")
    if assets and paths["html"] is None:
        raise pytest.UsageError("pytest-vmaf: --vmaf-html-assets needs --vmaf-html=PATH, the page beside the assets.")
    if paths["html"] is not None and paths["json"] and paths["html"].resolve() == paths["json"].resolve():
        raise pytest.UsageError("pytest-vmaf: --vmaf-html and --vmaf-json name one and the same file.")
    if not 0 <= pictures <= 10:
        raise pytest.UsageError(f"pytest-vmaf: --vmaf-pictures={pictures}; it is a number from 0 to 10.")
    return ReportOptions(html=paths["html"], assets=assets, json=paths["json"], pictures=pictures)
