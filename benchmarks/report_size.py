"""Benchmark: size, time and memory of the report for 10, 200 and 2,000 tests, and for a clip of two hours.

python -m benchmarks.report_size [--runs 5]

Each row is a process of its own. It makes records with synthetic scores of 500 or 172,800 frames, and renders them.
Seconds and memory are those of the rendering alone. All figures are medians of the runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pytest_vmaf import FakeScorer, GateViolation, Vmaf
from pytest_vmaf.report import document as documents
from pytest_vmaf.report.collector import Collector
from pytest_vmaf.report.html import write_html

CASES = ((0, 500, 0), (10, 500, 1), (200, 500, 20), (2000, 500, 200), (1, 172_800, 0))
COMMAND = "ffmpeg -nostdin " + "-filter_complex [0:V:0]settb=AVTB,setpts=N,setparams=range=tv" * 12
RUN = {
    "name": "",
    "ended": "finished",
    "why": "",
    "exit": 1,
    "command": "pytest",
    "created": "2026-01-01T00:00:00+00:00",
    "duration": 1.0,
    "python": "3",
    "platform": "Linux",
    "pytest": "9",
    "pytest_vmaf": "0",
    "gates": [],
    "planned": 0,
    "ran": 0,
    "not_collected": 0,
}


class Report:
    """The attributes of a pytest report that the collector reads."""

    outcome, when, duration, longrepr, location = "passed", "call", 1.0, None, ("test_it.py", 1, "test_it")

    def __init__(self, number: int, records: list[dict[str, Any]]) -> None:
        self.nodeid = f"tests/test_encoders.py::test_every_rung_reaches_its_floor[clip{number}-x264-medium-28]"
        self.vmaf = {"measurements": records, "sections": []}
        self.outcome = "failed" if records[0]["status"] == "failed" else "passed"


def frames(count: int, base: float, number: int) -> list[float]:
    return [base + 4 * math.sin((i + number) / 9) + (i * 7919 % 13) / 4 for i in range(count)]


def one(tests: int, length: int, failed: int) -> None:
    """Render once, and print seconds, sizes and memory."""
    collector = Collector()
    for number in range(tests):
        scorer = FakeScorer(vmaf=frames(length, 92, number), neg=frames(length, 90, number))
        session = Vmaf(scorer=scorer)
        clips = f"/clips/reference-{number}.y4m", f"/encodes/x264-{number}.mp4"
        with contextlib.suppress(GateViolation):
            session.check(*clips, min_neg=95 if number < failed else 80)
        session.records[0]["provenance"]["command"] = COMMAND
        collector.add(Report(number, session.records))
    document = {**documents.merge([]), "runs": [RUN], "tests": collector.records()}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.html")
        start = time.perf_counter()
        write_html(path, document)
        seconds = time.perf_counter() - start
        size = path.stat().st_size
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": seconds, "bytes": size, "MB": grown, "json": len(json.dumps(document))}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", type=int, nargs=3)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    empty = 0
    print("tests  frames  failed    HTML KB  KB/test    JSON KB  seconds  peak memory grown by MB")
    for tests, length, failed in CASES:
        argv = [sys.executable, __file__, "--one", str(tests), str(length), str(failed)]
        taken = [json.loads(subprocess.run(argv, capture_output=True, check=True).stdout) for _ in range(options.runs)]
        seconds, grown = (statistics.median(each[key] for each in taken) for key in ("seconds", "MB"))
        size = taken[0]["bytes"]
        empty = empty or size
        each = (size - empty) / tests / 1000 if tests else 0.0
        sizes = f"{size / 1000:10.1f}  {each:7.2f} {taken[0]['json'] / 1000:10.1f}"
        print(f"{tests:5}  {length:6}  {failed:6} {sizes}  {seconds:7.2f}  {grown:7.1f}")


if __name__ == "__main__":
    main()
