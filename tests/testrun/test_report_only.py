"""Report-only mode: what fails no test, what still does, and where it is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.testrun.report_only import read_report_only

Run = Callable[..., pytest.RunResult]
Report = Callable[[], dict[str, Any]]

TESTS = """
import pytest
from fake import fake

def test_low(vmaf):
    result = fake(vmaf, 84.0, min_neg=87)
    assert result.neg == 84
    fake(vmaf, 85.0, baseline=True)

def test_good(vmaf): fake(vmaf, min_neg=80)
"""
OTHERS = """
import pytest
from fake import fake

def test_assert(vmaf):
    assert fake(vmaf, 84.0, min_neg=87).neg > 90

def test_error(vmaf): fake(vmaf, min_psnr_y=30)

def test_setting(vmaf): fake(vmaf, min_nge=30)

@pytest.mark.vmaf(report_only=False)
def test_hard(vmaf): fake(vmaf, 84.0, min_neg=87)

@pytest.mark.vmaf(min_neg_tile=3)
def test_unchecked(vmaf): fake(vmaf, 84.0, min_neg=87)

@pytest.mark.vmaf(report_only=5)
def test_invalid(vmaf): fake(vmaf)
"""
ONLY, JSON, HTML = "--vmaf-report-only", "--vmaf-json=r.json", "--vmaf-html=r.html"


def ini(pytester: pytest.Pytester, text: str) -> None:
    pytester.makeini(f"[pytest]\n{text}\n")


def test_said_everywhere(
    run_as_job: Run, fake: None, report: Report, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    pytester.makepyfile(TESTS)
    result = run_as_job(ONLY, JSON, HTML, "--junitxml=junit.xml")
    assert result.ret == 0
    text = result.stdout.str()
    assert "vmaf: REPORT ONLY (command line): failed gates and tolerances fail no test." in text
    assert "vmaf: REPORT ONLY (command line): 1 test has failed gates that do not fail it." in text
    assert "1 passed, 1 would fail" in text
    assert text.count("WOULD FAIL") == 2
    result.stdout.fnmatch_lines(["would fail: *test_low: NEG 84*", "would fail: *test_low: no baseline*"])
    result.stdout.fnmatch_lines(["::warning *would fail (report only)*"])
    assert "::error" not in text
    document = report()
    assert document["runs"][0]["report_only"] == "command line"
    low, good = document["tests"]
    assert (low["status"], len(low["would_fail"]), "would_fail" in good) == ("passed", 2, False)
    assert [(each["status"], each["would_fail"]) for each in low["measurements"]] == [("failed", True)] * 2
    page = Path("r.html").read_text()
    assert '<p class="box"><b>REPORT ONLY (command line)' in page
    assert "would fail (report only):</b> min_neg=87" in page
    assert "FAILED" not in page
    summary = Path("summary.md").read_text()
    assert "**REPORT ONLY &#40;command line&#41;" in summary or "**REPORT ONLY (command line)" in summary
    assert "but report-only mode let 1 of them pass" in summary
    cases = ElementTree.parse("junit.xml").getroot().iter("property")
    values = {case.get("name"): case.get("value") for case in cases}
    assert values["vmaf.1.status"] == "would fail"
    assert values["vmaf.1.would_fail"] == "NEG 84.00 where at least 87 is required"


def test_what_still_fails(run: Run, fake: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(OTHERS)
    result = run(ONLY, "-v")
    result.assert_outcomes(failed=3, errors=3)
    result.stdout.fnmatch_lines_random(["*test_assert FAILED*", "*test_error ERROR*", "*test_setting ERROR*"])
    result.stdout.fnmatch_lines_random(
        [
            "report_only (marker) must be True or False, not 5.",
            "*: 2 tests have failed gates that do not fail them.",
        ]
    )


@pytest.mark.parametrize(
    ("text", "arguments", "origin"),
    [
        ("", [], ""),
        ("vmaf_report_only = true", [], "ini"),
        ("vmaf_report_only = true", ["--no-vmaf-report-only"], ""),
        ("vmaf_report_only = false", [ONLY], "command line"),
        ("vmaf_report_only = true\nvmaf_report_only_until = 2999-12-31", [], "ini, until 2999-12-31"),
    ],
)
def test_origin(run: Run, fake: None, pytester: pytest.Pytester, text: str, arguments: list[str], origin: str) -> None:
    ini(pytester, text)
    pytester.makepyfile(TESTS)
    result = run(*arguments)
    assert (result.ret == 0) == bool(origin)
    assert (f"vmaf: REPORT ONLY ({origin}): failed gates and tolerances" in result.stdout.str()) == bool(origin)


@pytest.mark.parametrize("marked", [True, False])
def test_date_passed(run: Run, fake: None, pytester: pytest.Pytester, marked: bool) -> None:
    ini(pytester, "vmaf_report_only_until = 2001-01-31")
    mark = "import pytest\npytestmark = pytest.mark.vmaf(report_only=True)\n"
    pytester.makepyfile((mark if marked else "") + TESTS)
    result = run(*([] if marked else [ONLY]))
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["vmaf: report-only mode ended after 2001-01-31 (vmaf_report_only_until)*"])
    assert "REPORT ONLY" not in result.stdout.str()


def test_last_day(pytester: pytest.Pytester) -> None:
    ini(pytester, "vmaf_report_only = true\nvmaf_report_only_until = 2027-01-31")
    config = pytester.parseconfig()
    assert read_report_only(config, date(2027, 1, 31)).active
    assert not read_report_only(config, date(2027, 2, 1)).active


@pytest.mark.parametrize("text", ["2027-13-01", "31.1.2027", "20270131", "soon"])
def test_invalid_date(run: Run, pytester: pytest.Pytester, text: str) -> None:
    ini(pytester, f"vmaf_report_only_until = {text}")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = f"*vmaf_report_only_until (ini) must be a date such as 2027-01-31, not '{text}'."
    result.stderr.fnmatch_lines([said])


def test_invalid_switch(run: Run, pytester: pytest.Pytester) -> None:
    ini(pytester, "vmaf_report_only = maybe")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*vmaf_report_only (ini) must be true or false: invalid truth value 'maybe'*"])


def test_marker(run: Run, fake: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from fake import fake

        pytestmark = pytest.mark.vmaf(report_only=True)

        def test_module(vmaf): fake(vmaf, 84.0, min_neg=87)

        @pytest.mark.vmaf(report_only=False)
        def test_nearer(vmaf): fake(vmaf, 84.0, min_neg=87)

        @pytest.mark.vmaf(min_neg=87)
        def test_both(vmaf): fake(vmaf, 84.0)
        """
    )
    result = run("-q")
    assert "1 failed, 2 would fail" in result.stdout.str()
    result.stdout.fnmatch_lines(["vmaf: REPORT ONLY (vmaf marker): 2 tests have failed gates that do not fail them."])


