"""Scratch folders: what they are called, when they are removed, and which of other processes are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_vmaf.media import scratch
from pytest_vmaf.media.scratch import scratch_folder, sweep

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(autouse=True)
def not_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has swept no folder yet."""
    monkeypatch.setattr(scratch, "_swept", set())


def test_folder(temp: Path) -> None:
    with scratch_folder() as name:
        assert os.path.dirname(name) == str(temp)
        assert f"-{os.getpid()}-" in name
        Path(name, "part.mp4").write_bytes(b"x")
        # Not even by a process that looks at the very moment.
        sweep(again=True)
        assert Path(name, "part.mp4").exists()
    assert list(temp.iterdir()) == []


def test_folder_inside_another_is_hidden(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as name:
        assert Path(name).parent == tmp_path
        assert Path(name).name.startswith(".pytest-vmaf-")
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_process(temp: Path) -> None:
    program = """
    import os, signal
    from pathlib import Path
    from pytest_vmaf.media.scratch import scratch_folder
    with scratch_folder() as name:
        Path(name, "x").mkdir()
        Path(name, "out").symlink_to(Path.cwd() / "precious")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    precious = temp.parent / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    code = "\n".join(line[4:] for line in program.splitlines())
    end = subprocess.run([sys.executable, "-c", code], cwd=temp.parent)
    assert end.returncode == -signal.SIGKILL
    assert len(list(temp.iterdir())) == 1
    with scratch_folder() as name:
        assert [path.name for path in temp.iterdir()] == [os.path.basename(name)]
    assert (precious / "file").exists()


def test_what_stays(temp: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = scratch._place()
    dead = f"pytest-vmaf-{here}-{gone.pid}-abcdefgh"
    for name in (
        f"pytest-vmaf-{here}-{os.getppid()}-abcdefgh",
        f"pytest-vmaf-{here}-1-abcdefgh",
        # Another machine, another boot, another container.
        f"pytest-vmaf-{'0' * 12}-{gone.pid}-abcdefgh",
        f"pytest-vmaf-unknown-{gone.pid}-abcdefgh",
        # Whatever a user calls a folder.
        "pytest-vmaf-results",
        f"{dead}.kept",
        f"my-{dead}",
    ):
        (temp / name).mkdir()
    (temp / f"{dead[:-1]}1").symlink_to(temp / "pytest-vmaf-results")
    (temp / f"{dead[:-1]}2").write_text("a file")
    if os.getuid() == 0:
        (temp / f"{dead[:-1]}3").mkdir()
        os.chown(temp / f"{dead[:-1]}3", 12345, 12345)
    before = sorted(temp.iterdir())
    (temp / dead).mkdir()
    sweep()
    assert sorted(temp.iterdir()) == before


def test_sweeps_once(temp: Path) -> None:
    sweep()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = temp / f"pytest-vmaf-{scratch._place()}-{gone.pid}-abcdefgh"
    folder.mkdir()
    sweep()
    assert folder.exists()
    sweep(again=True)
    assert not folder.exists()


def test_zombie(temp: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)
    folder = temp / f"pytest-vmaf-{scratch._place()}-{gone.pid}-abcdefgh"
    folder.mkdir()
    sweep()
    assert not folder.exists()
    gone.wait()


def test_nothing_is_swept_where_the_place_is_unknown(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_place", lambda: "")
    with scratch_folder() as name:
        assert "-unknown-" in name
        sweep(again=True)
        assert Path(name).exists()
