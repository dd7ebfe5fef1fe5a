"""Output of the search commands: tables, unmet targets and errors."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli.commands import FAST, ONE, SEARCHES, Run, posix, searching, strict, sweeping
from pytest_vmaf.cli.main import main


def quick(*commands: str) -> list[Any]:
    """All commands; those that are not named are slow."""
    return [each if each in commands else pytest.param(each, marks=pytest.mark.slow) for each in (*SEARCHES, "corpus")]


@pytest.mark.parametrize("command", SEARCHES)
@pytest.mark.slow
def test_table(run: Run, command: str, clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    done = run(*searching(command, clip, "1", *ONE), "--neg", "--output", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    text = output.read_text()
    assert text.startswith("Targets are NEG, the score of vmaf_v0.6.1neg.\n")
    assert "libx264" in text
    assert re.search(r"\b30\b", text)
    assert "\x1b" not in text


@pytest.mark.slow
@pytest.mark.parametrize("command", SEARCHES)
def test_unmet_targets(run: Run, command: str, clip: Path) -> None:
    targets = "95" if command == "tune-per-shot" else "95,99.99"
    done = run(*searching(command, clip, targets, *ONE), "--format", "json")
    assert done.returncode == 1, done.stderr
    assert "not met: " in done.stderr
    assert "CRF 30, the finest" in done.stderr
    assert ("99.99" in done.stderr) is (command != "tune-per-shot")
    assert strict(done.stdout)["met"] is False


@pytest.mark.parametrize("command", SEARCHES)
def test_missing_source(run: Run, command: str, tmp_path: Path) -> None:
    done = run(*searching(command, tmp_path / "missing.mkv"), "--format", "json")
    assert done.returncode == 3
    assert "missing.mkv does not exist" in done.stderr
    data = strict(done.stdout)
    assert "missing.mkv does not exist" in data["error"]
    assert (data["command"], data["probes"]) == (command, [])


@posix
@pytest.mark.parametrize("command", quick("recommend", "tune-per-shot")[:-1])
def test_failing_encoder(run: Run, command: str, clip: Path, ffmpeg: str, tmp_path: Path) -> None:
    encoder = tmp_path / "enc"
    encoder.write_text(
        f"#!/bin/sh\nif [ -e {tmp_path}/once ]; then echo the licence is over >&2; exit 9; fi\n: > {tmp_path}/once\n"
        f'exec {shlex.quote(ffmpeg)} -nostdin -v error -y -i "$1" -c:v libx264 -preset veryfast -crf "$3" "$2"\n'
    )
    encoder.chmod(0o755)
    asked = [part for part in searching(command, clip, "80") if part not in FAST]
    if "libx264" in asked:
        asked[asked.index("libx264")] = f"{encoder} {{input}} {{output}} {{crf}}"
    else:
        asked += ["--encoder", f"{encoder} {{input}} {{output}} {{crf}}"]
    output = tmp_path / "out.json"
    done = run(*asked, "--format", "json", "--output", output)
    assert done.returncode == 3, done.stderr
    assert "the licence is over" in done.stderr
    assert "it ended with exit code 9" in done.stderr
    assert "Trial encodes finished before: CRF " in done.stderr
    assert "Traceback" not in done.stderr
    data = strict(output.read_text())
    assert "the licence is over" in data["error"]
    assert len(data["probes"]) == 1
    assert 0 < data["probes"][0]["score"] < 100
    assert data["target_model"] == "vmaf_v0.6.1"


@posix
@pytest.mark.parametrize("command", quick("compare", "corpus"))
def test_missing_encoder(
    command: str, clip: Path, ffmpeg: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poor = tmp_path / "ffmpeg"
    real = shlex.quote(ffmpeg)
    poor.write_text(
        f'#!/bin/sh\ncase " $* " in *" -encoders "*) {real} "$@" | grep -v x264;; *) exec {real} "$@";; esac\n'
    )
    poor.chmod(0o755)
    rows = tmp_path / "rows.jsonl"
    asked = sweeping(clip, rows) if command == "corpus" else searching(command, clip)
    assert main([*map(str, asked), "--vmaf-ffmpeg", str(poor)]) == 3
    said = capsys.readouterr().err
    assert "was built without the encoder libx264" in said
    assert "--vmaf-ffmpeg=PATH" in said
