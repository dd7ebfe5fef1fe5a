"""The cache as users meet it: in pytest's cache folder, switched off, in another folder, and on the command line."""

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


@pytest.fixture
def run(loaded: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in this process with a JSON report and pytest's own cache."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return lambda *arguments: pytester.runpytest_inprocess("--vmaf-json=r.json", "-p", "no:xdist", *arguments)


@pytest.fixture(scope="session")
def output(clip: Path, encode: Callable[..., Path]) -> Path:
    """An encode of the small clip."""
    return encode(clip, 30)


@pytest.fixture
def suite(pytester: pytest.Pytester, clip: Path, output: Path) -> None:
    """A test that measures something."""
    pytester.makepyfile(f"def test_a(vmaf): vmaf.check({str(clip)!r}, {str(output)!r}, min_neg=10)")


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


def test_second_run(run: Run, suite: None, pytester: pytest.Pytester) -> None:
    run().assert_outcomes(passed=1)
    first = measured(pytester)
    assert hits(first) == [False]
    result = run()
    result.assert_outcomes(passed=1)
    second = measured(pytester)
    assert hits(second) == [True]
    assert second == first
    result.stdout.fnmatch_lines(["1 of 1 from the cache; --vmaf-no-cache measures everything again."])
    assert (pytester.path / ".pytest_cache" / "d" / "vmaf" / "score").is_dir()
    run("--vmaf-no-cache").assert_outcomes(passed=1)
    assert hits(measured(pytester)) == [False]


@pytest.mark.parametrize("how", ["option", "ini", "plugin"])
def test_switched_off(run: Run, suite: None, pytester: pytest.Pytester, how: str) -> None:
    if how == "ini":
        pytester.makeini("[pytest]\nvmaf_cache = false\n")
    run(*{"option": ["--vmaf-no-cache"], "ini": [], "plugin": ["-p", "no:cacheprovider"]}[how])
    assert hits(measured(pytester)) == [False]
    assert not list(pytester.path.rglob("score"))


@pytest.mark.slow
def test_folder_and_size(run: Run, suite: None, pytester: pytest.Pytester) -> None:
    run("--vmaf-cache-dir=here", "--vmaf-cache-size=1M").assert_outcomes(passed=1)
    run("--vmaf-cache-dir=here").assert_outcomes(passed=1)
    assert hits(measured(pytester)) == [True]
    run("--vmaf-cache-dir=small", "--vmaf-cache-size=100").assert_outcomes(passed=1)
    assert not [path for path in (pytester.path / "small").rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", ["0", "2X"])
def test_invalid_size(run: Run, size: str) -> None:
    result = run(f"--vmaf-cache-size={size}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cache_size (command line)*500M or 2G*"])


@pytest.mark.slow
def test_broken_entry(run: Run, suite: None, pytester: pytest.Pytester) -> None:
    run().assert_outcomes(passed=1)
    [entry] = [path for path in (pytester.path / ".pytest_cache/d/vmaf/score").rglob("*") if path.is_file()]
    entry.write_bytes(entry.read_bytes()[:-3])
    # Warnings are errors in the run around this one.
    result = run("-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*CacheWarning: A cache entry was corrupt and is made again*"])
    assert hits(measured(pytester)) == [False]
    run().assert_outcomes(passed=1)
    assert hits(measured(pytester)) == [True]


@pytest.mark.slow
def test_switched_off_by_test(run: Run, pytester: pytest.Pytester, clip: Path, output: Path) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        def test_cached(vmaf):
            vmaf.score({str(clip)!r}, {str(output)!r})

        @pytest.mark.vmaf(cache=False)
        def test_marked(vmaf):
            vmaf.score({str(clip)!r}, {str(output)!r})

        def test_plain(vmaf):
            assert vmaf.score({str(clip)!r}, {str(output)!r}, cache=False).provenance["cached"] == ""
        """
    )
    run().assert_outcomes(passed=3)
    assert hits(measured(pytester)) == [False, False, False]


@pytest.mark.slow
def test_two_runs_at_once(pytester: pytest.Pytester, suite: None) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--vmaf-cache-dir=here"]
    runs = [subprocess.Popen(argv, cwd=pytester.path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for each in runs:
        text, _ = each.communicate(timeout=120)
        assert "1 passed" in text
        assert "warning" not in text
    assert not list(pytester.path.rglob(".writing-*"))


@pytest.mark.slow
def test_without_pytest(clip: Path, output: Path, tmp_path: Path) -> None:
    assert not Vmaf().score(clip, output).provenance["cached"]
    vmaf = Vmaf(cache_dir=tmp_path / "here")
    assert not vmaf.score(clip, output).provenance["cached"]
    assert vmaf.score(clip, output).provenance["cached"]
    assert not vmaf.score(clip, output, cache=False).provenance["cached"]


@pytest.mark.slow
def test_command(clip: Path, output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "here"
    argv = ["score", str(clip), str(output), "--cache-dir", str(folder)]
    for options, cached in (([], False), ([], True), (["--no-cache"], False)):
        assert main([*argv, *options]) == 0
        assert ("cached" in capsys.readouterr().out) is cached
    (folder / "notes.txt").write_text("mine")
    assert main(["cache", "info", "--cache-dir", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "scores                             1 " in text
    assert "total" in text
    assert main(["cache", "clear", "--cache-dir", str(folder)]) == 0
    assert "Removed" in capsys.readouterr().out
    assert [path.name for path in folder.rglob("*")] == ["notes.txt"]


def test_command_without_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info", "--cache-dir", str(tmp_path / "no")]) == 2
    assert "There is no folder" in capsys.readouterr().err
