"""`pytest-vmaf report`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy  # noqa: F401  (compiled modules must be loaded before pytester takes note of the modules)
import pytest

from cli.commands import Run
from pytest_vmaf import files
from pytest_vmaf.report import document


@pytest.fixture
def shards(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What two shards of a build matrix leave: one whose gates hold, one with a failure."""
    pytester.makepyfile(
        """
        import os
        from pytest_vmaf import FakeScorer

        def test_rung(vmaf):
            neg = float(os.environ["NEG"])
            vmaf.check("ref.mkv", "out|<b>.mp4", scorer=FakeScorer(vmaf=neg + 2, neg=neg), min_neg=93)
        """
    )
    files = []
    for name, neg in (("arm", "94.25"), ("x86", "91.5")):
        files.append(pytester.mkdir(name) / "vmaf.json")
        monkeypatch.setenv("NEG", neg)
        pytester.runpytest("-q", "-p", "no:cacheprovider", f"--vmaf-json={files[-1]}")
    return files


def test_merge(run: Run, shards: list[Path], tmp_path: Path) -> None:
    outputs = [tmp_path / f"all{suffix}" for suffix in (".html", ".md", ".json")]
    done = run("report", *shards, *(part for output in outputs for part in ("-o", output)))
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["pytest-vmaf: 1 of 2 tests failed.", "  test_rung: NEG 91.50 is 1.50 below the minimum of 93"]
    assert not any(line.startswith("Worst") for line in lines)
    page = outputs[0].read_text()
    # The page begins with the same words.
    assert re.search(r'<p class="verdict">.* 1 of 2 tests failed\.</p>', page)
    assert "NEG 91.50 is 1.50 below the minimum of 93" in page
    assert page.index("91.50") < page.index("94.25")
    for shard in ("arm", "x86"):
        assert f"<small>{shard}</small>" in page
    assert "out|&lt;b&gt;.mp4" in page
    assert "out|<b>" not in outputs[1].read_text()
    merged = json.loads(outputs[2].read_text())
    assert [run["name"] for run in merged["runs"]] == ["arm", "x86"]
    assert [(test["run"], test["status"]) for test in merged["tests"]] == [(0, "passed"), (1, "failed")]
    # What was merged can be merged again.
    again = run("report", outputs[2], shards[0], "-o", tmp_path / "again.json")
    assert again.returncode == 1
    names = [run["name"] for run in json.loads((tmp_path / "again.json").read_text())["runs"]]
    assert len(set(names)) == 3


def test_against(run: Run, shards: list[Path], tmp_path: Path) -> None:
    """The exit code is that of the new report's gates: a number that gets worse or better changes nothing."""
    good, bad = shards
    outputs = [tmp_path / f"delta{suffix}" for suffix in (".md", ".html", ".json")]
    into = [part for output in outputs for part in ("-o", output)]
    done = run("report", bad, "--against", good, *into)
    assert done.returncode == 1, done.stderr
    assert "1 number worse, 0 better. 0 measurements new, 0 gone, 0 unchanged." in done.stdout
    assert "test_rung: NEG 91.50 is 1.50 below the minimum of 93" in done.stdout
    comment, page, data = (output.read_text() for output in outputs)
    assert comment.startswith("<!-- pytest-vmaf -->\n## ")
    assert "| NEG | 94.25 | 91.50 | -2.75 | -1.50 min&#95;neg |" in comment
    assert "<b>" not in comment + page.partition("</style>")[2].partition("<main>")[2]
    assert [change["difference"] for change in json.loads(data)["worse"]] == [-2.75]
    assert run("report", good, "--against", bad, *into).returncode == 0
    assert "### Better (1)" in outputs[0].read_text()
    assert run("report", good, "--against", bad, "--tolerance", "3", *into).returncode == 0
    assert "1 unchanged" in outputs[0].read_text()
    assert run("report", good, "--against", tmp_path / "no.json", *into).returncode == 3


def test_report_only(run: Run, shards: list[Path], tmp_path: Path, pytester: pytest.Pytester) -> None:
    """What fails no test does not fail the merged report either, which says it loudly."""
    lenient = tmp_path / "lenient.json"
    pytester.runpytest("-q", "-p", "no:cacheprovider", "--vmaf-report-only", f"--vmaf-json={lenient}")
    done = run("report", shards[0], lenient, "-o", tmp_path / "all.md")
    assert (done.returncode, "REPORT ONLY" in done.stdout) == (0, True)
    assert run("report", lenient, shards[1], "-o", tmp_path / "all.md").returncode == 1


def test_exit_codes(run: Run, shards: list[Path], tmp_path: Path, pytester: pytest.Pytester) -> None:
    output = tmp_path / "r.html"
    assert run("report", shards[0], "-o", output).returncode == 0
    (pytester.path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    empty = tmp_path / "empty.json"
    pytester.runpytest("-q", "-p", "no:cacheprovider", f"--vmaf-json={empty}", "test_nothing.py")
    assert run("report", empty, "-o", output).returncode == 3
    # A shard that was stopped did not gate what it did not run.
    data = json.loads(shards[0].read_text())
    data["runs"][0]["ended"] = "interrupted"
    shards[0].write_text(json.dumps(data))
    assert run("report", shards[0], "-o", output).returncode == 3


def test_merge_that_fits(run: Run, shards: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    output = tmp_path / "all.json"
    monkeypatch.setattr(document, "LARGEST_BYTES", max(shard.stat().st_size for shard in shards) + 9)
    done = run("report", *shards, "-o", output)
    assert done.returncode == 3
    assert "Merge fewer files into each report, or write .html" in done.stderr
    assert not output.exists()
    monkeypatch.setattr(document, "LARGEST_BYTES", 1 << 27)
    assert run("report", *shards, "-o", output).returncode == 1
    monkeypatch.setattr(files, "MOST_OBJECTS", 9)
    done = run("report", output, "-o", tmp_path / "again.html")
    assert done.returncode == 3
    assert "all.json is not a readable report: it has more than 9 objects and lists" in done.stderr


def test_assets(run: Run, shards: list[Path], tmp_path: Path) -> None:
    assert run("report", shards[0], "--html-assets", "-o", tmp_path / "r.html").returncode == 0
    names = {path.suffix for path in (tmp_path / "r_assets").iterdir()}
    assert names == {".css", ".js", ".svg"}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"kind": "pytest-vmaf report", "schema": 99}', "[" * 100_000]
)
def test_invalid_files(run: Run, tmp_path: Path, content: str) -> None:
    bad, output = tmp_path / "bad.json", tmp_path / "r.html"
    bad.write_text(content)
    output.write_text("the old one")
    done = run("report", bad, "-o", output)
    assert done.returncode == 3
    assert "bad.json is not a readable report" in done.stderr
    assert "Traceback" not in done.stderr
    assert output.read_text() == "the old one"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "r.pdf"], "-o must be a .html, .md or .json file, not r.pdf"),
        (["-o", "nowhere/r.html"], "there is no folder"),
        (["-o", "a.json"], "is also an input file"),
        (["--against", "b.json", "-o", "b.json"], "is also an input file"),
        (["--against", "b.json", "./b.json", "-o", "d.md"], "A file is given twice"),
        (["--against", "b.json", "-o", "d.html", "--html-assets"], "--html-assets is for reports without --against"),
        (["--against", "b.json", "-o", "d.md", "--tolerance", "nan"], "--tolerance must be a finite number from 0"),
        (["-o", "d.md", "--tolerance", "1"], "--tolerance requires --against"),
        ([], "required: -o"),
    ],
)
def test_usage(run: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "a.json").write_text("{}")
    done = run("report", "a.json", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
