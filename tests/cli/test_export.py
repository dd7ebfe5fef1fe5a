"""`pytest-vmaf export`."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from exports.builders import TEST, a_line
from report.builders import HOSTILE, a_document, a_measurement, a_test, an_error

from cli.commands import Run, strict


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report with a scored clip, an error, and a name that no format likes."""
    scored = {**a_measurement(), "provenance": {**a_measurement()["provenance"], "size": 1000, "seconds": 2.0}}
    tests = [a_test("passed", scored), a_test("error", an_error(), name="test_y")]
    tests.append(a_test("passed", a_measurement(neg=90.0), name=f'test_z["{HOSTILE}\\n]'))
    path = tmp_path / "report.json"
    path.write_text(json.dumps(a_document(*tests)))
    return path


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two commits, of which the second ran on two platforms, once twice."""
    lines = [
        a_line(1, neg=93.0, gap=1.0),
        a_line(2, neg=92.0, gap=1.5, neg_p5=88.0),
        a_line(2, neg=92.5, gap=1.5, neg_p5=88.0),
        a_line(2, neg=91.0, gap=2.0, platform="linux-arm64"),
        a_line(2, test="tests/test_it.py::test_y", bitrate=1e6, subject=""),
    ]
    path = tmp_path / "history.jsonl"
    path.write_text("".join(f"{line.to_json()}\n" for line in lines))
    return path


def test_bencher(run: Run, report: Path, history: Path) -> None:
    done = run("export", report, "--to", "bencher")
    assert (done.returncode, done.stderr) == (0, "pytest-vmaf: 1 measurement had an error and no numbers.\n")
    data = strict(done.stdout)
    assert data[f"{TEST}::crf23.mp4"]["neg"] == {"value": 93.0}
    assert data[f"{TEST}::crf23.mp4"]["size"] == {"value": 1000.0}
    assert len(data) == 2
    for measures in data.values():
        # The schema that Bencher documents.
        assert measures
        assert all(set(metric) <= {"value", "lower_value", "upper_value"} for metric in measures.values())
        assert all(isinstance(number, float) for metric in measures.values() for number in metric.values())
    # Of a history the newest commit, with the range of its runs.
    data = strict(run("export", history, "--to", "bencher").stdout)
    assert data[f"{TEST}::out.mp4"]["neg"] == {"value": 92.25, "lower_value": 92.0, "upper_value": 92.5}
    assert data[f"{TEST}::out.mp4 [linux-arm64]"]["neg"] == {"value": 91.0}
    assert data["tests/test_it.py::test_y"] == {"bitrate": {"value": 1e6}}


def test_github_action(run: Run, history: Path, tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    assert run("export", history, "--to", "github-action-benchmark", "-o", output).returncode == 0
    bigger, smaller = (strict((tmp_path / f"bench-{name}.json").read_text()) for name in ("bigger", "smaller"))
    assert bigger[0] == {
        "name": f"{TEST}::out.mp4 neg",
        "unit": "points",
        "value": 92.25,
        "range": "± 0.250000",
        "extra": "model: vmaf_v0.6.1",
    }
    assert [entry["name"].rpartition(" ")[2] for entry in bigger] == ["neg", "neg_p5", "neg"]
    assert {(entry["name"].rpartition(" ")[2], entry["unit"]) for entry in smaller} == {
        ("gap", "points"),
        ("bitrate", "bit/s"),
    }
    assert strict(run("export", history, "--to", "github-action-smaller").stdout) == smaller
    # The action refuses an empty list.
    assert run("export", history, "--to", "github-action-smaller", "--metric", "neg*").returncode == 3
    assert run("export", history, "--to", "github-action-benchmark").returncode == 2


def test_otava(run: Run, history: Path, tmp_path: Path) -> None:
    done = run("export", history, "--to", "otava", "--metric", "neg")
    (first, second) = csv.DictReader(io.StringIO(run("export", history, "--to", "otava", "--test", "test_x").stdout))
    assert "missing at 1 commit" in done.stderr
    assert (first["time"], first["commit"], first["branch"]) == ("2026-01-01T03:04:05+00:00", "c1", "main")
    assert [float(row[f"{TEST}::out.mp4 gap"]) for row in (first, second)] == [1.0, 1.5]
    folder = tmp_path / "otava"
    assert run("export", history, "--to", "otava", "-o", folder).returncode == 0
    names = {file.stem for file in folder.glob("*.csv")}
    assert len(names) == 3
    config = (folder / "otava.yaml").read_text()
    assert all(f'"{folder.as_posix()}/{name}.csv"' in config for name in names)
    assert '"gap": {direction: -1, column: "gap"}' in config


#: A line of Prometheus' text format, as its documentation describes it.
SAMPLE = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"(?:,(?!\}))?)*\} -?[0-9.e+-]+')


def test_prometheus(run: Run, report: Path, history: Path) -> None:
    text = run("export", report, "--to", "prometheus").stdout
    assert text.endswith("\n")
    lines = text.splitlines()
    families = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(set(families)) == len(families)
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert len({line.rpartition(" ")[0] for line in samples}) == len(samples)
    assert sum("measurement_passed" in line and line.endswith(" 0.0") for line in samples) == 1
    assert any("test_z" in line and r"\"" in line for line in samples)
    text = run("export", history, "--to", "prometheus").stdout
    assert 'pytest_vmaf_commit_info{commit="c2",branch="main"} 1.0' in text
    own = f'pytest_vmaf_neg{{test="{TEST}",subject="out.mp4",platform="linux-arm64",model="vmaf_v0.6.1"}} 91.0'
    assert own in text.splitlines()


def test_invalid_files(run: Run, history: Path, tmp_path: Path) -> None:
    for name, text, message in (
        ("empty.jsonl", "", "have no numbers to export"),
        ("sweep.jsonl", '{"schema": 1, "source": "a.mkv"}', "pytest-vmaf benchmark"),
        ("other.json", "{}", "not a readable report"),
        ("torn.jsonl", '{"schema": 1, "test": "x", "val', "have no numbers to export"),
    ):
        path = tmp_path / name
        path.write_text(text)
        done = run("export", path, "--to", "bencher")
        assert done.returncode == 3, name
        assert message in done.stderr
    assert run("export", tmp_path / "none.json", "--to", "bencher").returncode == 3
    assert run("export", history, "--to", "bencher", "-o", history).returncode == 2
    assert run("export", history, "--to", "asv").returncode == 2
    assert run("export", history, "--to", "bencher", "--test", "other").returncode == 3
    assert "There are neg" in run("export", history, "--to", "bencher", "--metric", "ngg").stderr
    done = run("export", history, "--to", "bencher", "-o", "-")
    assert (done.returncode, "/dev/stdout" in done.stderr) == (2, True)
