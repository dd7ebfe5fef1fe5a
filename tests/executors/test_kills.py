"""A sweep whose coordinator is killed several times: every row once, as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vmaf import FakeScorer, Row, Vmaf
from pytest_vmaf.search.row_files import read_rows

GRID = {"encoders": ["libx264:ultrafast"], "crfs": [20, 24, 28, 32, 36]}
#: Sweeps the source into the file of rows. The scores are invented, the encodes are not.
SWEEP = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from pytest_vmaf import FakeScorer, Vmaf

with ThreadPoolExecutor(2) as pool:
    vmaf = Vmaf(scorer=FakeScorer(), progress=False, cache=False)
    vmaf.sweep(sys.argv[1], output=sys.argv[2], executor=pool, **{GRID})
"""


def plain(rows: tuple[Row, ...]) -> list[Row]:
    """Rows without what differs from run to run, by their CRF."""
    return sorted((replace(row, seconds=None, command="") for row in rows), key=lambda row: row.crf)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_three_kills(footage: Callable[..., Path], tmp_path: Path) -> None:
    source, output = footage("96x80", 3), tmp_path / "rows.jsonl"
    for rows in (1, 2, 3, None):
        sweep = subprocess.Popen([sys.executable, "-c", SWEEP, source, output])
        while rows and sweep.poll() is None and (not output.exists() or output.read_bytes().count(b"\n") < rows):
            time.sleep(0.01)
        if rows:
            sweep.send_signal(signal.SIGKILL)
        assert sweep.wait() == (-signal.SIGKILL if rows else 0)
    vmaf = Vmaf(scorer=FakeScorer(), progress=False, cache=False)
    serial = vmaf.sweep(source, output=tmp_path / "serial.jsonl", **GRID)
    # No row is there twice.
    assert plain(read_rows(output)) == plain(serial)
