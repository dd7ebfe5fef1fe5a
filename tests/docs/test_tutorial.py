"""The tutorial, word for word, in a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.blocks import read_blocks
from docs.test_examples import ROOT, TUTORIAL, check_output

#: What the checkout stands for until the package is published.
PUBLISHED, CHECKOUT = "pip install pytest-vmaf", f"pip install {ROOT}"


@pytest.mark.slow
def test_tutorial(natural_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "CI", "PYTEST_ADDOPTS", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    # pip sets `compile` to this value. Python compiles what it imports, a small part of the dependencies.
    monkeypatch.setenv("PIP_NO_COMPILE", "0")
    # The Python of this run, as the reader's python3.
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python3").symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setenv("PATH", os.pathsep.join([str(tools), os.environ["PATH"]]))
    folder = tmp_path / "project"
    folder.mkdir()
    output = ""
    for block in read_blocks(TUTORIAL, ROOT):
        if block.claim == "file":
            (folder / block.detail).write_text(block.code, encoding="utf-8")
        elif block.claim == "output":
            check_output(block, output)
        elif block.claim in ("runs", "fails"):
            command = block.code.replace(PUBLISHED, CHECKOUT)
            run = subprocess.run(
                ["bash", "-ec", command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
            )
            output = run.stdout + run.stderr
            assert (run.returncode == 0) == (block.claim == "runs"), f"{block.place}\n{output}"
            assert block.detail in output, f"{block.place}\n{output}"
    assert (folder / "report.html").stat().st_size > 10_000
