"""Compare two commands by medians of alternating runs, so that changes of the machine's speed cancel out."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

Argv = Sequence[str]


def seconds(argv: Argv, cwd: Path) -> tuple[float, float]:
    """Run a command and measure its wall and CPU seconds, children included. Its output is discarded."""
    # Installed packages run with their compiled files.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    done = subprocess.run(argv, cwd=cwd, env=env, stderr=subprocess.PIPE, **quiet)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{argv[0]} failed:\n{done.stderr.decode(errors='replace')[-2000:]}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent


def compare(name_a: str, a: Argv, name_b: str, b: Argv, cwd: Path, runs: int) -> None:
    """Print the medians of both commands, and of their ratio and difference in each pair, after a warm-up."""
    seconds(a, cwd)
    seconds(b, cwd)
    pairs = [(seconds(a, cwd), seconds(b, cwd)) for _ in range(runs)]
    for number, what in ((0, "wall"), (1, "cpu")):
        in_a, in_b = [p[0][number] for p in pairs], [p[1][number] for p in pairs]
        ratio = statistics.median(x / y for x, y in zip(in_a, in_b, strict=True))
        extra = statistics.median(x - y for x, y in zip(in_a, in_b, strict=True))
        print(
            f"{what:4}  {name_a} {statistics.median(in_a):.3f} s   {name_b} {statistics.median(in_b):.3f} s   "
            f"ratio {ratio:.3f}   difference {extra * 1000:+.1f} ms   ({runs} pairs)"
        )
