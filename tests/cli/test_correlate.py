"""`pytest-vmaf correlate`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from correlation.builders import a_study

from cli.commands import Done, Run, strict
from pytest_vmaf.cli.correlate import GATES
from pytest_vmaf.correlation.limits import gate_names

Correlate = Callable[..., Done]


def written(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("study")
    scores, opinions = a_study(sources=3, qualities=4)
    return written(folder / "scores.csv", scores), written(folder / "mos.csv", opinions)


@pytest.fixture
def correlate(run: Run, files: tuple[Path, Path]) -> Correlate:
    """correlate("--metric", "neg"): the command with both files and few resamples."""
    return lambda *more: run("correlate", files[0], "--mos", files[1], "--resamples", 100, *more)


def test_table(correlate: Correlate) -> None:
    done = correlate("--metric", "neg,vmaf")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("NEG has the highest tau-b 95 of 2 metrics, 0.")
    for text in ("All clips", "Per codec", "Per source", "Differences between metrics", "RMSE*", "bias"):
        assert text in done.stdout
    assert "psnr_y" not in done.stdout


def test_json(correlate: Correlate, tmp_path: Path) -> None:
    done = correlate("--json", "--lower-is-better", "lpips")
    assert done.returncode == 0, done.stderr
    data = strict(done.stdout)
    assert (data["command"], data["clips"], data["resampled"]) == ("correlate", 36, "source")
    assert data["metrics"] == ["neg", "vmaf", "psnr_y", "lpips"]
    assert "note: Intervals are from resamples of 3 sources" in done.stderr
    assert correlate("--lower-is-better", "lpips", "--output", tmp_path / "c.json").returncode == 0
    assert json.loads((tmp_path / "c.json").read_text()) == data


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("c.html", "<!doctype html>"),
        ("c.md", "## Agreement with viewers\n"),
        ("c.csv", "group,kind,clips,metric,plcc,"),
    ],
)
def test_pages(correlate: Correlate, tmp_path: Path, name: str, start: str) -> None:
    done = correlate("--metric", "neg", "--output", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / name).read_text().startswith(start)


@pytest.mark.parametrize(("gate", "state"), [((), "plain"), (("min_srcc=0.1",), "good"), (("min_srcc=1",), "bad")])
def test_head(correlate: Correlate, tmp_path: Path, gate: tuple[str, ...], state: str) -> None:
    """Only a page with gates looks like a verdict."""
    flags = [word for each in gate for word in ("--gate", each)]
    done = correlate("--metric", "psnr_y", "--output", tmp_path / "c.html", *flags)
    text = (tmp_path / "c.html").read_text()
    assert f'<header class="{state}">' in text
    assert (done.returncode == 1) == ("Failed: min_srcc=1: SRCC of psnr_y is" in text) == (state == "bad")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--min-srcc", "0.9", "--max-rmse", "9", "--metric", "psnr_y"], 1, "failed: min_srcc=0.9: SRCC of psnr_y is"),
        (["--min-srcc", "x"], 2, "--gate min_srcc must be a number"),
        (["--gate", "min_srcc=0.9", "--metric", "psnr_y"], 1, "failed: min_srcc=0.9: SRCC of psnr_y is 0."),
        (["--gate", "min_srcc=0.9", "--metric", "neg"], 0, ""),
        (["--gate", "min_srcc_worst_codec=0.99", "--metric", "neg"], 1, "SRCC of neg on "),
        (["--mapping", "logistic", "--metric", "neg"], 0, ""),
        (["--gate", "max_rmse=0.01", "--metric", "neg"], 1, "RMSE of neg is 0."),
        (["--gate", "max_srcc=0.9"], 2, "max_srcc must be min_srcc"),
        (["--gate", "min_scc=0.9"], 2, "Did you mean 'min_srcc'?"),
        (["--gate", "min_srcc"], 2, "--gate min_srcc must be a number, for example min_srcc=0.9"),
        (["--gate", "min_srcc=high"], 2, "must be a number, for example min_srcc=0.9, not 'high'"),
        (["--metric", "nge"], 2, "has no metric 'nge'. Did you mean 'neg'?"),
        (["--lower-is-better", "dists"], 2, "lower_is_better: there is no metric 'dists'"),
        (["--mapping", "linear"], 2, 'mapping must be "cubic" or "logistic", not \'linear\''),
        (["--seed", "-1"], 2, "seed must be a whole number from 0"),
        (["--resamples", "5"], 2, "resamples must be a whole number from 100"),
        (["--resample-by", "codec"], 2, 'resample_by must be "clip" or "source", not \'codec\''),
        (["--output", "nowhere/c.html"], 2, "there is no folder"),
    ],
)
def test_exit_codes(correlate: Correlate, flags: list[str], code: int, said: str) -> None:
    done = correlate(*flags)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


def test_input_as_output(correlate: Correlate, files: tuple[Path, Path]) -> None:
    assert "is also an input file" in correlate("--output", files[1]).stderr


def test_missing_clips(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    lines = files[0].read_text().splitlines()
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join([*lines[:1], *lines[8:]]) + "\n")
    done = run("correlate", fewer, "--mos", files[1])
    assert done.returncode == 3
    assert "7 clips without scores: s0_avc_0, s0_avc_1, s0_avc_2, s0_avc_3, s0_hevc_0 and 2 more." in done.stderr
    done = run("correlate", fewer, "--mos", files[1], "--allow-missing", "--resamples", 100, "--metric", "neg")
    assert done.returncode == 0, done.stderr
    assert "Left out: 7 clips without scores" in done.stdout
    nowhere = run("correlate", tmp_path / "none.csv", "--mos", files[1])
    assert (nowhere.returncode, "cannot be read: No such file" in nowhere.stderr) == (3, True)


def test_flags_of_gates() -> None:
    assert list(GATES) == gate_names()
