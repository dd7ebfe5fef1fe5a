"""The cache as users meet it, with pytester, each behaviour with its -n2 twin; and from the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.cli.main import main
from pytest_vmaf.report import document as documents

Run = Callable[..., pytest.RunResult]


@pytest.fixture(params=["alone", "xdist"])
def run(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Run:
    """Run pytest with a JSON report and pytest's own cache, alone or under -n2."""

    def under(*arguments: str) -> pytest.RunResult:
        workers = ["-n2"] if request.param == "xdist" else ["-p", "no:xdist"]
        return pytester.runpytest_subprocess("--vmaf-json=r.json", *workers, *arguments, timeout=120)

    return under


@pytest.fixture
def suite(pytester: pytest.Pytester, reference: Path, encoded: Path, sharpened: Path) -> None:
    """Two tests that measure something."""
    pytester.makepyfile(
        f"""
        def test_good(vmaf):
            vmaf.check({str(reference)!r}, {str(encoded)!r}, min_neg=10)

        def test_sharp(vmaf):
            vmaf.check({str(reference)!r}, {str(sharpened)!r}, max_gap=50, above_100=False)
        """
    )


def measured(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    """The measurements of the last run by test, without what differs from run to run."""
    tests = documents.read(pytester.path / "r.json")["tests"]
    rows = [each for test in sorted(tests, key=lambda test: test["id"]) for each in test["measurements"]]
    for row in rows:
        del row["started"]
        row["provenance"]["threads"] = 0
    return rows


def hits(rows: list[dict[str, Any]]) -> list[bool]:
    return [bool(row["provenance"].pop("cached")) for row in rows]


def test_a_second_run_measures_nothing_and_says_so(run: Run, suite: None, pytester: pytest.Pytester) -> None:
    run().assert_outcomes(passed=2)
    first = measured(pytester)
    assert hits(first) == [False, False]
    again = run()
    again.assert_outcomes(passed=2)
    second = measured(pytester)
    assert hits(second) == [True, True]
    assert second == first
    again.stdout.fnmatch_lines(["2 of 2 from the cache; --vmaf-no-cache measures everything again."])
    assert (pytester.path / ".pytest_cache" / "d" / "vmaf" / "score").is_dir()


@pytest.mark.parametrize("how", ["option", "ini", "plugin"])
def test_without_a_cache_all_is_measured_and_nothing_kept(
    run: Run, suite: None, pytester: pytest.Pytester, how: str
) -> None:
    if how == "ini":
        pytester.makeini("[pytest]\nvmaf_cache = false\n")
    arguments = {"option": ["--vmaf-no-cache"], "ini": [], "plugin": ["-p", "no:cacheprovider"]}[how]
    for _ in range(2):
        run(*arguments).assert_outcomes(passed=2)
        assert hits(measured(pytester)) == [False, False]
    assert not list(pytester.path.rglob("score"))


def test_the_folder_and_its_size_may_be_said(run: Run, suite: None, pytester: pytest.Pytester) -> None:
    run("--vmaf-cache-dir=kept", "--vmaf-cache-size=1M").assert_outcomes(passed=2)
    run("--vmaf-cache-dir=kept").assert_outcomes(passed=2)
    assert hits(measured(pytester)) == [True, True]
    run("--vmaf-cache-dir=kept", "--vmaf-cache-size=2k").assert_outcomes(passed=2)
    run("--vmaf-cache-dir=small", "--vmaf-cache-size=100").assert_outcomes(passed=2)
    assert not [path for path in (pytester.path / "small").rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", ["0", "many", "-5", "2X"])
def test_a_size_that_is_none_is_refused(run: Run, suite: None, size: str) -> None:
    result = run(f"--vmaf-cache-size={size}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cache_size (command line) is *; it is a number of bytes, as 500M or 2G.*"])


def test_a_broken_entry_is_said_and_measured_anew(run: Run, suite: None, pytester: pytest.Pytester) -> None:
    run().assert_outcomes(passed=2)
    kept = [path for path in (pytester.path / ".pytest_cache/d/vmaf/score").rglob("*") if path.is_file()]
    for path in kept:
        path.write_bytes(path.read_bytes()[:-3])
    again = run()
    again.assert_outcomes(passed=2, warnings=len(kept))
    again.stdout.fnmatch_lines(["*CacheWarning: A cache entry was corrupt and is made again*"])
    assert hits(measured(pytester)) == [False, False]
    run().assert_outcomes(passed=2)
    assert hits(measured(pytester)) == [True, True]


def test_a_test_may_say_that_it_wants_no_cache(
    run: Run, pytester: pytest.Pytester, reference: Path, encoded: Path
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.vmaf(cache=False)
        def test_marked(vmaf):
            vmaf.score({str(reference)!r}, {str(encoded)!r})

        def test_plain(vmaf):
            assert vmaf.score({str(reference)!r}, {str(encoded)!r}, cache=False).provenance["cached"] == ""
        """
    )
    for _ in range(2):
        run().assert_outcomes(passed=2)
        assert hits(measured(pytester)) == [False, False]


def test_two_runs_at_once_share_one_folder(pytester: pytest.Pytester, suite: None) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--vmaf-cache-dir=kept"]
    runs = [subprocess.Popen(argv, cwd=pytester.path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for each in runs:
        said, _ = each.communicate(timeout=120)
        assert "2 passed" in said
        assert "warning" not in said
    assert not list(pytester.path.rglob(".writing-*"))


def test_alone_nothing_is_kept_unless_a_folder_is_said(reference: Path, encoded: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert not Vmaf().score(reference, encoded).provenance["cached"]
    vmaf = Vmaf(cache_dir=tmp_path / "kept")
    assert not vmaf.score(reference, encoded).provenance["cached"]
    assert vmaf.score(reference, encoded).provenance["cached"]
    assert not vmaf.score(reference, encoded, cache=False).provenance["cached"]


def test_the_command_line_shows_and_clears(
    reference: Path, encoded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    assert main(["score", str(reference), str(encoded), "--cache-dir", str(folder)]) == 0
    assert "cached" not in capsys.readouterr().out
    assert main(["score", str(reference), str(encoded), "--cache-dir", str(folder)]) == 0
    assert "cached" in capsys.readouterr().out
    assert main(["score", str(reference), str(encoded), "--cache-dir", str(folder), "--no-cache"]) == 0
    assert "cached" not in capsys.readouterr().out
    (folder / "notes.txt").write_text("mine")
    assert main(["cache", "info", "--cache-dir", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "scores                             1 " in shown
    assert "in all" in shown
    assert main(["cache", "clear", "--cache-dir", str(folder)]) == 0
    assert "were removed" in capsys.readouterr().out
    assert [path.name for path in folder.rglob("*")] == ["notes.txt"]


def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info", "--cache-dir", str(tmp_path / "no")]) == 2
    assert "There is no folder" in capsys.readouterr().err