def test_baselines_are_not_written(run: Run, fake: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("from fake import fake\ndef test_low(vmaf): fake(vmaf, 84.0, min_neg=87, baseline=True)")
    (pytester.path / "ref.mkv").write_text("a reference")
    result = run(ONLY, "--vmaf-baseline-update=missing")
    result.stdout.fnmatch_lines(["vmaf: 1 baseline not written, because the test did not pass: *test_low"])
    assert not [*pytester.path.rglob("__vmaf__/*.json")]


@pytest.mark.slow
def test_xdist(run_xdist: Run, fake: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = run_xdist(ONLY)
    assert result.ret == 0
    assert "1 passed, 1 would fail" in result.stdout.str()
    result.stdout.fnmatch_lines(["*: 1 test has failed gates that do not fail it.", "would fail: *NEG 84*"])


@pytest.mark.slow
def test_every_kind(
    run: Run, report: Report, footage: Callable[..., Path], encode: Callable[..., Path], pytester: pytest.Pytester
) -> None:
    reference = footage()
    pytester.makepyfile(
        f"""
        REF, OUT = {str(reference)!r}, {str(encode(reference, crf=40))!r}

        def test_region(vmaf):
            from pytest_vmaf import Region
            result = vmaf.score(REF, OUT, regions={{"face": Region(0, 0, 160, 96, min_neg=99.9)}})
            assert result.regions["face"].neg < 99.9

        def test_roi(vmaf): assert vmaf.roi(REF, OUT, min_neg_roi=99.9).neg_roi < 99.9

        def test_map(vmaf): assert vmaf.quality_map(REF, OUT, grid=(2, 1), min_neg_tile=99.9).worst.neg < 99.9

        def test_bisect(vmaf):
            found = vmaf.bisect(REF, encoder="libx264", targets=60, crf=(30, 36), max_bitrate=1)
            assert found[60].bitrate > 1

        def test_unreached(vmaf):
            vmaf.bisect(REF, encoder="libx264", targets=99.9, crf=(30, 36), max_bitrate=1)[99.9].crf

        def test_earlier_result(vmaf):
            vmaf.check_baseline(vmaf.score(REF, OUT))

        def test_refused(vmaf): vmaf.check(REF, REF)
        """
    )
    result = run(ONLY, JSON, HTML, "-p", "no:randomly")
    assert "1 failed, 1 error, 5 would fail" in result.stdout.str()
    tests = {test["id"].partition("::")[2]: test for test in report()["tests"]}
    assert tests["test_unreached"]["status"] == "failed"
    assert tests["test_refused"]["status"] == "error"
    assert [each.get("would_fail", False) for each in tests["test_region"]["measurements"]] == [False, True]
    others = ("roi", "map", "bisect", "earlier_result")
    assert all(any(each.get("would_fail") for each in tests[f"test_{name}"]["measurements"]) for name in others)
    assert "data:image/jpeg" in Path("r.html").read_text()


def test_not_outside_of_pytest() -> None:
    with pytest.raises(SettingsError, match=r"report_only \(call\) is not a setting of measurements"):
        Vmaf(report_only=True)  # type: ignore[call-arg]
