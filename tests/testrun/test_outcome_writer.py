"""What a run writes for `pytest-vmaf git-bisect`: which tests failed because of quality."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.report.run_outcome import FOLDER, RunOutcome, read_outcomes

Run = Callable[..., pytest.RunResult]

TESTS = """
    import pytest
    from fake import fake
    from pytest_vmaf import GateViolation, MeasurementError

    def test_good(vmaf): fake(vmaf, 95, min_neg=93)

    class TestViolated:
        def test_gate(self, vmaf): fake(vmaf, 91, min_neg=93)

        def test_assert(self, vmaf): assert fake(vmaf, 91).neg >= 93

        def test_helper(self, vmaf):
            try:
                fake(vmaf, 91, min_neg=93)
            except GateViolation:
                pytest.fail("too low")

        def test_group(self, vmaf):
            try:
                fake(vmaf, 91, min_neg=93)
            except GateViolation as violation:
                raise ExceptionGroup("several", [ValueError(), violation])

        @pytest.mark.vmaf(report_only=True)
        def test_reported(self, vmaf): fake(vmaf, 91, min_neg=93)

        @pytest.fixture
        def poor(self, vmaf): fake(vmaf, 91, min_neg=93)

        def test_fixture(self, poor): pass

    class TestFailed:
        def test_missing(self, vmaf): vmaf.score("ref.mkv", "no.mp4")

        def test_baseline(self, vmaf): fake(vmaf, 95, baseline=True)

        def test_plain(self, vmaf):
            fake(vmaf, 95)
            assert 1 == 2

        def test_caught(self, vmaf):
            with pytest.raises(GateViolation):
                fake(vmaf, 91, min_neg=93)
            raise RuntimeError("no connection")

        def test_caught_assert(self, vmaf):
            with pytest.raises(AssertionError):
                assert fake(vmaf, 91).neg >= 93
            raise RuntimeError("no connection")

        def test_after_assert(self, vmaf):
            # The test before compared a score, and this one compares nothing.
            fake(vmaf, 95)
            assert not vmaf.records

        @pytest.mark.vmaf(min_neg=93)
        def test_unmeasured(self, vmaf): pass

    @pytest.mark.xfail
    def test_expected(vmaf): fake(vmaf, 91, min_neg=93)

    def test_skipped(vmaf): pytest.skip("no clip")

    def test_unrelated(): assert False
"""


def outcomes_of(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[RunOutcome]:
    monkeypatch.setenv(FOLDER, str(folder))
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    run(*arguments)
    return list(read_outcomes(folder))


def names(texts: tuple[str, ...], group: str) -> set[str]:
    assert all(f"::{group}::test_" in text for text in texts), texts
    return {text.partition("::test_")[2].partition(":")[0] for text in texts}


def test_outcome(
    run: Run, fake: None, pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(TESTS)
    [outcome] = outcomes_of(run, tmp_path, monkeypatch)
    violated = {"gate", "assert", "helper", "group", "reported", "fixture"}
    assert names(outcome.violated, "TestViolated") == violated
    failed = {"missing", "baseline", "plain", "caught", "caught_assert", "after_assert", "unmeasured"}
    assert names(outcome.failed, "TestFailed") == failed
    assert (outcome.measured, outcome.interrupted) == (1, False)
    assert "NEG 91.000 < 93" in outcome.violated[0]


@pytest.mark.slow
def test_stopped(
    run: Run, fake: None, pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        test_a="from fake import fake\ndef test_a(vmaf):\n    fake(vmaf, 91, min_neg=93)",
        test_b="def test_b(vmaf):\n    raise KeyboardInterrupt",
        test_c="import nothing",
    )
    with pytest.raises(KeyboardInterrupt):
        outcomes_of(run, tmp_path, monkeypatch, "--continue-on-collection-errors")
    [outcome] = read_outcomes(tmp_path)
    assert outcome.interrupted
    assert len(outcome.violated) == 1
    assert outcome.failed[-1] == "1 file could not be collected"
