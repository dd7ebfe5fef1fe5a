"""What build servers and other report plugins get: JUnit properties, GitHub's step summary and annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def junit_properties(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Headline numbers of one test's measurements."""
    return []


def markdown(document: Mapping[str, Any]) -> str:
    """The document as Markdown."""
    return ""


def step_summary(path: Path, document: Mapping[str, Any]) -> None:
    """Append the Markdown."""


def annotations(document: Mapping[str, Any], rootdir: Path) -> list[str]:
    """Workflow commands."""
    return []


def to_pytest_html(config: Any, report: Any, records: Sequence[Mapping[str, Any]], html_path: Path | None) -> None:
    """Extras for pytest-html."""


def to_allure(config: Any, records: Sequence[Mapping[str, Any]]) -> None:
    """An attachment for Allure."""
