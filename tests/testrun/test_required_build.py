"""A run whose ffmpeg is not the required one ends before its first test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

TESTS = "from fake import fake\ndef test_a(vmaf): fake(vmaf)\ndef test_b(): ..."
SAID = "ERROR: pytest-vmaf: The build that measures is not the required one (vmaf_require):"


def test_other_build(run: Run, fake: None, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nvmaf_require =\n    ffmpeg<2\n    libvmaf=1.2.3\n")
    pytester.makepyfile(TESTS)
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([SAID, "  - ffmpeg<2 is required, not *", "  - libvmaf=1.2.3 is required, not *"])
    assert "passed" not in result.stdout.str()


def test_without_tests_that_measure(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_b(): ...")
    run("--vmaf-require=ffmpeg<2").assert_outcomes(passed=1)


def test_invalid(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--vmaf-require=ffmpg=3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*require (command line) must be requirements such as *'ffmpg' is not one of *"])


def test_fake_scorer(run: Run, fake: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = run("--vmaf-require=ffmpeg>=4")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*The scorer fake reads no clips, so it cannot meet require='ffmpeg>=4'."])


@pytest.mark.slow
def test_xdist(run_xdist: Run, fake: None, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = run_xdist("--vmaf-require=ffmpeg<2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([SAID, "  - ffmpeg<2 is required, not *"])
    assert "passed" not in result.stdout.str()
