"""Fixtures of the report tests: a headless Chromium, and a JPEG."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from report.browsing import PageActivity, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SOURCE = "testsrc2=s=320x180,scale=out_range=pc,format=yuvj420p"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium for all tests of the report; nothing else can run an asyncio loop while it lives."""
    pytest.importorskip("playwright.sync_api", reason="pip install playwright to run this")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        given = os.environ.get("PYTEST_VMAF_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
        executable = given or playwright.chromium.executable_path
        if not Path(executable).is_file():
            pytest.skip(
                "there is no Chromium; install one (Debian: apt install chromium; anywhere: playwright install "
                "chromium), or set PYTEST_VMAF_CHROMIUM to one, to run this"
            )
        launched = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def context(browser: Browser) -> Callable[..., BrowserContext]:
    """context(scheme, scripts): a cached profile of the browser, because a new one takes longer than a page."""

    @cache
    def made(scheme: Any, scripts: bool) -> BrowserContext:
        new = browser.new_context(color_scheme=scheme, java_script_enabled=scripts)
        new.set_default_timeout(10_000)
        return new

    return made


@pytest.fixture
def visit(context: Callable[..., BrowserContext]) -> Iterator[Visit]:
    """visit(path or address, scheme="light", scripts=True, width=1200): a new page and its activity."""
    pages = []

    def opened(
        place: Path | str, scheme: str = "light", *, scripts: bool = True, width: int = 1200
    ) -> tuple[Page, PageActivity]:
        page, seen = context(scheme, scripts).new_page(), PageActivity()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": 900})
        # All console messages count, not only errors.
        page.on("console", lambda message: seen.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("dialog", seen.dismiss)
        page.goto(place.as_uri() if isinstance(place, Path) else place)
        return page, seen

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def jpeg(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A picture of 320x180 pixels that a browser can show, as base64."""
    path = make("-f", "lavfi", "-i", SOURCE, "-frames:v", 1, tmp_path_factory.mktemp("jpeg") / "a.jpg")
    return base64.b64encode(path.read_bytes()).decode()
