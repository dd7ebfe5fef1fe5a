"""`pytest-vmaf history`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from history.builders import a_line
from report.builders import a_document, a_measurement, a_test

from cli.commands import Run, strict
from pytest_vmaf.history.file import read_history, write_lines

NUMBERS = (93.0, 93.1, 90.0, 90.0)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Four commits of main, of which the third is worse, and one of another branch."""
    path = tmp_path / "history.jsonl"
    lines = [a_line(index, neg, commit=f"c0ffee{index}") for index, neg in enumerate(NUMBERS)]
    write_lines(path, [*lines, a_line(5, 50.0, branch="fix", commit="decade")])
    return path


def test_show(run: Run, history: Path) -> None:
    done = run("history", "show", history)
    assert done.returncode == 0, done.stderr
    # Lines are as wide as the terminal.
    output = " ".join(done.stdout.split())
    assert "1 test over 4 commits of main" in output
    assert "Other branches are left out: fix." in output
    assert "-3.00 at c0ffee2" in output
    record = strict(run("history", "show", history, "--json", "--branch", "*").stdout)
    assert [each["commit"] for each in record["commits"]] == [*(f"c0ffee{n}" for n in range(4)), "decade"]
    assert [(step["commit"], step["after"], step["worse"]) for step in record["steps"]] == [
        ("decade", "c0ffee3", True),
        ("c0ffee2", "c0ffee1", True),
    ]
    rows = run("history", "show", history, "--format", "csv", "--last", "1").stdout.splitlines()
    assert rows[0].startswith("commit,time,branch,test,of,metric,value")
    assert len(rows) == 2
    assert "c0ffee2" in run("history", "show", history, "--format", "markdown").stdout


def test_selection(run: Run, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("c0ffee3 newest first\nc0ffee0\nunknown1\n"))
    record = strict(run("history", "show", history, "--json", "--commits", "-").stdout)
    assert record["series"][0]["values"] == [90.0, 93.0]
    assert [step["worse"] for step in record["steps"]] == [False]
    record = strict(run("history", "show", history, "--json", "--tolerance", "max_drop=5").stdout)
    assert (record["steps"], record["series"][0]["tolerance"]) == ([], 5)
    assert strict(run("history", "show", history, "--json", "--metric", "vm*").stdout)["series"] == []


def test_page(run: Run, history: Path, tmp_path: Path) -> None:
    for name in ("trend.html", "trend.md"):
        done = run("history", "page", history, "-o", tmp_path / name, "--title", "Encoder <b>")
        assert (done.returncode, done.stdout) == (0, "")
        assert "c0ffee2" in (tmp_path / name).read_text()
    assert "Encoder &lt;b&gt;" in (tmp_path / "trend.html").read_text()


def test_prune(run: Run, history: Path) -> None:
    done = run("history", "prune", history, "--branch", "fix", "--dry-run")
    assert "1 of 5 lines would be removed" in done.stderr
    assert len(read_history(history)) == 5
    assert "3 of 5 lines removed" in run("history", "prune", history, "--keep", "1", "--branch", "main").stderr
    assert [line.commit for line in read_history(history)] == ["c0ffee3", "decade"]


def test_merge(run: Run, history: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    write_lines(other, [a_line(9), *read_history(history)[:2]])
    assert run("history", "merge", history, other, "-o", tmp_path / "all.jsonl").returncode == 0
    assert len(read_history(tmp_path / "all.jsonl")) == 6
    assert "exists. Name it as an input" in run("history", "merge", history, "-o", other).stderr
    assert run("history", "merge", history, other, "-o", other).returncode == 0
    assert read_history(other) == read_history(tmp_path / "all.jsonl")


def test_import(run: Run, tmp_path: Path) -> None:
    report, path = tmp_path / "r.json", tmp_path / "new.jsonl"
    old = a_document(a_test("passed", a_measurement()))
    old.pop("minor")
    for name in ("commit", "branch", "build", "url", "title", "report_only"):
        old["runs"][0].pop(name)
    report.write_text(json.dumps(old))
    done = run("history", "import", path, report)
    assert (done.returncode, "1 line added" in done.stderr, "1 without a commit" in done.stderr) == (0, True, True)
    assert "0 lines added" in run("history", "import", path, report).stderr
    run("history", "import", path, report, "--commit", "c0ffee", "--branch", "main")
    assert [line.commit for line in read_history(path)] == ["", "c0ffee"]
    report.write_text("{}")
    assert run("history", "import", path, report).returncode == 3


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["show", "gone.jsonl"], 3, "gone.jsonl cannot be read: No such file"),
        (["show", "h.jsonl", "--test", "nothing"], 2, "No line of 5 lines is of these tests and branches"),
        (["show", "h.jsonl", "--last", "0"], 2, "--last must be a number of commits from 1"),
        (["show", "h.jsonl", "--commits", "gone"], 2, "--commits: gone cannot be read"),
        (["show", "h.jsonl", "--commits", "h.jsonl"], 2, "must have a commit in each line"),
        (["show", "h.jsonl", "--tolerance", "max_drop"], 2, "--tolerance must be NAME=LIMIT"),
        (["show", "h.jsonl", "--tolerance", "max_drop=off"], 2, "must have a limit"),
        (["show", "h.jsonl", "--tolerance", "max_dorp=1"], 2, "is not a tolerance"),
        (["page", "h.jsonl", "-o", "p.pdf"], 2, "-o must be a .html or .md file"),
        (["page", "h.jsonl", "-o", "gone/p.md"], 2, "there is no folder"),
        (["page", "h.jsonl"], 2, "required: -o"),
        (["prune", "h.jsonl"], 2, "Name what to remove"),
        (["prune", "h.jsonl", "--keep", "-1"], 2, "--keep must be a number of commits from 0"),
        (["prune", "h.jsonl", "--before", "May"], 2, "--before must be a day such as"),
        (["prune", "gone.jsonl", "--keep", "1"], 3, "gone.jsonl"),
        (["merge", "h.jsonl", "-o", "gone/all.jsonl"], 2, "there is no folder"),
    ],
)
def test_errors(run: Run, history: Path, tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    history.rename(tmp_path / "h.jsonl")
    done = run("history", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
