"""Benchmark: the example suite with an empty cache, and again with the cache of the first run.

python -m benchmarks.cache [--runs 3]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.paired import command, measure


def main() -> None:
    """Print the medians of both runs and of their ratio, run by run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    times = []
    for number in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            suite = Path(folder, "examples")
            shutil.copytree(Path(__file__).parents[1] / "examples", suite)
            argv = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(suite), str(suite)]
            times.append([measure(command(argv, suite).run).wall for _ in range(2)])
        print(f"run {number + 1}: {times[-1][0]:.2f} s, then {times[-1][1]:.2f} s", flush=True)
    first, second = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(b / a for a, b in times)
    print(f"empty {first:.2f} s   full {second:.2f} s   ratio 1/{1 / ratio:.1f}   ({runs} runs, medians)")


if __name__ == "__main__":
    main()
