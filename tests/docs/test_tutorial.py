"""The tutorial, word for word, in a virtual environment of its own that has the packages of this one."""

from __future__ import annotations

import shlex
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from docs.blocks import read_blocks
from docs.test_examples import ROOT, TUTORIAL, check_output

#: Installing the package takes longer than the tutorial, and is tested in tests/test_packaging.py and .ci/run.
INSTALL = "python3 -m venv .venv\n.venv/bin/pip install pytest-vmaf\n"


@pytest.mark.slow
def test_tutorial(natural_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "CI", "PYTEST_ADDOPTS", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    # pip sets `compile` to the first value. The second lets it install what this environment has, too.
    monkeypatch.setenv("PIP_NO_COMPILE", "0")
    monkeypatch.setenv("PIP_IGNORE_INSTALLED", "1")
    folder = tmp_path / "project"
    folder.mkdir()
    output = ""
    for block in read_blocks(TUTORIAL, ROOT):
        if block.claim == "file":
            (folder / block.detail).write_text(block.code, encoding="utf-8")
        elif block.claim == "output":
            check_output(block, output)
        elif block.claim in ("runs", "fails"):
            if block.code == INSTALL:
                make_environment(folder / ".venv")
                continue
            run = subprocess.run(
                ["bash", "-ec", block.code],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
            )
            output = run.stdout + run.stderr
            assert (run.returncode == 0) == (block.claim == "runs"), f"{block.place}\n{output}"
            assert block.detail in output, f"{block.place}\n{output}"
    assert (folder / ".venv").is_dir()
    assert (folder / "report.html").stat().st_size > 10_000


def make_environment(folder: Path) -> None:
    """A virtual environment with the packages of this one, and with the commands that the tutorial runs."""
    venv.create(folder, symlinks=True)
    [packages] = (folder / "lib").glob("python3*/site-packages")
    here = sysconfig.get_path("purelib")
    (packages / "this.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    for name, module in {"pip": "pip", "pytest": "pytest", "pytest-vmaf": "pytest_vmaf"}.items():
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(str(folder))}/bin/python3 -m {module} "$@"\n')
        command.chmod(0o755)
