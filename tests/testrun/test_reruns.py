"""Tests that pytest-rerunfailures runs again: the last attempt counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed; pip install '.[test]'")

Run = Callable[..., pytest.RunResult]
Report = Callable[[], dict[str, Any]]

JSON = "--vmaf-json=r.json"
COUNT = """
import pathlib

def count(name):
    path = pathlib.Path(name)
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    return len(path.read_text())
"""


@pytest.fixture
def rerun(run: Run, fake: None, pytester: pytest.Pytester) -> Run:
    """rerun(*arguments): pytest in this process, with pytest-rerunfailures."""
    pytester.makepyfile(count=COUNT)
    return lambda *arguments: run("-p", "rerunfailures", *arguments)


def negs(attempt: dict[str, Any]) -> list[float]:
    return [measurement["neg"] for measurement in attempt["measurements"]]


TESTS = """
    import pytest
    from count import count
    from fake import fake

    @pytest.mark.flaky(reruns=3)
    def test_heals(vmaf): fake(vmaf, 90 + count("a"), min_neg=93)

    @pytest.mark.flaky(reruns=1)
    def test_stays(vmaf): fake(vmaf, 80 + count("b"), min_neg=93)

    @pytest.fixture
    def shaky():
        if count("c") < 2: raise RuntimeError("not yet")

    @pytest.mark.flaky(reruns=2)
    def test_setup(vmaf, shaky): fake(vmaf, min_neg=93)

    @pytest.mark.flaky(reruns=1)
    def test_property(vmaf, record_property):
        record_property("vmaf.commit", "abc")
        if count("d") < 2:
            fake(vmaf, 80, min_neg=90)
"""


@pytest.mark.parametrize("workers", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["alone", "xdist"])
def test_attempts(rerun: Run, run_xdist: Run, report: Report, pytester: pytest.Pytester, workers: bool) -> None:
    pytester.makepyfile(test_it=TESTS)
    # pytest warns about record_property with the default form of the file.
    arguments = (JSON, "--junitxml=junit.xml", "-Wignore:record_property")
    result = run_xdist("-n1", "-p", "rerunfailures", *arguments) if workers else rerun(*arguments)
    assert len([line for line in result.outlines if " test_heals (" in line]) == 1
    tests = {test["id"].partition("::")[2]: test for test in report()["tests"]}
    assert {name: test["status"] for name, test in tests.items()} == {
        "test_heals": "passed",
        "test_stays": "failed",
        "test_setup": "passed",
        "test_property": "passed",
    }
    heals = tests["test_heals"]
    assert negs(heals) == [93]
    assert [negs(attempt) for attempt in heals["earlier"]] == [[91], [92]]
    assert [attempt["status"] for attempt in heals["earlier"]] == ["failed", "failed"]
    assert negs(tests["test_stays"]) == [82]
    assert [attempt["status"] for attempt in tests["test_setup"]["earlier"]] == ["error"]
    # pytest writes one testcase for each attempt.
    first, last = [each for each in (pytester.path / "junit.xml").read_text().split("<testcase") if "test_prop" in each]
    assert 'name="vmaf.neg" value="80.0000"' in first
    assert "vmaf.commit" in last
    assert "vmaf.neg" not in last


def test_subtests(rerun: Run, report: Report, pytester: pytest.Pytester) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("this pytest has no subtests; install pytest 9 to run this")
    pytester.makepyfile(
        test_it="""
        from count import count
        from fake import fake

        def test_it(vmaf, subtests):
            for neg in (91, 95):
                with subtests.test(neg=neg):
                    fake(vmaf, neg)
            fake(vmaf, 96)
            assert count("a") > 1
        """
    )
    rerun(JSON, "--reruns=1")
    [test] = report()["tests"]
    assert test["status"] == "passed"
    assert negs(test) == [91, 95, 96]
    assert [negs(attempt) for attempt in test["earlier"]] == [[91, 95, 96]]


def test_marker(rerun: Run, pytester: pytest.Pytester) -> None:
    """An attempt does not pass by what the one before it measured."""
    pytester.makepyfile(
        test_it="""
        import pytest
        from count import count
        from fake import fake

        @pytest.mark.vmaf(min_neg=93)
        def test_it(vmaf):
            if count("a") < 2:
                fake(vmaf, 80)
        """
    )
    result = rerun("--reruns=1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["This test has the vmaf marker but measured nothing*"])


def test_baseline(rerun: Run, clips: Callable[[str], None], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from clips import *
        from count import count

        def test_flaky(vmaf):
            last = count("a") > 1
            vmaf.check(REF, OUT if last else SHARP, baseline="it", max_gap=None, above_100=False)
            assert last
        """
    )
    rerun("--reruns=2", "--vmaf-baseline-update=missing").stdout.fnmatch_lines(["*1 passed, 1 rerun*"])
    result = rerun("--vmaf-baseline-update=changed")
    result.stdout.fnmatch_lines(["vmaf: no baseline was written: nothing has changed."])
