"""Executors of executorlib: its local one, and that for Slurm with a stand-in for `srun`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vmaf import FakeScorer, Row, Vmaf

#: Runs the command after the options, as a job step on this machine.
SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do [ "$1" = -n ] && shift; shift; done
exec "$@"
"""


def plain(rows: tuple[Row, ...]) -> list[Row]:
    """Rows without what differs from run to run."""
    return [replace(row, seconds=None, command="") for row in rows]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a shell for the stand-in of srun")
@pytest.mark.parametrize("kind", ["SingleNodeExecutor", "SlurmJobExecutor"])
def test_rows_of_a_serial_sweep(
    kind: str, footage: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executorlib = pytest.importorskip("executorlib", reason="needs executorlib: pip install executorlib")
    srun = tmp_path / "srun"
    srun.write_text(SRUN)
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    # executorlib puts the current folder into this process's PYTHONPATH, and leaves it there.
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", os.getcwd()))
    vmaf, source = Vmaf(scorer=FakeScorer(), progress=False, cache=False), footage("96x80", 3)
    grid = {"encoders": ["libx264:ultrafast"], "crfs": [24, 36, 48]}
    serial = vmaf.sweep(source, output=tmp_path / "serial.jsonl", **grid)
    settings = {"max_workers": 2, "block_allocation": True, "resource_dict": {"cores": 1}}
    with getattr(executorlib, kind)(**settings, hostname_localhost=True) as executor:
        rows = vmaf.sweep(source, output=tmp_path / "rows.jsonl", executor=executor, **grid)
    assert plain(rows) == plain(serial)
