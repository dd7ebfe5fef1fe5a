"""What other reports show of a run: JUnit XML, GitHub Actions, pytest-html, Allure; each alone and under -n2."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Run = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def _no_build_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests may run on GitHub themselves, whose summary is not to be written to."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lean() -> None:
    """Here the children load what is installed: some of it is what these tests are about."""


@pytest.fixture(params=["alone", "xdist"])
def run(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Run:
    """Run pytest on what the pytester folder holds, in a process of its own, alone or under -n2."""

    def under(*arguments: str) -> pytest.RunResult:
        workers = ["-n2"] if request.param == "xdist" else ["-p", "no:xdist"]
        # Else it would take itself for one that a test starts, which it is, and leave GitHub's summary alone.
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-Werror", *workers, *arguments, timeout=120)

    return under


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
    found: dict[str, dict[str, str]] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        pairs = [(each.get("name", ""), each.get("value", "")) for each in case.iter("property")]
        assert len(dict(pairs)) == len(pairs), pairs
        found[case.get("name", "")] = dict(pairs)
    return found


def test_junit_xml_has_the_numbers_beside_the_users_own(run: Run, pytester: pytest.Pytester) -> None:
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


def test_junit_xml_has_the_numbers_of_the_last_attempt_only(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures", reason="pip install pytest-rerunfailures to test re-runs")
    pytester.makepyfile(
        """
        from pathlib import Path
        from pytest_vmaf import FakeScorer

        def test_flaky(vmaf):
            first = not Path("ran").exists()
            Path("ran").touch()
            if first:
                vmaf.score("a.mkv", "b.mkv", scorer=FakeScorer(neg=90))
            vmaf.score("a.mkv", "b.mkv", scorer=FakeScorer(neg=91 if first else 94), min_neg=93)
        """
    )
    assert run("--junitxml=junit.xml", "--reruns=1").parseoutcomes() == {"passed": 1, "rerun": 1}
    flaky = properties(pytester.path / "junit.xml")["test_flaky"]
    assert (flaky["vmaf.status"], flaky["vmaf.neg"]) == ("passed", "94.0000")
    assert not any(name.startswith(("vmaf.1.", "vmaf.2.")) for name in flaky)


def test_github_gets_a_summary_and_an_error_at_the_failed_test(
    run: Run, tests: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = pytester.path / "summary.md"
    summary.write_text("what an earlier command wrote", "utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    result = run()
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


def test_elsewhere_nothing_is_written_for_github(
    run: Run, tests: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    result = run()
    result.stdout.no_fnmatch_line("::*")
    assert not (pytester.path / "summary.md").exists()


def test_a_summary_that_cannot_be_written_is_said_and_the_results_stand(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
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
    result = run()
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["vmaf: the step summary could not be written to *: No such file or directory*"])


@pytest.mark.parametrize("contained", [(), ("--self-contained-html",)], ids=["assets", "self-contained"])
def test_the_page_of_pytest_html_shows_the_numbers(
    run: Run, tests: None, pytester: pytest.Pytester, contained: tuple[str, ...]
) -> None:
    pytest.importorskip("pytest_html", reason="pip install pytest-html to test what its page shows")
    run("--html=pages/all.html", *contained).assert_outcomes(passed=1, failed=1)
    rows = html_rows(pytester.path / "pages" / "all.html")
    ((bad,),) = ([extra["content"] for extra in row["extras"]] for row in rows["test_gates.py::test_bad"])
    assert bad == (
        "<pre>bad.mkv: NEG 90.00, VMAF 95.00, gap 5.00, 0 frames above 100; smallest margin -3.00 min_neg</pre>"
    )
    assert "NEG 95.00" in rows["test_gates.py::test_good"][0]["extras"][0]["content"]


def test_the_page_of_pytest_html_links_to_the_report(run: Run, tests: None, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_html", reason="pip install pytest-html to test what its page shows")
    run("--html=pages/all.html", "--vmaf-html=vmaf/the report.html").assert_outcomes(passed=1, failed=1)
    row = html_rows(pytester.path / "pages" / "all.html")["test_gates.py::test_bad"][0]
    assert any('href="../vmaf/the%20report.html" class="col-links__extra url">VMAF report<' in c for c in cells(row))


def test_a_test_id_that_pytest_html_cannot_take_does_not_end_the_run(run: Run, pytester: pytest.Pytester) -> None:
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
    run("--html=all.html").assert_outcomes(passed=4)


def html_rows(page: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of pytest-html's page, by test id."""
    blob = page.read_text("utf-8").partition('data-jsonblob="')[2].partition('"')[0]
    rows: dict[str, list[dict[str, Any]]] = json.loads(unescape(blob))["tests"]
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """The cells of one row."""
    return [str(cell) for cell in row["resultsTableRow"]]


def test_allure_gets_the_numbers_as_an_attachment(run: Run, tests: None, pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="pip install allure-pytest to test what Allure gets")
    run("--alluredir=allure").assert_outcomes(passed=1, failed=1)
    assert allure_texts(pytester.path / "allure") == {
        "test_good": [
            ["good.mkv: NEG 95.00, VMAF 96.00, gap 1.00, 0 frames above 100; smallest margin +2.00 min_neg"],
        ],
        "test_bad": [["bad.mkv: NEG 90.00, VMAF 95.00, gap 5.00, 0 frames above 100; smallest margin -3.00 min_neg"]],
    }


def test_allure_keeps_the_attempts_apart(run: Run, pytester: pytest.Pytester) -> None:
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
    assert run("--alluredir=allure", "--reruns=1").parseoutcomes() == {"passed": 1, "rerun": 1}
    attempts = allure_texts(pytester.path / "allure")["test_flaky"]
    assert sorted(text[0].partition(",")[0] for text in attempts) == ["b.mkv: NEG 91.00", "b.mkv: NEG 94.00"]


def allure_texts(folder: Path) -> dict[str, list[list[str]]]:
    """The attached texts of each result, by the test's name."""
    found: dict[str, list[list[str]]] = {}
    for path in folder.glob("*-result.json"):
        result = json.loads(path.read_text("utf-8"))
        ours = [each["source"] for each in result.get("attachments", ()) if each["name"] == "VMAF"]
        found.setdefault(result["name"], []).append([(folder / source).read_text("utf-8") for source in ours])
    return found


def test_allure_links_to_the_report(run: Run, tests: None, pytester: pytest.Pytester) -> None:
    pytest.importorskip("allure_pytest", reason="pip install allure-pytest to test what Allure gets")
    run("--alluredir=allure", "--vmaf-html=r.html")
    results = [json.loads(path.read_text()) for path in (pytester.path / "allure").glob("*-result.json")]
    wanted = {"type": "link", "url": (pytester.path / "r.html").as_uri(), "name": "VMAF report"}
    assert [result["links"] for result in results] == [[wanted]] * len(results)
    assert results
