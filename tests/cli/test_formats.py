"""`--format` of commands that print tables."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from search.row_builders import a_row

from cli.commands import Run
from cli.test_gap import LOG


def test_every_format(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "a|b.xml"
    log.write_text(LOG.format(last="96.0"))
    assert run("gap", log).stdout == run("gap", log, "--format", "text").stdout
    assert run("gap", log, "--json").stdout == run("gap", log, "--format=json").stdout
    rows = list(csv.DictReader(io.StringIO(run("gap", log, "--format=csv").stdout)))
    assert [row["metric"] for row in rows] == ["vmaf", "neg", "gap"]
    assert float(rows[2]["mean"]) == 1.25
    lines = run("gap", log, "--format=markdown").stdout.splitlines()
    assert lines[0].endswith("a&#124;b.xml")
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {5}
    done = run("gap", log, "--format=xml")
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_recommendations(run: Run, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    rows = [a_row(20, 96, arguments=("-tune", "film")), a_row(30, 90, arguments=("-tune", "film"))]
    corpus.write_text("".join(f"{row.to_json()}\n" for row in rows))
    command = ("recommend", "--from-corpus", corpus, "--targets", 95, "--format")
    (row,) = csv.DictReader(io.StringIO(run(*command, "csv").stdout))
    assert (row["source"], row["crf"], row["met"], row["arguments"]) == ("clip.mkv", "20", "true", "'-tune film")
    (row,) = csv.DictReader(io.StringIO(run(*command[:4], 99, "--format=csv").stdout))
    assert (row["met"], row["crf"]) == ("false", "")
    text = run(*command, "md").stdout
    assert text.startswith("## recommend\n\nTargets are NEG")
    assert "CRF 20" in text


def test_no_differences(run: Run, tmp_path: Path) -> None:
    folders = tmp_path / "old", tmp_path / "new"
    for folder in folders:
        folder.mkdir()
    done = run("baseline", "diff", *folders, "--format=json")
    assert (done.returncode, json.loads(done.stdout)["rows"]) == (0, [])
    done = run("cache", "info", "--cache-dir", folders[0], "--json")
    assert {kind["entries"] for kind in json.loads(done.stdout)["kinds"]} == {0}


def test_benchmark(run: Run, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    rows = [
        a_row(crf, 110 - crf, share * 2 ** (10 - crf // 4), encoder=encoder, program_hash=encoder)
        for encoder, share in (("x", 1), ("y|", 2))
        for crf in (20, 24, 28, 32)
    ]
    corpus.write_text("".join(f"{row.to_json()}\n" for row in rows))
    command = ("benchmark", corpus, "--targets", "80,85", "--anchor", "x")
    done = run(*command, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["encoders"][1]["ratio"] == 2
    (best, other) = csv.DictReader(io.StringIO(run(*command, "--format=csv").stdout))
    assert (best["encoder"], other["change_percent"], other["targets"]) == ("x medium", "100.0", "80.0 85.0")
    assert "y&#124; medium | +100.0 % |" in run(*command, "--format=markdown").stdout
    assert "+100.0 %" in run(*command).stdout
    for flags, code in (((), 2), (("--targets", "99.9"), 3), (("--targets", 85, "--output", corpus), 2)):
        assert run("benchmark", corpus, *flags).returncode == code
