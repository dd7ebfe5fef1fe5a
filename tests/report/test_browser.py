"""The report in a real browser: requests, policies, escaping, scripts, keyboard, print and accessibility."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from pytest_vmaf.report import document as documents
from pytest_vmaf.report.html import write_html
from report.browsing import JENKINS, Visit, axe_violations, width_of
from report.builders import PICTURE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.slow

IMAGE, SCRIPT, STYLE = "<img src=x onerror=alert(1)>", "\"'><script>alert(1)</script>", "</style><h1>x</h1></title>"
REVERSED, LONG = "a\u202eb", "n" * 300
HOSTILE = (IMAGE, SCRIPT, STYLE, REVERSED, LONG)

SUITE = """
import pytest
from names import *
from pytest_vmaf import FakeScorer

def scorer(neg, gap):
    frames = [neg + frame * 7 % 5 for frame in range(24)]
    features = {"psnr_y": frames[::-1], "psnr_cb": 40.0, "psnr_cr": 40.0}
    return FakeScorer(vmaf=[value + gap for value in frames], neg=frames, features=features)

GOOD, SHARP = scorer(92, 1.5), scorer(94, 8.25)

def test_passes(vmaf):
    vmaf.check("ref.mkv", "good.mp4", scorer=GOOD, min_neg=60)

def test_fails(vmaf):
    vmaf.check("ref.mkv", "sharp.mp4", scorer=SHARP, min_neg=99, features=["psnr"], min_psnr_y=99)

def test_is_not_measured(vmaf):
    vmaf.check(IMAGE + ".mkv", "out.mp4", min_neg=93)

def test_is_skipped(vmaf):
    pytest.skip(SCRIPT)

@pytest.mark.xfail
def test_fails_as_expected(vmaf):
    vmaf.check("ref.mkv", "good.mp4", scorer=GOOD, min_neg=99.5)

@pytest.mark.flaky(reruns=1)
def test_runs_again(vmaf, request):
    again = request.node.execution_count > 1
    vmaf.check("ref.mkv", "good.mp4", scorer=GOOD, min_neg=60 if again else 99.5)

@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="this pytest has no subtests")
def test_has_subtests(vmaf, request):
    subtests = request.getfixturevalue("subtests")
    for name in (IMAGE, "rung"):
        with subtests.test(name):
            vmaf.check("ref.mkv", "good.mp4", scorer=GOOD, min_neg=99 if name == IMAGE else 60)

@pytest.mark.parametrize("name", HOSTILE, ids=HOSTILE)
def test_named(vmaf, name):
    vmaf.check("ref.mkv", "fake.mp4", scorer=FakeScorer())
    assert name == REVERSED, name

@pytest.mark.parametrize("frames", [1, 30, 5001])
def test_long(vmaf, frames):
    # Of 5001 frames the last bucket is not full.
    series = [95 + frame % 7 / 10 for frame in range(frames)]
    vmaf.check("ref.mkv", "fake.mp4", scorer=FakeScorer(vmaf=series, neg=[value - 1.5 for value in series]))
"""
HOOKS = """
from names import *
from pytest_vmaf import Chart, DataTable, Line, Paragraph, Section

def pytest_vmaf_test_sections(item, measurements):
    if item.name == "test_passes":
        lines = [Line(name, [(1, 90 + i), (2, 93 + i)], marked=[1]) for i, name in enumerate(HOSTILE)]
        chart = Chart(IMAGE, "NEG", lines, levels=[(STYLE, 92)], caption=SCRIPT)
        return [Section(IMAGE, [Paragraph(STYLE), DataTable([SCRIPT, "b"], [[IMAGE, LONG]], caption=STYLE), chart])]

def pytest_vmaf_run_sections(config, document):
    return [Section(STYLE, [Paragraph(IMAGE)])]
