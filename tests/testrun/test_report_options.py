"""The title of a report, what it says about its CI job, and pictures in the report as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testrun.conftest import Run
from testrun.test_build_server import GITHUB

JSON, HTML = "--vmaf-json=r.json", "--vmaf-html=r.html"
Report = Callable[[], dict[str, Any]]


@pytest.fixture
def suite(fake: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that passes, on no CI server."""
    pytester.makepyfile(test_it="from fake import fake\ndef test_a(vmaf): fake(vmaf, min_neg=90)\n")
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)


def heading(pytester: pytest.Pytester) -> str:
    return (pytester.path / "r.html").read_text().partition("<h1>")[2].partition("</h1>")[0]


def test_title(suite: None, run: Run, report: Report, pytester: pytest.Pytester) -> None:
    run(JSON, HTML)
    assert (heading(pytester), report()["runs"][0]["title"]) == ("VMAF report", "")
    pytester.makeini("[pytest]\nvmaf_report_title = Nightly <b>\n")
    run(JSON, HTML)
    assert (heading(pytester), report()["runs"][0]["title"]) == ("Nightly &lt;b&gt;", "Nightly <b>")
    run(JSON, HTML, "--vmaf-report-title=Release")
    assert heading(pytester) == "Release"


def test_build(
    suite: None, run: Run, report: Report, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(JSON)
    assert not {"branch", "commit", "build", "url"} & report()["runs"][0].keys()
    for name, value in {**GITHUB, "GITHUB_REF_NAME": "<i>", "GITHUB_SERVER_URL": "javascript:alert(1)//"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    run(JSON, HTML)
    assert report()["runs"][0]["build"] == "GitHub run 7"
    text = (pytester.path / "r.html").read_text()
    assert "<b><bdi>&lt;i&gt;</bdi></b> @ <code" in text
    # Only a link to http or https is one.
    assert "GitHub run 7" in text
    assert "javascript:" not in text
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    run(HTML)
    link = '<a href="https://github.com/we/encoder/actions/runs/99" rel="noopener noreferrer">GitHub run 7 ↗</a>'
    assert link in (pytester.path / "r.html").read_text()


def test_json_pictures_without_json(suite: None, run: Run) -> None:
    result = run("--vmaf-json-pictures")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--vmaf-json-pictures requires --vmaf-json=PATH*"])


@pytest.mark.slow
def test_json_pictures(real_clips: None, run: Run, report: Report, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="from clips import *\ndef test_a(vmaf): vmaf.check(REF, SHARP)\n")
    cache = "--vmaf-cache-dir=cache"
    run(cache, JSON, "--vmaf-json-pictures", HTML)
    [measurement] = report()["tests"][0]["measurements"]
    assert len(measurement["pictures"]) == 2
    assert {"thumbnail"} & measurement["pictures"][0].keys() == set()
    assert (measurement["thumbnail"]["width"], measurement["thumbnail"]["height"]) == (192, 128)
    assert report()["left_out"] == []
    page = (pytester.path / "r.html").read_text()
    # Two frames in three pictures, and the thumbnails of its row and of the verdict.
    assert page.count("data:image/jpeg;base64,/9j/") == 2 * 3 + 2 * 2
    run(cache, JSON, HTML)
    assert (pytester.path / "r.html").read_text().count("data:image/jpeg;base64,/9j/") == 10
    [measurement] = report()["tests"][0]["measurements"]
    assert not {"pictures", "thumbnail"} & measurement.keys()
    assert "without --vmaf-json-pictures" in report()["left_out"][0]
