"""Benchmark: CPU seconds of a score with the signs of the picture, compared with the same score without them.

    python benchmarks/signs_overhead.py [--source CLIP] [--pairs 5]

Both sides score the same encode in turn, without a cache. CPU seconds are those of ffmpeg and of Python together.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

from score_overhead import bunny

from pytest_vmaf import Vmaf
from pytest_vmaf.media.ffmpeg import find_ffmpeg


def main() -> None:
    """Print the median of each side, and of their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    source = (options.source or bunny()).absolute()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        encode = Path(folder, "encode.mp4")
        argv = [find_ffmpeg().path, "-v", "error", "-i", str(source), "-c:v", "libx264", "-crf", "24", str(encode)]
        subprocess.run(argv, check=True)
        for pair in range(options.pairs + 1):
            for signs in (True, False):
                before = cpu()
                Vmaf(cache=False, signs=signs).score(source, encode)
                if pair:
                    # The first pair only warms up.
                    seconds[signs].append(cpu() - before)
    ratios = [a / b for a, b in zip(seconds[True], seconds[False], strict=True)]
    print(f"with signs {statistics.median(seconds[True]):.2f} s, without {statistics.median(seconds[False]):.2f} s")
    print(f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def cpu() -> float:
    """CPU seconds of this process and of its children so far."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
