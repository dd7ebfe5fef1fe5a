"""`--vmaf-history`: what a run appends, and what its report shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_vmaf.history.file import read_history
from testrun.conftest import Run

TESTS = """
import os
from fake import fake

def test_a(vmaf):
    fake(vmaf, float(os.environ.get("NEG", 93)), min_neg=92)

def test_b(vmaf):
    fake(vmaf, 95.0)

def test_c():
    pass
"""


@pytest.fixture
def suite(fake: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tests that measure, in a checkout of which `commit(n)` writes the HEAD."""
    pytester.makepyfile(test_it=TESTS)
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "BUILDKITE", "CIRCLECI", "TRAVIS"):
        monkeypatch.delenv(name, raising=False)
    pytester.mkdir(".git")


def commit(pytester: pytest.Pytester, number: int) -> str:
    (pytester.path / ".git" / "HEAD").write_text(f"{number:040x}\n")
    return f"{number:040x}"


def test_history(
    suite: None,
    run: Run,
    report: Callable[[], dict[str, Any]],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line for each measurement, failed ones too, and a section of the report that names the commit of a step."""
    path = pytester.path / "h.jsonl"
    first = commit(pytester, 1)
    run("--vmaf-history=h.jsonl").stdout.fnmatch_lines(["vmaf: history: 2 lines appended to *h.jsonl"])
    a, b = read_history(path)
    assert (a.test, a.status, a.commit, a.values["neg"]) == ("test_it.py::test_a", "passed", first, 93.0)
    assert b.values["neg"] == 95.0
    commit(pytester, 0xC0FFEE << 136)
    monkeypatch.setenv("NEG", "90")
    pytester.makeini("[pytest]\nvmaf_history = h.jsonl\n")
    assert run("--vmaf-json=r.json", "--vmaf-html=r.html").ret == pytest.ExitCode.TESTS_FAILED
    assert [line.status for line in read_history(path)] == ["passed", "passed", "failed", "passed"]
    [section] = report()["sections"]
    assert section["title"] == "History"
    assert section["blocks"][1]["rows"][0][0] == "c0ffee0000"
    assert "c0ffee0000" in (pytester.path / "r.html").read_text()
    # Nothing measured, nothing appended; the empty name switches the ini value off.
    run("-k", "test_c")
    run("--collect-only")
    run("--vmaf-history=")
    assert len(read_history(path)) == 4


def test_errors(suite: None, run: Run, pytester: pytest.Pytester) -> None:
    """A history that cannot be written changes no outcome, and no report is lost."""
    (pytester.path / "h.jsonl").write_text("something else\n")
    result = run("--vmaf-history=h.jsonl", "--vmaf-json=r.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["vmaf: nothing was appended to the history: *is not a history*", "vmaf: JSON: *"])
    assert (pytester.path / "h.jsonl").read_text() == "something else\n"
    for arguments, text in (
        (("--vmaf-history=.git",), "--vmaf-history must be the name of a file, and .git is a folder"),
        (("--vmaf-history=r.json", "--vmaf-json=r.json"), "--vmaf-history must be another file than the reports"),
    ):
        result = run(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{text}*"])


@pytest.mark.slow
def test_xdist(suite: None, run_xdist: Run, pytester: pytest.Pytester) -> None:
    """The controller alone appends, once for each measurement."""
    run_xdist("--vmaf-history=h.jsonl").assert_outcomes(passed=3)
    assert sorted(line.test for line in read_history(pytester.path / "h.jsonl")) == [
        "test_it.py::test_a",
        "test_it.py::test_b",
    ]
