"""Benchmark: time, memory and size of the page of a history, for 250 and 2,000 commits of 50 tests, with noise or not.

python -m benchmarks.history [--tests 50]

Each row is a process of its own. The time is that of `pytest-vmaf history page` in units of reading the same lines as
JSON alone, and appending is that of 50 lines to the file, in the same units.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_vmaf.cli import main as command
from pytest_vmaf.history.file import append_lines, write_lines
from pytest_vmaf.history.line import HistoryLine

CASES = ((250, 0.0), (2000, 0.0), (250, 0.4), (2000, 0.4))


def make_lines(commits: int, tests: int, noise: float) -> list[HistoryLine]:
    """Lines of tests whose levels change at 1 of 500 commits."""
    source, lines = random.Random(1), []
    levels = [93 + 4 * source.random() for _ in range(tests)]
    for commit in range(commits):
        when = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=commit)
        for test in range(tests):
            levels[test] += source.uniform(-2, 2) if source.random() < 0.002 else 0
            neg = round(levels[test] + source.gauss(0, noise), 4)
            size = round(1e6 + source.gauss(0, noise) * 5e4)
            values = {"vmaf": neg + 2, "neg": neg, "gap": 2.0, "above_100": 0.0, "size": size, "neg_p5": neg - 3}
            name, revision = f"tests/test_q.py::test_q[{test}]", f"{commit * 7919 + 1:040x}"[::-1]
            url, tools = (
                f"https://ci.example/runs/{commit}",
                {"libvmaf": "3.2.0", "ffmpeg": "n9.0.2", "scorer": "ffmpeg"},
            )
            more = {"subject": "out.mp4", "commit": revision, "branch": "main", "build": f"CI {commit}", "url": url}
            lines.append(HistoryLine(name, when.isoformat(), values, tools=tools, **more))
    return lines


def measure(folder: Path) -> dict[str, float]:
    """Measure one history, in this process."""
    path, page = folder / "history.jsonl", folder / "page.html"
    began = time.process_time()
    for text in path.read_bytes().splitlines():
        json.loads(text)
    reading = time.process_time() - began
    began = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        assert command(["history", "page", str(path), "-o", str(page)]) == 0
    making = time.process_time() - began
    began = time.process_time()
    append_lines(path, make_lines(1, 50, 0.0))
    appending = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "reading": reading,
        "page": making,
        "append": appending,
        "memory": memory,
        "size": page.stat().st_size / 1e6,
    }


def main() -> None:
    """Measure each case, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tests", type=int, default=50)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    print(
        f"{'commits':>8} {'noise':>6} {'file MB':>8} {'page MB':>8} {'memory MB':>10} "
        f"{'page/JSON':>10} {'append/JSON':>12}"
    )
    for commits, noise in CASES:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "history.jsonl"
            write_lines(path, make_lines(commits, options.tests, noise))
            argv = [sys.executable, __file__, "--measure", name]
            done = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
            ratios = f"{done['page'] / done['reading']:10.1f} {done['append'] / done['reading']:12.4f}"
            size = path.stat().st_size / 1e6
        print(f"{commits:8} {noise:6.1f} {size:8.1f} {done['size']:8.2f} {done['memory']:10.0f} {ratios}", flush=True)


if __name__ == "__main__":
    main()
