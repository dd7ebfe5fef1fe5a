"""Benchmark: time and memory of the process that conducts a sweep, for grids of up to 100,000 cells.

python -m benchmarks.coordinator [--cells 1000 10000 100000]

An executor that answers at once stands for the workers, so all that is measured is the coordinator: sending tasks,
taking rows, and writing each to the file. Each size has a process of its own. "collect" is the part that the memory of
a sweep must not depend on: it sends tasks and takes answers, and nothing is stored. The times of a cell are given as a
ratio to those of the smallest grid, in which 1.0 means that time is proportional to the number of cells.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_vmaf import Encoder, FakeScorer, Row, Vmaf
from pytest_vmaf.executors.collect import collect
from pytest_vmaf.executors.task import Outcome
from pytest_vmaf.media.ffmpeg import find_ffmpeg

#: The grid of a source: so many presets and CRFs.
PRESETS, CRFS = 20, 1000
COMMAND = "ffmpeg -nostdin -filter_complex [0:V:0]settb=AVTB,setpts=N,setparams=range=tv " * 12


class Instant(Executor):
    """Answers at once: a task of a sweep with a row, any other with nothing."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        task, future = args[0], Future[Any]()
        values = (row_of(task),) if hasattr(task, "crf") else (None,)
        future.set_result(Outcome(values, None, ""))
        return future


def row_of(task: Any) -> Row:
    """A row with as many scores as a real one has."""
    setup = task.curve.open().setup
    names = [f"{metric}_{pool}" for metric in ("vmaf", "neg", "psnr_y", "psnr_cb") for pool in ("min", "p5", "max")]
    scores = dict.fromkeys(("vmaf", "neg", "gap", *names), 90.0 + task.crf / 1000)
    numbers = {"size": 100_000, "frames": 24, "duration": 0.96, "bitrate": 833333.3, "seconds": 0.5}
    return Row(setup=setup, crf=task.crf, **numbers, libvmaf="3.2.1", command=COMMAND, scores=scores)


@dataclass(frozen=True)
class Nothing:
    """A task of `collect` alone."""

    name: str = "nothing"

    def run(self) -> None:
        """Do nothing."""


def collect_cells(cells: int) -> tuple[float, float]:
    """Seconds, and megabytes of memory, of sending tasks and taking answers."""
    before, start = peak(), time.process_time()
    tasks: Iterator[Any] = (Nothing() for _ in range(cells))
    assert sum(1 for _ in collect(Instant(), tasks)) == cells
    return time.process_time() - start, peak() - before


def sweep_cells(cells: int, folder: Path) -> dict[str, float]:
    """Seconds and memory of a sweep of so many cells, and of one that finds them all in the file."""
    sources = []
    for number in range(max(1, cells // (PRESETS * CRFS))):
        sources.append(folder / f"{number}.y4m")
        scene = f"testsrc2=size=64x64:rate=25:duration=0.04,hue=h={number}"
        argv = [find_ffmpeg().path, "-v", "error", "-f", "lavfi", "-i", scene, "-pix_fmt", "yuv420p", sources[-1]]
        subprocess.run(argv, check=True)
    presets = [f"p{number}" for number in range(PRESETS)]
    command = ("true", "{crf}", "{preset}", "{output}")
    encoder = Encoder("true", (0, CRFS - 1), command=command, presets=tuple(presets), preset="p0")
    count = min(CRFS, cells // PRESETS)
    vmaf = Vmaf(scorer=FakeScorer(), progress=False, cache=False)
    output, figures = folder / "rows.jsonl", dict[str, float]()
    for name in ("sweep", "resume"):
        before, start = peak(), time.process_time()
        rows = vmaf.sweep(
            sources, encoders=[encoder], presets=presets, crfs=range(count), output=output, executor=Instant()
        )
        assert len(rows) == cells
        figures |= {f"{name} seconds": time.process_time() - start, f"{name} MB": peak() - before}
        del rows
    return {**figures, "file MB": output.stat().st_size / 1e6}


def peak() -> float:
    """The peak of memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--one", type=int)
    options = parser.parse_args()
    if options.one:
        seconds, grown = collect_cells(options.one)
        with tempfile.TemporaryDirectory() as folder:
            figures = sweep_cells(options.one, Path(folder))
        print(json.dumps({"collect seconds": seconds, "collect MB": grown, **figures}))
        return
    taken = {}
    for cells in options.cells:
        argv = [sys.executable, __file__, "--one", str(cells)]
        taken[cells] = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    first = options.cells[0]
    for name in taken[first]:
        if name.endswith("seconds"):
            each = [taken[cells][name] / cells for cells in options.cells]
            print(f"{name} a cell, ratio to {first} cells:", *(f"{value / each[0]:.2f}" for value in each))
            print(f"  in microseconds: {', '.join(f'{value * 1e6:.0f}' for value in each)}")
        else:
            print(f"{name}:", *(f"{taken[cells][name]:.1f}" for cells in options.cells))


if __name__ == "__main__":
    main()
