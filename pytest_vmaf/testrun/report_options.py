"""Options for reports and histories: which files a run writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest


class ReportOptions(NamedTuple):
    """Which reports are written.

    Attributes:
        html: The absolute path of the HTML report.
        assets: Whether its style, script and pictures are files of their own.
        json: The absolute path of the report as data.
        pictures: How many worst frames of a failed measurement are shown. 0 if no report can show any.
        json_pictures: Whether the report as data has pictures, too.
        title: The heading of the report; "" for the default.
        history: The absolute path of the history that the run is appended to.
    """

    html: Path | None = None
    assets: bool = False
    json: Path | None = None
    pictures: int = 2
    json_pictures: bool = False
    title: str = ""
    history: Path | None = None

    @property
    def requested(self) -> bool:
        """Whether any report is written."""
        return self.html is not None or self.json is not None


def add_report_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """Add the options and ini values for reports and histories."""
    group.addoption("--vmaf-html", metavar="PATH", help="write an HTML report")
    group.addoption(
        "--vmaf-html-assets",
        action="store_true",
        help="write style, script and pictures of the HTML report to a folder next to it, for strict content policies",
    )
    group.addoption("--vmaf-json", metavar="PATH", help="write the report as data; pytest-vmaf report merges several")
    group.addoption(
        "--vmaf-json-pictures",
        action="store_true",
        help="put the pictures into the report as data, too, so that a merged report can show them",
    )
    title_help = "heading of the report, for example 'Encoder nightly' (default: VMAF report)"
    group.addoption("--vmaf-report-title", metavar="TITLE", help=title_help)
    parser.addini("vmaf_report_title", title_help, type="string", default=None)
    group.addoption(
        "--vmaf-pictures",
        type=int,
        default=2,
        metavar="N",
        help="number of worst frames shown for each failed measurement in a report (default 2, at most 10)",
    )
    history_help = "append what was measured to this file (JSON Lines), for pytest-vmaf history"
    group.addoption("--vmaf-history", metavar="PATH", default=None, help=f"{history_help}; '' for none")
    parser.addini("vmaf_history", history_help, type="string", default=None)


def report_options(config: pytest.Config) -> ReportOptions:
    """Read the options for reports and histories, with absolute paths. Raises pytest.UsageError."""
    html, json = (_path(config, f"--vmaf-{name}", config.getoption(f"vmaf_{name}")) for name in ("html", "json"))
    assets, pictures = config.getoption("vmaf_html_assets"), config.getoption("vmaf_pictures")
    json_pictures = config.getoption("vmaf_json_pictures")
    title = config.getoption("vmaf_report_title") or config.getini("vmaf_report_title") or ""
    history = _history(config)
    if history is not None and history.resolve() in [path.resolve() for path in (html, json) if path]:
        raise usage_error("--vmaf-history must be another file than the reports")
    if assets and html is None:
        raise usage_error("--vmaf-html-assets requires --vmaf-html=PATH")
    if json_pictures and json is None:
        raise usage_error("--vmaf-json-pictures requires --vmaf-json=PATH")
    if html is not None and json is not None and html.resolve() == json.resolve():
        raise usage_error("--vmaf-html and --vmaf-json must be different files")
    if not 0 <= pictures <= 10:
        raise usage_error(f"--vmaf-pictures must be a number from 0 to 10, not {pictures}")
    # Pictures take time. Without a page, only the report as data can have them.
    frames = pictures if html is not None or json_pictures else 0
    return ReportOptions(html, assets, json, frames, json_pictures, title, history)


def _path(config: pytest.Config, flag: str, name: str | None, base: Path | None = None) -> Path | None:
    if not name:
        return None
    path = (base or config.invocation_params.dir) / os.path.expanduser(name)
    if path.is_dir():
        raise usage_error(f"{flag} must be the name of a file, and {name} is a folder")
    return path


def _history(config: pytest.Config) -> Path | None:
    """The history of the command line, or that of the ini file, whose path is relative to that file."""
    name, base = config.getoption("vmaf_history"), config.invocation_params.dir
    if name is None:
        name = config.getini("vmaf_history")
        base = config.inipath.parent if config.inipath else base
    return _path(config, "--vmaf-history", name, base)


def usage_error(text: str) -> pytest.UsageError:
    """A usage error of this plugin."""
    return pytest.UsageError(f"pytest-vmaf: {text}.")
