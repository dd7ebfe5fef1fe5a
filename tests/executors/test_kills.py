"""A sweep whose coordinator is killed several times: every row once, as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vmaf import FakeScorer, Row, Vmaf
from pytest_vmaf.search.row_files import read_rows


def sweep(source: Path, output: Path, executor: Executor | None = None) -> list[Row]:
    """The rows of some encodes, without what differs from run to run. The scores are invented, the encodes are not."""
    vmaf = Vmaf(scorer=FakeScorer(), progress=False, cache=False)
    crfs = [20, 24, 28, 32, 36, 40]
    rows = vmaf.sweep(source, encoders=["libx264:ultrafast"], crfs=crfs, output=output, executor=executor)
    return [replace(row, seconds=None, command="") for row in rows]


def sweep_in_threads(source: Path, output: Path) -> None:
    """The sweep, two encodes at once."""
    with ThreadPoolExecutor(2) as pool:
        sweep(source, output, pool)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_three_kills(footage: Callable[..., Path], tmp_path: Path) -> None:
    source, output = footage("96x80", 3), tmp_path / "rows.jsonl"
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "pytest_vmaf.api.measurement_kinds", "pytest_vmaf.search.sweep"])
    for rows in (1, 2, 4, None):
        coordinator = processes.Process(target=sweep_in_threads, args=(source, output))
        coordinator.start()
        while rows and coordinator.is_alive() and (not output.exists() or output.read_bytes().count(b"\n") < rows):
            time.sleep(0.01)
        if rows:
            coordinator.kill()
        coordinator.join()
        assert coordinator.exitcode == (-signal.SIGKILL if rows else 0)
    # No row is there twice.
    assert sorted(row.crf for row in read_rows(output)) == [20, 24, 28, 32, 36, 40]
    assert sweep(source, output) == sweep(source, tmp_path / "serial.jsonl")
