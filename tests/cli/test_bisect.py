"""`pytest-vmaf bisect` and `encode`, and the names that searches share with Python."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from cli.commands import FAST, ONE, Run


def test_bisect(run: Run, clip: Path) -> None:
    done = run("bisect", "--encoder", "libx264", *FAST, *ONE, "--targets", "1", "--format", "json", clip)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["command"], data["metric"], data["neg"], data["met"]) == ("bisect", "neg", True, True)
    same = run("recommend", "--src", clip, *FAST, *ONE, "--target-vmafs", "1", "--neg", "--format", "json")
    assert json.loads(same.stdout)["answers"] == data["answers"]


def test_first_line_names_the_metric(run: Run, clip: Path) -> None:
    done = run("bisect", clip, "--encoder", "libx264", *FAST, *ONE, "--targets", "1")
    assert done.stdout.startswith("Targets are NEG, the score of vmaf_v0.6.1neg.")
    done = run("bisect", clip, "--encoder", "libx264", *FAST, *ONE, "--target-vmafs", "1")
    assert done.stdout.startswith("Targets are VMAF, the score of vmaf_v0.6.1.")
    done = run("bisect", clip, "--encoder", "libx264", *FAST, *ONE, "--target-vmafs", "1", "--format=csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["encoder"], row["target"], row["crf"]) == ("libx264 veryfast", "1.0", "30")


@pytest.mark.parametrize("form", ["table", "json"])
def test_encode(run: Run, clip: Path, tmp_path: Path, form: str) -> None:
    output = tmp_path / "out.mp4"
    done = run("encode", clip, output, "--encoder", "libx264", "--crf", "30", *FAST, "--format", form)
    assert done.returncode == 0, done.stderr
    if form == "json":
        data = json.loads(done.stdout)
        assert (data["path"], data["frames"], data["crf"]) == (str(output), 12, 30)
        assert data["bitrate"] == pytest.approx(8 * data["size"] / data["duration"])
    else:
        assert done.stdout.startswith(f"{output}: 12 frames, ")


@pytest.mark.parametrize(
    ("name", "foreign"), [("per-shot", "tune-per-shot"), ("sweep", "corpus"), ("roi", "roi-score")]
)
def test_foreign_names(run: Run, name: str, foreign: str) -> None:
    helps = [run(each, "--help").stdout for each in (name, foreign)]
    assert helps[0] == helps[1]
