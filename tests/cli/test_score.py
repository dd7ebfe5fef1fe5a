"""`pytest-vmaf score`."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import Run
from pytest_vmaf.gates.defaults import DEFAULT_GATES


def test_table(run: Run, reference: Path, encoded: Path) -> None:
    done = run("score", reference, encoded, "--gate", "min_neg=30", "--feature", "psnr")
    assert done.returncode == 0, done.stderr
    for word in ("NEG", "VMAF", "gap", "psnr_y", "min_neg=30 (call)", "passed"):
        assert word in done.stdout
    assert re.search(r"^psnr_y +\d+\.\d{4} dB$", done.stdout, re.MULTILINE)
    done = run("score", reference, encoded, "--gate", "min_neg=30", "--feature", "psnr", "--format=csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert float(row["gap"]) == pytest.approx(float(row["vmaf"]) - float(row["neg"]))
    assert (row["status"], row["failed_gates"]) == ("passed", "")
    done = run("score", reference, encoded, "--gate", "min_neg=30", "--format=markdown")
    assert "| min&#95;neg |" in done.stdout


def test_violations(run: Run, reference: Path, sharpened: Path) -> None:
    done = run("check", reference, sharpened, "--gate=min_neg=99")
    assert done.returncode == 1
    # Every gate is in the table, and not on standard error once more.
    assert done.stderr.startswith(f"pytest-vmaf: 4 of {len(DEFAULT_GATES) + 1} gates failed.\n  Detail or contrast is")
    assert "min_neg" not in done.stderr
    lines = done.stdout.splitlines()
    [failed] = [number for number, line in enumerate(lines) if "min_neg=99 (command line): " in line]
    assert lines[failed].endswith("FAILED")
    assert lines[failed + 1].strip().startswith("worst frames: frame ")
    # `score` checks no gate that was not given.
    done = run("score", reference, sharpened, "--gate=min_neg=99")
    assert done.returncode == 1
    assert done.stderr == "pytest-vmaf: 1 of 1 gate failed.\n"
    done = run("score", reference, sharpened, "--gate=min_neg=99", "--format=json")
    assert "min_neg: NEG" in done.stderr
    assert run("score", reference, sharpened).returncode == 0


def test_json(run: Run, reference: Path, encoded: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    done = run("check", reference, encoded, "--format=json", "--output", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    data = json.loads(output.read_text())
    assert data["status"] == "passed"
    assert data["provenance"]["neg_model"] == "vmaf_v0.6.1neg"
    assert data["gap"] == pytest.approx(data["vmaf"] - data["neg"])
    assert [gate["name"] for gate in data["gates"]] == list(DEFAULT_GATES)
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.slow
def test_parts(run: Run, reference: Path, encoded: Path) -> None:
    done = run("score", reference, encoded, "--start=12", "--frames=0.16", "--format=json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["provenance"]["starts"] == [12, 12]
    assert data["reference"].endswith("(frames 12 to 15)")
    assert "distorted: frames 12 to 15; frame 0 of the result is frame 12 of the clip" in data["provenance"]["notes"]
    done = run("score", reference, encoded, "--start=1", "--reference-start=100", "--frames=3")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith("has 24 frames, 0 to 23, and no part of 3 frames from frame 100 on.\n")
    done = run("score", reference, encoded, "--distorted-frames=0")
    assert done.returncode == 2
    assert "frames must be a number of frames, from 1 on, or seconds such as 2.0 or" in done.stderr


@pytest.mark.slow
def test_raw_video(run: Run, reference: Path, encoded: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    raw = make("-i", reference, "-f", "rawvideo", tmp_path / "ref.yuv")
    wanted = json.loads(run("score", reference, encoded, "--format=json").stdout)
    geometry = ("--width", 320, "--height", 180, "--pix-fmt", "yuv420p", "--frame-rate", 25)
    found = json.loads(run("score", raw, encoded, *geometry, "--format=json").stdout)
    assert found["neg"] == wanted["neg"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--gate=min_nge=9",), 2, "Did you mean 'min_neg'"),
        (("--pix-fmt=yuv420p",), 2, "--pix-fmt is only for files that do not state it"),
        (("--frame-rate=24",), 2, "--frame-rate is only for files that do not state it"),
        (("--generation=v2",), 2, "generation (command line) must be one of v0, v1, not 'v2'"),
        (("--threads=zero",), 2, "invalid int value"),
        (("--threads=1000000000",), 2, "threads (command line) must be at most "),
        (("--model=vmaf_v9",), 3, "is not a known VMAF model"),
        (("--ffmpeg=/no/such/ffmpeg",), 3, "does not exist or cannot be run"),
    ],
)
def test_exit_codes(
    run: Run, reference: Path, encoded: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = run("score", reference, encoded, *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_clip(run: Run, reference: Path) -> None:
    done = run("score", reference, "missing.mp4")
    assert done.returncode == 3
    assert "missing.mp4 does not exist" in done.stderr


def test_command_repeats_the_score(run: Run, reference: Path, encoded: Path, tmp_path: Path) -> None:
    record = json.loads(run("score", reference, encoded, "--format=json").stdout)
    shell = record["provenance"]["command"]
    subprocess.run(["sh", "-c", shell], cwd=tmp_path, check=True, capture_output=True)
    log = (tmp_path / "vmaf.xml").read_text()
    assert 'name="neg" min=' in log
    assert f'mean="{record["neg"]:.6f}"' in log


def test_output_folder_missing(run: Run, reference: Path, encoded: Path, tmp_path: Path) -> None:
    done = run("score", reference, encoded, "--output", tmp_path / "no" / "such" / "file")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a FIFO")
def test_output_to_pipe_and_link(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("Frame,vmaf,vmaf_neg,\n0,97.5,96.5,\n")
    target, link, pipe = tmp_path / "target.json", tmp_path / "link.json", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    assert run("gap", log, "--format=json", "--output", link).returncode == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["frames"] == 1
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    assert run("gap", log, "--format=json", "--output", pipe).returncode == 0
    assert json.loads(reader.communicate(timeout=30)[0])["frames"] == 1
    assert pipe.is_fifo()


def test_raw_video_of_any_name(
    run: Run, reference: Path, encoded: Path, make: Callable[..., Path], tmp_path: Path
) -> None:
    raw = make("-i", reference, "-f", "rawvideo", tmp_path / "frames.bin")
    done = run("score", raw, encoded, "--width", 320, "--height", 180, "--frame-rate", 25)
    assert done.returncode == 0, done.stderr


def test_forced_colours(run: Run, reference: Path, encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AV_LOG_FORCE_COLOR", "1")
    assert run("score", reference, encoded).returncode == 0


def test_chunk_flags(run: Run, reference: Path, encoded: Path) -> None:
    done = run("score", reference, encoded, "--processes=2")
    assert done.returncode == 2
    assert "--processes and --dask need --chunk: they score a clip in chunks" in done.stderr
    done = run("check", reference, encoded, "--chunk=x")
    assert done.returncode == 2
    assert "chunk must be a number of seconds above 0, such as 30 or \"30s\", not 'x'" in done.stderr


@pytest.mark.slow
def test_chunks(run: Run, footage: Callable[..., Path], encode: Callable[..., Path]) -> None:
    reference = footage("96x80", 4)
    command = ("score", reference, encode(reference), "--no-signs", "--format=json", "--no-cache")
    whole, chunks = (json.loads(run(*command, *more).stdout) for more in ((), ("--chunk=0.08s", "--processes=1")))
    assert chunks == {**whole, "started": chunks["started"]}
