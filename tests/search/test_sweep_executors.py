"""Sweeps on executors: the rows of a serial sweep, what fails, and what workers check."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.api.vmaf import Vmaf
from pytest_vmaf.encoding.encoders import Encoder
from pytest_vmaf.errors import ClipError, MeasurementError, SettingsError
from pytest_vmaf.executors import source
from pytest_vmaf.executors.processes import Processes
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.search.row_files import locked_file, read_rows
from pytest_vmaf.search.rows import Row


@pytest.fixture(scope="module")
def clips(footage: Callable[..., Path]) -> list[Path]:
    """Two sources."""
    return [footage("160x120", 8), footage("160x120", 6)]


def sweep(clips: Sequence[Path], output: Path, **settings: Any) -> tuple[Row, ...]:
    given = {"encoders": ["libx264:ultrafast"], "crfs": [24, 48], "cache": False, **settings}
    return Vmaf(progress=False).sweep(clips, output=output, **given)


def plain(rows: Sequence[Row]) -> list[Row]:
    """Rows without what differs from run to run."""
    return [replace(row, seconds=None, command="") for row in rows]


def copy_source(source: Path, output: Path, crf: int) -> None:
    """An encoder that fails at some CRFs, and kills its process at others."""
    if crf == 1:
        raise RuntimeError("1 is not my number")
    if crf == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    output.write_bytes(source.read_bytes())


COPY = Encoder("copy", function=copy_source, suffix=".y4m")


@pytest.mark.slow
def test_rows_of_a_serial_sweep(clips: list[Path], tmp_path: Path) -> None:
    serial = sweep(clips, tmp_path / "serial.jsonl")
    with Processes(2) as processes:
        rows = sweep(clips, tmp_path / "processes.jsonl", executor=processes)
    assert plain(rows) == plain(serial)
    with ThreadPoolExecutor(2) as threads:
        assert plain(sweep(clips, tmp_path / "threads.jsonl", executor=threads)) == plain(serial)
    # In the file, in any order; nothing is made again, whoever asks.
    assert set(map(Row.to_json, read_rows(tmp_path / "processes.jsonl"))) == set(map(Row.to_json, rows))
    broken = ProcessPoolExecutor(1)
    broken.shutdown()
    assert sweep(clips, tmp_path / "processes.jsonl", executor=broken) == rows
    with pytest.raises(MeasurementError, match="ProcessPoolExecutor does not take tasks") as refusal:
        sweep(clips, tmp_path / "processes.jsonl", executor=broken, crfs=[24, 36, 48])
    assert "4 of 6 rows are in" in refusal.value.__notes__[-1]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_failures_are_listed_and_the_rest_is_made(clips: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    with Processes(2) as processes, pytest.raises(MeasurementError) as caught:
        sweep(clips[:1], output, encoders=[COPY], crfs=[1, 2, 3, 4, 5], executor=processes)
    lines = str(caught.value).splitlines()
    name = f"  {clips[0].name}, copy, CRF"
    assert lines[0] == "2 of 5 encodes failed:"
    assert sorted(lines[1:])[0].startswith(f"{name} 1: The encoder copy raised RuntimeError")
    assert sorted(lines[1:])[1].startswith(f"{name} 2: Each worker that ran it died")
    assert sorted(row.crf for row in read_rows(output)) == [3, 4, 5]
    assert "3 of 5 rows are in" in caught.value.__notes__[-1]


def test_what_cannot_be_sent(clips: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    local = Encoder("local", function=lambda source, output, crf: None)
    for encoder, text in ((local, "The encoder local cannot be sent to a worker"), (threading.Lock(), "encoder must")):
        with Processes(1) as processes, pytest.raises(SettingsError, match=text) as caught:
            sweep(clips[:1], output, encoders=[encoder], executor=processes)
        # The same sweep would not resume.
        assert not hasattr(caught.value, "__notes__")
    for executor, text in ((2, r"Pass ProcessPoolExecutor\(2\)"), (ThreadPoolExecutor, "Pass an instance")):
        with pytest.raises(SettingsError, match=text):
            sweep(clips[:1], output, executor=executor)
    with pytest.raises(SettingsError, match=r"executor is an option of vmaf\.sweep"):
        Vmaf().speed(clips[0], encoder="libx264", crf=30, executor=ThreadPoolExecutor(1))  # type: ignore[call-arg]
    assert not output.exists() or not output.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="other systems keep a file that is open")
def test_file_that_is_removed(clips: list[Path], tmp_path: Path) -> None:
    """A sweep that writes where nobody finds it must not end as if its rows were there."""
    output = tmp_path / "rows.jsonl"

    def remove(source: Path, path: Path, crf: int) -> None:
        if crf == 2:
            output.unlink()
        shutil.copy(source, path)

    encoder = Encoder("remove", function=remove, suffix=".y4m")
    with pytest.raises(MeasurementError, match=r"rows\.jsonl was removed or replaced during the sweep") as caught:
        sweep(clips[:1], output, encoders=[encoder], crfs=[1, 2, 3], scorer=FakeScorer())
    assert caught.value.__notes__[0].startswith("0 of 3 rows are in")


def test_lock_ends_with_the_sweep(tmp_path: Path) -> None:
    """Another process may have the file open for as long as it lives."""
    with locked_file(tmp_path / "rows.jsonl") as file:
        other = os.dup(file.fileno())
        with pytest.raises(MeasurementError, match="Another sweep"), locked_file(tmp_path / "rows.jsonl"):
            pass
    with locked_file(tmp_path / "rows.jsonl"):
        os.close(other)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_lock_is_not_that_of_forked_workers(tmp_path: Path) -> None:
    """A worker that is left over from a sweep that was killed would lock its rows for ever."""
    here, there = socket.socketpair()
    with locked_file(tmp_path / "rows.jsonl") as file:
        worker = os.fork()
        if worker == 0:
            here.close()
            there.sendall(b".")
            there.recv(1)
            os._exit(0)
        there.close()
        # The worker runs.
        here.recv(1)
        # As when this process is killed: its files are closed, and it unlocks nothing.
        file.close()
        with locked_file(tmp_path / "rows.jsonl"):
            here.close()
    os.waitpid(worker, 0)


def test_source_of_a_worker(clips: list[Path], tmp_path: Path) -> None:
    from pytest_vmaf.media.clip import Clip
    from pytest_vmaf.media.fingerprint import content_of

    here = tmp_path / "source.y4m"
    here.write_bytes(clips[0].read_bytes())
    expected = content_of(Clip(here))
    unchanged = source.check_source(Clip(here), expected, None)
    assert unchanged()
    here.write_bytes(clips[1].read_bytes())
    assert not unchanged()
    with pytest.raises(ClipError, match=r"source\.y4m differs from the coordinator's file of that name on "):
        source.check_source(Clip(here), expected, None)
    here.unlink()
    with pytest.raises(ClipError, match=r"source\.y4m does not exist on "):
        source.check_source(Clip(here), expected, None)
