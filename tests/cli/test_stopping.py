"""Stopped searches and progress on a terminal."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import ONE, SEARCHES, Run, posix, searching, sweeping

HANGING = """#!/bin/sh
echo "$3" >> calls
if [ "$3" -ge 25 ] && [ -e hang ]; then echo $$ > pid; sleep 60; fi
exec {ffmpeg} -nostdin -v error -y -i "$1" -c:v libx264 -preset veryfast -crf "$3" "$2"
"""


def until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@posix
def test_stopped_corpus_resumes(run: Run, clip: Path, ffmpeg: str, tmp_path: Path, temp: Path) -> None:
    encoder = tmp_path / "enc"
    encoder.write_text(HANGING.format(ffmpeg=shlex.quote(ffmpeg)))
    encoder.chmod(0o755)
    (tmp_path / "hang").touch()
    argv = ["corpus", "--src", clip, "--encoder", f"{encoder} {{input}} {{output}} {{crf}}"]
    argv += ["--crf", "20,25,30", "--out", "rows.jsonl"]
    command = [sys.executable, "-m", "pytest_vmaf", *map(str, argv)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "Traceback" not in said
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert list(temp.iterdir()) == []
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1
    (tmp_path / "hang").unlink()
    again = run(*argv, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "calls").read_text().split() == ["20", "25", "25", "30"]
    found = run("recommend", "--from-corpus", "rows.jsonl", "--target-vmaf", "80", "--neg", cwd=tmp_path)
    assert "CRF 25" in found.stdout


@posix
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_search(workers: int, clip: Path, ffmpeg: str, tmp_path: Path, temp: Path) -> None:
    encoder = tmp_path / "enc"
    encoder.write_text(HANGING.format(ffmpeg=shlex.quote(ffmpeg)))
    encoder.chmod(0o755)
    (tmp_path / "hang").touch()
    argv = ["recommend", "--src", clip, "--encoder", f"{encoder} {{input}} {{output}} {{crf}}", "--target-vmaf", "80"]
    argv += ["--crf-range", "24-36", "--output", "out.json", "--format", "json", "--workers", workers]
    command = [sys.executable, "-m", "pytest_vmaf", *map(str, argv)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert list(temp.iterdir()) == []
    assert not (tmp_path / "out.json").exists()


def on_a_terminal(argv: list[str], env: dict[str, str]) -> str:
    """Run a command on a pseudo-terminal of its own and return all it wrote there."""
    import pty

    terminal, other_end = pty.openpty()
    with subprocess.Popen(argv, stdin=other_end, stdout=other_end, stderr=other_end, env=env, start_new_session=True):
        os.close(other_end)
        said = b""
        while chunk := read(terminal):
            said += chunk
    os.close(terminal)
    return said.decode("utf-8", "replace")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux says so when the other end is closed.
        return b""


#: Runs commands without waiting before progress is shown, and prints a line before each.
IMPATIENT = """
import json, sys
from pytest_vmaf import progress
from pytest_vmaf.cli.main import main
progress.PATIENCE = 0.0
for argv in json.loads(sys.argv[1]):
    print("command:", argv[0], flush=True)
    code = main(argv)
sys.exit(code)
"""


def impatient(*commands: list[object]) -> list[str]:
    return [sys.executable, "-c", IMPATIENT, json.dumps([[str(word) for word in command] for command in commands])]


@pytest.mark.slow
@posix
@pytest.mark.parametrize("commands", [("corpus",), pytest.param(SEARCHES, marks=pytest.mark.slow)])
def test_progress_on_a_terminal(commands: tuple[str, ...], clip: Path, tmp_path: Path) -> None:
    asked = [
        sweeping(clip, tmp_path / "rows.jsonl")
        if command == "corpus"
        else searching(command, clip, "80", "--crf-range", "26-32")
        for command in commands
    ]
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"COLUMNS": "100", "TERM": "xterm"}
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal(impatient(*asked), env))
    parts = re.split(r"command: ([a-z-]+)", said)[1:]
    assert tuple(parts[::2]) == commands
    for command, part in zip(parts[::2], parts[1::2], strict=True):
        lines = part.split("\r")
        assert "0:00:00" in next(line for line in lines if "encode" in line)
        assert "?" not in part
        if command == "corpus":
            shown = re.findall(r"(\d+)/(\d+) encodes", part)
            done = [int(first) for first, _ in shown]
            assert all(int(first) <= int(second) for first, second in shown)
        else:
            done = [int(each) for each in re.findall(r"(\d+) trial encode", part)]
            assert re.search(r"trial encodes?, (about \d:\d\d:\d\d left|nearly done)", part)
        assert done == sorted(done)
        assert len(set(done)) > 1, part
        # Not the line before the table, which has the path of the source.
        assert all(len(line) < 100 for line in lines if re.search(r"trial encode|/\d+ encodes", line))


@posix
@pytest.mark.slow
def test_no_progress_in_ci(clip: Path, tmp_path: Path) -> None:
    env = {**os.environ, "COLUMNS": "100", "TERM": "xterm", "CI": "1"}
    said = on_a_terminal(impatient(sweeping(clip, tmp_path / "rows.jsonl")), env)
    assert "command: corpus" in said
    assert " left" not in said


@pytest.mark.slow
def test_no_progress_without_a_terminal(clip: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    argv = impatient(searching("recommend", clip, "1", *ONE))
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0
    assert done.stderr == ""
