"""Helpers of the browser tests: the activity of a page, its width, and axe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

Visit = Callable[..., tuple["Page", "PageActivity"]]

#: What Jenkins sends with every file that a build archived.
JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"


@dataclass
class PageActivity:
    """Console messages, errors, requests and dialogs of a page."""

    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Dialog) -> None:
        """Record a dialog and close it, because the page would wait."""
        self.dialogs.append(dialog.message)
        dialog.dismiss()


def width_of(page: Page) -> int:
    """The width of the page in CSS pixels."""
    found = page.evaluate("document.scrollingElement.scrollWidth")
    assert isinstance(found, int)
    return found


def axe_violations(page: Page, part: str | None = None) -> list[str]:
    """The serious violations that axe reports, of the page or of the parts that a selector matches."""
    import pytest

    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    # Without preloading, it does not ask for the style once more, which no page in a file may.
    options = {"resultTypes": ["violations"], "preload": False}
    found = axe.Axe().run(page, part, options).response["violations"]
    return [
        f"{each['id']}: {node['html']:.200} {node['failureSummary']:.300}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in ("serious", "critical")
    ]