"""
# A test id escapes what is not ASCII, unless this is set.
SETTINGS = "[pytest]\ndisable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n"


@dataclass(frozen=True)
class Report:
    """A report in both forms, and the document that they show."""

    document: dict[str, Any]
    file: Path
    assets: Path

    def test(self, name: str) -> dict[str, Any]:
        """The record of one test."""
        return next(test for test in self.document["tests"] if test["id"].endswith(f"::{name}"))


@pytest.fixture(scope="module")
def report(browser: Browser, jpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of one pytest run that has every outcome, pictures, sections, and names that want to be markup."""
    folder = tmp_path_factory.mktemp("report")
    names = {"IMAGE": IMAGE, "SCRIPT": SCRIPT, "STYLE": STYLE, "REVERSED": REVERSED, "LONG": LONG, "HOSTILE": HOSTILE}
    (folder / "names.py").write_text("".join(f"{name} = {value!a}\n" for name, value in names.items()))
    (folder / "conftest.py").write_text(HOOKS)
    (folder / "test_hostile.py").write_text(SUITE)
    (folder / "pytest.ini").write_text(SETTINGS)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--vmaf-json=report.json"]
    # On a build server this run is not the one whose summary is wanted.
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    end = subprocess.run(argv, cwd=folder, env=outside, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert end.returncode == pytest.ExitCode.TESTS_FAILED, end.stdout + end.stderr
    document = documents.read(folder / "report.json")
    # The scores are invented, so there are no pictures of frames.
    [fails] = [test for test in document["tests"] if test["id"].endswith("::test_fails")]
    jpegs = dict.fromkeys(("reference", "distorted", "difference"), jpeg)
    fails["measurements"][0]["pictures"] = [{**PICTURE, **jpegs, "frame": frame} for frame in (3, 12)]
    write_html(folder / "file" / "report.html", document)
    write_html(folder / "assets" / "a report.html", document, assets=True)
    return Report(document, folder / "file" / "report.html", folder / "assets" / "a report.html")


class _AsJenkins(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def jenkins(report: Report) -> Iterator[str]:
    """The address of the report with assets on a server that sends Jenkins' policy."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_AsJenkins, directory=str(report.assets.parent)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/{quote(report.assets.name)}"
    server.shutdown()
    server.server_close()
    thread.join()


READING = re.compile(r"frame (\d+)(?: \(([\d:.]+)\))?.*, default ([\d.-]+), NEG ([\d.-]+)(?:, gap ([\d.-]+))?")
#: What Chromium says of the script under Jenkins' policy; the sandbox and the list of sources each refuse it.
SCRIPT_REFUSED = re.compile(r"Blocked script execution in|Loading the script|Refused to (load|execute) the script")


def details(page: Page, name: str) -> Locator:
    """A test's entry in the page."""
    name_of = page.locator("> summary .what > bdi", has_text=re.compile(f"^{re.escape(name)}$"))
    return page.locator(".details > details").filter(has=name_of)


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def visible_rows(page: Page) -> int:
    return page.locator(".details > details:visible").count()


def in_view(page: Page, name: str, number: int = 0) -> Locator:
    """A chart of a test, prepared by the script, which does it when the chart comes into view."""
    entry = details(page, name)
    if entry.get_attribute("open") is None:
        entry.locator("> summary").click()
    chart = entry.locator("svg.series").nth(number)
    chart.scroll_into_view_if_needed()
    chart.and_(page.locator("[tabindex]")).wait_for()
    return chart


def output(chart: Locator) -> str:
    return chart.locator("+ output").inner_text()


def ends(chart: Locator) -> list[str]:
    return chart.locator("> text").all_text_contents()[-2:]


def view_box(chart: Locator) -> list[float]:
    return [float(number) for number in str(chart.locator("> svg").get_attribute("viewBox")).split()]


def read(chart: Locator) -> tuple[int, float, float, float | None]:
    """Frame, default, NEG and gap as the chart says them."""
    found = READING.fullmatch(output(chart))
    assert found, output(chart)
    frame, _, vmaf, neg, gap = found.groups()
    return int(frame), float(vmaf), float(neg), None if gap is None else float(gap)


# ---------------------------------------------------------------- requests, policies, and names


@pytest.mark.parametrize(("form", "scheme"), [("file", "light"), ("assets", "dark")])
def test_whole_page(visit: Visit, report: Report, form: str, scheme: str) -> None:
    place: Path = getattr(report, form)
    page, seen = visit(place, scheme)
    unfold(page)
    in_view(page, "test_fails")
    assert (seen.console, seen.errors, seen.dialogs) == ([], [], [])
    assert page.locator("img").count() == 6
    requests = {url for url in seen.requests if not url.startswith("data:") and url != place.as_uri()}
    if form == "file":
        assert requests == set()
    else:
        folder = place.with_name("a report_assets").as_uri() + "/"
        assert [url for url in requests if not url.startswith(folder)] == []
        assert {url.removeprefix(folder).partition("-")[0] for url in requests} >= {"style", "script", "frame"}
    # Names that want to be markup run nothing, and are text.
    assert page.locator("img[src=x], [onerror]").count() == 0
    assert page.locator("script").count() == 1
    assert page.locator("h1").count() == 1
    assert page.locator("title:not(svg title)").count() == 1
    assert page.locator("style").count() == (1 if form == "file" else 0)
    names = page.locator(".details > details > summary .what > bdi").all_inner_texts()
    messages = page.locator("details.failed pre.message").evaluate_all(
        "all => all.map(each => each.textContent).join('')"
    )
    for name in (IMAGE, SCRIPT, STYLE, LONG):
        assert f"test_named[{name}]" in names
        assert name in messages
    assert "test_named[a\\u202eb]" in names
    assert REVERSED not in page.content()
    entry = details(page, "test_passes")
    assert entry.locator("h4").inner_text() == IMAGE
    assert entry.locator("caption").inner_text() == STYLE
    assert SCRIPT in entry.locator("figure:has(.xy) figcaption").inner_text()
    assert entry.locator("polyline.xy").count() == len(HOSTILE)


def test_policy(visit: Visit, report: Report) -> None:
    page, seen = visit(report.file)
    assert page.locator("meta[http-equiv=Content-Security-Policy]").count() == 1
    assert "on" in str(page.locator("html").get_attribute("class"))
    assert page.locator("body").evaluate("body => getComputedStyle(body).maxWidth") != "none"
    assert seen.console == []
    add = "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    page.evaluate(add)
    assert page.evaluate("window.ran") is None


# ---------------------------------------------------------------- without scripts


def test_no_scripts(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file, scripts=False)
    assert "failed" in page.locator(".verdict").inner_text()
    assert visible_rows(page) == len(report.document["tests"])
    entry = details(page, "test_fails")
    for line in ("neg", "vmaf"):
        box = entry.locator(f"svg.series path.{line}").first.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 20
    pictures = entry.locator("img:visible")
    assert pictures.count() == 6
    assert all(box is not None and box["width"] > 100 for box in (each.bounding_box() for each in pictures.all()))
    # What needs the script is not shown.
    assert page.locator("#search, .divider, .sl").count() > 2
    assert page.locator("#search:visible, .divider:visible, .sl:visible").count() == 0


def test_no_scripts_keyboard(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file, scripts=False)
    entry = details(page, "test_passes")
    table = entry.locator("details").filter(has_text="lowest NEG").first
    assert not table.locator("table").is_visible()
    for summary in (entry.locator("> summary"), table.locator("> summary")):
        summary.focus()
        page.keyboard.press("Enter")
    assert table.locator("td").first.is_visible()
    entry.locator("> summary").focus()
    page.keyboard.press("Space")
    assert not table.locator("table").is_visible()
    # The actual size.
    views = details(page, "test_fails").locator(".views").first
    views.locator("input.zoom").focus()
    page.keyboard.press("Space")
    box = views.locator("img").first.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (320, 180)
    # One of the three pictures.
    views.locator("input.pair").focus()
    shown = {}
    for view in ("ref", "dis", "dif"):
        page.keyboard.press("ArrowRight")
        assert views.locator(f"input.{view}").is_checked()
        shown[view] = [each.get_attribute("class") for each in views.locator("figure:visible").all()]
    assert shown == {"ref": ["ref"], "dis": ["dis"], "dif": ["dif"]}
    # Tests of one outcome.
    page.locator("#show-all").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#show-error").is_checked()
    errors = [test for test in report.document["tests"] if test["status"] == "error"]
    assert visible_rows(page) == len(errors)
    assert "test_is_not_measured" in page.locator(".details > details:visible").first.inner_text()


# ---------------------------------------------------------------- with the script


def test_search_and_link(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file)
    everything = visible_rows(page)
    page.locator("#search").fill("FAKE.mp4 long")
    assert visible_rows(page) == 3
    page.locator("#search").fill("")
    assert visible_rows(page) == everything
    entry = details(page, "test_passes")
    assert not entry.locator("> div").is_visible()
    number = entry.locator("> div").get_attribute("id")
    page.evaluate("name => location.hash = name", number)
    entry.locator("> div").wait_for(state="visible")
    top = entry.locator("> summary").evaluate("each => each.getBoundingClientRect().top")
    assert 0 <= top < 900


def test_invalid_fragment(visit: Visit, report: Report) -> None:
    page, seen = visit(report.file.as_uri() + "#%E0%A4%A")
    for fragment in ("#%", "#nothing"):
        page.evaluate("fragment => location.hash = fragment", fragment)
    in_view(page, "test_fails")
    assert seen.errors == []


def test_slider(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file)
    views = details(page, "test_fails").locator(".views").first
    views.locator("input.sl").check()
    distorted = views.locator("figure.dis")

    def cut() -> str:
        return str(distorted.evaluate("each => getComputedStyle(each).clipPath"))

    before = cut()
    assert "50%" in before
    views.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert "51%" in cut()
    reference, over = views.locator("figure.ref img").bounding_box(), distorted.locator("img").bounding_box()
    assert reference == over


def test_charts(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file)
    chart, worst = in_view(page, "test_fails"), series(report, "test_fails")

    def values(frame: int) -> object:
        return pytest.approx((frame, worst["vmaf"][frame], worst["neg"][frame], worst["gap"][frame]), abs=0.11)

    # The arrow keys.
    chart.focus()
    for frame in range(3):
        page.keyboard.press("ArrowRight")
        assert read(chart) == values(frame)
    page.keyboard.press("ArrowLeft")
    assert read(chart)[0] == 1
    assert "(0:00.040)" in output(chart)
    # The pointer.
    box = chart.locator("rect.plot").bounding_box()
    assert box is not None
    last = len(worst["neg"]) - 1
    for frame in (0, 7, last, 12):
        page.mouse.move(box["x"] + box["width"] * frame / last, box["y"] + box["height"] / 2)
        assert read(chart) == values(frame)
    # Zoom, around the frame under the pointer, and back.
    whole, labels = view_box(chart), ends(chart)
    page.keyboard.press("+")
    start, _, width, _ = view_box(chart)
    assert width == pytest.approx(whole[2] / 2)
    assert ends(chart) != labels
    for frame in (10, 15):
        page.mouse.move(box["x"] + box["width"] * (frame - start) / width, box["y"] + box["height"] / 2)
        assert read(chart) == values(frame)
    page.keyboard.press("-")
    assert (view_box(chart), ends(chart)) == (whole, labels)
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.keyboard.press("0")
    assert (view_box(chart), ends(chart)) == (whole, labels)
    # The chart of another metric, which has a gate.
    chart = in_view(page, "test_fails", 1)
    chart.focus()
    page.keyboard.press("ArrowRight")
    assert float(output(chart).rpartition(" ")[2]) == pytest.approx(worst["psnr_y"][0], abs=0.051)


def test_charts_of_short_and_long_clips(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file)
    for name, last in (("test_long[1]", 0), ("test_long[5001]", 5000)):
        chart = in_view(page, name)
        labels = ends(chart)
        chart.focus()
        page.keyboard.press("+")
        page.keyboard.press("0")
        assert ends(chart) == labels
        page.keyboard.press("ArrowRight")
        if last:
            # A point is several frames.
            low, high = map(int, re.findall(r"frame (\d+)", output(chart)))
            assert low == 0
            assert high > 1
            # The worst default and the worst NEG of these need not be of one frame; what counts is the largest gap.
            assert "default" not in output(chart)
            assert output(chart).endswith("NEG 93.5, gap up to 1.5")
        press = "new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true, cancelable: true})"
        chart.evaluate(f"each => {{ for (let i = 0; i < 110; i++) each.dispatchEvent({press}) }}")
        assert max(map(int, re.findall(r"frame (\d+)", output(chart)))) == last


# ---------------------------------------------------------------- on a server with Jenkins' policy


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_jenkins(visit: Visit, jenkins: str, scheme: str) -> None:
    page, seen = visit(jenkins, scheme)
    assert seen.console
    assert [said for said in seen.console if not SCRIPT_REFUSED.search(said)] == []
    assert page.locator(".details > details").count() > 10
    body = page.locator("body").evaluate("each => getComputedStyle(each).backgroundColor")
    assert body == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    entry = details(page, "test_fails")
    found = {}
    for name in ("neg", "vmaf", "bad"):
        path = entry.locator(f"svg.series path.{name}").first
        found[name] = path.evaluate("each => getComputedStyle(each).stroke")
    gap = entry.locator("svg.series path.vmaf").first.evaluate("each => getComputedStyle(each).fill")
    assert len({*found.values(), gap}) == 4
    assert not {"none", "rgb(0, 0, 0)"} & {*found.values(), gap}
    pictures = page.locator("img").evaluate_all("all => all.map(each => [each.complete, each.naturalWidth])")
    assert pictures == [[True, 320]] * 6
    views = entry.locator(".views").first
    views.locator("input.dif").check(force=True)
    assert views.locator("figure.dif").is_visible()
    assert not views.locator("figure.ref").is_visible()


# ---------------------------------------------------------------- paper, phones, assistive technology


def test_print(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file)
    page.emulate_media(media="print")
    entry = details(page, "test_fails")
    assert entry.locator(".gates").first.is_visible()
    assert entry.locator("svg.series").first.is_visible()
    assert entry.locator("img:visible").count() == 6
    assert page.locator("label:visible, input:visible").count() == 0
    page.set_viewport_size({"width": 720, "height": 900})
    assert width_of(page) <= 720
    assert page.pdf().startswith(b"%PDF-")


def test_phone(visit: Visit, report: Report) -> None:
    page, _ = visit(report.file, width=390)
    choices = page.locator("input + label:visible")
    assert choices.count() > 10
    for box in choices.evaluate_all("all => all.map(each => each.getBoundingClientRect())"):
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
        # One line, and no smaller than a finger can hit.
        assert 24 <= box["height"] < 40
    unfold(page)
    in_view(page, "test_fails").focus()
    page.keyboard.press("ArrowRight")
    for width in (320, 390, 768, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        assert width_of(page) <= width


@pytest.mark.parametrize(("form", "scheme", "width"), [("file", "dark", 390), ("assets", "light", 1200)])
def test_axe(visit: Visit, report: Report, form: str, scheme: str, width: int) -> None:
    page, _ = visit(getattr(report, form), scheme, width=width)
    in_view(page, "test_fails").focus()
    page.keyboard.press("ArrowRight")
    # One entry of each kind. axe takes as long as the page.
    for name in ("test_passes", "test_is_not_measured", "test_has_subtests"):
        details(page, name).evaluate("each => each.open = true")
    opened = "/^test_(fails|passes|is_not_measured|has_subtests|named)/"
    page.evaluate(
        "document.querySelectorAll('.details > details').forEach("
        f"each => {opened}.test(each.querySelector('summary bdi').textContent) || (each.open = false))"
    )
    assert axe_violations(page) == []


def series(report: Report, name: str) -> dict[str, Any]:
    """The series of a test's only measurement."""
    [measurement] = report.test(name)["measurements"]
    worst = measurement["series"]["worst"]
    assert isinstance(worst, dict)
    return worst
