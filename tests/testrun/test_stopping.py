"""Runs and scripts that SIGTERM ends, killed workers, and scratch folders of dead processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: It starts a program of its own, which outlives it, and waits.
HANGING = "#!/bin/sh\nsleep 60 &\necho $! $$ > new && mv new pids\nwait\n"
TESTS = """
import os, signal
import pytest
from pytest_vmaf import Encoder, FakeScorer

def fake(vmaf):
    vmaf.check("ref.mkv", "out.mp4", scorer=FakeScorer(vmaf=95, neg=93), min_neg=90)

def test_first(vmaf):
    fake(vmaf)

def test_hanging(vmaf):
    fake(vmaf)
    vmaf.bisect({clip!r}, encoder=Encoder("enc", command=("./enc", "{{input}}", "{{output}}", "{{crf}}")), targets=[90])

def test_later(vmaf):
    fake(vmaf)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Project:
    """A folder with a test that hangs in an encoder, and how to run it."""

    def __init__(self, folder: Path, clip: Path) -> None:
        self.folder = folder
        (folder / "enc").write_text(HANGING)
        (folder / "enc").chmod(0o755)
        (folder / "test_it.py").write_text(TESTS.format(clip=str(clip)))

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start Python with these arguments, until the encoder hangs."""
        command = [sys.executable, *argv]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=self.folder, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        until(lambda: (self.folder / "pids").exists() or process.poll() is not None, "the encoder never began")
        assert process.poll() is None, process.communicate()
        return process

    def start_pytest(self, *argv: str) -> subprocess.Popen[str]:
        """Start pytest, with a report as data and as a page."""
        return self.start("-m", "pytest", "-p", "no:cacheprovider", "--vmaf-json=r.json", "--vmaf-html=r.html", *argv)

    @property
    def pids(self) -> list[int]:
        """The encoder's child and the encoder."""
        return [int(word) for word in (self.folder / "pids").read_text().split()]

    @property
    def report(self) -> dict[str, Any]:
        """The report as data."""
        document: dict[str, Any] = json.loads((self.folder / "r.json").read_text())
        return document


@pytest.fixture
def project(tmp_path: Path, footage: Callable[..., Path]) -> Project:
    """A project in a folder of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, footage("192x108", 12))


@pytest.mark.slow
def test_sigterm_to_pytest(project: Project, temp: Path) -> None:
    process = project.start_pytest()
    assert list(temp.glob("pytest-vmaf-*"))
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "Terminated: SIGTERM" in output
    assert "INTERNALERROR" not in output
    assert not any(map(is_alive, project.pids))
    assert not list(temp.glob("pytest-vmaf-*"))
    first, hanging = project.report["tests"]
    assert (first["status"], hanging["status"]) == ("passed", "error")
    assert "The run ended while this test was running." in hanging["message"]
    # What it had measured before.
    assert [each["neg"] for each in hanging["measurements"]] == [93]
    run = project.report["runs"][0]
    assert (run["ended"], run["why"], run["exit"]) == ("interrupted", "SIGTERM", 2)
    assert "stopped before its end (SIGTERM)" in (project.folder / "r.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [False, True], ids=["controller", "group"])
def test_sigterm_to_xdist(project: Project, temp: Path, whole_group: bool) -> None:
    process = project.start_pytest("-n1", "-p", "xdist")
    if whole_group:
        # As coreutils' timeout does.
        for pid in [process.pid, *children_of(process.pid)]:
            os.kill(pid, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert not any(map(is_alive, project.pids))
    assert not list(temp.glob("pytest-vmaf-*"))
    assert [test["status"] for test in project.report["tests"]] == ["passed", "error"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_worker(project: Project, temp: Path, number: signal.Signals) -> None:
    process = project.start_pytest("-n1", "-p", "xdist")
    [worker] = children_of(process.pid)
    os.kill(worker, number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == pytest.ExitCode.TESTS_FAILED, output
    assert "crashed while running" in output
    statuses = {test["id"].partition("::")[2]: test["status"] for test in project.report["tests"]}
    assert statuses == {"test_first": "passed", "test_hanging": "error", "test_later": "passed"}
    assert not list(temp.glob("pytest-vmaf-*"))
    until(lambda: not any(map(is_alive, project.pids)), "the encoder or its child lives on")


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


HANGS_UP = pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, reason="nohup makes every child ignore SIGHUP; run without it"
)
SCRIPT = """
import signal, sys
from pytest_vmaf import Encoder, Vmaf

def ask(*_):
    print("asked to stop", flush=True)
    sys.exit(9)

if "own" in sys.argv:
    signal.signal(signal.SIGTERM, ask)
encoder = Encoder("enc", command=("./enc", "{{input}}", "{{output}}", "{{crf}}"))
Vmaf().encode({clip!r}, "out.mkv", encoder=encoder, crf=30)
"""


@pytest.mark.parametrize(
    ("number", "words", "code"),
    [
        (signal.SIGTERM, (), 143),
        pytest.param(signal.SIGHUP, (), 129, marks=[pytest.mark.slow, HANGS_UP]),
        pytest.param(signal.SIGTERM, ("own",), 9, marks=pytest.mark.slow),
    ],
)
def test_signal_to_script(
    project: Project,
    temp: Path,
    footage: Callable[..., Path],
    number: signal.Signals,
    words: tuple[str, ...],
    code: int,
) -> None:
    (project.folder / "script.py").write_text(SCRIPT.format(clip=str(footage("192x108", 12))))
    process = project.start("script.py", *words)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == code, output
    assert output == ("asked to stop\n" if words else "")
    assert not any(map(is_alive, project.pids))
    assert not list(temp.glob("pytest-vmaf-*"))
    assert not list(project.folder.glob(".pytest-vmaf-*"))
