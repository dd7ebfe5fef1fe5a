"""`pytest-vmaf stream`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import Run


def test_table(run: Run, stream_encode: Callable[[str], Path]) -> None:
    done = run("stream", stream_encode("x264-closed.mp4"), "--max-level=4.1", "--closed-gop", "--expect-frame-rate=24")
    assert done.returncode == 0, done.stderr
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith(("frame r", "peak")))
    assert rows["codec"] == "h264"
    assert rows["picture"] == "128x96 yuv420p"
    assert rows["colour"] == "range tv, matrix bt709, primaries bt709, transfer bt709"
    assert rows["key"] == "frames          at most 12 frames apart"
    assert len(rows["digest"]) == 64


def test_violation(run: Run, stream_encode: Callable[[str], Path]) -> None:
    done = run("stream", stream_encode("x264-open.mp4"), "--json", "--max-peak-bitrate=1e3", "--codec=hevc",
               "--gate=max_keyframe_distance=6", "--same-colour", stream_encode("x264-closed.mp4"))  # fmt: skip
    assert done.returncode == 1
    assert "(4 of 4 gates failed)" in done.stderr.splitlines()[0]
    record = json.loads(done.stdout)
    assert record["stream"]["codec"] == "h264"
    assert [gate["passed"] for gate in record["gates"]] == [False] * 4


@pytest.mark.slow
def test_errors(run: Run, stream_encode: Callable[[str], Path], remux: Callable[..., Path], tmp_path: Path) -> None:
    bare = remux(stream_encode("vvc-open.mp4"), "cli.vvc")
    done = run("stream", bare)
    assert (done.returncode, "frame rate          not stated" in done.stdout) == (0, True)
    done = run("stream", bare, "--max-bitrate=1e6")
    assert (done.returncode, "or --frame-rate 24" in done.stderr) == (3, True)
    assert run("stream", bare, "--max-bitrate=1e9", "--frame-rate=24").returncode == 0
    assert run("stream", tmp_path / "none.mp4").returncode == 3
    assert run("stream", bare, "--gate=min_neg=3").returncode == 2
    assert run("stream", bare, "--gate=max_size").returncode == 2
    assert run("stream", bare, "--profile=Baseline").returncode == 2
