"""Measurements in the reports of others: JUnit XML, GitHub Actions, pytest-html and Allure."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Run = Callable[..., pytest.RunResult]

#: Plugins that other runs do without.
HTML_PLUGINS = ("-p", "metadata", "-p", "html", "-p", "html_fixtures")
ALLURE_PLUGIN = ("-p", "allure_pytest")


@pytest.fixture
def tests(pytester: pytest.Pytester) -> None:
    """One test that holds its gate and one that does not; nothing is measured."""
    pytester.makepyfile(
        test_gates="""
        from pytest_vmaf import FakeScorer

        def test_good(vmaf):
            vmaf.check("a.mkv", "good.mkv", scorer=FakeScorer(vmaf=96, neg=95), min_neg=93)

        def test_bad(vmaf):
            vmaf.check("a.mkv", "bad.mkv", scorer=FakeScorer(vmaf=95, neg=90), min_neg=93, max_gap=None)
        """
    )


def properties(path: Path) -> dict[str, dict[str, str]]:
    """The properties of each test in a JUnit XML file; a name that is there twice is an error."""
    tests: dict[str, dict[str, str]] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        pairs = [(each.get("name", ""), each.get("value", "")) for each in case.iter("property")]
        assert len(dict(pairs)) == len(pairs), pairs
        tests[case.get("name", "")] = dict(pairs)
    return tests


def test_junit(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_vmaf import FakeScorer

        def test_one(vmaf, record_property):
            record_property("encoder", "x264")
            vmaf.check("a.mkv", "b.mkv", scorer=FakeScorer(vmaf=95, neg=90), min_neg=93, max_gap=None)

        def test_two(vmaf):
            vmaf.score("a.mkv", "b.mkv", scorer=FakeScorer(neg=91))
            vmaf.score("a.mkv", "c.mkv", scorer=FakeScorer(neg=92))

        def test_other(record_property):
            record_property("encoder", "x265")
        """
    )
    # pytest warns about every use of record_property under its default form of the file.
    run("--junitxml=junit.xml", "-Wignore:record_property").assert_outcomes(passed=2, failed=1)
    found = properties(pytester.path / "junit.xml")
    one = found["test_one"]
    assert one["encoder"] == "x264"
    assert (one["vmaf.status"], one["vmaf.neg"], one["vmaf.default"]) == ("failed", "90.0000", "95.0000")
    assert (one["vmaf.gap"], one["vmaf.margin"]) == ("5.0000", "-3.00 min_neg")
    assert (one["vmaf.reference"], one["vmaf.distorted"]) == ("a.mkv", "b.mkv")
    two = found["test_two"]
    assert (two["vmaf.1.neg"], two["vmaf.2.neg"], two["vmaf.2.distorted"]) == ("91.0000", "92.0000", "c.mkv")
    assert found["test_other"] == {"encoder": "x265"}


