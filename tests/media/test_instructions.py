"""Counting instructions: which tool is there and can count, and what its logs say."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.media import instructions
from pytest_vmaf.media.instructions import InstructionCounter, find_counter
from pytest_vmaf.media.stopwatch import Stopwatch

Tool = Callable[[str, str], None]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """tool("perf", "echo 1 >&2"): a script of this name, and no other tool on PATH but those of the system."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "true", "setpriv", "cat"):
        if path := shutil.which(name):
            (folder / name).symlink_to(path)
    monkeypatch.setenv("PATH", str(folder))
    instructions._try.cache_clear()

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write


VERSION = 'case "$1" in --version) echo "tool-7.25.0 of 2026"; exit;; esac\n'


def test_nothing(tool: Tool) -> None:
    assert find_counter() is None


def test_perf(tool: Tool, tmp_path: Path) -> None:
    tool("perf", VERSION + "echo 123456,,instructions:u,1000,100.00,, >&2")
    counter = find_counter()
    assert counter is not None
    assert counter.name == "perf 7.25.0"
    assert counter.command(tmp_path)[1:] == (
        *("stat", "-x", ",", "-e", "instructions:u", "--append", "-o", str(tmp_path / "perf.log"), "--"),
    )
    (tmp_path / "perf.log").write_text("# started on Mon\n\n98765,,instructions:u,1000,100.00,,\n")
    assert counter.read(tmp_path) == 98765
    with pytest.raises(MeasurementError, match=r"perf 7.25.0 counted no instructions"):
        counter.read(tmp_path)


def test_perf_that_cannot_count(tool: Tool) -> None:
    """In virtual machines and containers; valgrind takes its place, and the result names it."""
    tool("perf", VERSION + "echo '<not supported>,,instructions:u,0,100.00,,' >&2")
    assert find_counter() is None
    tool("valgrind", VERSION)
    instructions._try.cache_clear()
    counter = find_counter()
    assert counter is not None
    assert counter.name == "valgrind 7.25.0"


def test_logs_of_valgrind(tmp_path: Path) -> None:
    """Each process has a log. A percent sign in the folder's name is not a pattern."""
    counter = InstructionCounter("valgrind 3.19.0", "/usr/bin/valgrind")
    for number, count in enumerate(("1,234,567", "33")):
        (tmp_path / f"{number}.log").write_text(f"==9== Cachegrind\n==9== \n==9== I   refs:      {count}\n")
    assert counter.read(tmp_path) == 1_234_600
    assert "--log-file=a%%b/%p.log" in counter.command(Path("a%b"))


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
@pytest.mark.slow
def test_children_are_counted(tmp_path: Path) -> None:
    """What a script starts is counted, and the same work takes nearly the same number of instructions."""
    counter = InstructionCounter("valgrind", str(shutil.which("valgrind")))

    def count(script: str) -> int:
        subprocess.run([*counter.command(tmp_path), "sh", "-c", script], check=True, stdout=subprocess.DEVNULL)
        return counter.read(tmp_path)

    loop = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done"
    plain, child = count(loop), count(f"sh -c '{loop}' | cat")
    assert plain > 1_000_000
    # How long a shell looks for a variable depends on its environment, which a child has more of.
    assert child > 0.9 * plain
    assert count(loop) == pytest.approx(plain, rel=0.01)


def test_stopwatch() -> None:
    """Children count once they have ended; this process only if it is asked for."""
    watch, own = Stopwatch(), Stopwatch(own=True)
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done"], check=True)
    sum(range(300_000))
    spent, everything = watch.read(), own.read()
    assert spent.cpu is not None
    assert everything.cpu is not None
    assert 0 < spent.cpu < everything.cpu
    assert spent.wall > 0
