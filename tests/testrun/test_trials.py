"""`vmaf.speed` and `vmaf.determinism` in a run of pytest: gates of all places, outputs, report-only mode and xdist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., pytest.RunResult]
Report = Callable[[], dict[str, Any]]

#: Encodes take a second, of the preset "slow" 1.2 s.
CONFTEST = """
import pytest
from pytest_vmaf.encoding.encode import Encode
from pytest_vmaf.search import measure_speed
from pytest_vmaf.search.speed import SpeedRound

@pytest.fixture(autouse=True)
def pace(monkeypatch):
    def time_encode(job, crf, path, *, decode=True):
        seconds = 1.2 if job.preset == "slow" else 1.0
        return Encode(job.name, crf, path, 1000, 100, 4.0, seconds, "enc"), SpeedRound(seconds, seconds, 0.5)
    monkeypatch.setattr(measure_speed, "time_encode", time_encode)
    monkeypatch.setattr(measure_speed.OtherPrograms, "share", lambda _: 0.05)
"""
TESTS = """
import pytest
from clips import GOOD, REF

@pytest.mark.vmaf(max_speed_drop="5%", min_encode_fps=90)
def test_marker(vmaf):
    vmaf.score(REF, GOOD)
    vmaf.speed(REF, encoder="libx264:fast", crf=30, against="libx264:slow")

@pytest.mark.vmaf(max_speed_drop="5%")
def test_slower(vmaf):
    vmaf.speed(REF, encoder="libx264:slow", crf=30, against="libx264:fast")

@pytest.mark.vmaf(min_encode_fps=90)
def test_never_checked(vmaf):
    vmaf.score(REF, GOOD)

def test_plain(vmaf):
    vmaf.speed(REF, encoder="libx264:fast", crf=30)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, real_clips: None) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)


@pytest.mark.slow
def test_places(run: Run, project: None, report: Report) -> None:
    result = run("--vmaf-gate=min_encode_fps=80", "--vmaf-json=r.json", "--vmaf-html=r.html")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*min_encode_fps (marker) was never checked*",
            "*GateViolation: 16.7 % (16.7 to 16.7) slower than libx264 fast; max_speed_drop is 5 %*",
            "FAILED *-11.67 *max_speed_drop *test_slower*",
            "passed *min_encode_fps *test_plain*",
        ]
    )
    gates = {
        test["id"].partition("::")[2]: [gate["name"] for each in test["measurements"] for gate in each["gates"]]
        for test in report()["tests"]
    }
    assert gates["test_plain"] == ["min_encode_fps"]
    assert gates["test_marker"] == ["min_encode_fps", "max_speed_drop"]
    page = Path("r.html").read_text()
    assert "The encoder is slower (slowdown 16.67 %, at most 5)" in page
    assert "Speed of libx264 slow at CRF 30" in page


def test_report_only(run: Run, project: None) -> None:
    result = run("--vmaf-report-only", "-k", "slower")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["would fail: *test_slower: 16.7 % *"])


def test_gate_that_no_test_checks(run: Run, project: None) -> None:
    result = run("--vmaf-gate=min_encode_fps=95", "-k", "never")
    result.stdout.fnmatch_lines(["*min_encode_fps=95 (command line) was never checked: no vmaf.speed measured it."])


@pytest.mark.slow
def test_workers(run_xdist: Run, pytester: pytest.Pytester, real_clips: None, report: Report) -> None:
    """Two workers repeat encodes at once; the table has them all, and speeds say that they were not alone."""
    pytester.makepyfile(
        """
        import pytest
        from clips import REF

        @pytest.mark.parametrize("crf", [30, 32])
        def test_same(vmaf, crf):
            vmaf.determinism(REF, encoder="libx264:ultrafast", crf=crf, runs=2, expect="bitstream")

        def test_speed(vmaf):
            assert "1 other pytest-xdist worker ran" in vmaf.speed(REF, encoder="libx264", crf=30, rounds=1).notes[0]
        """
    )
    result = run_xdist("--vmaf-json=r.json")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*vmaf: repeated encodes*", "encoder *", "libx264 ultrafast * 30 *", "* 32 *"])
    repeats = [each["repeats"] for test in report()["tests"] for each in test["measurements"] if each.get("repeats")]
    assert sorted((each["crf"], each["verdict"]) for each in repeats) == [(30, "bitstream"), (32, "bitstream")]
