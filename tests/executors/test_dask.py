"""A cluster of Dask on this machine: rows and chunks of a serial run, and workers that die."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vmaf import Encoder, MeasurementError, Vmaf
from pytest_vmaf.search.row_files import read_rows

pytestmark = pytest.mark.slow


def killer(source: Path, output: Path, crf: int) -> None:
    """An encoder that kills its worker at CRF 2."""
    if crf == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    output.write_bytes(source.read_bytes())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    """The executor of a cluster of two workers."""
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed: pip install 'pytest-vmaf[dask]'")
    import dask

    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.profile.enabled": False}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as workers,
        distributed.Client(workers) as client,
    ):
        yield client.get_executor(pure=False)


def test_rows_and_chunks_of_a_serial_run(
    cluster: Executor, footage: Callable[..., Path], encode: Callable[..., Path], tmp_path: Path
) -> None:
    clips, vmaf = [footage("96x80", 3), footage("96x80", 4)], Vmaf(progress=False, cache=False)
    rows = [
        vmaf.sweep(clips, encoders=["libx264:ultrafast"], crfs=[24, 48], output=tmp_path / name, executor=executor)
        for name, executor in (("serial.jsonl", None), ("dask.jsonl", cluster))
    ]
    serial, parallel = ([replace(row, seconds=None, command="") for row in each] for each in rows)
    assert parallel == serial
    pair = clips[1], encode(clips[1], 28)
    assert vmaf.score(*pair, chunk=0.08, executor=cluster) == vmaf.score(*pair)


def test_scheduler_without_workers() -> None:
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed: pip install 'pytest-vmaf[dask]'")
    from pytest_vmaf.executors.dask_client import dask_executor

    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        pytest.warns(UserWarning, match=r"has no workers\. Tasks wait until one joins: dask worker tcp://"),
        dask_executor(empty.scheduler_address) as executor,
    ):
        assert isinstance(executor, Executor)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_dead_workers(cluster: Executor, footage: Callable[..., Path], tmp_path: Path) -> None:
    source, output = tmp_path / "source.y4m", tmp_path / "rows.jsonl"
    source.write_bytes(footage("96x80", 3).read_bytes())
    given = {"encoders": [Encoder("killer", function=killer, suffix=".mkv")], "output": output, "executor": cluster}
    vmaf = Vmaf(progress=False, cache=False)
    assert [row.crf for row in vmaf.sweep(source, crfs=[0, 1], **given)] == [0, 1]
    with pytest.raises(MeasurementError, match="KilledWorker") as caught:
        vmaf.sweep(source, crfs=[0, 1, 2], **given)
    assert caught.value.__notes__[0].startswith("This was source.y4m, killer, CRF 2.")
    assert "2 of 3 rows are in" in caught.value.__notes__[1]
    assert sorted(row.crf for row in read_rows(output)) == [0, 1]
