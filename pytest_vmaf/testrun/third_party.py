"""Measurements for the reports of others: JUnit XML properties, pytest-html and Allure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pytest_vmaf.report.wording import cut, decimal, describe_failure, headlines, margin_of
from pytest_vmaf.text import plural

#: Measurements of one test that are listed. A test with a loop may have thousands.
MOST_MEASUREMENTS = 20


def junit_properties(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The headline numbers of one test's measurements, as names and texts that XML can contain."""
    properties: list[tuple[str, str]] = []
    for number, record in enumerate(records[:MOST_MEASUREMENTS], 1):
        prefix = f"vmaf.{number}." if len(records) > 1 else "vmaf."
        provenance = record.get("provenance") or {}
        failed = [gate for gate in record["gates"] if record.get("would_fail") and not gate["passed"]]
        models = [str(provenance[key]) for key in ("model", "neg_model") if provenance.get(key)]
        values = {
            "status": "would fail" if record.get("would_fail") else record["status"],
            "neg": decimal(record.get("neg"), 4),
            "default": decimal(record.get("vmaf"), 4),
            "gap": decimal(record.get("gap"), 4),
            "above_100": decimal(record.get("above_100"), 0),
            "margin": margin_of(record),
            "would_fail": "; ".join(describe_failure(gate) for gate in failed),
            "reference": record["reference"],
            "distorted": record["distorted"],
            "model": " / ".join(models),
        }
        properties += [(f"{prefix}{name}", cut(value, 1000)) for name, value in values.items() if value]
    if (more := len(records) - MOST_MEASUREMENTS) > 0:
        properties.append(("vmaf.left_out", f"{plural(more, 'more measurement')}; --vmaf-json contains all of them"))
    return properties


def to_pytest_html(
    config: pytest.Config, report: pytest.TestReport, records: Sequence[Mapping[str, Any]], html_path: Path | None
) -> None:
    """Add the numbers and a link to the report to pytest-html's page, if that page is written."""
    page = config.getoption("htmlpath", None)
    if not (records and page and config.pluginmanager.hasplugin("html")) or not _has_asset_name(report.nodeid):
        return
    text = "\n".join(headlines(records, MOST_MEASUREMENTS))
    # These extras have the form of pytest_html.extras. A text extra would be a link: to a file whose name may be too
    # long, or in a self-contained page to a data URL, which browsers do not open.
    extras = [_extra("html", f"<pre>{escape(text)}</pre>")]
    if html_path is not None:
        folder = (config.invocation_params.dir / Path(os.path.expandvars(page)).expanduser()).parent
        extras.append(_extra("url", _link(html_path, folder), "VMAF report"))
    report.extras = [*getattr(report, "extras", []), *extras]  # type: ignore[attr-defined]


def to_allure(config: pytest.Config, records: Sequence[Mapping[str, Any]], html_path: Path | None) -> None:
    """Attach the numbers and a link to the report to the running test, if allure-pytest writes results."""
    if not records or not config.pluginmanager.hasplugin("allure_listener"):
        return
    import allure

    text = "\n".join(headlines(records, MOST_MEASUREMENTS))
    allure.attach(text, name="VMAF", attachment_type=allure.attachment_type.TEXT)
    if html_path is not None:
        allure.dynamic.link(html_path.absolute().as_uri(), name="VMAF report")  # type: ignore[no-untyped-call]


def _extra(kind: str, content: str, name: str | None = None) -> dict[str, str | None]:
    return {"name": name, "format_type": kind, "content": content, "mime_type": None, "extension": None}


def _has_asset_name(test_id: str) -> bool:
    """Whether pytest-html can make a file name of a test id. A backslash that escapes nothing makes it fail."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            test_id.encode("utf-8").decode("unicode_escape")
    except (UnicodeError, Warning):
        return False
    return True


def _link(target: Path, folder: Path) -> str:
    """The URL of a file, relative to a page in a folder."""
    try:
        return quote(Path(os.path.relpath(target, folder)).as_posix().encode("utf-8", "surrogateescape"))
    except ValueError:
        # The file is on another drive.
        return target.as_uri()