def test_github(run_as_job: Run, tests: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = pytester.path / "summary.md"
    summary.write_text("what an earlier command wrote", "utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    result = run_as_job()
    result.assert_outcomes(passed=1, failed=1)
    errors = [line for line in result.outlines if line.startswith("::")]
    file = f"{pytester.path.name}/test_gates.py"
    assert len(errors) == 1
    assert errors[0].startswith(
        f"::error file={file},line=6,title=VMAF%3A test_bad failed::pytest_vmaf.GateViolation: "
    )
    assert errors[0].endswith("%0Abad.mkv: NEG 90.00, VMAF 95.00, gap 5.00, 0 frames above 100; "
                              "smallest margin -3.00 min_neg")  # fmt: skip
    written = summary.read_text("utf-8")
    assert written.startswith("what an earlier command wrote\n## ✘ VMAF: 1 of 2 tests failed\n")
    bad, good = (line for line in written.splitlines() if line.startswith("| ") and ".mkv" in line)
    assert "✘ failed" in bad
    assert "| 90.00 | 95.00 | 5.00 |" in bad
    assert "✔ passed" in good


def test_not_on_github(
    run_as_job: Run, tests: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    result = run_as_job()
    result.stdout.no_fnmatch_line("::*")
    assert not (pytester.path / "summary.md").exists()


def test_summary_that_cannot_be_written(
    run_as_job: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        from pytest_vmaf import FakeScorer

        def test_good(vmaf):
            vmaf.check("a.mkv", "b.mkv", scorer=FakeScorer(vmaf=96, neg=95), min_neg=93)
        """
    )
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "missing" / "summary.md"))
    result = run_as_job()
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["vmaf: the step summary could not be written to *: No such file or directory*"])


@pytest.mark.parametrize("how", ["assets", "contained", pytest.param("xdist", marks=pytest.mark.slow)])
def test_pytest_html(run: Run, run_xdist: Run, tests: None, pytester: pytest.Pytester, how: str) -> None:
    pytest.importorskip("pytest_html", reason="pip install pytest-html to test what its page shows")
    arguments = ["--html=pages/all.html", *(["--self-contained-html"] if how == "contained" else [])]
    if how == "xdist":
        arguments.append("-n1")
    start = run_xdist if how == "xdist" else run
    start(*HTML_PLUGINS, *arguments, "--vmaf-html=vmaf/the report.html").assert_outcomes(passed=1, failed=1)
    rows = html_rows(pytester.path / "pages" / "all.html")
    [bad] = rows["test_gates.py::test_bad"]
    assert bad["extras"][0]["content"] == (
        "<pre>bad.mkv: NEG 90.00, VMAF 95.00, gap 5.00, 0 frames above 100; smallest margin -3.00 min_neg</pre>"
    )
    assert any('href="../vmaf/the%20report.html" class="col-links__extra url">VMAF report<' in c for c in cells(bad))
    assert "NEG 95.00" in rows["test_gates.py::test_good"][0]["extras"][0]["content"]


def test_ids_that_pytest_html_refuses(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_html", reason="pip install pytest-html to test what its page shows")
    pytester.makepyfile(
        """
        import pytest
        from pytest_vmaf import FakeScorer

        @pytest.mark.parametrize("clip", ["x" * 300, "é" * 300, "C:\\\\new\\\\Users", "[|</td><script>]"])
        def test_good(vmaf, clip):
            vmaf.check("a.mkv", "b.mkv", scorer=FakeScorer(vmaf=96, neg=95), min_neg=93)
        """
    )
    run(*HTML_PLUGINS, "--html=all.html").assert_outcomes(passed=4)


def html_rows(page: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of pytest-html's page, by test id."""
    blob = page.read_text("utf-8").partition('data-jsonblob="')[2].partition('"')[0]
    rows: dict[str, list[dict[str, Any]]] = json.loads(unescape(blob))["tests"]
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """The cells of one row."""
    return [str(cell) for cell in row["resultsTableRow"]]


def test_allure(run: Run, tests: None, pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="pip install allure-pytest to test what Allure gets")
    run(*ALLURE_PLUGIN, "--alluredir=allure", "--vmaf-html=r.html").assert_outcomes(passed=1, failed=1)
    assert allure_texts(pytester.path / "allure") == {
        "test_good": [
            ["good.mkv: NEG 95.00, VMAF 96.00, gap 1.00, 0 frames above 100; smallest margin +2.00 min_neg"],
        ],
        "test_bad": [["bad.mkv: NEG 90.00, VMAF 95.00, gap 5.00, 0 frames above 100; smallest margin -3.00 min_neg"]],
    }
    results = [json.loads(path.read_text()) for path in (pytester.path / "allure").glob("*-result.json")]
    link = {"type": "link", "url": (pytester.path / "r.html").as_uri(), "name": "VMAF report"}
    assert [result["links"] for result in results] == [[link]] * 2


@pytest.mark.slow
def test_allure_under_xdist(run_xdist: Run, tests: None, pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="pip install allure-pytest to test what Allure gets")
    run_xdist("-n1", *ALLURE_PLUGIN, "--alluredir=allure").assert_outcomes(passed=1, failed=1)
    assert set(allure_texts(pytester.path / "allure")) == {"test_good", "test_bad"}


def test_allure_with_reruns(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="pip install allure-pytest to test what Allure gets")
    pytest.importorskip("pytest_rerunfailures", reason="pip install pytest-rerunfailures to test re-runs")
    pytester.makepyfile(
        """
        from pathlib import Path
        from pytest_vmaf import FakeScorer

        def test_flaky(vmaf):
            neg = 94 if Path("ran").exists() else 91
            Path("ran").touch()
            vmaf.score("a.mkv", "b.mkv", scorer=FakeScorer(neg=neg), min_neg=93)
        """
    )
    result = run(*ALLURE_PLUGIN, "-p", "rerunfailures", "--alluredir=allure", "--reruns=1")
    assert result.parseoutcomes() == {"passed": 1, "rerun": 1}
    attempts = allure_texts(pytester.path / "allure")["test_flaky"]
    assert sorted(text[0].partition(",")[0] for text in attempts) == ["b.mkv: NEG 91.00", "b.mkv: NEG 94.00"]


def allure_texts(folder: Path) -> dict[str, list[list[str]]]:
    """The attached texts of each result, by the test's name."""
    texts: dict[str, list[list[str]]] = {}
    for path in folder.glob("*-result.json"):
        result = json.loads(path.read_text("utf-8"))
        ours = [each["source"] for each in result.get("attachments", ()) if each["name"] == "VMAF"]
        texts.setdefault(result["name"], []).append([(folder / source).read_text("utf-8") for source in ours])
    return texts
